"""Messages that travel between processes: peers, remote signer, ABCI socket, and the write-ahead log.

Names are those of CometBFT 0.38's .proto files; where a message only wraps a value of the same name it is called
as in CometBFT's Go code (`ProposalMessage`). A class with the one attribute `value` is a `oneof` envelope.
Channels: 0x00 pex, 0x20-0x23 consensus, 0x30 mempool, 0x38 evidence (`EvidenceList`), 0x40 block sync,
0x60-0x63 state sync.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from chain.types import abci
from chain.types.abci import ExecTxResult, Snapshot
from chain.types.block import (
    Block,
    BlockID,
    ExtendedCommit,
    Part,
    PartSetHeader,
    Proposal,
    Vote,
)
from chain.types.evidence import LightBlock
from chain.types.params import ConsensusParams
from chain.types.primitives import Height, Round, SignedMsgType
from chain.types.timestamp import Timestamp

# -- consensus (tendermint.consensus) -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BitArray:
    """`bits` flags, least significant bit of the first 64-bit element first (`tendermint.libs.bits`)."""

    bits: int = 0
    elems: tuple[int, ...] = ()

    @classmethod
    def from_flags(cls, flags: tuple[bool, ...]) -> "BitArray":
        """Pack flags in index order."""
        elems = [0] * ((len(flags) + 63) // 64)
        for index, is_set in enumerate(flags):
            if is_set:
                elems[index // 64] |= 1 << index % 64
        return cls(len(flags), tuple(elems))

    def get(self, index: int) -> bool:
        """Flag at `index`; False outside."""
        if not 0 <= index < min(self.bits, 64 * len(self.elems)):
            return False
        return bool(self.elems[index // 64] >> index % 64 & 1)


@dataclass(frozen=True, slots=True)
class NewRoundStep:
    """Where a peer stands; `step` is CometBFT's RoundStepType, 1 to 8."""

    height: Height
    round: Round
    step: int
    seconds_since_start_time: int
    last_commit_round: Round


@dataclass(frozen=True, slots=True)
class NewValidBlock:
    """A peer saw a polka (or, with `is_commit`, a commit) for a block and has these parts."""

    height: Height
    round: Round
    block_part_set_header: PartSetHeader
    block_parts: BitArray | None
    is_commit: bool = False


@dataclass(frozen=True, slots=True)
class ProposalMessage:
    """A proposal, on its way."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class ProposalPOL:
    """Which prevotes of the polka round a peer has."""

    height: Height
    proposal_pol_round: Round
    proposal_pol: BitArray


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A part of the proposed block."""

    height: Height
    round: Round
    part: Part


@dataclass(frozen=True, slots=True)
class VoteMessage:
    """A vote, on its way."""

    vote: Vote


@dataclass(frozen=True, slots=True)
class HasVote:
    """A peer has the vote of validator `index`."""

    height: Height
    round: Round
    type: SignedMsgType
    index: int


@dataclass(frozen=True, slots=True)
class VoteSetMaj23:
    """A peer claims a two-thirds majority for a block."""

    height: Height
    round: Round
    type: SignedMsgType
    block_id: BlockID


@dataclass(frozen=True, slots=True)
class VoteSetBits:
    """Which votes for a block a peer has."""

    height: Height
    round: Round
    type: SignedMsgType
    block_id: BlockID
    votes: BitArray


ConsensusBody: TypeAlias = (
    NewRoundStep
    | NewValidBlock
    | ProposalMessage
    | ProposalPOL
    | BlockPart
    | VoteMessage
    | HasVote
    | VoteSetMaj23
    | VoteSetBits
)


@dataclass(frozen=True, slots=True)
class ConsensusMessage:
    """`tendermint.consensus.Message`."""

    value: ConsensusBody


# -- write-ahead log (tendermint.consensus, wal.proto) ------------------------------------------


@dataclass(frozen=True, slots=True)
class EventDataRoundState:
    """A step was entered; `step` is its CometBFT name, as "RoundStepPropose"."""

    height: Height
    round: Round
    step: str


@dataclass(frozen=True, slots=True)
class MsgInfo:
    """A message the core was about to handle; `peer_id` is empty for our own."""

    msg: ConsensusMessage
    peer_id: str = ""


@dataclass(frozen=True, slots=True)
class TimeoutInfo:
    """A timeout the core was about to handle; `step` as in NewRoundStep."""

    duration_ns: int
    height: Height
    round: Round
    step: int


@dataclass(frozen=True, slots=True)
class EndHeight:
    """Everything of `height` is durable; replay starts after the last of these."""

    height: Height


@dataclass(frozen=True, slots=True)
class WALMessage:
    """`tendermint.consensus.WALMessage`."""

    value: EventDataRoundState | MsgInfo | TimeoutInfo | EndHeight


@dataclass(frozen=True, slots=True)
class TimedWALMessage:
    """One record of the log."""

    time: Timestamp
    msg: WALMessage


# -- block sync, mempool, state sync ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """Ask for one block."""

    height: Height


@dataclass(frozen=True, slots=True)
class NoBlockResponse:
    """The peer does not have it."""

    height: Height


