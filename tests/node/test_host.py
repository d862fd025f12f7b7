"""The host on virtual time: pacing, commits, several validators, crashes at every record of the log."""

import json

import pytest

from chain.codec.proto import decode
from chain.node.errors import ConsensusFailure, SignerRefused
from chain.node.recovery import end_height_payload
from chain.node.signer import STATE_FILE
from chain.store.wal import HEAD, frame, scan
from chain.types.block import Vote
from chain.types.messages import EndHeight, MsgInfo, ProposalMessage, TimedWALMessage, VoteMessage
from chain.types.primitives import SignedMsgType
from tests.node.virtual import Disk, VirtualNode, VirtualTime, genesis_doc, start_cluster, start_one


def test_a_new_chain_makes_its_first_block_and_then_waits_a_minute():
    time, node = start_one()
    time.run(59)
    assert node.height == 1
    time.run(10)
    assert node.height == 2


def test_a_transaction_is_committed_at_once_and_proved_by_the_next_block():
    time, node = start_one()
    time.run(1)
    node.pool.add(b"a=1")
    time.run(0.001)
    assert [len(c.built.block.data.txs) for c in node.committed] == [0, 1]
    time.run(0.030)
    proof = node.committed[-1].built.block
    assert proof.header.height == 3
    assert proof.data.txs == ()
    assert proof.header.app_hash == node.host.state.app_hash
    time.run(50)
    assert node.height == 3, "a proof block changes nothing, so none follows it"


def test_an_idle_town_ticks_before_it_carries_a_transaction():
    """The first block after idleness has an old time; the application leaves it empty, the next one is current."""
    time, node = start_one()
    time.run(30)
    node.pool.add(b"a=1")
    time.run(0.001)
    assert [len(c.built.block.data.txs) for c in node.committed] == [0, 0, 1]


def test_full_blocks_are_spaced_and_single_ones_are_not():
    time, node = start_one()
    time.run(1)
    for n in range(100):
        node.pool.add(b"%d=x" % n)
    time.run(0.001)
    started_s = time.now_s
    assert len(node.committed[-1].built.block.data.txs) == 100
    node.pool.add(b"next=x")
    time.run(0.2)
    assert all(b"next=x" not in c.built.block.data.txs for c in node.committed)
    time.run(0.1)
    assert any(b"next=x" in c.built.block.data.txs for c in node.committed)
    assert time.now_s - started_s < 0.31


def test_transactions_that_the_application_never_takes_do_not_make_it_spin():
    time, node = start_one()
    time.run(1)
    node.app.prepare_proposal = lambda request: type("R", (), {"txs": ()})()  # type: ignore[method-assign]
    node.pool.add(b"a=1")
    time.run(10)
    assert node.height < 16


def test_votes_are_later_than_the_block_they_vote_for():
    time, node = start_one()
    for n in range(5):
        time.run(1)
        node.pool.add(b"%d=x" % n)
    time.run(1)
    times = [c.built.block.header.time for c in node.committed]
    assert times == sorted(set(times))


def test_four_validators_agree_and_carry_each_others_commits():
    time, network = start_cluster(4)
    nodes = list(network.nodes.values())
    time.run(2)
    for n, node in enumerate(nodes):
        node.pool.add(b"k%d=v" % n)
    time.run(5)
    assert min(node.height for node in nodes) >= 3
    for height in range(1, min(node.height for node in nodes) + 1):
        blocks = {node.stores.blocks.load(height).block_id for node in nodes}
        assert len(blocks) == 1
    assert {node.host.state.app_hash for node in nodes} == {nodes[0].host.state.app_hash}
    proposers = {c.built.block.header.proposer_address for c in nodes[0].committed}
    assert len(proposers) > 1


def test_three_of_four_go_on_when_one_is_silent_even_as_proposer():
    time, network = start_cluster(4)
    network.drop = lambda src, dst, _body: 3 in (src, dst)
    time.run(300)
    heights = [network.nodes[i].height for i in range(3)]
    assert min(heights) >= 4
    assert network.nodes[3].height == 0


