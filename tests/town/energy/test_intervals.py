"""An interval's whole life, the readings that never came, and money to the cent."""

from dataclasses import replace

import pytest

from chain.town.energy import intervals, keys
from chain.town.energy.intervals import State, Sums, Version
from chain.town.energy.money import Line, bill, round_to_cents
from chain.town.energy.refusals import Refused
from chain.town.energy.roots import AllocationRow, Opening, Root, check_opening, compute_openings

KEY = b"k" * 32
READINGS = Root(b"r" * 32, 3)


def opened() -> intervals.Interval:
    interval = intervals.open_interval(
        operation="op", start_s=900, step_s=900, key_hash=KEY, correctable_until_s=10_000
    )
    assert not isinstance(interval, Refused)
    return interval


def version(number: int, previous: bytes, root: bytes = b"a") -> Version:
    return Version(number, previous, READINGS, Root(root * 32, 3), Sums(10, 7, 3), KEY, keys.ENGINE)


def test_an_interval_lives_from_open_to_settled_and_is_corrected_by_a_new_version() -> None:
    interval = intervals.meter(opened(), READINGS, points_count=3, estimated_count=1)
    interval = intervals.allocate_first(interval, version(1, b""))
    interval = intervals.report(interval, b"c" * 32)
    interval = intervals.reconcile(interval, b"d" * 32, difference_wh=-2, tolerance_wh=3)
    interval = intervals.settle(interval, b"s" * 32)
    assert (interval.state, interval.root) == (State.SETTLED, b"a" * 32)
    corrected = intervals.correct(interval, version(2, b"a" * 32, b"b"), at_s=10_000)
    assert (corrected.state, corrected.root) == (State.CORRECTED, b"b" * 32)
    assert corrected.versions[0] == interval.versions[0]
    assert (
        intervals.reconcile(corrected, b"e" * 32, difference_wh=0, tolerance_wh=3).state
        is State.RECONCILED
    )


@pytest.mark.parametrize(
    ("second", "at_s", "code"),
    [
        (version(3, b"a" * 32), 0, "energy_version_stale"),
        (version(1, b""), 0, "energy_version_stale"),
        (version(2, b"x" * 32), 0, "energy_version_stale"),
        (version(2, b""), 0, "energy_version_stale"),
        (version(2, b"a" * 32), 10_001, "energy_correction_late"),
        (replace(version(2, b"a" * 32), key_hash=b"z" * 32), 0, "energy_interval_state"),
        (replace(version(2, b"a" * 32), sums=Sums(10, 7, 4)), 0, "energy_sums_wrong"),
        (replace(version(2, b"a" * 32), sums=Sums(-1, 0, -1)), 0, "energy_sums_wrong"),
        (replace(version(2, b"a" * 32), allocations=Root(b"b" * 32, 2)), 0, "energy_sums_wrong"),
    ],
)
def test_a_correction_that_does_not_build_on_the_last_version_is_refused(
    second, at_s, code
) -> None:
    interval = intervals.meter(opened(), READINGS, points_count=3, estimated_count=0)
    interval = intervals.allocate_first(interval, version(1, b""))
    refusal = intervals.correct(interval, second, at_s=at_s)
    assert isinstance(refusal, Refused)
    assert refusal.code.name == code


def test_a_batch_that_leaves_out_a_point_is_refused() -> None:
    refusal = intervals.meter(opened(), READINGS, points_count=4, estimated_count=0)
    assert isinstance(refusal, Refused)
    assert refusal.code.name == "energy_readings_invalid"


def test_an_operator_who_disagrees_must_be_followed_before_reconciling() -> None:
    interval = intervals.meter(opened(), READINGS, points_count=3, estimated_count=0)
    interval = intervals.report(intervals.allocate_first(interval, version(1, b"")), b"c" * 32)
    refusal = intervals.reconcile(interval, b"d" * 32, difference_wh=-4, tolerance_wh=3)
    assert isinstance(refusal, Refused)
    assert refusal.code.name == "energy_dso_disagrees"


@pytest.mark.parametrize(("start_s", "step_s"), [(900, 600), (901, 900), (900, 1_800)])
def test_an_interval_lies_on_the_grid_of_its_step(start_s: int, step_s: int) -> None:
    refusal = intervals.open_interval(
        operation="op", start_s=start_s, step_s=step_s, key_hash=KEY, correctable_until_s=0
    )
    assert isinstance(refusal, Refused)


def test_readings_that_never_came_follow_the_convention() -> None:
    complete = intervals.complete_readings
    assert complete((1, None, 3), "zero") == ((1, 0, 3), (1,))
    assert complete((1, None, 3), "estimate", (9, 8, 7)) == ((1, 8, 3), (1,))
    assert complete((1, 2), "refuse") == ((1, 2), ())
    assert isinstance(complete((1, None), "refuse"), Refused)
    assert isinstance(complete((1, None), "estimate", (1,)), Refused)


def test_sums_of_a_few_homes_are_not_published() -> None:
    assert not intervals.may_publish_sums((1, 2, 3, 4, 0, 0))
    assert intervals.may_publish_sums((1, 2, 3, 4, 5))


def test_an_opening_that_does_not_add_up_is_refused_even_under_its_own_root() -> None:
    row = AllocationRow("op", 900, 1, "c", "consumer", 10, 4, 5)
    root, (opening,) = compute_openings([(row, b"s" * 32)])
    assert isinstance(check_opening(opening, root), Refused)
    assert isinstance(check_opening(Opening(row, b"short", opening.proof), root), Refused)


@pytest.mark.parametrize(
    ("nano_eur", "cents"),
    [
        (0, 0),
        (4_999_999, 0),
        (5_000_000, 0),
        (15_000_000, 2),
        (5_000_001, 1),
        (-5_000_000, 0),
        (-15_000_000, -2),
    ],
)
def test_half_a_cent_goes_to_the_even_one(nano_eur: int, cents: int) -> None:
    assert round_to_cents(nano_eur) == cents


def test_three_lines_of_a_third_of_a_cent_make_one_cent() -> None:
    lines = [Line(f"l{i}", f"b{i}", "s", 1, 3_333_333) for i in range(3)]
    invoices = bill(lines)
    assert invoices.total_cents == 1
    assert sorted(line.amount_cents for line in invoices.lines) == [0, 0, 1]
    assert invoices.sellers_cents == (("s", 1),)


def test_a_line_billed_twice_stops_loudly() -> None:
    with pytest.raises(AssertionError):
        bill([Line("l", "b", "s", 1, 1), Line("l", "b", "s", 1, 1)])
