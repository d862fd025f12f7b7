"""Is this record in the town's state? The two proof operations of a query, checked against an app hash.

Operation 0: the key in its namespace's tree, or its absence. Operation 1: the namespace in the app hash. Both
are `ics23:simple` with the Tendermint spec. State of height H is under the app hash of header H+1.
Reads: nothing.  Writes: nothing.  Never: trusts an app hash by itself; see `chain.light.bundle`.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from chain.codec.errors import DecodeError
from chain.crypto.ics23 import (
    TENDERMINT_SPEC,
    CommitmentProof,
    ExistenceProof,
    NonExistenceProof,
    decode_proof,
    verify_membership,
    verify_non_membership,
)
from chain.types.abci import ProofOp

PROOF_OP_TYPE: Final = "ics23:simple"
OPERATIONS: Final = 2


def state_key(namespace: str, record_id: bytes) -> bytes:
    """Where a record lies in its namespace's tree: SHA-256(namespace ‖ 0x00 ‖ record id)."""
    return sha256(namespace.encode() + b"\x00" + record_id).digest()


def state_value(record: bytes) -> bytes:
    """What the tree holds of a record: its SHA-256."""
    return sha256(record).digest()


def verify_record(
    app_hash: bytes,
    namespace: str,
    record_id: bytes,
    record: bytes | None,
    ops: Sequence[ProofOp],
) -> bool:
    """True when `ops` prove that the record (None: no record) is what state holds under `app_hash`."""
    value = None if record is None else state_value(record)
    return verify_value(app_hash, namespace, state_key(namespace, record_id), value, ops)


def verify_value(
    app_hash: bytes, namespace: str, key: bytes, value: bytes | None, ops: Sequence[ProofOp]
) -> bool:
    """The same by tree key and 32-byte value hash, for holders who may not see the record."""
    name = namespace.encode()
    if len(ops) != OPERATIONS or any(op.type != PROOF_OP_TYPE for op in ops):
        return False
    if ops[0].key != key or ops[1].key != name:
        return False
    try:
        inner, outer = decode_proof(ops[0].data), decode_proof(ops[1].data)
    except DecodeError:
        return False
    if not isinstance(outer.value, ExistenceProof):
        return False
    subtree_root = outer.value.value
    if not verify_membership(TENDERMINT_SPEC, app_hash, outer, name, subtree_root):
        return False
    return _is_in_subtree(subtree_root, inner, key, value)


def _is_in_subtree(root: bytes, proof: CommitmentProof, key: bytes, value: bytes | None) -> bool:
    if value is not None:
        return isinstance(proof.value, ExistenceProof) and verify_membership(
            TENDERMINT_SPEC, root, proof, key, value
        )
    # The proof repeats the key for readers; a verifier that ignored the copy would let it lie.
    named = isinstance(proof.value, NonExistenceProof) and proof.value.key == key
    return named and verify_non_membership(TENDERMINT_SPEC, root, proof, key)
