"""The town behind an ABCI socket has the same desk: a flood of ballots holds up neither queries nor consensus."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.abci import AbciClient
from chain.abci.server import AbciServer
from chain.judges.desk import Admission, Desk
from chain.judges.pool import JudgePool
from chain.limits import JUDGES_LOOKAHEAD_TXS
from chain.node.abci import _must_wait_at
from chain.town.votes import ballots, verdicts
from chain.town.votes.verdicts import Verdicts
from chain.types.abci import CheckTxType, RequestCheckTx, RequestInfo, RequestQuery
from tests.abci.calls import finalize, prepare, process, serving
from tests.town.votes.kit import open_vote
from tests.waiting import run_within

BALLOTS = 24
CHOICE = [[0, 1, 0, 0]]


class Recorder:
    """A desk that notes what it is asked."""

    def __init__(self, answer: Admission) -> None:
        self.answer = answer
        self.txs: list[bytes] = []
        self.blocks: list[tuple[tuple[bytes, ...], int]] = []

    def admit(self, tx: bytes, then: Callable[[], None]) -> Admission:
        self.txs.append(tx)
        return self.answer

    def must_block_wait(
        self, txs: tuple[bytes, ...], time_s: int, then: Callable[[], None]
    ) -> bool:
        self.blocks.append((txs, time_s))
        return True


def nothing() -> None:
    pass


def test_new_transactions_and_blocks_wait_and_nothing_else_does() -> None:
    """A recheck judges nothing again; what waits behind a waiting transaction is shown to the other judges."""
    desk = Recorder(Admission.WAITING)
    must_wait = _must_wait_at(desk)  # type: ignore[arg-type]
    flood = [RequestCheckTx(b"%d" % number) for number in range(3)]
    assert must_wait([*flood, RequestInfo()], nothing)
    assert desk.txs == [b"0", b"1", b"2"]
    assert not must_wait([RequestCheckTx(b"x", CheckTxType.RECHECK)], nothing)
    assert not must_wait([prepare(1, b"x")], nothing)
    assert not must_wait([RequestQuery(path="/status"), *flood], nothing)
    assert desk.txs == [b"0", b"1", b"2"]
    for block in (process(1, b"x"), finalize(1, b"x")):
        assert must_wait([block], nothing)
        assert desk.blocks[-1] == ((b"x",), block.time.seconds)
    ready = Recorder(Admission.READY)
    assert not _must_wait_at(ready)(flood, nothing)  # type: ignore[arg-type]
    assert ready.txs == [b"0"]
    assert not _must_wait_at(None)(flood, nothing)


@pytest.mark.process
def test_queries_are_answered_while_a_flood_of_ballots_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(*_: object) -> None:
        raise AssertionError("a ballot was judged on the application's thread")

    async def play() -> None:
        vote = open_vote(BALLOTS, group="BELENIOS-2048")
        txs = [vote.cast_tx(vote.ballot(voter, CHOICE)) for voter in range(BALLOTS)]
        app, loop = vote.town.app, asyncio.get_running_loop()
        monkeypatch.setattr(ballots, "VERDICTS", Verdicts())
        monkeypatch.setattr(verdicts, "check_signature", judged)
        monkeypatch.setattr(verdicts, "check_answers", judged)
        desk = Desk(app, JudgePool(loop, 2), loop)
        most_waiting = 0
        async with serving(app, tmp_path, is_strict=False, must_wait=_must_wait_at(desk)) as (
            server,
            failures,
        ):
            assert isinstance(server, AbciServer)
            mempool = await AbciClient.connect(server.address)
            query = await AbciClient.connect(server.address)
            sent = [mempool.send(RequestCheckTx(tx)) for tx in txs]
            between = set()
            while not all(answer.done() for answer in sent):
                await query.call(RequestQuery(path="/status"))
                between.add(sum(answer.done() for answer in sent))
                most_waiting = max(most_waiting, desk.waiting())
            assert {answer.result().info for answer in sent} == {"ok"}
            await asyncio.gather(mempool.close(), query.close())
            assert not failures
        desk.stop()
        assert desk.judged == BALLOTS
        assert len(between) > 3, "queries were answered between ballots"
        assert 2 <= most_waiting <= JUDGES_LOOKAHEAD_TXS + 1, "more than one judge had work"

    run_within(play())
