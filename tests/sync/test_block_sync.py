"""A node that is behind comes to the tip by block sync, whatever some of its peers send."""

from dataclasses import replace

import pytest

from chain.codec.hashing import hash_commit, hash_data, make_block_id
from chain.crypto.ed25519 import derive_public
from chain.node.gossip import precommits_of
from chain.node.signer import LastSigned
from chain.sync import SyncFailure
from chain.types.block import BlockIDFlag, CommitSig, Data
from chain.types.messages import BlockResponse, BlocksyncMessage, NoBlockResponse, VoteMessage
from tests.node.virtual import Disk, VirtualTime, seed_of
from tests.sync.kit import SEEDS, SyncNet, chain_of, new_chain, peer_at, start_node


def start_behind(chain, *peers, index=3, disk=None, delay_s=0.01):
    """A validator with an empty disk, connected to peers made by (name, tricks)."""
    net = SyncNet(VirtualTime(), delay_s)
    made = {name: peer_at(net, name, chain, **tricks) for name, tricks in peers}
    node = start_node(net, chain.doc, "n", index, disk or Disk())
    for name in made:
        net.connect("n", name)
    return net, node, made


def run_until(net, done, seconds=60.0):
    net.time.run(seconds, until=done)
    assert done(), f"not within {seconds} s"


def assert_same_chain(node, chain):
    assert node.height == chain.state.last_block_height
    assert node.node.host.state == chain.state
    for height in (1, node.height // 2, node.height):
        ours, theirs = (n.stores.blocks.load(height) for n in (node.node, chain.node))
        assert ours == theirs


def lies(node):
    return {step.peer for step in node.expelled if step.is_lie}


# ── the way there ────────────────────────────────────────────────────────────────────────────────────


def test_a_node_that_is_behind_downloads_from_all_peers_and_ends_at_the_very_tip():
    chain = chain_of(60)
    net, node, peers = start_behind(chain, ("a", {}), ("b", {}), ("c", {}))
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)
    assert node.sync.applied == 60
    assert all(len(peer.asked) >= 10 for peer in peers.values())
    assert node.expelled == []
    assert net.time.now_s < 2


def test_nothing_is_asked_twice_when_everybody_answers():
    net, node, _ = start_behind(chain_of(60), ("a", {}), ("b", {}))
    run_until(net, lambda: node.is_following)
    heights = [height for _, _, height in net.requests]
    assert sorted(heights) == list(range(1, 61))


def test_no_more_is_open_than_the_limits_say():
    net, _node, _peers = start_behind(
        chain_of(60), ("a", {"is_silent": True}), ("b", {"is_silent": True})
    )
    net.time.run(1.0)
    for peer in ("a", "b"):
        assert len({h for _, to, h in net.requests if to == peer}) <= 16


def test_the_result_of_syncing_is_a_node_that_can_be_restarted_and_served_from():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}))
    run_until(net, lambda: node.is_following)
    node.crash()
    again = start_node(net, chain.doc, "n2", 3, node.disk)
    assert_same_chain(again, chain)
    late = start_node(net, chain.doc, "late", 2, Disk())
    net.connect("late", "n2")
    run_until(net, lambda: late.is_following)
    assert_same_chain(late, chain)


def test_transactions_of_synced_blocks_are_announced_and_leave_the_pool():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}))
    node.node.pool.add(b"k5=v5")
    run_until(net, lambda: node.is_following)
    assert node.node.pool.count() == 0
    assert [c.state.last_block_height for c in node.node.committed] == list(range(1, 61))


def test_a_node_that_stops_in_the_middle_goes_on_from_there():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}), ("b", {}))
    run_until(net, lambda: node.height >= 25)
    node.crash()
    reached = node.height
    assert 25 <= reached < 60
    before = len(net.requests)
    node = start_node(net, chain.doc, "n", 3, node.disk)
    assert node.height == reached
    for peer in ("a", "b"):
        net.connect("n", peer)
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)
    assert min(height for _, _, height in net.requests[before:]) == reached + 1


def test_a_changed_validator_set_is_followed_block_by_block():
    """At height 11 two validators leave and two come: later commits bear other names than the genesis knows."""
    chain = new_chain(4)

    def txs(height):
        if height == 9:
            new = tuple(b"val:" + derive_public(seed_of(i)).hex().encode() + b"=20" for i in (7, 8))
            return (
                *new,
                *(b"val:" + derive_public(seed_of(i)).hex().encode() + b"=0" for i in (0, 1)),
            )
        return (b"k%d=v" % height,)

    chain.grow(30, txs)
    members = {v.address for v in chain.state.validators.validators}
    assert members != {v.address for v in new_chain(4).state.validators.validators}
    net, node, _ = start_behind(chain, ("a", {}), ("b", {}))
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)


