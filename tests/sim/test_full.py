"""Whole nodes on virtual time: fixed seeds hold every invariant, and one seed is one story."""

import pytest

from tests.hash_seeds import print_under_two_hash_seeds
from tests.sim.core.batch import kept_seeds
from tests.sim.full.run import run_seed

FIXED = (2, 3, 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*FIXED, *kept_seeds("full")])
def test_a_seed_holds_every_invariant(seed):
    outcome = run_seed(seed)
    assert outcome.violations == [], f"python -m tests.sim.full {seed}"
    assert outcome.heights >= 10
    assert len(outcome.faults) >= 3


@pytest.mark.slow
@pytest.mark.process
def test_one_seed_is_one_story_whatever_the_hash_seed_and_another_seed_another():
    program = "from tests.sim.full.run import run_seed; print(run_seed(5).digest)"
    here = print_under_two_hash_seeds(program)
    assert run_seed(5).digest == here
    assert run_seed(6).digest != here
