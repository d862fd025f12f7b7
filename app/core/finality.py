"""Waiting for finality without a storm of polls: one watcher per process looks, many requests sleep.

The watcher reads the projector's height every few milliseconds while anybody waits, and never otherwise;
when it moved, one query looks for all the awaited transactions at once.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from peewee import PeeweeException

from app.core.database import connected, find_rows, run_sql
from app.core.projection import Transaction

POLL_S: Final = 0.004
RETRY_S: Final = 0.5
_log = structlog.get_logger("app.finality")


_HEIGHT_QUERY: Final = "SELECT height FROM projector"


def _read_height() -> int:
    """The projector's height. Plain SQL: building the same query 250 times a second costs more than asking it."""
    row = run_sql(_HEIGHT_QUERY).fetchone()
    return int(row[0]) if row else 0


class Waiter:
    """One request's seat: `result` is set once the transaction is final."""

    def __init__(self, payload_hash: str) -> None:
        self.payload_hash = payload_hash
        self.result: Transaction | None = None
        self._ready = threading.Event()

    def wait(self, timeout_s: float) -> Transaction | None:
        """The final transaction, or None when the time passed first."""
        self._ready.wait(max(timeout_s, 0.0))
        return self.result

    def wake(self, result: Transaction) -> None:
        """Hand over the final transaction."""
        self.result = result
        self._ready.set()


class FinalityWatcher:
    """The process's one reader of the projector's progress; its thread starts with the first waiter."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiters: dict[str, list[Waiter]] = {}
        self._thread: threading.Thread | None = None
        self._is_fresh = False

    @contextmanager
    def watch(self, payload_hash: str) -> Iterator[Waiter]:
        """A seat for one transaction; take it before broadcasting, so that nothing is missed."""
        waiter = Waiter(payload_hash)
        with self._changed:
            self._waiters.setdefault(payload_hash, []).append(waiter)
            self._is_fresh = True
            self._ensure_thread()
            self._changed.notify()
        try:
            yield waiter
        finally:
            with self._changed:
                self._leave(waiter)

    def _leave(self, waiter: Waiter) -> None:
        seats = self._waiters.get(waiter.payload_hash, [])
        if waiter in seats:
            seats.remove(waiter)
        if not seats:
            self._waiters.pop(waiter.payload_hash, None)

    def _ensure_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="finality", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                with connected():
                    self._watch_progress()
            except PeeweeException as error:
                _log.warning("progress_unreadable", error=type(error).__name__)
                time.sleep(RETRY_S)

    def _watch_progress(self) -> None:
        seen = -1
        while True:
            with self._changed:
                while not self._waiters:
                    self._changed.wait()
                must_look, self._is_fresh = self._is_fresh, False
            height = _read_height()
            if height != seen or must_look:
                seen = height
                self._wake_final()
            time.sleep(POLL_S)

    def _wake_final(self) -> None:
        with self._changed:
            awaited = list(self._waiters)
        places = ", ".join("?" * len(awaited))
        for row in (
            find_rows(Transaction, f"payload_hash IN ({places})", *awaited) if awaited else ()
        ):
            with self._changed:
                for waiter in self._waiters.get(row.payload_hash, []):
                    waiter.wake(row)