def test_a_node_that_is_no_validator_follows_block_by_block_without_consensus_messages():
    chain = new_chain(4)
    chain.grow(10)
    net, node, _ = start_behind(chain, ("a", {}), ("b", {}), index=9)
    run_until(net, lambda: node.is_following)
    assert node.height == 10
    for _ in range(3):
        chain.grow(3)
        run_until(
            net, lambda: node.is_following and node.height == chain.state.last_block_height, 10
        )
    chain.grow(1)
    run_until(net, lambda: node.height == chain.state.last_block_height, 10)
    assert node.node.signer.last.height == 0, "it never signed"


# ── when to sync and when not ────────────────────────────────────────────────────────────────────────


def test_without_a_peer_ahead_consensus_begins_at_once():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}), ("b", {}), disk=chain.disk())
    run_until(net, lambda: node.is_following)
    assert net.time.now_s < 0.1
    assert net.requests == []


def test_a_node_configured_without_peers_does_not_wait():
    net = SyncNet(VirtualTime())
    node = start_node(net, chain_of(60).doc, "n", 0, Disk())
    node.sync.stop()
    node.sync.start(is_alone=True)
    assert node.is_following


@pytest.mark.parametrize(("validators", "index"), [(1, 0), (4, 9)])
def test_a_node_whose_peers_are_all_away_begins_consensus_after_a_grace_time(validators, index):
    """One that decides alone, or has no say."""
    net = SyncNet(VirtualTime())
    node = start_node(net, new_chain(validators).doc, "n", index, Disk())
    net.time.run(2.5)
    assert not node.is_following
    net.time.run(1)
    assert node.is_following


def test_one_validator_of_four_waits_for_a_word_of_the_others_however_long():
    """It could decide nothing alone, and might sign again what its key signed before its home was brought back."""
    chain = chain_of(60)
    net = SyncNet(VirtualTime())
    node = start_node(net, chain.doc, "n", 3, Disk())
    net.time.run(3_600)
    assert not node.is_following
    assert not node.node.signer.has_signed
    peer_at(net, "a", chain)
    net.connect("n", "a")
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)


def test_a_running_node_that_falls_behind_goes_back_to_syncing_and_then_to_consensus():
    chain = new_chain(4)
    chain.grow(5)
    net, node, _ = start_behind(chain, ("a", {}), ("b", {}))
    run_until(net, lambda: node.is_following)
    holds = node.chain.holds
    chain.grow(40)
    run_until(net, lambda: node.chain.holds > holds, 10)
    run_until(net, lambda: node.is_following, 10)
    assert_same_chain(node, chain)
    net.time.run(70)
    assert node.node.host.core is not None
    assert node.node.host.core.height == 46, "consensus works at the height after the tip"


def test_a_gap_of_one_block_is_left_to_consensus_for_three_seconds_then_closed():
    chain = new_chain(4)
    chain.grow(5)
    net, node, _ = start_behind(chain, ("a", {}))
    run_until(net, lambda: node.is_following)
    chain.grow(1)
    since_s = net.time.now_s
    run_until(net, lambda: node.height == 6, 10)
    assert 2.5 < net.time.now_s - since_s < 6


def test_a_validator_signs_nothing_before_it_is_at_the_tip():
    """Watched by the kit as long as it is held; here: also its first signature is for the height after the tip."""
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}))
    run_until(net, lambda: node.is_following)
    assert node.node.signer.last == LastSigned()
    net.time.run(70)
    assert node.node.signer.last.height == 61


def test_a_transaction_that_comes_while_syncing_makes_nobody_sign():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}), delay_s=0.05)
    while not node.is_following:
        node.node.pool.add(b"t%d=v" % node.height)
        net.time.run(0.02)
        assert node.is_following or node.node.signer.last.height == 0
    assert_same_chain(node, chain)


def test_consensus_messages_are_not_even_logged_while_syncing():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}), delay_s=0.05)
    run_until(net, lambda: node.height >= 8)
    commit = chain.node.stores.blocks.load_seen_commit(node.height + 1)
    logged = node.node.wal.tail(1_000)
    for vote in precommits_of(commit):
        node.node.host.deliver(VoteMessage(vote), "b")
    assert node.node.wal.tail(1_000) == logged
    assert node.node.host.core is None
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)


