"""When the next height starts: pure arithmetic on monotonic seconds (PROTOCOL §1).

An idle town makes one block a minute. A transaction starts a block at once when the last transaction block is
`spacing_s` old, so that tills which sell in the same moment share a block; under load, when it is
`loaded_spacing_s` old, so that blocks are full rather than many. A block that changed
the state is followed by a proof block, unless a transaction block comes first.
"""

from dataclasses import dataclass

from chain.limits import (
    EMPTY_BLOCK_INTERVAL_MS,
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


def compute_start_at_s(facts: PacingFacts, pacing: Pacing) -> float:
    """Monotonic second at which the next height may start; not after `now_s` means at once."""
    start_at_s = facts.decided_at_s + pacing.empty_interval_s
    if facts.is_summoned:
        start_at_s = facts.now_s
    if facts.is_proof_due and not facts.waiting_txs:
        # With transactions waiting, their block is at most a second away and proves the state as well.
        start_at_s = min(start_at_s, facts.decided_at_s + pacing.proof_delay_s)
    if facts.due_at_s is not None:
        # Not at once after a block: the work waits for header time, which may need a tick first.
        due_at_s = max(facts.due_at_s, facts.decided_at_s + pacing.retry_s)
        start_at_s = min(start_at_s, due_at_s)
    if facts.waiting_txs:
        start_at_s = min(start_at_s, _tx_block_at_s(facts, pacing))
    return start_at_s


def _tx_block_at_s(facts: PacingFacts, pacing: Pacing) -> float:
    if facts.barren_blocks >= 2:
        return facts.decided_at_s + pacing.retry_s
    is_loaded = facts.tx_block_txs >= pacing.loaded_txs
    spacing_s = pacing.loaded_spacing_s if is_loaded else pacing.spacing_s
    return facts.tx_block_started_at_s + spacing_s
