"""A town's chain made by hand with snapshots, peers that serve it (some lie), and a node that joins: virtual time."""

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from chain.codec.hashing import hash_header
from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.light.client import HashRoot
from chain.node.executor import Stores, open_stores
from chain.node.home import make_genesis
from chain.node.restoring import StoreSink
from chain.store.app import LmdbStateStore
from chain.store.files import MemoryFolder
from chain.store.snapshots import FolderSnapshots
from chain.sync import StateServer, StateSync, StateSyncParts, StateSyncSettings
from chain.sync.light_source import load_light_block
from chain.sync.serving import BlockServer
from chain.town import snapshot_chunks
from chain.town.application import TownApplication
from chain.town.snapshot_desk import SnapshotPolicy
from chain.types.abci import RequestQuery
from chain.types.evidence import Evidence
from chain.types.messages import (
    BlockRequest,
    BlocksyncMessage,
    ChunkRequest,
    LightBlockRequest,
    ParamsRequest,
    SnapshotsRequest,
    StatesyncMessage,
)
from chain.types.params import GenesisValidator
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from tests.node.virtual import Disk, VirtualNode, VirtualTime, genesis_doc
from tests.sync.kit import SEEDS, Chain, new_chain
from tests.town.test_city import set_validator
from tests.town.town_kit import BODIES, GENESIS_S, Town, key, make_town, validator_seed

SEEDS |= {address(derive_public(validator_seed(i))): validator_seed(i) for i in range(16)}
SNAPSHOT_EVERY = 10
QUESTIONS = (SnapshotsRequest, ChunkRequest, LightBlockRequest, ParamsRequest)
Tricked = StatesyncMessage | BlocksyncMessage | None


@dataclass
class GrownTown:
    """A chain of the town's application; `states` are the chain states by height."""

    chain: Chain
    kit: Town
    states: dict[int, ChainState] = field(default_factory=dict)

    @property
    def app(self) -> TownApplication:
        assert isinstance(self.chain.node.app, TownApplication)
        return self.chain.node.app

    def grow(self, blocks: int, txs: Callable[[int], tuple[bytes, ...]] = lambda _h: ()) -> None:
        for _ in range(blocks):
            self.kit.now_s = self.chain.state.last_block_time.seconds
            self.chain.grow(1, txs)
            self.states[self.chain.state.last_block_height] = self.chain.state
            while self.app.snapshot_step():
                pass


def new_town(every: int = SNAPSHOT_EVERY, **doc: object) -> GrownTown:
    kit = make_town(validators=4)
    request = kit.genesis
    members = tuple(GenesisValidator(u.pub_key, u.power) for u in request.validators)
    genesis = replace(
        genesis_doc(4, **doc),
        chain_id=request.chain_id,
        genesis_time=Timestamp(GENESIS_S),
        validators=members,
        app_state=json.loads(request.app_state_bytes),
    )
    chain = new_chain(4, TownApplication, genesis=genesis)
    chain.signing = SEEDS
    town = GrownTown(chain, kit)
    kit.town = json.loads(town.app.query(RequestQuery(path="/status")).value)["town"]
    store = FolderSnapshots(MemoryFolder(), 2)
    town.app.keep_snapshots(store, SnapshotPolicy(every, is_daily=False))
    return town


@cache
def town_of(blocks: int) -> GrownTown:
    """Accounts in every third block, and one validator re-weighed, which changes every set after it."""
    town = new_town()

    def txs(height: int) -> tuple[bytes, ...]:
        if height == 5:
            return (town.kit.council_tx(set_validator("mairie", 0, 12), seats=BODIES),)
        return (town.kit.open_tx(key(f"phone {height}")),) if height % 3 == 0 else ()

    size, snapshot_chunks.SNAPSHOT_CHUNK_BYTES = snapshot_chunks.SNAPSHOT_CHUNK_BYTES, 1_500
    try:
        town.grow(blocks, txs)
    finally:
        snapshot_chunks.SNAPSHOT_CHUNK_BYTES = size
    accounts = len(list(town.chain.node.app._store.scan("account")))
    assert accounts > blocks // 3, "the transactions were taken"
    return town


class StateNet:
    """Lines between a joining node and its peers on virtual time."""

    def __init__(self, time: VirtualTime, delay_s: float = 0.01) -> None:
        self.time, self.delay_s = time, delay_s
        self.peers: dict[str, ServingPeer] = {}
        self.joiner: Joiner | None = None
        self.dropped: list[tuple[str, str]] = []
        self.reported: list[tuple[str, Evidence]] = []
        self.asked: list[tuple[str, Any]] = []

    def connect(self, name: str) -> None:
        assert self.joiner is not None
        self.joiner.sync.add_peer(name)

    def to_peer(self, name: str, message: StatesyncMessage | BlocksyncMessage) -> bool:
        if name not in self.peers:
            return False
        self.asked.append((name, message.value))
        self.time.call_later(self.delay_s, lambda: self._ask(name, message))
        return True

    def _ask(self, name: str, message: StatesyncMessage | BlocksyncMessage) -> None:
        if name in self.peers:
            self.peers[name].receive(message)

    def to_joiner(self, name: str, message: StatesyncMessage | BlocksyncMessage) -> bool:
        self.time.call_later(self.delay_s, lambda: self._deliver(name, message))
        return True

    def _deliver(self, name: str, message: StatesyncMessage | BlocksyncMessage) -> None:
        if self.joiner is None or name not in self.peers:
            return
        if isinstance(message, StatesyncMessage):
            self.joiner.sync.receive(name, message)
        else:
            self.joiner.sync.receive_block(name, message)

    # --- StateTransport ---

    def send(self, peer: str, message: StatesyncMessage) -> bool:
        return self.to_peer(peer, message)

    def ask_block(self, peer: str, height: int) -> bool:
        return self.to_peer(peer, BlocksyncMessage(BlockRequest(height)))

    def report(self, peer: str, evidence: Evidence) -> None:
        self.reported.append((peer, evidence))

    def drop(self, peer: str, reason: str) -> None:
        self.dropped.append((peer, reason))
        self.time.call_later(0, lambda: self._hang_up(peer))

    def _hang_up(self, peer: str) -> None:
        if self.joiner is not None:
            self.joiner.sync.remove_peer(peer)


