"""One judge as its node sees it: a process on the other end of a socket pair, at most one task at a time.

Reads / Writes: its socket, never waiting.  Never: a shell, an inherited descriptor but that socket.
"""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from chain.judges.frames import READY, Answer, BadFrame, Task, encode_frame, take_answer
from chain.limits import JUDGES_REAP_MS

COMMAND: Final = (sys.executable, "-m", "chain.judges.worker")
_READ_BYTES: Final = 65_536


class JudgeGone(Exception):
    """The process ended, or says what no judge says."""


class JudgeProcess:
    """Started when made; `kill` once, from whatever state."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        """Raises OSError when the machine has no room for one more process."""
        self._channel, theirs = socket.socketpair()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  # our own program
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=_environment()
            )
        except OSError:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self._channel.setblocking(False)
        self._inbox, self._outbox = bytearray(), bytearray()
        self.is_ready = False
        """Whether it has said that it has started."""

    @property
    def fd(self) -> int:
        """The socket's descriptor, for whoever waits."""
        return self._channel.fileno()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def has_unsent(self) -> bool:
        """Whether part of a task has yet to leave."""
        return bool(self._outbox)

    def give(self, task: Task) -> bool:
        """Hand over a task; whether all of it has left. Raises JudgeGone."""
        self._outbox += encode_frame(task)
        return self.flush()

    def flush(self) -> bool:
        """Send what is left; whether nothing is. Raises JudgeGone."""
        try:
            while self._outbox:
                del self._outbox[: self._channel.send(self._outbox)]
        except BlockingIOError:
            return False
        except OSError as error:
            raise JudgeGone(str(error)) from error
        return True

    def take(self) -> list[Answer]:
        """Answers that have come, its first word not among them. Raises JudgeGone."""
        try:
            while received := self._channel.recv(_READ_BYTES):
                self._inbox += received
            raise JudgeGone("ended")
        except BlockingIOError:
            pass
        except OSError as error:
            raise JudgeGone(str(error)) from error
        answers: list[Answer] = []
        try:
            while (answer := take_answer(self._inbox)) is not None:
                answers.append(answer)
        except BadFrame as error:
            raise JudgeGone(f"bad frame: {error}") from error
        self.is_ready = self.is_ready or bool(answers)
        return [answer for answer in answers if answer.number != READY]

    def kill(self) -> None:
        """End it now: it holds nothing that could be lost."""
        self._channel.close()
        self._process.kill()
        with contextlib.suppress(
            subprocess.TimeoutExpired
        ):  # asleep in the kernel: it dies when it wakes
            self._process.wait(JUDGES_REAP_MS / 1_000)


def _environment() -> dict[str, str]:
    """Ours, with our module path: the node may have been started from anywhere."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