def test_fourteen_of_twenty_go_on_and_thirteen_do_not():
    """The largest town: six of twenty may be gone, not seven."""
    for gone, decides in ((6, True), (7, False)):
        time, network = start_cluster(20)
        network.drop = lambda src, dst, _body, gone=gone: min(src, dst) < gone
        time.run(120)
        heights = [network.nodes[i].height for i in range(gone, 20)]
        assert (min(heights) >= 1) is decides, (gone, heights)
        assert len({network.nodes[i].host.state.app_hash for i in range(gone, 20)}) == 1


def test_two_of_four_commit_nothing():
    time, network = start_cluster(4)
    network.drop = lambda src, dst, _body: src in (2, 3) or dst in (2, 3)
    time.run(60)
    assert all(node.height == 0 for node in network.nodes.values())


def test_conflicting_votes_become_evidence_in_a_block_and_reach_the_application():
    time, network = start_cluster(4)
    time.run(1)
    told = []
    for node in network.nodes.values():
        real = node.app.finalize_block
        node.app.finalize_block = (  # type: ignore[method-assign]
            lambda request, real=real: told.extend(request.misbehavior) or real(request)
        )
    network.nodes[0].pool.add(b"a=1")
    guilty = network.nodes[3]
    forged = forge_conflicts(guilty, network.nodes[0].height + 1)
    for body in forged:
        network.nodes[0].host.deliver(body, "3")
        network.nodes[1].host.deliver(body, "3")
    time.run(30)
    assert {m.validator.address for m in told} == {guilty.signer.address}
    assert len({node.host.state.app_hash for node in network.nodes.values()}) == 1


@pytest.mark.parametrize("age", [0, 1, 5])
def test_conflicting_votes_that_come_when_their_height_is_over_convict_when_the_witness_proposes(
    age,
):
    """A liar keeps its peers apart until the height is decided; one correct node hears both afterwards."""
    time, network = start_cluster(4)
    for n in range(8):
        network.nodes[0].pool.add(b"k%d=1" % n)
        time.run(2)
    witness, guilty = network.nodes[0], network.nodes[3]
    found_at = witness.height
    first, second = forge_conflicts(guilty, found_at - age)
    witness.host.deliver(first, "1")
    witness.host.deliver(second, "2")
    time.run(10)
    told = {
        height: {item.vote_a.validator_address for item in block.block.evidence.evidence}
        for height in range(found_at, witness.height + 1)
        if (block := witness.stores.blocks.load(height))
    }
    carrying = [height for height, voters in told.items() if guilty.signer.address in voters]
    assert carrying, "evidence is in a block without anybody sending a transaction"
    assert carrying[0] <= found_at + 4, "no evidence gossip here: each of four proposes in turn"


def forge_conflicts(guilty: VirtualNode, height: int) -> list[VoteMessage]:
    from dataclasses import replace

    from chain.codec.signbytes import vote_sign_bytes
    from chain.crypto.ed25519 import sign
    from chain.types.block import BlockID, PartSetHeader
    from tests.node.virtual import seed_of

    index = guilty.host.state.validators.index_of(guilty.signer.address)
    found = []
    assert index is not None
    for fill in (b"\x01", b"\x02"):
        vote = Vote(
            SignedMsgType.PREVOTE,
            height,
            0,
            BlockID(fill * 32, PartSetHeader(1, fill * 32)),
            guilty.host.state.last_block_time.plus_ns(10**9),
            guilty.signer.address,
            index,
        )
        signature = sign(seed_of(guilty.index), vote_sign_bytes("virtual-1", vote))
        found.append(VoteMessage(replace(vote, signature=signature)))
    return found


