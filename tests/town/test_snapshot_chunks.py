"""Snapshots: a restored town is the town, chunks prove themselves, and a liar gets nowhere."""

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256

import msgspec
import pytest

from chain.store.files import DiskFolder, MemoryFolder
from chain.store.snapshots import FolderSnapshots
from chain.town import rolling, snapshot_chunks
from chain.town.application import StoreReader, TownApplication
from chain.town.rolling import SIDE_PREFIX
from chain.town.snapshot import dump_state, view_state
from chain.town.snapshot_chunks import (
    BadSnapshot,
    Dump,
    check_side,
    decode_manifest,
    dump_chunks,
    encode_manifest,
    load_chunks,
)
from chain.town.snapshot_desk import SnapshotPolicy
from chain.types.abci import CommitInfo, RequestFinalizeBlock, RequestInfo, RequestQuery, Snapshot
from chain.types.messages import (
    ApplySnapshotChunkResult,
    OfferSnapshotResult,
    RequestApplySnapshotChunk,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
)
from tests.hash_seeds import print_under_two_hash_seeds
from tests.town.test_differential import Copies, Node
from tests.town.town_kit import DAY_S, MemoryStateStore, Town, key, make_town


def dump_of(node: Node | Town) -> Dump:
    store = node.store
    version = store.load_version()
    assert version is not None
    time_ns = int(store.load_meta("time_ns") or b"0")
    return dump_chunks(StoreReader(store), store.namespaces(), version[0], time_ns)


def restored(dump: Dump, like: Node) -> Node:
    """A node whose store holds nothing but the snapshot."""
    node = Node(like.town)
    node.store = MemoryStateStore()
    node.store.restore(load_chunks(decode_manifest(encode_manifest(dump.manifest)), dump.chunks))
    node.start()
    return node


def all_records(store: MemoryStateStore) -> dict[str, list[tuple[bytes, bytes]]]:
    return {namespace: list(store.scan(namespace)) for namespace in store.namespaces()}


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 2 kB and steps of 8 records, so that a small town has many and its trees are cut."""
    monkeypatch.setattr(snapshot_chunks, "SNAPSHOT_CHUNK_BYTES", 2_000)
    monkeypatch.setattr(snapshot_chunks, "SNAPSHOT_SLICE_RECORDS", 8)


@pytest.mark.parametrize("seed", range(4))
def test_a_restored_town_has_the_same_root_answers_the_same_and_goes_on_the_same(
    seed, small_chunks
):
    copies = Copies(seed)
    for _ in range(12):
        copies.block()
    dump = dump_of(copies.quiet)
    assert len(dump.chunks) > 5
    copy = restored(dump, copies.quiet)
    assert all_records(copy.store) == all_records(copies.quiet.store)
    assert copy.app.info(RequestInfo()) == copies.quiet.app.info(RequestInfo())
    for path in ("/status", "/pending"):
        assert copy.app.query(RequestQuery(b"", path)) == copies.quiet.app.query(
            RequestQuery(b"", path)
        )
    for namespace in copies.quiet.store.namespaces():
        if namespace.startswith(SIDE_PREFIX):
            continue
        for rid, _ in [*copies.quiet.store.scan(namespace), (b"nobody", b"")]:
            for kind in ("record", "key"):
                request = RequestQuery(rid, f"/{kind}/{namespace}", 0, True)
                assert copy.app.query(request) == copies.quiet.app.query(request)
    copies.restless = copy  # the differential run compares its every answer from here on
    for _ in range(10):
        copies.block()
    assert copies.accepted > 20


def test_a_replayed_transaction_is_refused_by_a_restored_town():
    town = make_town()
    tx = town.open_tx(key("phone"))
    town.run(tx)
    copy = Town(town.genesis)
    copy.store.restore(load_chunks(*_parts(dump_of(town))))
    copy.app = TownApplication(copy.store, town.clock)
    copy.height = town.height
    assert [r.info for r in copy.run(tx)] == [r.info for r in town.run(tx)] == ["tx_replayed"]
    assert copy.app_hash == town.app_hash


def test_the_records_come_in_the_order_of_every_dump(small_chunks):
    town = busy_town()
    dump = dump_of(town)
    store = town.store
    version = store.load_version()
    assert version is not None
    rows = list(dump_state(view_state(store, version[0])))
    carried = [
        (namespace, rid, record)
        for chunk in dump.chunks
        for namespace, section in msgspec.msgpack.decode(chunk)
        for rid, record in section
    ]
    assert rows == carried


def test_a_snapshot_is_a_function_of_the_state_and_not_of_its_history(small_chunks):
    dumps = set()
    for start in (0, 3):
        town = make_town(validators=4)
        phones = [key(f"phone {n}") for n in range(6)]
        town.run(*[town.open_tx(p) for p in phones])
        for _ in range(start):
            town.restart()
        dump = dump_of(town)
        dumps.add((encode_manifest(dump.manifest), dump.chunks))
    assert len(dumps) == 1


def busy_town(accounts: int = 30) -> Town:
    town = make_town()
    town.run(*[town.open_tx(key(f"phone {n}")) for n in range(accounts)])
    town.idle(3)
    return town


def _parts(dump: Dump):
    return dump.manifest, dump.chunks


# --- liars ---------------------------------------------------------------------------------------


def test_every_changed_byte_of_every_chunk_is_noticed(small_chunks):
    town = busy_town(12)
    dump = dump_of(town)
    rng = random.Random(1)
    for index, chunk in enumerate(dump.chunks):
        for place in rng.sample(range(len(chunk)), 12):
            bent = bytearray(chunk)
            bent[place] ^= 1 << rng.randrange(8)
            chunks = (*dump.chunks[:index], bytes(bent), *dump.chunks[index + 1 :])
            with pytest.raises(BadSnapshot):
                load_chunks(dump.manifest, chunks)


def rewritten(dump: Dump, change) -> Dump:
    """A liar's snapshot: chunks changed, and their hashes in the manifest made to fit."""
    chunks, heads = [], []
    for chunk, head in zip(dump.chunks, dump.manifest.chunks, strict=True):
        sections = [(ns, list(map(tuple, rows))) for ns, rows in msgspec.msgpack.decode(chunk)]
        lied = msgspec.msgpack.encode(change(sections))
        chunks.append(lied)
        heads.append(snapshot_chunks.ChunkHead(sha256(lied).digest(), head.subtrees))
    return Dump(msgspec.structs.replace(dump.manifest, chunks=tuple(heads)), tuple(chunks))


