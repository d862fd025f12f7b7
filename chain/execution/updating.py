"""What the application is told of a block, and the chain state that follows (CometBFT `state/execution.go`).

Reads: block, state, the application's answer.  Writes: nothing.  Never: calls the application.
"""

from collections.abc import Sequence
from dataclasses import replace

from chain.codec.hashing import hash_results
from chain.crypto.keys import address
from chain.types.abci import (
    AbciValidator,
    CommitInfo,
    ExtendedCommitInfo,
    ExtendedVoteInfo,
    Misbehavior,
    MisbehaviorType,
    RequestFinalizeBlock,
    RequestPrepareProposal,
    RequestProcessProposal,
    ResponseFinalizeBlock,
    ValidatorUpdate,
    VoteInfo,
)
from chain.types.block import Block, BlockID, Commit
from chain.types.evidence import DuplicateVoteEvidence, Evidence
from chain.types.params import ConsensusParams
from chain.types.primitives import Hash, Height
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from chain.types.validator import (
    InvalidValidatorSet,
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    update_validator_set,
)


class InvalidResponse(ValueError):
    """The application answered what the protocol does not allow: every correct node stops here."""


def commit_info_of(commit: Commit | None, validators: ValidatorSet) -> CommitInfo:
    """The last commit as FinalizeBlock and ProcessProposal tell it; empty for the first block."""
    assert commit is not None, "validation refuses a block without last commit"
    votes = tuple(
        VoteInfo(AbciValidator(v.address, v.voting_power), line.block_id_flag)
        for v, line in zip(validators.validators, commit.signatures, strict=True)
    )
    return CommitInfo(commit.round, votes)


def extended_commit_info_of(commit: Commit, validators: ValidatorSet) -> ExtendedCommitInfo:
    """The last commit as PrepareProposal tells it; vote extensions are off in Beffroi."""
    plain = commit_info_of(commit, validators)
    return ExtendedCommitInfo(
        plain.round, tuple(ExtendedVoteInfo(v.validator, v.block_id_flag) for v in plain.votes)
    )


def misbehavior_of(evidence: Sequence[Evidence]) -> tuple[Misbehavior, ...]:
    """Committed evidence as the application is told, one line per validator (`Evidence.ABCI`)."""
    told: list[Misbehavior] = []
    for item in evidence:
        if isinstance(item, DuplicateVoteEvidence):
            who = AbciValidator(item.vote_a.validator_address, item.validator_power)
            told.append(
                Misbehavior(
                    MisbehaviorType.DUPLICATE_VOTE,
                    who,
                    item.vote_a.height,
                    item.timestamp,
                    item.total_voting_power,
                )
            )
            continue
        for validator in item.byzantine_validators:
            who = AbciValidator(validator.address, validator.voting_power)
            told.append(
                Misbehavior(
                    MisbehaviorType.LIGHT_CLIENT_ATTACK,
                    who,
                    item.common_height,
                    item.timestamp,
                    item.total_voting_power,
                )
            )
    return tuple(told)


def prepare_request(
    state: ChainState,
    *,
    height: Height,
    time: Timestamp,
    txs: tuple[bytes, ...],
    max_tx_bytes: int,
    last_commit: Commit,
    misbehavior: tuple[Misbehavior, ...],
    next_validators_hash: Hash,
    proposer: bytes,
) -> RequestPrepareProposal:
    """PrepareProposal for the block that follows `state`."""
    return RequestPrepareProposal(
        max_tx_bytes=max_tx_bytes,
        txs=txs,
        local_last_commit=extended_commit_info_of(last_commit, state.last_validators),
        misbehavior=misbehavior,
        height=height,
        time=time,
        next_validators_hash=next_validators_hash,
        proposer_address=proposer,
    )


def process_request(
    block: Block, block_hash: Hash, last_validators: ValidatorSet, told: tuple[Misbehavior, ...]
) -> RequestProcessProposal:
    """ProcessProposal for a block that passed validation."""
    header = block.header
    return RequestProcessProposal(
        txs=block.data.txs,
        proposed_last_commit=commit_info_of(block.last_commit, last_validators),
        misbehavior=told,
        hash=block_hash,
        height=header.height,
        time=header.time,
        next_validators_hash=header.next_validators_hash,
        proposer_address=header.proposer_address,
    )


def finalize_request(
    block: Block, block_hash: Hash, last_validators: ValidatorSet, told: tuple[Misbehavior, ...]
) -> RequestFinalizeBlock:
    """FinalizeBlock for a decided block."""
    header = block.header
    return RequestFinalizeBlock(
        txs=block.data.txs,
        decided_last_commit=commit_info_of(block.last_commit, last_validators),
        misbehavior=told,
        hash=block_hash,
        height=header.height,
        time=header.time,
        next_validators_hash=header.next_validators_hash,
        proposer_address=header.proposer_address,
    )


def update_state(
    state: ChainState, block_id: BlockID, block: Block, response: ResponseFinalizeBlock
) -> ChainState:
    """State after a block (`updateState`); raises InvalidResponse on an answer out of the protocol."""
    if len(response.tx_results) != len(block.data.txs):
        raise InvalidResponse(
            f"{len(response.tx_results)} results for {len(block.data.txs)} transactions"
        )
    height = block.header.height
    next_validators, validators_changed = _next_validators(
        state, response.validator_updates, height
    )
    params, params_changed = state.consensus_params, state.last_height_consensus_params_changed
    app_version = state.app_version
    if response.consensus_param_updates is not None:
        params, params_changed = _checked_params(response.consensus_param_updates), height + 1
        app_version = params.version.app
    return replace(
        state,
        app_version=app_version,
        last_block_height=height,
        last_block_id=block_id,
        last_block_time=block.header.time,
        validators=state.next_validators,
        next_validators=next_validators,
        last_validators=state.validators,
        last_height_validators_changed=validators_changed,
        consensus_params=params,
        last_height_consensus_params_changed=params_changed,
        last_results_hash=hash_results(response.tx_results),
        app_hash=response.app_hash,
    )


def _next_validators(
    state: ChainState, updates: tuple[ValidatorUpdate, ...], height: Height
) -> tuple[ValidatorSet, Height]:
    """The set for `height` + 2: the next one, changed, rotated once; and when a set last changed."""
    changed = state.last_height_validators_changed
    validators = state.next_validators
    if updates:
        try:
            validators = update_validator_set(validators, _as_validators(updates))
        except InvalidValidatorSet as error:
            raise InvalidResponse(f"validator updates: {error}") from error
        changed = height + 2
    return increment_proposer_priority(validators, 1), changed


def _as_validators(updates: tuple[ValidatorUpdate, ...]) -> tuple[Validator, ...]:
    for update in updates:
        if len(update.pub_key) != 32 or update.power < 0:
            raise InvalidResponse("validator updates: malformed key or negative power")
    return tuple(Validator(address(u.pub_key), u.pub_key, u.power) for u in updates)


def _checked_params(params: ConsensusParams) -> ConsensusParams:
    if params.block.max_bytes <= 0 or params.block.max_gas < -1:
        raise InvalidResponse("consensus parameters: block limits out of range")
    if params.evidence.max_age_num_blocks <= 0 or params.evidence.max_age_duration_ns <= 0:
        raise InvalidResponse("consensus parameters: evidence ages must be positive")
    return params
