"""The whole state as chunks that prove themselves: what state sync carries.

Format 1. All records, namespaces in order; in a namespace of the tree by tree key, beside the tree (`~…`) by id.
Each namespace's tree is cut into whole subtrees of at most `SNAPSHOT_CHUNK_BYTES`; neighbours travel together in one
chunk. The manifest names the subtrees' hashes, from which the app hash follows: a manifest is judged against a
trusted header before anything is fetched, and every chunk is then judged alone.

    manifest = [format, height, time_ns, [[namespace, [[first key, hash], …]], …], [[sha256, subtrees], …]]
    chunk    = [[namespace, [[id, record], …]], …]                                            (both MessagePack)

What lies beside the tree is proved by leaves in it: replay keys and quota charges by their minute's rolling hash.
Hashes of finished blocks that no history record holds yet are proved by headers only: `pending_hashes`.
Undo rows are left out: a restored node answers queries from its snapshot's height on.
Reads: a Reader.  Writes: nothing.  Never: a clock, a store.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, islice, pairwise
from operator import itemgetter
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from chain.limits import (
    SNAPSHOT_CHUNK_BYTES,
    SNAPSHOT_CHUNK_MAX_BYTES,
    SNAPSHOT_CHUNKS_MAX,
    SNAPSHOT_MAX_BYTES,
    SNAPSHOT_METADATA_MAX_BYTES,
    SNAPSHOT_SLICE_RECORDS,
)
from chain.town import city
from chain.town.context import NO_RECORDS, Overlay, Reader
from chain.town.engine import HISTORY, PAST_HASHES
from chain.town.forest import app_hash_of
from chain.town.ports import StateVersion
from chain.town.rolling import QUOTAS, REPLAYS, SIDE_PREFIX, check_entries
from chain.town.tree import KEY_BITS, KEY_BYTES, join_subtrees, tree_key, update_tree, value_hash

FORMAT: Final = 1
ROW_OVERHEAD_BYTES: Final = 12
"""MessagePack's headers around one record, at most."""
SIDE_NAMESPACES: Final = (PAST_HASHES, "~quota", "~replay")
"""What lies beside the tree and can be proved; another one needs a proof here first."""

Row: TypeAlias = tuple[bytes, bytes]
"""A record's id and its bytes."""


class BadSnapshot(ValueError):
    """A manifest or a chunk that is not what it should be; the message says where, never a record's content."""


class Subtree(Struct, frozen=True, array_like=True):
    """A whole subtree of a namespace: its smallest tree key, and its hash."""

    first: bytes
    hash: bytes


class ChunkHead(Struct, frozen=True, array_like=True):
    """What a chunk must hash to, and how many subtrees of the tree it brings."""

    sha256: bytes
    subtrees: int


class Manifest(Struct, frozen=True, array_like=True):
    """Everything needed to judge chunks; `time_ns` is the header time of `height`."""

    format: int
    height: int
    time_ns: int
    namespaces: tuple[tuple[str, tuple[Subtree, ...]], ...]
    chunks: tuple[ChunkHead, ...]

    def app_hash(self) -> bytes:
        """The app hash that these subtrees give."""
        return app_hash_of(
            {
                name: join_subtrees([(int.from_bytes(t.first, "big"), t.hash) for t in subtrees])
                for name, subtrees in self.namespaces
            }
        )


_Section: TypeAlias = tuple[str, tuple[Row, ...]]
_ENCODER: Final = msgspec.msgpack.Encoder()
_MANIFESTS: Final = msgspec.msgpack.Decoder(Manifest)
_CHUNKS: Final = msgspec.msgpack.Decoder(tuple[_Section, ...])

DumpSteps: TypeAlias = Generator[bytes | None, None, Manifest]
"""Yields a finished chunk, or None where others may have their turn; returns the manifest."""


@dataclass(frozen=True, slots=True)
class Dump:
    """A whole snapshot in memory."""

    manifest: Manifest
    chunks: tuple[bytes, ...]


# --- out -----------------------------------------------------------------------------------------


def dump_chunks(reader: Reader, namespaces: Iterable[str], height: int, time_ns: int) -> Dump:
    """The whole snapshot at once."""
    chunks: list[bytes] = []
    steps = dump_steps(reader, namespaces, height, time_ns)
    while True:
        try:
            made = next(steps)
        except StopIteration as end:
            return Dump(end.value, tuple(chunks))
        if made is not None:
            chunks.append(made)


