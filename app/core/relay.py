"""Handing a phone's signed transaction to the chain and following it to its proved result.

The API signs nothing and decides nothing here: it names the transaction by its payload hash, broadcasts it,
and waits for the projector to prove what became of it. An unanswered one is sent to another node after 5 s.
Sending the same transaction again is always safe: the chain takes it once, and its result is given back.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from app.core.chain_client import MEMPOOL_FULL, BroadcastAnswer, ChainClient, RpcError
from app.core.clock import Clock
from app.core.codes import NODE_BUSY, PROJECTOR_HALTED
from app.core.finality import FinalityWatcher, Waiter
from app.core.outbox import (
    find_outbox,
    is_outbox_full,
    mark_sent,
    put_outbox,
    take_unanswered,
)
from app.core.problems import NodeUnavailable, Problem
from app.core.projection import Transaction, find_transaction, get_projector_state
from app.core.transactions import ReadTransaction, check_type, read_transaction
from chain.types.codes import TX_INTERNAL, TX_REPLAYED, Code, get_code

RESEND_AFTER_S: Final = 5.0
RESEND_BATCH: Final = 50
REPLAY_GRACE_S: Final = 2.0
"""A transaction that is committed but not yet projected is looked for this long before it is called a replay."""
STATE_FINAL: Final = "final"
STATE_PENDING: Final = "pending"
STATE_REFUSED: Final = "refused"
"""The node no longer takes it, and it is in no block: it had no effect and will have none."""
_log = structlog.get_logger("app.relay")


@dataclass(frozen=True, slots=True)
class Submission:
    """Where a transaction stands: pending, final, or refused outside any block."""

    transaction: str
    """Payload hash, hex: the transaction's name in `/v1/transactions/{hash}`."""
    state: str
    type: str
    height: int = 0
    index: int = 0
    time: int = 0
    code: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Relay:
    """Sends transactions and waits for their finality."""

    def __init__(self, chain: ChainClient, watcher: FinalityWatcher, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._watcher = watcher

    def submit(self, text: str, *, types: tuple[str, ...], wait_s: float = 0.0) -> Submission:
        """Read and pass on; raises Problem for every refusal."""
        return self.pass_on(read_transaction(text), types=types, wait_s=wait_s)

    def pass_on(
        self, transaction: ReadTransaction, *, types: tuple[str, ...], wait_s: float = 0.0
    ) -> Submission:
        """Broadcast and, for at most `wait_s`, wait; raises Problem for every refusal.

        A refusal before the chain took the transaction has no height; one inside a block names it.
        """
        check_type(transaction, types)
        check_projector()
        with self._watcher.watch(transaction.payload_hash) as waiter:
            answer = self._broadcast(transaction, avoid="")
            if answer.code:
                return self._after_refusal(transaction, waiter, answer)
            row = self._wait(transaction, waiter, answer, wait_s)
        if row is not None:
            return describe_final(row)
        if is_outbox_full():
            raise Problem(NODE_BUSY, headers={"Retry-After": "10"})
        put_outbox(transaction, node=answer.node, now_s=self._clock.now_s())
        return Submission(transaction.payload_hash, STATE_PENDING, transaction.payload.type)

    def resend(self) -> int:
        """Send again what nobody answered for RESEND_AFTER_S; returns how many were sent."""
        now_s = self._clock.now_s()
        unanswered = take_unanswered(now_s - int(RESEND_AFTER_S), RESEND_BATCH)
        for row in unanswered:
            try:
                answer = self._chain.broadcast(row.transaction.encode(), avoid=row.node)
            except RpcError as error:
                _log.info("resend_deferred", error=str(error)[:100])
                continue
            code = "" if not answer.code or _is_taken(answer) else _code_of(answer.code).name
            mark_sent(row, node=answer.node, now_s=now_s, refused_code=code)
        return len(unanswered)

    def _broadcast(self, transaction: ReadTransaction, *, avoid: str) -> BroadcastAnswer:
        try:
            return self._chain.broadcast(transaction.raw, avoid=avoid)
        except RpcError as error:
            if MEMPOOL_FULL in f"{error.message} {error.data}":
                raise Problem(NODE_BUSY) from error
            raise NodeUnavailable(error.message) from error

    def _after_refusal(
        self, transaction: ReadTransaction, waiter: Waiter, answer: BroadcastAnswer
    ) -> Submission:
        """CheckTx said no; "replayed" may mean that this very transaction is already final."""
        if _is_taken(answer):
            row = waiter.wait(REPLAY_GRACE_S)
            if row is not None:
                return describe_final(row)
        raise _refusal(transaction, answer)

    def _wait(
        self, transaction: ReadTransaction, waiter: Waiter, answer: BroadcastAnswer, wait_s: float
    ) -> Transaction | None:
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            row = waiter.wait(min(left_s, RESEND_AFTER_S))
            if row is not None:
                return row
            if deadline - time.monotonic() > 0:
                answer = self._broadcast(transaction, avoid=answer.node)
                if answer.code and not _is_taken(answer):
                    raise _refusal(transaction, answer)
        return waiter.result


def _code_of(number: int) -> Code:
    """The chain's code; a number this release does not know is a defect somewhere."""
    return get_code(number) or TX_INTERNAL


def _is_taken(answer: BroadcastAnswer) -> bool:
    """CheckTx says "replayed" of a transaction that is committed, perhaps a moment before SQL shows it."""
    return answer.code == TX_REPLAYED.number


def _refusal(transaction: ReadTransaction, answer: BroadcastAnswer) -> Problem:
    code = _code_of(answer.code)
    detail = answer.log.removeprefix(code.en).strip().removeprefix("(").removesuffix(")")
    return Problem(code, detail, extra={"transaction": transaction.payload_hash})


def check_projector() -> None:
    """Raise Problem(projector_halted) when SQL no longer follows a chain that lies."""
    state = get_projector_state()
    if state is not None and state.halted_code:
        raise Problem(PROJECTOR_HALTED, state.halted_code, headers={"Retry-After": "30"})


def describe_final(row: Transaction) -> Submission:
    """A final transaction; raises Problem with the chain's code when it was refused inside its block."""
    data = json.loads(row.data or "{}")
    if row.code:
        extra = {"transaction": row.payload_hash, "height": row.height}
        raise Problem(_code_of(row.code), extra=extra)
    return Submission(
        transaction=row.payload_hash,
        state=STATE_FINAL,
        type=row.type,
        height=row.height,
        index=row.position,
        time=row.time_s,
        code="ok",
        data=data,
    )


def find_submission(payload_hash: str) -> Submission | None:
    """A transaction's standing for reading (a refused one is described, not raised); None if unknown."""
    row = find_transaction(payload_hash)
    waiting = find_outbox(payload_hash) if row is None else None
    if row is None and waiting is None:
        # Between the two looks the projector may have moved it from the one table to the other.
        row = find_transaction(payload_hash)
    if row is None:
        if waiting is None:
            return None
        state = STATE_REFUSED if waiting.refused_code else STATE_PENDING
        return Submission(payload_hash, state, waiting.type, code=waiting.refused_code)
    name = "ok" if row.code == 0 else _code_of(row.code).name
    return Submission(
        row.payload_hash,
        STATE_FINAL,
        row.type,
        row.height,
        row.position,
        row.time_s,
        name,
        json.loads(row.data or "{}"),
    )
