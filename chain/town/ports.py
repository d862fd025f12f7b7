"""What the town's application needs from the outside: a place for its state. Nothing else.

The embedded engine implements it on the same LMDB transaction as the block; `beffroi abci` on its own
environment; tests in memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


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

    def load_undo(self, height: int) -> tuple[tuple[str, bytes, bytes | None], ...] | None:
        """The `undo` saved with `height`, or None once pruned."""
        ...

    def load_meta(self, name: str) -> bytes | None:
        """A small named value saved with the last version."""
        ...
