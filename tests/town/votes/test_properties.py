"""Whatever is cast, revoted, spoiled or refused in whatever blocks: the running tally is that of a plain recount."""

from functools import cache
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.town.votes.assembly import read_state
from chain.town.votes.records import ALPHAS, TALLIES, get_box
from chain.town.votes_schemas import VoteStation
from chain.votes import formats
from chain.votes.formats import Ballot
from chain.votes.tally import add_ballot, empty_tally, encode_tally
from chain.votes.verifier import verify_archive
from tests.hash_seeds import print_under_two_hash_seeds
from tests.town.votes.kit import (
    ONE_OF_THREE,
    REFERENDUM,
    SINGLE,
    UUID,
    YES_NO,
    Vote,
    make_vote,
    open_vote,
)

STATIONS = (VoteStation("1", "one", 1), VoteStation("2", "seven", 7), VoteStation("2", "two", 2))
VOTERS = 4


@cache
def opened() -> Vote:
    """Four voters of weights 1, 7, 2 and 1."""
    return open_vote(
        (0, 1, 2, 0),
        questions=(ONE_OF_THREE, YES_NO),
        contests=(SINGLE, REFERENDUM),
        stations=STATIONS,
    )


moves = st.lists(
    st.tuples(
        st.sampled_from(["cast", "cast", "cast", "again", "spoil", "block", "restart"]),
        st.integers(0, VOTERS - 1),
        st.integers(0, 3),
        st.integers(0, 2),
    ),
    min_size=4,
    max_size=11,
)


def plain_text(vote: Vote, ballots: dict[int, bytes]) -> str:
    """The tally of these last ballots by voter, from nothing."""
    tally = empty_tally(vote.election)
    for body in ballots.values():
        ballot = formats.decode(Ballot, body)
        weight = vote.weight_of(ballot.credential)
        tally = add_ballot(vote.election, tally, ballot.answers, weight)
    return encode_tally(vote.election, tally).decode()


class Play:
    """Moves of one example, several in a block until it is ended."""

    def __init__(self) -> None:
        self.vote = opened().fork()
        self.last: dict[int, bytes] = {}
        self.all: list[bytes] = []
        self.waiting: list[tuple[bytes, str]] = []

    def move(self, kind: str, voter: int, choice: int, yes: int) -> None:
        vote = self.vote
        if kind == "block":
            self.end_block()
        elif kind == "restart":
            self.end_block()
            vote.town.restart()
        elif kind == "again" and self.all:
            self.waiting.append(
                (vote.cast_tx(self.all[choice % len(self.all)]), "votes_ballot_seen")
            )
        elif kind == "spoil":
            opened_ballot = self.make(voter, choice, yes)
            self.waiting.append((vote.anonymous(vote.spoil_body(voter, opened_ballot)), "ok"))
            self.waiting.append((vote.cast_tx(opened_ballot), "votes_ballot_spoiled"))
        else:
            body = self.make(voter, choice, yes)
            self.last[voter] = body
            self.all.append(body)
            self.waiting.append((vote.cast_tx(body), "ok"))

    def make(self, voter: int, choice: int, yes: int) -> bytes:
        first = [int(place == choice) for place in range(4)]
        return self.vote.ballot(voter, [first, [[0, 0], [1, 0], [0, 1]][yes]])

    def end_block(self) -> None:
        txs, wanted = [tx for tx, _ in self.waiting], [code for _, code in self.waiting]
        assert [result.info for result in self.vote.run(*txs)] == wanted
        self.waiting = []
        tally = TALLIES.get(self.vote.town.reader, UUID.encode())
        assert tally is not None
        assert tally.text == plain_text(self.vote, self.last)


@settings(max_examples=15, deadline=None)
@given(moves)
def test_the_running_tally_is_the_plain_count_of_last_ballots(
    steps: list[tuple[str, int, int, int]],
) -> None:
    play = Play()
    for step in steps:
        play.move(*step)
    play.end_block()
    box = get_box(play.vote.town.reader, UUID)
    assert (box.ballots, box.voters) == (len(play.all), len(play.last))
    assert box.revotes == box.ballots - box.voters
    archive = play.vote.archive()
    assert archive == read_state(play.vote.town.reader, UUID)


def test_one_played_election_is_valid_to_the_end() -> None:
    play = Play()
    for number in range(10):
        play.move("cast", number % VOTERS, number % 4, number % 3)
        play.move("spoil", number % VOTERS, 0, 0)
        play.move("block", 0, 0, 0)
    play.vote.finish(2, 3)
    assert verify_archive(play.vote.archive()).flaw is None
    assert list(ALPHAS.scan(play.vote.town.reader)) == []


# --- the same bytes everywhere -------------------------------------------------------------------


def scripted_election(group: str) -> str:
    """A digest of everything the application said during a small election."""
    vote = make_vote(
        group=group,
        questions=(YES_NO,),
        contests=(REFERENDUM,),
        ceremony="single",
        trustees=("tru1", "tru2"),
    )
    digest = sha256()
    assert vote.publish().info == "ok"
    vote.open_box(1)
    assert vote.cast(0, [[0, 1]]).info == "ok"
    assert vote.cast(0, [[1, 0]]).info == "ok"
    vote.finish(1, 2)
    for block in vote.blocks:
        digest.update(repr((block.results, block.journal)).encode())
    digest.update(vote.town.app_hash + vote.archive())
    return digest.hexdigest()


def test_two_hash_seeds_and_plain_integers_give_the_same_bytes() -> None:
    """A validator without gmpy2 is slow, and says the same."""
    program = (
        "import sys; sys.modules['gmpy2'] = None\n"
        "from tests.town.votes.test_properties import scripted_election as s\n"
        "print(s('Ed25519'), s('BELENIOS-2048'))"
    )
    told = print_under_two_hash_seeds(program)
    assert told == f"{scripted_election('Ed25519')} {scripted_election('BELENIOS-2048')}"
