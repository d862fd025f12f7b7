"""Validators of a real town that sign twice, on virtual time: how soon it is proved, and how soon their power is gone.

The conflicting votes reach one correct node only; the production evidence relay does the rest.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chain.codec.canonical import b64url_encode
from chain.codec.signbytes import vote_sign_bytes
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.node.executor import name_block
from chain.node.relay import EvidenceRelay
from chain.node.signer import LastSigned
from chain.town.application import TownApplication
from chain.town.envelope import build_transaction
from chain.town.schemas import ActBodyAdd, ActValidatorSet, CouncilActs
from chain.town.validators import MISBEHAVIOUR
from chain.types.abci import RequestQuery
from chain.types.block import BlockID, EvidenceList, PartSetHeader
from chain.types.messages import ConsensusBody, VoteMessage
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator, VersionParams
from chain.types.timestamp import Timestamp
from tests.node.virtual import (
    GENESIS_NS,
    Disk,
    VirtualNetwork,
    VirtualNode,
    VirtualTime,
    seed_of,
)
from tests.town.town_kit import LAX_PARAMS, jwk, key

BODIES = ("mairie", "commerces", "coop", "dehors", "lycee", "hopital", "port")


def public(index: int) -> bytes:
    return ed25519.derive_public(seed_of(index))


def voter(index: int) -> bytes:
    return address(public(index))


def town_doc(size: int) -> GenesisDoc:
    bodies = [{"body": b, "name": b, "seat_key": members_of(f"seat@{b}")} for b in BODIES]
    validators = [
        {"body": BODIES[i], "pub_key": b64url_encode(public(i)), "power": 10} for i in range(size)
    ]
    state = {"params": LAX_PARAMS, "bodies": bodies, "roles": [], "validators": validators}
    return GenesisDoc(
        genesis_time=Timestamp.from_ns(GENESIS_NS),
        chain_id="virtual-1",
        initial_height=1,
        consensus_params=ConsensusParams(version=VersionParams(app=1)),
        validators=tuple(GenesisValidator(public(i), 10) for i in range(size)),
        app_hash=b"",
        app_state=state,
    )


def members_of(name: str) -> dict[str, str]:
    signer = jwk(key(name))
    return {"crv": signer.crv, "kty": signer.kty, "x": signer.x}


class Wire:
    """The switch as the evidence relay of one node sees it."""

    def __init__(self, network: "TownNetwork", index: int) -> None:
        self._network, self._index = network, index
        self.on_peer_up: list[Callable[[str], None]] = []
        self.on_peer_down: list[Callable[[str], None]] = []
        self.receive: Callable[[str, Any], None] = lambda _peer, _message: None

    def handle(self, _channel: Any, handler: Callable[[str, Any], None]) -> None:
        self.receive = handler

    def peers(self) -> tuple[str, ...]:
        return tuple(str(i) for i in sorted(self._network.nodes) if i != self._index)

    def send(self, peer: str, _channel: Any, message: EvidenceList) -> bool:
        target = self._network.wires[int(peer)]
        self._network.time.call_later(0.01, lambda: target.receive(str(self._index), message))
        return True


class TownNetwork(VirtualNetwork):
    """Virtual nodes that run the town, with the evidence channel."""

    def __init__(self, size: int) -> None:
        self.time = VirtualTime()
        super().__init__(self.time)
        self.doc = town_doc(size)
        self.wires: dict[int, Wire] = {}
        self.relays: dict[int, EvidenceRelay] = {}
        self._nonce = 0
        for index in range(size):
            self.add(index)

    def add(self, index: int, disk: Disk | None = None) -> VirtualNode:
        node = VirtualNode(
            self.time, disk or Disk(), self.doc, index, self, make_app=TownApplication
        )
        self.wires[index] = wire = Wire(self, index)
        judge = lambda item: node.evidence.submit(node.host.state, item)  # noqa: E731
        self.relays[index] = relay = EvidenceRelay(
            wire,  # type: ignore[arg-type]
            node.evidence,
            self.time,
            judge,
            lambda peer: self.nodes[int(peer)].host.working_height(),
            self.time,
        )
        relay.start()
        real = node.committed.append
        node.host._do = replace(
            node.host._do, on_committed=lambda block: (real(block), relay.on_committed())
        )
        self.time.call_later(0, node.host.start)
        return node

    def act(self, *acts: Any) -> None:
        """A council act of every seat, to every node."""
        self._nonce += 1
        town = town_name(self.nodes[0])
        now_s = self.time.now().seconds
        seats = [key(f"seat@{body}") for body in BODIES]
        raw = build_transaction(
            town,
            "council",
            CouncilActs(tuple(acts)),
            seats,
            self._nonce.to_bytes(16, "big"),
            now_s + 600,
        )
        for node in self.nodes.values():
            verdict = node.pool.add(raw)
            assert verdict.is_ok(), verdict  # type: ignore[union-attr]

    def run_to(self, height: int, nodes: tuple[int, ...] = (0,)) -> None:
        """Let time pass until these nodes have decided a height; idle blocks need a minute each."""
        until = lambda: all(self.nodes[i].height >= height for i in nodes)  # noqa: E731
        self.time.run(70 * (height + 2), until=until)
        assert until(), [node.height for node in self.nodes.values()]

    def set_at(self, height: int) -> set[bytes]:
        found = self.nodes[0].stores.states.load_validators(height)
        assert found is not None
        return {v.address for v in found.validators}

    def proofs(self) -> dict[bytes, tuple[int, int]]:
        """By guilty validator: height of the offence, height of the block that proves it."""
        found: dict[bytes, tuple[int, int]] = {}
        for at in range(1, self.nodes[0].height + 1):
            block = self.nodes[0].stores.blocks.load(at).block  # type: ignore[union-attr]
            for item in block.evidence.evidence:
                name = item.vote_a.validator_address  # type: ignore[union-attr]
                found.setdefault(name, (item.vote_a.height, at))  # type: ignore[union-attr]
        return found

    def check_agreement(self) -> None:
        tip = min(node.height for node in self.nodes.values())
        for at in range(1, tip + 1):
            names = {n.stores.blocks.load(at).block_id for n in self.nodes.values()}  # type: ignore[union-attr]
            assert len(names) == 1, at


def town_name(node: VirtualNode) -> str:
    name: str = json.loads(node.app.query(RequestQuery(path="/status")).value)["town"]
    return name


def sign_twice(network: TownNetwork, guilty: int, *, height: int, witness: int) -> None:
    """Make a validator's prevotes of one height reach `witness` together with another vote of the same key."""
    real = network.send

    def send(source: int, body: ConsensusBody) -> None:
        real(source, body)
        if source != guilty or not isinstance(body, VoteMessage) or body.vote.height != height:
            return
        other = BlockID(b"\x66" * 32, PartSetHeader(1, b"\x66" * 32))
        lie = replace(body.vote, block_id=other)
        signature = ed25519.sign(seed_of(guilty), vote_sign_bytes("virtual-1", lie))
        told = VoteMessage(replace(lie, signature=signature))
        host = network.nodes[witness].host
        network.time.call_later(0.011, lambda: host.deliver(told, str(guilty)))

    network.send = send  # type: ignore[method-assign]


