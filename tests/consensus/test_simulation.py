"""Many seeds of the simulation: correct processes agree, decide after healing, and never contradict themselves."""

import os
import subprocess
import sys

import pytest

from tests.consensus.simulation import Marks, Simulation
from tests.vectors.runner import CHECKOUT

SEEDS_OF_4, SEEDS_OF_7 = 24, 5


def _run(seeds: range, count: int, liars: int) -> list[Marks]:
    marks = []
    for seed in seeds:
        simulation = Simulation(seed, count=count, liars=liars)
        try:
            simulation.run()
            simulation.check_safety()
            simulation.check_liveness()
        except AssertionError as failure:
            pytest.fail(f"seed {seed}, {count} processes, {liars} liars: {failure}")
        marks.append(simulation.marks)
    return marks


@pytest.mark.parametrize("liars", [0, 1])
def test_four_processes_agree_and_decide_after_healing(liars: int) -> None:
    marks = _run(range(SEEDS_OF_4), 4, liars)
    assert sum(m.late_rounds for m in marks) > SEEDS_OF_4, "hardly a round failed"
    assert any(m.reproposals for m in marks), "no valid value was ever offered again"
    assert any(m.lost for m in marks), "the network lost nothing"


@pytest.mark.parametrize("liars", [1, 2])
def test_seven_processes_agree_and_decide_after_healing(liars: int) -> None:
    marks = _run(range(SEEDS_OF_7), 7, liars)
    assert any(m.conflicts for m in marks), "no lie was noticed"


def test_a_seed_says_everything_whatever_the_hash_seed() -> None:
    """Set order and dict order of hashed bytes must not reach the effects."""
    digests = {_digest_in_another_process(hash_seed) for hash_seed in ("1", "2")}
    simulation = Simulation(3, count=4, liars=1)
    simulation.run()
    assert digests == {simulation.trace.hexdigest()}


def _digest_in_another_process(hash_seed: str) -> str:
    program = (
        "from tests.consensus.simulation import Simulation\n"
        "s = Simulation(3, count=4, liars=1); s.run(); print(s.trace.hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
