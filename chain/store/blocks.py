"""Decided blocks, the commit seen for each, and what executing them gave.

A block is one value: its parts are cut again on request, which is cheaper than storing proofs for ever.
"""

from dataclasses import dataclass

import msgspec

from chain.codec.errors import DecodeError
from chain.codec.hashing import hash_header
from chain.codec.proto import decode, encode
from chain.store.errors import StoreCorrupted
from chain.store.keys import (
    BLOCK,
    HASH_TO_HEIGHT,
    HEADER,
    PRUNED,
    RESPONSES,
    SEEN_COMMIT,
    height_key,
    height_of,
)
from chain.store.kv import Batch, KeyValueStore
from chain.types.abci import ResponseFinalizeBlock
from chain.types.block import Block, BlockID, BlockMeta, Commit, Header, SignedHeader


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block with its full name and the size of its encoding."""

    block: Block
    block_id: BlockID
    size_bytes: int


class _BlockRow(msgspec.Struct, frozen=True, array_like=True):
    block_id: BlockID
    encoded: bytes


_ROW_ENCODER = msgspec.msgpack.Encoder()
_ROW_DECODER = msgspec.msgpack.Decoder(_BlockRow)
_RESPONSES_DECODER = msgspec.msgpack.Decoder(ResponseFinalizeBlock)


class Pruned(msgspec.Struct, frozen=True, array_like=True):
    """How far pruning came: blocks below `base` are not served, rows below `trail` are gone."""

    base: int = 0
    trail: int = 0


_PRUNED_DECODER = msgspec.msgpack.Decoder(Pruned)


def load_pruned(kv: KeyValueStore) -> Pruned:
    """What was pruned so far."""
    raw = kv.get(PRUNED)
    return Pruned() if raw is None else _PRUNED_DECODER.decode(raw)


def stage_pruned(batch: Batch, pruned: Pruned) -> None:
    """Note in a batch how far pruning comes with it."""
    batch.put(PRUNED, _ROW_ENCODER.encode(pruned))


class BlockStore:
    """Blocks by height and hash over a `KeyValueStore`; reads what was written, or raises StoreCorrupted."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._height = self._edge(reverse=True)
        self._base = max(self._edge(reverse=False), load_pruned(kv).base)

    def _edge(self, *, reverse: bool) -> int:
        for key, _ in self._kv.scan(BLOCK, b"C", reverse=reverse):
            return height_of(key)
        return 0

    def height(self) -> int:
        """Highest stored block; 0 when there is none."""
        return self._height

    def base(self) -> int:
        """Lowest block that is served; 0 when there is none."""
        return self._base

    def raise_base(self, base: int) -> None:
        """Serve nothing below `base` any more: its rows are going."""
        self._base = max(self._base, base)

    def stage_block(
        self, batch: Batch, block: Block, block_id: BlockID, encoded: bytes, seen_commit: Commit
    ) -> None:
        """Add a decided block to a batch; call `advance` once the batch is durable."""
        height = block.header.height
        row = _ROW_ENCODER.encode(_BlockRow(block_id, encoded))
        batch.put(height_key(BLOCK, height), row)
        batch.put(HASH_TO_HEIGHT + block_id.hash, height.to_bytes(8, "big"))
        batch.put(height_key(SEEN_COMMIT, height), encode(seen_commit))

    def stage_responses(self, batch: Batch, height: int, responses: ResponseFinalizeBlock) -> None:
        """Add the outcome of a block to a batch."""
        batch.put(height_key(RESPONSES, height), _ROW_ENCODER.encode(responses))

    def unstage_block(self, batch: Batch, height: int, block_hash: bytes) -> None:
        """Remove a block with the commit seen for it, in a batch."""
        batch.delete(height_key(BLOCK, height))
        batch.delete(HASH_TO_HEIGHT + block_hash)
        batch.delete(height_key(SEEN_COMMIT, height))

    def unstage_responses(self, batch: Batch, height: int) -> None:
        """Remove the outcome of a block, in a batch."""
        batch.delete(height_key(RESPONSES, height))

    def advance(self, height: int) -> None:
        """Tell the store that the block of `height` is durable."""
        self._height = height
        self._base = self._base or height

    def _row(self, prefix: bytes, height: int) -> bytes | None:
        """One row of a height; None for a number that no block has, such as a peer may send (below 1)."""
        return self._kv.get(height_key(prefix, height)) if height > 0 else None

    def load(self, height: int) -> StoredBlock | None:
        """The block of a height, or None."""
        return None if height < self._base else self.load_any(height)

    def load_any(self, height: int) -> StoredBlock | None:
        """The same, also of a height that is not served any more but not removed yet."""
        raw = self._row(BLOCK, height)
        if raw is None:
            return None
        try:
            row = _ROW_DECODER.decode(raw)
            return StoredBlock(decode(Block, row.encoded), row.block_id, len(row.encoded))
        except (DecodeError, msgspec.DecodeError) as error:
            raise StoreCorrupted(f"block {height} cannot be decoded: {error}") from error

    def load_encoded(self, height: int) -> bytes | None:
        """The block's bytes as they were cut into parts, or None."""
        raw = None if height < self._base else self._row(BLOCK, height)
        return None if raw is None else _ROW_DECODER.decode(raw).encoded

    def height_of_hash(self, block_hash: bytes) -> int | None:
        """Height of a block named by its header hash, or None."""
        raw = self._kv.get(HASH_TO_HEIGHT + block_hash)
        return None if raw is None else int.from_bytes(raw, "big")

    def load_meta(self, height: int) -> BlockMeta | None:
        """Name, size, header and number of transactions of a block, or None."""
        stored = self.load(height)
        if stored is None:
            return None
        block = stored.block
        return BlockMeta(stored.block_id, stored.size_bytes, block.header, len(block.data.txs))

    def load_seen_commit(self, height: int) -> Commit | None:
        """The precommits this node had when it decided, or None."""
        raw = self._row(SEEN_COMMIT, height)
        return None if raw is None else decode(Commit, raw)

    def load_commit(self, height: int) -> tuple[Commit, bool] | None:
        """Commit of a height and whether it is canonical (taken from the next block)."""
        following = self.load(height + 1) if height < self._height else None
        if following is not None and following.block.last_commit is not None:
            return following.block.last_commit, True
        seen = self.load_seen_commit(height)
        if seen is not None:
            return seen, False
        raw = self._row(HEADER, height)
        return None if raw is None else (decode(SignedHeader, raw).commit, True)

    def stage_header(self, batch: Batch, signed: SignedHeader) -> None:
        """Add the header of a block that is not here: of the time before a restored snapshot."""
        batch.put(height_key(HEADER, signed.header.height), encode(signed))

    def load_header(self, height: int) -> Header | None:
        """Header of a stored block, or of one known by its header only."""
        stored = self.load(height)
        if stored is not None:
            return stored.block.header
        raw = self._row(HEADER, height)
        return None if raw is None else decode(SignedHeader, raw).header

    def load_signed_header(self, height: int) -> SignedHeader | None:
        """Header and commit of a stored block, or of one known by its header only."""
        stored = self.load(height)
        if stored is None:
            raw = self._row(HEADER, height)
            return None if raw is None else decode(SignedHeader, raw)
        found = self.load_commit(height)
        return None if found is None else SignedHeader(stored.block.header, found[0])

    def load_responses(self, height: int) -> ResponseFinalizeBlock | None:
        """What executing the block of `height` gave, or None."""
        raw = self._row(RESPONSES, height)
        return None if raw is None else _RESPONSES_DECODER.decode(raw)

    def check_tip(self) -> None:
        """Hash the newest block again; raises StoreCorrupted when it is not the block it says."""
        stored = self.load(self._height)
        if stored is not None and hash_header(stored.block.header) != stored.block_id.hash:
            raise StoreCorrupted(f"block {self._height} does not hash to its own name")
