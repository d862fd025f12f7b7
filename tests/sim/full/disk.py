"""A disk that lies as disks do: `chain.store.files.Folder` and `chain.store.kv.KeyValueStore` in memory.

What a process wrote lives in the kernel until it is synced. A killed process loses nothing of that; a power cut keeps
what was synced and some first part of the rest, perhaps followed by zeros. Every operation is a point at which the
node can end, before or after the operation took effect.
"""

import errno
import random
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chain.store.errors import StoreFull
from chain.store.kv import Batch
from tests.sim.full.loop import PowerCut, Process


@dataclass
class StoredFile:
    """Bytes as the kernel has them, and how many of the first are on the medium."""

    content: bytearray = field(default_factory=bytearray)
    durable: int = 0


@dataclass
class Faults:
    """What is wrong with the disk at the moment."""

    ops_until_end: int = -1
    """Operations until the node ends; negative: it does not."""
    is_durable_only: bool = False
    """Count syncs, replacements and batches alone: between those lies what a crash can tell apart."""
    is_end_after: bool = False
    """The fatal operation still takes effect."""
    is_power_cut: bool = False
    """The kernel's unwritten bytes go too."""
    syncs_until_error: int = -1
    is_full: bool = False
    slow_s: float = 0.0
    """What each sync takes."""


class Disk:
    """One machine's disk; outlives its processes."""

    def __init__(self, chance: random.Random, now_s: Callable[[], float]) -> None:
        self._chance = chance
        self._now_s = now_s
        self.files: dict[tuple[str, str], StoredFile] = {}
        self.rows: dict[str, dict[bytes, bytes]] = {}
        self.keys: dict[str, list[bytes]] = {}
        self.faults = Faults()
        self.owner: Process | None = None
        self.hit: list[str] = []
        """Faults that an operation met, by name; the node that met one may stop."""
        self.operations = 0
        self.syncs = 0
        self.on_end: Callable[[], None] = lambda: None
        self.on_write: Callable[[Batch], None] = lambda _batch: None

    # ── points ───────────────────────────────────────────────────────────────────────────────────────

    def enter(self, owner: Process, *, is_durable: bool = False) -> bool:
        """Before an operation; True when the node must end after it. Raises PowerCut."""
        if owner is not self.owner or not owner.is_alive:
            raise PowerCut
        self.operations += 1
        is_counted = is_durable or not self.faults.is_durable_only
        if self.faults.ops_until_end < 0 or not is_counted:
            return False
        self.faults.ops_until_end -= 1
        if self.faults.ops_until_end >= 0:
            return False
        if self.faults.is_end_after:
            return True
        self.end()
        return False

    def end(self) -> None:
        """The node ends here."""
        self.faults.ops_until_end = -1
        self.on_end()
        raise PowerCut

    def need_space(self) -> None:
        if self.faults.is_full:
            self.hit.append("disk full")
            raise OSError(errno.ENOSPC, "No space left on device (simulated)")

    def sync_point(self, owner: Process) -> None:
        """A sync may fail, and takes its time. Raises OSError."""
        self.syncs += 1
        if self.faults.slow_s:
            owner.delay(self._now_s(), self.faults.slow_s)
        if self.faults.syncs_until_error >= 0:
            self.faults.syncs_until_error -= 1
            if self.faults.syncs_until_error < 0:
                self.hit.append("fsync error")
                raise OSError(errno.EIO, "Input/output error (simulated)")

    # ── after the end of a process ───────────────────────────────────────────────────────────────────

    def cut_power(self) -> int:
        """Lose what was not synced, but for some first part of it; returns how many files were torn."""
        torn = 0
        for name in sorted(self.files):
            file = self.files[name]
            loose = len(file.content) - file.durable
            if not loose:
                continue
            torn += 1
            keep = self._chance.choice((0, loose, self._chance.randrange(loose + 1)))
            has_zeros = self._chance.random() < 0.2
            del file.content[file.durable + keep :]
            if has_zeros:
                file.content += bytes(loose - keep)
            file.durable = len(file.content)
        return torn

    def wipe(self) -> None:
        """Another disk, empty."""
        self.files.clear()
        self.rows.clear()
        self.keys.clear()

    def durable_bytes(self, folder: str, name: str) -> bytes:
        """What a power cut at this instant would leave for certain."""
        file = self.files.get((folder, name))
        return b"" if file is None else bytes(file.content[: file.durable])


