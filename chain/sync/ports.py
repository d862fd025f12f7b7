"""What block sync needs of the rest of the node, by shape; tests and simulation bring their own."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from chain.execution.validation import InvalidBlock
from chain.sync.proof import FetchedBlock
from chain.sync.restored import RestoredChain
from chain.types.abci import RequestInfo, RequestQuery, ResponseInfo, ResponseQuery
from chain.types.block import Block, Commit, SignedHeader
from chain.types.evidence import Evidence
from chain.types.messages import (
    BlocksyncMessage,
    RequestApplySnapshotChunk,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
    StatesyncMessage,
)
from chain.types.params import ConsensusParams
from chain.types.primitives import Height
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet

PeerId: TypeAlias = str
"""A peer as the transport names it: stable across reconnections, so that a ban holds."""


class SyncTransport(Protocol):
    """Messages of channel 40 (hex) to single peers."""

    def send(self, peer: PeerId, message: BlocksyncMessage) -> bool:
        """Queue a message; False when the peer is gone or its queue is full. Never blocks."""
        ...

    def drop(self, peer: PeerId, reason: str, ban_s: float) -> None:
        """Close the connection to a peer; with `ban_s` > 0 refuse it for so long."""
        ...


class StoredBlock(Protocol):
    """A block of the store."""

    @property
    def block(self) -> Block: ...

    @property
    def size_bytes(self) -> int: ...


class BlockSource(Protocol):
    """The store that blocks are served from."""

    def height(self) -> Height: ...

    def base(self) -> Height: ...

    def load(self, height: Height) -> StoredBlock | None: ...

    def load_seen_commit(self, height: Height) -> Commit | None: ...


class Chain(Protocol):
    """The node's own chain: its state, and consensus, which signs nothing while it is held."""

    def state(self) -> ChainState: ...

    def check(self, fetched: FetchedBlock) -> InvalidBlock | None:
        """Every rule a block must fulfil after the state, the application's opinion excepted."""
        ...

    def may_begin_alone(self) -> bool:
        """Whether consensus may begin although no peer said how far the chain is: it signs nothing, or decides alone.

        A validator of several that began alone would sign heights that are long decided, perhaps by its own earlier
        life: a home brought back from a copy does not know.
        """
        ...

    def hold(self) -> None:
        """Keep consensus from starting heights; until `release` or for ever."""
        ...

    def adopt(self, fetched: FetchedBlock, commit: Commit) -> None:
        """Execute a decided block and make all of it durable in one transaction; only while held.

        Any exception must stop the node.
        """
        ...

    def release(self) -> None:
        """Let consensus begin, or go on, at the height after the state."""
        ...


class TimerHandle(Protocol):
    """A wait that can be called off."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """The event loop, as far as block sync needs one; what escapes a callback must stop the node."""

    def call_later(self, delay: float, callback: Callable[[], object]) -> TimerHandle: ...


class MonotonicClock(Protocol):
    """Seconds that never go back."""

    def monotonic_s(self) -> float: ...


class WallClock(MonotonicClock, Protocol):
    """The time of day besides: header times are judged by it."""

    def now(self) -> Timestamp: ...


class ParamsSource(Protocol):
    """Past consensus parameters."""

    def load_params(self, height: Height) -> ConsensusParams | None: ...


@runtime_checkable
class SnapshotApplication(Protocol):
    """The snapshot connection of ABCI 2.0; an application without these methods offers and restores nothing."""

    def info(self, request: RequestInfo) -> ResponseInfo: ...

    def query(self, request: RequestQuery) -> ResponseQuery: ...

    def list_snapshots(self, request: RequestListSnapshots) -> ResponseListSnapshots: ...

    def load_snapshot_chunk(
        self, request: RequestLoadSnapshotChunk
    ) -> ResponseLoadSnapshotChunk: ...

    def offer_snapshot(self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot: ...

    def apply_snapshot_chunk(
        self, request: RequestApplySnapshotChunk
    ) -> ResponseApplySnapshotChunk: ...


class StateTransport(Protocol):
    """Messages of channels 60 to 63 and 40 (hex) to single peers; never blocks."""

    def send(self, peer: PeerId, message: StatesyncMessage) -> bool: ...

    def ask_block(self, peer: PeerId, height: Height) -> bool: ...

    def report(self, peer: PeerId, evidence: Evidence) -> None:
        """Hand evidence to a peer, on channel 38 (hex)."""
        ...

    def drop(self, peer: PeerId, reason: str) -> None:
        """Close the connection to a peer that lied."""
        ...


class RestoreSink(Protocol):
    """Where a restored chain goes."""

    def save_headers(self, entries: Sequence[tuple[SignedHeader, ValidatorSet | None]]) -> None:
        """Write headers of the time before the snapshot, with the set of a height where one is given.

        Durable at once and harmless if nothing follows: all of them are proved.
        """
        ...

    def bootstrap(self, restored: RestoredChain) -> None:
        """Make state, block and application durable in one transaction: before it there is no chain here."""
        ...
