"""Seeds of the pure core: correct processes agree, decide after healing, and never contradict themselves."""

import os
import subprocess
import sys

import pytest

from chain.consensus import driver
from tests.consensus.planted_bugs import BUGS
from tests.hash_seeds import print_under_two_hash_seeds
from tests.sim.core.batch import Report, kept_seeds, run_plan, run_seed, run_seeds
from tests.sim.core.faults import FAULTS, HOST_FAULTS
from tests.sim.core.liars import LIARS
from tests.sim.core.plan import HEIGHTS, draw_plan, is_safe
from tests.sim.core.shrink import explain, fails
from tests.vectors.runner import CHECKOUT

SEEDS = range(1_000, 1_020)
MEASURED_IN_RELIABILITY_0 = {
    "quorum_is_two_of_four": range(1),
    "one_voter_is_counted_again": range(4),
    "no_lock_rule": range(12, 14),
    "lock_forgotten_at_a_new_round": range(12, 14),
    "valid_value_never_set": range(13, 14),
    "polka_counted_over_any_round": range(6),
}
"""Planted bug -> the few seeds that are enough to find it (they are cheap, not hand-made)."""


@pytest.fixture(scope="module")
def report() -> Report:
    added = Report()
    for outcome in run_seeds([*kept_seeds("core"), *SEEDS], jobs=1):
        added.add(outcome)
    return added


def test_no_invariant_is_broken_in_any_seed(report: Report) -> None:
    assert report.violations == {}
    assert report.heights >= HEIGHTS * report.seeds


def test_the_nemesis_is_not_too_kind(report: Report) -> None:
    assert report.missing() == []
    rare = ("hidden_lock", "pol_reproposal", "decided_old_round", "nil_polka", "forgot_tail")
    assert [mark for mark in rare if not report.marks[mark]] == []


def test_plans_draw_every_fault_and_liar_and_stay_under_a_third() -> None:
    plans = [draw_plan(seed) for seed in range(400)]
    assert {name for plan in plans for name in plan.faults} == {*FAULTS, *HOST_FAULTS}
    assert {kind for plan in plans for _, kind in plan.liars} == {*LIARS}
    assert {plan.count for plan in plans} == {4, 7}
    assert max(len(plan.liars) for plan in plans) == 2
    for plan in plans:
        assert is_safe(dict(enumerate(plan.powers)), tuple(i for i, _ in plan.liars))
        assert len(plan.faults) >= 3


@pytest.mark.parametrize("name", MEASURED_IN_RELIABILITY_0)
def test_bugs_of_the_reliability_study_are_found_within_six_seeds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The study's uniform noise needed hundreds of seeds for these, or found none of them in 431."""
    BUGS[name](monkeypatch)
    assert any(run_seed(seed).violation for seed in MEASURED_IN_RELIABILITY_0[name])


def test_a_failing_seed_is_printed_as_a_command_and_made_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        driver, "_RULES", tuple(r for r in driver._RULES if r is not driver._rule_any_precommits)
    )
    assert fails(draw_plan(0)).startswith("L1: stuck")
    told = explain(0)
    assert "reproduce: python -m tests.sim.core 0\n" in told
    assert "--heights" in told or "--without" in told


def test_a_replayed_plan_gives_the_same_digest_and_another_seed_another() -> None:
    first, again = run_plan(draw_plan(7, 5)), run_plan(draw_plan(7, 5))
    assert first.digest == again.digest
    assert first.digest != run_plan(draw_plan(8, 5)).digest


def test_a_seed_says_the_same_whatever_the_hash_seed() -> None:
    """Set order and dict order of hashed bytes must not reach the effects."""
    program = (
        "from tests.sim.core.batch import run_plan\n"
        "from tests.sim.core.plan import draw_plan\n"
        "for seed in (2, 3, 9): print(run_plan(draw_plan(seed, 6)).digest)"
    )
    here = [run_plan(draw_plan(seed, 6)).digest for seed in (2, 3, 9)]
    assert print_under_two_hash_seeds(program).split() == here


def test_one_seed_can_be_told_from_the_command_line() -> None:
    command = [sys.executable, "-m", "tests.sim.core", "4", "--heights", "2", "--trace"]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
        timeout=300,
    )
    assert "no violation" in done.stdout
    assert "decides 1/" in done.stdout
