"""The ledger never differs from the naive one, over random histories.

`make machines` plays 400 histories of 60 steps; the suite plays fewer, the same ones everywhere, which is also what the
planted bugs of tests/mutants are judged by.
"""

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.town.loyalty.machine_more import FullMachine
from tests.town.loyalty.machine_offline import OfflineMachine

RUNS = int(os.environ.get("BEFFROI_MACHINE_RUNS", "0"))

SETTINGS = settings(
    max_examples=RUNS or 60,
    stateful_step_count=60 if RUNS else 50,
    derandomize=not RUNS,
    phases=tuple(Phase) if RUNS else (Phase.explicit, Phase.generate),  # people shrink, suites find
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_no_history_breaks_an_invariant_of_the_ledger():
    run_state_machine_as_test(FullMachine, settings=SETTINGS)  # type: ignore[no-untyped-call]


def test_no_history_with_shops_and_phones_that_were_alone_breaks_one_either():
    run_state_machine_as_test(OfflineMachine, settings=SETTINGS)  # type: ignore[no-untyped-call]
