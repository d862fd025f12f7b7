"""Map, blocks, application rows, sets and index: on LMDB and in memory alike."""

from dataclasses import replace

import pytest

from chain.node.executor import name_block
from chain.store.app import LmdbStateStore
from chain.store.errors import StoreCorrupted, StoreFull
from chain.store.index import EventIndex
from chain.store.kv import Batch, LmdbStore, MemoryStore, prefix_end, seal
from chain.store.state import ChainStateStore
from chain.town.ports import StateVersion
from chain.types.abci import Event, EventAttribute, ExecTxResult, ResponseFinalizeBlock
from chain.types.block import Data
from chain.types.validator import increment_proposer_priority
from tests.node.virtual import start_cluster, start_one


@pytest.fixture(params=["lmdb", "memory"])
def kv(request, tmp_path):
    store = (
        LmdbStore(tmp_path / "db", map_bytes=1 << 20) if request.param == "lmdb" else MemoryStore()
    )
    yield store
    store.close()


def put(kv, **rows):
    batch = Batch()
    for key, value in rows.items():
        batch.put(key.encode(), value)
    kv.write(batch)


def test_a_batch_is_read_back_in_order_both_ways(kv):
    batch = Batch()
    for n in range(1_000):
        batch.put(b"k%04d" % n, b"%d" % n)
    kv.write(batch)
    assert [k for k, _ in kv.scan(b"k0100", b"k0110")] == [b"k%04d" % n for n in range(100, 110)]
    assert [k for k, _ in kv.scan(b"k", b"k9", reverse=True)] == [
        b"k%04d" % n for n in range(999, -1, -1)
    ]
    assert len(list(kv.scan(b"", None))) == 1_000


def test_deleting_and_overwriting_in_one_batch(kv):
    put(kv, a=b"1", b=b"2")
    batch = Batch()
    batch.delete(b"a")
    batch.delete(b"absent")
    batch.put(b"b", b"3")
    kv.write(batch)
    assert list(kv.scan(b"", None)) == [(b"b", b"3")]


def test_the_map_grows_up_to_its_limit_and_a_refused_batch_leaves_nothing(tmp_path):
    kv = LmdbStore(tmp_path / "db", map_bytes=1 << 16, map_max_bytes=1 << 20)
    put(kv, first=b"x" * 300_000)
    assert kv.get(b"first") == b"x" * 300_000
    with pytest.raises(StoreFull):
        put(kv, second=b"y" * 2_000_000, third=b"z")
    assert kv.get(b"third") is None
    kv.close()


def test_a_value_that_changed_on_disk_or_under_another_key_is_noticed(tmp_path):
    kv = LmdbStore(tmp_path / "db", map_bytes=1 << 20)
    put(kv, good=b"value")
    with kv._env.begin(write=True) as txn:
        txn.put(b"flipped", seal(b"flipped", b"value")[:-1] + b"?")
        txn.put(b"moved", seal(b"good", b"value"))
    for key in (b"flipped", b"moved"):
        with pytest.raises(StoreCorrupted):
            kv.get(key)
    assert kv.get(b"good") == b"value"
    kv.close()


def test_prefix_end_covers_every_key_with_the_prefix():
    assert prefix_end(b"ab") == b"ac"
    assert prefix_end(b"a\xff") == b"b"
    assert prefix_end(b"\xff") is None


def version(height, *changes, undo=()):
    return StateVersion(
        height, bytes([height]) * 32, tuple(changes), tuple(undo), {"m": b"%d" % height}
    )


def test_application_rows_join_the_block_batch_and_are_seen_before_it_is_durable(kv):
    store = LmdbStateStore(kv, shared=True)
    store.save(version(1, ("a", b"x", b"1"), ("b", b"y", b"2")))
    assert kv.get(b"Aa\0x") is None
    assert store.get("a", b"x") == b"1"
    assert store.load_version() == (1, b"\x01" * 32)
    assert store.namespaces() == ("a", "b")
    batch = Batch()
    store.join(batch)
    kv.write(batch)
    store.settle()
    assert LmdbStateStore(kv, shared=True).get("b", b"y") == b"2"


