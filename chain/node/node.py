"""One validator put together: stores, application, handshake, consensus, RPC. Wiring only.

Reads: the home folder.  Writes: the home folder.  Never: a rule of its own.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from chain.codec.hashing import hash_tx
from chain.execution.validation import InvalidBlock
from chain.judges.desk import Admission, BallotSource, Desk
from chain.mempool.pool import Mempool, PoolRefusal
from chain.node.clock import Clock
from chain.node.config import VERSION, NodeConfig, load_config
from chain.node.errors import ConfigError
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, Stores, open_stores
from chain.node.failure import bundle_name, write_bundle
from chain.node.gossip import ConsensusGossip
from chain.node.handshake import Handshake
from chain.node.home import Genesis, Home
from chain.node.host import ConsensusHost
from chain.node.host_parts import CommittedBlock, HostParts
from chain.node.membership import PeerList, SetWatch
from chain.node.metrics import NodeMetrics
from chain.node.metrics_server import MetricsServer
from chain.node.network import Network, NoPeers
from chain.node.platform import DiskPlatform, Platform
from chain.node.publishing import publish_block
from chain.node.recovery import open_log, open_signer
from chain.node.registry import PeerRegistry
from chain.node.relay import EvidenceRelay, TxRelay
from chain.node.retention import RetentionPolicy
from chain.node.signer import FileSigner
from chain.node.state_syncing import (
    SnapshotMaking,
    StateServing,
    join_by_snapshot,
    make_snapshot_making,
)
from chain.node.syncing import make_block_sync
from chain.p2p.errors import PeerFault
from chain.p2p.status import PeerStatus
from chain.p2p.switch import Switch
from chain.rpc.events import EventBus
from chain.rpc.ports import RoundView
from chain.rpc.server import RpcServer
from chain.store.app import LmdbStateStore
from chain.store.blocks import BlockStore
from chain.store.errors import StoreError
from chain.store.index import EventIndex
from chain.store.kv import KeyValueStore
from chain.store.snapshots import FolderSnapshots
from chain.store.state import ChainStateStore
from chain.store.wal import Wal
from chain.sync import BlockSync, Mode
from chain.town.application import TownApplication
from chain.town.snapshot_desk import SnapshotPolicy
from chain.types.abci import Application, RequestQuery, ResponseCheckTx
from chain.types.block import BLOCK_PROTOCOL, P2P_PROTOCOL
from chain.types.evidence import Evidence
from chain.types.messages import DefaultNodeInfo, DefaultNodeInfoOther, ProtocolVersion
from chain.types.params import GenesisDoc
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp

log = structlog.get_logger("node")

JUDGES_BUSY = PoolRefusal("mempool_full", "mempool is full: too many ballots wait to be judged")
AppFactory = Callable[[LmdbStateStore, Clock], Application]
CHANNELS = bytes.fromhex("402021222330386061626300")
"""Channels of CometBFT 0.38 as `node_info` lists them, and Tendermint 0.35's for light blocks and parameters."""


def town_application(store: LmdbStateStore, clock: Clock) -> Application:
    """The application that a town's node runs."""
    return TownApplication(store, clock.now)


