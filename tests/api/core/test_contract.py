"""Two promises of every shape: answers list their fields, and amounts are whole numbers or nothing."""

from typing import Any

import pytest

from app.cli.openapi import describe_api
from tests.api.conftest import Town
from tests.journeys.kit import PROGRAMME, Street

OPEN_BY_DESIGN = {"Problem", "PasskeyOptions", "Jwks"}
"""Documents whose inner members a standard lists (RFC 9457, WebAuthn, RFC 7517)."""


def shown_schemas() -> dict[str, dict[str, Any]]:
    """Schemas that a successful answer is made of, nested ones too."""
    spec = describe_api()
    known, found = spec["components"]["schemas"], {}
    waiting = []
    for item in spec["paths"].values():
        for operation in item.values():
            if not isinstance(operation, dict):
                continue
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    waiting.append(response)
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name in known and name not in found:
                found[name] = known[name]
                waiting.append(known[name])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


def test_every_answer_lists_its_fields_and_has_no_room_for_others() -> None:
    """Requirement 31: a new column of a table never shows by itself."""
    shown = shown_schemas()
    assert len(shown) > 30
    loose = [
        name
        for name, schema in shown.items()
        if name not in OPEN_BY_DESIGN
        and not (schema.get("properties") and schema.get("additionalProperties") is False)
    ]
    assert loose == []


@pytest.mark.parametrize("raw", ['"5"', "5.0", "true", "NaN", "1e400", "null", "-0", "[5]"])
def test_an_amount_is_a_whole_number_or_refused(town: Town, raw: str) -> None:
    """Requirement 37."""
    street = Street(town)
    till = street.open_shop("boulangerie")
    body = f'{{"programme": "{PROGRAMME}", "purchase_cents": {raw}}}'
    answer = town.http.post(
        "/v1/loyalty/earn/preview",
        data=body,
        content_type="application/json",
        headers=town.login(till.key),
    )
    assert answer.status_code in (400, 422), answer.json
    assert answer.json["code"] in ("json_bad_number", "request_invalid")
