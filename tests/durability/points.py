"""Every point at which a node can end in three heights, and the verdict on each: `python -m tests.durability`.

First a run without faults names the victim's operations; then one run per point, from genesis, in which the victim
ends there, starts again half a second later on what its disk then holds, and the town must reach the last height.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from chain.store.wal import scan
from tests.durability.disk import (
    ALL,
    KILL,
    LOG,
    NONE,
    SECTOR_BYTES,
    Loss,
    Operation,
    Point,
    PointDisk,
    cuts,
)
from tests.durability.town import Town


@dataclass(frozen=True)
class Shape:
    """One kind of town and which of its machines is the victim."""

    validators: int
    victim: int = 0
    has_own_store: bool = False

    def __str__(self) -> str:
        store = "split store" if self.has_own_store else "shared store"
        return f"{self.validators} validator(s), n{self.victim}, {store}"


START_S = 1_000.0
"""Virtual second at which a run begins."""
SHAPES = (
    Shape(1),
    Shape(1, has_own_store=True),
    *(Shape(4, victim) for victim in range(4)),
    Shape(4, 0, has_own_store=True),
)


@dataclass
class Tally:
    """Figures of a batch."""

    cuts: int = 0
    violations: list[str] = field(default_factory=list)


def set_up(shape: Shape, *points: Point) -> tuple[Town, PointDisk]:
    """A town whose victim has a disk with these points."""
    town = Town(shape.validators, has_own_store=shape.has_own_store)
    victim = town.machines[shape.victim]
    disk = PointDisk(points)
    disk.files, disk.on_write = victim.disk.files, victim.disk.on_write
    victim.disk = town.watcher.disks[victim.index] = disk
    boot = victim.boot

    def boot_counted() -> None:
        disk.begin_life()
        boot()

    victim.boot = boot_counted  # type: ignore[method-assign]
    return town, disk


def has_come_back(town: Town, disk: PointDisk) -> bool:
    """The victim is in its next life; a point that is not reached in five seconds never will be."""
    return disk.life > 1 or town.loop.time() > START_S + 5


def play(shape: Shape, *points: Point) -> list[str]:
    """Violations of one run; a point of the first life that was not reached is one."""
    town, disk = set_up(shape, *points)
    all_there = town.is_over
    town.is_over = lambda: all_there() and has_come_back(town, disk)
    found = [f"{code}: {detail}" for code, detail in town.play()]
    if disk.life < 2 or any(p.life == 1 and p not in disk.reached for p in points):
        found.append("the victim did not end at the point")
    return [f"{shape}; {'; '.join(map(str, points))}: {text}" for text in found]


def operations(shape: Shape) -> tuple[list[Operation], bytes]:
    """Operations of the victim's life without faults, and the log it leaves."""
    town, disk = set_up(shape)
    violated = town.play()
    assert not violated, violated
    return disk.seen, bytes(disk.files[LOG].content)


# ── the points ───────────────────────────────────────────────────────────────────────────────────────


def points_of(shape: Shape, *, every_cut: bool) -> Iterator[Point]:
    """All points of one shape. `every_cut`: one run per byte of each record, else the cut is only opened."""
    chance = random.Random(str(shape))
    done, log = operations(shape)
    for operation in done:
        for is_after, loss in _losses(operation, log, chance, every_cut=every_cut):
            yield Point(operation.number, is_after, loss, operation.kind)


def _losses(
    operation: Operation, log: bytes, chance: random.Random, *, every_cut: bool
) -> Iterator[tuple[bool, Loss]]:
    yield False, KILL
    match operation.kind:
        case "append":
            inside = cuts(operation.length, chance)
            if not every_cut:
                inside = sorted({0, operation.length // 2, operation.length})
            for cut in inside:
                yield True, Loss(f"record cut at {cut}", keep=operation.loose + cut)
            yield True, Loss("zeros", keep=operation.loose + operation.length // 2, has_zeros=True)
            yield True, KILL
        case "sync":
            yield from ((False, loss) for loss in _loose_losses(operation.loose, len(log)))
            yield True, NONE
        case "replace":
            yield False, NONE
            yield False, Loss("torn copy aside", keep=0, is_torn_replace=True)
            yield True, NONE
            yield True, KILL
        case "send" | "open" | "remove":  # the simulated disk knows no moment after these
            yield False, NONE
        case _:
            yield False, NONE
            yield False, ALL
            yield True, NONE
            yield True, KILL


def _loose_losses(loose: int, log_bytes: int) -> Iterator[Loss]:
    """Of several unsynced records together: cut anywhere coarse, zeros, or one sector missing in the middle."""
    yield NONE
    yield ALL
    for keep in sorted({loose // 3, loose // 2, max(0, loose - 1)}):
        yield Loss(f"{keep} of {loose} kept", keep=keep)
        yield Loss(f"{keep} of {loose} kept, then zeros", keep=keep, has_zeros=True)
    for sector in range(min(loose, log_bytes) // SECTOR_BYTES + 2):
        yield Loss(f"sector {sector} of the unsynced lost", keep=1 << 40, lost_sector=sector)


def open_every_cut(shape: Shape) -> Tally:
    """Cut the log of a whole run inside every record: each cut opens as the last border before it."""
    tally = Tally()
    _, log = operations(shape)
    chance, offset = random.Random(str(shape)), 0
    for payload in scan(log).payloads:
        length = 8 + len(payload)
        for cut in cuts(length, chance):
            tally.cuts += 1
            whole = offset + length if cut == length else offset
            if scan(log[: offset + cut]).whole_bytes != whole:
                tally.violations.append(f"{shape}: log cut at {offset + cut} is not repaired")
        offset += length
    return tally


def twice(shape: Shape, first: tuple[Loss, ...], second: int) -> Iterator[tuple[Point, Point]]:
    """A node that ends again in the first operations of its next life."""
    done, _ = operations(shape)
    for operation in done:
        for loss in first:
            for number in range(1, second + 1):
                point = Point(operation.number, False, loss, operation.kind)
                for again in (KILL, NONE):
                    yield point, Point(number, True, again, life=2)