class Node:
    """One node from its home folder; `start` and `stop` once each."""

    def __init__(
        self,
        home: Home,
        *,
        app_factory: AppFactory = town_application,
        config: NodeConfig | None = None,
        network: Network | None = None,
        has_own_store: bool = False,
        platform: Platform | None = None,
    ) -> None:
        """Open everything; raises NodeError, StoreError, InvalidSignerFile when something does not fit.

        `has_own_store` gives the application an environment of its own, as behind an ABCI socket;
        `platform` is the machine underneath, by default this one.
        """
        self.home = home
        self._platform = platform or DiskPlatform(home)
        self.config = config or load_config(home.config / "config.toml")
        self._genesis: Genesis = self._platform.load_genesis()
        self._kv: KeyValueStore = self._platform.open_store("chain.lmdb")
        self._app_kv = self._platform.open_store("app.lmdb") if has_own_store else self._kv
        self.clock = self._platform.make_clock(self.config.clock_offset_file, self._is_insecure)
        app_store = LmdbStateStore(self._app_kv, shared=not has_own_store)
        self.stores: Stores = open_stores(self._kv, None if has_own_store else app_store)
        self.app = app_factory(app_store, self.clock)
        self.evidence = EvidencePool(self._kv, self.stores.blocks, self.stores.states)
        self.pool = Mempool(
            self.app.check_tx,
            height=self.stores.blocks.height(),
            max_txs=self.config.mempool_max_txs,
            max_bytes=self.config.mempool_max_bytes,
        )
        self.executor = BlockExecutor(
            self.app, self.stores, self.pool.reap, self.evidence, self._genesis.doc.genesis_time
        )
        self.switch: Switch | None = None
        self._gossip: ConsensusGossip | None = None
        self._evidence_relay: EvidenceRelay | None = None
        self.tx_relay: TxRelay | None = None
        self._network: Network = network or NoPeers()
        self._has_network = network is not None or self.config.p2p.is_alone()
        self.events = EventBus()
        self.host: ConsensusHost | None = None
        self.sync: BlockSync | None = None
        """Block sync, which begins consensus when no peer is ahead; None in a node without peers."""
        self.rpc: RpcServer | None = None
        self.refused_txs: Counter[str] = Counter()
        """Clients' transactions that were not taken, by the pool's code or the application's codespace/number."""
        self._metrics: NodeMetrics | None = None
        self.metrics_server: MetricsServer | None = None
        self._state_serving: StateServing | None = None
        self._snapshot_making: SnapshotMaking | None = None
        self._keep_snapshots()
        self._signer: FileSigner | None = None
        self._wal: Wal | None = None
        self.failure: BaseException | None = None
        """Why this node stops, once it does; `/health` tells."""
        self._due: dict[str, Any] = {}
        """The application's `/due` after the newest block."""
        self.desk: Desk | None = None
        """Where ballots wait for the processes that judge them; None for an application without ballots."""
        self._peer_list: PeerList | None = None
        self._set_watch: SetWatch | None = None

    def _is_insecure(self) -> bool:
        """Whether the application says that its genesis is below a production floor."""
        return bool(self._ask_application("/status").get("insecure"))

    def _ask_application(self, path: str) -> dict[str, Any]:
        """The application's answer to a path, an empty mapping when it has none."""
        answer = self.app.query(RequestQuery(path=path))
        if answer.code != 0 or not answer.value.startswith(b"{"):
            return {}
        facts = json.loads(answer.value)
        return facts if isinstance(facts, dict) else {}

    def _next_due_s(self) -> int | None:
        """Asked once per block, before anybody hears of it; keeps the answer for `_on_committed`."""
        self._due = self._ask_application("/due")
        return self._due_int("next_due")

    def _due_int(self, name: str) -> int | None:
        value = self._due.get(name)
        return value if isinstance(value, int) else None

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Join by snapshot if told so, handshake, open the log, serve the RPC, begin consensus."""
        await self._join_by_snapshot()
        self._open_desk(loop)
        state = self._handshake()
        self.executor.retention = RetentionPolicy(self.config.storage, not self._is_insecure())
        self.evidence.recheck(state)
        self._signer = open_signer(
            self._platform.load_signing_seed(),
            self._platform.open_folder(""),
            state,
            self.stores.blocks,
        )
        self._wal = open_log(
            self._platform.open_folder("cs.wal"), self._signer, state, self.clock.now()
        )
        self.pool.on_available = lambda: self._on_tx_available(loop)
        self._snapshot_making = make_snapshot_making(self.app, loop, self.clock)
        if not self._has_network:
            self._open_network(loop)
        self.host = ConsensusHost(state, self._host_parts(loop, self._wal, self._signer))
        self.rpc = self._platform.open_rpc(self, self.events, self.config)
        await self.rpc.start()
        await self._serve_metrics()
        log.info(
            "node started",
            chain_id=state.chain_id,
            height=state.last_block_height,
            rpc_port=self.rpc.port,
            validator=self._signer.address.hex(),
        )
        self._set_watch = SetWatch(self._signer.address, state)
        if self.switch is None:
            loop.call_soon(self.host.start)
        else:
            await self._join_network(self.switch, self.host, loop)

    def _open_desk(self, loop: asyncio.AbstractEventLoop) -> None:
        judges = self._platform.open_judges(loop)
        if judges is not None and isinstance(self.app, BallotSource):
            self.desk = Desk(self.app, judges, loop)

    def _admit(self, tx: bytes, then: Callable[[], None]) -> Admission:
        return Admission.READY if self.desk is None else self.desk.admit(tx, then)

    def _must_block_wait(
        self, txs: tuple[bytes, ...], time_s: int, then: Callable[[], None]
    ) -> bool:
        return self.desk is not None and self.desk.must_block_wait(txs, time_s, then)

    async def _serve_metrics(self) -> None:
        settings = self.config.instrumentation
        if not settings.prometheus:
            return
        data = self.home.data if self.home.data.is_dir() else None
        self._metrics = NodeMetrics(self, settings.namespace, data)
        self.metrics_server = MetricsServer(self._metrics.text, settings)
        await self.metrics_server.start()
        log.info("metrics served", port=self.metrics_server.port)

    def log_file(self) -> Wal | None:
        """The write-ahead log, while the node runs."""
        return self._wal

    async def _join_by_snapshot(self) -> None:
        """Restore the chain from peers when the settings say so and there is none here yet."""
        is_fresh = self.stores.states.load() is None and self.stores.blocks.height() == 0
        if not self.config.statesync.is_enabled or self._has_network or not is_fresh:
            return
        switch = self._platform.open_switch(self.config.p2p, self._own_node_info(app_version=0))
        await join_by_snapshot(
            switch, self.app, self.stores, self._genesis, self.config.statesync, self.clock
        )
        self.pool.update(self.stores.blocks.height(), (), ())

    def _keep_snapshots(self) -> None:
        settings = self.config.statesync
        if isinstance(self.app, TownApplication) and settings.snapshot_interval:
            kept = FolderSnapshots(self._platform.open_folder("snapshots"), settings.snapshots_kept)
            self.app.keep_snapshots(kept, SnapshotPolicy(settings.snapshot_interval))

    def _open_network(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the switch and what hangs on it; raises NodeError when a certificate cannot be used."""
        switch = self._platform.open_switch(self.config.p2p, self._own_node_info(app_version=0))
        self.switch = switch
        self._network = self._gossip = ConsensusGossip(switch, self.stores.blocks, loop, self.clock)
        self.tx_relay = TxRelay(switch, self.pool, loop, self.clock, self._admit)
        self._evidence_relay = EvidenceRelay(
            switch,
            self.evidence,
            loop,
            self._judge_evidence,
            self._gossip.peer_height,
            self.clock,
        )
        self._gossip.on_peer_step = self._evidence_relay.on_peer_step
        self._state_serving = StateServing(self.app, self.stores, switch, loop, self.clock)

    async def _join_network(
        self, switch: Switch, host: ConsensusHost, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Listen and dial; the host begins once no peer is ahead."""
        assert self._gossip is not None
        assert self.tx_relay is not None
        assert self._evidence_relay is not None
        self._gossip.attach(host)
        host.on_evidence_found = self._evidence_relay.say_news
        self._gossip.is_quiet = self._is_syncing
        self.sync = make_block_sync(
            host,
            self.executor,
            self.stores.blocks,
            switch,
            loop,
            self.clock,
            on_released=self._gossip.on_committed,
        )
        loop.call_soon(self.sync.start)
        self._gossip.start()
        self.tx_relay.start()
        self._evidence_relay.start()
        await switch.start()
        registry = PeerRegistry(self.app.query, self._platform.load_node_id())
        self._peer_list = PeerList(
            switch,
            registry,
            self._platform.load_peer_certificates(),
            self.config.p2p.persistent_peers,
        )
        self._due = self._ask_application("/due")
        self._follow_members(host.state)
        log.info(
            "listening to peers", port=switch.listen_port, node_id=self._platform.load_node_id()
        )

    def _handshake(self) -> ChainState:
        return Handshake(
            self.app,
            self.stores,
            self.executor,
            self._genesis.doc,
            genesis_hash=self._genesis.hash,
            app_state_bytes=self._genesis.app_state_bytes,
            version=VERSION,
            note=lambda event, height: log.info(event, height=height),
        ).run()

    def _host_parts(
        self, loop: asyncio.AbstractEventLoop, wal: Wal, signer: FileSigner
    ) -> HostParts:
        return HostParts(
            executor=self.executor,
            blocks=self.stores.blocks,
            wal=wal,
            signer=signer,
            network=self._network,
            mempool=self.pool,
            evidence=self.evidence,
            clock=self.clock,
            timers=loop,
            timeouts=self.config.timeouts,
            pacing=self.config.pacing,
            next_due_s=self._next_due_s,
            on_committed=self._on_committed,
            must_block_wait=self._must_block_wait,
        )

    def reload_peers(self) -> None:
        """Read addresses and certificates again (SIGHUP): new peers are dialled, those gone are dropped.

        A file that cannot be used leaves everything as it was, with a line in the log.
        """
        if self._peer_list is None:
            return
        try:
            config = load_config(self.home.config / "config.toml")
            trusted = self._platform.load_peer_certificates()
            self._peer_list.configure(
                trusted, config.p2p.persistent_peers, self.state().last_block_height
            )
        except (ConfigError, PeerFault, OSError) as error:
            log.error("peers not reloaded", detail=str(error))
            return
        log.info("peers reloaded", addresses=len(config.p2p.persistent_peers))

    def _follow_members(self, state: ChainState) -> None:
        """Let the switch and the operator know what the newest block says of members."""
        if self._peer_list is not None:
            self._peer_list.on_block(self._due_int("nodes_changed"), state.last_block_height)
        if self._set_watch is not None:
            self._set_watch.on_block(state)

    def _on_tx_available(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.host is not None:
            loop.call_soon(self.host.on_tx_available)

    def _on_committed(self, committed: CommittedBlock) -> None:
        publish_block(self.events, committed)
        if self._metrics is not None:
            self._metrics.on_committed(committed)
        if self._snapshot_making is not None:
            self._snapshot_making.on_committed()
        self._follow_members(committed.state)
        if self._gossip is not None and self._evidence_relay is not None:
            self._gossip.on_committed()
            self._evidence_relay.on_committed()

    async def stop(self) -> None:
        """Serve nobody any more, make the log durable, close the stores; nothing committed is lost."""
        if self.desk is not None:
            self.desk.stop()
        if self.rpc is not None:
            await self.rpc.stop()
        if self.metrics_server is not None:
            await self.metrics_server.stop()
        if self.sync is not None:
            self.sync.stop()
        for part in (
            self._gossip,
            self.tx_relay,
            self._evidence_relay,
            self._state_serving,
            self._snapshot_making,
        ):
            if part is not None:
                part.stop()
        if self.switch is not None:
            await self.switch.stop()
        if self.host is not None:
            self.host.stop()
        self.close()
        log.info("node stopped", height=self.stores.blocks.height())

    def close(self) -> None:
        """Release files without another word to them (also after a failure)."""
        if self.desk is not None:
            self.desk.stop()
        if self._wal is not None:
            self._wal.close()
            self._wal = None
        self._kv.close()
        if self._app_kv is not self._kv:
            self._app_kv.close()

    def fail(self, failure: BaseException) -> None:
        """Something unexpected came up: sign, send and store nothing from this very moment on."""
        self.failure = self.failure or failure
        if self.host is not None:
            self.host.halt()
        if self.sync is not None:
            self.sync.stop()

    def write_failure_bundle(self, failure: BaseException) -> Path:
        """What an inquiry needs, under data/failures (never transactions); raises OSError on a full disk."""
        name = bundle_name(self.clock.now())
        folder = self._platform.open_folder(f"failures/{name}")
        write_bundle(folder, failure, self.host, self._signer, self._wal)
        return self.home.data / "failures" / name

    # ── NodeView ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def blocks(self) -> BlockStore:
        """Stored blocks."""
        return self.stores.blocks

    @property
    def states(self) -> ChainStateStore:
        """Past validator sets and parameters."""
        return self.stores.states

    @property
    def index(self) -> EventIndex:
        """Transactions and events."""
        return self.stores.index

    async def await_judges(self, tx: bytes) -> PoolRefusal | None:
        """Return once the ballot in a transaction was judged beside this thread; a refusal when too many wait."""
        loop = asyncio.get_running_loop()
        while self.pool.screen(tx) is None:
            called = asyncio.Event()
            try:
                admission = self._admit(tx, called.set)
            except Exception as failure:
                context = {"message": "CheckTx raised", "exception": failure}
                loop.call_exception_handler(context)
                raise
            if admission is Admission.READY:
                break
            if admission is Admission.FULL:
                return JUDGES_BUSY
            await called.wait()
        return None

    def submit_tx(self, tx: bytes) -> ResponseCheckTx | PoolRefusal:
        """Offer a client's transaction to the pool; an application that raises stops the node."""
        try:
            verdict = self.pool.add(tx)
        except Exception as failure:
            context = {"message": "CheckTx raised", "exception": failure}
            asyncio.get_running_loop().call_exception_handler(context)
            raise
        if isinstance(verdict, PoolRefusal):
            self.refused_txs[verdict.code] += 1
            log.info("tx not taken", hash=hash_tx(tx).hex()[:16], code=verdict.code)
        elif not verdict.is_ok():
            self.refused_txs[f"{verdict.codespace}/{verdict.code}"] += 1
            log.info("tx refused", hash=hash_tx(tx).hex()[:16], code=verdict.code)
        return verdict

    @property
    def genesis(self) -> GenesisDoc:
        """The genesis document."""
        return self._genesis.doc

    @property
    def validator_key(self) -> bytes:
        """Public key of our validator."""
        assert self._signer is not None, "the RPC starts after the signer"
        return self._signer.public_key

    @property
    def node_info(self) -> DefaultNodeInfo:
        """What `status` says of the node."""
        return self._own_node_info(self.state().app_version)

    def _own_node_info(self, app_version: int) -> DefaultNodeInfo:
        p2p = self.config.p2p
        return DefaultNodeInfo(
            ProtocolVersion(P2P_PROTOCOL, BLOCK_PROTOCOL, app_version),
            self._platform.load_node_id(),
            f"tcp://{p2p.listen_host or '0.0.0.0'}:{p2p.listen_port}",  # noqa: S104  # a text, CometBFT's default
            self._genesis.doc.chain_id,
            VERSION,
            CHANNELS,
            self.config.moniker,
            DefaultNodeInfoOther("on", f"tcp://{self.config.rpc_host}:{self.config.rpc_port}"),
        )

    def state(self) -> ChainState:
        """State after the newest block."""
        assert self.host is not None, "the RPC starts after the host"
        return self.host.state

    def is_failed(self) -> bool:
        """Whether the node stops because something broke."""
        return self.failure is not None or (self.host is not None and self.host.is_halted())

    def report(self, failure: Exception) -> None:
        """The RPC met something unexpected: a damaged store or a broken invariant stops the node.

        A flaw in a query does not: whoever may ask must not be able to stop a validator.
        """
        if isinstance(failure, StoreError | AssertionError):
            context = {"message": "a query met a broken store", "exception": failure}
            asyncio.get_running_loop().call_exception_handler(context)

    def is_catching_up(self) -> bool:
        """Whether the chain is further than this node, as far as it knows."""
        return self._is_syncing() or (
            self.sync is not None and self.sync.lowest_out_of_reach is not None
        )

    def _is_syncing(self) -> bool:
        """Whether block sync moves the chain rather than consensus."""
        return self.sync is not None and self.sync.mode is Mode.SYNCING

    def retention(self) -> str:
        """`archive` or `pruned`."""
        return self.config.storage.name()

    def peers(self) -> tuple[PeerStatus, ...]:
        """Connected peers, by node id."""
        return () if self.switch is None else self.switch.statuses()

    def p2p_address(self) -> str:
        """host:port that peers connect to, "" without a listener."""
        if self.switch is None or not self.switch.listen_port:
            return ""
        return f"{self.config.p2p.listen_host}:{self.switch.listen_port}"

    def now(self) -> Timestamp:
        """The node's clock."""
        return self.clock.now()

    def peer_count(self) -> int:
        """Connected peers."""
        return self._network.peer_count()

    def round_view(self) -> RoundView:
        """Where consensus stands."""
        assert self.host is not None
        return self.host.round_view()

    def submit_evidence(self, evidence: Evidence) -> InvalidBlock | None:
        """Take evidence from a client; what is true is told to peers at once."""
        refused = self._judge_evidence(evidence)
        if refused is None and self._evidence_relay is not None:
            self._evidence_relay.say_news()
        return refused

    def _judge_evidence(self, evidence: Evidence) -> InvalidBlock | None:
        """Judge evidence that somebody brought; what is true waits for a block, and starts one."""
        refused = self.evidence.submit(self.state(), evidence)
        if refused is None and self.host is not None:
            asyncio.get_running_loop().call_soon(self.host.on_evidence)
        return refused
