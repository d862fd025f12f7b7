"""The description of the API is generated, current, and says who may call what."""

import re
from typing import Any
from urllib.parse import quote

import yaml
from click.testing import CliRunner

from app.cli.main import main
from app.cli.openapi import FILE, describe_api, render_openapi
from app.core.access import SCOPES
from app.core.paths import CONVERTERS
from tests.api.conftest import Town
from tests.api.places import fill
from tests.town.town_kit import key

METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in describe_api()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_openapi_yaml_is_what_the_code_says() -> None:
    assert FILE.read_text(encoding="utf-8") == render_openapi(), "run `beffroi openapi --write`"
    assert CliRunner().invoke(main, ["openapi", "--check"]).exit_code == 0


def test_our_yaml_reads_back_as_the_description() -> None:
    assert yaml.safe_load(render_openapi()) == describe_api()


def test_every_operation_declares_summary_scope_rule_and_responses() -> None:
    for name, operation in operations():
        assert operation["summary"].endswith("."), name
        assert operation["x-scope"], name
        assert set(operation["x-scope"]) <= set(SCOPES), name
        assert operation["x-object-rule"], name
        is_public = operation["x-scope"] == ["public"]
        assert operation["security"] == ([] if is_public else [{"dpop": operation["x-scope"]}])
        assert any(status.startswith(("2", "303")) for status in operation["responses"]), name
        assert "default" in operation["responses"], name


def test_every_route_that_takes_a_transaction_requires_an_idempotency_key() -> None:
    spec = describe_api()
    for name, operation in operations():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        reference = body.get("schema", {}).get("$ref", "")
        if reference.endswith("/Transaction"):
            headers = {p.get("name"): p for p in operation.get("parameters", ())}
            assert headers["Idempotency-Key"]["required"], name
            assert {"201", "202"} <= set(operation["responses"]), name
    assert "Transaction" in spec["components"]["schemas"]


def test_every_route_of_the_application_is_documented_and_no_other(town: Town) -> None:
    routed = {
        (re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", str(rule)), method)
        for rule in town.app.url_map.iter_rules()
        for method in rule.methods or ()
        if method in {m.upper() for m in METHODS}
    }
    documented = {
        (path, method.upper())
        for path, item in describe_api()["paths"].items()
        for method in item
        if method in METHODS
    }
    assert routed == documented


def test_every_route_without_a_token_is_refused_unless_it_is_public(town: Town) -> None:
    """The access decorator stands outermost: 401 comes before any word about the body."""
    for name, operation in operations():
        method, path = name.split(" ", 1)
        answer = town.http.open(fill(path), method=method)
        if operation["x-scope"] == ["public"]:
            assert answer.status_code != 401, name
        else:
            assert (answer.status_code, answer.json["code"]) == (401, "auth_token_required"), name


def test_every_name_in_a_path_has_one_of_our_forms() -> None:
    """What a stranger writes into a path reaches no view, log or table unless a name of ours could be so."""
    forms = {f"^{converter.regex}$" for converter in CONVERTERS.values()}
    free = [
        (path, parameter["name"])
        for path, item in describe_api()["paths"].items()
        for parameter in item.get("parameters", ())
        if parameter["in"] == "path"
        and parameter["schema"]["type"] != "integer"
        and parameter["schema"].get("pattern") not in forms
    ]
    assert free == [], "use a converter of app.core.paths"


def test_a_key_of_strange_characters_is_no_route(town: Town) -> None:
    """43 characters are not enough: these once reached the audit log, which stops on what is no name."""
    headers = town.login(key("agent_supervisor@commerces"))
    for strange in ("é" * 43, "A" * 42 + " ", "A" * 42 + "\U000cac35", "A" * 44, "A" * 43 + "\n"):
        answer = town.http.post(f"/v1/auth/keys/{quote(strange)}/factor-codes", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found"), strange
