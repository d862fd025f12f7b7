"""Real files and a real map: killed processes, a damaged data file, a full map, forks."""

import os
import random
from dataclasses import dataclass

import lmdb
import pytest

from chain.store.errors import StoreCorrupted, StoreError, StoreFailed, StoreFull
from chain.store.kv import Batch, LmdbStore
from tests.durability.real import count_points, in_child, kill_at, kill_at_any_moment, live, prepare

SAMPLE = 17
"""One kill of so many is made here; `make crash` makes all."""


@pytest.mark.parametrize("has_own_store", [False, True], ids=["shared store", "split store"])
def test_a_process_killed_at_any_write_goes_on_by_itself(has_own_store, tmp_path):
    total = count_points(tmp_path / "whole", has_own_store=has_own_store)
    assert total > 30
    for number in range(1 + has_own_store, total + 1, SAMPLE):
        home, is_after = tmp_path / str(number), number % 2 == 0
        assert kill_at(home, number, is_after=is_after, has_own_store=has_own_store) == []


def test_a_process_killed_at_any_moment_goes_on_by_itself(tmp_path):
    chance = random.Random(5)
    for number in range(2):
        assert kill_at_any_moment(tmp_path / str(number), chance, has_own_store=False) == []


def batch(**rows: bytes) -> Batch:
    made = Batch()
    for key, value in rows.items():
        made.put(key.encode(), value)
    return made


def test_the_map_grows_between_transactions_and_stops_at_its_limit_with_a_code(tmp_path):
    store = LmdbStore(tmp_path, map_bytes=1 << 16, map_max_bytes=1 << 18)
    store.write(batch(a=b"x" * 40_000))
    store.write(batch(b=b"y" * 80_000))
    with pytest.raises(StoreFull) as full:
        store.write(batch(c=b"z" * 300_000))
    assert full.value.code == "store_full"
    assert store.get(b"a") == b"x" * 40_000
    assert store.get(b"c") is None
    store.close()
    again = LmdbStore(tmp_path, map_bytes=1 << 16, map_max_bytes=1 << 20)
    assert again.get(b"b") == b"y" * 80_000
    again.write(batch(c=b"z" * 300_000))
    again.close()


def test_a_killed_reader_leaves_no_slot_behind(tmp_path):
    """A reader that pins old pages for ever would make the file grow for ever."""
    LmdbStore(tmp_path).close()

    def reads_and_dies() -> list[str]:
        env = lmdb.open(str(tmp_path), max_readers=64)
        env.begin()
        os.kill(os.getpid(), 9)
        return []

    in_child(reads_and_dies)
    store = LmdbStore(tmp_path)
    assert store._env.reader_check() == 0, "opening had cleared it"
    store.close()


def test_a_map_opened_before_a_fork_takes_no_write_after_it(tmp_path):
    store = LmdbStore(tmp_path)

    def writes() -> list[str]:
        store.write(batch(a=b"1"))
        return []

    _, text = in_child(writes)
    assert "opened before a fork" in text
    store.write(batch(a=b"2"))
    store.close()


def test_after_a_failed_commit_the_store_takes_nothing_more(tmp_path, monkeypatch):
    store = LmdbStore(tmp_path)
    real = store._apply

    def fails(_batch: Batch) -> None:
        raise lmdb.Error("mdb_txn_commit: Input/output error")

    monkeypatch.setattr(store, "_apply", fails)
    with pytest.raises(StoreFailed) as failed:
        store.write(batch(a=b"1"))
    assert failed.value.code == "store_io"
    monkeypatch.setattr(store, "_apply", real)
    with pytest.raises(StoreFailed):
        store.write(batch(a=b"1"))
    store.close()


def test_a_file_that_is_no_map_is_refused_with_a_code(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"not a map" * 2_000)
    with pytest.raises(StoreCorrupted):
        LmdbStore(tmp_path)


# ── flipped bytes ────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Flips:
    same: int = 0
    refused: int = 0
    died: int = 0
    wrong: int = 0


def test_no_flipped_byte_of_the_map_is_taken_for_data(tmp_path):
    """Each flip ends in the same chain, or in a refusal; a page that LMDB cannot walk may end the process."""
    home = prepare(tmp_path / "home")
    assert in_child(lambda: live(home, has_own_store=False)) == (0, "")
    path = home / "data" / "chain.lmdb" / "data.mdb"
    whole = path.read_bytes()
    used = len(whole.rstrip(b"\0"))
    flips = Flips()
    for offset in range(64, used, max(1, used // 36)):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        status, text = in_child(lambda: live(home, has_own_store=False))
        if status == 0:
            flips.same += 1
        elif os.WIFSIGNALED(status):
            flips.died += 1
        elif is_refusal(text):
            flips.refused += 1
        else:
            flips.wrong += 1
            print(offset, text)
    assert flips.wrong == 0, flips
    assert flips.refused > 0, flips
    assert flips.died <= 3, flips


def is_refusal(text: str) -> bool:
    """A coded error of ours, and no other violation."""
    coded = ("StoreCorrupted", "StoreFailed", "HandshakeRefused", "SignerRefused", "NodeError")
    return any(f"{name}(" in text or f"errors.{name}" in text for name in coded) and not any(
        line.startswith(("S1", "S3", "S4")) for line in text.splitlines()
    )


def test_every_error_of_the_store_has_a_code_of_its_own():
    codes = [kind.code for kind in StoreError.__subclasses__()]
    assert len(set(codes)) == len(codes)
