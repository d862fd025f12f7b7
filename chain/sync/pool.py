"""Which block to ask of which peer, what came, who broke a promise. No clock and no I/O: time is handed in.

Reads: messages and times.  Writes: its own tables.  Never: judges a block (`proof`), sends (`service`).
All walks are in order of height, then of peer name: the same inputs give the same questions.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeAlias

from chain.limits import (
    SYNC_BUFFER_BYTES,
    SYNC_HEDGE_MS,
    SYNC_LIE_BAN_MS,
    SYNC_NO_BLOCK_STRIKES,
    SYNC_PEER_REQUESTS,
    SYNC_PEER_TIMEOUT_MS,
    SYNC_REQUEST_TIMEOUT_MS,
    SYNC_SILENT_BAN_MS,
    SYNC_STATUS_WAIT_MS,
    SYNC_UNASKED_STRIKES,
)
from chain.sync.proof import Candidate, FetchedBlock
from chain.types.block import Commit
from chain.types.messages import StatusResponse
from chain.types.primitives import Height

URGENT_BLOCKS: Final = 2
"""The next block and the one with its commit: nothing moves without them."""


class Standing(Enum):
    """Where we are among the peers that answer."""

    UNKNOWN = auto()
    """Nobody has answered yet, or somebody new is still to answer."""
    LEVEL = auto()
    """No peer has a block that follows ours."""
    BEHIND = auto()
    """A peer says that it has."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a peer a request for one block."""

    peer: str
    height: Height


@dataclass(frozen=True, slots=True)
class Expel:
    """Stop using a peer; `is_lie` when its own messages prove it wrong, else it was only silent."""

    peer: str
    reason: str
    is_lie: bool

    @property
    def ban_s(self) -> float:
        """How long it is not asked."""
        return (SYNC_LIE_BAN_MS if self.is_lie else SYNC_SILENT_BAN_MS) / 1_000


Step: TypeAlias = Ask | Expel


@dataclass(slots=True)
class _Peer:
    """What is known of one connected peer."""

    since_s: float
    base: Height = 0
    height: Height = 0
    has_claim: bool = False
    """Its last status stands; a block refused against it voids it until the next one."""
    has_answered: bool = False
    asked: dict[Height, float] = field(default_factory=dict)
    """Open requests and when each was sent, oldest first."""
    brought_at_s: float = 0.0
    refused: int = 0
    unasked: int = 0

    def covers(self, height: Height) -> bool:
        return self.has_claim and self.base <= height <= self.height


@dataclass(frozen=True, slots=True)
class _Held:
    fetched: FetchedBlock
    sender: str
    tip_commit: Commit | None


