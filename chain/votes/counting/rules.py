"""The rulebook of an election: its items, read strictly, and the Belenios questions that follow from them.

Source of the encodings: research page "Voting" §7.6. A grade per candidate is one question per candidate, each of
whose answers is a grade; a participatory budget is an approval whose answers have costs.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final, Literal

from msgspec import Struct

from chain.codec.canonical import decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.limits import (
    VOTES_ANSWERS_MAX,
    VOTES_COST_CENTS_MAX,
    VOTES_LABEL_CHARS_MAX,
    VOTES_POINTS_MAX,
    VOTES_QUESTIONS_MAX,
    VOTES_RULES_MAX_BYTES,
)
from chain.votes.counting.median import Middle
from chain.votes.formats import Question

VERSION: Final = 1
MAJORITY_DENOMINATOR_MAX: Final = 100
_YES_NO: Final = 2


class Grade(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grade as voters read it; `points` are counted by a score and are 0 in a majority judgment."""

    name: str
    points: int


class YesNo(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="yes_no"
):
    """Adopted when yes is *more* than `majority` (numerator, denominator) of yes and no; a tie changes nothing."""

    title: str
    choices: tuple[str, ...]
    """What yes and no are called, in this order."""
    blank: bool
    majority: tuple[int, int]


class Single(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="single"
):
    """One choice of several; the one with most votes is elected."""

    title: str
    choices: tuple[str, ...]
    blank: bool
    order: tuple[int, ...]
    """Indices of `choices`: of two that are equal, the one named earlier goes before."""


class Approval(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="approval"
):
    """From `min` to `max` choices; the `seats` with most votes are elected."""

    title: str
    choices: tuple[str, ...]
    blank: bool
    min: int
    max: int
    seats: int
    order: tuple[int, ...]


class Score(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="score"
):
    """A grade for each choice, best grade first; most points win. Blank for a choice counts as its lowest grade."""

    title: str
    choices: tuple[str, ...]
    blank: bool
    grades: tuple[Grade, ...]
    seats: int
    order: tuple[int, ...]


class MajorityJudgment(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag="majority_judgment",
):
    """A grade for each choice, best grade first; the best median wins. Blank counts as the lowest grade.

    `middle` says which of two middle judgments is the median (see `median`).
    """

    title: str
    choices: tuple[str, ...]
    blank: bool
    grades: tuple[Grade, ...]
    middle: Middle
    seats: int
    order: tuple[int, ...]


class Budget(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="budget"
):
    """Approval of projects with costs; by votes, each is taken while the envelope pays for it.

    `fit`: a project that no longer fits is passed over ("skip"), or ends the list ("stop"). Fewer votes than
    `votes_min` and a project is not taken.
    """

    title: str
    choices: tuple[str, ...]
    blank: bool
    min: int
    max: int
    costs_cents: tuple[int, ...]
    envelope_cents: int
    fit: Literal["skip", "stop"]
    votes_min: int
    order: tuple[int, ...]


