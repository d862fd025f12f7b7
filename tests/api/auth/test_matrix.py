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
from tests.api.conftest import Town, close_database

METHODS = ("get", "post", "put", "patch", "delete")
IMPLIED = {"supervisor": {"clerk"}}
"""Roles that are another role too: an agent supervisor is an agent."""
FILLED = {
    "height": "1",
    "payload_hash": "a" * 64,
    "enrolment_id": "A" * 22,
    "session_id": "A" * 22,
    "factor_id": "A" * 22,
    "kid": "A" * 43,
    "act_id": "A" * 22,
    "mandate_id": "A" * 22,
    "account": "A" * 43,
    "epoch": "1",
}
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
    yield build_world(Town(Path(tmp_path_factory.mktemp("matrix"))))
    close_database()


def fill(path: str) -> str:
    """A path with something in every place; nothing is called so."""
    return re.sub(r"\{([a-z_]+)\}", lambda match: FILLED.get(match[1], "some-name"), path)


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
    assert allowed.status_code < 400, (name, allowed.status_code, allowed.json)


def named_in_request(operation: dict[str, Any]) -> set[str]:
    return {p["name"] for p in operation.get("parameters", ()) if p.get("in") == "path"}


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if o["x-objects"] == "self"])
def test_a_route_about_oneself_has_no_place_to_name_another(name: str) -> None:
    assert named_in_request(OPERATIONS[name]) == set()


@pytest.mark.parametrize(
    "name", [n for n, o in OPERATIONS.items() if o["x-objects"] == "capability"]
)
def test_an_unguessable_name_that_nobody_gave_out_opens_nothing(world: World, name: str) -> None:
    method, path = name.split(" ", 1)
    scope = OPERATIONS[name]["x-scope"][0].replace("public", "")
    if not named_in_request(OPERATIONS[name]):
        pytest.skip("the name travels in the body; the domain's own tests refuse a false one")
    answer = world.ask(method, Asked(fill(path)), scope)
    assert answer.status_code in (404, 415, 422), (name, answer.status_code)


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
