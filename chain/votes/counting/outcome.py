"""Counting: the decrypted sums of an election, item by item, into who is elected and what was decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chain.votes.counting.median import find_median, make_median_keys
from chain.votes.counting.rules import (
    Approval,
    Budget,
    Graded,
    Item,
    Ranked,
    Rules,
    Score,
    Single,
    YesNo,
    count_questions,
)

Key = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One choice in the outcome, best first."""

    choice: int
    """Index in the rulebook."""
    name: str
    votes: int
    """Votes; points of a score; judgments at least as good as the majority grade in a majority judgment."""
    place: int
    """1 is the first; equal choices share a place."""
    is_taken: bool
    """Elected, adopted, or financed."""
    judgments: tuple[int, ...] = ()
    """Per grade, best first, blanks added to the lowest; empty without grades."""
    grade: str = ""
    """The majority grade."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an item decided."""

    kind: str
    title: str
    voters: int
    """Sum of the weights of those who voted."""
    blank: int
    """Blank votes; where each choice is graded, the blanks of all choices together."""
    lines: tuple[Line, ...]
    ties: tuple[tuple[int, ...], ...] = field(default=())
    """Equal choices of which some are taken and some are not: the published order ranked them."""
    spent_cents: int = 0
    """By a budget."""


def count_result(rules: Rules, rows: Sequence[Sequence[int]], voters: int) -> tuple[Outcome, ...]:
    """The outcome of each item. `rows` is the Belenios result, `voters` the sum of the weights counted.

    Raises ValueError when such sums cannot come from valid ballots: another shape, or more votes than voters.
    """
    if voters < 0 or len(rows) != sum(count_questions(item) for item in rules.items):
        raise ValueError("the result has another number of questions than the rulebook")
    outcomes, start = [], 0
    for item in rules.items:
        taken = rows[start : start + count_questions(item)]
        outcomes.append(_count_item(item, taken, voters))
        start += len(taken)
    return tuple(outcomes)


def _count_item(item: Item, rows: Sequence[Sequence[int]], voters: int) -> Outcome:
    if isinstance(item, Graded):
        return _count_grades(item, rows, voters)
    answers, (low, high) = len(item.choices), _bounds(item)
    blank, votes = _split_blank(rows[0], answers, has_blank=item.blank)
    expressed = voters - blank
    if expressed < 0 or not low * expressed <= sum(votes) <= high * expressed:
        raise ValueError("the votes do not add up to the voters")
    if any(count > expressed for count in votes):
        raise ValueError("a choice has more votes than there are voters")
    if isinstance(item, YesNo):
        return _count_yes_no(item, votes, voters, blank)
    keys = [(count,) for count in votes]
    if isinstance(item, Budget):
        return _count_budget(item, keys, voters, blank)
    ranked = _rank(item, keys)
    seats = item.seats if isinstance(item, Approval) else 1
    return _elect(item, ranked, keys, votes, seats, voters, blank)


def _bounds(item: YesNo | Single | Approval | Budget) -> tuple[int, int]:
    return (item.min, item.max) if isinstance(item, Approval | Budget) else (1, 1)


def _split_blank(
    row: Sequence[int], answers: int, *, has_blank: bool
) -> tuple[int, tuple[int, ...]]:
    if len(row) != answers + has_blank or any(count < 0 for count in row):
        raise ValueError("the result has another number of answers than the rulebook")
    return (row[0], tuple(row[1:])) if has_blank else (0, tuple(row))


# --- yes or no ---------------------------------------------------------------------------------


def _count_yes_no(item: YesNo, votes: Sequence[int], voters: int, blank: int) -> Outcome:
    yes, no = votes
    numerator, denominator = item.majority
    is_adopted = yes * denominator > numerator * (yes + no)
    lines = (
        Line(0, item.choices[0], yes, 1 if yes >= no else 2, is_adopted),
        Line(1, item.choices[1], no, 1 if no >= yes else 2, False),
    )
    return Outcome("yes_no", item.title, voters, blank, lines)


