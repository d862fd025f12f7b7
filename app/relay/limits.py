"""How much one visitor may send, without remembering any: a few thousand counters that forget everything each minute.

A visitor's address picks one counter by a keyed hash. The key is drawn afresh each minute and never leaves memory;
neither address nor hash is kept, and several visitors share a counter. Who is over the limit is asked to come back.
"""

import hmac
import threading
from collections.abc import Callable
from secrets import token_bytes
from typing import Final

COUNTERS: Final = 4_096
PER_VISITOR: Final = 30
"""A minute: a household, or a library's one address, with its neighbours in the table."""
PER_RELAY: Final = 3_000
"""A minute: 100 000 voters in half an hour."""
WINDOW_S: Final = 60


class Crowd:
    """Counts of the running minute."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._minute = -1
        self._key = b""
        self._counts = [0] * COUNTERS
        self._all = 0

    def lets_in(self, address: str) -> bool:
        """Count a visit; False when this visitor, or everybody together, came too often."""
        with self._lock:
            self._turn_page()
            digest = hmac.digest(self._key, address.encode(), "sha256")
            place = int.from_bytes(digest[:8], "big") % COUNTERS
            if self._counts[place] >= PER_VISITOR or self._all >= PER_RELAY:
                return False
            self._counts[place] += 1
            self._all += 1
            return True

    def _turn_page(self) -> None:
        minute = int(self._now_s()) // WINDOW_S
        if minute != self._minute:
            self._minute, self._key = minute, token_bytes(32)
            self._counts, self._all = [0] * COUNTERS, 0
