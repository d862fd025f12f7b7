"""A block whose ballots are judged elsewhere: the height goes on meanwhile, and the node votes when it knows."""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from time import time, time_ns

from chain.judges.desk import Admission
from chain.node.config import NodeConfig
from chain.node.home import init_home
from chain.node.metrics import NodeMetrics
from chain.types.messages import VoteMessage
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.node.live import with_node
from tests.node.virtual import VirtualNetwork, VirtualNode, genesis_doc, start_cluster
from tests.town import town_kit
from tests.waiting import run_within

Call = Callable[[], None]


class Judges:
    """Takes its time over blocks that carry `marked`, until the test lets go."""

    def __init__(self, node: VirtualNode, marked: bytes) -> None:
        self.marked = marked
        self.asked: list[tuple[tuple[bytes, ...], int]] = []
        self.waiting: list[Call] = []
        node.host._do = replace(node.host._do, must_block_wait=self.must_wait)

    def must_wait(self, txs: tuple[bytes, ...], time_s: int, then: Call) -> bool:
        self.asked.append((txs, time_s))
        if self.marked not in txs:
            return False
        self.waiting.append(then)
        return True

    def let_go(self) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then()


def voted_for(network: VirtualNetwork, index: int, height: int) -> list[bool]:
    """Whether each prevote of a node was for a block."""
    return [
        not body.vote.block_id.is_nil()
        for source, body in network.wire
        if source == index
        and isinstance(body, VoteMessage)
        and (body.vote.height, body.vote.type) == (height, SignedMsgType.PREVOTE)
    ]


def proposed_by_another() -> tuple[object, VirtualNetwork, VirtualNode, Judges, int]:
    """Four validators, one of which waits for judges over the block that now carries a transaction."""
    time, network = start_cluster(4)
    time.run(2)
    height = network.nodes[0].height + 1
    proposer = network.nodes[0].host.state.validators.get_proposer().address
    slow = next(n for n in network.nodes.values() if n.signer.address != proposer)
    judges = Judges(slow, b"dear=1")
    for node in network.nodes.values():
        node.pool.add(b"dear=1")
    return time, network, slow, judges, height


def test_others_decide_while_one_node_has_a_block_judged_and_it_follows():
    time, network, slow, judges, height = proposed_by_another()
    time.run(0.2)
    others = [node for node in network.nodes.values() if node is not slow]
    assert min(node.height for node in others) >= height
    assert slow.height == height - 1
    assert voted_for(network, slow.index, height) == []
    txs, time_s = judges.asked[0]
    header = others[0].stores.blocks.load(height).block.header
    assert (txs, time_s) == ((b"dear=1",), header.time.seconds)
    assert len(judges.waiting) == 1, "asked once, whatever comes meanwhile"
    judges.let_go()
    time.run(0.2)
    assert slow.height >= height
    assert slow.host.state.app_hash == others[0].host.state.app_hash


def test_rounds_go_on_while_a_block_is_judged_and_the_finding_still_counts():
    """As for any block that comes late: the others' precommits of the first round decide it."""
    time, _, slow, judges, height = proposed_by_another()
    time.run(10)
    assert slow.height == height - 1
    assert slow.host.running_core().round > 0
    judges.let_go()
    time.run(10)
    assert slow.height >= height


def test_a_block_judged_when_its_height_is_over_is_left_alone():
    time, _, slow, judges, height = proposed_by_another()
    time.run(0.2)
    late = list(judges.waiting)
    judges.let_go()
    time.run(1)
    assert slow.height >= height
    before = slow.height, slow.host.core
    for then in late:
        then()
    assert (slow.height, slow.host.core) == before


def test_a_halted_node_judges_nothing_more():
    time, _, slow, judges, height = proposed_by_another()
    time.run(0.2)
    slow.host.halt()
    judges.let_go()
    time.run(1)
    assert slow.height == height - 1


def test_a_crash_while_a_block_is_judged_is_replayed_without_waiting():
    """The log holds the block's parts: the next life hears of it there, and ends where the others are."""
    time, network, slow, judges, height = proposed_by_another()
    time.run(0.2)
    assert judges.waiting
    slow.host.halt()
    again = VirtualNode(time, slow.disk, genesis_doc(4), slow.index, network)
    waited = Judges(again, b"dear=1")
    time.call_later(0, again.host.start)
    time.run(5)
    assert waited.waiting == []
    assert again.height >= height


class Recorder:
    """In place of a node's desk: everything has to come twice."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.is_stopped = False

    def admit(self, tx: bytes, then: Call) -> Admission:
        self.asked.append(tx)
        if self.asked.count(tx) > 1:
            return Admission.READY
        then()
        return Admission.WAITING

    def must_block_wait(self, txs: tuple[bytes, ...], time_s: int, then: Call) -> bool:
        return False

    def stop(self) -> None:
        self.is_stopped = True


def test_a_towns_node_asks_its_desk_before_every_transaction_and_starts_no_judge_without_a_ballot(
    tmp_path,
):
    genesis = town_kit.make_genesis(validators=1, genesis_s=int(time()))
    home = init_home(
        tmp_path,
        chain_id="beffroi-test-1",
        app_state=json.loads(genesis.app_state_bytes),
        genesis_time=Timestamp.from_ns(time_ns()),
        config=NodeConfig(rpc_port=0),
        validator_seed=town_kit.validator_seed(0),
    )
    recorder = Recorder()

    async def play(node, rpc):
        desk = node.desk
        figures = NodeMetrics(node, "", None).text().decode()
        for line in ("judges_waiting 0.0", 'judges_ballots_total{outcome="given_up"} 0.0'):
            assert line in figures.splitlines()
        assert node.app.judge_together == desk.judge_together
        assert node.host._do.must_block_wait == node._must_block_wait
        for method in ("broadcast_tx_sync", "broadcast_tx_async", "check_tx"):
            await rpc.full(method, tx=b64encode(b"no ballot").decode())
        assert desk._pool.pids() == ()
        node.desk = recorder
        for method in ("broadcast_tx_sync", "broadcast_tx_async", "check_tx"):
            tx = f"tx of {method}".encode()
            await rpc.full(method, tx=b64encode(tx).decode())
            assert recorder.asked.count(tx) == 2, method
        desk.stop()

    run_within(with_node(home, play))
    assert recorder.is_stopped
