"""Chains made by hand, and block sync over an in-memory transport on virtual time, with liars among the peers."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count

from chain.codec.signbytes import vote_sign_bytes
from chain.crypto.ed25519 import derive_public, sign
from chain.crypto.keys import address
from chain.execution.building import EMPTY_COMMIT, make_commit
from chain.execution.validation import InvalidBlock
from chain.node.executor import BuiltBlock
from chain.sync import BlockSync, FetchedBlock, Mode, SyncParts
from chain.sync.pool import Expel
from chain.sync.serving import BlockServer
from chain.types.block import Block, Commit, Vote
from chain.types.messages import (
    BlockRequest,
    BlockResponse,
    BlocksyncMessage,
    StatusRequest,
    StatusResponse,
)
from chain.types.params import GenesisDoc
from chain.types.primitives import SignedMsgType
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from tests.node.kvstore_app import KvStoreApp
from tests.node.virtual import Disk, VirtualNode, VirtualTime, genesis_doc, seed_of

SEEDS = {address(derive_public(seed_of(i))): seed_of(i) for i in range(16)}
ALL_BUT_THE_JOINER = {address(derive_public(seed_of(i))): seed_of(i) for i in range(16) if i != 3}


def sign_commit(
    state: ChainState, built: BuiltBlock, seeds: Mapping[bytes, bytes] = SEEDS, step_ns: int = 10**9
) -> Commit:
    """Precommits of the set for a block, `step_ns` after it, of those whose seed is given by address."""
    height, time = built.block.header.height, built.block.header.time.plus_ns(step_ns)
    votes = []
    for index, validator in enumerate(state.validators.validators):
        if validator.address not in seeds:
            continue
        vote = Vote(
            SignedMsgType.PRECOMMIT, height, 0, built.block_id, time, validator.address, index
        )
        signature = sign(seeds[validator.address], vote_sign_bytes(state.chain_id, vote))
        votes.append(replace(vote, signature=signature))
    return make_commit(height, 0, built.block_id, votes, state.validators)


@dataclass
class Chain:
    """A chain that grows by hand; its disk can be copied for any number of nodes."""

    doc: GenesisDoc
    node: VirtualNode
    state: ChainState
    signing: Mapping[bytes, bytes] = field(default_factory=lambda: ALL_BUT_THE_JOINER)
    """Validator 3 took no part: a key that had would stay mute when its node comes without that memory."""

    def grow(self, blocks: int, txs: Callable[[int], tuple[bytes, ...]] = lambda _h: ()) -> None:
        store = self.node.stores.blocks
        for _ in range(blocks):
            height = self.state.last_block_height + 1
            for tx in txs(height):
                self.node.pool.add(tx)
            last = store.load_seen_commit(height - 1) or EMPTY_COMMIT
            proposer = self.state.validators.get_proposer().address
            built = self.node.executor.propose(self.state, last, proposer)
            commit = sign_commit(self.state, built, self.signing)
            self.state, responses = self.node.executor.apply(self.state, built, commit)
            self.node.pool.update(height, built.block.data.txs, responses.tx_results)

    def disk(self) -> Disk:
        """A node's disk at this height (with a signer of its own)."""
        return Disk(deepcopy(self.node.disk.kv), deepcopy(self.node.disk.app_kv))

    def app_hash_at(self, height: int) -> bytes:
        stored = self.node.stores.blocks.load(height + 1)
        return self.state.app_hash if stored is None else stored.block.header.app_hash


def new_chain(
    validators: int = 4, make_app: Callable[..., object] = KvStoreApp, **doc: object
) -> Chain:
    """Nobody's node: its application takes transactions whatever the clock says."""
    genesis = doc.pop("genesis", None) or genesis_doc(validators, **doc)
    assert isinstance(genesis, GenesisDoc)
    node = VirtualNode(VirtualTime(), Disk(), genesis, make_app=make_app)
    if isinstance(node.app, KvStoreApp):
        node.app.clock = None
    return Chain(genesis, node, node.host.state)


@cache
def chain_of(blocks: int) -> Chain:
    """A chain of four validators with a transaction in every block; not to be grown further."""
    chain = new_chain()
    chain.grow(blocks, lambda h: (b"k%d=v%d" % (h, h),))
    return chain


@dataclass
class HostedChain:
    """As `chain.node.syncing.HostChain`; while it is held nobody may even ask for a signature."""

    node: VirtualNode
    holds: int = 0
    is_held: bool = False

    def state(self) -> ChainState:
        return self.node.host.state

    def check(self, fetched: FetchedBlock) -> InvalidBlock | None:
        return self.node.executor.check(self.node.host.state, as_built(fetched))

    def may_begin_alone(self) -> bool:
        return self.node.host.may_begin_alone()

    def hold(self) -> None:
        self.is_held = True
        self.holds += 1
        self.node.signer._sign = _refuse_to_sign  # type: ignore[method-assign]
        self.node.host.hold()

    def adopt(self, fetched: FetchedBlock, commit: Commit) -> None:
        assert self.is_held
        self.node.host.adopt(as_built(fetched), commit)

    def release(self) -> None:
        self.is_held = False
        vars(self.node.signer).pop("_sign", None)
        self.node.host.release()


def _refuse_to_sign(*_: object) -> tuple[Timestamp, bytes]:
    raise AssertionError("asked to sign while syncing")


def as_built(fetched: FetchedBlock) -> BuiltBlock:
    return BuiltBlock(fetched.block, fetched.block_id, fetched.parts, fetched.encoded)


