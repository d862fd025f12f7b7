"""The same three heights on real files and LMDB, in a child process that kills itself (SIGKILL) at one point.

What a process put on the wire is kept in a file beside the home, so that the next life is judged by it as well. The
child is forked before any map is open. A kill leaves what the kernel has: power cuts are `points`' affair.
"""

import contextlib
import json
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from chain.node.signer import STATE_FILE, LastSigned, encode_state
from chain.store import files as files_module
from chain.store.files import DiskFolder
from chain.store.kv import LmdbStore
from tests.durability.town import Town
from tests.sim.full import machine as machine_module

INSTRUMENTED = ("write", "fdatasync", "fsync", "ftruncate")
"""System calls of `chain.store.files` at which a child may end; the rename and LMDB's commit come beside."""
GOOD, VIOLATED = 0, 3
CHILD_S = 120.0
"""No life takes longer; a child of a process with threads may be born with a lock that nobody will open."""


class Points:
    """Counts operations and kills this process before or after the chosen one."""

    def __init__(self, fatal: int = 0, *, is_after: bool = False) -> None:
        self.count = 0
        self._fatal, self._is_after = fatal, is_after

    def around(self, work: Callable[[], Any]) -> Any:
        self.count += 1
        is_fatal = self.count == self._fatal
        if is_fatal and not self._is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = work()
        if is_fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class CountedStore(LmdbStore):
    points = Points()

    def _apply(self, batch: Any) -> None:
        CountedStore.points.around(lambda: super(CountedStore, self)._apply(batch))


@contextlib.contextmanager
def instrumented(points: Points) -> Iterator[None]:
    """Every write, sync, truncation and rename of the node's files, and every commit of its store."""
    real_replace = Path.replace

    def wrap(name: str) -> Callable[..., Any]:
        real = getattr(os, name)
        return lambda *args: points.around(lambda: real(*args))

    counted = {name: wrap(name) for name in INSTRUMENTED}
    proxy = SimpleNamespace(**{k: getattr(os, k) for k in dir(os) if not k.startswith("__")})
    for name, function in counted.items():
        setattr(proxy, name, function)
    CountedStore.points = points
    files_module.os = proxy  # type: ignore[attr-defined]
    Path.replace = lambda self, target: points.around(lambda: real_replace(self, target))  # type: ignore[method-assign]
    try:
        yield
    finally:
        files_module.os = os  # type: ignore[attr-defined]
        Path.replace = real_replace  # type: ignore[method-assign]


class RealPlatform(machine_module.SimPlatform):
    """The simulation's clock and net over real files."""

    root = Path()
    opened: ClassVar[list[LmdbStore]] = []

    def open_store(self, name: str) -> Any:
        self.opened.append(CountedStore(self.root / name))
        return self.opened[-1]

    def open_folder(self, name: str) -> Any:
        return DiskFolder(self.root / name)


def live(root: Path, *, has_own_store: bool) -> list[str]:
    """One life on the files under `root`, until the last height; returns what was violated."""
    data, wire = root / "data", root / "wire.jsonl"
    town = Town(1, has_own_store=has_own_store)
    RealPlatform.root = data
    machine_module.SimPlatform = RealPlatform  # type: ignore[misc,assignment]
    _remember(town, wire)
    town.watcher._check_durable = lambda place, message: None  # type: ignore[method-assign]
    failures = [f"{code}: {detail}" for code, detail in town.play()]
    machine_module.SimPlatform = RealPlatform.__base__  # type: ignore[misc,assignment]
    while RealPlatform.opened:
        RealPlatform.opened.pop().close()
    return failures + _check_blocks(town, data)


def prepare(root: Path) -> Path:
    """A home as `init` leaves it."""
    DiskFolder(root / "data").replace(STATE_FILE, encode_state(LastSigned()))
    return root


