"""Block sync among peers that do not keep everything."""

from chain.node.retention import RetentionPolicy, Storage
from chain.sync.serving import BlockServer
from chain.types.messages import BlockRequest, NoBlockResponse, StatusResponse
from chain.types.params import ConsensusParams, EvidenceParams
from tests.node.virtual import Disk, VirtualTime
from tests.sync.kit import SyncNet, new_chain, peer_at, start_node

BLOCKS = 40
KEPT = 10


def town(*, is_archive: bool):
    """The same chain each time; a pruned one keeps its last blocks only."""
    params = ConsensusParams(evidence=EvidenceParams(KEPT, 1))
    chain = new_chain(consensus_params=params)
    chain.node.executor.retention = RetentionPolicy(Storage(is_archive), is_production=False)
    chain.grow(BLOCKS, lambda h: (b"k%d=v%d" % (h, h),))
    return chain


def start(*peers):
    net = SyncNet(VirtualTime(), 0.01)
    made = {name: peer_at(net, name, chain) for name, chain in peers}
    node = start_node(net, peers[0][1].doc, "n", 3, Disk())
    for name in made:
        net.connect("n", name)
    return net, node, made


def test_old_blocks_are_asked_of_the_archive_and_the_rest_of_both():
    pruned, archive = town(is_archive=False), town(is_archive=True)
    assert pruned.node.stores.blocks.base() == BLOCKS - KEPT
    net, node, peers = start(("pruned", pruned), ("archive", archive))
    net.time.run(30.0, until=lambda: node.height == BLOCKS)
    assert node.node.host.state == archive.state
    assert min(peers["pruned"].asked) >= BLOCKS - KEPT
    assert min(peers["archive"].asked) == 1
    assert node.expelled == []
    assert node.sync.lowest_out_of_reach is None


def test_a_node_whose_peers_all_pruned_its_next_block_says_so_until_an_archive_comes():
    pruned = town(is_archive=False)
    net, node, peers = start(("a", pruned), ("b", pruned))
    net.time.run(10.0)
    assert node.height == 0
    assert node.sync.lowest_out_of_reach == BLOCKS - KEPT
    assert peers["a"].asked == peers["b"].asked == []
    assert node.expelled == []
    peer_at(net, "archive", town(is_archive=True))
    net.connect("n", "archive")
    net.time.run(30.0, until=lambda: node.height == BLOCKS)
    assert node.height == BLOCKS
    net.time.run(1.0)
    assert node.sync.lowest_out_of_reach is None


def test_a_pruned_height_is_answered_by_no_block_and_the_status_tells_the_base():
    blocks = town(is_archive=False).node.stores.blocks
    sent = []
    server = BlockServer(blocks, lambda _peer, message: sent.append(message.value) or True)
    for height in (1, BLOCKS - KEPT - 1, BLOCKS - KEPT):
        server.take("n", BlockRequest(height), 0.0)
    while server.serve(0.0):
        pass
    assert sent[:2] == [NoBlockResponse(1), NoBlockResponse(BLOCKS - KEPT - 1)]
    assert sent[2].block.header.height == BLOCKS - KEPT
    assert server.status() == StatusResponse(BLOCKS, BLOCKS - KEPT)
