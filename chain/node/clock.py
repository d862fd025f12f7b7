"""The node's clock, handed to whoever needs the time; an insecure town may shift it for tests and demos."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from chain.types.timestamp import NANOS_PER_SECOND, Timestamp


class Clock(Protocol):
    """Wall time for votes and transactions, monotonic time for waits."""

    def now(self) -> Timestamp: ...

    def monotonic_s(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> Timestamp:
        """Wall time, UTC."""
        return Timestamp.from_ns(time.time_ns())

    def monotonic_s(self) -> float:
        """Seconds from an unknown start, never backwards."""
        return time.monotonic()


class OffsetClock:
    """The machine's clock plus the whole seconds written in a small file, looked at whenever it changes.

    A missing or empty file means 0. `is_allowed` says at each change whether the town is insecure; a town that
    is not keeps the machine's time whatever the file says.
    """

    def __init__(self, path: Path, is_allowed: Callable[[], bool]) -> None:
        self._path = path
        self._is_allowed = is_allowed
        self._mtime_ns = 0
        self._offset_ns = 0

    def now(self) -> Timestamp:
        """Shifted wall time."""
        self._refresh()
        return Timestamp.from_ns(time.time_ns() + self._offset_ns)

    def monotonic_s(self) -> float:
        """Seconds from an unknown start; waits are not shifted."""
        return time.monotonic()

    def _refresh(self) -> None:
        try:
            mtime_ns = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._mtime_ns = self._offset_ns = 0
            return
        if mtime_ns == self._mtime_ns:
            return
        text = self._path.read_text().strip()
        try:
            seconds = int(text) if text else 0
        except ValueError:
            return  # being written: the next look finds it whole
        self._mtime_ns = mtime_ns
        self._offset_ns = seconds * NANOS_PER_SECOND if self._is_allowed() else 0
