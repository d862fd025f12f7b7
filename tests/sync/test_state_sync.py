"""A node joins a town by snapshot: from honest peers, among liars, and after every crash."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest

from chain.codec.hashing import hash_header
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto.ed25519 import sign
from chain.execution.evidence import make_duplicate_vote
from chain.light.client import GenesisRoot, HashRoot
from chain.limits import SNAPSHOT_CHUNKS_MAX, STATESYNC_OFFERS_PER_PEER
from chain.node.executor import name_block
from chain.sync import SyncFailure
from chain.sync.offers import SnapshotOffers
from chain.town.snapshot_chunks import ChunkHead, decode_manifest, encode_manifest
from chain.types.abci import RequestInfo
from chain.types.block import BlockID, PartSetHeader, Vote
from chain.types.messages import (
    BlockResponse,
    ChunkRequest,
    ChunkResponse,
    LightBlockRequest,
    LightBlockResponse,
    ParamsResponse,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    SnapshotsResponse,
    StatesyncMessage,
)
from chain.types.params import BlockParams, ConsensusParams, EvidenceParams
from chain.types.primitives import Height, SignedMsgType
from chain.types.validator import ValidatorSet
from tests.light.sources import resigned
from tests.node.virtual import Disk, VirtualTime
from tests.sync.kit import SEEDS
from tests.sync.state_kit import (
    GrownTown,
    Joiner,
    ServingPeer,
    StateNet,
    changed,
    copy_disk,
    hash_at,
    joining,
    new_town,
    town_of,
)
from tests.town.town_kit import key

TOWN = 34
"""Blocks of the chain; its newest snapshot is of height 30."""
HONEST = {"anna": None, "bruno": None, "chloe": None}


def check_it_is_the_town(joiner: Joiner, town: GrownTown, height: int = 30) -> None:
    """State, application and block as if every block had been executed; then it follows the rest."""
    state = joiner.stores.states.load()
    assert state is not None
    expected = town.states[height]
    assert state == replace(
        expected,
        last_height_validators_changed=state.last_height_validators_changed,
        last_height_consensus_params_changed=height + 1,
        # of the commit's signers no priority matters any more, nor who is stored as their proposer
        last_validators=state.last_validators,
        validators=replace(expected.validators, proposer=state.validators.proposer),
        next_validators=replace(expected.next_validators, proposer=state.next_validators.proposer),
    )
    node = joiner.restart()
    assert node.notes == []  # the handshake had nothing to repair
    assert (node.stores.blocks.base(), node.stores.blocks.height()) == (height, height)
    info = node.app.info(RequestInfo())
    assert (info.last_block_height, info.last_block_app_hash) == (height, expected.app_hash)
    follow(node, town)


def follow(node, town: GrownTown) -> None:
    """Apply the rest of the chain as block sync does, every rule checked."""
    theirs = town.chain.node.stores.blocks
    state = node.host.state
    for height in range(state.last_block_height + 1, theirs.height() + 1):
        stored, commit = theirs.load(height), theirs.load_commit(height)
        assert stored is not None
        assert commit is not None
        built = name_block(stored.block)
        assert node.executor.check(state, built) is None
        assert state.validators.get_proposer() == state.validators.get_proposer()
        state, _ = node.executor.apply(state, built, commit[0])
    assert state.app_hash == town.chain.state.app_hash
    assert state.validators == town.chain.state.validators
    assert state.next_validators == town.chain.state.next_validators


# --- honest peers --------------------------------------------------------------------------------


def test_a_node_joins_by_snapshot_and_follows():
    town = town_of(TOWN)
    _, joiner = joining(town, HONEST)
    joiner.run()
    check_it_is_the_town(joiner, town)
    assert joiner.sync.rejected == []


def test_knowing_only_the_genesis_is_enough():
    town = town_of(TOWN)
    _, joiner = joining(town, HONEST, root=GenesisRoot(town.chain.doc))
    joiner.run()
    check_it_is_the_town(joiner, town)


def test_one_peer_alone_is_enough_when_it_is_honest():
    town = town_of(TOWN)
    _, joiner = joining(town, {"anna": None})
    joiner.run()
    check_it_is_the_town(joiner, town)


def test_chunks_come_from_several_peers():
    town = town_of(TOWN)
    net, joiner = joining(town, HONEST)
    joiner.run()
    asked = [name for name, question in net.asked if isinstance(question, ChunkRequest)]
    assert len(asked) >= 8
    assert set(asked) == set(HONEST)


def test_headers_below_the_snapshot_are_fetched_and_kept_for_evidence():
    town = town_of(TOWN)
    _, joiner = joining(town, HONEST)
    joiner.run()
    ours, theirs = joiner.stores, town.chain.node.stores
    for height in range(1, 30):
        assert ours.blocks.load_signed_header(height) == theirs.blocks.load_signed_header(height)
        kept, known = ours.states.load_validators(height), theirs.states.load_validators(height)
        assert kept is not None
        assert known is not None
        assert [(v.pub_key, v.voting_power) for v in kept.validators] == [
            (v.pub_key, v.voting_power) for v in known.validators
        ]
    assert ours.blocks.load(29) is None


def test_misbehaviour_of_the_days_before_the_snapshot_is_judged():
    town = town_of(TOWN)
    _, joiner = joining(town, HONEST)
    joiner.run()
    node = joiner.restart()
    members = town.chain.node.stores.states.load_validators(12)
    header = town.chain.node.stores.blocks.load_header(12)
    assert members is not None
    assert header is not None
    guilty = members.validators[1]
    votes = []
    for name in (b"one", b"two"):
        block_id = BlockID(sha256(name).digest(), PartSetHeader(1, sha256(name).digest()))
        bare = Vote(SignedMsgType.PREVOTE, 12, 0, block_id, header.time, guilty.address, 1)
        message = vote_sign_bytes(town.chain.doc.chain_id, bare)
        votes.append(replace(bare, signature=sign(SEEDS[guilty.address], message)))
    evidence = make_duplicate_vote(votes[0], votes[1], header.time, members)
    assert evidence is not None
    assert node.evidence.submit(node.host.state, evidence) is None
    assert node.stores.blocks.load(12) is None


def test_headers_that_evidence_cannot_name_any_more_are_not_fetched():
    young = ConsensusParams(evidence=EvidenceParams(5, 5 * 10**9))
    town = new_town(consensus_params=young)
    town.grow(24, lambda h: (town.kit.open_tx(key(f"phone {h}")),))
    _, joiner = joining(town, HONEST, trust=19)
    joiner.run()
    blocks = joiner.stores.blocks
    assert [h for h in range(1, 20) if blocks.load_signed_header(h)] == list(range(14, 20))


def test_headers_that_prove_what_the_state_holds_of_finished_blocks_are_fetched_however_old():
    young = ConsensusParams(evidence=EvidenceParams(5, 5 * 10**9))
    town = new_town(consensus_params=young)
    town.grow(24, lambda h: (town.kit.open_tx(key("phone")),) if h == 4 else ())
    _, joiner = joining(town, HONEST, trust=19)
    joiner.run()
    check_it_is_the_town(joiner, town, 20)
    blocks = joiner.stores.blocks
    assert [h for h in range(1, 20) if blocks.load_signed_header(h)] == list(range(4, 20))


def test_the_snapshot_of_the_newest_block_waits_for_the_headers_that_prove_it():
    town = new_town()
    town.grow(10)
    net, joiner = joining(town, HONEST)
    net.time.run(30)
    assert not joiner.is_done
    town.grow(2)
    joiner.run(200)
    check_it_is_the_town(joiner, town, 10)


# --- liars ---------------------------------------------------------------------------------------


def bent(chunk: bytes) -> bytes:
    return chunk[:5] + bytes([chunk[5] ^ 1]) + chunk[6:]


def false_manifest(offered: SnapshotsResponse) -> SnapshotsResponse:
    """Another state in a snapshot that is consistent in itself."""
    manifest = decode_manifest(offered.metadata)
    name, subtrees = manifest.namespaces[0]
    lied = msgspec.structs.replace(subtrees[0], hash=bytes(32))
    trees = ((name, (lied, *subtrees[1:])), *manifest.namespaces[1:])
    raw = encode_manifest(msgspec.structs.replace(manifest, namespaces=trees))
    return replace(offered, metadata=raw, hash=sha256(raw).digest())


def forged_header(response: LightBlockResponse) -> LightBlockResponse:
    """A header of another state, which only a third of nobody signed."""
    block = response.light_block
    if block is None or block.signed_header.header.height < 20:
        return response
    header = replace(block.signed_header.header, app_hash=b"\7" * 32)
    return LightBlockResponse(
        replace(block, signed_header=replace(block.signed_header, header=header))
    )


def shuffled_priorities(response: LightBlockResponse) -> LightBlockResponse:
    block = response.light_block
    if block is None:
        return response
    members = block.validator_set.validators
    turned = tuple(
        replace(member, proposer_priority=other.proposer_priority)
        for member, other in zip(members, (*members[1:], members[0]), strict=True)
    )
    return LightBlockResponse(replace(block, validator_set=ValidatorSet(turned)))


LIES = {
    "a chunk with a bit flipped": changed(
        ChunkResponse, lambda c: replace(c, chunk=bent(c.chunk)) if c.index == 1 else c
    ),
    "every chunk bent": changed(ChunkResponse, lambda c: replace(c, chunk=bent(c.chunk))),
    "truncated chunks": changed(ChunkResponse, lambda c: replace(c, chunk=c.chunk[:-1])),
    "a chunk that is missing and there": changed(ChunkResponse, lambda c: replace(c, missing=True)),
    "a snapshot of another state": changed(SnapshotsResponse, false_manifest),
    "a hash that is not the manifest's": changed(
        SnapshotsResponse, lambda s: replace(s, hash=bytes(32))
    ),
    "a snapshot of a height that nobody has": changed(
        SnapshotsResponse, lambda s: replace(s, height=33)
    ),
    "junk for a manifest": changed(SnapshotsResponse, lambda s: replace(s, metadata=b"junk")),
    "more chunks than anybody may have": changed(
        SnapshotsResponse, lambda s: replace(s, chunks=SNAPSHOT_CHUNKS_MAX + 1)
    ),
    "metadata without bound": changed(
        SnapshotsResponse, lambda s: replace(s, metadata=bytes(3_000_000))
    ),
    "parameters that no header proves": changed(
        ParamsResponse,
        lambda p: replace(
            p, consensus_params=replace(p.consensus_params, block=BlockParams(1 << 40, 7))
        ),
    ),
    "another block": changed(
        BlockResponse,
        lambda b: replace(b, block=replace(b.block, data=replace(b.block.data, txs=(b"x",)))),
    ),
}
"""What a liar changes, and is dropped for."""


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("liar", ["aaron", "zoe"])
def test_one_liar_among_three_is_dropped_and_the_sync_ends(lie, liar):
    town = town_of(TOWN)
    net, joiner = joining(town, {liar: LIES[lie], "bruno": None, "chloe": None})
    joiner.run(300)
    check_it_is_the_town(joiner, town)
    named = {name for name, _ in joiner.sync.rejected}
    assert named <= {liar}
    if lie not in NEVER_MET:
        assert named == {liar}
        assert {name for name, _ in net.dropped} == {liar}


NEVER_MET = (
    # The snapshot of two honest peers comes first, and what another peer was asked is not the liar's to change.
    "a snapshot of another state",
    "a hash that is not the manifest's",
    "junk for a manifest",
    "a chunk with a bit flipped",
    "parameters that no header proves",
    "another block",
)


@pytest.mark.parametrize("lie", [*NEVER_MET[:3], *NEVER_MET[4:]])
def test_two_liars_that_come_first_do_not_outvote_an_honest_peer(lie):
    town = town_of(TOWN)
    trick = LIES[lie]
    _, joiner = joining(town, {"aaron": trick, "abel": trick, "chloe": None})
    joiner.run(300)
    check_it_is_the_town(joiner, town)
    assert {name for name, _ in joiner.sync.rejected} == {"aaron", "abel"}


QUIET_LIES = {
    "headers of another state": changed(LightBlockResponse, forged_header),
    "no light block at all": changed(LightBlockResponse, lambda _r: LightBlockResponse(None)),
    "light blocks never answered": changed(LightBlockResponse, lambda _r: None),
    "chunks never answered": changed(ChunkResponse, lambda _c: None),
    "chunks it says it does not have": changed(
        ChunkResponse, lambda c: replace(c, chunk=b"", missing=True)
    ),
    "blocks never answered": changed(BlockResponse, lambda _b: None),
    "parameters never answered": changed(ParamsResponse, lambda _p: None),
    "another rotation of proposers": changed(LightBlockResponse, shuffled_priorities),
    "no offers": changed(SnapshotsResponse, lambda _s: None),
}
"""Silence, or lies that the light client simply does not believe."""


@pytest.mark.parametrize("lie", QUIET_LIES)
@pytest.mark.parametrize("liar", ["aaron", "zoe"])
def test_one_peer_that_stalls_or_is_not_believed_does_not_stop_the_sync(lie, liar):
    town = town_of(TOWN)
    _, joiner = joining(town, {liar: QUIET_LIES[lie], "bruno": None, "chloe": None})
    joiner.run(300)
    check_it_is_the_town(joiner, town)


def test_a_rotation_of_proposers_that_one_peer_of_three_tells_while_the_others_are_silent_is_not_taken():
    town = town_of(TOWN)
    told: Counter[tuple[str, int]] = Counter()

    def once(name: str) -> Callable[[LightBlockResponse], LightBlockResponse | None]:
        """Silent when asked again for a header, as a busy node is; later it answers."""

        def answer(response: LightBlockResponse) -> LightBlockResponse | None:
            block = response.light_block
            height = 0 if block is None else block.signed_header.header.height
            told[name, height] += 1
            return None if height > 30 and told[name, height] == 2 else response

        return answer

    tricks = {name: changed(LightBlockResponse, once(name)) for name in ("anna", "bruno")}
    liar = changed(LightBlockResponse, shuffled_priorities)
    _, joiner = joining(town, {**tricks, "zoe": liar})
    joiner.run(300)
    assert told["anna", 31] == told["bruno", 31] == 2
    check_it_is_the_town(joiner, town, 20)  # the one at 30 waits, the next best is there


def test_no_addresses_of_validators_come_into_the_state_that_a_peer_made_up_when_asked_again():
    town = town_of(TOWN)
    told: Counter[Height] = Counter()

    def renamed_the_second_time(response: LightBlockResponse) -> LightBlockResponse:
        block = response.light_block
        assert block is not None
        height = block.signed_header.header.height
        told[height] += 1
        if height != 31 or told[height] != 2:
            return response
        members = tuple(replace(m, address=b"\7" * 20) for m in block.validator_set.validators)
        return LightBlockResponse(replace(block, validator_set=ValidatorSet(members)))

    _, joiner = joining(town, {"anna": changed(LightBlockResponse, renamed_the_second_time)})
    joiner.run(300)
    assert told[31] >= 2
    check_it_is_the_town(joiner, town, 20)  # the one at 30 waits, the next best is there


def old_header_forged(response: LightBlockResponse) -> LightBlockResponse:
    block = response.light_block
    if block is None or not 8 <= block.signed_header.header.height <= 20:
        return response
    header = replace(block.signed_header.header, app_hash=b"\7" * 32)
    return LightBlockResponse(resigned(header, block.validator_set))


def old_commit_forged(response: LightBlockResponse) -> LightBlockResponse:
    block = response.light_block
    if block is None or not 8 <= block.signed_header.header.height <= 20:
        return response
    return LightBlockResponse(resigned(block.signed_header.header, block.validator_set))


def old_commit_of(round_: int, parts: bytes | None = None) -> Callable[..., LightBlockResponse]:
    """The true signatures under another round or another part hash: what hashes of commits do not cover."""

    def forge(response: LightBlockResponse) -> LightBlockResponse:
        block = response.light_block
        if block is None or not 8 <= block.signed_header.header.height <= 20:
            return response
        commit = block.signed_header.commit
        named = commit.block_id.part_set_header
        block_id = replace(
            commit.block_id, part_set_header=replace(named, hash=parts or named.hash)
        )
        changed_commit = replace(commit, round=round_, block_id=block_id)
        signed = replace(block.signed_header, commit=changed_commit)
        return LightBlockResponse(replace(block, signed_header=signed))

    return forge


@pytest.mark.parametrize(
    "forge",
    [old_header_forged, old_commit_forged, old_commit_of(3), old_commit_of(0, b"\7" * 32)],
    ids=["header", "commit", "round", "parts"],
)
def test_a_header_or_commit_of_the_days_before_that_is_not_the_chains_is_refused(forge):
    town = town_of(TOWN)
    liar = changed(LightBlockResponse, forge)
    _, joiner = joining(town, {"aaron": liar, "bruno": None, "chloe": None}, trust=29)
    joiner.run(300)
    assert {name for name, _ in joiner.sync.rejected} == {"aaron"}
    theirs = town.chain.node.stores.blocks
    for height in range(1, 30):
        kept = joiner.stores.blocks.load_signed_header(height)
        assert kept == theirs.load_signed_header(height)


def test_trust_above_the_snapshot_does_not_make_a_false_commit_of_its_block_good():
    """Downwards the header above proves the header, not the block id that the node begins with."""

    def forge(response: LightBlockResponse) -> LightBlockResponse:
        block = response.light_block
        if block is None or block.signed_header.header.height != 30:
            return response
        commit = block.signed_header.commit
        parts = replace(commit.block_id.part_set_header, hash=b"\7" * 32)
        commit = replace(commit, block_id=replace(commit.block_id, part_set_header=parts))
        signed = replace(block.signed_header, commit=commit)
        return LightBlockResponse(replace(block, signed_header=signed))

    town = town_of(TOWN)
    liar = changed(LightBlockResponse, forge)
    _, joiner = joining(town, {"aaron": liar, "bruno": None, "chloe": None}, trust=33)
    joiner.run(300)
    check_it_is_the_town(joiner, town)
    assert {name for name, _ in joiner.sync.rejected} <= {"aaron"}


def test_a_peer_of_another_chain_is_not_believed():
    town = town_of(TOWN)

    def other_chain(response: LightBlockResponse) -> LightBlockResponse:
        block = response.light_block
        if block is None:
            return response
        header = replace(block.signed_header.header, chain_id="another-1")
        return LightBlockResponse(resigned(header, block.validator_set))

    trick = changed(LightBlockResponse, other_chain)
    _, joiner = joining(town, {"aaron": trick, "bruno": None, "chloe": None})
    joiner.run(300)
    check_it_is_the_town(joiner, town)


def test_from_liars_alone_nothing_is_restored_and_nothing_is_durable():
    town = town_of(TOWN)
    lie = LIES["every chunk bent"]
    net, joiner = joining(town, {"aaron": lie, "abel": lie})
    net.time.run(120)
    assert not joiner.is_done
    assert joiner.disk.kv.rows == {}
    assert {name for name, _ in joiner.sync.rejected} == {"aaron", "abel"}


def test_a_wrong_trusted_hash_restores_nothing():
    town = town_of(TOWN)
    net, joiner = joining(town, HONEST, root=HashRoot(10, b"\1" * 32))
    net.time.run(60)
    assert not joiner.is_done
    assert joiner.disk.kv.rows == {}


def test_two_signed_chains_stop_the_node_and_evidence_goes_to_both_sides():
    town = town_of(TOWN)

    def lunatic(response: LightBlockResponse) -> LightBlockResponse:
        block = response.light_block
        if block is None or block.signed_header.header.height < 20:
            return response
        header = replace(block.signed_header.header, app_hash=b"\7" * 32)
        return LightBlockResponse(resigned(header, block.validator_set))

    trick = changed(LightBlockResponse, lunatic)
    net, joiner = joining(town, {"anna": None, "zoe": trick})
    with pytest.raises(SyncFailure) as caught:
        joiner.run(60)
    assert caught.value.code == "statesync_light_attack"
    assert {peer for peer, _ in net.reported} == {"anna", "zoe"}
    assert joiner.disk.kv.rows == {}


def test_a_snapshot_that_tells_other_hashes_of_finished_blocks_is_refused():
    """What lies beside the tree and only headers prove: the liar makes everything else fit."""
    town = town_of(TOWN)
    honest_offer = next(
        s for s in town.app.list_snapshots(RequestListSnapshots()).snapshots if s.height == 30
    )
    manifest = decode_manifest(honest_offer.metadata)
    chunks = {}

    def lying_chunk(index: int, chunk: bytes) -> bytes:
        sections = msgspec.msgpack.decode(chunk)
        for section in sections:
            if section[0] == "~history":
                section[1] = [[rid, bytes(32)] for rid, _ in section[1]]
        chunks[index] = msgspec.msgpack.encode(sections)
        return chunks[index]

    heads = []
    for index, head in enumerate(manifest.chunks):
        true = town.app.load_snapshot_chunk(RequestLoadSnapshotChunk(30, 1, index)).chunk
        heads.append(ChunkHead(sha256(lying_chunk(index, true)).digest(), head.subtrees))
    assert tuple(heads) != manifest.chunks
    lied = encode_manifest(msgspec.structs.replace(manifest, chunks=tuple(heads)))

    def trick(message: StatesyncMessage) -> StatesyncMessage:
        match message.value:
            case SnapshotsResponse(height=30) as offer:
                value = replace(offer, metadata=lied, hash=sha256(lied).digest())
                return StatesyncMessage(value)
            case ChunkResponse(height=30) as chunk:
                return StatesyncMessage(replace(chunk, chunk=chunks[chunk.index]))
            case _:
                return message

    _, joiner = joining(town, {"aaron": trick})
    joiner.run(300)
    check_it_is_the_town(joiner, town, 20)  # the one before, which it does not lie about


def test_a_flood_of_answers_nobody_asked_for_ends_the_connection():
    town = town_of(TOWN)
    net, joiner = joining(town, HONEST)
    for n in range(20):
        message = StatesyncMessage(ChunkResponse(30, 1, 1_000 + n, b"x"))
        joiner.sync.receive("anna", message)
    assert [name for name, _ in joiner.sync.rejected] == ["anna"]
    joiner.run()
    check_it_is_the_town(joiner, town)
    assert net.dropped


def test_a_peer_whose_offers_nobody_can_prove_does_not_keep_the_true_ones_from_their_turn():
    """Ten heights that nobody reaches, and silence when asked for their headers: the walk is slower than the pause."""
    town = town_of(TOWN)
    net, joiner = joining(town, {"anna": None, "bruno": None})
    liar = ServingPeer("aaron", net, town)

    def trick(message):
        if not isinstance(message.value, SnapshotsResponse):
            return None if isinstance(message.value, LightBlockResponse) else message
        for place in range(10):
            response = SnapshotsResponse(1_000 + place, message.value.format, 1, b"\7", b"")
            net.to_joiner("aaron", StatesyncMessage(response))
        return None

    liar.trick = trick
    net.connect("aaron")
    joiner.run(120)
    check_it_is_the_town(joiner, town)


def test_too_many_offers_of_one_peer_are_a_fault():
    town = town_of(TOWN)
    _, joiner = joining(town, HONEST)
    for n in range(11):
        offer = SnapshotsResponse(100 + n, 1, 1, b"\1" * 32, b"x")
        joiner.sync.receive("anna", StatesyncMessage(offer))
    assert [name for name, _ in joiner.sync.rejected] == ["anna"]


def test_a_peer_cannot_keep_a_node_busy_with_ever_new_snapshots_that_prove_false():
    offers = SnapshotOffers()
    for n in range(STATESYNC_OFFERS_PER_PEER):
        assert offers.add("liar", SnapshotsResponse(100 + n, 1, 1, b"\1" * 32, b"x")) == ""
        tried = offers.best(0.0)
        assert tried is not None
        offers.reject(tried)
    one_more = SnapshotsResponse(200, 1, 1, b"\1" * 32, b"x")
    assert "could not be used" in offers.add("liar", one_more)
    assert offers.add("honest", one_more) == ""


def test_a_peer_that_goes_in_the_middle_of_its_chunks_is_replaced():
    town = town_of(TOWN)
    net, joiner = joining(town, HONEST)
    net.time.run(
        60, until=lambda: any(isinstance(q, ChunkRequest) for n, q in net.asked if n == "anna")
    )
    del net.peers["anna"]
    joiner.sync.remove_peer("anna")
    joiner.run()
    check_it_is_the_town(joiner, town)


# --- crashes -------------------------------------------------------------------------------------


def test_a_crash_at_any_moment_leaves_a_disk_from_which_the_sync_ends():
    town = town_of(TOWN)
    _, whole = joining(town, HONEST)
    whole.run()
    end_s = whole.net.time.now_s
    moments = [end_s * n / 12 for n in range(13)]
    for moment in moments:
        net, joiner = joining(town, HONEST)
        net.time.run(moment)
        joiner.sync.stop()
        disk = copy_disk(joiner.disk)
        if joiner.is_done:
            check_it_is_the_town(joiner, town)
            continue
        assert all(key[:1] in b"HV" for key in disk.kv.rows), moment  # proved headers, no chain
        second_net = StateNet(VirtualTime())
        second = Joiner(second_net, town, disk)
        for name in HONEST:
            ServingPeer(name, second_net, town)
            second_net.connect(name)
        second.run()
        check_it_is_the_town(second, town)


class PowerCut(Exception):
    pass


def test_a_crash_at_any_write_leaves_a_disk_from_which_the_sync_ends():
    town = town_of(TOWN)
    for fatal in range(1, 4):
        net, joiner = joining(town, HONEST)
        writes = iter(range(1, 100))

        def cut(_batch, fatal=fatal, writes=writes) -> None:
            if next(writes) == fatal:
                raise PowerCut

        joiner.disk.kv.before_write = cut
        try:
            net.time.run(60, until=lambda joiner=joiner: joiner.is_done)
        except PowerCut:
            pass
        else:
            assert joiner.is_done
            assert fatal > 2, "headers, then everything else: two writes"
            break
        joiner.sync.stop()
        disk = Disk(kv=joiner.disk.kv)
        disk.kv.before_write = None
        assert all(key[:1] in b"HV" for key in disk.kv.rows)
        second_net = StateNet(VirtualTime())
        second = Joiner(second_net, town, disk)
        for name in HONEST:
            ServingPeer(name, second_net, town)
            second_net.connect(name)
        second.run()
        check_it_is_the_town(second, town)


def test_light_blocks_are_asked_sparingly():
    town = town_of(TOWN)
    net, joiner = joining(town, HONEST, trust=29)
    joiner.run()
    asked = [
        question.height for _, question in net.asked if isinstance(question, LightBlockRequest)
    ]
    above = [height for height in asked if height >= 30]
    assert len(above) <= 12  # each of two headers from three peers, and once more for priorities
    assert hash_header(joiner.sync.restored.signed.header) == hash_at(town, 30)
