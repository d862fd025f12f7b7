"""What happens to a stopped machine's disk before the next start: damage, loss, copies of another day, errors.

No rule of the file system forbids any of it; the node must refuse with a code, be silent, or be right.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chain.node.errors import NodeError
from chain.node.failure import code_of
from chain.node.signer import STATE_FILE, InvalidSignerFile
from chain.store.errors import StoreError
from tests.durability.disk import LOG, Point, PointDisk
from tests.durability.points import Shape, has_come_back, set_up
from tests.durability.town import HEIGHTS, Town
from tests.sim.full.disk import StoredFile
from tests.sim.full.loop import Process
from tests.sim.full.machine import Machine, is_disk_fault

STATE = ("", STATE_FILE)
Files = dict[tuple[str, str], StoredFile]
Damage = Callable[[PointDisk], None]


@dataclass(frozen=True)
class Result:
    """What became of one run."""

    violations: tuple[str, ...]
    refusal: str
    """Code with which the victim would not start; empty when it did."""
    height: int
    """Of the victim at the end."""


def copy_files(disk: PointDisk) -> Files:
    """The files as they are now."""
    return {name: StoredFile(bytearray(f.content), f.durable) for name, f in disk.files.items()}


@dataclass
class Snapshot:
    """A whole disk at one operation."""

    files: Files
    rows: dict[str, dict[bytes, bytes]]
    keys: dict[str, list[bytes]]


def take_snapshot(disk: PointDisk) -> Snapshot:
    """Everything, as a backup of the home would have it."""
    rows = {name: dict(held) for name, held in disk.rows.items()}
    return Snapshot(copy_files(disk), rows, {name: list(held) for name, held in disk.keys.items()})


def bring_back(disk: PointDisk, snapshot: Snapshot) -> None:
    """Put a snapshot in place of what the disk holds."""
    disk.files.clear()
    disk.files.update(snapshot.files)
    for name in disk.rows:
        disk.rows[name].clear()
        disk.rows[name].update(snapshot.rows.get(name, {}))
        disk.keys[name][:] = snapshot.keys.get(name, [])


def play_damaged(
    shape: Shape,
    point: Point,
    damage: Damage = lambda _disk: None,
    *,
    rest_s: float = 0.5,
    backup_at: int = 0,
    goal: int = HEIGHTS,
) -> Result:
    """End the victim at a point, damage its disk, start it again; the others go on meanwhile.

    `backup_at`: the damage is that the home of this earlier operation comes back.
    """
    town, disk = set_up(shape, point)
    town.restart_after_s, town.goal = rest_s, goal
    refused: list[BaseException] = []

    def is_expected(machine: Machine, failure: BaseException) -> bool:
        coded = isinstance(failure, NodeError | StoreError | InvalidSignerFile)
        if coded and machine.index == shape.victim:
            refused.append(failure)
            town.restart_after_s = None
        return coded and machine.index == shape.victim

    town.is_expected = is_expected
    if backup_at:
        damage = _backing_up(disk, backup_at)
    disk.on_crash_once = lambda: damage(disk)
    _call_after_crash(town.machines[shape.victim], disk)
    town.is_over = lambda: _is_over(town, shape, refused) and has_come_back(town, disk)
    found = [f"{code}: {detail}" for code, detail in town.play()]
    if disk.life < 2:
        found.append("the victim did not end at the point")
    height = max(
        (int.from_bytes(k[1:9], "big") for k in disk.rows["chain.lmdb"] if k[:1] == b"B"),
        default=0,
    )
    code = getattr(refused[0], "code", "") if refused else ""
    return Result(tuple(found), code, height)


def _is_over(town: Town, shape: Shape, refused: list[BaseException]) -> bool:
    """Everybody is there, or all but a victim that refuses; a lone one that refuses ends it."""
    others = [m for m in town.machines if m.index != shape.victim or not refused]
    return all(m.is_up and town.height(m) >= town.goal for m in others)


def _call_after_crash(machine: Machine, disk: PointDisk) -> None:
    """Damage is done once, when the first life is over."""
    real = machine.on_crash

    def on_crash(ended: Machine, why: str) -> None:
        work, disk.on_crash_once = disk.on_crash_once, None
        if work is not None:
            work()
        real(ended, why)

    machine.on_crash = on_crash


def _backing_up(disk: PointDisk, at: int) -> Damage:
    """Keep the disk of operation `at`; the damage brings it back."""
    kept: list[Snapshot] = []
    real = disk.enter

    def enter(owner: Process, *, is_durable: bool = False) -> bool:
        if disk.life == 1 and len(disk.seen) + 1 == at and not kept:
            kept.append(take_snapshot(disk))
        return real(owner, is_durable=is_durable)

    disk.enter = enter  # type: ignore[method-assign]
    return lambda damaged: bring_back(damaged, kept[0])


# ── kinds of damage ──────────────────────────────────────────────────────────────────────────────────


def flip(name: tuple[str, str], share: float, bit: int) -> Damage:
    """One bit, at a share of the file's length."""

    def damage(disk: PointDisk) -> None:
        content = disk.files.get(name, StoredFile()).content
        if content:
            content[min(len(content) - 1, int(len(content) * share))] ^= 1 << bit

    return damage


def cut_tail(share: float) -> Damage:
    """The last share of the log is gone, synced or not."""

    def damage(disk: PointDisk) -> None:
        file = disk.files.get(LOG, StoredFile())
        del file.content[int(len(file.content) * (1 - share)) :]
        file.durable = len(file.content)

    return damage


def zero_tail(size: int) -> Damage:
    """Zeros behind the log."""

    def damage(disk: PointDisk) -> None:
        file = disk.files.setdefault(LOG, StoredFile())
        file.content += bytes(size)
        file.durable = len(file.content)

    return damage


def remove(*names: tuple[str, str]) -> Damage:
    """Files that are gone."""

    def damage(disk: PointDisk) -> None:
        for name in names:
            disk.files.pop(name, None)

    return damage


def put(name: tuple[str, str], content: bytes) -> Damage:
    """Another file in the place of ours."""

    def damage(disk: PointDisk) -> None:
        disk.files[name] = StoredFile(bytearray(content), len(content))

    return damage


# ── errors of a running disk ─────────────────────────────────────────────────────────────────────────


def play_with_error(shape: Shape, kind: str, number: int) -> Result:
    """The victim's disk refuses: its `number`-th sync fails once, or it is full from operation `number` on.

    The node must stop there; the disk then works again, and the next start must go on.
    """
    town, disk = set_up(shape)
    met: list[BaseException] = []

    def is_expected(machine: Machine, failure: BaseException) -> bool:
        if machine.index == shape.victim and is_disk_fault(failure):
            met.append(failure)
        return machine.index == shape.victim and is_disk_fault(failure)

    town.is_expected = is_expected
    if kind == "sync":
        disk.faults.syncs_until_error = number - 1
    else:
        _fill_from(disk, number)
    disk.on_crash_once = lambda: setattr(disk.faults, "is_full", False)
    _call_after_crash(town.machines[shape.victim], disk)
    found = [f"{code}: {detail}" for code, detail in town.play()]
    if not met:
        found.append("the node went on over the error")
    return Result(tuple(found), code_of(met[0]) if met else "", town.goal)


def _fill_from(disk: PointDisk, number: int) -> None:
    real = disk.enter

    def enter(owner: Process, *, is_durable: bool = False) -> bool:
        if disk.life == 1 and len(disk.seen) + 1 == number:
            disk.faults.is_full = True
        return real(owner, is_durable=is_durable)

    disk.enter = enter  # type: ignore[method-assign]
