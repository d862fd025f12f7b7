"""Who has to wait for judges: transactions before CheckTx, blocks before ProcessProposal.

At most one ballot of a credential is with the judges at a time, so that its owner's false proofs cost a node one
ballot's work a minute here as at CheckTx; what waits is bounded by what judging it may cost.
Reads: the application's word on what is left to judge.  Writes: findings into the application.  Never: a refusal of
its own but "too many wait"; a verdict that the application would not find itself.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Protocol, runtime_checkable

from chain.judges.pool import JudgePool
from chain.limits import (
    JUDGES_GIVEN_UP_MAX,
    JUDGES_QUEUE_GAS_US,
    JUDGES_WAITING_MAX,
    JUDGES_WAITING_PER_BALLOT_MAX,
)
from chain.votes.judging import BallotTask, Finding

Key = tuple[str, bytes]
Then = Callable[[], None]


class Admission(Enum):
    """What to do with a transaction now."""

    READY = "ready"
    """Ask the application: nothing dear is left to do, or nobody here will do it."""
    WAITING = "waiting"
    """Come again when called."""
    FULL = "full"
    """Too many wait: refuse it."""


@runtime_checkable
class BallotSource(Protocol):
    """An application that can say which ballots it has yet to judge."""

    judge_together: Callable[[Sequence[BallotTask]], None]

    def ballot_of(self, tx: bytes) -> BallotTask | None: ...

    def ballots_of(self, txs: Sequence[bytes], time_s: int) -> tuple[BallotTask, ...]: ...

    def is_signed(self, task: BallotTask) -> bool: ...

    def learn_finding(self, task: BallotTask, finding: Finding) -> None: ...


class Soon(Protocol):
    """The event loop's next turn."""

    def call_soon(self, callback: Then) -> object: ...


@dataclass(slots=True)
class _Pending:
    """A ballot with the judges."""

    task: BallotTask
    number: int = 0
    then: list[Then] = field(default_factory=list)
    txs: list[bytes] = field(default_factory=list)
    """Hashes of the transactions that hold it."""


class Desk:
    """One node's."""

    def __init__(self, source: BallotSource, pool: JudgePool, loop: Soon) -> None:
        self._source, self._pool, self._loop = source, pool, loop
        self._pending: dict[Key, _Pending] = {}
        self._by_tx: dict[bytes, Key] = {}
        self._by_credential: dict[tuple[str, str], Key] = {}
        self._given_up: OrderedDict[Key, None] = OrderedDict()
        self._gas_us = 0
        self._waiting = 0
        self._is_stopped = False
        self.judged = 0
        """Findings of judges since the start, and `given_up` how many ballots they could not do."""
        self.given_up = 0
        source.judge_together = self.judge_together

    def waiting(self) -> int:
        """Ballots with the judges."""
        return len(self._pending)

    def processes(self) -> int:
        """Judges that run."""
        return len(self._pool.pids())

    def stop(self) -> None:
        """Take nothing more; who waits is called and turned away."""
        self._is_stopped = True
        self._pool.stop()

    # ── transactions ─────────────────────────────────────────────────────────────────────────────────

    def admit(self, tx: bytes, then: Then) -> Admission:
        """Whether CheckTx may be asked now; if it has to wait, `then` is called once, to ask here again."""
        if self._is_stopped:
            return Admission.FULL
        tx_hash = sha256(tx).digest()
        key = self._by_tx.get(tx_hash)
        if key is not None:
            return self._wait_for(self._pending[key], then)
        task = self._source.ballot_of(tx)
        if task is None or not self._is_for_judges(task):
            return Admission.READY
        held = self._by_credential.get((task.fingerprint, task.credential))
        if held is not None:
            return self._queue_behind(self._pending[held], task, then)
        if self._gas_us + task.gas_us > JUDGES_QUEUE_GAS_US:
            return Admission.FULL
        pending = self._hand_in(task)
        if task.key not in self._pending:
            return Admission.READY  # no process could be started
        self._by_tx[tx_hash] = task.key
        pending.txs.append(tx_hash)
        return self._wait_for(pending, then)

    def _queue_behind(self, pending: _Pending, task: BallotTask, then: Then) -> Admission:
        """Wait for another ballot under the same credential, if this one is truly the credential's.

        The list of credentials is public: were signatures left to the judges here, anybody's forgeries in a voter's
        name would keep the voter's own ballot out. And few may wait: whoever is let go asks again, all at once.
        """
        if pending.task.key == task.key:
            return self._wait_for(pending, then)
        if not self._source.is_signed(task):
            return Admission.READY
        if len(pending.then) >= JUDGES_WAITING_PER_BALLOT_MAX:
            return Admission.FULL
        return self._wait_for(pending, then)

    def _wait_for(self, pending: _Pending, then: Then) -> Admission:
        if self._waiting >= JUDGES_WAITING_MAX:
            return Admission.FULL
        pending.then.append(then)
        self._waiting += 1
        return Admission.WAITING

    def _is_for_judges(self, task: BallotTask) -> bool:
        return self._pool.is_open and task.key not in self._given_up

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────

    def must_block_wait(self, txs: Sequence[bytes], time_s: int, then: Then) -> bool:
        """Whether ballots of a block are with the judges now; if so, `then` is called once when none is any more."""
        tasks = () if self._is_stopped else self._source.ballots_of(txs, time_s)
        waited_for = self._hurry(tasks)
        left = len(waited_for)

        def count_down() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for pending in waited_for:
            pending.then.append(count_down)
            self._waiting += 1
        return bool(waited_for)

    def judge_together(self, tasks: Sequence[BallotTask]) -> None:
        """Return when these are judged, by the judges and this thread; what is not, the application judges."""
        if len(tasks) > 1 and not self._is_stopped:
            self._pool.work_off([pending.number for pending in self._hurry(tasks)])

    def _hurry(self, tasks: Sequence[BallotTask]) -> list[_Pending]:
        """Put ballots before all that wait, in their order; those that judges will not do are left out."""
        hurried: dict[Key, _Pending] = {}
        for task in reversed(tasks):
            held = self._pending.get(task.key)
            if held is not None:
                self._pool.hurry(held.number)
            elif self._is_for_judges(task):
                held = self._hand_in(task, is_urgent=True)
            if held is not None:
                hurried[task.key] = held
        return [held for key, held in hurried.items() if key in self._pending]

    # ── findings ─────────────────────────────────────────────────────────────────────────────────────

    def _hand_in(self, task: BallotTask, *, is_urgent: bool = False) -> _Pending:
        pending = self._pending[task.key] = _Pending(task)
        self._by_credential.setdefault((task.fingerprint, task.credential), task.key)
        self._gas_us += task.gas_us
        pending.number = self._pool.submit(
            task, lambda finding: self._learn(task, finding), is_urgent=is_urgent
        )
        return pending

    def _learn(self, task: BallotTask, finding: Finding | None) -> None:
        if finding is None:
            self.given_up += 1
            self._given_up[task.key] = None
            if len(self._given_up) > JUDGES_GIVEN_UP_MAX:
                self._given_up.popitem(last=False)
        else:
            self.judged += 1
            self._source.learn_finding(task, finding)
        pending = self._pending.pop(task.key)
        for tx_hash in pending.txs:
            del self._by_tx[tx_hash]
        who = (task.fingerprint, task.credential)
        if self._by_credential.get(who) == task.key:
            del self._by_credential[who]
        self._gas_us -= task.gas_us
        self._waiting -= len(pending.then)
        for then in pending.then:
            self._loop.call_soon(then)