Item = YesNo | Single | Approval | Score | MajorityJudgment | Budget
Ranked = Single | Approval | Score | MajorityJudgment | Budget
Graded = Score | MajorityJudgment


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an election asks, in the order of the ballot paper."""

    version: int
    items: tuple[Item, ...]


def read_rules(raw: bytes) -> Rules:
    """Read a rulebook; raises DecodeError when it is not canonical, or asks what cannot be asked or counted."""
    if len(raw) > VOTES_RULES_MAX_BYTES:
        raise DecodeError("the rulebook is too long")
    rules = decode_canonical(Rules, raw)
    if rules.version != VERSION:
        raise DecodeError("unknown version of rulebooks")
    _require(bool(rules.items), "no item")
    for number, item in enumerate(rules.items, 1):
        try:
            _check_item(item)
        except DecodeError as error:
            raise DecodeError(f"item {number}: {error}") from error
    questions = sum(count_questions(item) for item in rules.items)
    _require(questions <= VOTES_QUESTIONS_MAX, "more questions than a ballot holds")
    return rules


def encode_rules(items: Sequence[Item]) -> bytes:
    """The canonical rulebook; raises DecodeError when it would not be readable again, ValueError beyond JSON."""
    raw = encode_canonical(Rules(version=VERSION, items=tuple(items)))
    read_rules(raw)
    return raw


def derive_order(seed: str, count: int) -> tuple[int, ...]:
    """An order for ties out of a public text, such as the numbers of a lottery drawn after the list was closed.

    Choice i goes where SHA-256("beffroi-tie-order-1|" seed "|" i) sorts. Use a seed nobody could choose.
    """
    return tuple(sorted(range(count), key=lambda index: _tie_digest(seed, index)))


def count_questions(item: Item) -> int:
    """Belenios questions an item takes: one, or one per choice where each gets a grade."""
    return len(item.choices) if isinstance(item, Graded) else 1


def make_questions(rules: Rules) -> tuple[Question, ...]:
    """The questions of the election record, in the order their results are counted."""
    return tuple(question for item in rules.items for question in _questions_of(item))


def _questions_of(item: Item) -> tuple[Question, ...]:
    if isinstance(item, Graded):
        names = tuple(grade.name for grade in item.grades)
        return tuple(
            _question(f"{item.title} — {choice}", names, item.blank, 1, 1)
            for choice in item.choices
        )
    low, high = (item.min, item.max) if isinstance(item, Approval | Budget) else (1, 1)
    return (_question(item.title, item.choices, item.blank, low, high),)


def _question(text: str, answers: tuple[str, ...], blank: bool, low: int, high: int) -> Question:
    if blank:
        return Question(answers=answers, blank=True, min=low, max=high, question=text)
    return Question(answers=answers, min=low, max=high, question=text)


def _tie_digest(seed: str, index: int) -> bytes:
    return sha256(f"beffroi-tie-order-1|{seed}|{index}".encode()).digest()


# --- what can be asked -------------------------------------------------------------------------


def _check_item(item: Item) -> None:
    _check_label(item.title)
    _check_labels(item.choices)
    if isinstance(item, YesNo):
        _require(len(item.choices) == _YES_NO, "yes and no are two")
        numerator, denominator = item.majority
        is_share = 1 <= numerator < denominator <= MAJORITY_DENOMINATOR_MAX
        _require(is_share, "the majority is not a share between 0 and 1")
        return
    _require(
        sorted(item.order) == list(range(len(item.choices))), "the order names each choice once"
    )
    if isinstance(item, Approval | Budget):
        _require(0 <= item.min <= item.max <= len(item.choices), "min and max are not in order")
        _require(item.max >= 1, "nothing may be chosen")
    if isinstance(item, Approval | Score | MajorityJudgment):
        _require(1 <= item.seats <= len(item.choices), "seats are not between 1 and the choices")
    if isinstance(item, Graded):
        _check_grades(item)
    if isinstance(item, Budget):
        _check_budget(item)


def _check_grades(item: Graded) -> None:
    _check_labels(tuple(grade.name for grade in item.grades))
    points = [grade.points for grade in item.grades]
    _require(len(points) >= _YES_NO, "one grade is no choice")
    if isinstance(item, MajorityJudgment):
        _require(not any(points), "a majority judgment counts no points")
        return
    _require(all(0 <= p <= VOTES_POINTS_MAX for p in points), "points are out of range")
    falls = all(a > b for a, b in pairwise(points))
    _require(falls, "points do not fall from the best grade to the lowest")


def _check_budget(item: Budget) -> None:
    _require(len(item.costs_cents) == len(item.choices), "another number of costs than projects")
    costs = (*item.costs_cents, item.envelope_cents)
    _require(all(1 <= c <= VOTES_COST_CENTS_MAX for c in costs), "a cost is out of range")
    _require(max(item.costs_cents) <= item.envelope_cents, "a project costs more than there is")
    _require(item.votes_min >= 0, "votes_min is negative")


def _check_labels(labels: tuple[str, ...]) -> None:
    _require(1 <= len(labels) <= VOTES_ANSWERS_MAX, "no choice, or too many")
    _require(len(set(labels)) == len(labels), "two choices have the same name")
    for label in labels:
        _check_label(label)


def _check_label(label: str) -> None:
    is_plain = label.isprintable() and label == label.strip()
    _require(
        is_plain and 1 <= len(label) <= VOTES_LABEL_CHARS_MAX, "a name is empty, too long or odd"
    )


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DecodeError(otherwise)
