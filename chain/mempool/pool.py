"""Transactions that wait for a block: first come, first proposed; bounded by count and by bytes.

The application judges (CheckTx); the pool remembers. A hash seen lately is refused with CometBFT's words "tx
already exists in cache", which clients take as "pending", until its transaction was refused by a later look.
Reads / Writes: memory only.  Never: a log line with a transaction in it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Final

from chain.limits import (
    MEMPOOL_CACHE_TXS,
    MEMPOOL_MAX_BYTES,
    MEMPOOL_MAX_TXS,
    MEMPOOL_RECHECK_TXS,
    MEMPOOL_TX_MAX_BYTES,
)
from chain.types.abci import CheckTxType, ExecTxResult, RequestCheckTx, ResponseCheckTx
from chain.types.primitives import Height

TX_OVERHEAD_BYTES: Final = 6
"""Most that a block adds to a transaction: one byte of tag and up to five of length."""


@dataclass(frozen=True, slots=True)
class PoolRefusal:
    """Why the pool itself did not take a transaction; texts are CometBFT's."""

    code: str
    message: str


ALREADY_IN_CACHE: Final = PoolRefusal("tx_in_cache", "tx already exists in cache")


@dataclass(frozen=True, slots=True)
class PendingTx:
    """A waiting transaction."""

    tx: bytes
    hash: bytes
    height: Height
    """Height of the chain when it came."""
    gas_wanted: int


CheckTx = Callable[[RequestCheckTx], ResponseCheckTx]


class Mempool:
    """The pool of one node; all calls on the node's one thread."""

    def __init__(
        self,
        check_tx: CheckTx,
        *,
        height: Height,
        max_txs: int = MEMPOOL_MAX_TXS,
        max_bytes: int = MEMPOOL_MAX_BYTES,
        cache_txs: int = MEMPOOL_CACHE_TXS,
    ) -> None:
        self._check_tx = check_tx
        self._height = height
        self._max_txs = max_txs
        self._max_bytes = max_bytes
        self._cache_txs = cache_txs
        self._pending: OrderedDict[bytes, PendingTx] = OrderedDict()
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._bytes = 0
        self.on_available: Callable[[], None] = _do_nothing
        """Called after a transaction entered an empty or full pool alike: somebody may want a block."""
        self.on_added: Callable[[PendingTx, str], None] = _do_nothing_with
        """Called with each new transaction and the peer it came from ("" for a client): gossip hangs here."""

    def add(self, tx: bytes, *, from_peer: str = "") -> ResponseCheckTx | PoolRefusal:
        """Judge a new transaction and, when it is good, let it wait.

        A refusal by the application is returned as its response and forgotten, so that it may come again.
        """
        refused = self.screen(tx)
        if refused is not None:
            return refused
        verdict = self._check_tx(RequestCheckTx(tx))
        if not verdict.is_ok():
            return verdict
        tx_hash = sha256(tx).digest()
        self._remember(tx_hash)
        pending = PendingTx(tx, tx_hash, self._height, verdict.gas_wanted)
        self._pending[tx_hash] = pending
        self._bytes += len(tx)
        self.on_added(pending, from_peer)
        self.on_available()
        return verdict

    def screen(self, tx: bytes) -> PoolRefusal | None:
        """Why the pool would not even ask the application."""
        if len(tx) > MEMPOOL_TX_MAX_BYTES:
            return PoolRefusal(
                "tx_too_large",
                f"Tx too large. Max size is {MEMPOOL_TX_MAX_BYTES}, but got {len(tx)}",
            )
        if len(self._pending) >= self._max_txs or self._bytes + len(tx) > self._max_bytes:
            return PoolRefusal("mempool_full", self._full_message())
        return ALREADY_IN_CACHE if sha256(tx).digest() in self._seen else None

    def _full_message(self) -> str:
        return (
            f"mempool is full: number of txs {len(self._pending)} (max: {self._max_txs}), "
            f"total txs bytes {self._bytes} (max: {self._max_bytes})"
        )

    def _remember(self, tx_hash: bytes) -> None:
        self._seen[tx_hash] = None
        self._seen.move_to_end(tx_hash)
        if len(self._seen) > self._cache_txs:
            self._seen.popitem(last=False)

    def reap(self, max_bytes: int, max_gas: int) -> tuple[bytes, ...]:
        """Waiting transactions in order of arrival whose encoding fits `max_bytes` and `max_gas` (-1: any)."""
        chosen: list[bytes] = []
        room, gas_left = max_bytes, max_gas
        for pending in self._pending.values():
            cost = len(pending.tx) + TX_OVERHEAD_BYTES
            if cost > room or (max_gas >= 0 and pending.gas_wanted > gas_left):
                break
            room -= cost
            gas_left -= pending.gas_wanted if max_gas >= 0 else 0
            chosen.append(pending.tx)
        return tuple(chosen)

    def update(self, height: Height, txs: Iterable[bytes], results: Iterable[ExecTxResult]) -> None:
        """Drop what a block holds, then look again at the oldest of the rest.

        A committed transaction stays in the cache; one that was included and refused leaves it only when the
        application would take it again, as CometBFT (the town never does: its replay key is recorded).
        """
        self._height = height
        for tx, result in zip(txs, results, strict=True):
            tx_hash = sha256(tx).digest()
            self._forget_pending(tx_hash)
            if result.is_ok():
                self._remember(tx_hash)
            else:
                self._seen.pop(tx_hash, None)
        for pending in tuple(islice(self._pending.values(), MEMPOOL_RECHECK_TXS)):
            verdict = self._check_tx(RequestCheckTx(pending.tx, CheckTxType.RECHECK))
            if not verdict.is_ok():
                self._forget_pending(pending.hash)
                self._seen.pop(pending.hash, None)

    def _forget_pending(self, tx_hash: bytes) -> None:
        pending = self._pending.pop(tx_hash, None)
        if pending is not None:
            self._bytes -= len(pending.tx)

    def flush(self) -> None:
        """Forget everything that waits, and the cache."""
        self._pending.clear()
        self._seen.clear()
        self._bytes = 0

    def is_waiting(self, tx_hash: bytes) -> bool:
        """Whether the transaction of this hash waits for a block."""
        return tx_hash in self._pending

    def count(self) -> int:
        """Waiting transactions."""
        return len(self._pending)

    def size_bytes(self) -> int:
        """Their bytes together."""
        return self._bytes

    def first(self, limit: int) -> tuple[bytes, ...]:
        """The first waiting transactions, at most `limit`."""
        chosen: list[bytes] = []
        for pending in self._pending.values():
            if len(chosen) >= limit:
                break
            chosen.append(pending.tx)
        return tuple(chosen)


def _do_nothing() -> None:
    pass


def _do_nothing_with(_pending: PendingTx, _peer: str) -> None:
    pass