def dump_steps(reader: Reader, namespaces: Iterable[str], height: int, time_ns: int) -> DumpSteps:
    """The same in small pieces of work; `reader` must show the state of `height` all the while."""
    packer = _Packer()
    trees: list[tuple[str, tuple[Subtree, ...]]] = []
    for namespace in sorted(namespaces):
        is_side = namespace.startswith(SIDE_PREFIX)
        assert not is_side or namespace in SIDE_NAMESPACES, f"nothing proves {namespace}"
        index = yield from _index(reader, namespace)
        subtrees: list[Subtree] = []
        sums = list(accumulate((entry[2] for entry in index), initial=0))
        for low, high in _runs(index) if is_side else _cut(index, sums, 0, len(index)):
            rows = yield from _read(reader, namespace, index[low:high])
            if not is_side:
                subtrees.append(_subtree(namespace, rows))
            full = packer.add(namespace, rows, is_subtree=not is_side)
            if full is not None:
                yield full
        if subtrees:
            trees.append((namespace, tuple(subtrees)))
    last = packer.flush()
    if last is not None:
        yield last
    return Manifest(FORMAT, height, time_ns, tuple(trees), tuple(packer.heads))


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes that a snapshot's hash is over."""
    return _ENCODER.encode(manifest)


_Entry: TypeAlias = tuple[int, bytes, int]
"""Place in the order (tree key; 0 beside the tree), id, bytes in a chunk."""


def _index(reader: Reader, namespace: str) -> Generator[None, None, list[_Entry]]:
    """Every record of a namespace, in order."""
    is_side = namespace.startswith(SIDE_PREFIX)
    index: list[_Entry] = []
    start = b""
    while True:
        rows = list(islice(reader.scan(namespace, start), SNAPSHOT_SLICE_RECORDS))
        for rid, record in rows:
            place = 0 if is_side else int.from_bytes(tree_key(namespace, rid), "big")
            index.append((place, rid, len(rid) + len(record) + ROW_OVERHEAD_BYTES))
        if len(rows) < SNAPSHOT_SLICE_RECORDS:
            break
        start = rows[-1][0] + b"\0"
        yield
    if is_side:
        return index
    if len(index) <= SNAPSHOT_SLICE_RECORDS:
        return sorted(index)
    buckets: list[list[_Entry]] = [[] for _ in range(256)]
    for at in range(0, len(index), SNAPSHOT_SLICE_RECORDS):
        for entry in index[at : at + SNAPSHOT_SLICE_RECORDS]:
            buckets[entry[0] >> (KEY_BITS - 8)].append(entry)
        yield
    index.clear()
    for (
        bucket
    ) in buckets:  # one by one: sorting a hundred thousand at once would keep a vote waiting
        bucket.sort()
        index += bucket
        yield
    return index


def _read(
    reader: Reader, namespace: str, entries: Sequence[_Entry]
) -> Generator[None, None, tuple[Row, ...]]:
    rows: list[Row] = []
    for count, (_, rid, _) in enumerate(entries, 1):
        record = reader.get(namespace, rid)
        assert record is not None, "a record vanished while it was read"
        rows.append((rid, record))
        if count % SNAPSHOT_SLICE_RECORDS == 0:
            yield
    return tuple(rows)


def _cut(
    index: Sequence[_Entry], sums: Sequence[int], low: int, high: int
) -> Iterator[tuple[int, int]]:
    """Whole subtrees of at most a chunk's size each, or of one record; `sums` are bytes up to each entry.

    Recursion is bounded by the key's bits.
    """
    if low == high:
        return
    if high - low == 1 or sums[high] - sums[low] <= SNAPSHOT_CHUNK_BYTES:
        yield low, high
        return
    first = index[low][0]
    shift = (first ^ index[high - 1][0]).bit_length() - 1
    boundary = (first >> shift | 1) << shift
    middle = bisect_left(index, boundary, low, high, key=itemgetter(0))
    yield from _cut(index, sums, low, middle)
    yield from _cut(index, sums, middle, high)


def _runs(index: Sequence[_Entry]) -> Iterator[tuple[int, int]]:
    """Beside the tree: as many as fit, one after the other."""
    low = size = 0
    for place, (_, _, length) in enumerate(index):
        if place > low and size + length > SNAPSHOT_CHUNK_BYTES:
            yield low, place
            low, size = place, 0
        size += length
    if low < len(index):
        yield low, len(index)


def _subtree(namespace: str, rows: Sequence[Row]) -> Subtree:
    leaves = {tree_key(namespace, rid): value_hash(record) for rid, record in rows}
    root = update_tree(None, leaves)
    assert root is not None, "a subtree holds at least one record"
    return Subtree(min(leaves), root.hash)


