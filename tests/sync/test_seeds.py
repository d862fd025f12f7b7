"""One liar and two honest peers under lost lines and odd delays, by seed (SYNC_SEEDS=n for more): the sync ends."""

import os
from dataclasses import replace
from random import Random

import pytest

from chain.types.messages import BlockResponse, BlocksyncMessage, NoBlockResponse
from tests.node.virtual import Disk, VirtualTime
from tests.sync.kit import Peer, SyncNet, chain_of, peer_at, start_node
from tests.sync.test_block_sync import TRICKS, bad_tip_commit

SEEDS = int(os.environ.get("SYNC_SEEDS", "20"))


class RoughNet(SyncNet):
    """Each line keeps its order but delivers after a time of its own; now and then it breaks for a second."""

    def __init__(self, time: VirtualTime, chance: Random) -> None:
        super().__init__(time)
        self.chance = chance
        self.free_at_s: dict[tuple[str, str], float] = {}

    def send(self, source: str, target: str, message: BlocksyncMessage) -> bool:
        wished_s = self.time.now_s + self.chance.choice((0.001, 0.01, 0.05, 0.4))
        at_s = max(wished_s, self.free_at_s.get((source, target), 0.0))
        self.free_at_s[source, target] = at_s
        self.delay_s = at_s - self.time.now_s
        return super().send(source, target, message)

    def break_lines(self, name: str, peers: tuple[str, ...]) -> None:
        peer = self.chance.choice(peers)
        if (name, peer) in self.links:
            self.disconnect(name, peer)
            self.time.call_later(1.0, lambda: self.connect(name, peer))
        if self.time.now_s < 20:
            wait_s = self.chance.uniform(0.2, 3)
            self.time.call_later(wait_s, lambda: self.break_lines(name, peers))


def make_liar(net: SyncNet, name: str, chain, chance: Random) -> Peer:
    """Lies in every answer by another trick, or only now and then, and about its height."""
    share = chance.choice((0.05, 0.3, 1.0))

    def answer(message: BlocksyncMessage) -> BlocksyncMessage:
        response = message.value
        if not isinstance(response, BlockResponse) or chance.random() > share:
            return message
        kind = chance.randrange(len(TRICKS) + 2)
        if kind == len(TRICKS):
            return BlocksyncMessage(NoBlockResponse(response.block.header.height))
        if kind > len(TRICKS):
            return bad_tip_commit(message)
        return BlocksyncMessage(replace(response, block=TRICKS[kind](response.block)))

    return peer_at(
        net,
        name,
        chain,
        claim=chance.choice((None, None, 61, 10**6, 30)),
        is_silent=chance.random() < 0.1,
        change_answer=answer,
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_sync_ends_at_the_tip_and_no_honest_peer_is_called_a_liar(seed):
    chance = Random(seed)
    chain = chain_of(60)
    net = RoughNet(VirtualTime(), chance)
    names = ("a", "b", "c")
    liar = chance.choice(names)
    for name in names:
        if name == liar:
            make_liar(net, name, chain, chance)
        else:
            peer_at(net, name, chain)
    node = start_node(net, chain.doc, "n", chance.choice((3, 9)), Disk())
    for name in names:
        net.connect("n", name)
    net.time.call_later(chance.uniform(0, 1), lambda: net.break_lines("n", names))
    net.time.run(120, until=lambda: node.height == 60 and node.is_following)
    assert node.height == 60
    assert node.is_following
    assert node.node.host.state == chain.state
    assert {step.peer for step in node.expelled if step.is_lie} <= {liar}