@pytest.mark.parametrize(("size", "cheats"), [(5, (4,)), (7, (6, 5))])
def test_the_power_of_f_validators_that_sign_twice_is_gone_two_heights_after_the_proof(
    size, cheats
):
    network = TownNetwork(size)
    network.run_to(2)
    for cheat in cheats:
        sign_twice(network, cheat, height=4, witness=1)
    network.run_to(12, tuple(range(size - len(cheats))))
    for cheat in cheats:
        offence, proved = network.proofs()[voter(cheat)]
        assert offence == 4
        assert proved <= offence + 2
        assert voter(cheat) in network.set_at(proved + 1)
        for later in range(proved + 2, 13):
            assert voter(cheat) not in network.set_at(later)
    network.check_agreement()
    records = [r for _, r in MISBEHAVIOUR.scan(network.nodes[2].app._base)]
    assert sorted(r.validator for r in records) == sorted(
        b64url_encode(public(cheat)) for cheat in cheats
    )
    assert {r.outcome for r in records} == {"removed"}


def test_of_four_a_cheat_is_marked_and_the_council_replaces_it_in_one_act():
    network = TownNetwork(4)
    network.run_to(2)
    sign_twice(network, 3, height=4, witness=0)
    network.run_to(8)
    offence, proved = network.proofs()[voter(3)]
    assert proved <= offence + 2
    assert voter(3) in network.set_at(8), "three cannot decide for a town"
    network.add(4)
    catch_up(network, 4)
    network.act(
        ActValidatorSet("dehors", b64url_encode(public(3)), 0),
        ActValidatorSet("lycee", b64url_encode(public(4)), 10),
    )
    height = network.nodes[0].height
    network.run_to(height + 4, (0, 1, 2, 4))
    decided = next(
        at
        for at in range(height, height + 4)
        if network.nodes[0].stores.blocks.load(at).block.data.txs  # type: ignore[union-attr]
    )
    assert network.set_at(decided + 1) == {voter(i) for i in range(4)}
    assert network.set_at(decided + 2) == {voter(i) for i in (0, 1, 2, 4)}
    network.run_to(decided + 5, (0, 1, 2, 4))
    assert signers(network, decided + 3) >= {voter(4)}
    network.check_agreement()