class SyncNet:
    """Channel 40 between named endpoints on virtual time; links are up once `connect` ran on both ends."""

    def __init__(self, time: VirtualTime, delay_s: float = 0.01) -> None:
        self.time, self.delay_s = time, delay_s
        self.ends: dict[str, Endpoint] = {}
        self._numbers = count()
        self.links: dict[tuple[str, str], int] = {}
        """Both directions of every line that is up, with the number of the connection."""
        self.requests: list[tuple[str, str, int]] = []
        """(asking, asked, height) of every block request."""
        self.dropped: list[tuple[str, str, str, float]] = []

    def port(self, name: str) -> "NetPort":
        return NetPort(self, name)

    def connect(self, a: str, b: str) -> None:
        number = next(self._numbers)
        self.links |= {(a, b): number, (b, a): number}
        self.ends[a].add_peer(b)
        self.ends[b].add_peer(a)

    def disconnect(self, a: str, b: str) -> None:
        for end, peer in ((a, b), (b, a)):
            if self.links.pop((end, peer), None) is not None and end in self.ends:
                self.ends[end].remove_peer(peer)

    def send(self, source: str, target: str, message: BlocksyncMessage) -> bool:
        number = self.links.get((source, target))
        if number is None:
            return False
        if isinstance(message.value, BlockRequest):
            self.requests.append((source, target, message.value.height))

        def deliver() -> None:
            if self.links.get((source, target)) == number:
                self.ends[target].receive(source, message)

        self.time.call_later(self.delay_s, deliver)
        return True

    def drop(self, source: str, target: str, reason: str, ban_s: float) -> None:
        """Close the line; both dial again at once, as validators do."""
        self.dropped.append((source, target, reason, ban_s))
        self.disconnect(source, target)
        self.time.call_later(1.0, lambda: self.connect(source, target))


@dataclass
class NetPort:
    net: SyncNet
    name: str

    def send(self, peer: str, message: BlocksyncMessage) -> bool:
        return self.net.send(self.name, peer, message)

    def drop(self, peer: str, reason: str, ban_s: float) -> None:
        self.net.drop(self.name, peer, reason, ban_s)


class Endpoint:
    """What the net calls."""

    def add_peer(self, peer: str) -> None: ...

    def remove_peer(self, peer: str) -> None: ...

    def receive(self, peer: str, message: BlocksyncMessage) -> None: ...


@dataclass
class SyncedNode:
    """A whole node with block sync; `crash` keeps its disk."""

    name: str
    net: SyncNet
    disk: Disk
    node: VirtualNode
    chain: HostedChain
    sync: BlockSync

    @property
    def height(self) -> int:
        return self.node.height

    @property
    def is_following(self) -> bool:
        return self.sync.mode is Mode.FOLLOWING

    @property
    def expelled(self) -> list[Expel]:
        return self.sync.expelled

    def crash(self) -> None:
        """Forget everything but the disk."""
        self.sync.stop()
        self.node.host._is_stopped = True
        for peer in [b for a, b in sorted(self.net.links) if a == self.name]:
            self.net.disconnect(self.name, peer)


def start_node(
    net: SyncNet, doc: GenesisDoc, name: str, index: int, disk: Disk, **options: object
) -> SyncedNode:
    node = VirtualNode(net.time, disk, doc, index, **options)  # type: ignore[arg-type]
    chain = HostedChain(node)
    sync = BlockSync(SyncParts(chain, node.stores.blocks, net.port(name), net.time, net.time))
    net.ends[name] = sync  # type: ignore[assignment]
    sync.start()
    return SyncedNode(name, net, disk, node, chain, sync)


@dataclass
class Peer:
    """A peer without consensus: serves a store honestly, but for what its tricks change."""

    name: str
    net: SyncNet
    source: VirtualNode
    claim: int | None = None
    """Height it says it has; None for the truth."""
    is_silent: bool = False
    """Never answers a block request."""
    change_block: Callable[[Block], Block] = lambda block: block
    change_answer: Callable[[BlocksyncMessage], BlocksyncMessage] = lambda message: message
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = BlockServer(self.source.stores.blocks, self._send)
        self.net.ends[self.name] = self  # type: ignore[assignment]

    def status(self) -> BlocksyncMessage:
        truth = self.server.status()
        return BlocksyncMessage(
            truth if self.claim is None else StatusResponse(self.claim, truth.base)
        )

    def add_peer(self, peer: str) -> None:
        self.net.send(self.name, peer, self.status())

    def remove_peer(self, peer: str) -> None:
        self.server.forget(peer)

    def receive(self, peer: str, message: BlocksyncMessage) -> None:
        match message.value:
            case StatusRequest():
                self.net.send(self.name, peer, self.status())
            case BlockRequest(height):
                self.asked.append(height)
                if not self.is_silent:
                    self.server.take(peer, message.value, self.net.time.now_s)
                    self.server.serve(self.net.time.now_s)
            case _:
                pass

    def _send(self, peer: str, message: BlocksyncMessage) -> bool:
        if isinstance(message.value, BlockResponse):
            response = message.value
            message = BlocksyncMessage(replace(response, block=self.change_block(response.block)))
        return self.net.send(self.name, peer, self.change_answer(message))


def peer_at(net: SyncNet, name: str, chain: Chain, **tricks: object) -> Peer:
    """A peer over a chain's own store."""
    return Peer(name, net, chain.node, **tricks)  # type: ignore[arg-type]
