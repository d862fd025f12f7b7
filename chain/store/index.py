"""Transactions by hash and events by attribute, written in the block's own transaction.

So `tx` finds a transaction the moment its block is committed (the race of cometbft issue 4236 cannot happen).
Only attributes marked `index` are kept. Searching with a query is `chain.rpc.search`'s work.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

from chain.limits import INDEX_VALUE_MAX_BYTES, LMDB_KEY_MAX_BYTES
from chain.store.keys import BLOCK_EVENT, TX, TX_EVENT
from chain.store.kv import Batch, KeyValueStore
from chain.types.abci import Event, ResponseFinalizeBlock
from chain.types.block import Block

_POSITION_BYTES = 12
"""Height (8) and index in the block (4), big-endian."""


class EventIndex:
    """Search rows over a `KeyValueStore`."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv

    def stage(self, batch: Batch, block: Block, responses: ResponseFinalizeBlock) -> None:
        """Add the rows of one executed block to a batch."""
        height = block.header.height
        for index, (tx, result) in enumerate(
            zip(block.data.txs, responses.tx_results, strict=True)
        ):
            position = _position(height, index)
            batch.put(TX + sha256(tx).digest(), position)
            _stage_events(batch, TX_EVENT, result.events, position)
        _stage_events(batch, BLOCK_EVENT, responses.events, _position(height, 0))

    def rows_of(self, block: Block, responses: ResponseFinalizeBlock) -> Iterator[bytes]:
        """Keys of the rows that `stage` wrote for a block and that are still its own, in its order.

        The same transaction committed again later has a newer place, whose row stays.
        """
        written = Batch()
        self.stage(written, block, responses)
        for key, value in written.writes.items():
            if self._kv.get(key) == value:
                yield key

    def unstage(self, batch: Batch, block: Block, responses: ResponseFinalizeBlock) -> None:
        """Remove a block's rows in a batch, except those that the same batch writes anew."""
        for key in self.rows_of(block, responses):
            if key not in batch.writes:
                batch.delete(key)

    def load_tx(self, tx_hash: bytes) -> tuple[int, int] | None:
        """(height, index in block) of a committed transaction, or None.

        The same bytes committed again (a refused transaction may be) answer the newest place.
        """
        raw = self._kv.get(TX + tx_hash)
        return None if raw is None else (_height(raw), _index(raw))

    def tx_event_rows(self, key: str, value: str | None = None) -> Iterator[tuple[str, int, int]]:
        """(value, height, index) of transactions with an attribute `type.attribute` = `key`."""
        return self._rows(TX_EVENT, key, value)

    def block_event_rows(
        self, key: str, value: str | None = None
    ) -> Iterator[tuple[str, int, int]]:
        """(value, height, 0) of blocks with an attribute `type.attribute` = `key`."""
        return self._rows(BLOCK_EVENT, key, value)

    def _rows(self, prefix: bytes, key: str, value: str | None) -> Iterator[tuple[str, int, int]]:
        start = prefix + key.encode() + b"\0"
        if value is not None:
            start += _indexed_form(value.encode()) + b"\0"
        for row, stored in self._kv.scan(start, start + b"\xff" * (_POSITION_BYTES + 1)):
            if value is None:
                text = stored or row[len(start) : -_POSITION_BYTES - 1]
                yield text.decode(), _height(row[-_POSITION_BYTES:]), _index(row)
            elif len(row) == len(start) + _POSITION_BYTES:
                yield value, _height(row[-_POSITION_BYTES:]), _index(row)


def _stage_events(batch: Batch, prefix: bytes, events: Iterable[Event], position: bytes) -> None:
    for event in events:
        for attribute in event.attributes:
            if attribute.index and event.type and attribute.key:
                _stage_attribute(
                    batch, prefix, f"{event.type}.{attribute.key}", attribute.value, position
                )


def _stage_attribute(batch: Batch, prefix: bytes, key: str, value: str, position: bytes) -> None:
    raw = value.encode()
    form = _indexed_form(raw)
    row = prefix + key.encode() + b"\0" + form + b"\0" + position
    if len(row) <= LMDB_KEY_MAX_BYTES and "\0" not in key:
        batch.put(row, b"" if form == raw else raw)


def _indexed_form(value: bytes) -> bytes:
    """A value as it stands in a row key: itself, or its hash when it is long."""
    if len(value) <= INDEX_VALUE_MAX_BYTES:
        return value
    return b"\xff" + sha256(value).digest()


def _position(height: int, index: int) -> bytes:
    return height.to_bytes(8, "big") + index.to_bytes(4, "big")


def _height(position: bytes) -> int:
    return int.from_bytes(position[:8], "big")


def _index(position: bytes) -> int:
    return int.from_bytes(position[-4:], "big")
