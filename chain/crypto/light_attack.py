"""Light-client attacks: who is guilty of a conflicting light block, and the one spelling of the evidence.

A witness (a light client) uses `make_light_attack`; those who judge use `byzantine_validators` and
`plain_light_attack`. Source: CometBFT 0.38 `types/evidence.go` (`GetByzantineValidators`,
`ConflictingHeaderIsInvalid`).

- lunatic: a field of the header that no correct execution gives. Guilty are the members of the common set who signed.
- equivocation: a correct header of the same round as ours. Guilty are those who signed both.
- amnesia: a correct header of another round. 0.38 cannot tell who is guilty: nobody is named.
"""

from dataclasses import replace
from enum import StrEnum

from chain.codec.signbytes import commit_sign_bytes
from chain.crypto.ed25519 import verify_zip215
from chain.types.block import Commit, CommitSig, Header, SignedHeader
from chain.types.evidence import LightBlock, LightClientAttackEvidence
from chain.types.primitives import BlockIDFlag, Height
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet


class AttackKind(StrEnum):
    """How the conflicting block came about."""

    LUNATIC = "lunatic"
    EQUIVOCATION = "equivocation"
    AMNESIA = "amnesia"


def is_lunatic(conflicting: Header, ours: Header) -> bool:
    """Whether a header differs in a field that follows from the chain before it (`ConflictingHeaderIsInvalid`).

    A header above our newest one whose time is not above ours is lunatic too: time only grows.
    """
    return conflicting.height > ours.height or any(
        getattr(conflicting, name) != getattr(ours, name)
        for name in (
            "validators_hash",
            "next_validators_hash",
            "consensus_hash",
            "app_hash",
            "last_results_hash",
        )
    )


def attack_kind(conflicting: SignedHeader, ours: SignedHeader) -> AttackKind:
    """Which of the three attacks made `conflicting`, seen from our block at its height."""
    if is_lunatic(conflicting.header, ours.header):
        return AttackKind.LUNATIC
    same_round = conflicting.commit.round == ours.commit.round
    return AttackKind.EQUIVOCATION if same_round else AttackKind.AMNESIA


def byzantine_validators(
    block: LightBlock, common: ValidatorSet, ours: SignedHeader
) -> tuple[Validator, ...]:
    """The guilty as evidence lists them: power descending, address ascending, priorities 0.

    `common` decided the common height; `ours` is our block at the conflicting height, with its canonical commit.
    """
    lines = block.signed_header.commit.signatures
    guilty: list[Validator | None] = []
    match attack_kind(block.signed_header, ours):
        case AttackKind.LUNATIC:
            guilty = [_member(common, line.validator_address) for line in lines if _signed(line)]
        case AttackKind.EQUIVOCATION:
            # Equal validator hashes: line by line, both commits speak of the same validator.
            guilty = [
                _member(block.validator_set, line.validator_address)
                for line, our_line in zip(lines, ours.commit.signatures, strict=False)
                if _signed(line) and _signed(our_line)
            ]
        case AttackKind.AMNESIA:
            pass
    found = [replace(validator, proposer_priority=0) for validator in guilty if validator]
    return tuple(sorted(found, key=_rank))


def plain_light_attack(
    evidence: LightClientAttackEvidence, chain_id: str
) -> LightClientAttackEvidence:
    """The same evidence without what no signature covers; the hash, which names it, stays.

    Lines that are not a good signature for the block become absent (a light client stops reading at two thirds, so
    a liar may have put anything after), priorities become 0, and the proposer the member with the smallest address.
    """
    block = evidence.conflicting_block
    members = tuple(_plain(member) for member in block.validator_set.validators)
    proposer = min(members, key=lambda member: member.address, default=None)
    commit = _plain_commit(block.signed_header.commit, members, chain_id)
    plain_block = LightBlock(
        SignedHeader(block.signed_header.header, commit), ValidatorSet(members, proposer)
    )
    return replace(
        evidence,
        conflicting_block=plain_block,
        byzantine_validators=tuple(_plain(member) for member in evidence.byzantine_validators),
    )


def make_light_attack(
    conflicting: LightBlock,
    *,
    chain_id: str,
    common_height: Height,
    common_time: Timestamp,
    common: ValidatorSet,
    ours: SignedHeader,
) -> LightClientAttackEvidence:
    """Evidence that a full node accepts, from a block that a witness contradicts.

    `common` decided `common_height`, the last height on which both agree, whose block has `common_time`.
    """
    bare = LightClientAttackEvidence(
        conflicting, common_height, (), common.total_power(), common_time
    )
    plain = plain_light_attack(bare, chain_id)
    guilty = byzantine_validators(plain.conflicting_block, common, ours)
    return replace(plain, byzantine_validators=guilty)


def _plain(member: Validator) -> Validator:
    return replace(member, proposer_priority=0)


def _plain_commit(commit: Commit, members: tuple[Validator, ...], chain_id: str) -> Commit:
    if len(commit.signatures) != len(members):
        return commit  # of another set: refused as it is
    lines = tuple(
        line if _signed(line) and _is_good(commit, index, member, chain_id) else CommitSig()
        for index, (line, member) in enumerate(zip(commit.signatures, members, strict=True))
    )
    return replace(commit, signatures=lines)


def _is_good(commit: Commit, index: int, member: Validator, chain_id: str) -> bool:
    line = commit.signatures[index]
    if line.validator_address != member.address:
        return False
    return verify_zip215(member.pub_key, commit_sign_bytes(chain_id, commit, index), line.signature)


def _signed(line: CommitSig) -> bool:
    return line.block_id_flag is BlockIDFlag.COMMIT


def _member(validators: ValidatorSet, address: bytes) -> Validator | None:
    index = validators.index_of(address)
    return None if index is None else validators.validators[index]


def _rank(validator: Validator) -> tuple[int, bytes]:
    return -validator.voting_power, validator.address
