"""Schemathesis against every operation in process: no 5xx, nothing undocumented, whatever is sent."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

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
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
SIGNERS = ("clerk@mairie", "loyalty_operator@commerces", "seat@mairie", "fuzz-phone")


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
    tokens = [fuzzed.login(key(name)) for name in SIGNERS]
    started = time.monotonic()
    tried: dict[str, int] = {}
    for result in schema.get_all_operations():
        operation = result.ok()

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
            if time.monotonic() - started > BUDGET_S:
                return
            tried[operation.label] = tried.get(operation.label, 0) + 1
            response = case.call(headers={**token, "Idempotency-Key": "fuzz-fuzz-1"})
            case.validate_response(response, checks=CHECKS)

        attack()
    assert len(tried) == sum(1 for _ in schema.get_all_operations())
