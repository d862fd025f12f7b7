"""Finished snapshots in a folder: a file per chunk, and the manifest last, whose presence says that all is there.

Implements the town's `SnapshotStore` by shape; this package does not know the town.
    <height>-<format>.<index>.chunk        <height>-<format>.manifest
"""

import re
from hashlib import sha256
from typing import Final

from chain.limits import SNAPSHOTS_KEPT
from chain.store.files import Folder
from chain.types.abci import Snapshot

_MANIFEST: Final = re.compile(r"(\d+)-(\d+)\.manifest")
_CHUNK: Final = re.compile(r"(\d+)-(\d+)\.(\d+)\.chunk")


class FolderSnapshots:
    """The newest `keep` snapshots; older ones and what a crash left unfinished are removed."""

    def __init__(self, folder: Folder, keep: int = SNAPSHOTS_KEPT) -> None:
        assert keep >= 1, "a store that keeps nothing"
        self._folder = folder
        self._keep = keep
        self._held: dict[tuple[int, int], Snapshot] = {}
        for name in folder.names():
            match = _MANIFEST.fullmatch(name)
            metadata = folder.read(name) if match else None
            if match is not None and metadata is not None:
                self._hold(int(match[1]), int(match[2]), metadata)
        self._sweep()

    def _hold(self, height: int, format_: int, metadata: bytes) -> None:
        chunks = sum(
            (int(m[1]), int(m[2])) == (height, format_)
            for name in self._folder.names()
            if (m := _CHUNK.fullmatch(name)) is not None
        )
        self._held[height, format_] = Snapshot(
            height, format_, chunks, sha256(metadata).digest(), metadata
        )

    def list(self) -> tuple[Snapshot, ...]:
        """Finished snapshots, newest first."""
        return tuple(self._held[key] for key in sorted(self._held, reverse=True))

    def load_chunk(self, height: int, format_: int, index: int) -> bytes | None:
        """One chunk of a finished snapshot, or None."""
        if (height, format_) not in self._held:
            return None
        return self._folder.read(_chunk_name(height, format_, index))

    def add_chunk(self, height: int, format_: int, index: int, chunk: bytes) -> None:
        """Write a chunk of a snapshot in the making, durably."""
        self._folder.replace(_chunk_name(height, format_, index), chunk)

    def finish(self, height: int, format_: int, metadata: bytes) -> None:
        """Every chunk is written: offer the snapshot, drop those beyond the number kept."""
        self._folder.replace(f"{height}-{format_}.manifest", metadata)
        self._hold(height, format_, metadata)
        for key in sorted(self._held, reverse=True)[self._keep :]:
            self.drop(*key)

    def drop(self, height: int, format_: int) -> None:
        """Forget a snapshot: first its manifest, so that half of it is never offered."""
        self._folder.remove(f"{height}-{format_}.manifest")
        self._held.pop((height, format_), None)
        self._sweep()

    def _sweep(self) -> None:
        """Remove chunks of snapshots that have no manifest, and files a crash left aside."""
        for name in self._folder.names():
            match = _CHUNK.fullmatch(name)
            is_orphan = match is not None and (int(match[1]), int(match[2])) not in self._held
            if is_orphan or name.endswith(".new"):
                self._folder.remove(name)


def _chunk_name(height: int, format_: int, index: int) -> str:
    return f"{height}-{format_}.{index}.chunk"