def test_a_validator_without_its_signer_state_stays_mute_for_two_heights_above_what_it_synced():
    chain = chain_of(60)
    net = SyncNet(VirtualTime())
    disk = Disk()
    peer_at(net, "a", chain)
    node = start_node(net, chain.doc, "n", 3, disk)
    node.node.signer.has_state = False
    node.node.signer.muted_below = 3
    net.connect("n", "a")
    run_until(net, lambda: node.is_following)
    assert node.node.signer.muted_below == 63
    net.time.run(70)
    assert node.node.signer.last.height == 0


# ── liars ────────────────────────────────────────────────────────────────────────────────────────────


def other_txs(block):
    """Another block of the same height that hashes well: nobody signed it."""
    data = Data((b"stolen=everything",))
    return replace(block, data=data, header=replace(block.header, data_hash=hash_data(data.txs)))


def other_body(block):
    """The decided header over another body."""
    return replace(block, data=Data((b"stolen=everything",)))


def broken_commit(block):
    """The right commit with one signature spoiled, and a header that fits it."""
    commit = block.last_commit
    if not commit.signatures:
        return block
    lines = list(commit.signatures)
    last = max(i for i, line in enumerate(lines) if line.signature)
    signature = lines[last].signature
    lines[last] = replace(lines[last], signature=signature[:-1] + bytes([signature[-1] ^ 1]))
    return with_commit(block, replace(commit, signatures=tuple(lines)))


def thin_commit(block):
    """A commit of two of four."""
    commit = block.last_commit
    if not commit.signatures:
        return block
    return with_commit(
        block, replace(commit, signatures=(*commit.signatures[:2], CommitSig(), CommitSig()))
    )


def nil_for_block(block):
    """A commit whose lines say nil."""
    commit = block.last_commit
    if not commit.signatures:
        return block
    lines = tuple(replace(s, block_id_flag=BlockIDFlag.NIL) for s in commit.signatures)
    return with_commit(block, replace(commit, signatures=lines))


def no_commit(block):
    return replace(block, last_commit=None)


def with_commit(block, commit):
    header = replace(block.header, last_commit_hash=hash_commit(commit))
    return replace(block, last_commit=commit, header=header)


def other_height(block):
    return replace(block, header=replace(block.header, height=block.header.height + 1_000))


TRICKS = [other_txs, other_body, broken_commit, thin_commit, nil_for_block, no_commit, other_height]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
@pytest.mark.parametrize("liar", ["a", "b", "c"])
def test_one_liar_among_three_is_banned_and_only_the_liar(trick, liar):
    chain = chain_of(60)
    tricks = {name: {"change_block": trick} if name == liar else {} for name in "abc"}
    net, node, peers = start_behind(chain, *tricks.items())
    run_until(net, lambda: node.is_following and node.height == 60)
    assert_same_chain(node, chain)
    assert lies(node) == {liar}
    ban_s = [ban for _, who, _, ban in net.dropped if who == liar]
    assert ban_s == [600]
    asked = len(peers[liar].asked)
    net.time.run(30)
    assert len(peers[liar].asked) == asked, "a banned peer is not asked again though it came back"


def test_two_liars_with_different_lies_leave_the_honest_two_to_finish():
    chain = chain_of(60)
    net, node, _ = start_behind(
        chain,
        ("a", {"change_block": other_txs}),
        ("b", {"change_block": broken_commit}),
        ("c", {}),
        ("d", {}),
    )
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)
    assert lies(node) == {"a", "b"}


def test_a_liar_alone_gets_nothing_applied_and_an_honest_peer_that_comes_later_helps():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {"change_block": other_txs}))
    net.time.run(20)
    assert node.height == 0
    peer_at(net, "b", chain)
    net.connect("n", "b")
    run_until(net, lambda: node.height == 60 and node.is_following)
    assert lies(node) == {"a"}


def test_a_ban_ends():
    chain = chain_of(60)
    net, node, peers = start_behind(chain, ("a", {"change_block": other_txs}))
    net.time.run(20)
    peers["a"].change_block = lambda block: block
    net.time.run(500)
    assert node.height == 0
    run_until(net, lambda: node.height == 60, 200)


