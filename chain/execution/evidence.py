"""Judging proof of misbehaviour (CometBFT 0.38 `evidence/verify.go`): pure, the caller brings the past.

Two votes that differ by their time only are no evidence.
"""

from chain.codec.signbytes import vote_sign_bytes
from chain.crypto.ed25519 import verify_zip215
from chain.crypto.keys import address
from chain.execution.validation import InvalidBlock
from chain.types.block import Vote
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.params import EvidenceParams
from chain.types.primitives import Height, SignedMsgType
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet


def is_expired(
    params: EvidenceParams, *, height: Height, time: Timestamp, now_height: Height, now: Timestamp
) -> bool:
    """Too old to count: only when both the age in blocks and the age in time are over."""
    is_old_in_blocks = now_height - height > params.max_age_num_blocks
    is_old_in_time = now.to_ns() - time.to_ns() > params.max_age_duration_ns
    return is_old_in_blocks and is_old_in_time


def make_duplicate_vote(
    vote_a: Vote, vote_b: Vote, block_time: Timestamp, validators: ValidatorSet
) -> DuplicateVoteEvidence | None:
    """Evidence from two conflicting votes, in the order of block id keys; None for a non-member."""
    index = validators.index_of(vote_a.validator_address)
    if index is None:
        return None
    first, second = sorted((vote_a, vote_b), key=lambda vote: vote.block_id.key())
    return DuplicateVoteEvidence(
        first,
        second,
        total_voting_power=validators.total_power(),
        validator_power=validators.validators[index].voting_power,
        timestamp=block_time,
    )


def _is_well_formed(vote: Vote) -> bool:
    """`Vote.ValidateBasic`: a liar may sign what no client of ours would read the same way."""
    return (
        vote.type in {SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT}
        and vote.round >= 0
        and vote.validator_index >= 0
        and (vote.block_id.is_nil() or vote.block_id.is_complete())
    )


def verify_duplicate_vote(
    evidence: DuplicateVoteEvidence,
    *,
    chain_id: str,
    validators: ValidatorSet,
    block_time: Timestamp,
) -> InvalidBlock | None:
    """None when the evidence is true; `validators` and `block_time` are those of the votes' height."""
    a, b = evidence.vote_a, evidence.vote_b
    if not (_is_well_formed(a) and _is_well_formed(b)):
        return InvalidBlock("evidence_votes", "are no votes that the protocol knows")
    if evidence.timestamp != block_time:
        return InvalidBlock("evidence_time", "is not the time of the block at its height")
    if (a.height, a.round, a.type) != (b.height, b.round, b.type):
        return InvalidBlock("evidence_votes", "are not for the same height, round and type")
    if a.validator_address != b.validator_address:
        return InvalidBlock("evidence_votes", "are of two validators")
    if a.block_id.key() >= b.block_id.key():
        return InvalidBlock("evidence_votes", "name one block, or stand in the wrong order")
    index = validators.index_of(a.validator_address)
    if index is None:
        return InvalidBlock("evidence_validator", "was no validator at that height")
    validator = validators.validators[index]
    if validator.voting_power != evidence.validator_power:
        return InvalidBlock("evidence_power", "is not the validator's power at that height")
    if validators.total_power() != evidence.total_voting_power:
        return InvalidBlock("evidence_power", "is not the total power at that height")
    assert address(validator.pub_key) == validator.address, "a stored set names its keys"
    for vote in (a, b):
        if not verify_zip215(validator.pub_key, vote_sign_bytes(chain_id, vote), vote.signature):
            return InvalidBlock("evidence_signature", "does not verify")
    return None