class _Packer:
    """Puts neighbours into one chunk while it stays small."""

    def __init__(self) -> None:
        self.heads: list[ChunkHead] = []
        self._sections: list[_Section] = []
        self._subtrees = 0
        self._bytes = 0

    def add(self, namespace: str, rows: tuple[Row, ...], *, is_subtree: bool) -> bytes | None:
        """Take a section; returns the chunk it found no room in."""
        size = sum(len(rid) + len(record) + ROW_OVERHEAD_BYTES for rid, record in rows)
        full = self.flush() if self._bytes + size > SNAPSHOT_CHUNK_BYTES else None
        self._sections.append((namespace, rows))
        self._subtrees += is_subtree
        self._bytes += size
        return full

    def flush(self) -> bytes | None:
        """The chunk in the making, if it holds anything."""
        if not self._sections:
            return None
        chunk = _ENCODER.encode(self._sections)
        assert len(chunk) <= SNAPSHOT_CHUNK_MAX_BYTES, "a record larger than a message may be"
        self.heads.append(ChunkHead(sha256(chunk).digest(), self._subtrees))
        self._sections, self._subtrees, self._bytes = [], 0, 0
        return chunk


# --- in ------------------------------------------------------------------------------------------


def decode_manifest(raw: bytes) -> Manifest:
    """Read a manifest from elsewhere; raises BadSnapshot. Whether it is true only `app_hash` tells."""
    if len(raw) > SNAPSHOT_METADATA_MAX_BYTES:
        raise BadSnapshot(f"a manifest of {len(raw)} bytes")
    try:
        manifest = _MANIFESTS.decode(raw)
    except msgspec.MsgspecError as error:
        raise BadSnapshot(f"manifest: {error}") from error
    if manifest.format != FORMAT:
        raise BadSnapshot(f"format {manifest.format}")
    if encode_manifest(manifest) != raw:
        raise BadSnapshot("a manifest in another encoding")
    if manifest.height < 1 or manifest.time_ns < 0:
        raise BadSnapshot("height or time")
    names = [name for name, _ in manifest.namespaces]
    if not names or names != sorted(set(names)) or names[-1].startswith(SIDE_PREFIX):
        raise BadSnapshot("namespaces out of order")
    for name, subtrees in manifest.namespaces:
        _check_subtrees(name, subtrees)
    _check_heads(manifest)
    return manifest


def _check_subtrees(name: str, subtrees: tuple[Subtree, ...]) -> None:
    firsts = [t.first for t in subtrees]
    sized = all(len(t.first) == KEY_BYTES and len(t.hash) == KEY_BYTES for t in subtrees)
    if not firsts or not sized or firsts != sorted(set(firsts)):
        raise BadSnapshot(f"subtrees of {name}")


def _check_heads(manifest: Manifest) -> None:
    heads = manifest.chunks
    subtrees = sum(len(subtrees) for _, subtrees in manifest.namespaces)
    if not 1 <= len(heads) <= SNAPSHOT_CHUNKS_MAX:
        raise BadSnapshot(f"{len(heads)} chunks")
    if any(len(h.sha256) != KEY_BYTES or h.subtrees < 0 for h in heads):
        raise BadSnapshot("a chunk's hash or count")
    if sum(h.subtrees for h in heads) != subtrees:
        raise BadSnapshot("chunks that bring another number of subtrees")


