"""Proof that a validator broke the protocol (`tendermint.types.Evidence`)."""

from dataclasses import dataclass
from typing import TypeAlias

from chain.types.block import SignedHeader, Vote
from chain.types.primitives import Height, Power
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet


@dataclass(frozen=True, slots=True)
class DuplicateVoteEvidence:
    """Two different votes of one validator for one height, round and type; `vote_a` has the smaller block id key."""

    vote_a: Vote
    vote_b: Vote
    total_voting_power: Power
    validator_power: Power
    timestamp: Timestamp


@dataclass(frozen=True, slots=True)
class LightBlock:
    """A signed header and the validator set that its `validators_hash` names."""

    signed_header: SignedHeader
    validator_set: ValidatorSet


@dataclass(frozen=True, slots=True)
class LightClientAttackEvidence:
    """A conflicting light block shown to light clients."""

    conflicting_block: LightBlock
    common_height: Height
    byzantine_validators: tuple[Validator, ...]
    total_voting_power: Power
    timestamp: Timestamp


Evidence: TypeAlias = DuplicateVoteEvidence | LightClientAttackEvidence


def evidence_height(evidence: Evidence) -> Height:
    """Height of the offence, for age and powers (`Evidence.Height`): of an attack, that of the common block."""
    if isinstance(evidence, DuplicateVoteEvidence):
        return evidence.vote_a.height
    return evidence.common_height
