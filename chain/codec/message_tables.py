"""The tables of `chain.types.messages` (`proto/tendermint/*/*.proto` at v0.38.25)."""

from chain.codec import tables
from chain.codec.schema import (
    boolean,
    define,
    define_envelope,
    duration_ns,
    ed25519_key,
    ed25519_key_or_none,
    enum,
    instant,
    int32,
    int64,
    message,
    octets,
    optional,
    packed_uint,
    repeated,
    repeated_octets,
    repeated_text,
    text,
    uint32,
    uint64,
)
from chain.types import abci, block, evidence, params
from chain.types import messages as m
from chain.types.primitives import SignedMsgType

_VALUES = tables
"""Imported first: it defines the values that messages are made of."""

# -- consensus ----------------------------------------------------------------------------------

define(m.BitArray, int64(1, "bits"), packed_uint(2, "elems", 64))
define(
    m.NewRoundStep,
    int64(1, "height"),
    int32(2, "round"),
    uint32(3, "step"),
    int64(4, "seconds_since_start_time"),
    int32(5, "last_commit_round"),
)
define(
    m.NewValidBlock,
    int64(1, "height"),
    int32(2, "round"),
    message(3, "block_part_set_header", block.PartSetHeader),
    optional(4, "block_parts", m.BitArray),
    boolean(5, "is_commit"),
)
define(m.ProposalMessage, message(1, "proposal", block.Proposal))
define(
    m.ProposalPOL,
    int64(1, "height"),
    int32(2, "proposal_pol_round"),
    message(3, "proposal_pol", m.BitArray),
)
define(m.BlockPart, int64(1, "height"), int32(2, "round"), message(3, "part", block.Part))
define(m.VoteMessage, message(1, "vote", block.Vote))
define(
    m.HasVote,
    int64(1, "height"),
    int32(2, "round"),
    enum(3, "type", SignedMsgType),
    int32(4, "index"),
)
define(
    m.VoteSetMaj23,
    int64(1, "height"),
    int32(2, "round"),
    enum(3, "type", SignedMsgType),
    message(4, "block_id", block.BlockID),
)
define(
    m.VoteSetBits,
    int64(1, "height"),
    int32(2, "round"),
    enum(3, "type", SignedMsgType),
    message(4, "block_id", block.BlockID),
    message(5, "votes", m.BitArray),
)
define_envelope(
    m.ConsensusMessage,
    {
        1: m.NewRoundStep,
        2: m.NewValidBlock,
        3: m.ProposalMessage,
        4: m.ProposalPOL,
        5: m.BlockPart,
        6: m.VoteMessage,
        7: m.HasVote,
        8: m.VoteSetMaj23,
        9: m.VoteSetBits,
    },
)

# -- write-ahead log ----------------------------------------------------------------------------

define(m.EventDataRoundState, int64(1, "height"), int32(2, "round"), text(3, "step"))
define(m.MsgInfo, message(1, "msg", m.ConsensusMessage), text(2, "peer_id"))
define(
    m.TimeoutInfo,
    duration_ns(1, "duration_ns"),
    int64(2, "height"),
    int32(3, "round"),
    uint32(4, "step"),
)
define(m.EndHeight, int64(1, "height"))
define_envelope(
    m.WALMessage,
    {1: m.EventDataRoundState, 2: m.MsgInfo, 3: m.TimeoutInfo, 4: m.EndHeight},
)
define(m.TimedWALMessage, instant(1, "time"), message(2, "msg", m.WALMessage))

# -- block sync, mempool, state sync ------------------------------------------------------------

define(m.BlockRequest, int64(1, "height"))
define(m.NoBlockResponse, int64(1, "height"))
define(
    m.BlockResponse,
    message(1, "block", block.Block),
    optional(2, "ext_commit", block.ExtendedCommit),
)
define(m.StatusRequest)
define(m.StatusResponse, int64(1, "height"), int64(2, "base"))
define_envelope(
    m.BlocksyncMessage,
    {
        1: m.BlockRequest,
        2: m.NoBlockResponse,
        3: m.BlockResponse,
        4: m.StatusRequest,
        5: m.StatusResponse,
    },
)
define(m.Txs, repeated_octets(1, "txs"))
define_envelope(m.MempoolMessage, {1: m.Txs})
define(m.SnapshotsRequest)
define(
    m.SnapshotsResponse,
    uint64(1, "height"),
    uint32(2, "format"),
    uint32(3, "chunks"),
    octets(4, "hash"),
    octets(5, "metadata"),
)
define(m.ChunkRequest, uint64(1, "height"), uint32(2, "format"), uint32(3, "index"))
define(
    m.ChunkResponse,
    uint64(1, "height"),
    uint32(2, "format"),
    uint32(3, "index"),
    octets(4, "chunk"),
    boolean(5, "missing"),
)
define(m.LightBlockRequest, uint64(1, "height"))
define(m.LightBlockResponse, optional(1, "light_block", evidence.LightBlock))
define(m.ParamsRequest, uint64(1, "height"))
define(
    m.ParamsResponse,
    uint64(1, "height"),
    message(2, "consensus_params", params.ConsensusParams),
)
define_envelope(
    m.StatesyncMessage,
    {
        1: m.SnapshotsRequest,
        2: m.SnapshotsResponse,
        3: m.ChunkRequest,
        4: m.ChunkResponse,
        5: m.LightBlockRequest,
        6: m.LightBlockResponse,
        7: m.ParamsRequest,
        8: m.ParamsResponse,
    },
)