class Restore:
    """Chunks of one manifest, taken in order, each judged before anything of it is kept."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._expected = [
            (name, subtree) for name, subtrees in manifest.namespaces for subtree in subtrees
        ]
        self._state = Overlay(NO_RECORDS)
        self._bytes = 0
        self._last_side: tuple[str, bytes] = ("", b"")
        self.next_index = 0
        """The chunk that `add` takes next."""

    def is_complete(self) -> bool:
        """Whether every chunk is here."""
        return self.next_index == len(self._manifest.chunks)

    def add(self, chunk: bytes) -> None:
        """Keep the next chunk; raises BadSnapshot, and then nothing of it counts."""
        sections = self._judge(chunk)
        if self._bytes + len(chunk) > SNAPSHOT_MAX_BYTES:
            raise BadSnapshot("more records than a snapshot may hold")
        self._bytes += len(chunk)
        del self._expected[: self._manifest.chunks[self.next_index].subtrees]
        self.next_index += 1
        for namespace, rows in sections:
            for rid, record in rows:
                self._state.put(namespace, rid, record)
            if namespace.startswith(SIDE_PREFIX):
                self._last_side = (namespace, rows[-1][0])

    def _judge(self, chunk: bytes) -> tuple[_Section, ...]:
        head = self._manifest.chunks[self.next_index]
        where = f"chunk {self.next_index}"
        if len(chunk) > SNAPSHOT_CHUNK_MAX_BYTES or sha256(chunk).digest() != head.sha256:
            raise BadSnapshot(f"{where} does not hash to what the manifest says")
        try:
            sections = _CHUNKS.decode(chunk)
        except msgspec.MsgspecError as error:
            raise BadSnapshot(f"{where}: {error}") from error
        trees, side = sections[: head.subtrees], sections[head.subtrees :]
        if len(trees) != head.subtrees or any(not rows for _, rows in sections):
            raise BadSnapshot(f"{where} has sections missing or empty")
        for (namespace, rows), expected in zip(trees, self._expected, strict=False):
            if (namespace, _subtree(namespace, rows)) != expected:
                raise BadSnapshot(f"{where} is not the subtree of {expected[0]} it should be")
            keys = [tree_key(namespace, rid) for rid, _ in rows]
            if any(a >= b for a, b in pairwise(keys)):
                raise BadSnapshot(f"{where} has records of {namespace} out of order")
        self._judge_side(where, side)
        return sections

    def _judge_side(self, where: str, sections: tuple[_Section, ...]) -> None:
        last = self._last_side
        for namespace, rows in sections:
            for rid, _ in rows:
                if namespace not in SIDE_NAMESPACES or (namespace, rid) <= last:
                    raise BadSnapshot(f"{where} has side records out of order")
                last = (namespace, rid)

    def finish(self) -> StateVersion:
        """The restored version, what lies beside the tree proved too; raises BadSnapshot."""
        assert self.is_complete(), "chunks are missing"
        check_side(self._state, self._manifest.height)
        return StateVersion(
            self._manifest.height,
            self._manifest.app_hash(),
            self._state.changes(),
            (),
            {"time_ns": str(self._manifest.time_ns).encode()},
        )


def load_chunks(manifest: Manifest, chunks: Iterable[bytes]) -> StateVersion:
    """A whole snapshot back as one version; raises BadSnapshot."""
    restore = Restore(manifest)
    for chunk in chunks:
        if restore.is_complete():
            raise BadSnapshot("more chunks than the manifest names")
        restore.add(chunk)
    if not restore.is_complete():
        raise BadSnapshot("chunks are missing")
    return restore.finish()


def check_side(state: Reader, height: int, *, over_before: bytes = b"") -> None:
    """Prove what lies beside the tree by the tree, as far as it can be; raises BadSnapshot.

    A minute whose entries are being dropped, more than one block may drop at once, is refused: the next
    snapshot will do. Who has no next one names the present minute as `over_before`: of the minutes before it, in
    which nothing can be replayed or counted any more, the oldest (drops begin there) may have lost entries.
    """
    for side, table in (("~replay", REPLAYS), ("~quota", QUOTAS)):
        told = {rid[:8] for rid, _ in state.scan(side)}
        kept = {minute for minute, _ in table.scan(state)}
        for place, minute in enumerate(sorted(told | kept)):
            may_be_short = place == 0 and minute < over_before
            if not may_be_short and not check_entries(state, side, minute):
                raise BadSnapshot(f"{side} entries that their leaf does not hold")
    pending = pending_hashes(state)
    heights = [height for height, _ in pending]
    if heights != list(range(_first_pending(state, height), height + 1)):
        raise BadSnapshot("hashes of finished blocks are missing")


def pending_hashes(state: Reader) -> tuple[tuple[int, bytes], ...]:
    """(height, block hash) of finished blocks that no history record holds yet; raises BadSnapshot."""
    rows = tuple(state.scan(PAST_HASHES))
    if any(len(rid) != 8 or len(block_hash) != KEY_BYTES for rid, block_hash in rows):
        raise BadSnapshot("hashes of finished blocks are malformed")
    return tuple((int.from_bytes(rid, "big"), block_hash) for rid, block_hash in rows)


def _first_pending(state: Reader, height: int) -> int:
    """The height after the last one that history holds.

    Its records are named by heights up to the next one. The newest is found by halving: a busy year has millions, and
    a vote waits meanwhile.
    """
    low, high = 0, height + 2
    while high - low > 1:
        middle = (low + high) // 2
        if _has_history_from(state, middle):
            low = middle
        else:
            high = middle
    last = HISTORY.get(state, low.to_bytes(8, "big"))
    if last is not None:
        return last.start + len(last.hashes)
    town = city.TOWNS.get(state, city.TOWN_ID)
    if town is None:
        raise BadSnapshot("no town record")
    return town.initial_height


def _has_history_from(state: Reader, height: int) -> bool:
    prefix = HISTORY.prefix
    rows = state.scan(HISTORY.namespace, prefix + height.to_bytes(8, "big"), prefix[:-1] + b"0")
    return next(rows, None) is not None