@dataclass
class ServingPeer:
    """A peer that serves a town by production code, but for what its tricks change; None says nothing."""

    name: str
    net: StateNet
    town: GrownTown
    trick: Callable[[Any], Tricked] = lambda message: message

    def __post_init__(self) -> None:
        stores = self.town.chain.node.stores
        self.state_server = StateServer(
            self.town.app, stores.blocks, stores.states, stores.states, self._send
        )
        self.block_server = BlockServer(stores.blocks, self._send)
        self.net.peers[self.name] = self

    def receive(self, message: StatesyncMessage | BlocksyncMessage) -> None:
        now_s = self.net.time.now_s
        if isinstance(message.value, QUESTIONS):
            self.state_server.take("joiner", message.value, now_s)
            while self.state_server.serve(now_s):
                pass
        elif isinstance(message.value, BlockRequest):
            self.block_server.take("joiner", message.value, now_s)
            self.block_server.serve(now_s)

    def _send(self, _peer: str, message: StatesyncMessage | BlocksyncMessage) -> bool:
        tricked = self.trick(message)
        return True if tricked is None else self.net.to_joiner(self.name, tricked)


class Joiner:
    """A fresh disk, a fresh application, and state sync."""

    def __init__(
        self, net: StateNet, town: GrownTown, disk: Disk | None = None, trust: int = 1, **how: Any
    ) -> None:
        self.net, self.town, self.disk = net, town, disk or Disk()
        app_store = LmdbStateStore(self.disk.kv, shared=True)
        self.stores: Stores = open_stores(self.disk.kv, app_store)
        doc = town.chain.doc
        # The wall clock of the joining node is the tip's time.
        self.clock = AheadClock(net.time, town.chain.state.last_block_time)
        self.app = TownApplication(app_store, self.clock.now)
        self.is_done = False
        root = how.pop("root", None) or HashRoot(trust, hash_at(town, trust))
        self.sync = StateSync(
            StateSyncParts(
                self.app,
                doc,
                net,
                StoreSink(self.stores, make_genesis(doc).hash),
                net.time,
                self.clock,
            ),
            StateSyncSettings(root, discovery_s=1.0, **how),
            self._on_done,
        )
        net.joiner = self
        self.sync.start()

    def _on_done(self) -> None:
        self.is_done = True

    def run(self, seconds: float = 60) -> None:
        self.net.time.run(seconds, until=lambda: self.is_done)
        assert self.is_done, f"not restored; rejected {self.sync.rejected}"

    def restart(self) -> VirtualNode:
        """The node as it starts after state sync: production handshake on the same disk."""
        return VirtualNode(
            self.net.time, self.disk, self.town.chain.doc, 9, make_app=TownApplication
        )


@dataclass
class AheadClock:
    time: VirtualTime
    start: Timestamp

    def now(self) -> Timestamp:
        return self.start.plus_ns(round((self.time.now_s + 2) * 10**9))

    def monotonic_s(self) -> float:
        return self.time.now_s


def hash_at(town: GrownTown, height: int) -> bytes:
    stores = town.chain.node.stores
    found = load_light_block(stores.blocks, stores.states, height)
    assert found is not None
    return hash_header(found.signed_header.header)


def joining(
    town: GrownTown, tricks: dict[str, Callable[[Any], Tricked] | None], **how: Any
) -> tuple[StateNet, Joiner]:
    """A joiner and named peers, all connected; None for an honest one."""
    net = StateNet(VirtualTime())
    joiner = Joiner(net, town, **how)
    for name, trick in tricks.items():
        peer = ServingPeer(name, net, town)
        if trick is not None:
            peer.trick = trick
        net.connect(name)
    return net, joiner


def copy_disk(disk: Disk) -> Disk:
    return deepcopy(disk)


def changed(kind: type[Any], change: Callable[[Any], Any]) -> Callable[[Any], Tricked]:
    """A trick on one kind of answer; a change to None keeps silent."""

    def trick(message: Any) -> Tricked:
        if not isinstance(message.value, kind):
            return message  # type: ignore[no-any-return]
        value = change(message.value)
        return None if value is None else replace(message, value=value)

    return trick
