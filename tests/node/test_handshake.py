"""Every pairing of store, state and application that a crash can leave, reached with a split store."""

import pytest

from chain.node.errors import HandshakeRefused
from chain.store.keys import RESPONSES, height_key
from tests.node.test_host import copy_of
from tests.node.virtual import Disk, VirtualNode, VirtualTime, genesis_doc, start_cluster


def history(split: bool = True) -> tuple[list[Disk], VirtualNode]:
    """Copies of the disk after each durable write of a short run with transactions."""
    time = VirtualTime()
    node = VirtualNode(time, Disk(), genesis_doc(), split=split)
    copies: list[Disk] = [copy_of(node.disk)]
    for store in (node.disk.kv, node.disk.app_kv):
        store.before_write = lambda _batch: copies.append(copy_of(node.disk))
    time.call_later(0, node.host.start)
    for n in range(3):
        time.run(1)
        node.pool.add(b"k%d=v" % n)
    time.run(1)
    copies.append(copy_of(node.disk))
    return copies, node


def heights_of(disk: Disk) -> tuple[int, int, int]:
    from chain.store.app import LmdbStateStore
    from chain.store.blocks import BlockStore
    from chain.store.state import ChainStateStore

    state = ChainStateStore(disk.kv).load()
    version = LmdbStateStore(disk.app_kv, shared=False).load_version()
    return (
        BlockStore(disk.kv).height(),
        state.last_block_height if state else 0,
        version[0] if version else 0,
    )


def test_a_crash_at_any_write_of_a_split_store_is_repaired_to_the_same_chain():
    copies, node = history()
    final_hash = node.host.state.app_hash
    shapes = set()
    for disk in copies:
        s, t, a = heights_of(disk)
        shapes.add((s - t, s - a))
        again_time = VirtualTime()
        again_time.now_s = 10
        again = VirtualNode(again_time, disk, genesis_doc(), split=True)
        state = again.host.state
        assert state.last_block_height == again.stores.blocks.height() == max(s, t)
        again_time.call_later(0, again.host.start)
        again_time.run(5)
        assert heights_of(again.disk)[0] > 0
        if s == node.height:
            assert state.app_hash == final_hash
    assert {(0, 0), (1, 1), (1, 0)} <= shapes


def test_an_application_that_lags_is_replayed_from_where_it_stands():
    """S = T, A < S: also an application that lost everything is born again and replayed."""
    copies, node = history()
    full = copies[-1]
    for donor in copies:
        mixed = copy_of(full)
        mixed.app_kv.rows = dict(donor.app_kv.rows)
        lag = heights_of(mixed)
        again = VirtualNode(VirtualTime(), mixed, genesis_doc(), split=True)
        replayed = [height for event, height in again.notes if event == "replay_block"]
        assert replayed == list(range(lag[2] + 1, lag[0] + 1))
        assert again.app.total.to_bytes(32, "big") == node.host.state.app_hash


def test_state_one_behind_with_an_application_far_behind_replays_then_applies():
    """S = T + 1, A < T."""
    copies, _ = history()
    behind = next(d for d in reversed(copies) if heights_of(d)[0] == heights_of(d)[1] + 1)
    behind.app_kv.rows = {}
    s, t, _ = heights_of(behind)
    again = VirtualNode(VirtualTime(), behind, genesis_doc(), split=True)
    assert [h for e, h in again.notes if e == "replay_block"] == list(range(1, t + 1))
    assert ("apply_block", s) in again.notes
    assert again.host.state.last_block_height == s


def test_the_last_block_is_taken_from_its_saved_answer_when_the_application_has_it():
    """S = T + 1, A = S: the application must not see the block twice."""
    copies, _ = history()
    disk = next(
        d
        for d in copies
        if heights_of(d)[0] == heights_of(d)[1] + 1 and heights_of(d)[2] == heights_of(d)[0]
    )
    height = heights_of(disk)[0]
    again = VirtualNode(VirtualTime(), copy_of(disk), genesis_doc(), split=True)
    assert again.notes == [("apply_saved", height)]
    assert not any(call.startswith("finalize") for call in again.app.calls)
    del disk.kv.rows[height_key(RESPONSES, height)]
    with pytest.raises(HandshakeRefused, match="responses_missing"):
        VirtualNode(VirtualTime(), disk, genesis_doc(), split=True)


