"""What consensus knows between two blocks (CometBFT `state.State`)."""

from dataclasses import dataclass

from chain.types.block import BlockID
from chain.types.params import ConsensusParams
from chain.types.primitives import Hash, Height
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet


@dataclass(frozen=True, slots=True)
class ChainState:
    """State after `last_block_height`; `validators` decide the next height, `app_hash` goes in its header.

    Updates returned at height H enter `next_validators` after H, hence `validators` at H+2.
    """

    chain_id: str
    initial_height: Height
    app_version: int
    last_block_height: Height
    last_block_id: BlockID
    last_block_time: Timestamp
    validators: ValidatorSet
    next_validators: ValidatorSet
    last_validators: ValidatorSet
    last_height_validators_changed: Height
    consensus_params: ConsensusParams
    last_height_consensus_params_changed: Height
    last_results_hash: Hash
    app_hash: bytes
