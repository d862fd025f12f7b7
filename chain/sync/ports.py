"""What block sync needs of the rest of the node, by shape; tests and simulation bring their own."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

from chain.execution.validation import InvalidBlock
from chain.sync.proof import FetchedBlock
from chain.types.block import Block, Commit
from chain.types.messages import BlocksyncMessage
from chain.types.primitives import Height
from chain.types.state import ChainState

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
