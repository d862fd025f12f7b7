"""Every law of `laws` over ten thousand generated cases; the seed is in the name of the test."""

import os
from random import Random

import pytest

from tests.town.energy.laws import LAWS

CASES = int(os.environ.get("BEFFROI_LAW_CASES", "10000"))


@pytest.mark.parametrize("seed", [20_261_123])
@pytest.mark.parametrize("name", LAWS)
def test_law(name: str, seed: int) -> None:
    LAWS[name](Random(f"{seed} {name}"), CASES)
