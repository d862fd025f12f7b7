"""A small signed chain for tests: validators from seeds, headers linked as CometBFT links them."""

from collections.abc import Sequence
from dataclasses import replace

from chain.codec.hashing import hash_header, hash_validators
from chain.codec.signbytes import commit_sign_bytes
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.types.block import (
    BlockID,
    Commit,
    CommitSig,
    ConsensusVersion,
    Header,
    PartSetHeader,
    SignedHeader,
)
from chain.types.primitives import BlockIDFlag
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet

CHAIN_ID = "beffroi-test-1"
START_S = 1_795_000_000


def seed_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def validators_of(*numbers: int, power: int = 10) -> ValidatorSet:
    """Equal powers, in address order; member n signs with `seed_of(n)`."""
    keys = [ed25519.derive_public(seed_of(number)) for number in numbers]
    members = [Validator(address(key), key, power) for key in keys]
    members.sort(key=lambda member: member.address)
    return ValidatorSet(tuple(members))


SEEDS = {
    address(ed25519.derive_public(seed_of(number))): seed_of(number) for number in range(1, 40)
}


def header_at(
    height: int, validators: ValidatorSet, following: ValidatorSet | None = None, **changes: object
) -> Header:
    header = Header(
        version=ConsensusVersion(),
        chain_id=CHAIN_ID,
        height=height,
        time=Timestamp(START_S + height),
        last_block_id=BlockID(b"\x11" * 32, PartSetHeader(1, b"\x22" * 32)),
        last_commit_hash=b"\x01" * 32,
        data_hash=b"\x02" * 32,
        validators_hash=hash_validators(validators.validators),
        next_validators_hash=hash_validators((following or validators).validators),
        consensus_hash=b"\x03" * 32,
        app_hash=b"\x04" * 32,
        last_results_hash=b"\x05" * 32,
        evidence_hash=b"\x06" * 32,
        proposer_address=validators.validators[0].address,
    )
    return replace(header, **changes)  # type: ignore[arg-type] # tests name real fields


def signed(
    header: Header, validators: ValidatorSet, flags: Sequence[BlockIDFlag] | None = None
) -> SignedHeader:
    """The header with a commit; `flags` says what each validator did (all signed by default)."""
    given = flags or [BlockIDFlag.COMMIT] * len(validators.validators)
    lines = tuple(
        CommitSig()
        if flag is BlockIDFlag.ABSENT
        else CommitSig(flag, member.address, Timestamp(START_S + header.height, 5), b"\x01")
        for flag, member in zip(given, validators.validators, strict=True)
    )
    block_id = BlockID(hash_header(header), PartSetHeader(1, b"\x33" * 32))
    bare = Commit(header.height, 0, block_id, lines)
    complete = tuple(
        line
        if line.block_id_flag is BlockIDFlag.ABSENT
        else replace(
            line,
            signature=ed25519.sign(
                SEEDS[line.validator_address],
                commit_sign_bytes(header.chain_id, bare, index),
            ),
        )
        for index, line in enumerate(lines)
    )
    return SignedHeader(header, replace(bare, signatures=complete))