def catch_up(network: TownNetwork, index: int) -> None:
    """What block sync does: hand a new node every decided block with the commit that proves it."""
    node, source = network.nodes[index], network.nodes[0]
    node.host.hold()
    for at in range(node.height + 1, source.height + 1):
        stored = source.stores.blocks.load(at)
        commit = source.stores.blocks.load_commit(at)
        assert stored is not None
        assert commit is not None
        built = name_block(stored.block)
        assert node.executor.check(node.host.state, built) is None
        node.host.adopt(built, commit[0])
    node.host.release()


def signers(network: TownNetwork, height: int) -> set[bytes]:
    """Who signed the block of a height, by the commit in the next one."""
    commit = network.nodes[0].stores.blocks.load_commit(height)
    assert commit is not None
    return {line.validator_address for line in commit[0].signatures if line.signature}


def test_a_validator_comes_goes_and_comes_back_signing_exactly_while_it_is_in_the_set():
    network = TownNetwork(4)
    network.run_to(2)
    newcomer = network.add(4)
    catch_up(network, 4)
    assert network.nodes[4].signer.last == LastSigned(), "it follows and signs nothing"

    def change(power: int) -> int:
        """A council act; returns the height from which it holds."""
        acts = (ActValidatorSet("lycee", b64url_encode(public(4)), power),)
        before = network.nodes[0].height
        network.act(*acts)
        network.run_to(before + 5, (0, 1, 2, 3, 4))
        blocks = network.nodes[0].stores.blocks
        at = [h for h in range(before + 1, before + 6) if blocks.load(h).block.data.txs]  # type: ignore[union-attr]
        return at[-1] + 2

    heights = [change(10), change(0), change(12)]
    network.run_to(heights[-1] + 4, (0, 1, 2, 3, 4))
    for at in range(2, network.nodes[0].height):
        is_in = heights[0] <= at < heights[1] or at >= heights[2]
        assert (voter(4) in network.set_at(at)) == is_in
        if not is_in:
            assert voter(4) not in signers(network, at)
    signed = [
        body.vote.height
        for source, body in network.wire
        if source == 4 and isinstance(body, VoteMessage)
    ]
    assert signed
    assert all(heights[0] <= at < heights[1] or at >= heights[2] for at in signed)
    assert newcomer.height == network.nodes[0].height
    network.check_agreement()


def test_a_new_body_and_its_validator_come_in_one_act():
    network = TownNetwork(4)
    network.run_to(2)
    network.add(4)
    catch_up(network, 4)
    network.act(
        ActBodyAdd("gare", "La gare", jwk(key("seat@gare"))),
        ActValidatorSet("gare", b64url_encode(public(4)), 10),
    )
    network.run_to(8, (0, 1, 2, 3, 4))
    assert voter(4) in network.set_at(8)
    network.check_agreement()
