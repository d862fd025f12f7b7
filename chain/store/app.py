"""A place for the application's records, on the block's own transaction or on one of its own.

Implements the town's `StateStore` by shape; this package does not know the town.
"""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from chain.limits import STATE_UNDO_VERSIONS
from chain.store.keys import APP_META, APP_RECORD, APP_UNDO, APP_VERSION, height_key
from chain.store.kv import Batch, KeyValueStore, prefix_end

Change = tuple[str, bytes, bytes | None]


class Version(Protocol):
    """Shape of the application's `StateVersion`."""

    @property
    def height(self) -> int: ...

    @property
    def app_hash(self) -> bytes: ...

    @property
    def changes(self) -> tuple[Change, ...]: ...

    @property
    def undo(self) -> tuple[Change, ...]: ...

    @property
    def meta(self) -> dict[str, bytes]: ...


class _VersionRow(msgspec.Struct, frozen=True, array_like=True):
    height: int
    app_hash: bytes
    namespaces: dict[str, int]
    """Records held per namespace."""


_ENCODER = msgspec.msgpack.Encoder()
_VERSION_DECODER = msgspec.msgpack.Decoder(_VersionRow)
_CHANGES_DECODER = msgspec.msgpack.Decoder(tuple[Change, ...])


class LmdbStateStore:
    """Committed application records by (namespace, id).

    `shared` True (the embedded engine): `save` only joins the batch that `take_batch` hands to the commit of
    the block; until that batch is durable, reads see the staged rows. False: `save` is durable by itself.
    """

    def __init__(self, kv: KeyValueStore, *, shared: bool) -> None:
        self._kv = kv
        self._shared = shared
        self._staged: Batch | None = None

    def load_version(self) -> tuple[int, bytes] | None:
        """(height, app hash) of the last saved version, or None for an empty store."""
        row = self._load_row()
        return None if row is None else (row.height, row.app_hash)

    def _load_row(self) -> _VersionRow | None:
        raw = self._get(APP_VERSION)
        return None if raw is None else _VERSION_DECODER.decode(raw)

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        """One record."""
        return self._get(_record_key(namespace, record_id))

    def _get(self, key: bytes) -> bytes | None:
        if self._staged is not None and key in self._staged.writes:
            return self._staged.writes[key]
        return self._kv.get(key)

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Records of a namespace with start <= id < stop, in byte order of the id."""
        first = _record_key(namespace, start)
        end = _record_key(namespace, stop) if stop is not None else _record_key(namespace, None)
        skip = len(_record_key(namespace, b""))
        for key, value in self._merged(first, end):
            yield key[skip:], value

    def _merged(self, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._staged is None:
            return self._kv.scan(first, end)
        rows = dict(self._kv.scan(first, end))
        for key, value in self._staged.writes.items():
            if first <= key < end:
                if value is None:
                    rows.pop(key, None)
                else:
                    rows[key] = value
        return iter(sorted(rows.items()))

    def namespaces(self) -> tuple[str, ...]:
        """Namespaces that hold at least one record, sorted."""
        row = self._load_row()
        return () if row is None else tuple(sorted(ns for ns, n in row.namespaces.items() if n))

    def save(self, version: Version) -> None:
        """Make one version durable, with the block when the store is shared."""
        batch = Batch()
        counts = self._count(version.changes)
        for namespace, record_id, record in version.changes:
            key = _record_key(namespace, record_id)
            if record is None:
                batch.delete(key)
            else:
                batch.put(key, record)
        batch.put(
            APP_VERSION, _ENCODER.encode(_VersionRow(version.height, version.app_hash, counts))
        )
        batch.put(height_key(APP_UNDO, version.height), _ENCODER.encode(version.undo))
        for name, value in version.meta.items():
            batch.put(APP_META + name.encode(), value)
        if version.height > STATE_UNDO_VERSIONS:
            batch.delete(height_key(APP_UNDO, version.height - STATE_UNDO_VERSIONS))
        if self._shared:
            assert self._staged is None, "a version was saved twice in one block"
            self._staged = batch
        else:
            self._kv.write(batch)

    def stage_rollback(self, batch: Batch, app_hash: bytes, meta: dict[str, bytes]) -> bool:
        """Undo the newest version in a batch; False when its undo is not kept.

        `app_hash` and `meta` are those of the version before.
        """
        row = self._load_row()
        undo = None if row is None else self.load_undo(row.height)
        if row is None or undo is None:
            return False
        for namespace, record_id, record in undo:
            key = _record_key(namespace, record_id)
            if record is None:
                batch.delete(key)
            else:
                batch.put(key, record)
        counts = self._count(undo)
        batch.put(APP_VERSION, _ENCODER.encode(_VersionRow(row.height - 1, app_hash, counts)))
        batch.delete(height_key(APP_UNDO, row.height))
        for name, value in meta.items():
            batch.put(APP_META + name.encode(), value)
        return True

    def restore(self, version: Version) -> None:
        """Replace everything by one version, in one batch; with the block's when the store is shared."""
        batch = Batch()
        for prefix in (APP_RECORD, APP_UNDO, APP_META):
            for key, _ in self._kv.scan(prefix, prefix_end(prefix)):
                batch.delete(key)
        counts: dict[str, int] = {}
        for namespace, record_id, record in version.changes:
            assert record is not None, "a restored version deletes nothing"
            batch.put(_record_key(namespace, record_id), record)
            counts[namespace] = counts.get(namespace, 0) + 1
        batch.put(
            APP_VERSION, _ENCODER.encode(_VersionRow(version.height, version.app_hash, counts))
        )
        for name, value in version.meta.items():
            batch.put(APP_META + name.encode(), value)
        if self._shared:
            self._staged = batch
        else:
            self._kv.write(batch)

    def _count(self, changes: tuple[Change, ...]) -> dict[str, int]:
        row = self._load_row()
        counts = dict(row.namespaces) if row is not None else {}
        for namespace, record_id, record in changes:
            was_there = self._get(_record_key(namespace, record_id)) is not None
            counts[namespace] = counts.get(namespace, 0) + (record is not None) - was_there
        return counts

    def load_undo(self, height: int) -> tuple[Change, ...] | None:
        """The `undo` saved with `height`, or None once pruned."""
        raw = self._get(height_key(APP_UNDO, height))
        return None if raw is None else _CHANGES_DECODER.decode(raw)

    def load_meta(self, name: str) -> bytes | None:
        """A small named value saved with the last version."""
        return self._get(APP_META + name.encode())

    def join(self, batch: Batch) -> None:
        """Add what `save` staged to the block's batch (nothing when the store is not shared)."""
        if self._staged is not None:
            batch.writes.update(self._staged.writes)

    def settle(self) -> None:
        """Tell the store that the joined batch is durable."""
        self._staged = None


def _record_key(namespace: str, record_id: bytes | None) -> bytes:
    """Row of a record; None gives the end of the namespace. Namespaces hold no zero byte."""
    if record_id is None:
        return APP_RECORD + namespace.encode() + b"\x01"
    return APP_RECORD + namespace.encode() + b"\x00" + record_id
