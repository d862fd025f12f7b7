"""How much one visitor may send, without remembering any: a few thousand counters that forget everything each minute.

A visitor's address picks one counter by a keyed hash. The key is drawn afresh each minute and never leaves memory;
neither address nor hash is kept, and several visitors share a counter. Who is over the limit is asked to come back.
"""

import hmac
import threading
from collections.abc import Callable
from secrets import token_bytes
from typing import Final

from app.core.addresses import name_provider

COUNTERS: Final = 4_096
PER_VISITOR: Final = 30
"""A minute: a household, or a library's one address, with its neighbours in the table."""
PER_PROVIDER: Final = 600
"""A minute, of one IPv6 /48: whoever rents one has 65 536 networks of households."""
PER_RELAY: Final = 30_000
"""A minute: what one process can judge. A stranger's visits end at the door (`entitlement`), so they may be many
before they keep voters out."""
WINDOW_S: Final = 60


class Crowd:
    """Counts of the running minute."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._minute = -1
        self._key = b""
        self._counts = [0] * COUNTERS
        self._providers = [0] * COUNTERS
        self._all = 0

    def lets_in(self, address: str) -> bool:
        """Count a visit; False when this visitor, its provider's network, or everybody together, came too often."""
        provider = name_provider(address)
        with self._lock:
            self._turn_page()
            place, wide = self._find_place(address), self._find_place(provider)
            if self._counts[place] >= PER_VISITOR or self._all >= PER_RELAY:
                return False
            if provider and self._providers[wide] >= PER_PROVIDER:
                return False
            self._counts[place] += 1
            self._providers[wide] += bool(provider)
            self._all += 1
            return True

    def _find_place(self, name: str) -> int:
        digest = hmac.digest(self._key, name.encode(), "sha256")
        return int.from_bytes(digest[:8], "big") % COUNTERS

    def _turn_page(self) -> None:
        minute = int(self._now_s()) // WINDOW_S
        if minute != self._minute:
            self._minute, self._key = minute, token_bytes(32)
            self._counts, self._providers, self._all = [0] * COUNTERS, [0] * COUNTERS, 0