def in_namespace(namespace: str, change):
    return lambda sections: [
        (ns, change(rows) if ns == namespace else rows) for ns, rows in sections
    ]


@pytest.mark.parametrize(
    ("namespace", "change"),
    [
        ("account", lambda rows: [(rid, rec + b" ") for rid, rec in rows]),
        ("account", lambda rows: rows[:-1]),
        ("account", lambda rows: [*rows, (b"account/more", b"{}")]),
        ("account", lambda rows: [*rows, rows[-1]]),
        ("account", lambda rows: rows[::-1]),
        ("~replay", lambda rows: rows[:-1]),
        ("~replay", lambda rows: [(rid, rec[::-1]) for rid, rec in rows]),
        ("~replay", lambda rows: [*rows, (rows[-1][0][:8] + b"\xff" * 32, rows[-1][1])]),
        ("~replay", lambda rows: [*rows, (b"\xff" * 40, b"\0\0\0\0")]),
        ("~quota", lambda rows: [(rid, rec[4:] or rec) for rid, rec in rows]),
        ("~quota", lambda rows: [(rid, rec + rec[:4]) for rid, rec in rows]),
        ("~quota", lambda rows: [(rid, rec[:-1]) for rid, rec in rows]),
        ("~history", lambda rows: rows[:-1]),
        ("~history", lambda rows: rows[1:]),
        ("~history", lambda rows: [(rid, rec[:-1]) for rid, rec in rows]),
    ],
)
def test_a_lie_whose_hashes_were_made_to_fit_is_refused(namespace, change):
    dump = dump_of(busy_town())
    assert load_chunks(*_parts(rewritten(dump, lambda s: s)))
    lied = rewritten(dump, in_namespace(namespace, change))
    assert lied.manifest.app_hash() == dump.manifest.app_hash()
    with pytest.raises(BadSnapshot):
        load_chunks(lied.manifest, lied.chunks)


def test_a_namespace_beside_the_tree_that_nothing_proves_is_refused():
    dump = dump_of(busy_town())
    lied = rewritten(dump, lambda sections: [*sections, ("~zzz", [(b"a", b"b")])])
    with pytest.raises(BadSnapshot):
        load_chunks(lied.manifest, lied.chunks)


