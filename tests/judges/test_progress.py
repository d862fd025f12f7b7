"""Fifty ballots of BELENIOS-2048 come at once; the node's thread judges none of them and has time for all else."""

import asyncio
from collections import Counter as Count
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from chain.judges.desk import Desk
from chain.judges.pool import JudgePool
from chain.mempool.pool import Mempool
from chain.node.node import JUDGES_BUSY, Node
from chain.node.relay import TxRelay
from chain.p2p.channels import ChannelId
from chain.town.application import TownApplication
from chain.town.votes import ballots, verdicts
from chain.town.votes.verdicts import Verdicts
from chain.types.messages import MempoolMessage, Txs
from tests.node.virtual import VirtualTime
from tests.town.votes.kit import Vote, open_vote
from tests.waiting import run_within, until

pytestmark = pytest.mark.process

BALLOTS = 50
CHOICE = [[0, 1, 0, 0]]


@cache
def voted() -> tuple[Vote, tuple[bytes, ...]]:
    """An open box and a ballot of everybody."""
    vote = open_vote(BALLOTS, group="BELENIOS-2048")
    return vote, tuple(vote.cast_tx(vote.ballot(voter, CHOICE)) for voter in range(BALLOTS))


@pytest.fixture(autouse=True)
def thread_judges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh memory, and a thread on which no proof may be verified."""

    def judged(*_: object) -> None:
        raise AssertionError("a ballot was judged on the node's thread")

    monkeypatch.setattr(ballots, "VERDICTS", Verdicts())
    monkeypatch.setattr(verdicts, "check_signature", judged)
    monkeypatch.setattr(verdicts, "check_answers", judged)


class Wire:
    """A switch that hands the relay what the test says."""

    def __init__(self) -> None:
        self.counts: Count[str] = Count()
        self.on_peer_up: list[Callable[[str], None]] = []
        self.receive: Callable[[str, Any], None] = lambda _peer, _message: None

    def handle(self, channel: ChannelId, handler: Callable[[str, Any], None]) -> None:
        assert channel is ChannelId.MEMPOOL
        self.receive = handler

    def peers(self) -> Iterator[str]:
        return iter(())

    def broadcast(self, *_: object, **__: object) -> None:
        pass


class Half:
    """The half of a node that takes transactions, on the running loop, with real judges."""

    def __init__(self, app: TownApplication) -> None:
        loop = asyncio.get_running_loop()
        self.app = app
        self.judges = JudgePool(loop, 2)
        self.desk = Desk(app, self.judges, loop)
        self.pool = Mempool(app.check_tx, height=0)
        self.wire = Wire()
        self.relay = TxRelay(
            self.wire,  # type: ignore[arg-type]
            self.pool,
            loop,
            VirtualTime(),
            self.desk.admit,
        )
        self.relay.start()

    # What `Node.await_judges` uses of a node.
    def _admit(self, tx: bytes, then: Callable[[], None]) -> Any:
        return self.desk.admit(tx, then)

    async def submit(self, tx: bytes) -> str:
        """As the RPC does; the code's name."""
        refused = await Node.await_judges(self, tx)  # type: ignore[arg-type]
        return refused.code if refused is not None else self.pool.add(tx).info  # type: ignore[union-attr]

    def stop(self) -> None:
        self.relay.stop()
        self.desk.stop()


def test_fifty_ballots_of_a_peer_are_judged_while_the_node_does_other_work():
    async def play() -> None:
        vote, txs = voted()
        vote = vote.fork()
        half = Half(vote.town.app)
        blocks: list[int] = []
        try:
            half.wire.receive("peer", MempoolMessage(Txs(txs)))
            while half.pool.count() < BALLOTS:
                await asyncio.sleep(
                    0
                )  # the loop's turn, which belongs to consensus, gossip and RPC
                waiting = half.pool.count()
                if not blocks or waiting != blocks[-1]:
                    blocks.append(waiting)
                    assert vote.town.propose() == ()
                    assert vote.town.is_acceptable()
            assert half.desk.judged == BALLOTS
        finally:
            half.stop()
        assert blocks[0] == 0, "the first block was made before the first ballot was judged"
        assert len(blocks) > 20, "a block between nearly any two of them"
        assert half.wire.counts["p2p_txs_dropped"] == 0

    run_within(play())


def test_clients_that_come_together_are_answered_each_with_its_verdict():
    async def play() -> None:
        vote, txs = voted()
        half = Half(vote.fork().town.app)
        broken = txs[0].replace(b'"answers', b'"answerz')
        try:
            answers = await asyncio.gather(*map(half.submit, (*txs[:10], broken)))
        finally:
            half.stop()
        assert answers[:10] == ["ok"] * 10
        assert answers[10] == "votes_ballot_form"
        assert await half.submit(txs[11]) == JUDGES_BUSY.code, "a node that stops judges nothing"

    run_within(play())


def test_a_block_of_unseen_ballots_is_judged_by_all_cores_before_it_is_executed():
    """ProcessProposal of a node that heard of none of them; then FinalizeBlock of one that was not even asked."""

    async def play() -> None:
        vote, txs = voted()
        fits = 500_000 // vote.record.ballot_gas_us
        asked, synced = Half(vote.fork().town.app), vote.fork()
        try:
            judged = asyncio.Event()
            now_s = vote.town.now_s
            assert asked.desk.must_block_wait(txs[:fits], now_s, judged.set)
            await asyncio.wait_for(judged.wait(), 60)
            assert asked.desk.judged == fits
            town = vote.fork().town
            town.app = asked.app
            assert town.is_acceptable(*txs[:fits])
        finally:
            asked.stop()
        ballots.VERDICTS._signatures.clear()
        ballots.VERDICTS._answers.clear()
        half = Half(synced.town.app)
        try:
            results = synced.run(*txs[:fits])
            assert [result.info for result in results] == ["ok"] * fits
            assert half.desk.waiting() == 0
        finally:
            half.stop()

    run_within(play())


def test_a_desk_hears_of_a_dead_pool_and_the_rules_judge_alone(monkeypatch):
    async def play() -> None:
        vote, txs = voted()
        half = Half(vote.fork().town.app)
        half.judges.stop()
        monkeypatch.undo()
        monkeypatch.setattr(ballots, "VERDICTS", Verdicts())
        assert await half.submit(txs[0]) == "ok"
        half.wire.receive("peer", MempoolMessage(Txs(txs[1:3])))
        await until(lambda: half.pool.count() == 3)
        half.stop()

    run_within(play())