# --- ranking -----------------------------------------------------------------------------------


def _rank(item: Ranked, keys: Sequence[Key]) -> list[int]:
    """Choices, best first; equal ones in the published order."""
    rank_of = {choice: rank for rank, choice in enumerate(item.order)}
    by_order = sorted(range(len(keys)), key=lambda choice: rank_of[choice])
    return sorted(by_order, key=lambda choice: keys[choice], reverse=True)


def _elect(
    item: Ranked,
    ranked: Sequence[int],
    keys: Sequence[Key],
    votes: Sequence[int],
    seats: int,
    voters: int,
    blank: int,
) -> Outcome:
    taken = frozenset(ranked[:seats])
    lines = tuple(Line(c, item.choices[c], votes[c], _place(keys, c), c in taken) for c in ranked)
    return Outcome(_kind(item), item.title, voters, blank, lines, _decided(ranked, keys, taken))


def _place(keys: Sequence[Key], choice: int) -> int:
    return 1 + sum(key > keys[choice] for key in keys)


def _decided(
    ranked: Sequence[int], keys: Sequence[Key], taken: frozenset[int]
) -> tuple[tuple[int, ...], ...]:
    """Groups of equal choices of which some are taken and some are not."""
    groups: dict[Key, list[int]] = {}
    for choice in ranked:
        groups.setdefault(keys[choice], []).append(choice)
    split = [group for group in groups.values() if 0 < len(taken.intersection(group)) < len(group)]
    return tuple(tuple(group) for group in split)


def _kind(item: Item) -> str:
    kind = item.__struct_config__.tag
    assert isinstance(kind, str), "each item has a tag"
    return kind


# --- grades ------------------------------------------------------------------------------------


def _count_grades(item: Graded, rows: Sequence[Sequence[int]], voters: int) -> Outcome:
    blanks, judged = 0, []
    for row in rows:
        blank, votes = _split_blank(row, len(item.grades), has_blank=item.blank)
        if blank + sum(votes) != voters:
            raise ValueError("the judgments do not add up to the voters")
        judged.append((*votes[:-1], votes[-1] + blank))
        blanks += blank
    points = [_sum_points(item, row) for row in judged]
    keys = (
        [(p,) for p in points] if isinstance(item, Score) else make_median_keys(judged, item.middle)
    )
    ranked = _rank(item, keys)
    taken = frozenset(ranked[: item.seats])
    lines = tuple(
        _grade_line(item, choice, judged[choice], _place(keys, choice), choice in taken)
        for choice in ranked
    )
    ties = _decided(ranked, keys, taken)
    return Outcome(_kind(item), item.title, voters, blanks, lines, ties)


def _sum_points(item: Graded, row: Sequence[int]) -> int:
    return sum(grade.points * votes for grade, votes in zip(item.grades, row, strict=True))


def _grade_line(
    item: Graded, choice: int, row: tuple[int, ...], place: int, is_taken: bool
) -> Line:
    name = item.choices[choice]
    if isinstance(item, Score):
        return Line(choice, name, _sum_points(item, row), place, is_taken, row)
    median = find_median(row, item.middle)
    votes, grade = sum(row[: median + 1]), item.grades[median].name
    return Line(choice, name, votes, place, is_taken, row, grade)


# --- participatory budget ----------------------------------------------------------------------


def _count_budget(item: Budget, keys: Sequence[Key], voters: int, blank: int) -> Outcome:
    ranked, left, taken = _rank(item, keys), item.envelope_cents, []
    for choice in ranked:
        if keys[choice][0] < item.votes_min:
            break
        if item.costs_cents[choice] <= left:
            taken.append(choice)
            left -= item.costs_cents[choice]
        elif item.fit == "stop":
            break
    lines = tuple(Line(c, item.choices[c], keys[c][0], _place(keys, c), c in taken) for c in ranked)
    ties = _decided(ranked, keys, frozenset(taken))
    spent = item.envelope_cents - left
    return Outcome("budget", item.title, voters, blank, lines, ties, spent)