def test_quota_entries_moved_from_one_key_to_another_are_refused():
    town = make_town(params={"quota_gateway_per_minute": 30})
    town.run(*[town.open_tx(key(f"phone {n}")) for n in range(4)])

    def moved(rows):
        keys, values = [rid for rid, _ in rows], [rec for _, rec in rows]
        return list(zip(keys, [*values[1:], values[0]], strict=True))

    lied = rewritten(dump_of(town), in_namespace("~quota", moved))
    with pytest.raises(BadSnapshot):
        load_chunks(lied.manifest, lied.chunks)


MANIFEST_LIES = {
    "another format": lambda m: msgspec.structs.replace(m, format=2),
    "height zero": lambda m: msgspec.structs.replace(m, height=0),
    "no chunk": lambda m: msgspec.structs.replace(m, chunks=()),
    "a chunk more": lambda m: msgspec.structs.replace(m, chunks=(*m.chunks, m.chunks[0])),
    "no namespace": lambda m: msgspec.structs.replace(m, namespaces=()),
    "reversed": lambda m: msgspec.structs.replace(m, namespaces=m.namespaces[::-1]),
    "side tree": lambda m: msgspec.structs.replace(
        m, namespaces=(*m.namespaces, ("~x", m.namespaces[0][1]))
    ),
    "short hash": lambda m: msgspec.structs.replace(
        m, chunks=(snapshot_chunks.ChunkHead(b"\0", m.chunks[0].subtrees), *m.chunks[1:])
    ),
    "negative count": lambda m: msgspec.structs.replace(
        m, chunks=(snapshot_chunks.ChunkHead(bytes(32), -1), *m.chunks[1:])
    ),
    "empty trees": lambda m: msgspec.structs.replace(m, namespaces=(("account", ()),)),
}


@pytest.mark.parametrize("lie", MANIFEST_LIES)
def test_a_malformed_manifest_is_refused(lie):
    manifest = dump_of(busy_town(3)).manifest
    with pytest.raises(BadSnapshot):
        decode_manifest(encode_manifest(MANIFEST_LIES[lie](manifest)))


def test_a_manifest_is_read_only_in_its_one_encoding_and_within_its_bound(monkeypatch):
    raw = encode_manifest(dump_of(busy_town(3)).manifest)
    with pytest.raises(BadSnapshot):
        decode_manifest(raw + b"\0")
    with pytest.raises(BadSnapshot):
        decode_manifest(b"\x95\xc1")
    monkeypatch.setattr(snapshot_chunks, "SNAPSHOT_METADATA_MAX_BYTES", len(raw) - 1)
    with pytest.raises(BadSnapshot):
        decode_manifest(raw)


def test_a_changed_subtree_hash_gives_another_app_hash(small_chunks):
    manifest = dump_of(busy_town(12)).manifest
    name, subtrees = manifest.namespaces[0]
    lied = snapshot_chunks.Subtree(subtrees[0].first, bytes(32))
    trees = ((name, (lied, *subtrees[1:])), *manifest.namespaces[1:])
    changed = msgspec.structs.replace(manifest, namespaces=trees)
    assert changed.app_hash() != manifest.app_hash()


# --- as ABCI asks --------------------------------------------------------------------------------


def make_all(town: Town) -> None:
    while town.app.snapshot_step():
        pass


def offering(interval: int = 5, keep: int = 2, *, daily: bool = False):
    town = make_town()
    folder = MemoryFolder()
    town.app.keep_snapshots(FolderSnapshots(folder, keep), SnapshotPolicy(interval, daily))
    return town, folder


def snapshots(town: Town) -> tuple[Snapshot, ...]:
    return town.app.list_snapshots(RequestListSnapshots()).snapshots


def chunk_of(town: Town, offered: Snapshot, index: int) -> bytes:
    request = RequestLoadSnapshotChunk(offered.height, offered.format, index)
    return town.app.load_snapshot_chunk(request).chunk


def fresh(town: Town) -> TownApplication:
    return TownApplication(MemoryStateStore(), town.clock)


def test_snapshots_are_made_at_their_heights_and_the_oldest_goes():
    town, folder = offering()
    for n in range(17):
        town.run(town.open_tx(key(f"phone {n}")))
        make_all(town)
    assert [s.height for s in snapshots(town)] == [15, 10]
    heights = {int(name.split("-")[0]) for name in folder.names()}
    assert heights == {10, 15}


