"""Days and KWHC never differ from the naive book, over random histories.

`make machines` plays 400 histories of 60 steps; the suite plays fewer, the same ones everywhere.
"""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.town.energy.machine import EnergyMachine

RUNS = int(os.environ.get("BEFFROI_MACHINE_RUNS", "0"))

SETTINGS = settings(
    max_examples=RUNS or 40,
    stateful_step_count=60,
    derandomize=not RUNS,
    phases=tuple(Phase) if RUNS else (Phase.explicit, Phase.generate),  # people shrink, suites find
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_no_history_breaks_the_life_of_days_or_the_book_of_credits() -> None:
    run_state_machine_as_test(EnergyMachine, settings=SETTINGS)  # type: ignore[no-untyped-call]
