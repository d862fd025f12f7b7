"""What the town's application needs from the outside: a place for its state. Nothing else.

The embedded engine implements it on the same LMDB transaction as the block; `beffroi abci` on its own
environment; tests in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from chain.types.abci import Snapshot


@dataclass(frozen=True, slots=True)
class StateVersion:
    """Everything one block changed, to be made durable in one step.

    `changes` are (namespace, id, canonical record or None for deletion), sorted and unique.
    `undo` holds, for each changed pair in the same order, what was there before: it makes the last
    versions queryable after a restart and lets one block be rolled back.
    """

    height: int
    app_hash: bytes
    changes: tuple[tuple[str, bytes, bytes | None], ...] = ()
    undo: tuple[tuple[str, bytes, bytes | None], ...] = ()
    meta: dict[str, bytes] = field(default_factory=dict)


class StateStore(Protocol):
    """Committed records by (namespace, id); reads always see the last saved version."""

    def load_version(self) -> tuple[int, bytes] | None:
        """(height, app hash) of the last saved version, or None for an empty store."""
        ...

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        """One record."""
        ...

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        """Records of a namespace with start <= id < stop, in byte order of the id."""
        ...

    def namespaces(self) -> tuple[str, ...]:
        """Namespaces that hold at least one record, sorted."""
        ...

    def save(self, version: StateVersion) -> None:
        """Make one version durable (together with the block, when the engine is embedded)."""
        ...

    def restore(self, version: StateVersion) -> None:
        """Replace whatever is there by this version, as durable as `save` makes one; it has no undo."""
        ...

    def load_undo(self, height: int) -> tuple[tuple[str, bytes, bytes | None], ...] | None:
        """The `undo` saved with `height`, or None once pruned."""
        ...

    def load_meta(self, name: str) -> bytes | None:
        """A small named value saved with the last version."""
        ...


class SnapshotStore(Protocol):
    """Where finished snapshots lie, and the chunks of the one in the making."""

    def list(self) -> tuple[Snapshot, ...]:
        """Finished snapshots, newest first."""
        ...

    def load_chunk(self, height: int, format_: int, index: int) -> bytes | None:
        """One chunk of a finished snapshot, or None."""
        ...

    def add_chunk(self, height: int, format_: int, index: int, chunk: bytes) -> None:
        """Write a chunk of a snapshot that is not finished."""
        ...

    def finish(self, height: int, format_: int, metadata: bytes) -> None:
        """Offer the snapshot from now on; the oldest beyond the number kept goes."""
        ...

    def drop(self, height: int, format_: int) -> None:
        """Forget a snapshot, finished or not."""
        ...
