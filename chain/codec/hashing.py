"""Hashes that name things: transactions, headers, commits, evidence, results, validators, parts.

Reads: values of `chain.types`.  Writes: 32-byte hashes.
Source: CometBFT 0.38 `types/{block,tx,results,params,validator,evidence,part_set}.go`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from chain.codec import wire
from chain.codec.merkle import hash_leaf, merkle_proofs, merkle_root, root_of_proof
from chain.codec.proto import encode
from chain.codec.schema import TIMESTAMP
from chain.types.abci import ExecTxResult
from chain.types.block import (
    PART_SIZE_BYTES,
    Block,
    BlockID,
    Commit,
    Header,
    Part,
    PartSetHeader,
)
from chain.types.evidence import DuplicateVoteEvidence, Evidence
from chain.types.params import ConsensusParams
from chain.types.primitives import Hash
from chain.types.validator import Validator

_ABSENT: Final[Hash] = b""


def hash_tx(tx: bytes) -> Hash:
    """SHA-256 of the transaction: its name in the mempool, the index and the data tree."""
    return sha256(tx).digest()


def hash_data(txs: Sequence[bytes]) -> Hash:
    """Root over the *hashes* of the transactions (`Txs.Hash`)."""
    return merkle_root([sha256(tx).digest() for tx in txs])


def hash_header(header: Header) -> Hash:
    """Root over the fourteen fields (`Header.Hash`); empty while `validators_hash` is not known.

    Version, block id and time are leaves as messages; the others are wrapped as field 1, and an empty or zero
    one is the empty leaf.
    """
    if not header.validators_hash:
        return _ABSENT
    height = header.height
    return merkle_root(
        (
            encode(header.version),
            _wrapped(header.chain_id.encode()),
            b"\x08" + wire.encode_varint(height) if height else b"",
            TIMESTAMP.encode(header.time),
            _block_id_bytes(header.last_block_id),
            _wrapped(header.last_commit_hash),
            _wrapped(header.data_hash),
            _wrapped(header.validators_hash),
            _wrapped(header.next_validators_hash),
            _wrapped(header.consensus_hash),
            _wrapped(header.app_hash),
            _wrapped(header.last_results_hash),
            _wrapped(header.evidence_hash),
            _wrapped(header.proposer_address),
        )
    )


def hash_commit(commit: Commit | None) -> Hash:
    """Root over the lines (`Commit.Hash`); empty for no commit, the empty root for one without lines."""
    if commit is None:
        return _ABSENT
    return merkle_root([encode(line) for line in commit.signatures])


def hash_evidence(evidence: Evidence) -> Hash:
    """Name of one piece of evidence (`Evidence.Hash`).

    For a light client attack upstream hashes 31 bytes of the conflicting header's hash, one zero byte, then the
    zig-zag varint of the common height: an off-by-one that every node must repeat.
    """
    if isinstance(evidence, DuplicateVoteEvidence):
        return sha256(encode(evidence)).digest()
    named = hash_header(evidence.conflicting_block.signed_header.header)[:31].ljust(32, b"\x00")
    return sha256(named + wire.encode_zigzag(evidence.common_height)).digest()


def hash_evidence_list(evidence: Iterable[Evidence]) -> Hash:
    """Root over the bare messages, without the oneof around them (`EvidenceList.Hash`)."""
    return merkle_root([encode(item) for item in evidence])


def hash_results(results: Iterable[ExecTxResult]) -> Hash:
    """Root over code, data and both gas figures only (`TxResultsHash`); the rest is not agreed upon."""
    return merkle_root([result_leaf(result) for result in results])


def result_leaf(result: ExecTxResult) -> bytes:
    """The agreed part of a result: the leaf under `last_results_hash` of the next header."""
    code, data, wanted, used = result.code, result.data, result.gas_wanted, result.gas_used
    out = b"\x08" + wire.encode_uvarint(code) if code else b""
    if data:
        out += b"\x12" + wire.encode_uvarint(len(data)) + data
    if wanted:
        out += b"\x28" + wire.encode_varint(wanted)
    return out + b"\x30" + wire.encode_varint(used) if used else out


def hash_consensus_params(params: ConsensusParams) -> Hash:
    """SHA-256 of the two block limits and nothing else (`ConsensusParams.Hash`, `HashedParams`)."""
    size, gas = params.block.max_bytes, params.block.max_gas
    out = b"\x08" + wire.encode_varint(size) if size else b""
    return sha256(out + b"\x10" + wire.encode_varint(gas) if gas else out).digest()


def hash_validators(validators: Iterable[Validator]) -> Hash:
    """Root over (key, power) in set order (`ValidatorSet.Hash`); give a set's `.validators`.

    Order matters: power descending, then address ascending. Names and priorities are not hashed.
    """
    return merkle_root([_simple_validator(validator) for validator in validators])


@dataclass(frozen=True, slots=True)
class PartSet:
    """A block cut for gossip: the header that names the cut, and every part with its proof."""

    header: PartSetHeader
    parts: tuple[Part, ...]


def make_part_set(data: bytes) -> PartSet:
    """Cut an encoded block into parts of 65 536 bytes, the last one shorter; refuses no bytes at all."""
    if not data:
        raise ValueError("a block without bytes cannot be cut")
    slices = [data[at : at + PART_SIZE_BYTES] for at in range(0, len(data), PART_SIZE_BYTES)]
    root, proofs = merkle_proofs(slices)
    parts = tuple(Part(index, slices[index], proof) for index, proof in enumerate(proofs))
    return PartSet(PartSetHeader(len(parts), root), parts)


def part_belongs(header: PartSetHeader, part: Part) -> bool:
    """Is this the part at its index of the named part set (`PartSet.AddPart`)?

    Only the last part may be shorter than 65 536 bytes, so that the joined bytes are bounded by the total.
    """
    proof = part.proof
    full = len(part.bytes) == PART_SIZE_BYTES
    last = part.index == header.total - 1 and 0 < len(part.bytes) <= PART_SIZE_BYTES
    return (
        (full or last)
        and proof.index == part.index
        and proof.total == header.total
        and hash_leaf(part.bytes) == proof.leaf_hash
        and root_of_proof(proof) == header.hash
    )


def make_block_id(block: Block) -> tuple[BlockID, PartSet]:
    """Both names of a block, and its parts."""
    parts = make_part_set(encode(block))
    return BlockID(hash_header(block.header), parts.header), parts


def _wrapped(content: bytes) -> bytes:
    """`{1: content}`, or nothing (`cdcEncode`)."""
    return b"\x0a" + wire.encode_uvarint(len(content)) + content if content else b""


def _block_id_bytes(block_id: BlockID) -> bytes:
    """BlockID as a message; the part set header is always present."""
    parts = block_id.part_set_header
    header = (b"\x08" + wire.encode_uvarint(parts.total) if parts.total else b"") + (
        b"\x12" + wire.encode_uvarint(len(parts.hash)) + parts.hash if parts.hash else b""
    )
    return _wrapped(block_id.hash) + b"\x12" + wire.encode_uvarint(len(header)) + header


def _simple_validator(validator: Validator) -> bytes:
    """`SimpleValidator{pub_key, voting_power}`."""
    key = b"\x0a\x22\x0a\x20" + validator.pub_key
    assert len(key) == 36, "a validator has an Ed25519 key of 32 bytes"
    power = validator.voting_power
    return key + b"\x10" + wire.encode_varint(power) if power else key
