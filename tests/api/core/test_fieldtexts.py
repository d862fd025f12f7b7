"""What is wrong with a field is said in the reader's language."""

from typing import Any

import pytest
from marshmallow import Schema, ValidationError

import app.wiring  # noqa: F401  # every domain's shapes
from app.core.fieldtexts import translate
from tests.api.conftest import Town

ASKED = "/v1/auth/challenges"


@pytest.mark.parametrize(
    ("body", "field", "english", "french"),
    [
        ({}, "json.key", "Missing data for required field.", "Ce champ est obligatoire."),
        ({"key": 5}, "json.key._schema", "Invalid input type.", "Un objet est attendu ici."),
        (
            {"key": {"kty": "RSA", "crv": "Ed25519", "x": "A" * 43}},
            "json.key.kty",
            "Must be one of: OKP, EC.",
            "Valeurs possibles : OKP, EC.",
        ),
    ],
)
def test_a_field_is_named_with_what_is_wrong_in_the_reader_s_language(
    town: Town, body: Any, field: str, english: str, french: str
) -> None:
    for language, message in (("en", english), ("fr-FR", french), ("de", english)):
        answer = town.http.post(ASKED, json=body, headers={"Accept-Language": language})
        assert {"field": field, "message": message} in answer.json["errors"], language


def _request_schemas() -> list[type[Schema]]:
    """Every shape that a request can have."""
    found: dict[str, type[Schema]] = {}

    def walk(of: type[Schema]) -> None:
        for each in of.__subclasses__():
            if each.__module__.startswith("app."):
                found[each.__qualname__] = each
            walk(each)

    walk(Schema)
    return list(found.values())


@pytest.mark.parametrize(
    "junk", [None, 5, "", "x" * 70_000, [], {}, True, -(2**52), [None], {"a": 1}]
)
def test_every_message_that_our_shapes_give_has_its_french(junk: Any) -> None:
    """Each field of each shape meets each kind of junk; whatever is answered is in the table."""
    said: set[str] = set()
    for schema in _request_schemas():
        for name in schema().fields:
            try:
                schema().load({name: junk})
            except ValidationError as error:
                said.update(_texts(error.messages))
    assert said
    assert sorted(text for text in said if translate(text) == text) == []


def _texts(messages: Any) -> list[str]:
    if isinstance(messages, dict):
        return [text for value in messages.values() for text in _texts(value)]
    if isinstance(messages, list):
        return [text for value in messages for text in _texts(value)]
    return [str(messages)]
