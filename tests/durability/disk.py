"""The simulation's disk, ended at one chosen operation of one life, with one chosen loss of what was not synced."""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass

from tests.sim.full.disk import Disk, StoredFile
from tests.sim.full.loop import Process

SECTOR_BYTES = 512
LOG = ("cs.wal", "wal")

KINDS = {
    "FaultyFile.append": "append",
    "FaultyFile.sync": "sync",
    "FaultyFolder.replace": "replace",
    "FaultyFolder.truncate": "truncate",
    "FaultyFolder.rename": "rename",
    "FaultyFolder.remove": "remove",
    "FaultyFolder.open_append": "open",
    "FaultyStore.write": "commit",
}
"""Operations of the disk by who asks for them; any other is a message about to leave."""


@dataclass(frozen=True)
class Operation:
    """One operation of one life, as a run without any fault saw it."""

    number: int
    """From 1, in the order of the life."""
    kind: str
    loose: int
    """Bytes of the log that no sync covered, before it."""
    length: int
    """Bytes of the log that it added."""


@dataclass(frozen=True)
class Loss:
    """What a power cut does to the bytes that were not synced: keeps the first `keep`, and perhaps more."""

    name: str
    keep: int = -1
    """Bytes of the loose tail that are on the medium; negative: all (the process was killed, the kernel lives)."""
    has_zeros: bool = False
    """The file has its full length, the rest is zeros."""
    lost_sector: int = -1
    """Only this sector of the loose tail is missing: zeros, with later ones written."""
    is_torn_replace: bool = False
    """A half-written copy lies beside the file that was to be replaced."""


KILL = Loss("killed")
ALL = Loss("power, all kept", keep=1 << 40)
NONE = Loss("power, unsynced lost", keep=0)


@dataclass(frozen=True)
class Point:
    """Where and how a node ends: before or after operation `number` of life `life`."""

    number: int
    is_after: bool
    loss: Loss
    kind: str = ""
    life: int = 1

    def __str__(self) -> str:
        side = "after" if self.is_after else "before"
        return f"life {self.life}, {side} operation {self.number} ({self.kind}): {self.loss.name}"


class PointDisk(Disk):
    """Counts and names operations per life; ends the node at the points it was given."""

    def __init__(self, points: tuple[Point, ...] = ()) -> None:
        super().__init__(random.Random(0), lambda: 0.0)
        self._points = {point.life: point for point in points}
        self.life = 0
        self.seen: list[Operation] = []
        """Operations of the present life."""
        self.reached: list[Point] = []
        self._ending: Point | None = None
        self.on_crash_once: Callable[[], None] | None = None
        """Done when the first life is over, before the next one begins."""

    def begin_life(self) -> None:
        self.life += 1
        self.seen = []

    def enter(self, owner: Process, *, is_durable: bool = False) -> bool:
        kind = next((k for k in map(_kind_at, (1, 2)) if k), "send")
        self._measure()
        log = self.files.get(LOG, StoredFile())
        loose = len(log.content) - log.durable
        self.seen.append(Operation(len(self.seen) + 1, kind, loose, 0))
        self._size_before = len(log.content)
        point = self._points.get(self.life)
        if point is not None and point.number == len(self.seen) and point not in self.reached:
            self._ending = point
            self.reached.append(point)
            self.faults.ops_until_end = 0
            self.faults.is_end_after = point.is_after
            self.faults.is_power_cut = point.loss.keep >= 0
        return super().enter(owner, is_durable=is_durable)

    def _measure(self) -> None:
        """Note how much the operation before added to the log."""
        if not self.seen:
            return
        last = self.seen[-1]
        added = max(0, len(self.files.get(LOG, StoredFile()).content) - self._size_before)
        if last.kind == "append":
            self.seen[-1] = Operation(last.number, last.kind, last.loose, added)

    def cut_power(self) -> int:
        """As the point says."""
        assert self._ending is not None
        loss, torn = self._ending.loss, 0
        for name in sorted(self.files):
            file = self.files[name]
            loose = len(file.content) - file.durable
            if not loose:
                continue
            torn += 1
            lose(file, loss)
        if loss.is_torn_replace:
            self.files["", "priv_validator_state.json.new"] = StoredFile(bytearray(b'{"heig'), 6)
        return torn


def _kind_at(depth: int) -> str:
    """Kind of the operation whose frame is so far above `enter` (a test may stand between)."""
    return KINDS.get(sys._getframe(depth + 2).f_code.co_qualname, "")


def lose(file: StoredFile, loss: Loss) -> None:
    """Apply a loss to the loose tail of one file."""
    loose = len(file.content) - file.durable
    keep = min(loss.keep, loose)
    if loss.lost_sector >= 0:
        first = (file.durable // SECTOR_BYTES + loss.lost_sector) * SECTOR_BYTES
        start, end = max(first, file.durable), min(first + SECTOR_BYTES, len(file.content))
        file.content[start:end] = bytes(max(0, end - start))
    else:
        del file.content[file.durable + keep :]
        if loss.has_zeros:
            file.content += bytes(loose - keep)
    file.durable = len(file.content)


def cuts(length: int, chance: random.Random) -> list[int]:
    """Where a record of so many bytes is cut: everywhere up to 512, else first and last 64 and 64 between."""
    if length <= SECTOR_BYTES:
        return list(range(length + 1))
    middle = chance.sample(range(64, length - 63), 64)
    return sorted({*range(64), *range(length - 63, length + 1), *middle})
