"""Every route, asked by everybody: each role, no token, one's own object and another's."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.openapi import describe_api
from app.core.access import SCOPES
from tests.api.auth.matrix_rows import ROWS
from tests.api.auth.matrix_world import Asked, World, build_world
from tests.api.auth.votes_rows import VOTE_OFFICES
from tests.api.conftest import Town, close_database
from tests.api.energy.kit import PARAMS as PARAMS_OF_ENERGY
from tests.api.energy.kit import ROLES_OF_ENERGY
from tests.api.lab import Lab
from tests.api.places import fill
from tests.house.test_identity_requirements import is_a_test
from tests.town.votes.kit import LAX

METHODS = ("get", "post", "put", "patch", "delete")
IMPLIED = {"supervisor": {"clerk"}}
"""Roles that are another role too: an agent supervisor is an agent."""
TOLERATED_5XX = frozenset({"node_unavailable"})


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in describe_api()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


OPERATIONS = operations()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    lab = Lab(
        roles=(*ROLES_OF_ENERGY, *VOTE_OFFICES),
        params={
            **PARAMS_OF_ENERGY,
            **LAX,
            "votes_registrars_min": 1,
            "loyalty_offline_points": 40,  # off by default
        },
    )
    yield build_world(Town(Path(tmp_path_factory.mktemp("matrix")), lab=lab))
    close_database()


def held(scope: str) -> set[str]:
    return {scope, "device"} | IMPLIED.get(scope, set())


def test_the_world_has_somebody_for_every_scope_there_is(world: World) -> None:
    assert set(world.signers) == set(SCOPES) - {"public"}
    wrong = {
        scope: answer.json["scope"]
        for scope, signer in world.signers.items()
        if scope not in (answer := world.street.town.login_answer(signer)).json["scope"].split()
    }
    assert wrong == {}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_route_opens_to_the_roles_it_names_and_to_no_other(world: World, name: str) -> None:
    method, path = name.split(" ", 1)
    allowed = set(OPERATIONS[name]["x-scope"])
    asked = Asked(fill(path), {} if method != "GET" else None)
    for scope in ("", *world.signers):
        answer = world.ask(method, asked, scope)
        code = (answer.json or {}).get("code", "") if answer.is_json or answer.data else ""
        assert answer.status_code < 500 or code in TOLERATED_5XX, (name, scope, code)
        if "public" in allowed:
            assert answer.status_code != 401, (name, scope)
            assert code != "auth_scope_missing", (name, scope)
        elif not scope:
            assert (answer.status_code, code) == (401, "auth_token_required"), name
        elif held(scope) & allowed:
            stepped = "x-step-up-seconds" in OPERATIONS[name] and code == "auth_step_up_required"
            assert stepped or answer.status_code != 401, (name, scope, code)
            assert code != "auth_scope_missing", (name, scope)
        else:
            assert (answer.status_code, code) == (403, "auth_scope_missing"), (name, scope)


@pytest.mark.parametrize("name", ROWS)
def test_a_route_reaches_the_own_object_and_refuses_another_s(world: World, name: str) -> None:
    method, row = name.split(" ", 1)[0], ROWS[name]
    refused = world.ask(method, row.other(world), row.who)
    assert refused.status_code in row.refused, (name, refused.status_code, refused.json)
    allowed = world.ask(method, row.own(world), row.who)
    is_used_up = bool(row.used_up) and allowed.json.get("code") == row.used_up
    assert allowed.status_code < 400 or is_used_up, (name, allowed.status_code, allowed.json)


NAMES_NOBODY = {"provider"}
"""Path parameters that choose among public things; a wrong one tells nothing of a person."""
LOGINS = "tests/api/identity/federation/test_logins.py::"
DEVICES = "tests/api/auth/test_devices.py::"
TOLD_OTHERWISE = {
    "POST /v1/loyalty/invoices/preview": "tests/api/loyalty/test_invoices.py::"
    "test_a_bad_invoice_is_refused_by_name_in_preview_and_payment_and_takes_nothing",
    "POST /v1/auth/devices/tokens": DEVICES
    + "test_a_stolen_device_code_is_worth_nothing_without_the_terminal_s_key",
    "POST /v1/auth/devices/lookups": DEVICES + "test_guessing_letters_is_stopped",
    "POST /v1/auth/devices/decisions": DEVICES
    + "test_another_shop_s_owner_cannot_see_or_approve_the_till",
    "POST /v1/federation/{provider}/enrolments": "tests/api/identity/federation/test_enrolment.py::"
    "test_an_enrolment_that_the_desk_works_on_takes_no_login",
    "GET /v1/federation/{provider}/callback": LOGINS
    + "test_23_a_callback_with_an_unknown_or_doubled_state_goes_nowhere",
    "GET /v1/federation/{provider}/logged-out": LOGINS
    + "test_28_without_the_secret_there_is_no_logout_and_an_unknown_state_goes_nowhere",
    "POST /v1/federation/{provider}/completions": LOGINS + "test_22_a_wrong_secret_uses_nothing_up",
    "POST /v1/federation/{provider}/logouts": LOGINS
    + "test_28_without_the_secret_there_is_no_logout_and_an_unknown_state_goes_nowhere",
    "POST /v1/loyalty/codes": "tests/api/loyalty/test_reading.py::"
    "test_a_till_finds_the_account_behind_a_code_and_nobody_elses",
}
"""Capabilities that travel in a body or a query, and the test that tries a false one there."""


def named_in_path(name: str) -> set[str]:
    """What an operation's path names of somebody; the description keeps path parameters outside its operations."""
    return set(re.findall(r"\{([a-z_]+)\}", name)) - NAMES_NOBODY


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o["x-objects"] == "self"])
def test_a_route_about_oneself_has_no_place_to_name_another(name: str) -> None:
    assert named_in_path(name) == set()


CAPABILITIES = [n for n, o in OPERATIONS.items() if o["x-objects"] == "capability"]


@pytest.mark.parametrize("name", [n for n in CAPABILITIES if named_in_path(n)])
def test_an_unguessable_name_that_nobody_gave_out_opens_nothing(world: World, name: str) -> None:
    method, path = name.split(" ", 1)
    scope = OPERATIONS[name]["x-scope"][0].replace("public", "")
    answer = world.ask(method, Asked(fill(path)), scope)
    assert answer.status_code in (404, 415, 422), (name, answer.status_code)


def test_every_capability_that_is_in_no_path_has_a_test_of_its_own() -> None:
    assert {n for n in CAPABILITIES if not named_in_path(n)} == set(TOLD_OTHERWISE)
    assert [test for test in TOLD_OTHERWISE.values() if not is_a_test(test)] == []


def test_a_till_reads_no_balance(world: World) -> None:
    """Requirement 34: what a till sees of a customer is what it is paid."""
    for path in ("/v1/loyalty/accounts/me", "/v1/accounts/me", "/v1/identity/me"):
        answer = world.ask("GET", Asked(path), "till")
        assert answer.status_code in (403, 404), path
    shown = world.ask("GET", Asked("/v1/loyalty/operations"), "till").json["operations"]
    assert shown
    assert not any("balance" in key for operation in shown for key in operation)
    other = world.objects["other account"]
    assert all(other not in str(operation) for operation in shown)
