"""Is this the block that may follow this state? Every check of CometBFT 0.38 `state/validation.go`.

Reads: block, state.  Writes: nothing.  Never: a clock, the application (ProcessProposal comes after).
"""

from dataclasses import dataclass

from chain.codec.hashing import (
    hash_commit,
    hash_consensus_params,
    hash_data,
    hash_evidence_list,
    hash_validators,
)
from chain.codec.proto import encode
from chain.crypto.commits import verify_commit_full
from chain.execution.building import compute_median_time
from chain.types.block import BLOCK_PROTOCOL, Block, Commit, Header
from chain.types.primitives import BlockIDFlag
from chain.types.state import ChainState

HASH_BYTES = 32
ADDRESS_BYTES = 20
SIGNATURE_MAX_BYTES = 64


@dataclass(frozen=True, slots=True)
class InvalidBlock:
    """Why a block cannot follow; `reason` is stable, `detail` says the figures."""

    reason: str
    detail: str = ""


def validate_block(state: ChainState, block: Block) -> InvalidBlock | None:
    """None when the block may follow `state`; evidence in it is judged apart, with past sets at hand."""
    return (
        _check_shape(block)
        or _check_against_state(state, block.header)
        or _check_last_commit(state, block)
        or _check_proposer_and_time(state, block)
        or _check_evidence_size(state, block)
    )


def _check_shape(block: Block) -> InvalidBlock | None:
    """`Block.ValidateBasic`: what can be seen without any state."""
    header, commit = block.header, block.last_commit
    if header.height < 1:
        return InvalidBlock("height", f"{header.height}")
    if len(header.proposer_address) != ADDRESS_BYTES:
        return InvalidBlock("proposer_address", "must have 20 bytes")
    if commit is None:
        return InvalidBlock("last_commit", "missing")
    malformed = _check_commit_shape(commit) if header.height > 1 else None
    if malformed is not None:
        return malformed
    if header.last_commit_hash != hash_commit(commit):
        return InvalidBlock("last_commit_hash", "does not fit the commit")
    if header.data_hash != hash_data(block.data.txs):
        return InvalidBlock("data_hash", "does not fit the transactions")
    if header.evidence_hash != hash_evidence_list(block.evidence.evidence):
        return InvalidBlock("evidence_hash", "does not fit the evidence")
    return None


def _check_commit_shape(commit: Commit) -> InvalidBlock | None:
    """`Commit.ValidateBasic` and `CommitSig.ValidateBasic`; the first block's empty commit is not asked."""
    if commit.height < 0 or commit.round < 0:
        return InvalidBlock("last_commit", "negative height or round")
    if commit.height >= 1 and (commit.block_id.is_nil() or not commit.signatures):
        return InvalidBlock("last_commit", "for nil or without signatures")
    for index, line in enumerate(commit.signatures):
        if line.block_id_flag is BlockIDFlag.ABSENT:
            is_good = not line.validator_address and line.timestamp.is_zero() and not line.signature
        else:
            is_good = (
                line.block_id_flag in {BlockIDFlag.COMMIT, BlockIDFlag.NIL}
                and len(line.validator_address) == ADDRESS_BYTES
                and 0 < len(line.signature) <= SIGNATURE_MAX_BYTES
            )
        if not is_good:
            return InvalidBlock("last_commit", f"malformed line {index}")
    return None


def _check_against_state(state: ChainState, header: Header) -> InvalidBlock | None:
    is_first = state.last_block_height == 0
    height = state.initial_height if is_first else state.last_block_height + 1
    expected: tuple[tuple[str, object, object], ...] = (
        (
            "version",
            (header.version.block, header.version.app),
            (BLOCK_PROTOCOL, state.app_version),
        ),
        ("chain_id", header.chain_id, state.chain_id),
        ("height", header.height, height),
        ("last_block_id", header.last_block_id, state.last_block_id),
        ("app_hash", header.app_hash, state.app_hash),
        ("consensus_hash", header.consensus_hash, hash_consensus_params(state.consensus_params)),
        ("last_results_hash", header.last_results_hash, state.last_results_hash),
        ("validators_hash", header.validators_hash, hash_validators(state.validators.validators)),
        (
            "next_validators_hash",
            header.next_validators_hash,
            hash_validators(state.next_validators.validators),
        ),
    )
    for reason, found, wanted in expected:
        if found != wanted:
            return InvalidBlock(reason, f"is {_shown(found)}, expected {_shown(wanted)}")
    return None


def _shown(value: object) -> str:
    return value.hex().upper() if isinstance(value, bytes) else str(value)


def _check_last_commit(state: ChainState, block: Block) -> InvalidBlock | None:
    commit = block.last_commit
    assert commit is not None, "the shape was checked first"
    if block.header.height == state.initial_height:
        return (
            InvalidBlock("last_commit", "first block with signatures")
            if commit.signatures
            else None
        )
    refused = verify_commit_full(
        state.chain_id,
        state.last_validators,
        state.last_block_id,
        block.header.height - 1,
        commit,
    )
    return None if refused is None else InvalidBlock("last_commit", str(refused))


def _check_proposer_and_time(state: ChainState, block: Block) -> InvalidBlock | None:
    header = block.header
    if state.validators.index_of(header.proposer_address) is None:
        return InvalidBlock("proposer_address", "is not a validator")
    if header.height == state.initial_height:
        wanted = state.last_block_time
    else:
        if header.time <= state.last_block_time:
            return InvalidBlock("time", "does not advance")
        assert block.last_commit is not None
        wanted = compute_median_time(block.last_commit, state.last_validators)
    if header.time != wanted:
        return InvalidBlock(
            "time", f"is {header.time.to_rfc3339()}, expected {wanted.to_rfc3339()}"
        )
    return None


def _check_evidence_size(state: ChainState, block: Block) -> InvalidBlock | None:
    size = len(encode(block.evidence))
    limit = state.consensus_params.evidence.max_bytes
    return InvalidBlock("evidence", f"{size} bytes, at most {limit}") if size > limit else None
