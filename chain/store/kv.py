"""A sorted map of bytes with atomic durable batches: on LMDB for the node, in memory for tests.

Values carry eight bytes of BLAKE2b over key and value: a page that comes back wrong, or under another
key, is noticed at the read and not at the next fork.
Reads / Writes: the environment it was opened on.  Never: leaves a read transaction open between calls.
"""

import os
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

import lmdb

from chain.limits import (
    LMDB_MAP_INITIAL_BYTES,
    LMDB_MAP_MAX_BYTES,
    LMDB_READERS_MAX,
    LMDB_SCAN_FIRST_ROWS,
    LMDB_SCAN_GROWTH,
    LMDB_SCAN_ROWS,
)
from chain.store.errors import StoreCorrupted, StoreError, StoreFailed, StoreFull

SEAL_BYTES: Final = 8


class Batch:
    """Writes that become visible and durable together; the last write of a key counts."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        self.writes: dict[bytes, bytes | None] = {}

    def put(self, key: bytes, value: bytes) -> None:
        """Set one key."""
        self.writes[key] = value

    def delete(self, key: bytes) -> None:
        """Remove one key; absent is fine."""
        self.writes[key] = None


class KeyValueStore(Protocol):
    """Six methods, so that a simulation can offer a faulty disk."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(
        self, start: bytes, stop: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < stop in order of the key; `stop` None means to the end."""
        ...

    def write(self, batch: Batch) -> None:
        """Apply a batch: after the return it survives a power cut, after an exception none of it is there."""
        ...

    def size_bytes(self) -> int:
        """Bytes used on the medium."""
        ...

    def sync_count(self) -> int:
        """Durable writes so far (for measurements)."""
        ...

    def close(self) -> None: ...


class LmdbStore:
    """`KeyValueStore` on one LMDB environment with its one unnamed database."""

    def __init__(
        self,
        path: Path,
        *,
        map_bytes: int = LMDB_MAP_INITIAL_BYTES,
        map_max_bytes: int = LMDB_MAP_MAX_BYTES,
        is_read_only: bool = False,
    ) -> None:
        """Raises StoreError when the files cannot be opened or are not a map of ours.

        `is_read_only`: look beside a node that runs; nothing is made, nothing is written.
        """
        if not is_read_only:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._map_max_bytes = map_max_bytes
        try:
            self._env: Any = lmdb.open(
                str(path),
                map_size=map_bytes,
                max_readers=LMDB_READERS_MAX,
                subdir=True,
                metasync=True,
                sync=True,
                readahead=False,
                readonly=is_read_only,
                create=not is_read_only,
            )
            self._env.reader_check()  # slots of processes that were killed would pin old pages
        except lmdb.Error as error:
            raise _store_error(error) from error
        self._map_bytes: int = self._env.info()["map_size"]
        self._opened_by = os.getpid()
        self._is_broken = False
        self._writes = 0

    def get(self, key: bytes) -> bytes | None:
        """One value, its seal checked; raises StoreCorrupted."""
        try:
            with self._env.begin() as txn:
                sealed = txn.get(key)
        except lmdb.Error as error:
            raise _store_error(error) from error
        return None if sealed is None else unseal(key, sealed)

    def scan(
        self, start: bytes, stop: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows in chunks, each under a read transaction of its own; small ones first, as most readers want few."""
        count = LMDB_SCAN_FIRST_ROWS
        while True:
            try:
                rows = self._read_chunk(start, stop, count, reverse=reverse)
            except lmdb.Error as error:
                raise _store_error(error) from error
            for key, sealed in rows:
                yield key, unseal(key, sealed)
            if len(rows) < count:
                return
            count = min(count * LMDB_SCAN_GROWTH, LMDB_SCAN_ROWS)
            if reverse:
                stop = rows[-1][0]
            else:
                start = rows[-1][0] + b"\0"

    def _read_chunk(
        self, start: bytes, stop: bytes | None, count: int, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        rows: list[tuple[bytes, bytes]] = []
        with self._env.begin() as txn, txn.cursor() as cursor:
            cursor_stands = _place_last(cursor, stop) if reverse else cursor.set_range(start)
            while cursor_stands and len(rows) < count:
                key = cursor.key()
                if key < start or (stop is not None and key >= stop):
                    break
                rows.append((key, cursor.value()))
                cursor_stands = cursor.prev() if reverse else cursor.next()
        return rows

    def count_damaged(self) -> int:
        """Read every row; returns how many seals do not hold. Raises StoreCorrupted when pages cannot be walked."""
        start, damaged = b"", 0
        while True:
            try:
                rows = self._read_chunk(start, None, LMDB_SCAN_ROWS, reverse=False)
            except lmdb.Error as error:
                raise _store_error(error) from error
            damaged += sum(not _is_sealed(key, sealed) for key, sealed in rows)
            if len(rows) < LMDB_SCAN_ROWS:
                return damaged
            start = rows[-1][0] + b"\0"

    def write(self, batch: Batch) -> None:
        """Apply durably, growing the map while no transaction is open; raises StoreFull, StoreFailed.

        After a failure nothing more is taken: what a failed sync left behind only a new start may judge.
        """
        assert os.getpid() == self._opened_by, "the map was opened before a fork"
        if self._is_broken:
            raise StoreFailed("a write of the store failed before")
        while True:
            try:
                self._apply(batch)
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                self._is_broken = True
                raise _store_error(error) from error
            else:
                self._writes += 1
                return

    def _apply(self, batch: Batch) -> None:
        with self._env.begin(write=True) as txn:
            for key, value in sorted(batch.writes.items()):
                if value is None:
                    txn.delete(key)
                else:
                    txn.put(key, seal(key, value))

    def _grow(self) -> None:
        if self._map_bytes >= self._map_max_bytes:
            raise StoreFull(f"the map reached its limit of {self._map_max_bytes} bytes")
        self._map_bytes = min(self._map_max_bytes, self._map_bytes * 2)
        self._env.set_mapsize(self._map_bytes)

    def size_bytes(self) -> int:
        """Bytes of pages in use."""
        stat, info = self._env.stat(), self._env.info()
        return int(stat["psize"]) * (int(info["last_pgno"]) + 1)

    def sync_count(self) -> int:
        """Durable transactions so far; each is two syncs (data, then the meta page)."""
        return self._writes

    def close(self) -> None:
        """Release the map."""
        self._env.close()


_CORRUPTED: Final = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.PanicError,
)


