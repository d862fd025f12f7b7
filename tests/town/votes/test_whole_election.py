"""Whole elections on the town's application, from publication to result."""

import pytest

from chain.town.votes_schemas import VoteStation
from tests.town.votes.kit import (
    APPROVAL,
    ONE_OF_THREE,
    REFERENDUM,
    SINGLE,
    UP_TO_TWO,
    YES_NO,
    Vote,
    make_vote,
)

STATIONS = (VoteStation("1", "one", 1), VoteStation("2", "five", 5), VoteStation("2", "one", 1))
RESULT = ((1, 0, 1, 5), (1, 5, 6), (0, 6))


def hold(group: str, ceremony: str = "threshold") -> Vote:
    """Three questions, three voters of weights 1, 1 and 5, a revote, a spoil; trustees 1 and 3 decrypt."""
    vote = make_vote(
        group=group,
        questions=(ONE_OF_THREE, UP_TO_TWO, YES_NO),
        contests=(SINGLE, APPROVAL, REFERENDUM),
        stations=STATIONS,
        ceremony=ceremony,
        trustees_threshold=3 if ceremony == "single" else 2,
    )
    assert vote.publish().info == "ok"
    vote.open_box((0, 2, 1))
    opened = vote.ballot(0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]])
    assert vote.send(vote.spoil_body(0, opened)).info == "ok"
    for voter, votes in (
        (0, [[0, 1, 0, 0], [1, 1, 0], [1, 0]]),
        (1, [[1, 0, 0, 0], [0, 0, 1], [0, 0]]),
        (2, [[0, 0, 0, 1], [0, 1, 1], [0, 1]]),
        (0, [[0, 0, 1, 0], [1, 0, 0], [0, 1]]),
    ):
        result = vote.cast(voter, votes)
        assert result.info == "ok", result.log
    return vote


@pytest.mark.parametrize("group", ["BELENIOS-2048", "Ed25519"])
def test_a_whole_election_gives_the_plain_count(group: str) -> None:
    vote = hold(group)
    assert vote.finish(1, 3) == RESULT
    closed = vote.journal("votes.closed")
    assert [closed[k] for k in ("ballots", "voters", "revotes", "spoiled", "weight")] == [
        4,
        3,
        1,
        1,
        7,
    ]
    assert vote.journal("votes.result")["blank"] == [1, -1, -1]
