"""Several hosts on virtual time with memory disks and a network that the test rules: no sockets, no sleeping."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from chain.crypto.ed25519 import derive_public
from chain.mempool.pool import Mempool
from chain.node.config import Timeouts
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, Stores, open_stores
from chain.node.handshake import Handshake
from chain.node.home import make_genesis
from chain.node.host import ConsensusHost
from chain.node.host_parts import CommittedBlock, HostParts
from chain.node.pacing import Pacing
from chain.node.recovery import open_log, open_signer
from chain.node.signer import STATE_FILE, LastSigned, encode_state
from chain.store.app import LmdbStateStore
from chain.store.files import MemoryFolder
from chain.store.kv import MemoryStore
from chain.types.block import BlockID
from chain.types.messages import ConsensusBody
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import Timestamp
from tests.node.kvstore_app import KvStoreApp

GENESIS_NS = 1_790_000_000 * 10**9


class VirtualTime:
    """Clock and timers: nothing happens but what was scheduled, in order of time then of scheduling."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._queue: list[tuple[float, int, Handle]] = []
        self._order = count()

    def now(self) -> Timestamp:
        return Timestamp.from_ns(GENESIS_NS + round(self.now_s * 1e9))

    def monotonic_s(self) -> float:
        return self.now_s

    def call_later(self, delay: float, callback: Callable[[], object]) -> "Handle":
        handle = Handle(callback)
        heapq.heappush(self._queue, (self.now_s + max(0.0, delay), next(self._order), handle))
        return handle

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end_s = self.now_s + seconds
        while self._queue and self._queue[0][0] <= end_s and not until():
            at_s, _, handle = heapq.heappop(self._queue)
            self.now_s = max(self.now_s, at_s)
            if not handle.is_cancelled:
                handle.callback()
        if not until():
            self.now_s = end_s


@dataclass
class Handle:
    callback: Callable[[], object]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Disk:
    """What survives a crash of one node."""

    kv: MemoryStore = field(default_factory=MemoryStore)
    app_kv: MemoryStore = field(default_factory=MemoryStore)
    data: MemoryFolder = field(default_factory=MemoryFolder)
    wal: MemoryFolder = field(default_factory=MemoryFolder)


def seed_of(index: int) -> bytes:
    return sha256(f"node {index}".encode()).digest()


def genesis_doc(validators: int = 1, **changes: object) -> GenesisDoc:
    members = tuple(GenesisValidator(derive_public(seed_of(i)), 10) for i in range(validators))
    values: dict[str, object] = {
        "genesis_time": Timestamp.from_ns(GENESIS_NS),
        "chain_id": "virtual-1",
        "initial_height": 1,
        "consensus_params": ConsensusParams(),
        "validators": members,
        "app_hash": b"",
        "app_state": {},
    }
    return GenesisDoc(**(values | changes))  # type: ignore[arg-type]


MakeApp = Callable[[LmdbStateStore, Callable[[], Timestamp]], Any]


class VirtualNode:
    """One host with everything under it; `crash` forgets it, a new one on the same disk is a restart."""

    def __init__(
        self,
        time: VirtualTime,
        disk: Disk,
        doc: GenesisDoc,
        index: int = 0,
        network: "VirtualNetwork | None" = None,
        *,
        split: bool = False,
        pacing: Pacing | None = None,
        make_app: MakeApp | None = None,
        seed: bytes | None = None,
    ) -> None:
        self.index, self.disk = index, disk
        if STATE_FILE not in disk.data.content and not disk.kv.rows:
            disk.data.replace(STATE_FILE, encode_state(LastSigned()))
        app_store = LmdbStateStore(disk.app_kv if split else disk.kv, shared=not split)
        self.stores: Stores = open_stores(disk.kv, None if split else app_store)
        self.app: Any = (make_app or KvStoreApp)(app_store, time.now)
        self.pool = Mempool(self.app.check_tx, height=0)
        evidence = EvidencePool(disk.kv, self.stores.blocks, self.stores.states)
        self.executor = BlockExecutor(
            self.app, self.stores, self.pool.reap, evidence, doc.genesis_time
        )
        genesis = make_genesis(doc)
        self.notes: list[tuple[str, int]] = []
        state = Handshake(
            self.app,
            self.stores,
            self.executor,
            doc,
            genesis_hash=genesis.hash,
            app_state_bytes=genesis.app_state_bytes,
            version="test",
            note=lambda event, height: self.notes.append((event, height)),
        ).run()
        self.signer = open_signer(seed or seed_of(index), disk.data, state, self.stores.blocks)
        self.wal = open_log(disk.wal, self.signer, state, time.now())
        self.committed: list[CommittedBlock] = []
        self.host = ConsensusHost(
            state,
            HostParts(
                executor=self.executor,
                blocks=self.stores.blocks,
                wal=self.wal,
                signer=self.signer,
                network=network.port_of(self) if network else SilentNetwork(),
                mempool=self.pool,
                evidence=evidence,
                clock=time,
                timers=time,
                timeouts=Timeouts(),
                pacing=pacing or Pacing(),
                next_due_s=lambda: None,
                on_committed=self.committed.append,
            ),
        )
        self.pool.on_available = lambda: time.call_later(0, self.host.on_tx_available)
        self.evidence = evidence

    @property
    def height(self) -> int:
        return self.host.state.last_block_height


class SilentNetwork:
    def broadcast(self, message: ConsensusBody) -> None:
        pass

    def request_block(self, height: int, block_id: BlockID) -> None:
        pass

    def peer_count(self) -> int:
        return 0


class VirtualNetwork:
    """Delivers every broadcast to every other node after a delay, unless `drop` says no."""

    def __init__(self, time: VirtualTime, delay_s: float = 0.01) -> None:
        self._time, self._delay_s = time, delay_s
        self.nodes: dict[int, VirtualNode] = {}
        self.drop: Callable[[int, int, ConsensusBody], bool] = lambda _src, _dst, _body: False
        self.wire: list[tuple[int, ConsensusBody]] = []

    def port_of(self, node: VirtualNode) -> "Port":
        self.nodes[node.index] = node
        return Port(self, node.index)

    def send(self, source: int, body: ConsensusBody) -> None:
        self.wire.append((source, body))
        for target, node in sorted(self.nodes.items()):
            if target != source and not self.drop(source, target, body):
                self._time.call_later(
                    self._delay_s, lambda n=node: n.host.deliver(body, str(source))
                )


@dataclass
class Port:
    network: VirtualNetwork
    index: int

    def broadcast(self, message: ConsensusBody) -> None:
        self.network.send(self.index, message)

    def request_block(self, height: int, block_id: BlockID) -> None:
        pass

    def peer_count(self) -> int:
        return len(self.network.nodes) - 1


def start_one(disk: Disk | None = None, **options: object) -> tuple[VirtualTime, VirtualNode]:
    time = VirtualTime()
    node = VirtualNode(time, disk or Disk(), genesis_doc(), **options)  # type: ignore[arg-type]
    time.call_later(0, node.host.start)
    return time, node


def start_cluster(size: int, **doc: object) -> tuple[VirtualTime, VirtualNetwork]:
    time = VirtualTime()
    network = VirtualNetwork(time)
    genesis = genesis_doc(size, **doc)
    for index in range(size):
        node = VirtualNode(time, Disk(), genesis, index, network)
        time.call_later(0, node.host.start)
    return time, network
