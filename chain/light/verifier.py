"""The light client's steps: given one trusted block, may another header be trusted?

Each function is one step without network or clock: the caller brings the blocks and the time, bisects on
NOT_ENOUGH_TRUST and keeps the trace.
Source: CometBFT 0.38 `light/verifier.go`; tendermint-rs `light-client-verifier` for the two stricter rules
(next validators must match when given; every signer belongs to the block's own set).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chain.codec.hashing import hash_header, hash_validators
from chain.crypto.commits import (
    ONE_THIRD,
    CommitFlaw,
    TrustLevel,
    verify_commit_light,
    verify_commit_trusting,
)
from chain.crypto.light_forms import header_form, light_block_form
from chain.limits import LIGHT_CLOCK_DRIFT_MS, LIGHT_TRUSTING_PERIOD_S, NANOS_PER_MS
from chain.types.block import Header
from chain.types.evidence import LightBlock
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp
from chain.types.validator import ValidatorSet

CLOCK_DRIFT_NS: Final = LIGHT_CLOCK_DRIFT_MS * NANOS_PER_MS
TRUSTING_PERIOD_NS: Final = LIGHT_TRUSTING_PERIOD_S * NANOS_PER_SECOND


class Verdict(StrEnum):
    """Outcome of one step."""

    SUCCESS = "SUCCESS"
    NOT_ENOUGH_TRUST = "NOT_ENOUGH_TRUST"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and why; the reason is empty on success."""

    verdict: Verdict
    reason: str = ""

    def is_success(self) -> bool:
        """True when the header may now be trusted."""
        return self.verdict is Verdict.SUCCESS


@dataclass(frozen=True, slots=True)
class TrustOptions:
    """What the client chose: how long trust lasts, how far clocks differ, how much overlap it wants."""

    trusting_period_ns: int = TRUSTING_PERIOD_NS
    clock_drift_ns: int = CLOCK_DRIFT_NS
    trust_level: TrustLevel = ONE_THIRD


@dataclass(frozen=True, slots=True)
class TrustedBlock:
    """A header already trusted and the set that its `next_validators_hash` names."""

    header: Header
    next_validators: ValidatorSet


SUCCESS: Final = Judgement(Verdict.SUCCESS)


def verify_step(
    untrusted: LightBlock,
    trusted: TrustedBlock,
    options: TrustOptions,
    now: Timestamp,
    next_validators: ValidatorSet | None = None,
) -> Judgement:
    """Adjacent or non-adjacent, by height (`Verify`); `next_validators` of the new block when known."""
    if untrusted.signed_header.header.height == trusted.header.height + 1:
        return verify_adjacent(untrusted, trusted, options, now, next_validators)
    return verify_non_adjacent(untrusted, trusted, options, now, next_validators)


def verify_adjacent(
    untrusted: LightBlock,
    trusted: TrustedBlock,
    options: TrustOptions,
    now: Timestamp,
    next_validators: ValidatorSet | None = None,
) -> Judgement:
    """The next block: its set was announced by the trusted header, so two thirds of it decide."""
    header = untrusted.signed_header.header
    if header.height != trusted.header.height + 1:
        return _invalid("not the next height")
    flaw = _common_flaw(untrusted, trusted, options, now, next_validators)
    if flaw:
        return _invalid(flaw)
    if header.validators_hash != trusted.header.next_validators_hash:
        return _invalid("validators are not those the trusted header announced")
    return _own_majority(untrusted)


def verify_non_adjacent(
    untrusted: LightBlock,
    trusted: TrustedBlock,
    options: TrustOptions,
    now: Timestamp,
    next_validators: ValidatorSet | None = None,
) -> Judgement:
    """A later block: enough of the trusted set must have signed it, then two thirds of its own set.

    The own set comes last, as CometBFT does: it may have been made huge to keep us busy.
    """
    flaw = _common_flaw(untrusted, trusted, options, now, next_validators)
    if flaw:
        return _invalid(flaw)
    refusal = verify_commit_trusting(
        trusted.header.chain_id,
        trusted.next_validators,
        untrusted.signed_header.commit,
        options.trust_level,
    )
    if refusal is not None and refusal.flaw is CommitFlaw.NOT_ENOUGH_POWER:
        return Judgement(Verdict.NOT_ENOUGH_TRUST, refusal.detail)
    if refusal is not None:
        return _invalid(str(refusal))
    return _own_majority(untrusted)


def verify_backwards(older: Header, newer: Header) -> Judgement:
    """The parent of a trusted header, by the hash it carries (`VerifyBackwards`)."""
    flaw = header_form(older)
    if flaw:
        return _invalid(flaw)
    if older.chain_id != newer.chain_id or older.height != newer.height - 1:
        return _invalid("another chain, or not the height before")
    if older.time >= newer.time:
        return _invalid("not earlier than its child")
    if hash_header(older) != newer.last_block_id.hash:
        return _invalid("not the parent that the trusted header names")
    return SUCCESS


def majority_flaw(block: LightBlock) -> str:
    """Why two thirds of the block's own set did not sign what its commit says; "" when they did.

    Only signatures cover a commit's round and the part hash of its block: no header names the one, and the header
    above names the other.
    """
    header, commit = block.signed_header.header, block.signed_header.commit
    refusal = verify_commit_light(
        header.chain_id, block.validator_set, commit.block_id, header.height, commit
    )
    return "" if refusal is None else str(refusal)


def is_expired(trusted: Header, trusting_period_ns: int, now: Timestamp) -> bool:
    """True when a header is too old to lend trust (`HeaderExpired`)."""
    return trusted.time.to_ns() + trusting_period_ns <= now.to_ns()


def _common_flaw(
    untrusted: LightBlock,
    trusted: TrustedBlock,
    options: TrustOptions,
    now: Timestamp,
    next_validators: ValidatorSet | None,
) -> str:
    """Everything that makes a new block invalid whoever signed it; "" when nothing does."""
    header = untrusted.signed_header.header
    if is_expired(trusted.header, options.trusting_period_ns, now):
        return "the trusted header has expired"
    flaw = light_block_form(untrusted, trusted.header.chain_id)
    if flaw:
        return flaw
    if header.height <= trusted.header.height or header.time <= trusted.header.time:
        return "not later than the trusted header"
    if header.time.to_ns() >= now.to_ns() + options.clock_drift_ns:
        return "a header from the future"
    if next_validators is not None and header.next_validators_hash != hash_validators(
        next_validators.validators
    ):
        return "next validators are not those the header names"
    return ""


def _own_majority(block: LightBlock) -> Judgement:
    flaw = majority_flaw(block)
    return _invalid(flaw) if flaw else SUCCESS


def _invalid(reason: str) -> Judgement:
    return Judgement(Verdict.INVALID, reason)
