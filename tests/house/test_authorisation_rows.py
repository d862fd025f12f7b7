"""Whoever adds a route says whose objects it reaches, and shows it: the authorisation matrix has no holes."""

from typing import Any

from app.cli.openapi import describe_api
from app.core.access import OBJECTS
from tests.api.auth.matrix_rows import ROWS

METHODS = ("get", "post", "put", "patch", "delete")
SHOWN_BY_ROWS = ("named", "signed")


def complaints(operations: dict[str, dict[str, Any]], rows: set[str]) -> list[str]:
    """One sentence per route that lacks something, saying what to write where."""
    said = []
    kinds = ", ".join(f'"{kind}"' for kind in OBJECTS)
    for name, operation in operations.items():
        kind = operation.get("x-objects", "")
        if kind not in OBJECTS:
            said.append(
                f"{name}: write objects=… in its @access(…), one of {kinds} (meanings: app.core.access.OBJECTS)"
            )
        elif kind in SHOWN_BY_ROWS and name not in rows:
            said.append(
                f'{name} is objects="{kind}": add a row "{name}" with an own and another\'s object to ROWS in '
                "tests/api/auth/matrix_rows.py"
            )
    gone = sorted(rows - set(operations))
    return said + [f'ROWS names "{name}", which is no route: take the row away' for name in gone]


def operations() -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in describe_api()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_every_route_declares_its_object_rule_and_has_its_row() -> None:
    assert complaints(operations(), set(ROWS)) == []


def test_a_route_without_a_rule_and_one_without_a_row_are_told_what_to_write() -> None:
    bare = {"GET /v1/new": {"x-objects": ""}, "POST /v1/new": {"x-objects": "signed"}}
    first, second, third = complaints(bare, {"GET /v1/old"})
    assert first.startswith("GET /v1/new: write objects=… in its @access(…)")
    assert 'add a row "POST /v1/new"' in second
    assert third == 'ROWS names "GET /v1/old", which is no route: take the row away'