def test_a_vote_with_a_wrong_signature_or_of_a_stranger_is_dropped():
    from dataclasses import replace

    time, network = start_cluster(4)
    time.run(1)
    node = network.nodes[0]
    good = forge_conflicts(network.nodes[3], node.height + 1)[0]
    bad = VoteMessage(replace(good.vote, signature=b"\x01" * 64))
    stranger = VoteMessage(replace(good.vote, validator_address=b"\x09" * 20))
    records = len(scan(bytes(node.disk.wal.content[HEAD])).payloads)
    node.host.deliver(bad, "3")
    node.host.deliver(stranger, "3")
    assert len(scan(bytes(node.disk.wal.content[HEAD])).payloads) == records


def test_nothing_goes_out_before_signer_and_log_are_durable():
    """Every message on the wire is in the synced part of its sender's log at that instant."""
    time, network = start_cluster(4)
    real = network.send

    def checked(source: int, body: object) -> None:
        node = network.nodes[source]
        log = bytes(node.disk.wal.content[HEAD][: node.wal._file.durable_size])
        logged = [decode(TimedWALMessage, p).msg.value for p in scan(log).payloads]
        assert any(isinstance(m, MsgInfo) and m.msg.value == body for m in logged)
        assert place_of(body) <= durable_place(node.disk)
        real(source, body)  # type: ignore[arg-type]

    network.send = checked  # type: ignore[method-assign,assignment]
    time.run(2)
    network.nodes[0].pool.add(b"a=1")
    time.run(10)
    assert len(network.wire) > 20


def place_of(body: object) -> tuple[int, int, int]:
    """Where the signer's file stands at least before this leaves; steps as CometBFT `privval` counts them."""
    match body:
        case VoteMessage(vote):
            return vote.height, vote.round, {1: 2, 2: 3}[int(vote.type)]
        case ProposalMessage(proposal):
            return proposal.height, proposal.round, 1
        case _:
            return 0, 0, 0


def durable_place(disk: Disk) -> tuple[int, int, int]:
    held = json.loads(bytes(disk.data.content[STATE_FILE]))
    return int(held["height"]), int(held["round"]), int(held["step"])


def crashed_before_commit() -> tuple[VirtualTime, VirtualNode, int, bytes]:
    """A node that died between deciding height 2 and storing it, the synced log size and the signer state before."""
    time, node = start_one()
    time.run(1)
    synced, signer_state = node.wal._file.durable_size, bytes(node.disk.data.content[STATE_FILE])
    node.pool.add(b"a=1")
    node.executor.apply = dies  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        time.run(1)
    return time, node, synced, signer_state


def dies(*_: object) -> None:
    raise KeyboardInterrupt


def restart(time: VirtualTime, disk: Disk) -> tuple[VirtualTime, VirtualNode]:
    later = VirtualTime()
    later.now_s = time.now_s + 1
    again = VirtualNode(later, disk, genesis_doc())
    later.call_later(0, again.host.start)
    later.call_later(0, lambda: again.pool.add(b"a=1"))
    later.run(30, until=lambda: again.height >= 3)
    return later, again


def cuts(log: bytes, start: int) -> list[int]:
    """Around every border of a record, and every eleventh byte between; `test_wal` has every byte."""
    borders = [0]
    for payload in scan(log).payloads:
        borders.append(borders[-1] + len(frame(payload)))
    near = {border + step for border in borders for step in (-1, 0, 1, 8)}
    return sorted(c for c in near | set(range(start, len(log), 11)) if start <= c <= len(log))


def test_a_crash_anywhere_before_the_sync_goes_on_by_itself():
    """Unsynced log cut anywhere, signer state still the old one: nothing left the node, so all is open."""
    time, node, synced, signer_state = crashed_before_commit()
    log = bytes(node.disk.wal.content[HEAD])
    for cut in cuts(log, synced):
        disk = copy_of(node.disk)
        disk.data.replace(STATE_FILE, signer_state)
        del disk.wal.content[HEAD][cut:]
        _, again = restart(time, disk)
        assert again.height >= 3, f"cut at {cut}"
        assert again.stores.kv.get(b"Akv\0a") == b"1"
        check_no_double_signature(votes_in(bytes(disk.wal.content[HEAD])))


