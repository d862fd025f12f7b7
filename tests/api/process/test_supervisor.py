"""The supervisor: who needs another process is ended with it and started again, also when it hangs on."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import supervisor as supervisor_module
from app.cli.supervisor import Child, Supervisor, is_listening

HANG_ON = [sys.executable, "-c", "import signal, time; signal.signal(15, 0); time.sleep(600)"]
SECONDS = 20


def until(condition: Callable[[], object], keep: Callable[[], None]) -> None:
    end_s = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end_s
        keep()
        time.sleep(0.02)


def test_a_process_that_hangs_on_without_the_one_it_needs_is_started_again(tmp_path: Path) -> None:
    application = Child("application", HANG_ON, lambda: True)
    engine = Child("engine", HANG_ON, lambda: True, needs="application")
    other = Child("other", HANG_ON, lambda: True)
    children = [application, engine, other]
    supervisor = Supervisor(children, environment={}, logs=tmp_path, say=lambda _text: None)
    try:
        supervisor.start()
        before = [child.process.pid for child in children if child.process]
        os.kill(before[0], 9)

        def look() -> None:
            for child in children:
                supervisor._look_after(child)

        def pids() -> list[int]:
            return [child.process.pid for child in children if child.process]

        until(lambda: pids()[0] != before[0] and pids()[1] != before[1], look)
        assert pids()[2] == before[2]
        counted = [len(child.restarts) for child in children]
        assert counted == [1, 0, 0], "only who ended by itself comes nearer to the limit"
    finally:
        for child in children:
            if child.process is not None:
                child.process.kill()
                child.process.wait(10)


def test_who_listens_and_never_accepts_does_not_keep_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "PROBE_S", 0.05)
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.bind(str(path))
        stuck.listen(0)
        seen = [is_listening(path) for _ in range(4)]
    assert seen[0]
    assert not seen[-1], "its queue is full"


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_killed_supervisor_leaves_nobody_behind(tmp_path: Path) -> None:
    """They held their ports, and the next start said that these are taken and no more."""
    script = f"""
import sys, time
from pathlib import Path
from app.cli.supervisor import Child, Supervisor
wait = [sys.executable, "-c", "import time; time.sleep(600)"]
child = Child("one", wait, lambda: True)
Supervisor([child], environment={{}}, logs=Path({str(tmp_path)!r}), say=print).start()
print(child.process.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        child = int(killed.stdout.readline())
        assert is_alive(child)
        killed.kill()
    until(lambda: not is_alive(child), lambda: None)