@dataclass(frozen=True, slots=True)
class BlockResponse:
    """A block, with its extended commit when vote extensions are on."""

    block: Block
    ext_commit: ExtendedCommit | None = None


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Ask for the range of blocks a peer has."""


@dataclass(frozen=True, slots=True)
class StatusResponse:
    """Lowest (`base`) and highest block a peer has."""

    height: Height
    base: Height


@dataclass(frozen=True, slots=True)
class BlocksyncMessage:
    """`tendermint.blocksync.Message`."""

    value: BlockRequest | NoBlockResponse | BlockResponse | StatusRequest | StatusResponse


@dataclass(frozen=True, slots=True)
class Txs:
    """Transactions of a peer's mempool."""

    txs: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class MempoolMessage:
    """`tendermint.mempool.Message`."""

    value: Txs


@dataclass(frozen=True, slots=True)
class SnapshotsRequest:
    """Ask for snapshots."""


@dataclass(frozen=True, slots=True)
class SnapshotsResponse:
    """One snapshot a peer offers."""

    height: Height
    format: int
    chunks: int
    hash: bytes
    metadata: bytes = b""


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Ask for one chunk of a snapshot."""

    height: Height
    format: int
    index: int


@dataclass(frozen=True, slots=True)
class ChunkResponse:
    """One chunk, or `missing`."""

    height: Height
    format: int
    index: int
    chunk: bytes = b""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class LightBlockRequest:
    """Ask for the light block of a height, 0 for the newest (Tendermint 0.35)."""

    height: Height


@dataclass(frozen=True, slots=True)
class LightBlockResponse:
    """A light block, or nothing when it is not there (any more)."""

    light_block: LightBlock | None = None


@dataclass(frozen=True, slots=True)
class ParamsRequest:
    """Ask for the consensus parameters in force at a height (Tendermint 0.35)."""

    height: Height


@dataclass(frozen=True, slots=True)
class ParamsResponse:
    """Consensus parameters; only those of blocks are hashed in headers."""

    height: Height
    consensus_params: ConsensusParams


@dataclass(frozen=True, slots=True)
class StatesyncMessage:
    """`tendermint.statesync.Message`: 1 to 4 are CometBFT 0.38's, 5 to 8 Tendermint 0.35's."""

    value: (
        SnapshotsRequest
        | SnapshotsResponse
        | ChunkRequest
        | ChunkResponse
        | LightBlockRequest
        | LightBlockResponse
        | ParamsRequest
        | ParamsResponse
    )


# -- peers (tendermint.p2p) ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NetAddress:
    """Where a node listens; `id` is the lower-case hex address of its node key."""

    id: str
    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class PexRequest:
    """Ask for addresses."""


@dataclass(frozen=True, slots=True)
class PexAddrs:
    """Addresses a peer knows."""

    addrs: tuple[NetAddress, ...]


@dataclass(frozen=True, slots=True)
class PexMessage:
    """`tendermint.p2p.Message`."""

    value: PexRequest | PexAddrs


@dataclass(frozen=True, slots=True)
class PacketPing:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class PacketPong:
    """I am."""


@dataclass(frozen=True, slots=True)
class PacketMsg:
    """A slice of a message on a channel; `eof` on its last one."""

    channel_id: int
    eof: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    """`tendermint.p2p.Packet`, the unit of MConnection."""

    value: PacketPing | PacketPong | PacketMsg


@dataclass(frozen=True, slots=True)
class AuthSigMessage:
    """Proof of a node key inside a secret connection; raw Ed25519 key."""

    pub_key: bytes
    sig: bytes


@dataclass(frozen=True, slots=True)
class ProtocolVersion:
    """Versions a node speaks."""

    p2p: int
    block: int
    app: int


@dataclass(frozen=True, slots=True)
class DefaultNodeInfoOther:
    """What a node says of its index and RPC."""

    tx_index: str = ""
    rpc_address: str = ""


@dataclass(frozen=True, slots=True)
class DefaultNodeInfo:
    """What a node says of itself at the handshake; `channels` one byte each."""

    protocol_version: ProtocolVersion
    default_node_id: str
    listen_addr: str
    network: str
    version: str
    channels: bytes
    moniker: str
    other: DefaultNodeInfoOther = field(default_factory=DefaultNodeInfoOther)


# -- remote signer (tendermint.privval) ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemoteSignerError:
    """Why the signer refused."""

    code: int
    description: str


@dataclass(frozen=True, slots=True)
class PubKeyRequest:
    """Which key signs for this chain?"""

    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class PubKeyResponse:
    """The raw Ed25519 key, or b"" with an error."""

    pub_key: bytes
    error: RemoteSignerError | None = None


@dataclass(frozen=True, slots=True)
class SignVoteRequest:
    """Sign this vote."""

    vote: Vote
    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class SignedVoteResponse:
    """The signed vote, or an empty one with an error."""

    vote: Vote
    error: RemoteSignerError | None = None


@dataclass(frozen=True, slots=True)
class SignProposalRequest:
    """Sign this proposal."""

    proposal: Proposal
    chain_id: str = ""


@dataclass(frozen=True, slots=True)
class SignedProposalResponse:
    """The signed proposal, or an empty one with an error."""

    proposal: Proposal
    error: RemoteSignerError | None = None


@dataclass(frozen=True, slots=True)
class PingRequest:
    """Is the signer there?"""


@dataclass(frozen=True, slots=True)
class PingResponse:
    """It is."""


@dataclass(frozen=True, slots=True)
class PrivvalMessage:
    """`tendermint.privval.Message`."""

    value: (
        PubKeyRequest
        | PubKeyResponse
        | SignVoteRequest
        | SignedVoteResponse
        | SignProposalRequest
        | SignedProposalResponse
        | PingRequest
        | PingResponse
    )


# -- ABCI socket (tendermint.abci): what `chain.types.abci` does not name ----------------------


@dataclass(frozen=True, slots=True)
class TxResult:
    """A transaction, where it is, and what came of it: a record of the transaction index."""

    height: Height
    index: int
    tx: bytes
    result: ExecTxResult


@dataclass(frozen=True, slots=True)
class RequestEcho:
    """Say it back."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class RequestFlush:
    """Send every answer now."""


