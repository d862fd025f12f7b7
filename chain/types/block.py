"""Blocks, votes and commits with the field names and meanings of CometBFT 0.38.

Encodings and hashes live in `chain.codec`; signatures in `chain.crypto`.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from chain.types.primitives import (
    Address,
    BlockIDFlag,
    Hash,
    Height,
    Round,
    SignedMsgType,
)
from chain.types.timestamp import ZERO_TIME, Timestamp

if TYPE_CHECKING:
    from chain.types.evidence import Evidence

BLOCK_PROTOCOL: Final = 11
P2P_PROTOCOL: Final = 8
ABCI_VERSION: Final = "2.0.0"
PART_SIZE_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class ConsensusVersion:
    """`tendermint.version.Consensus`."""

    block: int = BLOCK_PROTOCOL
    app: int = 0


@dataclass(frozen=True, slots=True)
class PartSetHeader:
    """How many parts a block was cut into, and the Merkle root over them."""

    total: int = 0
    hash: Hash = b""

    def is_zero(self) -> bool:
        """True when nothing is named."""
        return self.total == 0 and not self.hash


@dataclass(frozen=True, slots=True)
class BlockID:
    """A block named twice: by header hash and by the root of its parts. The zero value means nil."""

    hash: Hash = b""
    part_set_header: PartSetHeader = field(default_factory=PartSetHeader)

    def is_nil(self) -> bool:
        """True for the vote "for no block"."""
        return not self.hash and self.part_set_header.is_zero()

    def is_complete(self) -> bool:
        """True when both names are present and well formed."""
        return (
            len(self.hash) == 32
            and self.part_set_header.total > 0
            and len(self.part_set_header.hash) == 32
        )

    def key(self) -> bytes:
        """Order and identity of block ids inside evidence (CometBFT `BlockID.Key`)."""
        total = self.part_set_header.total.to_bytes(4, "big")
        return self.hash + total + self.part_set_header.hash


NIL_BLOCK_ID: Final = BlockID()


@dataclass(frozen=True, slots=True)
class Header:
    """`tendermint.types.Header`; every hash is 32 bytes or empty."""

    version: ConsensusVersion
    chain_id: str
    height: Height
    time: Timestamp
    last_block_id: BlockID
    last_commit_hash: Hash
    data_hash: Hash
    validators_hash: Hash
    next_validators_hash: Hash
    consensus_hash: Hash
    app_hash: bytes
    last_results_hash: Hash
    evidence_hash: Hash
    proposer_address: Address


@dataclass(frozen=True, slots=True)
class CommitSig:
    """One validator's line in a commit; absent lines carry the zero time and nothing else."""

    block_id_flag: BlockIDFlag = BlockIDFlag.ABSENT
    validator_address: Address = b""
    timestamp: Timestamp = ZERO_TIME
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Commit:
    """Precommits for one block, in validator order; as many lines as validators."""

    height: Height
    round: Round
    block_id: BlockID
    signatures: tuple[CommitSig, ...]


@dataclass(frozen=True, slots=True)
class ExtendedCommitSig:
    """A commit line with its vote extension (unused before an extension height is set)."""

    block_id_flag: BlockIDFlag = BlockIDFlag.ABSENT
    validator_address: Address = b""
    timestamp: Timestamp = ZERO_TIME
    signature: bytes = b""
    extension: bytes = b""
    extension_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ExtendedCommit:
    """A commit whose lines carry vote extensions."""

    height: Height
    round: Round
    block_id: BlockID
    extended_signatures: tuple[ExtendedCommitSig, ...]


@dataclass(frozen=True, slots=True)
class Data:
    """Transactions of a block, as opaque bytes in block order."""

    txs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class EvidenceList:
    """Misbehaviour carried by a block."""

    evidence: "tuple[Evidence, ...]" = ()


@dataclass(frozen=True, slots=True)
class Block:
    """`tendermint.types.Block`; the first block carries an empty commit, not None.

    The wire can leave `last_commit` out; validation refuses such a block (`Block.ValidateBasic`).
    """

    header: Header
    data: Data
    evidence: EvidenceList
    last_commit: Commit | None


@dataclass(frozen=True, slots=True)
class Proof:
    """RFC 6962 inclusion proof: `aunts` from the leaf upwards (`tendermint.crypto.Proof`)."""

    total: int
    index: int
    leaf_hash: Hash
    aunts: tuple[Hash, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One slice of an encoded block with its proof under the part set hash."""

    index: int
    bytes: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class TxProof:
    """A transaction and its path to a block's data hash."""

    root_hash: Hash
    data: bytes
    proof: Proof


@dataclass(frozen=True, slots=True)
class Vote:
    """A prevote or precommit (`tendermint.types.Vote`); the nil vote has the zero block id."""

    type: SignedMsgType
    height: Height
    round: Round
    block_id: BlockID
    timestamp: Timestamp
    validator_address: Address
    validator_index: int
    signature: bytes = b""
    extension: bytes = b""
    extension_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A signed offer of one block for one round; `pol_round` is -1 or the round of its polka."""

    height: Height
    round: Round
    pol_round: Round
    block_id: BlockID
    timestamp: Timestamp
    signature: bytes = b""
    type: SignedMsgType = SignedMsgType.PROPOSAL


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header with the commit that decided it."""

    header: Header
    commit: Commit


@dataclass(frozen=True, slots=True)
class BlockMeta:
    """What `blockchain` and `block_search` say of a block."""

    block_id: BlockID
    block_size: int
    header: Header
    num_txs: int
