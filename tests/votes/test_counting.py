"""Counting rules against ballots counted one by one, and against belenios-tool where it has the method."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.codec.canonical import encode_canonical
from chain.codec.errors import DecodeError
from chain.limits import VOTES_RULES_MAX_BYTES
from chain.votes.counting import (
    Approval,
    Budget,
    Grade,
    Item,
    MajorityJudgment,
    Outcome,
    Rules,
    Score,
    Single,
    YesNo,
    count_result,
    derive_order,
    encode_rules,
    make_questions,
    read_rules,
)
from chain.votes.counting.median import Middle, find_median, make_median_keys

TOOL = shutil.which("belenios-tool")
PARK = YesNo(title="Un parc ?", choices=("Oui", "Non"), blank=True, majority=(1, 2))
MAYOR = Single(title="Nom du pont", choices=("A", "B", "C"), blank=True, order=(2, 0, 1))
JURY = Approval(
    title="Jury",
    choices=("A", "B", "C", "D"),
    blank=True,
    min=1,
    max=3,
    seats=2,
    order=(3, 2, 1, 0),
)
GRADES = ("Excellent", "Bien", "Passable", "Insuffisant", "À rejeter")
MERIT = MajorityJudgment(
    title="Logo",
    choices=("A", "B", "C"),
    blank=False,
    grades=tuple(Grade(name=name, points=0) for name in GRADES),
    middle="lower",
    seats=1,
    order=(1, 2, 0),
)
STARS = Score(
    title="Notes",
    choices=("A", "B"),
    blank=True,
    grades=tuple(Grade(name=f"{p} étoiles", points=p) for p in (5, 3, 0)),
    seats=1,
    order=(0, 1),
)
WORKS = Budget(
    title="Budget participatif",
    choices=("Bancs", "Piste", "Arbres", "Fontaine"),
    blank=True,
    min=1,
    max=4,
    costs_cents=(10_000, 60_000, 30_000, 25_000),
    envelope_cents=70_000,
    fit="skip",
    votes_min=2,
    order=(0, 1, 2, 3),
)
ALL: tuple[Item, ...] = (PARK, MAYOR, JURY, MERIT, STARS, WORKS)


def one(item: Item, rows: Sequence[Sequence[int]], voters: int) -> Outcome:
    """The outcome of an election of one item."""
    (outcome,) = count_result(read_rules(encode_rules([item])), rows, voters)
    return outcome


def taken(outcome: Outcome) -> list[str]:
    return [line.name for line in outcome.lines if line.is_taken]


def sum_up(ballots: Sequence[tuple[int, frozenset[int]]], answers: int) -> list[int]:
    """A Belenios row of weighted ballots; an empty ballot is a blank one."""
    row = [0] * (answers + 1)
    for weight, chosen in ballots:
        for cell in {choice + 1 for choice in chosen} or {0}:
            row[cell] += weight
    return row


# --- yes or no, single, approval -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "is_adopted"),
    [((0, 3, 2), True), ((9, 2, 2), False), ((0, 1, 2), False), ((4, 0, 0), False)],
)
def test_yes_needs_more_than_half_and_blank_votes_are_counted_apart(
    row: tuple[int, int, int], is_adopted: bool
) -> None:
    outcome = one(PARK, [row], sum(row))
    assert outcome.lines[0].is_taken is is_adopted
    assert not outcome.lines[1].is_taken
    assert outcome.blank == row[0]


def test_two_thirds_are_not_more_than_two_thirds() -> None:
    strict = msgspec.structs.replace(PARK, majority=(2, 3))
    assert taken(one(strict, [(0, 66, 33)], 99)) == []
    assert taken(one(strict, [(0, 67, 33)], 100)) == ["Oui"]


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.frozensets(st.integers(0, 3), max_size=3)), max_size=30
    ),
    st.permutations(range(4)),
)
def test_an_approval_elects_those_that_a_count_by_hand_elects(
    ballots: list[tuple[int, frozenset[int]]], order: list[int]
) -> None:
    item = msgspec.structs.replace(JURY, order=tuple(order))
    outcome = one(item, [sum_up(ballots, 4)], sum(weight for weight, _ in ballots))
    votes = {c: sum(w for w, chosen in ballots if c in chosen) for c in range(4)}
    by_hand = sorted(range(4), key=lambda c: (-votes[c], order.index(c)))
    assert [line.choice for line in outcome.lines] == by_hand
    assert [line.votes for line in outcome.lines] == [votes[c] for c in by_hand]
    assert {line.choice for line in outcome.lines if line.is_taken} == set(by_hand[:2])
    assert outcome.blank == sum(weight for weight, chosen in ballots if not chosen)
    at_the_edge = votes[by_hand[1]] == votes[by_hand[2]]
    assert bool(outcome.ties) is at_the_edge


@given(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.integers(0, 2))
def test_one_more_vote_never_takes_the_seat_from_whom_it_is_for(row: list[int], lucky: int) -> None:
    before = one(MAYOR, [(0, *row)], sum(row))
    row[lucky] += 1
    after = one(MAYOR, [(0, *row)], sum(row))
    name = MAYOR.choices[lucky]
    assert name not in taken(before) or name in taken(after)


def test_equal_choices_share_a_place_and_the_published_order_decides() -> None:
    outcome = one(MAYOR, [(1, 4, 2, 4)], 11)
    assert [(line.name, line.place) for line in outcome.lines] == [("C", 1), ("A", 1), ("B", 3)]
    assert taken(outcome) == ["C"]
    assert outcome.ties == ((2, 0),)


# --- grades --------------------------------------------------------------------------------------


def wear_down(judgments: Sequence[int], middle: Middle) -> list[int]:
    """Medians taken away one by one, as the book tells it; judgments are grades, 0 the best."""
    rest, taken_away = sorted(judgments, reverse=middle == "lower"), []
    while rest:
        taken_away.append(rest.pop((len(rest) + 1) // 2 - 1))
    return taken_away


@st.composite
def judged(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    """Ballots, each a grade per choice; and the number of grades."""
    choices, grades = draw(st.integers(2, 5)), draw(st.integers(2, 6))
    ballot = st.lists(st.integers(0, grades - 1), min_size=choices, max_size=choices)
    return draw(st.lists(ballot, min_size=1, max_size=25)), grades


def count_grades(ballots: Sequence[Sequence[int]], grades: int) -> list[list[int]]:
    return [[column.count(g) for g in range(grades)] for column in zip(*ballots, strict=True)]


@given(judged(), st.sampled_from(["lower", "upper"]))
def test_median_keys_order_choices_as_taking_medians_away_does(
    case: tuple[list[list[int]], int], middle: Any
) -> None:
    ballots, grades = case
    counts = count_grades(ballots, grades)
    worn = [wear_down(column, middle) for column in zip(*ballots, strict=True)]
    keys = make_median_keys(counts, middle)
    for a in range(len(keys)):
        assert find_median(counts[a], middle) == worn[a][0]
        for b in range(len(keys)):
            assert (keys[a] > keys[b]) == (worn[a] < worn[b]), (counts[a], counts[b])
            assert (keys[a] == keys[b]) == (counts[a] == counts[b])


@pytest.mark.parametrize("total", [6, 9])
def test_median_keys_are_right_for_every_pair_of_choices_in_a_small_town(total: int) -> None:
    rows = [(a, b, total - a - b) for a in range(total + 1) for b in range(total + 1 - a)]
    worn = {row: wear_down([g for g in range(3) for _ in range(row[g])], "lower") for row in rows}
    for a in rows:
        for b in rows:
            first, second = make_median_keys([a, b], "lower")
            assert (first > second) == (worn[a] < worn[b]), (a, b)


@pytest.mark.skipif(TOOL is None, reason="belenios-tool is not installed")
@settings(max_examples=40, deadline=None)
@given(judged())
def test_majority_judgment_ranks_as_belenios_tool_does(case: tuple[list[list[int]], int]) -> None:
    ballots, grades = case
    counts = count_grades(ballots, grades)
    item = msgspec.structs.replace(
        MERIT,
        choices=tuple(f"C{i}" for i in range(len(counts))),
        grades=tuple(Grade(name=f"G{i}", points=0) for i in range(grades)),
        middle="upper",
        order=tuple(range(len(counts))),
    )
    outcome = one(item, counts, len(ballots))
    told = run_method(
        "majority-judgment",
        "--ngrades",
        str(grades),
        "--blank-allowed",
        "false",
        ballots=[[g + 1 for g in b] for b in ballots],
    )
    places: dict[int, list[int]] = {}
    for line in outcome.lines:
        places.setdefault(line.place, []).append(line.choice)
    assert [sorted(group) for group in places.values()] == [sorted(g) for g in told["winners"]]
    assert told["raw"] == counts


def run_method(*arguments: str, ballots: list[list[int]]) -> Any:
    assert TOOL is not None
    ran = subprocess.run(
        [TOOL, "method", *arguments],
        input=json.dumps(ballots).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return json.loads(ran.stdout)


def test_of_two_middle_judgments_the_rulebook_says_which_counts() -> None:
    agreed, torn = (0, 2, 0, 0, 0), (1, 0, 1, 0, 0)
    rows = [agreed, torn, (0, 0, 0, 0, 2)]
    lower, upper = one(MERIT, rows, 2), one(msgspec.structs.replace(MERIT, middle="upper"), rows, 2)
    assert (taken(lower), lower.lines[0].grade) == (["A"], "Bien")
    assert (taken(upper), upper.lines[0].grade) == (["B"], "Excellent")


def test_a_blank_for_a_choice_counts_as_its_lowest_grade() -> None:
    item = msgspec.structs.replace(MERIT, blank=True)
    with_blanks = one(item, [(2, 3, 0, 0, 0, 0), (0, 0, 3, 0, 0, 2), (5, 0, 0, 0, 0, 0)], 5)
    spelled_out = one(MERIT, [(3, 0, 0, 0, 2), (0, 3, 0, 0, 2), (0, 0, 0, 0, 5)], 5)
    assert with_blanks.lines == spelled_out.lines
    assert (with_blanks.blank, spelled_out.blank) == (7, 0)
    assert [line.grade for line in with_blanks.lines] == ["Excellent", "Bien", "À rejeter"]


def test_a_hundred_thousand_voters_are_ranked_without_looking_at_each() -> None:
    near = [[20_000, 20_000, 20_001, 19_999, 20_000], [20_000, 20_000, 20_000, 20_000, 20_000]]
    first, second = make_median_keys(near, "lower")
    assert first > second
    assert len(first) < 50


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 2), max_size=30))
def test_a_score_adds_up_the_points_of_each_ballot(ballots: list[tuple[int, int]]) -> None:
    rows = [(0, *[column.count(g) for g in range(3)]) for column in zip(*ballots, strict=True)]
    rows = rows or [(0, 0, 0, 0)] * 2
    outcome = one(STARS, rows, len(ballots))
    for line in outcome.lines:
        assert line.votes == sum((5, 3, 0)[ballot[line.choice]] for ballot in ballots)


# --- participatory budget ------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 12), min_size=4, max_size=4),
    st.sampled_from(["skip", "stop"]),
    st.integers(0, 5),
)
def test_a_budget_takes_projects_by_votes_while_the_envelope_pays(
    votes: list[int], fit: Any, votes_min: int
) -> None:
    item = msgspec.structs.replace(WORKS, fit=fit, votes_min=votes_min, min=0)
    outcome = one(item, [(0, *votes)], 12)
    assert outcome.spent_cents == sum(
        WORKS.costs_cents[line.choice] for line in outcome.lines if line.is_taken
    )
    assert outcome.spent_cents <= WORKS.envelope_cents
    left, has_stopped = WORKS.envelope_cents, False
    for line in outcome.lines:
        cost = WORKS.costs_cents[line.choice]
        fits = cost <= left and line.votes >= votes_min and not has_stopped
        assert line.is_taken is fits, (votes, line)
        has_stopped = has_stopped or (not fits and fit == "stop")
        left -= cost if fits else 0


def test_a_project_that_no_longer_fits_is_passed_over_or_ends_the_list() -> None:
    row = (0, 9, 8, 7, 6)
    assert taken(one(WORKS, [row], 10)) == ["Bancs", "Piste"]
    row = (0, 9, 5, 7, 6)
    assert taken(one(WORKS, [row], 10)) == ["Bancs", "Arbres", "Fontaine"]
    row = (0, 9, 8, 1, 7)
    smaller = msgspec.structs.replace(WORKS, envelope_cents=65_000)
    assert taken(one(smaller, [row], 10)) == ["Bancs", "Fontaine"]
    assert taken(one(msgspec.structs.replace(smaller, fit="stop"), [row], 10)) == ["Bancs"]


# --- rulebooks and results that are none ---------------------------------------------------------


def test_a_rulebook_gives_its_questions_and_reads_back() -> None:
    raw = encode_rules(ALL)
    rules = read_rules(raw)
    assert rules.items == ALL
    questions = make_questions(rules)
    assert len(questions) == 1 + 1 + 1 + 3 + 2 + 1
    assert [(q.min, q.max) for q in questions] == [(1, 1), (1, 1), (1, 3), *[(1, 1)] * 5, (1, 4)]
    assert questions[3].answers == GRADES
    assert questions[3].question == "Logo — A"


@pytest.mark.parametrize(
    ("item", "changes", "says"),
    [
        (MAYOR, {"order": (0, 1, 1)}, "order"),
        (MAYOR, {"order": (0, 1)}, "order"),
        (MAYOR, {"choices": ("A", "A", "B")}, "same name"),
        (MAYOR, {"title": "A\u202eB"}, "odd"),
        (MAYOR, {"title": ""}, "empty"),
        (PARK, {"choices": ("Oui", "Non", "Peut-être")}, "two"),
        (PARK, {"majority": (1, 1)}, "share"),
        (JURY, {"min": 3, "max": 2}, "min and max"),
        (JURY, {"max": 5}, "min and max"),
        (JURY, {"min": 0, "max": 0}, "nothing"),
        (JURY, {"seats": 5}, "seats"),
        (MERIT, {"grades": MERIT.grades[:1]}, "no choice"),
        (MERIT, {"grades": STARS.grades}, "points"),
        (STARS, {"grades": tuple(reversed(STARS.grades))}, "fall"),
        (WORKS, {"costs_cents": (1, 2, 3)}, "costs"),
        (WORKS, {"costs_cents": (1, 2, 3, 70_001)}, "more than there is"),
        (WORKS, {"votes_min": -1}, "negative"),
    ],
)
def test_a_rulebook_that_cannot_be_asked_or_counted_is_refused(
    item: Item, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(DecodeError, match=says):
        encode_rules([msgspec.structs.replace(item, **changes)])


def test_a_rulebook_has_one_spelling_a_version_and_a_size() -> None:
    raw = encode_rules([PARK])
    with pytest.raises(DecodeError):
        read_rules(raw.replace(b'"blank":true', b'"blank": true'))
    with pytest.raises(DecodeError, match="version"):
        read_rules(encode_canonical(Rules(version=2, items=(PARK,))))
    with pytest.raises(DecodeError, match="too long"):
        read_rules(b" " * (VOTES_RULES_MAX_BYTES + 1))
    with pytest.raises(DecodeError, match="no item"):
        encode_rules([])
    many = tuple(f"C{i}" for i in range(65))
    with pytest.raises(DecodeError, match="more questions"):
        encode_rules([msgspec.structs.replace(MERIT, choices=many, order=tuple(range(65)))])


@pytest.mark.parametrize(
    ("item", "rows", "voters"),
    [
        (MAYOR, [(0, 1, 1, 1)], 4),
        (MAYOR, [(0, 1, 1, 1)], 2),
        (MAYOR, [(0, 1, 2)], 3),
        (MAYOR, [(5, 0, 0, 0)], 4),
        (MAYOR, [(0, 1, 1, 1), (0, 1, 1, 1)], 3),
        (MAYOR, [(0, -1, 2, 2)], 3),
        (JURY, [(1, 3, 0, 0, 0)], 3),
        (JURY, [(0, 3, 3, 3, 3)], 3),
        (STARS, [(0, 1, 1, 1), (0, 1, 1, 0)], 3),
    ],
)
def test_sums_that_valid_ballots_cannot_give_are_not_counted(
    item: Item, rows: list[tuple[int, ...]], voters: int
) -> None:
    with pytest.raises(ValueError, match=r"add up|number of|more votes"):
        one(item, rows, voters)


def test_several_items_are_counted_each_from_its_own_questions() -> None:
    rules = read_rules(encode_rules([STARS, PARK, MAYOR]))
    rows = [(0, 2, 1, 0), (1, 1, 1, 0), (0, 2, 1), (1, 2, 0, 0)]
    stars, park, mayor = count_result(rules, rows, 3)
    assert [taken(o) for o in (stars, park, mayor)] == [["A"], ["Oui"], ["A"]]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=3, max_size=3), st.permutations(range(3)))
def test_renaming_choices_renames_the_outcome_and_changes_nothing_else(
    row: list[int], moved: list[int]
) -> None:
    renamed = msgspec.structs.replace(
        MAYOR,
        choices=tuple(MAYOR.choices[old] for old in moved),
        order=tuple(moved.index(old) for old in MAYOR.order),
    )
    before = one(MAYOR, [(0, *row)], sum(row))
    after = one(renamed, [(0, *[row[old] for old in moved])], sum(row))
    assert [replace(line, choice=0) for line in before.lines] == [
        replace(line, choice=0) for line in after.lines
    ]


def test_an_order_from_a_public_text_is_the_same_for_everybody() -> None:
    order = derive_order("Loto du 2026-11-21: 4 8 15 16 23 42", 6)
    assert sorted(order) == list(range(6))
    assert order == derive_order("Loto du 2026-11-21: 4 8 15 16 23 42", 6)
    assert order != derive_order("Loto du 2026-11-21: 4 8 15 16 23 43", 6)