def test_a_snapshot_is_made_with_the_first_block_of_a_day():
    town, _ = offering(interval=0, daily=True)
    town.idle(3)
    town.advance(DAY_S)
    town.idle(3)
    make_all(town)
    assert [s.height for s in snapshots(town)] == [4]


def test_blocks_executed_while_a_snapshot_is_made_do_not_change_it(small_chunks):
    quiet, _ = offering(interval=4)
    busy, _ = offering(interval=4)
    for town in (quiet, busy):
        for n in range(4):
            town.run(*[town.open_tx(key(f"phone {n} {m}")) for m in range(6)])
    make_all(quiet)
    more, number = True, 0
    while more:  # one block with new, changed and dropped records between any two steps
        more = busy.app.snapshot_step()
        busy.run(busy.open_tx(key(f"late {number}")))
        if number % 3 == 0:
            busy.advance(61)
        number += 1
    assert number > 20
    first = [s for s in snapshots(busy) if s.height == 4]
    assert first == list(snapshots(quiet))
    for index in range(first[0].chunks):
        assert chunk_of(busy, first[0], index) == chunk_of(quiet, first[0], index)


def test_a_town_restored_through_abci_goes_on_like_the_one_that_made_the_snapshot(small_chunks):
    town, _ = offering()
    for n in range(5):
        town.run(town.open_tx(key(f"phone {n}")))
    make_all(town)
    offered, app_hash = snapshots(town)[0], town.app_hash
    copy = fresh(town)
    answer = copy.offer_snapshot(RequestOfferSnapshot(offered, app_hash))
    assert answer.result is OfferSnapshotResult.ACCEPT
    for index in range(offered.chunks):
        chunk = chunk_of(town, offered, index)
        assert len(chunk) < 3_000
        applied = copy.apply_snapshot_chunk(RequestApplySnapshotChunk(index, chunk, "peer"))
        assert applied.result is ApplySnapshotChunkResult.ACCEPT
    info = copy.info(RequestInfo())
    assert (info.last_block_height, info.last_block_app_hash) == (5, app_hash)
    request = RequestFinalizeBlock((town.open_tx(key("later")),), *_next_block(town))
    assert copy.finalize_block(request) == town.app.finalize_block(request)


def _next_block(town: Town):
    height = town.height + 1
    return (
        CommitInfo(),
        (),
        town.block_hash(height),
        height,
        town.header_time,
        b"\1" * 32,
        b"\2" * 20,
    )


def test_offers_that_lie_are_refused_before_a_chunk_is_fetched():
    town, _ = offering()
    town.idle(5)
    make_all(town)
    offered = snapshots(town)[0]
    copy = fresh(town)
    lies = {
        "another state": (offered, bytes(32)),
        "another hash": (dataclasses.replace(offered, hash=bytes(32)), town.app_hash),
        "another height": (dataclasses.replace(offered, height=6), town.app_hash),
        "more chunks": (dataclasses.replace(offered, chunks=99), town.app_hash),
        "junk": (
            dataclasses.replace(offered, metadata=b"junk", hash=sha256(b"junk").digest()),
            town.app_hash,
        ),
    }
    for name, (snap, app_hash) in lies.items():
        result = copy.offer_snapshot(RequestOfferSnapshot(snap, app_hash)).result
        assert result is OfferSnapshotResult.REJECT_SENDER, name
    other = dataclasses.replace(offered, format=2)
    result = copy.offer_snapshot(RequestOfferSnapshot(other, town.app_hash)).result
    assert result is OfferSnapshotResult.REJECT_FORMAT
    assert copy.offer_snapshot(RequestOfferSnapshot()).result is OfferSnapshotResult.REJECT


def test_a_lying_chunk_is_refused_its_sender_named_and_the_true_one_taken_after(small_chunks):
    town, _ = offering()
    for n in range(5):
        town.run(town.open_tx(key(f"phone {n}")))
    make_all(town)
    offered = snapshots(town)[0]
    copy = fresh(town)
    copy.offer_snapshot(RequestOfferSnapshot(offered, town.app_hash))
    for index in range(offered.chunks):
        true = chunk_of(town, offered, index)
        for lie in (b"", true[:-1], true + b"\0", chunk_of(town, offered, (index + 1) % 3)):
            if lie == true:
                continue
            answer = copy.apply_snapshot_chunk(RequestApplySnapshotChunk(index, lie, "liar"))
            assert answer.result is ApplySnapshotChunkResult.RETRY
            assert (answer.refetch_chunks, answer.reject_senders) == ((index,), ("liar",))
        copy.apply_snapshot_chunk(RequestApplySnapshotChunk(index, true, "honest"))
    assert copy.info(RequestInfo()).last_block_app_hash == town.app_hash


