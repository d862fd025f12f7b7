"""Light-client attacks on a virtual chain: conflicting light blocks signed by its validators, or by strangers."""

from collections.abc import Sequence
from dataclasses import replace

from chain.codec.hashing import hash_header, hash_validators
from chain.codec.signbytes import commit_sign_bytes
from chain.crypto import ed25519
from chain.crypto.keys import address
from chain.crypto.light_attack import make_light_attack
from chain.types.block import BlockID, Commit, CommitSig, Header, PartSetHeader, SignedHeader
from chain.types.evidence import LightBlock, LightClientAttackEvidence
from chain.types.primitives import BlockIDFlag
from chain.types.validator import Validator, ValidatorSet
from tests.node.virtual import VirtualNode, seed_of

SEEDS = {address(ed25519.derive_public(seed_of(n))): seed_of(n) for n in range(60)}


def make_set(*indices: int, power: int = 10) -> ValidatorSet:
    """Validators with the keys of these virtual nodes, in set order; from 20 on nobody of the cluster."""
    keys = [ed25519.derive_public(seed_of(n)) for n in indices]
    members = sorted((Validator(address(k), k, power) for k in keys), key=lambda v: v.address)
    return ValidatorSet(tuple(members), members[0])


def sign_block(
    header: Header,
    validators: ValidatorSet,
    signers: Sequence[int],
    round_: int = 0,
    seeds: Sequence[bytes] = (),
) -> LightBlock:
    """A light block of this header that the virtual nodes `signers`, and the keys of `seeds`, signed."""
    given = {address(ed25519.derive_public(seed)): seed for seed in seeds}
    names = {address(ed25519.derive_public(seed_of(n))) for n in signers} | given.keys()
    known = SEEDS | given
    time = header.time.plus_ns(7)
    lines = tuple(
        CommitSig(BlockIDFlag.COMMIT, v.address, time, b"?") if v.address in names else CommitSig()
        for v in validators.validators
    )
    block_id = BlockID(hash_header(header), PartSetHeader(1, b"\x33" * 32))
    commit = Commit(header.height, round_, block_id, lines)
    signed = tuple(
        replace(
            line,
            signature=ed25519.sign(
                known[line.validator_address],
                commit_sign_bytes(header.chain_id, commit, index),
            ),
        )
        if line.signature
        else line
        for index, line in enumerate(lines)
    )
    return LightBlock(SignedHeader(header, replace(commit, signatures=signed)), validators)


def our_block(node: VirtualNode, height: int) -> SignedHeader:
    """A node's own block with its canonical commit."""
    stored, commit = node.stores.blocks.load(height), node.stores.blocks.load_commit(height)
    assert stored is not None
    assert commit is not None
    return SignedHeader(stored.block.header, commit[0])


def forge_attack(
    node: VirtualNode,
    *,
    common_height: int,
    height: int,
    signers: Sequence[int],
    validators: ValidatorSet | None = None,
    round_: int = 0,
    **changes: object,
) -> LightClientAttackEvidence:
    """Evidence as a witness makes it, against a block at `height` that differs from ours by `changes`."""
    ours = our_block(node, min(height, node.height))
    own_set = node.stores.states.load_validators(min(height, node.height))
    common = node.stores.states.load_validators(common_height)
    common_block = node.stores.blocks.load(common_height)
    assert own_set is not None
    assert common is not None
    assert common_block is not None
    plain_set = ValidatorSet(tuple(replace(v, proposer_priority=0) for v in own_set.validators))
    members = validators or plain_set
    if validators is not None:
        changes["validators_hash"] = hash_validators(members.validators)
    header = replace(ours.header, height=height, **changes)  # type: ignore[arg-type]
    return make_light_attack(
        sign_block(header, members, signers, round_),
        chain_id=header.chain_id,
        common_height=common_height,
        common_time=common_block.block.header.time,
        common=common,
        ours=ours,
    )
