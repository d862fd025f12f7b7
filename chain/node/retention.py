"""What a node keeps: everything (archive), or what evidence, light clients and its application still need.

A block is given up when it is beyond all of: what the operator asked for, the evidence ages of the consensus
parameters (both of them), the production floors unless the town is insecure, and the height from which the
application wants blocks kept (ABCI `retain_height`, 0 for no wish). So a pruned node can always judge evidence.
"""

from dataclasses import dataclass

from chain import limits
from chain.types.primitives import Height
from chain.types.state import ChainState
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp


@dataclass(frozen=True, slots=True)
class Storage:
    """`[storage]` of the configuration."""

    is_archive: bool = False
    retain_blocks: int = 0
    """At least so many, above what the protocol asks."""
    retain_s: float = 0.0
    """At least so long, likewise."""

    def name(self) -> str:
        """`archive` or `pruned`, as the status says it."""
        return "archive" if self.is_archive else "pruned"


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """`is_production`: the town claims to be secure, so the floors hold whatever its parameters say."""

    storage: Storage
    is_production: bool

    def is_over(
        self, state: ChainState, height: Height, time: Timestamp, app_retain_height: Height
    ) -> bool:
        """Whether a block is needed no more after `state`; measured in header time, never by a clock."""
        if self.storage.is_archive or 0 < app_retain_height <= height:
            return False
        is_old_in_blocks = state.last_block_height - height > self.least_blocks(state)
        age_ns = state.last_block_time.to_ns() - time.to_ns()
        return is_old_in_blocks and age_ns > self.least_ns(state)

    def least_blocks(self, state: ChainState) -> int:
        """Blocks kept below the newest."""
        floor = limits.RETAIN_MIN_BLOCKS if self.is_production else limits.RETAIN_FEWEST_BLOCKS
        asked = state.consensus_params.evidence.max_age_num_blocks
        return max(floor, asked, self.storage.retain_blocks)

    def least_ns(self, state: ChainState) -> int:
        """Nanoseconds for which a block is kept."""
        floor_s = max(limits.RETAIN_MIN_S, limits.LIGHT_TRUSTING_PERIOD_S)
        floor_ns = floor_s * NANOS_PER_SECOND if self.is_production else 0
        asked_ns = state.consensus_params.evidence.max_age_duration_ns
        return max(floor_ns, asked_ns, round(self.storage.retain_s * NANOS_PER_SECOND))