def test_a_chunk_out_of_turn_or_without_an_offer_aborts():
    town, _ = offering()
    town.idle(5)
    make_all(town)
    offered = snapshots(town)[0]
    copy = fresh(town)
    chunk = chunk_of(town, offered, 0)
    answer = copy.apply_snapshot_chunk(RequestApplySnapshotChunk(0, chunk))
    assert answer.result is ApplySnapshotChunkResult.ABORT
    copy.offer_snapshot(RequestOfferSnapshot(offered, town.app_hash))
    answer = copy.apply_snapshot_chunk(RequestApplySnapshotChunk(1, chunk))
    assert answer.result is ApplySnapshotChunkResult.ABORT


def test_a_chunk_that_rotted_on_the_disk_is_never_handed_out():
    town, folder = offering()
    town.idle(5)
    make_all(town)
    offered = snapshots(town)[0]
    name = f"5-{snapshot_chunks.FORMAT}.0.chunk"
    folder.content[name][10] ^= 1
    assert chunk_of(town, offered, 0) == b""
    assert snapshots(town) == ()


def test_a_crash_while_a_snapshot_is_written_leaves_no_half_of_one(tmp_path, small_chunks):
    town = make_town()
    folder = DiskFolder(tmp_path / "snapshots")
    town.app.keep_snapshots(FolderSnapshots(folder, 2), SnapshotPolicy(2, is_daily=False))
    town.run(*[town.open_tx(key(f"phone {n}")) for n in range(12)])
    town.idle(1)
    while not folder.names():
        town.app.snapshot_step()
    assert FolderSnapshots(folder, 2).list() == ()
    assert folder.names() == ()
    town.idle(2)
    make_all(town)


def test_a_minute_in_the_middle_of_being_dropped_postpones_the_snapshot(monkeypatch):
    monkeypatch.setattr(rolling, "DROPPED_PER_BLOCK", 3)
    town, _ = offering(interval=3)
    town.run(*[town.open_tx(key(f"phone {n}")) for n in range(9)])
    town.advance(700)
    town.run(town.open_tx(key("later")))
    town.idle(1)
    make_all(town)
    assert snapshots(town) == ()
    assert town.app._snapshots is not None
    assert town.app._snapshots.skipped == 1


def test_proving_what_lies_beside_the_tree_does_not_read_all_of_history():
    """It is done between two votes, and a busy year has millions of records there."""
    town = make_town()
    for n in range(90):
        town.run(town.open_tx(key(f"phone {n}")))
    reader = CountingReader(town.store)
    check_side(reader, town.height)
    assert reader.rows["history"] < 20
    town.store._put("~history", town.height.to_bytes(8, "big"), None)
    with pytest.raises(BadSnapshot, match="missing"):
        check_side(CountingReader(town.store), town.height)


class CountingReader(StoreReader):
    """Counts the rows that scans hand out, by namespace."""

    def __init__(self, store: MemoryStateStore) -> None:
        super().__init__(store)
        self.rows: Counter[str] = Counter()

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        for row in super().scan(namespace, start, stop):
            self.rows[namespace] += 1
            yield row


def scripted_digest() -> str:
    """A snapshot made between blocks; for two interpreters to compare."""
    snapshot_chunks.SNAPSHOT_CHUNK_BYTES, snapshot_chunks.SNAPSHOT_SLICE_RECORDS = 2_000, 8
    town, _ = offering(interval=3)
    for n in range(3):
        town.run(*[town.open_tx(key(f"phone {n} {m}")) for m in range(5)])
    while town.app.snapshot_step():
        town.run(town.open_tx(key(f"late {town.height}")))
    snap = next(s for s in snapshots(town) if s.height == 3)
    digest = sha256(snap.metadata)
    for index in range(snap.chunks):
        digest.update(chunk_of(town, snap, index))
    return digest.hexdigest()


def test_two_hash_seeds_make_the_same_snapshot():
    program = (
        "from tests.town.test_snapshot_chunks import scripted_digest; print(scripted_digest())"
    )
    assert len(print_under_two_hash_seeds(program)) == 64