@dataclass(frozen=True, slots=True)
class RequestCommit:
    """Make the finalized block durable."""


@dataclass(frozen=True, slots=True)
class RequestListSnapshots:
    """Which snapshots are there?"""


@dataclass(frozen=True, slots=True)
class RequestOfferSnapshot:
    """Restore from this? `app_hash` was verified by a light client."""

    snapshot: Snapshot | None = None
    app_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class RequestLoadSnapshotChunk:
    """Give one chunk."""

    height: Height
    format: int
    chunk: int


@dataclass(frozen=True, slots=True)
class RequestApplySnapshotChunk:
    """Take one chunk, from `sender`."""

    index: int
    chunk: bytes
    sender: str = ""


class OfferSnapshotResult(IntEnum):
    """`ResponseOfferSnapshot.Result`."""

    UNKNOWN = 0
    ACCEPT = 1
    ABORT = 2
    REJECT = 3
    REJECT_FORMAT = 4
    REJECT_SENDER = 5


class ApplySnapshotChunkResult(IntEnum):
    """`ResponseApplySnapshotChunk.Result`."""

    UNKNOWN = 0
    ACCEPT = 1
    ABORT = 2
    RETRY = 3
    RETRY_SNAPSHOT = 4
    REJECT_SNAPSHOT = 5


@dataclass(frozen=True, slots=True)
class ResponseException:
    """The application failed; the connection ends."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class ResponseEcho:
    """What was said."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class ResponseFlush:
    """All answers before this one were sent."""


@dataclass(frozen=True, slots=True)
class ResponseListSnapshots:
    """Snapshots on offer."""

    snapshots: tuple[Snapshot, ...] = ()


@dataclass(frozen=True, slots=True)
class ResponseOfferSnapshot:
    """Verdict on a snapshot."""

    result: OfferSnapshotResult = OfferSnapshotResult.UNKNOWN


@dataclass(frozen=True, slots=True)
class ResponseLoadSnapshotChunk:
    """One chunk."""

    chunk: bytes = b""


@dataclass(frozen=True, slots=True)
class ResponseApplySnapshotChunk:
    """Verdict on a chunk: which to fetch again, which senders to avoid."""

    result: ApplySnapshotChunkResult = ApplySnapshotChunkResult.UNKNOWN
    refetch_chunks: tuple[int, ...] = ()
    reject_senders: tuple[str, ...] = ()


RequestBody: TypeAlias = (
    RequestEcho
    | RequestFlush
    | abci.RequestInfo
    | abci.RequestInitChain
    | abci.RequestQuery
    | abci.RequestCheckTx
    | RequestCommit
    | RequestListSnapshots
    | RequestOfferSnapshot
    | RequestLoadSnapshotChunk
    | RequestApplySnapshotChunk
    | abci.RequestPrepareProposal
    | abci.RequestProcessProposal
    | abci.RequestExtendVote
    | abci.RequestVerifyVoteExtension
    | abci.RequestFinalizeBlock
)
ResponseBody: TypeAlias = (
    ResponseException
    | ResponseEcho
    | ResponseFlush
    | abci.ResponseInfo
    | abci.ResponseInitChain
    | abci.ResponseQuery
    | abci.ResponseCheckTx
    | abci.ResponseCommit
    | ResponseListSnapshots
    | ResponseOfferSnapshot
    | ResponseLoadSnapshotChunk
    | ResponseApplySnapshotChunk
    | abci.ResponsePrepareProposal
    | abci.ResponseProcessProposal
    | abci.ResponseExtendVote
    | abci.ResponseVerifyVoteExtension
    | abci.ResponseFinalizeBlock
)


@dataclass(frozen=True, slots=True)
class Request:
    """`tendermint.abci.Request`, the unit of the ABCI socket (with its length before it)."""

    value: RequestBody


@dataclass(frozen=True, slots=True)
class Response:
    """`tendermint.abci.Response`."""

    value: ResponseBody