def bad_tip_commit(message):
    """The newest block with a commit that nobody signed."""
    response = message.value
    if not isinstance(response, BlockResponse) or response.ext_commit is None:
        return message
    extended = response.ext_commit
    lines = tuple(replace(s, signature=bytes(64)) for s in extended.extended_signatures)
    return BlocksyncMessage(
        replace(response, ext_commit=replace(extended, extended_signatures=lines))
    )


def test_a_forged_commit_beside_the_newest_block_convicts_its_sender():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {"change_answer": bad_tip_commit}), disk=None)
    run_until(net, lambda: lies(node) == {"a"})
    assert node.height == 59
    peer_at(net, "b", chain)
    net.connect("n", "b")
    run_until(net, lambda: node.height == 60)
    assert lies(node) == {"a"}


def test_a_silent_peer_is_given_up_after_five_seconds_and_the_others_do_not_wait_for_it():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {"is_silent": True}), ("b", {}), ("c", {}))
    run_until(net, lambda: node.height == 60)
    assert_same_chain(node, chain)
    assert net.time.now_s < 3
    net.time.run(5)
    assert [(s.peer, s.is_lie) for s in node.expelled] == [("a", False)]


def test_a_height_nobody_can_serve_holds_consensus_back_for_two_seconds_at_most():
    chain = chain_of(60)
    net, node, _ = start_behind(
        chain,
        ("a", {"claim": 10**6, "is_silent": True}),
        ("b", {}),
        ("c", {}),
        disk=chain.disk(),
    )
    run_until(net, lambda: node.is_following, 3)
    net.time.run(5)
    assert [s.peer for s in node.expelled] == ["a"]
    assert node.is_following


def test_refusing_what_it_claimed_convicts_a_peer_the_third_time_and_stops_nobody():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {"claim": 10**6}), ("b", {}), disk=chain.disk())
    run_until(net, lambda: node.is_following, 3)
    run_until(net, lambda: lies(node) == {"a"}, 30)
    assert node.chain.holds == 1, "the claims of a runaway never took consensus away"


def test_a_claim_against_a_running_validator_never_stops_its_consensus():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("b", {}), disk=chain.disk())
    run_until(net, lambda: node.is_following)
    for name, trick in (("x", {"is_silent": True}), ("y", {"change_block": other_txs})):
        peer_at(net, name, chain, claim=10**9, **trick)
        net.connect("n", name)
    net.time.run(60)
    assert node.chain.holds == 1
    assert node.is_following


def test_an_impossible_status_convicts_its_sender():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {"claim": -5}), ("b", {}))
    run_until(net, lambda: node.is_following)
    assert_same_chain(node, chain)
    assert lies(node) == {"a"}


def test_blocks_nobody_asked_for_change_nothing_and_convict_who_goes_on_sending_them():
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}), disk=chain.disk())
    peer_at(net, "x", chain)
    net.connect("n", "x")
    run_until(net, lambda: node.is_following)
    block = chain.node.stores.blocks.load(60).block
    for _ in range(8):
        net.send("x", "n", BlocksyncMessage(BlockResponse(block)))
        net.send("x", "n", BlocksyncMessage(NoBlockResponse(61)))
    net.time.run(0.5)
    assert lies(node) == {"x"}
    assert node.height == 60


def test_a_decided_block_that_is_invalid_here_stops_the_node():
    """More than two thirds signed it: either we went astray or they did; going on would be worse than stopping."""
    chain = chain_of(60)
    net, node, _ = start_behind(chain, ("a", {}))
    run_until(net, lambda: node.height >= 20)
    node.node.host.state = replace(node.node.host.state, app_hash=bytes(32))
    with pytest.raises(SyncFailure) as failure:
        net.time.run(10)
    assert failure.value.code == "sync_decided_block_invalid"


def test_a_commit_is_looked_at_whole_although_two_thirds_of_it_would_do():
    """CometBFT 0.38.22: three good lines and a bad fourth are a lie, not a decided block."""
    chain = new_chain()
    chain.signing = SEEDS
    chain.grow(12)
    assert len(chain.state.validators.validators) == 4
    spoiled = broken_commit(chain.node.stores.blocks.load(10).block)
    assert make_block_id(spoiled)[0] != chain.node.stores.blocks.load(10).block_id
    net, node, _ = start_behind(chain, ("a", {"change_block": broken_commit}), index=9)
    run_until(net, lambda: lies(node) == {"a"})
    assert node.height == 0
