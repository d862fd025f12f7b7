"""Whole nodes with the key-value application on loopback TLS, all in the test's own event loop."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from chain.codec.proto import encode
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto.ed25519 import derive_public, sign
from chain.crypto.keys import address
from chain.node.budget import Budget
from chain.node.config import NodeConfig, load_config, render_config
from chain.node.home import PEERS_FOLDER, Home, load_node_id
from chain.node.node import Node
from chain.node.relay import batches
from chain.node.testnet import Member, init_testnet
from chain.p2p.channels import CHANNELS, ChannelId
from chain.types.block import BlockID, PartSetHeader, Vote
from chain.types.messages import (
    BlockPart,
    ConsensusMessage,
    HasVote,
    MempoolMessage,
    ProposalMessage,
    Txs,
    VoteMessage,
)
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.node.four import QUICK, free_ports
from tests.node.kvstore_app import KvStoreApp
from tests.waiting import run_within, until

Test = Callable[[list[Node]], Awaitable[None]]


def validator_seed(index: int) -> bytes:
    return sha256(f"gossip {index}".encode()).digest()


def make_homes(root: Path, size: int = 4) -> tuple[Home, ...]:
    ports = free_ports(size)
    config = NodeConfig(rpc_port=0, timeouts=QUICK)
    members = [
        Member(root / f"node{i}", validator_seed(i), port, config) for i, port in enumerate(ports)
    ]
    now = Timestamp.from_ns(time.time_ns())
    return init_testnet(members, chain_id="gossip-1", app_state={}, genesis_time=now)


def cut_links(homes: tuple[Home, ...], ids: list[str], lonely: int, only: int) -> None:
    """Leave one node a single peer; the others do not know it any more."""
    for index, home in enumerate(homes):
        for other in range(len(homes)):
            if other == index or {index, other} == {lonely, only}:
                continue
            if lonely in (index, other):
                (home.config / PEERS_FOLDER / f"{ids[other]}.pem").unlink()
                drop_address(home, ids[other])


def drop_address(home: Home, node_id: str) -> None:
    path = home.config / "config.toml"
    config = load_config(path)
    peers = tuple(p for p in config.p2p.persistent_peers if p.node_id != node_id)
    p2p = replace(config.p2p, persistent_peers=peers)
    path.write_text(render_config(replace(config, p2p=p2p)))


@asynccontextmanager
async def running(homes: tuple[Home, ...]) -> AsyncIterator[list[Node]]:
    loop = asyncio.get_running_loop()
    escaped: list[Any] = []
    loop.set_exception_handler(lambda _loop, context: escaped.append(context))
    nodes = [Node(h, app_factory=lambda store, clock: KvStoreApp(store, clock.now)) for h in homes]
    for node in nodes:
        await node.start(loop)
    try:
        yield nodes
        assert escaped == []
    finally:
        for node in nodes:
            await node.stop()


def run(homes: tuple[Home, ...], test: Test) -> None:
    async def main() -> None:
        async with running(homes) as nodes:
            await until(lambda: min(height(node) for node in nodes) >= 1)
            await test(nodes)

    run_within(main())


def height(node: Node) -> int:
    return node.stores.blocks.height()


def has(node: Node, tx: bytes) -> bool:
    return node.index.load_tx(sha256(tx).digest()) is not None


def node_ids(homes: tuple[Home, ...]) -> list[str]:
    return [load_node_id(home) for home in homes]


def check_agreement(nodes: list[Node]) -> None:
    for at in range(1, min(height(node) for node in nodes) + 1):
        loaded = [node.stores.blocks.load(at) for node in nodes]
        assert len({stored.block_id for stored in loaded if stored is not None}) == 1


def test_a_transaction_goes_to_everybody_once_and_never_back(tmp_path, monkeypatch):
    """Each comes from its origin alone, whether a block overtakes it on its way or not."""
    # What waits for long is passed on by its hearers too, which a slow machine would bring about.
    monkeypatch.setattr("chain.node.relay._TICK_S", 3_600.0)
    homes = make_homes(tmp_path)
    ids = node_ids(homes)

    async def test(nodes: list[Node]) -> None:
        await until(lambda: all(node.peer_count() == 3 for node in nodes))
        taken = [taken_by(node) for node in nodes]
        sent = [(b"k%d=v" % n, n % 2) for n in range(40)]
        for tx, origin in sent:
            nodes[origin].submit_tx(tx)
            await asyncio.sleep(0.002)
        await until(lambda: all(has(node, tx) for node in nodes for tx, _ in sent))
        check_agreement(nodes)
        # Lines keep the order: when these are there, nothing of before is still on its way.
        ends = [(b"end%d=v" % i, i) for i in range(4)]
        for tx, origin in ends:
            nodes[origin].submit_tx(tx)
        await until(
            lambda: all(len({tx for tx, _ in found} & dict(ends).keys()) == 3 for found in taken)
        )
        for index, found in enumerate(taken):
            given = [(tx, ids[origin]) for tx, origin in sent + ends if origin != index]
            assert sorted(found) == sorted(given), f"node {index}"

    run(homes, test)


def taken_by(node: Node) -> list[tuple[bytes, str]]:
    """Every transaction that a peer sends the node from now on, known or not, and which peer."""
    found: list[tuple[bytes, str]] = []
    relay = node.tx_relay
    assert relay is not None
    real = relay._take

    def take(tx: bytes, peer: str) -> None:
        found.append((tx, peer))
        real(tx, peer)

    relay._take = take  # type: ignore[method-assign]
    return found


def test_a_node_with_one_link_hears_every_vote_and_its_transactions_reach_all(tmp_path):
    """It never meets two of the validators: their votes come because everybody sends again all it holds."""
    homes = make_homes(tmp_path)
    cut_links(homes, node_ids(homes), lonely=3, only=0)

    async def test(nodes: list[Node]) -> None:
        assert [node.peer_count() for node in nodes] == [3, 2, 2, 1]
        for n in range(4):
            tx = b"far%d=v" % n
            nodes[3].submit_tx(tx)
            await until(lambda tx=tx: all(has(node, tx) for node in nodes))
        check_agreement(nodes)
        assert nodes[3].tx_relay is not None
        assert nodes[3].tx_relay.received == 0, "not even after the pause was one sent back"

    run(homes, test)


def test_votes_and_proposals_lost_on_their_way_come_again_by_the_timer(tmp_path):
    async def test(nodes: list[Node]) -> None:
        for node in nodes:
            assert node._gossip is not None
            real = node._gossip.broadcast

            def lossy(body: Any, real: Any = real) -> None:
                if not isinstance(body, VoteMessage | ProposalMessage | BlockPart):
                    real(body)

            node._gossip.broadcast = lossy  # type: ignore[method-assign]
        nodes[1].submit_tx(b"lost=v")
        await until(lambda: all(has(node, b"lost=v") for node in nodes))
        check_agreement(nodes)

    run(make_homes(tmp_path), test)


def test_a_node_that_heard_nothing_of_several_heights_is_served_them_at_the_tip(tmp_path):
    async def test(nodes: list[Node]) -> None:
        deaf = nodes[3]
        assert deaf.host is not None
        real = deaf.host.deliver
        deaf.host.deliver = lambda body, peer: None  # type: ignore[method-assign]
        for n in range(3):
            tx = b"deaf%d=v" % n
            nodes[0].submit_tx(tx)
            await until(lambda tx=tx: all(has(node, tx) for node in nodes[:3]))
        deaf.host.deliver = real  # type: ignore[method-assign]
        await until(lambda: has(deaf, b"deaf2=v"))
        check_agreement(nodes)

    run(make_homes(tmp_path), test)


def forged(node: Node, voter: int, fill: bytes, *, seed: bytes | None = None) -> VoteMessage:
    """A prevote of a validator for a block that does not exist, at the height to come."""
    assert node.host is not None
    validators = node.host.state.validators
    who = address(derive_public(validator_seed(voter)))
    index = validators.index_of(who)
    assert index is not None
    vote = Vote(
        SignedMsgType.PREVOTE,
        height(node) + 1,
        0,
        BlockID(fill * 32, PartSetHeader(1, fill * 32)),
        node.clock.now(),
        who,
        index,
    )
    signature = sign(seed or validator_seed(voter), vote_sign_bytes("gossip-1", vote))
    return VoteMessage(replace(vote, signature=signature))


def test_a_peer_that_sends_a_vote_with_a_wrong_signature_is_dropped_and_dialled_again(tmp_path):
    async def test(nodes: list[Node]) -> None:
        liar, honest = nodes[2].switch, nodes[0].switch
        assert liar is not None
        assert honest is not None
        wrong = forged(nodes[0], 1, b"\x01", seed=bytes(32))
        liar.send(nodes[0].node_info.default_node_id, ChannelId.VOTE, ConsensusMessage(wrong))
        await until(lambda: honest.counts["p2p_bad_signature"] == 1)
        await until(lambda: len(honest.peers()) == 3)
        nodes[0].submit_tx(b"on=v")
        await until(lambda: all(has(node, b"on=v") for node in nodes))

    run(make_homes(tmp_path), test)


def test_a_message_on_another_ones_channel_ends_the_connection(tmp_path):
    async def test(nodes: list[Node]) -> None:
        sender, receiver = nodes[2].switch, nodes[0].switch
        assert sender is not None
        assert receiver is not None
        stray = ConsensusMessage(HasVote(1, 0, SignedMsgType.PREVOTE, 0))
        sender.send(nodes[0].node_info.default_node_id, ChannelId.VOTE, stray)
        await until(lambda: receiver.counts["p2p_protocol"] == 1)

    run(make_homes(tmp_path), test)


def test_two_conflicting_votes_seen_by_one_node_become_evidence_on_all(tmp_path):
    async def test(nodes: list[Node]) -> None:
        told: list[Any] = []
        real = nodes[2].app.finalize_block
        nodes[2].app.finalize_block = (  # type: ignore[method-assign]
            lambda request: told.extend(request.misbehavior) or real(request)
        )
        at = height(nodes[0])
        assert nodes[0].host is not None
        for fill in (b"\x01", b"\x02"):
            nodes[0].host.deliver(forged(nodes[0], 3, fill), "somebody")
        await until(lambda: told)
        assert told[0].height == at + 1
        check_agreement(nodes)

    run(make_homes(tmp_path), test)


def test_peers_are_read_again_on_request_and_a_bad_file_changes_nothing(tmp_path):
    homes = make_homes(tmp_path)
    ids = node_ids(homes)

    async def test(nodes: list[Node]) -> None:
        await until(lambda: all(node.peer_count() == 3 for node in nodes))
        gone = homes[0].config / PEERS_FOLDER / f"{ids[3]}.pem"
        pem = gone.read_bytes()
        gone.write_bytes(b"not a certificate")
        nodes[0].reload_peers()
        assert nodes[0].peer_count() == 3
        gone.unlink()
        nodes[0].reload_peers()
        assert nodes[0].peer_count() == 2
        gone.write_bytes(pem)
        nodes[0].reload_peers()
        await until(lambda: nodes[0].peer_count() == 3)

    run(homes, test)


def test_a_budget_is_per_peer_and_time_refills_it():
    budget = Budget(burst=3, per_s=2)
    assert [budget.spend("a", 0.0) for _ in range(5)] == [True, True, True, False, False]
    assert budget.spend("b", 0.0), "others have their own"
    assert budget.spend("a", 0.5)
    assert not budget.spend("a", 0.5)
    assert not budget.spend("a", 100.0, 4), "never more than the burst"
    assert budget.spend("a", 100.0, 3)


def test_batches_keep_within_the_channels_limit_and_lose_nothing():
    txs = [bytes([n % 251]) * size for n, size in enumerate([10, 400_000, 700_000, 1, 1_048_576])]
    txs += [b"small%d" % n for n in range(12_000)]
    cut = batches(txs)
    assert [tx for batch in cut for tx in batch] == txs
    limit = CHANNELS[ChannelId.MEMPOOL].max_bytes
    assert max(len(encode(MempoolMessage(Txs(batch)))) for batch in cut) <= limit