class BlockPool:
    """Requests, answers and bans of one node's block sync."""

    def __init__(self, next_height: Height) -> None:
        self.next_height = next_height
        """The block that follows our state."""
        self._peers: dict[str, _Peer] = {}
        self._banned_until_s: dict[str, float] = {}
        """After a lie: not asked whatever happens."""
        self._resting_until_s: dict[str, float] = {}
        """After a silence: not asked while somebody else is there."""
        self._held: dict[Height, _Held] = {}
        self._held_bytes = 0

    # ── peers ────────────────────────────────────────────────────────────────────────────────────────

    def add_peer(self, peer: str, now_s: float) -> None:
        """A connection is up; a ban outlives reconnections."""
        self._peers[peer] = _Peer(now_s)

    def remove_peer(self, peer: str) -> None:
        """A connection is gone; what it was asked is asked of others at the next plan."""
        self._peers.pop(peer, None)

    def expel(self, step: Expel, now_s: float) -> None:
        """Ban a peer, forget what it still owes; after a lie also whatever else it brought."""
        (self._banned_until_s if step.is_lie else self._resting_until_s)[step.peer] = (
            now_s + step.ban_s
        )
        state = self._peers.get(step.peer)
        if state is not None:
            self._peers[step.peer] = _Peer(now_s)
        if step.is_lie:
            for height in [h for h, held in self._held.items() if held.sender == step.peer]:
                self._drop_held(height)

    def is_banned(self, peer: str, now_s: float) -> bool:
        """Whether a peer is not asked at the moment, because it lied."""
        return self._banned_until_s.get(peer, 0.0) > now_s

    def _usable(self, now_s: float) -> list[tuple[str, _Peer]]:
        """Whom we ask: who is neither banned nor resting, or, when all the others rest, those too.

        Silence may be a bad line, and all lines may have been bad: a validator that waited out every rest would
        hold its consensus for a minute although everybody answers again.
        """
        honest = sorted((p, s) for p, s in self._peers.items() if not self.is_banned(p, now_s))
        fresh = [(p, s) for p, s in honest if self._resting_until_s.get(p, 0.0) <= now_s]
        return fresh or honest

    def standing(self, now_s: float) -> Standing:
        """Are we behind? A claim that does not cover our next block is of no use and does not count."""
        usable = [state for _, state in self._usable(now_s)]
        if any(state.covers(self.next_height) for state in usable):
            return Standing.BEHIND
        awaited = any(
            not state.has_answered and now_s - state.since_s < SYNC_STATUS_WAIT_MS / 1_000
            for state in usable
        )
        answered = any(state.has_answered for state in usable)
        return Standing.LEVEL if answered and not awaited else Standing.UNKNOWN

    def lag(self, now_s: float) -> int:
        """Blocks that the furthest usable peer says it has beyond ours and can serve."""
        heights = [s.height for _, s in self._usable(now_s) if s.covers(self.next_height)]
        return max(heights, default=self.next_height - 1) - self.next_height + 1

    def lowest_out_of_reach(self, now_s: float) -> Height | None:
        """The lowest block any peer keeps, when everybody who answers has pruned the one that follows ours."""
        bases = [s.base for _, s in self._usable(now_s) if s.has_claim]
        lowest = min(bases, default=0)
        return lowest if lowest > self.next_height else None

    def has_level_peer(self, now_s: float) -> bool:
        """Whether some usable peer is no further than we are."""
        return any(s.has_claim and s.height < self.next_height for _, s in self._usable(now_s))

    # ── what came ────────────────────────────────────────────────────────────────────────────────────

    def take_status(self, peer: str, status: StatusResponse) -> Expel | None:
        """Note what a peer says it has; an impossible range is a lie."""
        state = self._peers.get(peer)
        if state is None:
            return None
        if not 0 <= status.base <= max(status.height, 0) or status.height < 0:
            return Expel(peer, f"impossible status {status.base}..{status.height}", is_lie=True)
        state.base, state.height = status.base, status.height
        state.has_claim = state.has_answered = True
        return None

    def take_no_block(self, peer: str, height: Height) -> Expel | None:
        """A peer refuses what its status promised: the status is void, and it may not happen often."""
        state = self._peers.get(peer)
        if state is None or state.asked.pop(height, None) is None:
            return None
        state.has_claim = False
        state.refused += 1
        if state.refused < SYNC_NO_BLOCK_STRIKES:
            return None
        return Expel(peer, f"has no block {height} that it claimed", is_lie=True)

    def take_block(
        self, peer: str, fetched: FetchedBlock, tip_commit: Commit | None, now_s: float
    ) -> Expel | None:
        """Keep an answer for its turn; late and second answers to a real question are no fault."""
        state = self._peers.get(peer)
        if state is None or self.is_banned(peer, now_s):
            return None
        height = fetched.height
        if state.asked.pop(height, None) is None:
            state.unasked += 1
            if state.unasked < SYNC_UNASKED_STRIKES:
                return None
            return Expel(peer, f"block {height} was not asked for", is_lie=True)
        if fetched.block.last_commit is None:
            return Expel(peer, f"block {height} without its last commit", is_lie=True)
        state.brought_at_s = now_s
        if tip_commit is None:
            # Only the newest block comes with its commit: the peer has the next one too.
            state.height = max(state.height, height + 1)
        self._keep(height, _Held(fetched, peer, tip_commit))
        return None

    def _keep(self, height: Height, held: _Held) -> None:
        if height < self.next_height or height in self._held:
            return
        is_urgent = height < self.next_height + URGENT_BLOCKS
        size = len(held.fetched.encoded)
        if not is_urgent and self._held_bytes + size > SYNC_BUFFER_BYTES:
            return  # asked for again when there is room
        self._held[height] = held
        self._held_bytes += size

    def _drop_held(self, height: Height) -> None:
        held = self._held.pop(height, None)
        if held is not None:
            self._held_bytes -= len(held.fetched.encoded)

    # ── what is next ─────────────────────────────────────────────────────────────────────────────────

    def candidate(self) -> Candidate | None:
        """The next block with a commit for it, when both are here."""
        held = self._held.get(self.next_height)
        if held is None:
            return None
        after = self._held.get(self.next_height + 1)
        if after is not None:
            commit = after.fetched.block.last_commit
            assert commit is not None, "a block without its last commit is never kept"
            return Candidate(held.fetched, held.sender, commit, after.sender)
        if held.tip_commit is not None:
            return Candidate(held.fetched, held.sender, held.tip_commit, held.sender)
        return None

    def advance(self, next_height: Height) -> None:
        """Our state moved, by these blocks or by consensus; whoever brought the last one keeps its promises."""
        applied = self._held.get(next_height - 1)
        if applied is not None and applied.sender in self._peers:
            self._peers[applied.sender].refused = 0
        self.next_height = next_height
        for height in [h for h in self._held if h < next_height]:
            self._drop_held(height)

    def plan(self, now_s: float, window: int) -> tuple[Step, ...]:
        """Give up the silent, then ask for what is missing among the next `window` blocks.

        The caller hands each Expel to `expel`; the asks are noted here already.
        """
        silent = [step for peer, s in self._usable(now_s) if (step := _silence(peer, s, now_s))]
        for step in silent:
            self.expel(step, now_s)
        asks: list[Ask] = []
        for height in range(self.next_height, self.next_height + window):
            if height in self._held or (self._is_full() and self._is_far(height)):
                continue
            peer = self._choose(height, now_s)
            if peer is not None:
                self._peers[peer].asked[height] = now_s
                asks.append(Ask(peer, height))
        return (*silent, *asks)

    def _is_full(self) -> bool:
        return self._held_bytes >= SYNC_BUFFER_BYTES

    def _is_far(self, height: Height) -> bool:
        return height >= self.next_height + URGENT_BLOCKS

    def _choose(self, height: Height, now_s: float) -> str | None:
        """The least busy peer that has the block, unless it is asked for already and not overdue."""
        usable = self._usable(now_s)
        sent_at_s = [s.asked[height] for _, s in usable if height in s.asked]
        is_overdue = not self._is_far(height) and all(
            now_s - at_s > SYNC_HEDGE_MS / 1_000 for at_s in sent_at_s
        )
        if sent_at_s and not is_overdue:
            return None
        able = [
            (len(state.asked), peer)
            for peer, state in usable
            if state.covers(height)
            and height not in state.asked
            and len(state.asked) < SYNC_PEER_REQUESTS
        ]
        return min(able)[1] if able else None


def _silence(peer: str, state: _Peer, now_s: float) -> Expel | None:
    """Expel a peer that owes blocks and brings none, or owes one for too long."""
    if not state.asked:
        return None
    oldest_s = min(state.asked.values())
    waited_s = now_s - max(oldest_s, state.brought_at_s)
    if waited_s > SYNC_PEER_TIMEOUT_MS / 1_000:
        return Expel(peer, f"no block for {waited_s:.0f} s", is_lie=False)
    if now_s - oldest_s > SYNC_REQUEST_TIMEOUT_MS / 1_000:
        return Expel(peer, f"a block overdue for {now_s - oldest_s:.0f} s", is_lie=False)
    return None
