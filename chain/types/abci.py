"""ABCI 2.0 requests and responses (CometBFT 0.38 `tendermint.abci`) and the application's interface.

The embedded engine calls an `Application` in process; `beffroi abci` serves the same object on a socket.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Protocol

from chain.types.params import ConsensusParams
from chain.types.primitives import Address, BlockIDFlag, Hash, Height, Power, Round
from chain.types.timestamp import ZERO_TIME, Timestamp

CODE_OK: Final = 0


class CheckTxType(IntEnum):
    """First sight of a transaction, or another look after a block."""

    NEW = 0
    RECHECK = 1


class ProposalStatus(IntEnum):
    """Verdict of ProcessProposal."""

    UNKNOWN = 0
    ACCEPT = 1
    REJECT = 2


class MisbehaviorType(IntEnum):
    """What a validator did wrong."""

    UNKNOWN = 0
    DUPLICATE_VOTE = 1
    LIGHT_CLIENT_ATTACK = 2


@dataclass(frozen=True, slots=True)
class EventAttribute:
    """One searchable fact of an event; both sides are strings in 0.38."""

    key: str
    value: str
    index: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """Search aid only: clients take facts from transactions, result data and proved leaves."""

    type: str
    attributes: tuple[EventAttribute, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecTxResult:
    """Outcome of one transaction; only code, data and both gas figures are hashed."""

    code: int = CODE_OK
    data: bytes = b""
    log: str = ""
    info: str = ""
    gas_wanted: int = 0
    gas_used: int = 0
    events: tuple[Event, ...] = ()
    codespace: str = ""

    def is_ok(self) -> bool:
        """True when the transaction had its effect."""
        return self.code == CODE_OK


@dataclass(frozen=True, slots=True)
class ValidatorUpdate:
    """New power of a validator (0 removes); raw Ed25519 key."""

    pub_key: bytes
    power: Power


@dataclass(frozen=True, slots=True)
class AbciValidator:
    """A validator as the application sees it in commits."""

    address: Address
    power: Power


@dataclass(frozen=True, slots=True)
class VoteInfo:
    """Whether a validator took part in the last commit."""

    validator: AbciValidator
    block_id_flag: BlockIDFlag


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """Last commit as handed to the application."""

    round: Round = 0
    votes: tuple[VoteInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class ExtendedVoteInfo:
    """Vote info with extension, for PrepareProposal."""

    validator: AbciValidator
    block_id_flag: BlockIDFlag
    vote_extension: bytes = b""
    extension_signature: bytes = b""


@dataclass(frozen=True, slots=True)
class ExtendedCommitInfo:
    """Last commit as handed to the proposer."""

    round: Round = 0
    votes: tuple[ExtendedVoteInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Misbehavior:
    """Committed evidence, as told to the application."""

    type: MisbehaviorType
    validator: AbciValidator
    height: Height
    time: Timestamp
    total_voting_power: Power


@dataclass(frozen=True, slots=True)
class ProofOp:
    """One step of a proof; `data` is an ICS-23 CommitmentProof here."""

    type: str
    key: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """Handshake question."""

    version: str = ""
    block_version: int = 0
    p2p_version: int = 0
    abci_version: str = ""


@dataclass(frozen=True, slots=True)
class ResponseInfo:
    """Where the application stands; height 0 asks for InitChain."""

    data: str = ""
    version: str = ""
    app_version: int = 0
    last_block_height: Height = 0
    last_block_app_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestInitChain:
    """Start of a chain; `app_state_bytes` is the genesis `app_state` as JSON."""

    time: Timestamp
    chain_id: str
    consensus_params: ConsensusParams | None
    validators: tuple[ValidatorUpdate, ...]
    app_state_bytes: bytes
    initial_height: Height


@dataclass(frozen=True, slots=True)
class ResponseInitChain:
    """Overrides of the genesis; empty fields change nothing."""

    consensus_params: ConsensusParams | None = None
    validators: tuple[ValidatorUpdate, ...] = ()
    app_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestQuery:
    """`path` such as `/store/loyalty/key`; `height` 0 means the last committed version."""

    data: bytes = b""
    path: str = ""
    height: Height = 0
    prove: bool = False


@dataclass(frozen=True, slots=True)
class ResponseQuery:
    """Answer of Query; `proof_ops` from the leaf to the app hash of `height`."""

    code: int = CODE_OK
    log: str = ""
    info: str = ""
    index: int = 0
    key: bytes = b""
    value: bytes = b""
    proof_ops: tuple[ProofOp, ...] = ()
    height: Height = 0
    codespace: str = ""


@dataclass(frozen=True, slots=True)
class RequestCheckTx:
    """May this transaction wait in the mempool?"""

    tx: bytes
    type: CheckTxType = CheckTxType.NEW


@dataclass(frozen=True, slots=True)
class ResponseCheckTx:
    """Verdict; same code registry as ExecTxResult."""

    code: int = CODE_OK
    data: bytes = b""
    log: str = ""
    info: str = ""
    gas_wanted: int = 0
    gas_used: int = 0
    events: tuple[Event, ...] = ()
    codespace: str = ""

    def is_ok(self) -> bool:
        """True when the transaction may wait."""
        return self.code == CODE_OK


@dataclass(frozen=True, slots=True)
class RequestPrepareProposal:
    """Choose transactions; the answer's encoded size must stay within `max_tx_bytes`."""

    max_tx_bytes: int
    txs: tuple[bytes, ...]
    local_last_commit: ExtendedCommitInfo
    misbehavior: tuple[Misbehavior, ...]
    height: Height
    time: Timestamp
    next_validators_hash: Hash
    proposer_address: Address


