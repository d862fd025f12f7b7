"""Every law of the chain's side over generated cases; the seed is in the name of the test, `make laws` plays more."""

import os
from random import Random

import pytest

from tests.town.energy.ledger_laws import LEDGER_LAWS

CASES = int(os.environ.get("BEFFROI_LAW_CASES", "2500"))


@pytest.mark.parametrize("seed", [20_261_123])
@pytest.mark.parametrize("name", LEDGER_LAWS)
def test_ledger_law(name: str, seed: int) -> None:
    LEDGER_LAWS[name](Random(f"{seed} {name}"), CASES)