def test_a_log_cut_anywhere_after_the_sync_never_makes_the_node_sign_twice():
    """Synced records vanish (no crash does that): it refuses with a code rather than contradict itself."""
    time, node, _, _ = crashed_before_commit()
    log = bytes(node.disk.wal.content[HEAD])
    signed = votes_in(log)
    assert len(signed) == 4, "two votes of height 1, two of height 2"
    for cut in cuts(log, 0):
        disk = copy_of(node.disk)
        del disk.wal.content[HEAD][cut:]
        if cut < len(log):
            with pytest.raises(SignerRefused, match="signer_ahead_of_log"):
                restart(time, disk)
        else:
            assert restart(time, disk)[1].height >= 3
        check_no_double_signature(signed + votes_in(bytes(disk.wal.content[HEAD])))


def votes_in(log: bytes) -> list[Vote]:
    found = []
    for payload in scan(log).payloads:
        body = decode(TimedWALMessage, payload).msg.value
        if isinstance(body, MsgInfo) and isinstance(body.msg.value, VoteMessage):
            found.append(body.msg.value.vote)
    return found


def check_no_double_signature(votes: list[Vote]) -> None:
    by_step: dict[tuple[int, int, int], set[Vote]] = {}
    for vote in votes:
        by_step.setdefault((vote.height, vote.round, vote.type), set()).add(vote)
    assert all(len(held) == 1 for held in by_step.values())


def copy_of(disk: Disk) -> Disk:
    copied = Disk()
    copied.kv.rows = dict(disk.kv.rows)
    copied.app_kv.rows = dict(disk.app_kv.rows)
    copied.data.content = {k: bytearray(v) for k, v in disk.data.content.items()}
    copied.wal.content = {k: bytearray(v) for k, v in disk.wal.content.items()}
    return copied


def test_a_replayed_log_decides_the_very_block_that_was_proposed():
    time, node = start_one()
    time.run(1)
    node.pool.add(b"a=1")
    node.executor.apply = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        time.run(1)
    proposals = [
        m.msg.value.proposal
        for m in (
            decode(TimedWALMessage, p).msg.value
            for p in scan(bytes(node.disk.wal.content[HEAD])).payloads
        )
        if isinstance(m, MsgInfo) and isinstance(m.msg.value, ProposalMessage)
    ]
    again_time, again = start_one(node.disk)
    again_time.now_s = time.now_s
    again_time.run(0.01)
    assert again.stores.blocks.load(2).block_id == proposals[-1].block_id
    assert again.stores.blocks.load(2).block.data.txs == (b"a=1",)


def test_a_log_that_ends_heights_the_store_does_not_have_is_refused():
    time, node = start_one()
    time.run(1)
    node.wal.append(end_height_payload(time.now(), 7))
    again_time, again = start_one(node.disk)
    with pytest.raises(ConsensusFailure, match="consensus_wal_ahead"):
        again_time.run(1)
    assert again.height == 1


def test_a_missing_end_of_height_is_added_at_start():
    time, node = start_one()
    time.run(1)
    payloads = scan(bytes(node.disk.wal.content[HEAD])).payloads
    node.disk.wal.content[HEAD] = bytearray(b"".join(frame(p) for p in payloads[:-1]))
    again_time, again = start_one(node.disk)
    again_time.run(70)
    assert again.height >= 2
    log = scan(bytes(node.disk.wal.content[HEAD])).payloads
    ends = [decode(TimedWALMessage, payload).msg.value for payload in log]
    heights = [end.height for end in ends if isinstance(end, EndHeight)]
    assert heights[:3] == [0, 1, 2], "else a second crash would not find where height 2 began"


def test_a_node_without_its_signer_state_signs_nothing():
    time, node = start_one()
    time.run(1)
    node.signer.muted_below = 100
    node.pool.add(b"a=1")
    time.run(20)
    assert node.height == 1
