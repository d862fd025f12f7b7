"""Per-minute logs: bounded sweeping, bounded history, rolling hashes that name every entry in order."""

from hashlib import sha256

from chain.codec.canonical import b64url_decode
from chain.town import engine, rolling
from chain.town.context import Overlay
from chain.town.engine import HISTORY
from tests.town.town_kit import MemoryStateStore, key, make_town


def test_the_leaf_is_the_rolling_hash_of_its_entries_in_order():
    state = Overlay(MemoryStateStore())
    keys = [sha256(bytes([n])).digest() for n in range(3)]
    digest = bytes(32)
    for tx_key in keys:
        assert not rolling.is_replayed(state, 125, tx_key)
        rolling.record_replay(state, 125, tx_key)
        assert rolling.is_replayed(state, 125, tx_key)
        digest = sha256(digest + tx_key).digest()
    leaf = rolling.REPLAYS.get(state, (2).to_bytes(8, "big"))
    assert (leaf.count, b64url_decode(leaf.digest)) == (3, digest)
    order = {rid[8:]: int.from_bytes(rec, "big") for rid, rec in state.scan("~replay")}
    assert order == {tx_key: place for place, tx_key in enumerate(keys)}


def test_a_block_sweeps_a_bounded_number_of_entries_and_a_leaf_goes_with_its_last(monkeypatch):
    monkeypatch.setattr(rolling, "DROPPED_PER_BLOCK", 3)
    state = Overlay(MemoryStateStore())
    for minute in (0, 1):
        for n in range(4):
            rolling.record_replay(state, minute * 60, sha256(bytes([minute, n])).digest())
    left = []
    for _ in range(4):
        rolling.drop_past_minutes(state, 120)
        leaves = len(list(rolling.REPLAYS.scan(state)))
        left.append((len(list(state.scan("~replay"))), leaves))
    assert left == [(5, 2), (2, 1), (0, 0), (0, 0)]


def test_the_present_minute_is_never_swept():
    state = Overlay(MemoryStateStore())
    rolling.record_replay(state, 179, bytes(32))
    rolling.drop_past_minutes(state, 179)
    assert rolling.is_replayed(state, 179, bytes(32))
    rolling.drop_past_minutes(state, 180)
    assert not rolling.is_replayed(state, 179, bytes(32))


def test_a_long_idle_time_is_written_to_history_in_parts(monkeypatch):
    monkeypatch.setattr(engine, "HISTORY_MAX_HASHES", 4)
    town = make_town()
    town.idle(6)
    town.run(town.open_tx(key("a")))
    town.run(town.open_tx(key("b")))
    records = [record for _, record in HISTORY.scan(town.reader)]
    assert [(r.start, len(r.hashes)) for r in records] == [(1, 4), (5, 3)]