@dataclass(frozen=True, slots=True)
class ResponsePrepareProposal:
    """Transactions of the block to propose, in order."""

    txs: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestProcessProposal:
    """Judge somebody's proposal; must not depend on a clock or on chance."""

    txs: tuple[bytes, ...]
    proposed_last_commit: CommitInfo
    misbehavior: tuple[Misbehavior, ...]
    hash: Hash
    height: Height
    time: Timestamp
    next_validators_hash: Hash
    proposer_address: Address


@dataclass(frozen=True, slots=True)
class ResponseProcessProposal:
    """ACCEPT or REJECT."""

    status: ProposalStatus = ProposalStatus.UNKNOWN

    def is_accepted(self) -> bool:
        """True for ACCEPT."""
        return self.status is ProposalStatus.ACCEPT


@dataclass(frozen=True, slots=True)
class RequestExtendVote:
    """Asked only when vote extensions are on (they are not, in Beffroi)."""

    hash: Hash
    height: Height
    time: Timestamp = ZERO_TIME
    txs: tuple[bytes, ...] = ()
    proposed_last_commit: CommitInfo = field(default_factory=CommitInfo)
    misbehavior: tuple[Misbehavior, ...] = ()
    next_validators_hash: Hash = b""
    proposer_address: Address = b""


@dataclass(frozen=True, slots=True)
class ResponseExtendVote:
    """Extension bytes."""

    vote_extension: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestVerifyVoteExtension:
    """Somebody's extension to judge."""

    hash: Hash
    validator_address: Address
    height: Height
    vote_extension: bytes = b""


@dataclass(frozen=True, slots=True)
class ResponseVerifyVoteExtension:
    """ACCEPT or REJECT."""

    status: ProposalStatus = ProposalStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class RequestFinalizeBlock:
    """A decided block to execute."""

    txs: tuple[bytes, ...]
    decided_last_commit: CommitInfo
    misbehavior: tuple[Misbehavior, ...]
    hash: Hash
    height: Height
    time: Timestamp
    next_validators_hash: Hash
    proposer_address: Address


@dataclass(frozen=True, slots=True)
class ResponseFinalizeBlock:
    """Results in transaction order; nothing is durable before Commit."""

    events: tuple[Event, ...] = ()
    tx_results: tuple[ExecTxResult, ...] = ()
    validator_updates: tuple[ValidatorUpdate, ...] = ()
    consensus_param_updates: ConsensusParams | None = None
    app_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class ResponseCommit:
    """Blocks below `retain_height` may be pruned; 0 keeps everything."""

    retain_height: Height = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state-sync snapshot on offer."""

    height: Height
    format: int
    chunks: int
    hash: bytes
    metadata: bytes = b""


class Application(Protocol):
    """The town as the engine sees it. Calls never overlap; an exception means the node must stop."""

    def info(self, request: RequestInfo) -> ResponseInfo: ...

    def init_chain(self, request: RequestInitChain) -> ResponseInitChain: ...

    def query(self, request: RequestQuery) -> ResponseQuery: ...

    def check_tx(self, request: RequestCheckTx) -> ResponseCheckTx: ...

    def prepare_proposal(self, request: RequestPrepareProposal) -> ResponsePrepareProposal: ...

    def process_proposal(self, request: RequestProcessProposal) -> ResponseProcessProposal: ...

    def finalize_block(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock: ...

    def commit(self) -> ResponseCommit: ...
