"""Forgetting old heights, a little with every block, in the block's own durable transaction.

A height goes in two steps. First the base moves beyond it: from then on nobody is served it, so no answer shows
half of it. Then its rows go: transactions and events of the index, then block, commit, results, validator sets,
parameters and evidence markers. Rows of a full block may take several blocks' turns; a cursor remembers.

Reads / Writes: the store it was opened on.  Never: decides what is old enough; see `chain.node.retention`.
"""

from collections.abc import Callable
from itertools import islice
from typing import TypeAlias

from chain.codec.hashing import hash_evidence
from chain.codec.proto import decode
from chain.limits import (
    PRUNE_HEIGHTS_PER_BLOCK,
    PRUNE_REMEMBERED_BLOCK_BYTES,
    PRUNE_ROWS_PER_BLOCK,
)
from chain.store.blocks import BlockStore, Pruned, StoredBlock, load_pruned, stage_pruned
from chain.store.index import EventIndex
from chain.store.keys import COMMITTED_EVIDENCE, HEADER
from chain.store.kv import Batch, KeyValueStore, prefix_end
from chain.store.state import ChainStateStore
from chain.types.block import Block, SignedHeader
from chain.types.primitives import Height
from chain.types.timestamp import Timestamp

IsOver: TypeAlias = Callable[[Height, Timestamp], bool]
"""Whether a block of this height and time is not needed any more."""


class Pruner:
    """Removes what `stage` is told is over; `settle` once the batch is durable."""

    def __init__(
        self, kv: KeyValueStore, blocks: BlockStore, states: ChainStateStore, index: EventIndex
    ) -> None:
        self._kv = kv
        self._blocks = blocks
        self._states = states
        self._index = index
        self._done = load_pruned(kv)
        self._staged = self._done
        self._base_time: tuple[Height, Timestamp] | None = None
        """Time of the lowest block served, so that it is read once and not with every block."""
        self._read: dict[Height, StoredBlock] = {}
        """Small blocks read for their time and not removed yet: decoding is most of the work."""

    def stage(self, batch: Batch, is_over: IsOver) -> None:
        """Add this block's share of pruning to its batch."""
        self._stage_headers(batch, is_over)
        done = self._done if self._done.base else Pruned(self._blocks.base(), self._blocks.base())
        base = self._next_base(done, is_over)
        trail, budget = done.trail, PRUNE_ROWS_PER_BLOCK
        while trail < base and budget > 0:
            budget = self._stage_height(batch, trail, budget)
            trail += budget > 0
        self._staged = Pruned(base, trail)
        if self._staged != done:
            stage_pruned(batch, self._staged)

    def _next_base(self, done: Pruned, is_over: IsOver) -> Height:
        """The lowest height to serve after this block; no further while much is left to remove."""
        base = done.base
        furthest = min(done.trail + PRUNE_HEIGHTS_PER_BLOCK, self._blocks.height())
        while 0 < base < furthest and is_over(base, self._time(base)):
            base += 1
        return base

    def _time(self, height: Height) -> Timestamp:
        if self._base_time is None or self._base_time[0] != height:
            stored = self._blocks.load(height)
            assert stored is not None, "blocks have no gap"
            if stored.size_bytes <= PRUNE_REMEMBERED_BLOCK_BYTES:
                self._read[height] = stored
            self._base_time = (height, stored.block.header.time)
        return self._base_time[1]

    def _stage_height(self, batch: Batch, height: Height, budget: int) -> int:
        """Remove a height's rows; returns what is left of the budget, 0 when some rows had to stay."""
        stored = self._read.pop(height, None) or self._blocks.load_any(height)
        if stored is None:
            return budget
        responses = self._blocks.load_responses(height)
        if responses is not None:
            for key in self._index.rows_of(stored.block, responses):
                if key in batch.writes:
                    continue  # the same transaction, in the block of this very batch
                if budget <= 1:
                    return 0
                batch.delete(key)
                budget -= 1
        self._blocks.unstage_block(batch, height, stored.block_id.hash)
        self._blocks.unstage_responses(batch, height)
        self._states.stage_pruning(batch, height + 1)
        _stage_evidence(batch, stored.block)
        return budget - 1

    def _stage_headers(self, batch: Batch, is_over: IsOver) -> None:
        """Headers from before a restored snapshot, kept for evidence, go by the same rule."""
        held = self._kv.scan(HEADER, prefix_end(HEADER))
        for key, raw in islice(held, PRUNE_HEIGHTS_PER_BLOCK):
            header = decode(SignedHeader, raw).header
            if not is_over(header.height, header.time):
                return
            batch.delete(key)

    def settle(self) -> None:
        """The batch is durable: serve nothing below the new base."""
        self._done = self._staged
        self._blocks.raise_base(self._done.base)

    def lag(self) -> int:
        """Heights not served any more whose rows are still to be removed."""
        return self._done.base - self._done.trail


def _stage_evidence(batch: Batch, block: Block) -> None:
    """Markers of what an old block carried: as old as that, evidence cannot come again."""
    for item in block.evidence.evidence:
        batch.delete(COMMITTED_EVIDENCE + hash_evidence(item))
