"""When the next height starts: pure arithmetic on monotonic seconds (PROTOCOL §1).

An idle town makes one block a minute. A transaction starts a block at once when the last transaction block is
`spacing_s` old, so that tills which sell in the same moment share a block; under load, when it is
`loaded_spacing_s` old, so that blocks are full rather than many. A block that changed
the state is followed by a proof block, unless a transaction block comes first: its block proves the state as well.
Where a transaction lately followed each block within half of the time that a block takes, the proof block waits for
the next one, which would otherwise wait for a whole block that is good for nothing else.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from chain.limits import (
    EMPTY_BLOCK_INTERVAL_MS,
    FOLLOWER_GAPS,
    FOLLOWER_WAIT_MAX_MS,
    FRUITLESS_RETRY_MS,
    LOADED_BLOCK_SPACING_MS,
    LOADED_BLOCK_TXS,
    PROOF_BLOCK_DELAY_MS,
    TX_BLOCK_SPACING_MS,
)


@dataclass(frozen=True, slots=True)
class Pacing:
    """Settings, in seconds and transactions."""

    empty_interval_s: float = EMPTY_BLOCK_INTERVAL_MS / 1_000
    proof_delay_s: float = PROOF_BLOCK_DELAY_MS / 1_000
    spacing_s: float = TX_BLOCK_SPACING_MS / 1_000
    loaded_txs: int = LOADED_BLOCK_TXS
    loaded_spacing_s: float = LOADED_BLOCK_SPACING_MS / 1_000
    retry_s: float = FRUITLESS_RETRY_MS / 1_000


_NEVER_S = float("inf")


class Followers:
    """How soon transactions follow blocks that changed the state; all times are monotonic seconds."""

    def __init__(self) -> None:
        self._gaps_s: deque[float] = deque(maxlen=FOLLOWER_GAPS)
        self._since_s: float | None = None
        """When the block was decided whose follower has not come yet."""

    def on_block(self, now_s: float, *, is_changed: bool, waiting_txs: int) -> None:
        """A block is committed; after one that changed the state the first transaction is looked out for."""
        if self._since_s is not None:
            self._note(_NEVER_S)  # the proof block is over, and nobody came
        if is_changed:
            self._since_s = now_s
            if waiting_txs:
                self._note(0.0)

    def on_tx(self, now_s: float) -> None:
        """A transaction came."""
        if self._since_s is not None:
            self._note(now_s - self._since_s)

    def _note(self, gap_s: float) -> None:
        self._gaps_s.append(gap_s)
        self._since_s = None

    def expected_s(self) -> float:
        """The median of the latest gaps; infinite while too few are known or most blocks had no follower."""
        return median(self._gaps_s) if len(self._gaps_s) == FOLLOWER_GAPS else _NEVER_S


@dataclass(frozen=True, slots=True)
class PacingFacts:
    """What the host knows between two heights; times are monotonic seconds."""

    now_s: float
    decided_at_s: float
    """When the last block was committed."""
    tx_block_started_at_s: float
    """When the last height that carried transactions began."""
    tx_block_txs: int
    """How many it carried."""
    waiting_txs: int
    is_proof_due: bool
    """The last block changed what the next header commits to."""
    due_at_s: float | None
    """When the application has work to do at a block's end."""
    is_summoned: bool
    """Evidence waits, or a peer is already at this height."""
    barren_blocks: int
    """Blocks in a row that carried nothing although transactions waited; one is the clock's tick."""
    block_s: float = 0.0
    """How long the last block took from its start to its commit."""
    follower_s: float = _NEVER_S
    """How long after a block a transaction is expected, from `Followers`."""


def compute_start_at_s(facts: PacingFacts, pacing: Pacing) -> float:
    """Monotonic second at which the next height may start; not after `now_s` means at once."""
    start_at_s = facts.decided_at_s + pacing.empty_interval_s
    if facts.is_summoned:
        start_at_s = facts.now_s
    if facts.is_proof_due and not facts.waiting_txs:
        # With transactions waiting, their block is at most a second away and proves the state as well.
        start_at_s = min(start_at_s, facts.decided_at_s + _proof_wait_s(facts, pacing))
    if facts.due_at_s is not None:
        # Not at once after a block: the work waits for header time, which may need a tick first.
        due_at_s = max(facts.due_at_s, facts.decided_at_s + pacing.retry_s)
        start_at_s = min(start_at_s, due_at_s)
    if facts.waiting_txs:
        start_at_s = min(start_at_s, _tx_block_at_s(facts, pacing))
    return start_at_s


def _proof_wait_s(facts: PacingFacts, pacing: Pacing) -> float:
    """The usual delay; half a block's time when a follower is expected by then.

    Who came before waits so much longer for the proof, who comes meanwhile waits at least as much less.
    """
    longest_s = min(facts.block_s / 2, FOLLOWER_WAIT_MAX_MS / 1_000)
    is_expected = facts.follower_s <= longest_s
    return max(pacing.proof_delay_s, longest_s) if is_expected else pacing.proof_delay_s


def _tx_block_at_s(facts: PacingFacts, pacing: Pacing) -> float:
    if facts.barren_blocks >= 2:
        return facts.decided_at_s + pacing.retry_s
    is_loaded = facts.tx_block_txs >= pacing.loaded_txs
    spacing_s = pacing.loaded_spacing_s if is_loaded else pacing.spacing_s
    return facts.tx_block_started_at_s + spacing_s