class FaultyFolder:
    """`Folder` of one process on a disk."""

    def __init__(self, disk: Disk, owner: Process, name: str) -> None:
        self._disk, self._owner, self._name = disk, owner, name

    def read(self, name: str) -> bytes | None:
        file = self._disk.files.get((self._name, name))
        return None if file is None else bytes(file.content)

    def replace(self, name: str, data: bytes) -> None:
        is_last = self._disk.enter(self._owner, is_durable=True)
        self._disk.need_space()
        self._disk.sync_point(self._owner)
        self._disk.files[self._name, name] = StoredFile(bytearray(data), len(data))
        if is_last:
            self._disk.end()

    def truncate(self, name: str, size: int) -> None:
        is_last = self._disk.enter(self._owner, is_durable=True)
        self._disk.sync_point(self._owner)
        file = self._disk.files[self._name, name]
        del file.content[size:]
        file.durable = len(file.content)
        if is_last:
            self._disk.end()

    def rename(self, old: str, new: str) -> None:
        is_last = self._disk.enter(self._owner)
        self._disk.files[self._name, new] = self._disk.files.pop((self._name, old))
        if is_last:
            self._disk.end()

    def remove(self, name: str) -> None:
        self._disk.enter(self._owner)
        self._disk.files.pop((self._name, name), None)

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(n for folder, n in self._disk.files if folder == self._name))

    def open_append(self, name: str) -> "FaultyFile":
        self._disk.enter(self._owner)
        file = self._disk.files.setdefault((self._name, name), StoredFile())
        return FaultyFile(self._disk, self._owner, file)


class FaultyFile:
    """`AppendFile` of one process on a disk."""

    def __init__(self, disk: Disk, owner: Process, file: StoredFile) -> None:
        self._disk, self._owner, self._file = disk, owner, file

    def append(self, data: bytes) -> None:
        is_last = self._disk.enter(self._owner)
        if self._disk.faults.is_full:
            self._file.content += data[: len(data) // 3]  # a short write, then the error
            self._disk.need_space()
        self._file.content += data
        if is_last:
            self._disk.end()

    def sync(self) -> None:
        is_last = self._disk.enter(self._owner, is_durable=True)
        self._disk.sync_point(self._owner)
        self._file.durable = len(self._file.content)
        if is_last:
            self._disk.end()

    def size(self) -> int:
        return len(self._file.content)

    def close(self) -> None:
        pass


class FaultyStore:
    """`KeyValueStore` of one process on a disk; a batch is there whole or not at all."""

    def __init__(self, disk: Disk, owner: Process, name: str) -> None:
        self._disk, self._owner = disk, owner
        self._rows = disk.rows.setdefault(name, {})
        self._keys = disk.keys.setdefault(name, [])
        self._writes = 0

    def get(self, key: bytes) -> bytes | None:
        return self._rows.get(key)

    def scan(
        self, start: bytes, stop: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        first = bisect_left(self._keys, start)
        last = len(self._keys) if stop is None else bisect_left(self._keys, stop)
        keys = self._keys[first:last]
        for key in reversed(keys) if reverse else keys:
            yield key, self._rows[key]

    def write(self, batch: Batch) -> None:
        is_last = self._disk.enter(self._owner, is_durable=True)
        if self._disk.faults.is_full:
            self._disk.hit.append("disk full")
            raise StoreFull("the disk refused a block: No space left on device (simulated)")
        try:
            self._disk.sync_point(self._owner)
        except OSError as error:
            raise StoreFull(f"the disk refused a block: {error}") from error
        self._apply(batch)
        self._writes += 1
        self._disk.on_write(batch)
        if is_last:
            self._disk.end()

    def _apply(self, batch: Batch) -> None:
        for key, value in batch.writes.items():
            if value is None:
                if self._rows.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            if key not in self._rows:
                insort(self._keys, key)
            self._rows[key] = value

    def size_bytes(self) -> int:
        return sum(len(k) + len(v) for k, v in self._rows.items())

    def sync_count(self) -> int:
        return self._writes

    def close(self) -> None:
        pass