def _remember(town: Town, wire: Path) -> None:
    """Carry what was said from life to life: said first, written at once."""
    signed = town.watcher._signed
    if wire.exists():
        for line in wire.read_text().splitlines():
            place, sign_bytes = json.loads(line)
            signed[tuple(place)] = bytes.fromhex(sign_bytes)
    out = os.open(wire, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    real = town.watcher._check_once

    def check(place: tuple[int, int, int, int], sign_bytes: bytes) -> None:
        if place not in signed:
            os.write(out, json.dumps([place, sign_bytes.hex()]).encode() + b"\n")
        real(place, sign_bytes)

    town.watcher._check_once = check  # type: ignore[method-assign]


def _check_blocks(town: Town, data: Path) -> list[str]:
    """The blocks on the disk are those that a precommit of an earlier life decided; the seals hold."""
    store = LmdbStore(data / "chain.lmdb")
    try:
        town.machines[0].disk.rows["chain.lmdb"] = dict(store.scan(b"", None))
    finally:
        store.close()
    before = len(town.watcher.violations)
    town._check_blocks()
    return [f"{code}: {detail}" for code, detail in town.watcher.violations[before:]]


# ── processes ────────────────────────────────────────────────────────────────────────────────────────


def in_child(work: Callable[[], list[str]], kill_after_s: float = -1.0) -> tuple[int, str]:
    """(Wait status, text) of some work in a forked process, which may be killed from outside meanwhile."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        code = VIOLATED
        try:
            os.close(read_end)
            found = work()
            os.write(write_end, "\n".join(found).encode()[:4_000])
            code = VIOLATED if found else GOOD
        except BaseException:  # noqa: BLE001  # a child says what it died of
            os.write(write_end, traceback.format_exc().encode()[-4_000:])
        finally:
            os._exit(code)
    os.close(write_end)
    if kill_after_s >= 0:
        time.sleep(kill_after_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    try:
        text = _read_to_end(read_end).decode(errors="replace")
    except TimeoutError:
        os.kill(child, signal.SIGABRT)  # it prints where it hangs
        os.waitpid(child, 0)
        raise
    finally:
        os.close(read_end)
    return os.waitpid(child, 0)[1], text


def _read_to_end(pipe: int) -> bytes:
    """What a child says until it ends; raises TimeoutError."""
    found, end_s = b"", time.monotonic() + CHILD_S
    while select.select([pipe], [], [], max(0.0, end_s - time.monotonic()))[0]:
        more = os.read(pipe, 65_536)
        if not more:
            return found
        found += more
    raise TimeoutError(f"a forked life did not end within {CHILD_S} s; it had said {found!r}")


def count_points(root: Path, *, has_own_store: bool) -> int:
    """Instrumented operations of a life that nobody ends."""
    prepare(root)
    points = Points()

    def work() -> list[str]:
        with instrumented(points):
            found = live(root, has_own_store=has_own_store)
        return found or [f"points {points.count}"]

    _, text = in_child(work)
    assert text.startswith("points "), text
    return int(text.split()[1])


def kill_at(root: Path, number: int, *, is_after: bool, has_own_store: bool) -> list[str]:
    """Kill a life at one point, let the next one finish; returns what was violated."""
    prepare(root)

    def doomed() -> list[str]:
        with instrumented(Points(number, is_after=is_after)):
            return live(root, has_own_store=has_own_store)

    status, text = in_child(doomed)
    side = "after" if is_after else "before"
    if not os.WIFSIGNALED(status):
        return [f"{side} operation {number}: not reached: {text}"]
    _, text = in_child(lambda: live(root, has_own_store=has_own_store))
    return [f"{side} operation {number}: {text}"] if text else []


def kill_at_any_moment(root: Path, chance: random.Random, *, has_own_store: bool) -> list[str]:
    """Kill several lives of one home from outside, in the middle of whatever, LMDB's commit too."""
    prepare(root)
    for _ in range(4):
        in_child(
            lambda: live(root, has_own_store=has_own_store),
            kill_after_s=chance.uniform(0.0, 0.08),
        )
    _, text = in_child(lambda: live(root, has_own_store=has_own_store))
    return [text] if text else []


def main(root: Path) -> list[str]:
    """All points of both stores, then kills at any moment; returns the violations."""
    chance, violations, kills = random.Random(3), [], 0
    for has_own_store in (False, True):
        total = count_points(root / f"count{has_own_store}", has_own_store=has_own_store)
        for number in range(1, total + 1):
            for is_after in (False, True):
                home = root / f"{has_own_store}-{number}-{is_after}"
                violations += kill_at(home, number, is_after=is_after, has_own_store=has_own_store)
                kills += 1
        for number in range(25):
            home = root / f"{has_own_store}-any-{number}"
            violations += kill_at_any_moment(home, chance, has_own_store=has_own_store)
            kills += 4
    print(f"real files: {kills} kills, {len(violations)} violations", flush=True)
    for text in violations[:5]:
        print(f"  {text}")
    return violations