# -- peers --------------------------------------------------------------------------------------

define(m.NetAddress, text(1, "id"), text(2, "ip"), uint32(3, "port"))
define(m.PexRequest)
define(m.PexAddrs, repeated(1, "addrs", m.NetAddress))
define_envelope(m.PexMessage, {1: m.PexRequest, 2: m.PexAddrs})
define(m.PacketPing)
define(m.PacketPong)
define(m.PacketMsg, int32(1, "channel_id"), boolean(2, "eof"), octets(3, "data"))
define_envelope(m.Packet, {1: m.PacketPing, 2: m.PacketPong, 3: m.PacketMsg})
define(m.AuthSigMessage, ed25519_key(1, "pub_key"), octets(2, "sig"))
define(m.ProtocolVersion, uint64(1, "p2p"), uint64(2, "block"), uint64(3, "app"))
define(m.DefaultNodeInfoOther, text(1, "tx_index"), text(2, "rpc_address"))
define(
    m.DefaultNodeInfo,
    message(1, "protocol_version", m.ProtocolVersion),
    text(2, "default_node_id"),
    text(3, "listen_addr"),
    text(4, "network"),
    text(5, "version"),
    octets(6, "channels"),
    text(7, "moniker"),
    message(8, "other", m.DefaultNodeInfoOther),
)

# -- remote signer ------------------------------------------------------------------------------

define(m.RemoteSignerError, int32(1, "code"), text(2, "description"))
define(m.PubKeyRequest, text(1, "chain_id"))
define(
    m.PubKeyResponse,
    ed25519_key_or_none(1, "pub_key"),
    optional(2, "error", m.RemoteSignerError),
)
define(m.SignVoteRequest, message(1, "vote", block.Vote), text(2, "chain_id"))
define(
    m.SignedVoteResponse,
    message(1, "vote", block.Vote),
    optional(2, "error", m.RemoteSignerError),
)
define(m.SignProposalRequest, message(1, "proposal", block.Proposal), text(2, "chain_id"))
define(
    m.SignedProposalResponse,
    message(1, "proposal", block.Proposal),
    optional(2, "error", m.RemoteSignerError),
)
define(m.PingRequest)
define(m.PingResponse)
define_envelope(
    m.PrivvalMessage,
    {
        1: m.PubKeyRequest,
        2: m.PubKeyResponse,
        3: m.SignVoteRequest,
        4: m.SignedVoteResponse,
        5: m.SignProposalRequest,
        6: m.SignedProposalResponse,
        7: m.PingRequest,
        8: m.PingResponse,
    },
)

# -- ABCI socket --------------------------------------------------------------------------------

define(
    m.TxResult,
    int64(1, "height"),
    uint32(2, "index"),
    octets(3, "tx"),
    message(4, "result", abci.ExecTxResult),
)
define(m.RequestEcho, text(1, "message"))
define(m.RequestFlush)
define(m.RequestCommit)
define(m.RequestListSnapshots)
define(m.RequestOfferSnapshot, optional(1, "snapshot", abci.Snapshot), octets(2, "app_hash"))
define(m.RequestLoadSnapshotChunk, uint64(1, "height"), uint32(2, "format"), uint32(3, "chunk"))
define(m.RequestApplySnapshotChunk, uint32(1, "index"), octets(2, "chunk"), text(3, "sender"))
define_envelope(
    m.Request,
    {
        1: m.RequestEcho,
        2: m.RequestFlush,
        3: abci.RequestInfo,
        5: abci.RequestInitChain,
        6: abci.RequestQuery,
        8: abci.RequestCheckTx,
        11: m.RequestCommit,
        12: m.RequestListSnapshots,
        13: m.RequestOfferSnapshot,
        14: m.RequestLoadSnapshotChunk,
        15: m.RequestApplySnapshotChunk,
        16: abci.RequestPrepareProposal,
        17: abci.RequestProcessProposal,
        18: abci.RequestExtendVote,
        19: abci.RequestVerifyVoteExtension,
        20: abci.RequestFinalizeBlock,
    },
)
define(m.ResponseException, text(1, "error"))
define(m.ResponseEcho, text(1, "message"))
define(m.ResponseFlush)
define(m.ResponseListSnapshots, repeated(1, "snapshots", abci.Snapshot))
define(m.ResponseOfferSnapshot, enum(1, "result", m.OfferSnapshotResult))
define(m.ResponseLoadSnapshotChunk, octets(1, "chunk"))
define(
    m.ResponseApplySnapshotChunk,
    enum(1, "result", m.ApplySnapshotChunkResult),
    packed_uint(2, "refetch_chunks", 32),
    repeated_text(3, "reject_senders"),
)
define_envelope(
    m.Response,
    {
        1: m.ResponseException,
        2: m.ResponseEcho,
        3: m.ResponseFlush,
        4: abci.ResponseInfo,
        6: abci.ResponseInitChain,
        7: abci.ResponseQuery,
        9: abci.ResponseCheckTx,
        12: abci.ResponseCommit,
        13: m.ResponseListSnapshots,
        14: m.ResponseOfferSnapshot,
        15: m.ResponseLoadSnapshotChunk,
        16: m.ResponseApplySnapshotChunk,
        17: abci.ResponsePrepareProposal,
        18: abci.ResponseProcessProposal,
        19: abci.ResponseExtendVote,
        20: abci.ResponseVerifyVoteExtension,
        21: abci.ResponseFinalizeBlock,
    },
)
