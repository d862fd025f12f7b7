"""Who signed a block, and is it enough: the three commit checks of CometBFT 0.38 (`types/validation.go`).

- full: every line that is not absent must carry a good signature; block validation and proof bundles.
- light: lines for the block, in order, until more than two thirds of the power; light clients.
- trusting: lines whose signer belongs to an *older* trusted set, until more than a level of its power.

Signatures are judged by ZIP-215. A refusal is a value; None means the commit is good.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chain.codec.signbytes import commit_sign_bytes
from chain.crypto.ed25519 import verify_zip215
from chain.crypto.keys import address
from chain.types.block import BlockID, Commit, CommitSig
from chain.types.primitives import MAX_TOTAL_POWER, BlockIDFlag, Height
from chain.types.timestamp import ZERO_TIME
from chain.types.validator import Validator, ValidatorSet

ADDRESS_BYTES: Final = 20
MAX_SIGNATURE_BYTES: Final = 64


class CommitFlaw(StrEnum):
    """What is wrong with a commit or a set."""

    MALFORMED = "malformed"
    WRONG_HEIGHT = "wrong_height"
    WRONG_BLOCK = "wrong_block"
    WRONG_SIZE = "wrong_size"
    WRONG_ADDRESS = "wrong_address"
    UNKNOWN_SIGNER = "unknown_signer"
    DOUBLE_SIGNATURE = "double_signature"
    BAD_SIGNATURE = "bad_signature"
    NOT_ENOUGH_POWER = "not_enough_power"


@dataclass(frozen=True, slots=True)
class CommitRefusal:
    """Why a commit does not count; `detail` names the line or the figures."""

    flaw: CommitFlaw
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.flaw}: {self.detail}" if self.detail else str(self.flaw)


@dataclass(frozen=True, slots=True)
class TrustLevel:
    """Share of a trusted set's power that must have signed, between 1/3 and 1; strictly more is needed."""

    numerator: int = 1
    denominator: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.denominator <= 3 * self.numerator <= 3 * self.denominator:
            raise ValueError(f"trust level {self.numerator}/{self.denominator} outside 1/3..1")


ONE_THIRD: Final = TrustLevel(1, 3)


