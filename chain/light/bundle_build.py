"""Making proof bundles and checkpoints from what a node answers.

Nothing here is checked: a bundle made of false pieces is a bundle that does not verify.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from chain.codec import proto
from chain.codec.canonical import b64url_encode
from chain.codec.hashing import hash_header
from chain.light.bundle_format import (
    BUNDLE_FORMAT,
    CHECKPOINT_FORMAT,
    HISTORY_NAMESPACE,
    BlockPart,
    Bundle,
    Checkpoint,
    HistoryPart,
    OpPart,
    ResultPart,
    StatePart,
    Step,
    TransactionPart,
    ValidatorLine,
)
from chain.types.abci import ExecTxResult, ProofOp
from chain.types.block import Header, Proof
from chain.types.evidence import LightBlock
from chain.types.validator import ValidatorSet


def state_bundle(
    block: LightBlock,
    namespace: str,
    record_id: bytes,
    record: bytes | None,
    ops: Sequence[ProofOp],
) -> Bundle:
    """Bundle for a record (None: for its absence); `block` is the one after the state's height."""
    return Bundle(
        block=block_part(block),
        chain_id=block.signed_header.header.chain_id,
        format=BUNDLE_FORMAT,
        state=_state_part(namespace, record_id, record, ops),
    )


def transaction_bundle(
    block: LightBlock,
    tx: bytes,
    proof: Proof,
    following: LightBlock | None = None,
    result: ExecTxResult | None = None,
    result_proof: Proof | None = None,
) -> Bundle:
    """Bundle for a transaction of `block`; with the next block, the result and its proof, for what came of it."""
    outcome = None
    if following is not None and result is not None and result_proof is not None:
        outcome = ResultPart(
            block_part(following),
            result.code,
            b64url_encode(result.data),
            result.gas_used,
            result.gas_wanted,
            path_of(result_proof),
        )
    return Bundle(
        block=block_part(block),
        chain_id=block.signed_header.header.chain_id,
        format=BUNDLE_FORMAT,
        result=outcome,
        transaction=TransactionPart(path_of(proof), b64url_encode(tx)),
    )


def with_history(
    bundle: Bundle, newer: LightBlock, record_id: bytes, record: bytes, ops: Sequence[ProofOp]
) -> Bundle:
    """The bundle, its block vouched for by a history record under a newer block."""
    state = _state_part(HISTORY_NAMESPACE, record_id, record, ops)
    return msgspec.structs.replace(bundle, history=HistoryPart(block_part(newer), state))


def with_trusted_validators(bundle: Bundle, validators: ValidatorSet) -> Bundle:
    """The bundle with the checkpoint's next set, for a block signed by a different one."""
    return msgspec.structs.replace(bundle, trusted_validators=_lines(validators))


def checkpoint_of(header: Header) -> Checkpoint:
    """The checkpoint a header makes; whoever hands it out vouches for the header."""
    return Checkpoint(
        chain_id=header.chain_id,
        format=CHECKPOINT_FORMAT,
        header_hash=b64url_encode(hash_header(header)),
        height=header.height,
        next_validators_hash=b64url_encode(header.next_validators_hash),
        time=header.time.to_rfc3339(),
        validators_hash=b64url_encode(header.validators_hash),
    )


def block_part(block: LightBlock) -> BlockPart:
    """A light block in its JSON form."""
    signed = b64url_encode(proto.encode(block.signed_header))
    return BlockPart(signed, _lines(block.validator_set))


def path_of(proof: Proof) -> tuple[Step, ...]:
    """The sides of a CometBFT proof's aunts, from leaf to root; an odd last node rises without one."""
    index, last, steps = proof.index, proof.total - 1, []
    aunts = iter(proof.aunts)
    while last > 0:
        if index & 1 or index != last:
            side: Literal["left", "right"] = "left" if index & 1 else "right"
            steps.append(Step(b64url_encode(next(aunts)), side))
        index, last = index >> 1, last >> 1
    return tuple(steps)


def _lines(validators: ValidatorSet) -> tuple[ValidatorLine, ...]:
    return tuple(
        ValidatorLine(b64url_encode(member.pub_key), member.voting_power)
        for member in validators.validators
    )


def _state_part(
    namespace: str, record_id: bytes, record: bytes | None, ops: Sequence[ProofOp]
) -> StatePart:
    return StatePart(
        namespace,
        tuple(OpPart(b64url_encode(op.data), b64url_encode(op.key), op.type) for op in ops),
        None if record is None else b64url_encode(record),
        b64url_encode(record_id),
    )
