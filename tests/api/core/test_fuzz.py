"""Schemathesis against every operation in process: no 5xx, nothing undocumented, whatever is sent."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.cli.openapi import describe_api
from tests.api.conftest import Town, close_database
from tests.town.town_kit import key

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
"""Of each route. `make fuzz` asks for more of them, from another seed."""
SEED = int(os.environ.get("FUZZ_SEED", "20261123"))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
SIGNERS = {
    "clerk": "clerk@mairie",
    "supervisor": "agent_supervisor@commerces",
    "operator": "loyalty_operator@commerces",
    "council": "seat@mairie",
    "citizen:loyalty": "fuzz-phone",
}
"""Who holds which scope; others are tried with a key that does not."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    town = Town(Path(tmp_path_factory.mktemp("fuzz")))
    town.open_account(key("fuzz-phone"))
    yield town
    close_database()


@pytest.mark.slow
def test_no_input_gets_a_server_error_or_an_undocumented_answer(fuzzed: Town) -> None:
    schema = schemathesis.openapi.from_dict(describe_api())
    schema.app = fuzzed.app
    tokens = {scope: fuzzed.login(key(name)) for scope, name in SIGNERS.items()}
    for operation in [result.ok() for result in schema.get_all_operations()]:
        scopes = operation.definition.raw["x-scope"]
        held = [tokens[scope] for scope in scopes if scope in tokens]
        _attack(operation, held or [tokens["citizen:loyalty"]])


def _attack(operation: Any, tokens: list[dict[str, str]]) -> None:
    tried = [0]

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), token=st.sampled_from(tokens))
    def attack(case: schemathesis.Case, token: dict[str, str]) -> None:
        tried[0] += 1
        response = case.call(headers={**token, "Idempotency-Key": f"fuzz-key-{tried[0]}"})
        case.validate_response(response, checks=CHECKS)

    attack()
    assert tried[0], f"{operation.label} was not tried"
