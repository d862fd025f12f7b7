"""Judging evidence of a light-client attack (CometBFT 0.38 `evidence/verify.go`): pure, the caller brings the past.

Stricter than 0.38 in two points, both about what no light client would have believed or no signature covers: the
header is of this chain, and the evidence is in its one spelling (`plain_light_attack`), so that a proposer cannot
bring one offence in many forms. Signatures by keys of our own sets are judged first: whoever controls less than a
third of them cannot make us work through a set of their own making.
"""

from dataclasses import dataclass

from chain.codec.hashing import hash_header, hash_validators
from chain.codec.signbytes import commit_sign_bytes
from chain.crypto.ed25519 import verify_zip215
from chain.crypto.light_attack import byzantine_validators, is_lunatic, plain_light_attack
from chain.crypto.light_forms import light_block_form
from chain.execution.validation import InvalidBlock
from chain.types.block import SignedHeader
from chain.types.evidence import LightBlock, LightClientAttackEvidence
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet


@dataclass(frozen=True, slots=True)
class AttackFacts:
    """What our chain says of the two heights that the evidence names."""

    chain_id: str
    common_time: Timestamp
    """Time of the block at the common height."""
    common: ValidatorSet
    """The set that decided it."""
    ours: SignedHeader
    """Our block at the conflicting height with its canonical commit; our newest one for a height still to come."""


def verify_light_attack(
    evidence: LightClientAttackEvidence, facts: AttackFacts
) -> InvalidBlock | None:
    """None when the evidence is true and plainly spelled; its age, and whether it is committed, are the caller's."""
    refused = check_support(evidence, facts)
    if refused is not None:
        return refused
    if plain_light_attack(evidence, facts.chain_id) != evidence:
        return InvalidBlock("evidence_spelling", "carries what no signature covers")
    block = evidence.conflicting_block
    flaw = light_block_form(block, facts.chain_id)
    if flaw:
        return InvalidBlock("evidence_attack", flaw)
    signed, total = _signed_power(block), block.validator_set.total_power()
    if signed <= total * 2 // 3:
        return InvalidBlock("evidence_commit", f"signed by {signed} of {total}")
    guilty = byzantine_validators(block, facts.common, facts.ours)
    if guilty != evidence.byzantine_validators:
        names = ", ".join(member.address.hex() for member in guilty) or "nobody"
        return InvalidBlock("evidence_byzantine", f"names others than {names}")
    return None


def check_support(evidence: LightClientAttackEvidence, facts: AttackFacts) -> InvalidBlock | None:
    """Everything that costs no more than our own sets: figures, and that enough of the common set signed."""
    block, ours = evidence.conflicting_block, facts.ours.header
    header, commit = block.signed_header.header, block.signed_header.commit
    if not 1 <= evidence.common_height <= header.height:
        return InvalidBlock("evidence_attack", "the common height is not below the conflicting one")
    if len(commit.signatures) != len(block.validator_set.validators):
        return InvalidBlock("evidence_attack", "as many lines as validators are needed")
    if evidence.timestamp != facts.common_time:
        return InvalidBlock("evidence_time", "is not the time of the block at the common height")
    if evidence.total_voting_power != facts.common.total_power():
        return InvalidBlock("evidence_power", "is not the total power at the common height")
    if hash_header(header) == hash_header(ours):
        return InvalidBlock("evidence_same_block", "the conflicting block is ours")
    if header.height > ours.height and header.time > ours.time:
        return InvalidBlock(
            "evidence_height", f"no block {header.height} here, and its time may come"
        )
    if evidence.common_height != header.height:
        return _check_trust(block, facts)
    if is_lunatic(header, ours) or hash_validators(block.validator_set.validators) != (
        ours.validators_hash
    ):
        return InvalidBlock(
            "evidence_attack", "at the common height a header must be derived correctly"
        )
    return None


def _check_trust(block: LightBlock, facts: AttackFacts) -> InvalidBlock | None:
    """More than a third of the common set signed, each once and well (`VerifyCommitLightTrustingAllSignatures`)."""
    commit = block.signed_header.commit
    known = {member.address: member for member in facts.common.validators}
    seen: set[bytes] = set()
    tally = 0
    for index, line in enumerate(commit.signatures):
        member = known.get(line.validator_address)
        if line.block_id_flag is not BlockIDFlag.COMMIT or member is None:
            continue
        if member.address in seen:
            return InvalidBlock("evidence_commit", f"line {index} repeats a validator")
        seen.add(member.address)
        message = commit_sign_bytes(facts.chain_id, commit, index)
        if verify_zip215(member.pub_key, message, line.signature):
            tally += member.voting_power
    needed = facts.common.total_power() // 3
    if tally <= needed:
        return InvalidBlock(
            "evidence_commit", f"{tally} of the common set signed, more than {needed} must"
        )
    return None


def _signed_power(block: LightBlock) -> int:
    """Power of the lines for the block; in a plain spelling each carries a good signature."""
    lines = block.signed_header.commit.signatures
    return sum(
        member.voting_power
        for line, member in zip(lines, block.validator_set.validators, strict=True)
        if line.block_id_flag is BlockIDFlag.COMMIT
    )
