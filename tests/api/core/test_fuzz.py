"""Schemathesis against every operation in process: no 5xx, nothing undocumented, whatever is sent."""

import os
import time
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

BUDGET_S = 25.0
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "12"))
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
    start = time.monotonic()
    operations = [result.ok() for result in schema.get_all_operations()]
    for position, operation in enumerate(operations, 1):
        # A slice of the time for each, so that a slow machine tries the last routes too.
        deadline = start + BUDGET_S * position / len(operations)
        scopes = operation.definition.raw["x-scope"]
        held = [tokens[scope] for scope in scopes if scope in tokens]
        tried = _attack(operation, held or [tokens["citizen:loyalty"]], deadline)
        assert tried, f"{operation.label} was not reached within {BUDGET_S} s"


def _attack(operation: Any, tokens: list[dict[str, str]], deadline: float) -> int:
    tried = [0]

    @seed(20_261_123)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), token=st.sampled_from(tokens))
    def attack(case: schemathesis.Case, token: dict[str, str]) -> None:
        if not tried[0] or time.monotonic() < deadline:
            tried[0] += 1
            response = case.call(headers={**token, "Idempotency-Key": f"fuzz-key-{tried[0]}"})
            case.validate_response(response, checks=CHECKS)

    attack()
    return tried[0]