def _store_error(error: lmdb.Error) -> StoreError:
    """Ours for one of LMDB's."""
    if isinstance(error, lmdb.DiskError):
        return StoreFull(f"the disk is full: {error}")
    if isinstance(error, _CORRUPTED):
        return StoreCorrupted(f"the map is damaged: {error}")
    return StoreFailed(f"the disk failed: {error}")


def _place_last(cursor: Any, stop: bytes | None) -> bool:
    """Put a cursor on the last key below `stop`."""
    if stop is None or not cursor.set_range(stop):
        return bool(cursor.last())
    return bool(cursor.prev())


def seal(key: bytes, value: bytes) -> bytes:
    """Value as stored: the value, then its check bytes."""
    return value + _check_bytes(key, value)


def unseal(key: bytes, sealed: bytes) -> bytes:
    """Value as written; raises StoreCorrupted when the check bytes do not fit."""
    if not _is_sealed(key, sealed):
        raise StoreCorrupted(f"the value under {key[:24].hex()} does not match its checksum")
    return sealed[:-SEAL_BYTES]


def _is_sealed(key: bytes, sealed: bytes) -> bool:
    return sealed[-SEAL_BYTES:] == _check_bytes(key, sealed[:-SEAL_BYTES])


def _check_bytes(key: bytes, value: bytes) -> bytes:
    return blake2b(value, digest_size=SEAL_BYTES, key=key[-64:]).digest()


class MemoryStore:
    """`KeyValueStore` in memory; `before_write` lets a test fail or die at a chosen write."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.before_write: Callable[[Batch], None] | None = None
        self._writes = 0

    def get(self, key: bytes) -> bytes | None:
        """One value."""
        return self.rows.get(key)

    def scan(
        self, start: bytes, stop: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Rows of a snapshot taken at the call."""
        keys = sorted(k for k in self.rows if k >= start and (stop is None or k < stop))
        rows = [(key, self.rows[key]) for key in (reversed(keys) if reverse else keys)]
        return iter(rows)

    def write(self, batch: Batch) -> None:
        """Apply all."""
        if self.before_write is not None:
            self.before_write(batch)
        self._writes += 1
        for key, value in batch.writes.items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value

    def size_bytes(self) -> int:
        """Bytes of keys and values."""
        return sum(len(k) + len(v) for k, v in self.rows.items())

    def sync_count(self) -> int:
        """Batches so far."""
        return self._writes

    def close(self) -> None:
        """Nothing to release."""


def prefix_end(prefix: bytes) -> bytes | None:
    """Smallest key above every key that starts with `prefix`; None when there is none."""
    trimmed = prefix.rstrip(b"\xff")
    return trimmed[:-1] + bytes([trimmed[-1] + 1]) if trimmed else None
