"""A validator that sees its own key sign without it stays silent: copied key, restored home."""

from copy import deepcopy
from itertools import count as count_from

from chain.sync.proof import name_fetched
from chain.types.block import BlockID, Vote
from chain.types.messages import VoteMessage
from chain.types.primitives import SignedMsgType
from tests.node.virtual import Disk, VirtualNode, genesis_doc, seed_of, start_cluster
from tests.sync.kit import as_built

NUMBERS = count_from()


def feed(time, node, count):
    for _ in range(count):
        before = node.height
        node.pool.add(b"k%d=v" % next(NUMBERS))
        time.run(30, until=lambda above=before: node.height > above)
        time.run(1)


def test_an_honest_validator_is_never_silenced_by_its_own_commits():
    time, network = start_cluster(4)
    time.run(1)
    for _ in range(3):
        feed(time, network.nodes[0], 1)
    assert min(node.height for node in network.nodes.values()) >= 3
    assert all(node.signer.muted_below == 0 for node in network.nodes.values())


def test_a_restart_with_everything_kept_is_not_taken_for_a_copy():
    time, network = start_cluster(4)
    time.run(1)
    feed(time, network.nodes[0], 2)
    kept = network.nodes[1]
    kept.host.stop()
    again = VirtualNode(time, kept.disk, genesis_doc(4), 1, network)
    again.host.start()
    assert again.signer.muted_below == 0


def votes_of(network, origin, said):
    """Heights of the votes that an endpoint sent since then."""
    return [
        body.vote.height
        for source, body in network.wire[said:]
        if source == origin and isinstance(body, VoteMessage)
    ]


class Skewed:
    """Another machine's clock: a little later, so that its votes are other bytes."""

    def __init__(self, time):
        self._time = time

    def __getattr__(self, name):
        return getattr(self._time, name)

    def now(self):
        return self._time.now().plus_ns(50_000_000)


def make_twin(time, network, of, index):
    """Another machine on a copy of a validator's disk, with its key."""
    disk = deepcopy(network.nodes[of].disk)
    return VirtualNode(Skewed(time), disk, genesis_doc(4), index, network, seed=seed_of(of))


def catch_up(node, source):
    """What block sync does."""
    node.host.hold()
    for height in range(node.height + 1, source.height + 1):
        stored = source.stores.blocks.load(height)
        commit = source.stores.blocks.load_seen_commit(height)
        node.host.adopt(as_built(name_fetched(stored.block)), commit)
    node.host.release()


def test_an_old_signer_beside_a_newer_chain_stays_silent_for_two_heights_then_signs():
    """The chain was synced, the signer's file is of another day: what it said since is not known here."""
    time, network = start_cluster(4)
    time.run(1)
    node = network.nodes[1]
    old = deepcopy(node.disk.data)
    feed(time, network.nodes[0], 2)
    node.host.stop()
    again = VirtualNode(time, Disk(node.disk.kv, node.disk.app_kv, old), genesis_doc(4), 1, network)
    started, said = again.height, len(network.wire)
    again.host.start()
    for _ in range(30):
        feed(time, network.nodes[0], 1)
    votes = votes_of(network, 1, said)
    assert min(votes) >= started + 3
    assert again.height == network.nodes[0].height


def test_of_two_machines_with_one_key_the_one_that_came_later_signs_nothing():
    time, network = start_cluster(4)
    time.run(1)
    feed(time, network.nodes[0], 2)
    twin = make_twin(time, network, 3, 4)
    twin.host.hold()
    feed(time, network.nodes[0], 3)  # the original goes on; the copy missed this
    catch_up(twin, network.nodes[0])
    said = len(network.wire)
    for _ in range(6):
        feed(time, network.nodes[0], 1)
    assert votes_of(network, 3, said)
    assert not votes_of(network, 4, said)
    assert twin.height == network.nodes[0].height, "it follows all the same"
    assert not network.nodes[0].evidence.has_pending()


def test_two_machines_that_start_together_with_one_key_never_both_go_on():
    time, network = start_cluster(4)
    time.run(1)
    feed(time, network.nodes[0], 1)
    twin = make_twin(time, network, 3, 4)
    twin.host.start()
    feed(time, network.nodes[0], 1)
    said = len(network.wire)
    for _ in range(8):
        feed(time, network.nodes[0], 1)
    assert not set(votes_of(network, 3, said)) & set(votes_of(network, 4, said))
    assert votes_of(network, 0, said), "the others go on"


def test_a_liar_cannot_silence_a_validator_with_a_vote_it_did_not_sign():
    time, network = start_cluster(4)
    time.run(1)
    victim = network.nodes[3]
    index = victim.host.state.validators.index_of(victim.signer.address)
    forged = Vote(
        SignedMsgType.PRECOMMIT,
        victim.height + 1,
        0,
        BlockID(),
        time.now(),
        victim.signer.address,
        index,
        b"\x01" * 64,
    )
    victim.host.deliver(VoteMessage(forged), "0")
    assert victim.signer.muted_below == 0
