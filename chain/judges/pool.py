"""A few judges and the ballots that wait for them: started at the first ballot, ended when none came for a while.

A judge that dies or hangs is replaced and its ballot tried once more, then given up: the finding is None and whoever
needs the verdict finds it alone. Judges that die one after the other are done without for a while.
Reads / Writes: processes of its own.  Never: waits, but in `work_off`; lets two judges have one task.
"""

import select
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import structlog

from chain.judges.frames import Answer, Task
from chain.judges.process import COMMAND, JudgeGone, JudgeProcess
from chain.limits import (
    JUDGES_BLOCK_WAIT_MS,
    JUDGES_FAILURES_MAX,
    JUDGES_IDLE_S,
    JUDGES_JOB_MAX_S,
    JUDGES_RETRY_S,
)
from chain.votes.judging import BallotTask, Finding, find

log = structlog.get_logger("judges")

ATTEMPTS_MAX = 2
"""Judges that one ballot may cost."""

Then = Callable[[Finding | None], None]
"""Called once with the finding, None when no judge lived to give one."""


class Handle(Protocol):
    """A wait that can be called off."""

    def cancel(self) -> None: ...


class Loop(Protocol):
    """The event loop, as far as the pool needs one."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> Handle: ...

    def add_reader(self, fd: int, callback: Callable[[], object]) -> object: ...

    def add_writer(self, fd: int, callback: Callable[[], object]) -> object: ...

    def remove_reader(self, fd: int) -> bool: ...

    def remove_writer(self, fd: int) -> bool: ...


@dataclass(slots=True)
class _Job:
    """A ballot until it is judged or given up."""

    number: int
    task: BallotTask
    then: Then
    attempts: int = 0


@dataclass(slots=True)
class _Judge:
    """A process, what it works on, and how long it may stay silent."""

    process: JudgeProcess
    job: _Job | None = None
    deadline: Handle | None = None

    def relax(self) -> None:
        """Nothing is expected of it."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class JudgePool:
    """All calls on the loop's one thread; `stop` ends every process."""

    def __init__(
        self,
        loop: Loop,
        judges: int,
        *,
        command: Sequence[str] = COMMAND,
        job_max_s: float = JUDGES_JOB_MAX_S,
        idle_s: float = JUDGES_IDLE_S,
    ) -> None:
        """`judges` processes at most; `command` starts one."""
        self._loop = loop
        self._judges_max = judges
        self._command = command
        self._job_max_s, self._idle_s = job_max_s, idle_s
        self._judges: list[_Judge] = []
        self._queue: OrderedDict[int, _Job] = OrderedDict()
        self._last_number = 0
        self._failures = 0
        self._reopening: Handle | None = None
        self._idling: Handle | None = None
        self._is_stopped = False

    @property
    def is_open(self) -> bool:
        """Whether a ballot handed in would be judged."""
        return not self._is_stopped and self._reopening is None

    def pids(self) -> tuple[int, ...]:
        """The processes that run."""
        return tuple(judge.process.pid for judge in self._judges)

    # ── ballots ──────────────────────────────────────────────────────────────────────────────────────

    def submit(self, task: BallotTask, then: Then, *, is_urgent: bool = False) -> int:
        """Let a ballot wait for a judge, before all others if urgent; returns its number."""
        assert self.is_open, "the caller looked"
        self._last_number += 1
        job = _Job(self._last_number, task, then)
        self._queue[job.number] = job
        if is_urgent:
            self.hurry(job.number)
        if self._idling is not None:
            self._idling.cancel()
            self._idling = None
        self._start_judges()
        self._feed()
        return job.number

    def hurry(self, number: int) -> None:
        """Put a ballot before all that wait, if it still does."""
        if number in self._queue:
            self._queue.move_to_end(number, last=False)

    def work_off(self, numbers: Iterable[int]) -> None:
        """Return once these are judged, this thread judging with the others what nobody has begun.

        Or sooner: when all judges stay silent for a moment. What they hold then, the caller finds alone.
        """
        wanted = set(numbers)
        while wanted := wanted & self._unfinished():
            mine = next((n for n in reversed(self._queue) if n in wanted), None)
            if mine is not None:
                job = self._queue.pop(mine)
                job.then(find(job.task.record, job.task.ballot))
                self._turn(0)
            elif not self._turn(JUDGES_BLOCK_WAIT_MS):
                log.warning("judges silent, judging alone", ballots=len(wanted))
                return

    def _unfinished(self) -> set[int]:
        return set(self._queue) | {judge.job.number for judge in self._judges if judge.job}

    def _turn(self, wait_ms: int) -> bool:
        """What the loop would do with the sockets; whether there was anything."""
        poll = select.poll()
        judges = {judge.process.fd: judge for judge in self._judges}
        for fd, judge in judges.items():
            poll.register(fd, select.POLLIN | (select.POLLOUT if judge.process.has_unsent else 0))
        ready = poll.poll(wait_ms)
        for fd, events in ready:
            if events & select.POLLOUT:
                self._write(judges[fd])
            if events & ~select.POLLOUT and judges[fd] in self._judges:
                self._read(judges[fd])
        return bool(ready)

    # ── judges ───────────────────────────────────────────────────────────────────────────────────────

    def _start_judges(self) -> None:
        """As many as have work."""
        busy = sum(judge.job is not None for judge in self._judges)
        wanted = min(self._judges_max, busy + len(self._queue))
        while len(self._judges) < wanted and self.is_open:
            try:
                process = JudgeProcess(self._command)
            except OSError as error:
                log.error("judge not started", detail=str(error))
                self._note_failure()
                continue
            self._watch(_Judge(process))

    def _watch(self, judge: _Judge) -> None:
        self._judges.append(judge)
        self._expect(judge)
        self._loop.add_reader(judge.process.fd, lambda: self._read(judge))

    def _expect(self, judge: _Judge) -> None:
        """It has so long from now to say something."""
        judge.relax()
        judge.deadline = self._loop.call_later(
            self._job_max_s, lambda: self._drop(judge, "silent for too long")
        )

    def _feed(self) -> None:
        """Give every judge at rest the next ballot."""
        for judge in tuple(self._judges):
            if self._queue and judge.process.is_ready and judge.job is None:
                _, judge.job = self._queue.popitem(last=False)
                self._expect(judge)
                self._give(judge, judge.job)
        if not self._unfinished() and self._judges and self._idling is None:
            self._idling = self._loop.call_later(self._idle_s, self._rest)

    def _give(self, judge: _Judge, job: _Job) -> None:
        task = Task(job.number, job.task.record, job.task.ballot)
        try:
            if not judge.process.give(task):
                self._loop.add_writer(judge.process.fd, lambda: self._write(judge))
        except JudgeGone as reason:
            self._drop(judge, str(reason))

    def _write(self, judge: _Judge) -> None:
        try:
            if judge.process.flush():
                self._loop.remove_writer(judge.process.fd)
        except JudgeGone as reason:
            self._drop(judge, str(reason))

    def _read(self, judge: _Judge) -> None:
        try:
            answers = judge.process.take()
            for answer in answers:
                self._finish(judge, answer)
        except JudgeGone as reason:
            self._drop(judge, str(reason))
            return
        if judge.job is None and judge.process.is_ready:
            judge.relax()
        self._feed()

    def _finish(self, judge: _Judge, answer: Answer) -> None:
        """Raises JudgeGone for an answer to another ballot than it has: such a judge is worth nothing."""
        job = judge.job
        if job is None or answer.number != job.number or answer.digest != _digest(job.task):
            raise JudgeGone("an answer to what was not asked")
        judge.job, self._failures = None, 0
        job.then(Finding(answer.signature, answer.answers))

    def _drop(self, judge: _Judge, reason: str) -> None:
        """Let a judge go; its ballot gets another one, once."""
        if judge not in self._judges:
            return
        log.warning("judge lost", pid=judge.process.pid, reason=reason)
        self._end(judge)
        job = judge.job
        if job is not None:
            job.attempts += 1
            if job.attempts < ATTEMPTS_MAX:
                self._queue[job.number] = job
                self.hurry(job.number)
            else:
                job.then(None)
        self._note_failure()
        self._start_judges()
        self._feed()

    def _end(self, judge: _Judge) -> None:
        self._judges.remove(judge)
        judge.relax()
        self._loop.remove_reader(judge.process.fd)
        self._loop.remove_writer(judge.process.fd)
        judge.process.kill()

    def _note_failure(self) -> None:
        self._failures += 1
        if self._failures >= JUDGES_FAILURES_MAX and self._reopening is None:
            log.error("no judges for a while: ballots are judged by the node itself")
            self._reopening = self._loop.call_later(JUDGES_RETRY_S, self._reopen)
            self._give_up()

    def _reopen(self) -> None:
        self._reopening, self._failures = None, 0

    def _give_up(self) -> None:
        """Nobody judges here any more: let go of everything."""
        for judge in tuple(self._judges):
            if judge.job is not None:
                self._queue[judge.job.number] = judge.job
            self._end(judge)
        while self._queue:
            _, job = self._queue.popitem(last=False)
            job.then(None)

    # ── rest and end ─────────────────────────────────────────────────────────────────────────────────

    def _rest(self) -> None:
        """Voting is over, or the town sleeps."""
        self._idling = None
        for judge in tuple(self._judges):
            self._end(judge)

    def stop(self) -> None:
        """End every process; ballots that wait are given up."""
        self._is_stopped = True
        for handle in (self._reopening, self._idling):
            if handle is not None:
                handle.cancel()
        self._give_up()


def _digest(task: BallotTask) -> bytes:
    return sha256(task.record + task.ballot).digest()
