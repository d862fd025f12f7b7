"""An event loop on virtual time: no sockets, no threads; time moves when everybody waits; one seed gives one order.

Every callback belongs to a `Process`, carried by a context variable. A process is one life of one node: its own
callbacks run in the order asyncio promises, and the seed draws which process has its turn, as machines do not wait
for each other. What a dead process had scheduled never runs.
"""

import asyncio
import heapq
import random
from asyncio import events
from collections import deque
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any

STUCK_CALLBACKS = 200_000
"""Callbacks at one instant of virtual time beyond which somebody spins."""


class Deadlock(RuntimeError):
    """Nothing is scheduled, yet the run is not over."""


class PowerCut(BaseException):
    """A node ends here and now, in the middle of whatever it does; no handler of the product may catch it."""


class Process:
    """One life of one node, or the simulation itself."""

    def __init__(self, name: str, on_failure: Callable[[BaseException], None]) -> None:
        self.name = name
        self.is_alive = True
        self.busy_until_s = 0.0
        """Until then it answers nothing: a slow disk, a stopped process."""
        self.on_failure = on_failure
        self.ready: deque[events.Handle] = deque()
        self.context: Context = copy_context()
        self.context.run(PROCESS.set, self)

    def end(self) -> None:
        self.is_alive = False
        self.ready.clear()

    def delay(self, now_s: float, seconds: float) -> None:
        self.busy_until_s = max(self.busy_until_s, now_s) + seconds


PROCESS: ContextVar[Process] = ContextVar("process")


class VirtualLoop(asyncio.BaseEventLoop):
    """`run_until_complete` as ever; everything else is virtual."""

    def __init__(self, chance: random.Random, start_s: float = 1_000.0) -> None:
        super().__init__()
        self._chance = chance
        self._now_s = start_s
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._order = count()
        self._at_instant = 0
        self.callbacks = 0
        self.director = Process("director", self._fail)
        self._failure: BaseException | None = None
        self._processes: list[Process] = []
        """Those with something to do, in the order in which they got it."""

    def _fail(self, failure: BaseException) -> None:
        if not isinstance(failure, PowerCut):
            self._failure = self._failure or failure

    # ── asyncio ──────────────────────────────────────────────────────────────────────────────────────

    def time(self) -> float:
        return self._now_s

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self._chance.random(), next(self._order), handle))
        return handle

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self._now_s + max(0.0, delay), callback, *args, context=context)

    def _call_soon(self, callback, args, context):
        handle = events.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    def _enqueue(self, handle: Any) -> None:
        process = handle._context.get(PROCESS, self.director)
        if not process.is_alive:
            return
        if not process.ready:
            self._processes.append(process)
        process.ready.append(handle)

    def _timer_handle_cancelled(self, handle: Any) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor, func, *args):
        raise RuntimeError("a thread in the simulation")

    def timers(self) -> int:
        """Timers that still stand."""
        return sum(1 for *_, handle in self._timers if not handle._cancelled)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What escapes a callback is the failure of its process."""
        message = str(context.get("message"))
        if message.startswith("Task was destroyed"):
            return  # a life that was cut short leaves its tasks where they were
        handle = context.get("handle")
        process = (handle._context if handle is not None else copy_context()).get(
            PROCESS, self.director
        )
        process.on_failure(context.get("exception") or RuntimeError(message))

    # ── one turn ─────────────────────────────────────────────────────────────────────────────────────

    def _run_once(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        self._wake_due()
        able = [p for p in self._processes if p.busy_until_s <= self._now_s]
        if not able:
            self._advance()
            return
        process = able[0] if len(able) == 1 else self._chance.choice(able)
        if process.ready:
            handle = process.ready.popleft()
            self.callbacks += 1
            self._at_instant += 1
            if self._at_instant > STUCK_CALLBACKS:
                raise Deadlock(f"{STUCK_CALLBACKS} callbacks without a moment passing")
            if not handle._cancelled:
                handle._run()
        if not process.ready and process in self._processes:
            self._processes.remove(process)

    def _wake_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._now_s:
            handle = heapq.heappop(self._timers)[3]
            if not handle._cancelled:
                self._enqueue(handle)

    def _advance(self) -> None:
        while self._timers and self._timers[0][3]._cancelled:
            heapq.heappop(self._timers)
        waits = [p.busy_until_s for p in self._processes]
        if self._timers:
            waits.append(self._timers[0][0])
        if not waits:
            raise Deadlock("nothing is scheduled")
        self._now_s = max(self._now_s, min(waits))
        self._at_instant = 0
