"""Work that falls due at a time: expiries, delays, timeouts. One queue for all domains, ordered by time.

`schedule_due(state, at_s, kind, text)` puts an item; at the end of the first block whose header time
reaches `at_s`, the engine calls the handler that the domain exports in `DUE = {kind: handler}`. At most
`due_max_per_block` items run per block; the others keep their place, so the queue itself is the cursor. A
handler with much to do does a bounded part and schedules itself again with its own cursor in `text`.
Reads and writes: namespace due, tables queue and failed.
"""

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from chain.town.context import BlockContext, Overlay, Reader, Table

DUE_TEXT_MAX_CHARS: Final = 400
AT_MAX_S: Final = 2**53 - 1


class DueRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One item: when (unix seconds), which handler, and what it is told (usually a record's id)."""

    at_s: Annotated[int, Meta(ge=0, le=AT_MAX_S)]
    kind: Annotated[str, Meta(min_length=1, max_length=48)]
    text: Annotated[str, Meta(max_length=DUE_TEXT_MAX_CHARS)]


DueHandler: TypeAlias = Callable[[BlockContext, str], None]
DueHandlers: TypeAlias = Mapping[str, DueHandler]

QUEUE: Final = Table("due", "queue", DueRecord)
FAILED: Final = Table("due", "failed", DueRecord)
"""Items whose handler broke: kept for inquiry, never run again."""


def schedule_due(state: Overlay, at_s: int, kind: str, text: str) -> None:
    """Have `kind`'s handler called with `text` at `at_s`; the same item twice is one item."""
    assert 0 <= at_s <= AT_MAX_S, "due time out of range"
    assert len(text) <= DUE_TEXT_MAX_CHARS, "due text too long"
    QUEUE.put(state, _item_id(at_s, kind, text), DueRecord(at_s, kind, text))


def cancel_due(state: Overlay, at_s: int, kind: str, text: str) -> None:
    """Take an item out; nothing happens when it is not there."""
    item_id = _item_id(at_s, kind, text)
    if QUEUE.get(state, item_id) is not None:
        QUEUE.delete(state, item_id)


def has_due(state: Reader, now_s: int) -> bool:
    """Whether any item is due at `now_s`."""
    return next(QUEUE.scan(state, stop=_time_prefix(now_s + 1)), None) is not None


def take_due(state: Overlay, now_s: int, count_max: int) -> tuple[tuple[bytes, DueRecord], ...]:
    """Remove and return the first `count_max` items due at `now_s`, oldest first."""
    taken = tuple(islice(_scan_due(state, now_s), count_max))
    for item_id, _ in taken:
        QUEUE.delete(state, item_id)
    return taken


def _scan_due(state: Reader, now_s: int) -> Iterator[tuple[bytes, DueRecord]]:
    return QUEUE.scan(state, stop=_time_prefix(now_s + 1))


def _time_prefix(at_s: int) -> bytes:
    return max(at_s, 0).to_bytes(8, "big")


def _item_id(at_s: int, kind: str, text: str) -> bytes:
    """Time first for order; then a digest, so that items of one second have one order everywhere."""
    return _time_prefix(at_s) + sha256(f"{kind}\0{text}".encode()).digest()[:16]
