"""Majority judgment: which of several lists of grades has the best middle.

The majority grade is the median. Of two equal ones, one judgment of that grade is taken away from each, and the
medians of the rest are compared, and so on. Of an even number of judgments two are in the middle: the book takes the
worse ("lower": more than half grant at least that grade), `belenios-tool method majority-judgment` the better
("upper": at least half do). They elect different people, so the rulebook says which.
Source: M. Balinski, R. Laraki, "Majority Judgment" (MIT Press 2010), ch. 1; glondu/belenios tag 2.0,
src/lib/core/majority_judgment.ml, where grades count from the best.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

Middle = Literal["lower", "upper"]


def make_median_keys(counts: Sequence[Sequence[int]], middle: Middle) -> list[tuple[int, ...]]:
    """A key per choice; the larger the better, equal only for equal counts.

    `counts[i]` holds the judgments of choice i per grade, best grade first; all rows have one sum.
    Taking medians away walks outwards from the middle of the sorted judgments. Between the places where some row
    changes grade nothing changes, so only those places are looked at: the cost grows with grades, not voters.
    """
    total = sum(counts[0])
    assert all(sum(row) == total for row in counts), "as many judgments for each choice"
    # The upper middle counted from the best is the lower middle counted from the worst.
    rising = [list(row) if middle == "upper" else list(reversed(row)) for row in counts]
    steps = sorted({step for row in rising for step in _find_changes(row, total)})
    sign = -1 if middle == "upper" else 1
    return [tuple(sign * grade for grade in _walk(row, total, steps)) for row in rising]


def find_median(row: Sequence[int], middle: Middle) -> int:
    """Index of the majority grade (0 is the best) of one choice's counts; the last one without any judgment."""
    total, seen = sum(row), 0
    for index, votes in enumerate(row):
        seen += votes
        if 2 * seen > total or (middle == "upper" and 2 * seen == total and total):
            return index
    return len(row) - 1


def _find_changes(rising: Sequence[int], total: int) -> Iterator[int]:
    """Distances from the middle at which the grade on either side may differ from the one before."""
    middle, seen = (total + 1) // 2, 0
    yield from (step for step in (0, 1) if step <= total // 2)
    for votes in rising:
        seen += votes
        for step in (middle - seen, seen + 1 - middle):
            if 0 <= step <= total // 2:
                yield step


def _walk(rising: Sequence[int], total: int, steps: Sequence[int]) -> Iterator[int]:
    """Grades at those distances, in the order in which lower medians of `rising` are taken away.

    Places count from 1 to `total`. With an odd total the neighbour below the middle comes first, with an even one
    the one above.
    """
    middle, is_odd = (total + 1) // 2, total % 2
    for step in steps:
        low, high = middle - step, middle + step
        places = (low,) if step == 0 else (low, high) if is_odd else (high, low)
        for place in places:
            if 1 <= place <= total:
                yield _grade_at(rising, place)


def _grade_at(rising: Sequence[int], place: int) -> int:
    seen = 0
    for grade, votes in enumerate(rising):
        seen += votes
        if place <= seen:
            return grade
    raise AssertionError("a place beyond the last judgment")