def test_a_shared_store_is_always_at_one_height():
    copies, _ = history(split=False)
    for disk in copies:
        disk.app_kv = disk.kv
        s, t, a = heights_of(disk)
        assert s == t == a


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("app_ahead", "app_ahead"),
        ("state_ahead", "state_apart"),
        ("state_behind", "state_apart"),
        ("other_state", "app_hash_differs"),
        ("other_genesis", "genesis_changed"),
    ],
)
def test_copies_from_different_days_are_refused_with_a_code(change, code):
    copies, _ = history()
    full, doc = copy_of(copies[-1]), genesis_doc()
    early = next(d for d in copies if heights_of(d) == (1, 1, 1))
    if change == "app_ahead":
        full.kv.rows = dict(early.kv.rows)
    elif change == "state_ahead":
        state = full.kv.rows[b"S"]
        full = copy_of(early)
        full.kv.rows[b"S"] = state
    elif change == "state_behind":
        full.kv.rows[b"S"] = early.kv.rows[b"S"]
    elif change == "other_state":
        from chain.store.app import LmdbStateStore

        store = LmdbStateStore(full.app_kv, shared=False)
        version = store.load_version()
        from chain.town.ports import StateVersion

        store.save(StateVersion(version[0], b"\x07" * 32))
    else:
        doc = genesis_doc(app_state={"other": 1})
    with pytest.raises(HandshakeRefused) as refused:
        VirtualNode(VirtualTime(), full, doc, split=True)
    assert refused.value.code == code


def test_a_block_damaged_in_the_store_is_noticed_at_start():
    from dataclasses import replace

    from chain.codec.proto import encode
    from chain.store.blocks import _ROW_DECODER, _ROW_ENCODER, _BlockRow
    from chain.store.errors import StoreCorrupted
    from chain.store.keys import BLOCK

    copies, _ = history(split=False)
    disk = copies[-1]
    height = heights_of(disk)[0]
    key = height_key(BLOCK, height)
    row = _ROW_DECODER.decode(disk.kv.rows[key])
    from chain.codec.proto import decode
    from chain.types.block import Block

    block = decode(Block, row.encoded)
    forged = replace(block, header=replace(block.header, app_hash=b"\x01" * 32))
    disk.kv.rows[key] = _ROW_ENCODER.encode(_BlockRow(row.block_id, encode(forged)))
    with pytest.raises(StoreCorrupted):
        VirtualNode(VirtualTime(), disk, genesis_doc())


def test_the_genesis_of_four_validators_gives_everybody_the_same_first_header():
    time, network = start_cluster(4)
    time.run(2)
    assert len({node.stores.blocks.load(1).block_id for node in network.nodes.values()}) == 1


def test_an_application_that_strays_for_one_block_of_the_replay_is_refused(monkeypatch):
    """It may come back to the right hash at the end: what it holds is not what the town agreed on."""
    from dataclasses import replace

    from tests.node.kvstore_app import KvStoreApp

    copies, _ = history()
    disk = copies[-1]
    disk.app_kv.rows = {}
    real = KvStoreApp.finalize_block

    def strays(app, request):
        response = real(app, request)
        return replace(response, app_hash=b"\x05" * 32) if request.height == 2 else response

    monkeypatch.setattr(KvStoreApp, "finalize_block", strays)
    with pytest.raises(HandshakeRefused, match="after replaying block 2"):
        VirtualNode(VirtualTime(), disk, genesis_doc(), split=True)


def test_a_block_damaged_below_the_tip_is_not_replayed():
    from dataclasses import replace

    from chain.codec.proto import decode, encode
    from chain.store.blocks import _ROW_DECODER, _ROW_ENCODER, _BlockRow
    from chain.store.keys import BLOCK
    from chain.types.block import Block

    copies, _ = history()
    disk = copies[-1]
    disk.app_kv.rows = {}
    key = height_key(BLOCK, 1)
    row = _ROW_DECODER.decode(disk.kv.rows[key])
    block = decode(Block, row.encoded)
    forged = replace(block, header=replace(block.header, proposer_address=b"\x01" * 20))
    disk.kv.rows[key] = _ROW_ENCODER.encode(_BlockRow(row.block_id, encode(forged)))
    with pytest.raises(HandshakeRefused, match="block_corrupted"):
        VirtualNode(VirtualTime(), disk, genesis_doc(), split=True)
