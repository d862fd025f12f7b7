"""What closing a ballot box costs a validator: `close_10000_vs_100`, one core.

The tally follows the box ballot by ballot, so the block that closes it must cost the same for a hundred ballots and for
ten thousand. The boxes are filled with ballots of distinct credentials and ciphertexts whose proofs nobody judges:
judging is measured apart, and closing judges none. Each box is closed ROUNDS times from the same state, in turns: a
closing takes less than a millisecond, and what disturbs the machine for a second must not fall on one of them alone.
What still grows is the depth of the state's tree: a few hashes per record written. The store is the tests' own, sorted
lists in memory; what it takes to save is no validator's cost, and is left out.
"""

from collections.abc import Callable
from statistics import median
from time import process_time
from unittest.mock import patch

from bench.report import Metric
from chain.town.ports import StateVersion
from chain.town.votes import ballots
from chain.votes import formats
from chain.votes.formats import Ballot
from chain.votes.group import Group
from tests.town.votes.kit import Vote, open_vote

ROUNDS = 25
SIZES = (100, 10_000)
PER_BLOCK = 50
AIM = 1.2
CHOICE = [[0, 1, 0, 0]]


class _AnyBallot:
    """Takes every ballot for a good one."""

    def judge_signature(self, *_: object) -> None:
        return None

    def judge_answers(self, *_: object) -> None:
        return None


def filled(size: int) -> Vote:
    """An election at the end of voting, with that many ballots in the box."""
    vote = open_vote(size)
    group = vote.election.group
    model = formats.decode(Ballot, vote.ballot(0, CHOICE))
    with patch.object(ballots, "VERDICTS", _AnyBallot()):
        for first in range(0, size, PER_BLOCK):
            made = []
            for voter in range(first, min(first + PER_BLOCK, size)):
                model = _shift(group, model)
                credential = group.encode(vote.election.g_power(vote.voter_secrets[voter]))
                made.append(formats.encode(formats.replace(model, credential=credential)))
            results = vote.run(*map(vote.cast_tx, made))
            assert all(result.info == "ok" for result in results), results[0].log
    return vote


def _shift(group: Group, ballot: Ballot) -> Ballot:
    """The same ballot with other first halves of its ciphertexts."""
    answers = []
    for answer in ballot.answers:
        choices = tuple(
            formats.replace(
                choice,
                alpha=group.encode(group.multiply(group.decode(choice.alpha), group.generator)),
            )
            for choice in answer.choices
        )
        answers.append(formats.replace(answer, choices=choices))
    return formats.replace(ballot, answers=tuple(answers))


class Box:
    """A full box that can be closed again and again."""

    def __init__(self, vote: Vote) -> None:
        self._vote = vote
        town = vote.town
        self._closes_s = vote.record.calendar.voting_closes
        self._store, self._height, self._app_hash = town.store.copy(), town.height, town.app_hash

    def close_ms(self) -> float:
        """Processor milliseconds of the block that closes it, from the state it was filled to."""
        town = self._vote.town
        town.store, town.height, town.app_hash = self._store.copy(), self._height, self._app_hash
        town.restart()
        town.now_s = self._closes_s - 60
        town.run()  # a validator that has been running: what a start reads once is read
        town.now_s = self._closes_s
        saving = _Stopwatch(town.store.save)
        with patch.object(town.store, "save", saving):
            start = process_time()
            town.run()
            took_s = process_time() - start - saving.took_s
        assert self._vote.phase == "tally"
        return took_s * 1e3


class _Stopwatch:
    """Calls a function and adds up the processor time it takes."""

    def __init__(self, function: Callable[[StateVersion], None]) -> None:
        self._function = function
        self.took_s = 0.0

    def __call__(self, version: StateVersion) -> None:
        start = process_time()
        self._function(version)
        self.took_s += process_time() - start


def measure_closing() -> Metric:
    """The ratio, against the small box."""
    boxes = [Box(filled(size)) for size in SIZES]
    rounds = [[box.close_ms() for box in boxes] for _ in range(ROUNDS)]
    small_ms, large_ms = (median(took) for took in zip(*rounds, strict=True))
    ratio = large_ms / small_ms
    return Metric("close_10000_vs_100", large_ms, "ms", small_ms, ratio, AIM, ratio <= AIM)
