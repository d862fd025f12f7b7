"""What the host of consensus works with, what it tells, and what belongs to one height of its work."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from chain.consensus import Effect
from chain.mempool.pool import Mempool
from chain.node.blockparts import BlockParts
from chain.node.clock import Clock
from chain.node.config import Timeouts
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, BuiltBlock
from chain.node.network import Network
from chain.node.pacing import Pacing
from chain.node.signer import FileSigner
from chain.store.blocks import BlockStore
from chain.store.wal import Wal
from chain.types.abci import ResponseFinalizeBlock
from chain.types.block import BlockID
from chain.types.messages import ConsensusBody
from chain.types.state import ChainState

MustWait = Callable[[tuple[bytes, ...], int, Callable[[], None]], bool]
"""Told transactions and header time in unix seconds."""


class TimerHandle(Protocol):
    """A wait that can be called off."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """The event loop, as far as consensus needs one."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> TimerHandle: ...


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """What the rest of the node hears of a block, once it is durable."""

    built: BuiltBlock
    responses: ResponseFinalizeBlock
    state: ChainState


@dataclass(frozen=True, slots=True)
class HostParts:
    """Everything the host works with."""

    executor: BlockExecutor
    blocks: BlockStore
    wal: Wal
    signer: FileSigner
    network: Network
    mempool: Mempool
    evidence: EvidencePool
    clock: Clock
    timers: Timers
    timeouts: Timeouts
    pacing: Pacing
    next_due_s: Callable[[], int | None]
    """Unix second at which the application has work to do at a block's end, or None."""
    on_committed: Callable[[CommittedBlock], None]
    must_block_wait: MustWait = lambda _txs, _time_s, _then: False
    """Whether something of a block is being judged elsewhere; then the last argument is called once when it was."""


@dataclass(frozen=True, slots=True)
class CutBlock:
    """A block being gathered: its name, and which of its parts are here."""

    block_id: BlockID
    held: tuple[bool, ...]


@dataclass(slots=True)
class HeightWork:
    """What belongs to the height in progress and is dropped with it."""

    parts: BlockParts = field(default_factory=BlockParts)
    outbox: list[ConsensusBody] = field(default_factory=list)
    timers: list[TimerHandle] = field(default_factory=list)
    pending: list[Effect] = field(default_factory=list)
    """Effects of replayed inputs that the log has not shown as done."""
    awaited: set[BlockID] = field(default_factory=set)
    """Whole blocks of which something is being judged elsewhere."""
