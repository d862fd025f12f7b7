"""Block sync wired to this node: its consensus host on one side, the peers' switch on the other."""

from collections.abc import Callable

from chain.execution.validation import InvalidBlock
from chain.limits import SYNC_SEND_QUEUE_BYTES
from chain.node.executor import BlockExecutor, BuiltBlock
from chain.node.host import ConsensusHost
from chain.p2p.channels import ChannelId
from chain.p2p.switch import Switch
from chain.sync import BlockSource, BlockSync, FetchedBlock, PeerId, SyncParts
from chain.sync.ports import MonotonicClock, Timers
from chain.types.block import Commit
from chain.types.messages import BlockResponse, BlocksyncMessage
from chain.types.state import ChainState


class HostChain:
    """The consensus host and its executor as the chain that block sync moves."""

    def __init__(
        self,
        host: ConsensusHost,
        executor: BlockExecutor,
        on_released: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._executor = executor
        self._on_released = on_released

    def state(self) -> ChainState:
        """State after the newest block."""
        return self._host.state

    def check(self, fetched: FetchedBlock) -> InvalidBlock | None:
        """All that validation asks of a block, its evidence included."""
        return self._executor.check(self._host.state, _as_built(fetched))

    def may_begin_alone(self) -> bool:
        """Not for a validator that needs others to decide."""
        return self._host.may_begin_alone()

    def hold(self) -> None:
        """Consensus starts no height."""
        self._host.hold()

    def adopt(self, fetched: FetchedBlock, commit: Commit) -> None:
        """One durable transaction for the block and everything that follows from it."""
        self._host.adopt(_as_built(fetched), commit)

    def release(self) -> None:
        """Consensus begins or goes on."""
        self._host.release()
        self._on_released()


class SwitchTransport:
    """Channel 40 (hex) of the switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def send(self, peer: PeerId, message: BlocksyncMessage) -> bool:
        """Queue a message; a block only while the peer's line is nearly empty, so that votes never wait or drop."""
        is_block = isinstance(message.value, BlockResponse)
        if is_block and self._switch.queued_bytes(peer) > SYNC_SEND_QUEUE_BYTES:
            return False
        return self._switch.send(peer, ChannelId.BLOCKSYNC, message)

    def drop(self, peer: PeerId, reason: str, ban_s: float) -> None:
        """Close the connection. Not refused when it comes back: block sync itself does not ask a banned peer
        again, and a validator's votes are judged by their signatures whatever else it sent."""
        self._switch.punish(peer, "sync_lie" if ban_s else "sync_silent", reason)


def make_block_sync(
    host: ConsensusHost,
    executor: BlockExecutor,
    source: BlockSource,
    switch: Switch,
    timers: Timers,
    clock: MonotonicClock,
    *,
    on_released: Callable[[], None] = lambda: None,
) -> BlockSync:
    """Block sync over the switch; `start` it in place of the host. `on_released`: consensus goes on here."""
    chain = HostChain(host, executor, on_released)
    parts = SyncParts(chain, source, SwitchTransport(switch), timers, clock)
    sync = BlockSync(parts)
    switch.on_peer_up.append(sync.add_peer)
    switch.on_peer_down.append(sync.remove_peer)
    switch.handle(ChannelId.BLOCKSYNC, sync.receive)
    return sync


def _as_built(fetched: FetchedBlock) -> BuiltBlock:
    return BuiltBlock(fetched.block, fetched.block_id, fetched.parts, fetched.encoded)