def test_scans_merge_staged_rows_and_stay_in_their_namespace(kv):
    store = LmdbStateStore(kv, shared=False)
    store.save(version(1, ("a", b"1", b"x"), ("a", b"2", b"y"), ("ab", b"1", b"z")))
    shared = LmdbStateStore(kv, shared=True)
    shared.save(version(2, ("a", b"1", None), ("a", b"3", b"w")))
    assert list(shared.scan("a")) == [(b"2", b"y"), (b"3", b"w")]
    assert list(shared.scan("a", b"3")) == [(b"3", b"w")]
    assert list(shared.scan("ab")) == [(b"1", b"z")]


def test_a_namespace_that_lost_its_last_record_is_gone(kv):
    store = LmdbStateStore(kv, shared=False)
    store.save(version(1, ("a", b"1", b"x"), ("b", b"1", b"y")))
    store.save(version(2, ("a", b"1", None)))
    assert store.namespaces() == ("b",)


def test_the_last_128_undo_lists_are_kept(kv):
    store = LmdbStateStore(kv, shared=False)
    for height in range(1, 140):
        store.save(replace(version(1), height=height, undo=(("a", b"%d" % height, None),)))
    assert store.load_undo(139) == (("a", b"139", None),)
    assert store.load_undo(12) == (("a", b"12", None),)
    assert store.load_undo(11) is None
    assert store.load_meta("m") == b"1"


def test_blocks_are_found_by_height_and_hash_with_their_commit():
    time, node = start_one()
    time.run(1)
    node.pool.add(b"a=1")
    time.run(1)
    blocks = node.stores.blocks
    stored = blocks.load(2)
    assert blocks.height_of_hash(stored.block_id.hash) == 2
    assert name_block(stored.block).block_id == stored.block_id
    commit, is_canonical = blocks.load_commit(2)
    assert is_canonical
    assert commit == blocks.load(3).block.last_commit
    assert blocks.load_commit(3)[1] is False
    assert blocks.load(4) is None
    assert (blocks.base(), blocks.height()) == (1, 3)


def test_past_validator_sets_are_rotated_from_sparse_rows():
    time, network = start_cluster(4)
    node = network.nodes[0]
    time.run(400)
    states = ChainStateStore(node.disk.kv)
    expected = states.load_validators(1)
    for height in range(2, node.height + 2):
        expected = increment_proposer_priority(expected, 1)
        assert states.load_validators(height) == expected
    assert states.load_validators(node.height + 1) == node.host.state.validators
    assert sum(key[:1] == b"V" for key in node.disk.kv.rows) == 2


def test_a_validator_change_takes_effect_two_heights_later_and_is_stored():
    from tests.node.virtual import derive_public, seed_of

    time, node = start_one()
    time.run(1)
    newcomer = derive_public(seed_of(9))
    node.pool.add(b"val:%s=1" % newcomer.hex().encode())
    time.run(1)
    changed_at = 2
    states = node.stores.states
    keys = [{v.pub_key for v in states.load_validators(h).validators} for h in (3, 4)]
    assert newcomer not in keys[0]
    assert newcomer in keys[1]
    assert node.host.state.last_height_validators_changed == changed_at + 2


def test_events_are_found_by_value_by_key_and_when_long(kv):
    index = EventIndex(kv)
    time, node = start_one()
    time.run(1)
    long = "v" * 400
    events = (
        Event("app", (EventAttribute("key", "a"), EventAttribute("hidden", "h", index=False))),
        Event("app", (EventAttribute("key", "a\0b"), EventAttribute("text", long))),
    )
    block = replace(node.stores.blocks.load(1).block, data=Data((b"t",)))
    responses = ResponseFinalizeBlock(events[:1], (ExecTxResult(events=events),))
    batch = Batch()
    index.stage(batch, block, responses)
    kv.write(batch)
    assert list(index.tx_event_rows("app.key", "a")) == [("a", 1, 0)]
    assert sorted(index.tx_event_rows("app.key")) == [("a", 1, 0), ("a\0b", 1, 0)]
    assert list(index.tx_event_rows("app.text", long)) == [(long, 1, 0)]
    assert list(index.tx_event_rows("app.text")) == [(long, 1, 0)]
    assert list(index.tx_event_rows("app.hidden")) == []
    assert list(index.block_event_rows("app.key", "a")) == [("a", 1, 0)]
