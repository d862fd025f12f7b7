"""Keeping a town's processes running: node, projector, API server; started in order, stopped in reverse.

A process that ends by itself is started again, unless its exit says that it must not be: a node that found
a consensus failure, a projector that caught the node lying. Too many restarts end the town.
Reads: exit codes, health routes.  Writes: log files.
"""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

STOP_WAIT_S: Final = 15.0
READY_WAIT_S: Final = 90.0
POLL_S: Final = 0.1
PROBE_S: Final = 2.0
RESTARTS_MAX: Final = 5
RESTART_WINDOW_S: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1
"""Linux, prctl(2): which signal a process gets when the one that started it has ended."""
_LIBC: Final = ctypes.CDLL(None)
"""Loaded here, because little is safe between fork and exec."""


class ChildFailed(Exception):
    """A process did not come up, or must not be started again; the message says which and where its log is."""


@dataclass(slots=True)
class Child:
    """One supervised process; `fatal_exits` are those that end the town."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    fatal_exits: frozenset[int] = frozenset()
    quiet_exits: Mapping[int, str] = field(default_factory=dict)
    """Exits after which the process stays down while the others go on, with what to tell."""
    starts_with_next: bool = False
    """Not waited for before the next one starts."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of its own, over those of all."""
    leftovers: Sequence[Path] = ()
    """What a killed predecessor may have left and would be in the way: removed before each start."""
    needs: str = ""
    """Name of the process without which this one is of no use: when that one ends, this one is ended too."""
    process: subprocess.Popen[bytes] | None = None
    is_given_up: bool = False
    restarts: list[float] = field(default_factory=list)
    is_ended_by_us: bool = False
    """Its next end is the partner's doing, which is counted already."""


class Supervisor:
    """Starts children in order and keeps them running until told to stop."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        environment: Mapping[str, str],
        logs: Path,
        say: Callable[[str], None],
    ) -> None:
        self._children = list(children)
        self.environment = {**os.environ, **environment}
        self._logs = logs
        self._say = say
        self._is_stopping = False

    def start(self) -> None:
        """Start each child and wait until it is ready; raises ChildFailed."""
        self._logs.mkdir(parents=True, exist_ok=True)
        started: list[Child] = []
        for child in self._children:
            self._spawn(child)
            started.append(child)
            if child.starts_with_next:
                continue
            for waited_for in started:
                self._wait_ready(waited_for)
            started.clear()

    def watch(self) -> None:
        """Return when `request_stop` was called; raises ChildFailed."""
        while not self._is_stopping:
            for child in self._children:
                self._look_after(child)
            time.sleep(POLL_S)

    def request_stop(self) -> None:
        """End `watch`; safe in a signal handler."""
        self._is_stopping = True

    def stop(self) -> None:
        """Stop all children, the last started first; kills what does not stop in time."""
        self._is_stopping = True
        for child in reversed(self._children):
            self._stop(child)

    def stop_one(self, name: str) -> None:
        """Stop one child and leave it down; only for a town that nobody `watch`es (demo, drills)."""
        self._stop(self._find(name))

    def start_one(self, name: str) -> None:
        """Start a stopped child and wait until it is ready; raises ChildFailed."""
        child = self._find(name)
        self._spawn(child)
        self._wait_ready(child)

    def _find(self, name: str) -> Child:
        return next(child for child in self._children if child.name == name)

    def _stop(self, child: Child) -> None:
        process = child.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._say(f"{child.name} did not stop in time and was killed")
            process.kill()
            process.wait(STOP_WAIT_S)  # only a disk that does not answer can hold it now

    def _spawn(self, child: Child) -> None:
        for path in child.leftovers:
            path.unlink(missing_ok=True)
        with self._open_log(child) as log:
            child.process = subprocess.Popen(  # noqa: S603  # our own commands, no shell
                list(child.command),
                env={**self.environment, **child.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with(os.getpid()),
            )

    def _open_log(self, child: Child) -> IO[bytes]:
        return (self._logs / f"{child.name}.log").open("ab")

    def _wait_ready(self, child: Child) -> None:
        deadline = time.monotonic() + READY_WAIT_S
        while not child.is_ready():
            assert child.process is not None, "spawned before"
            if self._is_stopping:
                return
            if child.process.poll() is not None or time.monotonic() > deadline:
                raise ChildFailed(f"{child.name} did not start; see {self._log_path(child)}")
            time.sleep(POLL_S)

    def _look_after(self, child: Child) -> None:
        assert child.process is not None, "spawned before"
        exit_code = child.process.poll()
        if exit_code is None or child.is_given_up or self._is_stopping:
            return
        if exit_code in child.fatal_exits:
            raise ChildFailed(f"{child.name} ended with {exit_code}; see {self._log_path(child)}")
        if exit_code in child.quiet_exits:
            child.is_given_up = True
            self._say(f"{child.quiet_exits[exit_code]} See {self._log_path(child)}")
            return
        self._restart(child, exit_code)

    def _restart(self, child: Child, exit_code: int) -> None:
        if not child.is_ended_by_us:
            self._count(child)
        child.is_ended_by_us = False
        self._say(f"{child.name} ended with {exit_code}; starting it again")
        for other in self._children:
            if other.needs == child.name and other.process is not None:
                other.process.kill()  # most end by themselves; one that hangs would never be started again
                other.is_ended_by_us = True
        self._spawn(child)

    def _count(self, child: Child) -> None:
        now = time.monotonic()
        child.restarts = [at for at in child.restarts if now - at < RESTART_WINDOW_S] + [now]
        if len(child.restarts) > RESTARTS_MAX:
            raise ChildFailed(f"{child.name} keeps ending; see {self._log_path(child)}")

    def _log_path(self, child: Child) -> Path:
        return self._logs / f"{child.name}.log"


def _end_with(parent: int) -> Callable[[], None]:
    """What a child does before it becomes its program: ask for SIGTERM when this process ends, killed or not.

    Otherwise a killed supervisor leaves a town behind that holds its ports and that nobody looks after.
    """

    def ask() -> None:
        if sys.platform == "linux":
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it ended before we asked
                os._exit(0)

    return ask


def python(*arguments: str) -> list[str]:
    """A command line of this very interpreter."""
    return [sys.executable, *arguments]


def is_listening(path: Path) -> bool:
    """True when somebody accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(
            PROBE_S
        )  # who listens and never accepts fills its queue, then connecting waits
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def is_answering(port: int, path: str) -> bool:
    """True when a GET on loopback answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        with connection.getresponse() as response:
            return response.status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