def verify_commit_full(
    chain_id: str, validators: ValidatorSet, block_id: BlockID, height: Height, commit: Commit
) -> CommitRefusal | None:
    """More than 2/3 of the set signed this block, and no signature in the commit is wrong (`VerifyCommit`)."""
    refusal = _mismatch(validators, block_id, height, commit)
    if refusal is not None:
        return refusal
    tally = 0
    for index, (line, validator) in enumerate(
        zip(commit.signatures, validators.validators, strict=True)
    ):
        if line.block_id_flag is BlockIDFlag.ABSENT:
            continue
        refusal = _line_refusal(chain_id, commit, index, validator)
        if refusal is not None:
            return refusal
        if line.block_id_flag is BlockIDFlag.COMMIT:
            tally += validator.voting_power
    return _shortfall(tally, validators.total_power() * 2 // 3)


def verify_commit_light(
    chain_id: str, validators: ValidatorSet, block_id: BlockID, height: Height, commit: Commit
) -> CommitRefusal | None:
    """More than 2/3 of the set signed this block; later lines are not looked at (`VerifyCommitLight`)."""
    refusal = _mismatch(validators, block_id, height, commit)
    if refusal is not None:
        return refusal
    needed, tally = validators.total_power() * 2 // 3, 0
    for index, (line, validator) in enumerate(
        zip(commit.signatures, validators.validators, strict=True)
    ):
        if line.block_id_flag is not BlockIDFlag.COMMIT:
            continue
        refusal = _line_refusal(chain_id, commit, index, validator)
        if refusal is not None:
            return refusal
        tally += validator.voting_power
        if tally > needed:
            return None
    return _shortfall(tally, needed)


def verify_commit_trusting(
    chain_id: str, trusted: ValidatorSet, commit: Commit, level: TrustLevel = ONE_THIRD
) -> CommitRefusal | None:
    """More than `level` of a trusted set signed this commit (`VerifyCommitLightTrusting`).

    NOT_ENOUGH_POWER is the one refusal that a nearer header may cure; signers outside the set do not count.
    """
    refusal = commit_form(commit)
    if refusal is not None:
        return refusal
    needed = trusted.total_power() * level.numerator // level.denominator
    known = {validator.address: validator for validator in trusted.validators}
    seen: set[bytes] = set()
    tally = 0
    for index, line in enumerate(commit.signatures):
        validator = known.get(line.validator_address)
        if line.block_id_flag is not BlockIDFlag.COMMIT or validator is None:
            continue
        if validator.address in seen:
            return CommitRefusal(CommitFlaw.DOUBLE_SIGNATURE, f"line {index}")
        seen.add(validator.address)
        refusal = _line_refusal(chain_id, commit, index, validator)
        if refusal is not None:
            return refusal
        tally += validator.voting_power
        if tally > needed:
            return None
    return _shortfall(tally, needed)


def commit_form(commit: Commit) -> CommitRefusal | None:
    """What can be said of a commit alone (`Commit.ValidateBasic`, for heights from 1)."""
    if commit.height < 1 or commit.round < 0:
        return CommitRefusal(CommitFlaw.MALFORMED, "height or round")
    if not commit.block_id.is_complete() or not commit.signatures:
        return CommitRefusal(CommitFlaw.MALFORMED, "no block or no lines")
    for index, line in enumerate(commit.signatures):
        if not _is_line_well_formed(line):
            return CommitRefusal(CommitFlaw.MALFORMED, f"line {index}")
    return None


def validator_set_form(validators: ValidatorSet) -> CommitRefusal | None:
    """What can be said of a set from elsewhere: keys, addresses that follow from them, powers, no repetition."""
    seen: set[bytes] = set()
    for index, validator in enumerate(validators.validators):
        if len(validator.pub_key) != 32 or validator.address != address(validator.pub_key):
            return CommitRefusal(CommitFlaw.WRONG_ADDRESS, f"validator {index}")
        if validator.voting_power <= 0 or validator.address in seen:
            return CommitRefusal(CommitFlaw.MALFORMED, f"validator {index}: power or repetition")
        seen.add(validator.address)
    if not seen or validators.total_power() > MAX_TOTAL_POWER:
        return CommitRefusal(CommitFlaw.MALFORMED, "empty set or too much power")
    return None


def signers_belong(validators: ValidatorSet, commit: Commit) -> CommitRefusal | None:
    """Every line that is not absent names a validator of the block's own set (tendermint-rs, light client)."""
    known = {validator.address for validator in validators.validators}
    for index, line in enumerate(commit.signatures):
        if line.block_id_flag is not BlockIDFlag.ABSENT and line.validator_address not in known:
            return CommitRefusal(CommitFlaw.UNKNOWN_SIGNER, f"line {index}")
    return None


def _mismatch(
    validators: ValidatorSet, block_id: BlockID, height: Height, commit: Commit
) -> CommitRefusal | None:
    """The commit is of another height, block or set than asked."""
    refusal = commit_form(commit)
    if refusal is not None:
        return refusal
    if commit.height != height:
        return CommitRefusal(CommitFlaw.WRONG_HEIGHT, f"{commit.height}, not {height}")
    if commit.block_id != block_id:
        return CommitRefusal(CommitFlaw.WRONG_BLOCK)
    lines, size = len(commit.signatures), len(validators.validators)
    if lines != size:
        return CommitRefusal(CommitFlaw.WRONG_SIZE, f"{lines} lines for {size} validators")
    return None


def _line_refusal(
    chain_id: str, commit: Commit, index: int, validator: Validator
) -> CommitRefusal | None:
    line = commit.signatures[index]
    if line.validator_address != validator.address:
        return CommitRefusal(CommitFlaw.WRONG_ADDRESS, f"line {index}")
    message = commit_sign_bytes(chain_id, commit, index)
    if not verify_zip215(validator.pub_key, message, line.signature):
        return CommitRefusal(CommitFlaw.BAD_SIGNATURE, f"line {index}")
    return None


def _shortfall(tally: int, needed: int) -> CommitRefusal | None:
    if tally > needed:
        return None
    return CommitRefusal(CommitFlaw.NOT_ENOUGH_POWER, f"{tally}, needs more than {needed}")


def _is_line_well_formed(line: CommitSig) -> bool:
    """`CommitSig.ValidateBasic`: an absent line is bare, any other has an address and a signature."""
    if line.block_id_flag is BlockIDFlag.ABSENT:
        return not line.validator_address and not line.signature and line.timestamp == ZERO_TIME
    if line.block_id_flag not in (BlockIDFlag.COMMIT, BlockIDFlag.NIL):
        return False
    sized = 0 < len(line.signature) <= MAX_SIGNATURE_BYTES
    return sized and len(line.validator_address) == ADDRESS_BYTES
