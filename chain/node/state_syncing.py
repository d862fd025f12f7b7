"""State sync wired to this node: serving those who join, making snapshots between blocks, joining by one.

The joining side runs before anything else of the node, on a switch of its own that is closed when the chain is
restored; then the node starts as it always does, from a store that holds one block.
"""

import asyncio
from functools import partial

import structlog

from chain.limits import (
    SNAPSHOT_PAUSE_MS,
    SNAPSHOT_STEP_MS,
    SYNC_SEND_QUEUE_BYTES,
    SYNC_SERVE_RETRY_MS,
)
from chain.node.clock import Clock
from chain.node.config import StateSyncConfig
from chain.node.errors import ConfigError
from chain.node.executor import Stores
from chain.node.home import Genesis
from chain.node.restoring import StoreSink
from chain.p2p.channels import STATESYNC_CHANNELS, ChannelId, statesync_channel
from chain.p2p.errors import PeerFault
from chain.p2p.switch import Switch
from chain.sync import StateServer, StateSync, StateSyncParts
from chain.sync.ports import MonotonicClock, PeerId, SnapshotApplication, TimerHandle, Timers
from chain.town.application import TownApplication
from chain.types.abci import Application
from chain.types.block import EvidenceList
from chain.types.evidence import Evidence
from chain.types.messages import (
    BlockRequest,
    BlocksyncMessage,
    ChunkRequest,
    ChunkResponse,
    LightBlockRequest,
    ParamsRequest,
    SnapshotsRequest,
    StatesyncMessage,
)
from chain.types.primitives import Height

log = structlog.get_logger("statesync")


class SwitchStateTransport:
    """Channels 60 to 63, 40 and 38 (hex) of the switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def send(self, peer: PeerId, message: StatesyncMessage) -> bool:
        """Queue a message; a chunk only while the peer's line is nearly empty, so that votes never wait or drop."""
        is_chunk = isinstance(message.value, ChunkResponse)
        if is_chunk and self._switch.queued_bytes(peer) > SYNC_SEND_QUEUE_BYTES:
            return False
        return self._switch.send(peer, statesync_channel(message), message)

    def ask_block(self, peer: PeerId, height: Height) -> bool:
        """Ask for a whole block."""
        return self._switch.send(peer, ChannelId.BLOCKSYNC, BlocksyncMessage(BlockRequest(height)))

    def report(self, peer: PeerId, evidence: Evidence) -> None:
        """Hand evidence to a peer."""
        self._switch.send(peer, ChannelId.EVIDENCE, EvidenceList((evidence,)))

    def drop(self, peer: PeerId, reason: str) -> None:
        """Close the connection; who comes back is not asked again."""
        self._switch.punish(peer, "statesync_lie", reason)


def _checked(channel: ChannelId, message: StatesyncMessage) -> None:
    if statesync_channel(message) is not channel:
        raise PeerFault("p2p_protocol", f"{type(message.value).__name__} on {channel.name}")


class StateServing:
    """Answers peers that join by snapshot, within their rations."""

    def __init__(
        self,
        app: Application,
        stores: Stores,
        switch: Switch,
        timers: Timers,
        clock: MonotonicClock,
    ) -> None:
        offering = app if isinstance(app, SnapshotApplication) else None
        transport = SwitchStateTransport(switch)
        self._server = StateServer(
            offering, stores.blocks, stores.states, stores.states, transport.send
        )
        self._timers = timers
        self._clock = clock
        self._entry: TimerHandle | None = None
        self._is_stopped = False
        for channel in STATESYNC_CHANNELS:
            switch.handle(channel, partial(self._receive, channel))
        switch.on_peer_down.append(self._server.forget)

    def stop(self) -> None:
        """Answer nothing more."""
        self._is_stopped = True
        if self._entry is not None:
            self._entry.cancel()

    def _receive(self, channel: ChannelId, peer: PeerId, message: StatesyncMessage) -> None:
        _checked(channel, message)
        match message.value:
            case (
                SnapshotsRequest() | ChunkRequest() | LightBlockRequest() | ParamsRequest() as asked
            ):
                self._server.take(peer, asked, self._clock.monotonic_s())
                self._later(0.0)
            case _:
                pass  # a late answer to a node that has joined

    def _serve(self) -> None:
        self._entry = None
        if self._server.serve(self._clock.monotonic_s()):
            self._later(0.0)
        elif self._server.is_waiting():
            self._later(SYNC_SERVE_RETRY_MS / 1_000)

    def _later(self, delay_s: float) -> None:
        if self._entry is None and not self._is_stopped:
            self._entry = self._timers.call_later(delay_s, self._serve)


class SnapshotMaking:
    """Gives the application turns to make its snapshot: a few milliseconds, then a pause for everybody else."""

    def __init__(self, app: TownApplication, timers: Timers, clock: MonotonicClock) -> None:
        self._app = app
        self._timers = timers
        self._clock = clock
        self._entry: TimerHandle | None = None
        self._is_stopped = False

    def on_committed(self) -> None:
        """A block ended; perhaps a snapshot is due with it."""
        if self._entry is None and not self._is_stopped:
            self._entry = self._timers.call_later(SNAPSHOT_PAUSE_MS / 1_000, self._work)

    def stop(self) -> None:
        """Leave it where it stands; what is half written goes at the next start."""
        self._is_stopped = True
        if self._entry is not None:
            self._entry.cancel()

    def _work(self) -> None:
        self._entry = None
        end_s = self._clock.monotonic_s() + SNAPSHOT_STEP_MS / 1_000
        try:
            while self._app.snapshot_step():
                if self._clock.monotonic_s() >= end_s:
                    self.on_committed()
                    return
        except OSError as error:  # no room for a snapshot is no reason to leave the town
            log.error("snapshot given up", error=str(error))
            self._app.give_up_snapshot()


def make_snapshot_making(
    app: Application, timers: Timers, clock: MonotonicClock
) -> SnapshotMaking | None:
    """For the town's application; another one makes its snapshots by itself or not at all."""
    if not isinstance(app, TownApplication):
        return None
    return SnapshotMaking(app, timers, clock)


async def join_by_snapshot(
    switch: Switch,
    app: Application,
    stores: Stores,
    genesis: Genesis,
    config: StateSyncConfig,
    clock: Clock,
) -> None:
    """Restore the chain from peers' snapshots; returns when it is durable, tries for ever until then.

    Raises ConfigError when the application cannot restore any. What must stop the node reaches the loop.
    """
    if not isinstance(app, SnapshotApplication):
        raise ConfigError("config_statesync", "the application takes no snapshots")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    parts = StateSyncParts(
        app,
        genesis.doc,
        SwitchStateTransport(switch),
        StoreSink(stores, genesis.hash),
        loop,
        clock,
    )
    sync = StateSync(parts, config.settings(genesis.doc), lambda: done.set_result(None))

    def receive(channel: ChannelId, peer: PeerId, message: StatesyncMessage) -> None:
        _checked(channel, message)
        sync.receive(peer, message)

    for channel in STATESYNC_CHANNELS:
        switch.handle(channel, partial(receive, channel))
    switch.handle(ChannelId.BLOCKSYNC, sync.receive_block)
    switch.on_peer_up.append(sync.add_peer)
    switch.on_peer_down.append(sync.remove_peer)
    try:
        await switch.start()
        sync.start()
        await done
    finally:
        sync.stop()
        await switch.stop()
    assert sync.restored is not None, "done means restored"
    log.info(
        "joined by snapshot",
        height=sync.restored.state.last_block_height,
        light_blocks=sync.fetched_light_blocks,
    )
