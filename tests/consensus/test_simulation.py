"""Many seeds of the simulation: correct processes agree, decide after healing, and never contradict themselves."""

import pytest

from tests.consensus.simulation import Marks, Simulation

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


def test_a_seed_says_everything() -> None:
    digests = []
    for _ in range(2):
        simulation = Simulation(3, count=4, liars=1)
        simulation.run()
        digests.append(simulation.trace.hexdigest())
    assert digests[0] == digests[1]
