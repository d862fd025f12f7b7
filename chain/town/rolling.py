"""Per-minute logs: one small leaf in the tree, many entries beside it.

Replay keys and quota counts are too many and too short-lived for a leaf each. Each minute has one leaf, the
rolling hash of its entries in order; the entries themselves lie in a side namespace (name starting with
`~`) that is stored and carried by snapshots but is not in the tree. Minutes that are over are dropped at the
end of the next block that does anything, a bounded number of entries at a time.
Reads and writes: namespaces replay, ~replay, quota, ~quota.
"""

from hashlib import sha256
from itertools import islice
from typing import Final

from msgspec import Struct

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.town.context import Overlay, Reader, Table

SIDE_PREFIX: Final = "~"
"""Namespaces that start so are no part of the tree."""
MINUTE_S: Final = 60
DROPPED_PER_BLOCK: Final = 4_000
"""Entries dropped at one block end: above what one block can add (max_gas over the cheapest rule)."""
PLACE_BYTES: Final = 4
"""An entry's place in its minute, from 0, big-endian: a side entry's value is the places where it was appended."""
_START: Final = b64url_encode(bytes(32))


class MinuteRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The leaf of one minute: how many entries, and digest = SHA-256(previous ‖ entry), from zeros."""

    count: int
    digest: str


REPLAYS: Final = Table("replay", "minute", MinuteRecord)
QUOTAS: Final = Table("quota", "minute", MinuteRecord)


def is_replayed(state: Reader, exp_s: int, tx_key: bytes) -> bool:
    """Whether this payload was recorded before; its expiry says under which minute."""
    return state.get("~replay", minute_id(exp_s) + tx_key) is not None


def record_replay(state: Overlay, exp_s: int, tx_key: bytes) -> None:
    """Remember the payload until its expiry minute is over."""
    sequence = _append(state, REPLAYS, exp_s, tx_key)
    state.put("~replay", minute_id(exp_s) + tx_key, sequence.to_bytes(PLACE_BYTES, "big"))


def get_count(state: Reader, now_s: int, kid: str) -> int:
    """Transactions of this key in the present minute."""
    return len(_places(state, now_s, kid)) // PLACE_BYTES


def count_one(state: Overlay, now_s: int, kid: str) -> None:
    """Charge one transaction to this key.

    The entry keeps the places of its charges in the minute, so that whoever gets the entries from elsewhere can
    compute the leaf's rolling hash again.
    """
    places = _places(state, now_s, kid)
    place = _append(state, QUOTAS, now_s, kid.encode()).to_bytes(PLACE_BYTES, "big")
    state.put("~quota", minute_id(now_s) + kid.encode(), places + place)


def _places(state: Reader, now_s: int, kid: str) -> bytes:
    return state.get("~quota", minute_id(now_s) + kid.encode()) or b""


def drop_past_minutes(state: Overlay, now_s: int) -> None:
    """Forget minutes that are over: nothing in them can be replayed or counted any more."""
    _drop(state, REPLAYS, minute_id(now_s))
    _drop(state, QUOTAS, minute_id(now_s))


def minute_id(at_s: int) -> bytes:
    """How the minute of a unix time is named; minutes sort as time does."""
    return (max(at_s, 0) // MINUTE_S).to_bytes(8, "big")


def _append(state: Overlay, table: Table[MinuteRecord], at_s: int, entry: bytes) -> int:
    """Extend the minute's rolling hash; returns the entry's place, from 0."""
    leaf = table.get(state, minute_id(at_s)) or MinuteRecord(0, _START)
    digest = sha256(b64url_decode(leaf.digest) + entry).digest()
    table.put(state, minute_id(at_s), MinuteRecord(leaf.count + 1, b64url_encode(digest)))
    return leaf.count


def check_entries(state: Reader, side: str, minute: bytes) -> bool:
    """Whether the entries beside the tree are all that one minute's leaf counts, and give its rolling hash."""
    table = REPLAYS if side == "~replay" else QUOTAS
    leaf = table.get(state, minute)
    entries: dict[int, bytes] = {}
    count = 0
    for rid, places in state.scan(side, minute, _after(minute)):
        if not places or len(places) % PLACE_BYTES:
            return False
        for at in range(0, len(places), PLACE_BYTES):
            entries[int.from_bytes(places[at : at + PLACE_BYTES], "big")] = rid[len(minute) :]
            count += 1
    if leaf is None or not leaf.count == count == len(entries):
        return False
    digest = bytes(32)
    for place in range(count):
        if place not in entries:
            return False
        digest = sha256(digest + entries[place]).digest()
    return b64url_encode(digest) == leaf.digest


def _after(minute: bytes) -> bytes | None:
    """The id that ends a minute's entries; None for the last of all, which only a liar names."""
    following = int.from_bytes(minute, "big") + 1
    return following.to_bytes(8, "big") if following < 2**64 else None


def _drop(state: Overlay, table: Table[MinuteRecord], present: bytes) -> None:
    """Drop entries older than the present minute; a leaf goes with its last entry."""
    side = SIDE_PREFIX + table.namespace
    gone = list(islice(state.scan(side, stop=present), DROPPED_PER_BLOCK + 1))
    for entry_id, _ in gone[:DROPPED_PER_BLOCK]:
        state.put(side, entry_id, None)
    kept_from = gone[DROPPED_PER_BLOCK][0][:8] if len(gone) > DROPPED_PER_BLOCK else present
    for minute, _ in list(table.scan(state, stop=kept_from)):
        table.delete(state, minute)
