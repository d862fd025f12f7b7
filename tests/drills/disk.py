"""A disk that fails: syncs that answer EIO, a volume that is full. The node stops before it says anything more."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.drills.crash import check_nobody_equivocated
from tests.drills.keys import last_signed, position_of, signer_of, votes_seen
from tests.drills.report import Drill, Skipped, drill
from tests.drills.town import Load, Town, wait_for

SYNCS = "fsync,fdatasync"
WRITES = "pwrite64,pwritev"
"""LMDB writes pages by pwrite and pwritev and its meta page by pwrite on a descriptor opened O_DSYNC; the log and
the signer write by `write` and sync by fdatasync, the folder by fsync."""
FULL_BYTES = 2_000_000
"""Room left to the node on its small volume: a few hundred blocks."""


def require_strace() -> str:
    """Path of strace, if it may attach here."""
    strace = shutil.which("strace")
    if strace is None:
        raise Skipped("strace is not installed")
    tried = subprocess.run(
        [strace, "-o", "/dev/null", "true"], capture_output=True, check=False, timeout=120
    )
    if tried.returncode:
        raise Skipped(f"strace may not trace here: {tried.stderr.decode()[:200]}")
    return strace


def fail_syscalls(town: Town, index: int, calls: str, error: str) -> subprocess.Popen[bytes]:
    """From now on these system calls of a running node fail."""
    process = town.nodes[index].process
    assert process is not None
    return subprocess.Popen(
        [
            *(require_strace(), "-f", "-q", "-o", "/dev/null", "-e", f"trace={calls}"),
            *("-e", f"inject={calls}:error={error}", "-p", str(process.pid)),
        ]
    )


def check_stopped_before_the_wire(run: Drill, town: Town, index: int, what: str) -> None:
    """The process ended by itself with a code, and what others have of it is in its durable position."""
    node = town.nodes[index]
    assert node.process is not None
    code = node.process.wait(30)
    node.process = None
    tail = node.log_text()[-2_000:]
    told = next((w for w in tail.split() if w.startswith("code=")), "")
    run.check(f"{what}: the node stopped with a code", code == 1 and told, f"exit {code} {told}")
    voter = signer_of(town.homes[index])
    durable = last_signed(town.homes[index]).position()
    for witness in range(len(town.nodes)):
        if witness != index:
            beyond = [v for v in votes_seen(town.homes[witness], voter) if position_of(v) > durable]
            run.check(
                f"{what}: nothing on the wire that its disk does not hold ({town.nodes[witness].root.name})",
                not beyond,
                beyond[:1] or "",
            )


@drill
def disk_fails(run: Drill) -> None:
    """Every sync of one validator answers EIO, then every page write ENOSPC; it stops, the others go on."""
    require_strace()
    town = Town(run.folder / "town", 4)
    run.closers.append(town.stop)
    town.start()
    with Load(town) as load:
        for calls, error in ((SYNCS, "EIO"), (WRITES, "ENOSPC")):
            time.sleep(1.0)
            tracer = fail_syscalls(town, 3, calls, error)
            load.targets = [0, 1, 2]
            run.did(f"{calls} of one validator answer {error} (strace), then it is started again")
            check_stopped_before_the_wire(run, town, 3, error)
            tracer.wait(10)
            before = town.nodes[0].height()
            wait_for(lambda b=before: town.nodes[0].height() > b + 1, 30, "the others go on")
            run.measure(f"rejoin_after_{error}_s", round(town.rejoin_s(3), 2))
            load.targets = [0, 1, 2, 3]
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)


@drill
def disk_full(run: Drill) -> None:
    """One validator's data lie on a small volume that fills up; it stops, and resumes once there is room."""
    town = Town(run.folder / "town", 4)
    volume = town.homes[3].data
    kept = run.folder / "kept"
    shutil.move(volume, kept)
    volume.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={FULL_BYTES},mode=0700", "tmpfs", str(volume)],
        capture_output=True,
        check=False,
        timeout=120,
    )
    if mounted.returncode:
        raise Skipped(f"tmpfs may not be mounted here: {mounted.stderr.decode()[:200]}")
    run.closers += [
        lambda: subprocess.run(["umount", "-l", str(volume)], check=False, timeout=120),
        town.stop,
    ]
    shutil.copytree(kept, volume, dirs_exist_ok=True)
    town.start()
    with Load(town) as load:
        time.sleep(1.0)
        (volume / "ballast").write_bytes(bytes(room_left(volume) - 65_536))
        load.targets = [0, 1, 2]
        run.did(
            "one validator's data on a volume of 2 MB under 5 tx/s, filled up to the last 64 KiB"
        )
        check_stopped_before_the_wire(run, town, 3, "disk full")
        again = town.nodes[3]
        again.start()
        assert again.process is not None
        code = again.process.wait(30)
        run.check(
            "started on a full disk it ends with a code again", code in (1, 2), f"exit {code}"
        )
        again.process = None
        subprocess.run(["mount", "-o", "remount,size=64m", str(volume)], check=True, timeout=120)
        (volume / "ballast").unlink()
        run.did("the volume was enlarged, the node started")
        run.measure("rejoin_s", round(town.rejoin_s(3), 2))
        load.targets = [0, 1, 2, 3]
        time.sleep(1.0)
    town.check_kept(run, load)
    check_nobody_equivocated(run, town)
    for node in town.nodes:
        node.end(signal.SIGTERM)


def room_left(path: Path) -> int:
    """Bytes that may still be written on a volume."""
    return shutil.disk_usage(path).free
