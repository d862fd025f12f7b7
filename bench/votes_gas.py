"""Whether a block of ballots costs what its gas says, beside a block of signatures: `ballot_gas_vs_signature_gas_*`.

Gas is time on a slow reference machine, so one machine's microseconds say little; two kinds of transaction measured in
turns on one core say whether both were rated alike. The yardstick is `account.open`: two Ed25519 signatures and a few
records. A ballot is taken as dear as it comes: judged, cast in place of an older one, written into the tree. A ratio
below 1 means that ballots are rated too low, and a full block of them takes longer than a block may.
"""

from statistics import median
from time import process_time
from unittest.mock import patch

from bench.report import Metric
from chain.town.engine import BlockInput
from chain.town.votes import ballots
from chain.town.votes.verdicts import Verdicts
from chain.town.votes_schemas import VoteContest, VoteQuestion
from tests.town.town_kit import key, make_town
from tests.town.votes.kit import Vote, open_vote

ROUNDS = 7
SIGNED_PER_ROUND = 60
AIM = 1.0
SINGLE = VoteContest(kind="single", questions=1, rule="most-votes")
SHAPES = {
    "BELENIOS-2048": (("small", 3), ("large", 36)),
    "Ed25519": (("small", 3), ("large", 100)),
}
"""Choices of the one question: a usual vote, and about the largest whose ballots a block may carry."""


def signed_us_per_gas() -> float:
    """Processor µs that one µs of gas takes, for transactions that two keys signed."""
    town = make_town()
    txs = [town.open_tx(key(f"account {number}")) for number in range(SIGNED_PER_ROUND)]
    run = town.app._new_run(BlockInput(town.height + 1, town.now_s))
    start = process_time()
    for tx in txs:
        run.keep(run.execute(tx))
    run.finish()
    return (process_time() - start) * 1e6 / run.gas_used_us


def voted(group: str, choices: int) -> tuple[Vote, bytes]:
    """A box with a ballot in it, and the one that will replace it."""
    answers = tuple(f"Choix {number}" for number in range(choices))
    question = VoteQuestion(question="Lequel ?", answers=answers, min=1, max=1)
    vote = open_vote(1, group=group, questions=(question,), contests=(SINGLE,))
    choice = [[1] + [0] * (choices - 1)]
    assert vote.cast(0, choice).info == "ok"
    return vote, vote.cast_tx(vote.ballot(0, choice))


def ballot_us_per_gas(vote: Vote, tx: bytes) -> float:
    """Processor µs that one µs of gas takes, for a ballot nobody here has seen; the block's own work is taken off."""
    idle, full = vote.fork(), vote.fork()
    start = process_time()
    idle.run()
    idle_s = process_time() - start
    with patch.object(ballots, "VERDICTS", Verdicts()):
        start = process_time()
        result = full.run(tx)[0]
        full_s = process_time() - start
    assert result.info == "ok", result.log
    return (full_s - idle_s) * 1e6 / result.gas_used


def measure_gas() -> list[Metric]:
    """One metric per group and size, in turns with the yardstick."""
    made = {
        f"{group.split('-')[0].lower()}_{name}": voted(group, choices)
        for group, shapes in SHAPES.items()
        for name, choices in shapes
    }
    for vote, tx in made.values():
        ballot_us_per_gas(
            vote, tx
        )  # tables of powers are made at first use, once in a validator's life
    signed: list[float] = []
    cast: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(ROUNDS):
        signed.append(signed_us_per_gas())
        for name, (vote, tx) in made.items():
            cast[name].append(ballot_us_per_gas(vote, tx))
    return [_against(name, median(took), median(signed)) for name, took in cast.items()]


def _against(name: str, ballot: float, signature: float) -> Metric:
    ratio = signature / ballot
    return Metric(
        f"ballot_gas_vs_signature_gas_{name}", ballot, "us/gas", signature, ratio, AIM, ratio >= AIM
    )
