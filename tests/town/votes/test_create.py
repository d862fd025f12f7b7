"""Publishing: an election that could not be trusted is never on the chain."""

from typing import Any

import pytest
from msgspec.structs import replace

from chain.town.votes.records import ELECTIONS, STATIONS, scan_election
from chain.town.votes_schemas import VoteContest, VoteQuestion, VoteStation
from tests.town.town_kit import DAY_S, key, make_town
from tests.town.votes.kit import (
    CITY_HALL,
    LAX,
    ONE_OF_THREE,
    SINGLE,
    UUID,
    YES_NO,
    make_body,
    make_calendar,
    make_vote,
)


def test_a_published_election_waits_for_its_trustees() -> None:
    vote = make_vote()
    result = vote.publish()
    assert result.info == "ok", result.log
    record = ELECTIONS.get(vote.town.reader, UUID.encode())
    assert record is not None
    assert (record.phase, record.owner, record.choices) == ("ceremony", CITY_HALL, 4)
    assert len(list(scan_election(STATIONS, vote.town.reader, UUID))) == 1


def test_the_same_identifier_is_published_once() -> None:
    vote = make_vote()
    assert vote.publish().info == "ok"
    assert vote.publish(name="Autre chose").info == "votes_election_exists"


def test_a_local_referendum_is_refused_with_its_article() -> None:
    result = make_vote().publish(legal_kind="referendum_local")
    assert result.info == "votes_referendum_refused"
    assert "LO 1112-1" in result.log


@pytest.mark.parametrize(
    ("count", "threshold"), [(4, 2), (4, 4), (3, 2), (3, 3), (5, 3), (5, 4), (2, 1), (1, 1)]
)
def test_any_shape_of_registrars_but_3f_1_and_2f_1_is_refused(count: int, threshold: int) -> None:
    vote = make_vote()
    bodies = ("reg1", "reg2", "reg3", "reg4", "mairie")[:count]
    result = vote.publish(registrars=bodies, registrars_threshold=threshold)
    assert result.info == "votes_registrars_shape"


def test_a_town_that_lowers_the_floor_may_have_one_registrar_and_is_insecure() -> None:
    vote = make_vote({"votes_registrars_min": 1})
    assert vote.publish(registrars=("reg1",), registrars_threshold=1).info == "ok"
    assert "param:votes_registrars_min" in vote.town.status()["insecure_reasons"]


@pytest.mark.parametrize(
    "changes",
    [
        {"registrars": ("reg1", "reg1", "reg2", "reg3")},
        {"trustees": ("tru1", "tru1", "tru2")},
        {"trustees": ("reg1", "tru1", "tru2")},
        {"trustees_threshold": 1},
        {"trustees_threshold": 4},
        {"ceremony": "single", "trustees_threshold": 2},
    ],
)
def test_bodies_that_hold_too_much_are_refused(changes: dict[str, Any]) -> None:
    assert make_vote().publish(**changes).info == "votes_bodies_conflict"


def test_a_body_the_town_does_not_know_is_refused() -> None:
    assert make_vote().publish(trustees=("tru1", "tru2", "ghost")).info == "city_unknown_body"


@pytest.mark.parametrize("secure", [False, True])
def test_windows_are_as_long_as_the_town_says(secure: bool) -> None:
    """With production floors the calendar of a day each is refused; with none, an empty window still is."""
    params = {} if secure else LAX
    vote = make_vote()
    vote.town = make_town(
        bodies=tuple(b["body"] for b in vote.town.status()["bodies"]),
        roles=(("agent_supervisor", "mairie"),),
        params=params,
    )
    calendar = make_calendar(vote.town.now_s)
    if not secure:
        calendar = replace(calendar, registration_closes=calendar.issuance_closes)
    assert vote.publish(calendar=calendar).info == "votes_calendar_refused"


@pytest.mark.parametrize("days", [-2, 800])
def test_dates_long_past_or_far_ahead_are_refused(days: int) -> None:
    vote = make_vote()
    calendar = make_calendar(vote.town.now_s + days * DAY_S)
    assert vote.publish(calendar=calendar).info == "votes_calendar_refused"


@pytest.mark.parametrize(
    "stations",
    [
        (VoteStation("2", "one", 1), VoteStation("1", "one", 1)),
        (VoteStation("1", "one", 1), VoteStation("1", "one", 1)),
        (VoteStation("1", "one", 1), VoteStation("2", "one", 2)),
    ],
)
def test_stations_are_sorted_and_a_class_has_one_weight(stations: tuple[VoteStation, ...]) -> None:
    assert make_vote().publish(stations=stations).info == "votes_stations_refused"


@pytest.mark.parametrize(
    ("questions", "contests"),
    [
        ((ONE_OF_THREE,), (VoteContest(kind="yes_no", questions=1, rule="most-votes"),)),
        ((ONE_OF_THREE,), (SINGLE, SINGLE)),
        ((ONE_OF_THREE, YES_NO), (SINGLE,)),
        ((replace(ONE_OF_THREE, min=3, max=2),), (SINGLE,)),
        ((replace(ONE_OF_THREE, answers=("a", "a", "b")),), (SINGLE,)),
        ((replace(ONE_OF_THREE, max=3),), (SINGLE,)),
        ((ONE_OF_THREE,), (VoteContest(kind="score", questions=1, rule="mean"),)),
        (
            (ONE_OF_THREE,),
            (
                VoteContest(
                    kind="budget", questions=1, rule="greedy", budget_cents=10, costs_cents=(1,)
                ),
            ),
        ),
        ((ONE_OF_THREE,), (replace(SINGLE, budget_cents=5),)),
    ],
)
def test_questions_that_cannot_be_counted_as_said_are_refused(
    questions: tuple[VoteQuestion, ...], contests: tuple[VoteContest, ...]
) -> None:
    result = make_vote().publish(questions=questions, contests=contests)
    assert result.info == "votes_questions_refused"


def test_an_election_whose_ballots_no_block_should_carry_is_refused() -> None:
    wide = VoteQuestion(question="?", answers=tuple(f"a{i}" for i in range(100)), min=0, max=100)
    contest = VoteContest(kind="approval", questions=1, rule="most-votes")
    vote = make_vote(group="BELENIOS-2048")
    result = vote.publish(questions=(wide,), contests=(contest,))
    assert result.info == "votes_ballot_too_costly"


def test_only_an_agent_supervisor_publishes() -> None:
    vote = make_vote()
    body = make_body(vote.town)
    assert vote.town.do(body, CITY_HALL, key("clerk@mairie")).info == "tx_wrong_role"
