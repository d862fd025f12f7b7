"""A sequence of waits written as a generator and driven by timers and messages: sequential code, no threads.

`Until` says what is waited for and how long at most; the driver looks again after every message and tick. The same
inputs give the same sequence, on a real loop and on virtual time.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from chain.limits import STATESYNC_TICK_MS
from chain.sync.ports import MonotonicClock, TimerHandle, Timers

STEPS_PER_TURN = 4
"""Waits that are over already, gone through before the event loop turns."""


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until `ready`, at most `seconds`; the generator is told whether it became ready."""

    ready: Callable[[], bool]
    seconds: float


ResultT = TypeVar("ResultT")
Flow: TypeAlias = Generator[Until, bool, ResultT]


def pause(seconds: float) -> Flow[None]:
    """Let time pass."""
    yield Until(lambda: False, seconds)


def breathe() -> Flow[None]:
    """Let the event loop turn."""
    yield Until(lambda: True, 0.0)


class FlowDriver:
    """Runs one flow to its end; what escapes it escapes the timer's callback, and stops the node."""

    def __init__(self, flow: Flow[None], timers: Timers, clock: MonotonicClock) -> None:
        self._flow = flow
        self._timers = timers
        self._clock = clock
        self._waiting: Until | None = None
        self._deadline_s = 0.0
        self._handles: dict[str, TimerHandle] = {}
        self.is_over = False

    def start(self) -> None:
        """Begin at the loop's next turn."""
        self._later("run", 0.0, self._begin)

    def stop(self) -> None:
        """Give the flow up where it stands."""
        self.is_over = True
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()
        self._flow.close()

    def poke(self) -> None:
        """Something came: look again soon."""
        self._later("run", 0.0, self._run)

    def _begin(self) -> None:
        self._advance(None)
        self._run()
        self._tick()

    def _tick(self) -> None:
        self.poke()
        self._later("tick", STATESYNC_TICK_MS / 1_000, self._tick)

    def _run(self) -> None:
        for _ in range(STEPS_PER_TURN):
            waiting = self._waiting
            if self.is_over or waiting is None:
                return
            is_ready = waiting.ready()
            if not is_ready and self._clock.monotonic_s() < self._deadline_s:
                return
            self._advance(is_ready)
        self.poke()

    def _advance(self, is_ready: bool | None) -> None:
        try:
            waiting = next(self._flow) if is_ready is None else self._flow.send(is_ready)
        except StopIteration:
            self.stop()
            return
        self._waiting = waiting
        self._deadline_s = self._clock.monotonic_s() + waiting.seconds

    def _later(self, name: str, delay_s: float, entry: Callable[[], None]) -> None:
        if self.is_over or name in self._handles:
            return

        def run() -> None:
            self._handles.pop(name, None)
            entry()

        self._handles[name] = self._timers.call_later(delay_s, run)
