"""The tables of blocks, votes, evidence, parameters, state and ABCI (`proto/tendermint/**.proto` at v0.38.25).

Read a line as the .proto line of the same number. Where Go keeps a nullable pointer that is never nil in practice
(`vote_a`, `header`, `commit`...), our value is never None, and the field must be there.
"""

from typing import Final, cast

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.codec.schema import (
    BODIES,
    Body,
    Envelope,
    Field,
    body_field,
    boolean,
    define,
    duration_ns,
    ed25519_key,
    enum,
    instant,
    int32,
    int64,
    message,
    octets,
    optional,
    repeated,
    repeated_octets,
    repeated_text,
    run_field,
    text,
    uint32,
    uint64,
)
from chain.types import abci, block, evidence, params, state, validator
from chain.types.primitives import BlockIDFlag, SignedMsgType

EVIDENCE: Final = Envelope(
    None, {1: evidence.DuplicateVoteEvidence, 2: evidence.LightClientAttackEvidence}
)
"""`tendermint.types.Evidence`, the oneof around evidence in a list."""


def _encode_state_version(app_version: int) -> bytes:
    """`tendermint.state.Version`: the block protocol is this release's own."""
    return b"\x0a" + wire.encode_delimited(
        BODIES[block.ConsensusVersion].encode(block.ConsensusVersion(app=app_version))
    )


def _decode_state_version(data: bytes, pos: int, end: int) -> int:
    if pos == end or data[pos] != 0x0A:
        raise DecodeError(f"no consensus version at byte {pos}")
    start, stop = wire.decode_length(data, pos + 1, end)
    version = BODIES[block.ConsensusVersion].decode(data, start, stop)
    if stop != end or version.block != block.BLOCK_PROTOCOL:
        raise DecodeError("state written by another block protocol")
    return cast(int, version.app)


def _tx_outcome() -> tuple[Field, ...]:
    """ExecTxResult and ResponseCheckTx have the same lines."""
    return (
        uint32(1, "code"),
        octets(2, "data"),
        text(3, "log"),
        text(4, "info"),
        int64(5, "gas_wanted"),
        int64(6, "gas_used"),
        repeated(7, "events", abci.Event),
        text(8, "codespace"),
    )


def _decided(commit_name: str) -> tuple[Field, ...]:
    """ProcessProposal and FinalizeBlock differ by one name."""
    return (
        repeated_octets(1, "txs"),
        message(2, commit_name, abci.CommitInfo),
        repeated(3, "misbehavior", abci.Misbehavior),
        octets(4, "hash"),
        int64(5, "height"),
        instant(6, "time"),
        octets(7, "next_validators_hash"),
        octets(8, "proposer_address"),
    )


# -- types: `tendermint.types`, `tendermint.version`, `tendermint.crypto`.
define(block.ConsensusVersion, uint64(1, "block"), uint64(2, "app"))
define(block.PartSetHeader, uint32(1, "total"), octets(2, "hash"))
define(block.BlockID, octets(1, "hash"), message(2, "part_set_header", block.PartSetHeader))
define(
    block.Header,
    message(1, "version", block.ConsensusVersion),
    text(2, "chain_id"),
    int64(3, "height"),
    instant(4, "time"),
    message(5, "last_block_id", block.BlockID),
    octets(6, "last_commit_hash"),
    octets(7, "data_hash"),
    octets(8, "validators_hash"),
    octets(9, "next_validators_hash"),
    octets(10, "consensus_hash"),
    octets(11, "app_hash"),
    octets(12, "last_results_hash"),
    octets(13, "evidence_hash"),
    octets(14, "proposer_address"),
)
define(
    block.CommitSig,
    enum(1, "block_id_flag", BlockIDFlag),
    octets(2, "validator_address"),
    instant(3, "timestamp"),
    octets(4, "signature"),
)
define(
    block.Commit,
    int64(1, "height"),
    int32(2, "round"),
    message(3, "block_id", block.BlockID),
    repeated(4, "signatures", block.CommitSig),
)
define(
    block.ExtendedCommitSig,
    enum(1, "block_id_flag", BlockIDFlag),
    octets(2, "validator_address"),
    instant(3, "timestamp"),
    octets(4, "signature"),
    octets(5, "extension"),
    octets(6, "extension_signature"),
)
define(
    block.ExtendedCommit,
    int64(1, "height"),
    int32(2, "round"),
    message(3, "block_id", block.BlockID),
    repeated(4, "extended_signatures", block.ExtendedCommitSig),
)
define(block.Data, repeated_octets(1, "txs"))
define(
    block.EvidenceList,
    run_field(1, "evidence", Body(EVIDENCE.encode, EVIDENCE.decode)),
)
define(
    block.Block,
    message(1, "header", block.Header),
    message(2, "data", block.Data),
    message(3, "evidence", block.EvidenceList),
    optional(4, "last_commit", block.Commit),
)
define(
    block.Proof,
    int64(1, "total"),
    int64(2, "index"),
    octets(3, "leaf_hash"),
    repeated_octets(4, "aunts"),
)
define(block.Part, uint32(1, "index"), octets(2, "bytes"), message(3, "proof", block.Proof))
define(block.TxProof, octets(1, "root_hash"), octets(2, "data"), message(3, "proof", block.Proof))
define(
    block.Vote,
    enum(1, "type", SignedMsgType),
    int64(2, "height"),
    int32(3, "round"),
    message(4, "block_id", block.BlockID),
    instant(5, "timestamp"),
    octets(6, "validator_address"),
    int32(7, "validator_index"),
    octets(8, "signature"),
    octets(9, "extension"),
    octets(10, "extension_signature"),
)
define(
    block.Proposal,
    enum(1, "type", SignedMsgType),
    int64(2, "height"),
    int32(3, "round"),
    int32(4, "pol_round"),
    message(5, "block_id", block.BlockID),
    instant(6, "timestamp"),
    octets(7, "signature"),
)
define(block.SignedHeader, message(1, "header", block.Header), message(2, "commit", block.Commit))
define(
    block.BlockMeta,
    message(1, "block_id", block.BlockID),
    int64(2, "block_size"),
    message(3, "header", block.Header),
    int64(4, "num_txs"),
)


# -- evidence: Evidence, validators and light blocks; every reference of ours is there, so none is nullable.
define(
    validator.Validator,
    octets(1, "address"),
    ed25519_key(2, "pub_key"),
    int64(3, "voting_power"),
    int64(4, "proposer_priority"),
)
# Field 3, the total, is always zero on the wire: nobody believes a peer's total.
define(
    validator.ValidatorSet,
    repeated(1, "validators", validator.Validator),
    optional(2, "proposer", validator.Validator),
)
define(
    evidence.DuplicateVoteEvidence,
    message(1, "vote_a", block.Vote),
    message(2, "vote_b", block.Vote),
    int64(3, "total_voting_power"),
    int64(4, "validator_power"),
    instant(5, "timestamp"),
)
define(
    evidence.LightBlock,
    message(1, "signed_header", block.SignedHeader),
    message(2, "validator_set", validator.ValidatorSet),
)
define(
    evidence.LightClientAttackEvidence,
    message(1, "conflicting_block", evidence.LightBlock),
    int64(2, "common_height"),
    repeated(3, "byzantine_validators", validator.Validator),
    int64(4, "total_voting_power"),
    instant(5, "timestamp"),
)


# -- params: `params.proto`, with all five groups written as CometBFT does, and `tendermint.state.State`.
define(params.BlockParams, int64(1, "max_bytes"), int64(2, "max_gas"))
define(
    params.EvidenceParams,
    int64(1, "max_age_num_blocks"),
    duration_ns(2, "max_age_duration_ns"),
    int64(3, "max_bytes"),
)
define(params.ValidatorParams, repeated_text(1, "pub_key_types"))
define(params.VersionParams, uint64(1, "app"))
define(params.ABCIParams, int64(1, "vote_extensions_enable_height"))
define(
    params.ConsensusParams,
    message(1, "block", params.BlockParams),
    message(2, "evidence", params.EvidenceParams),
    message(3, "validator", params.ValidatorParams),
    message(4, "version", params.VersionParams),
    message(5, "abci", params.ABCIParams),
)
define(
    state.ChainState,
    body_field(
        1,
        "app_version",
        Body(_encode_state_version, _decode_state_version),
        nullable=False,
    ),
    text(2, "chain_id"),
    int64(3, "last_block_height"),
    message(4, "last_block_id", block.BlockID),
    instant(5, "last_block_time"),
    message(6, "next_validators", validator.ValidatorSet),
    message(7, "validators", validator.ValidatorSet),
    message(8, "last_validators", validator.ValidatorSet),
    int64(9, "last_height_validators_changed"),
    message(10, "consensus_params", params.ConsensusParams),
    int64(11, "last_height_consensus_params_changed"),
    octets(12, "last_results_hash"),
    octets(13, "app_hash"),
    int64(14, "initial_height"),
)


# -- abci values: `tendermint.abci`: what requests and responses are made of.

define(abci.ProofOp, text(1, "type"), octets(2, "key"), octets(3, "data"))
_PROOF_OPS: Final = repeated(1, "ops", abci.ProofOp)


def _encode_proof_ops(ops: tuple[abci.ProofOp, ...]) -> bytes:
    return _PROOF_OPS.write(ops)


def _decode_proof_ops(data: bytes, pos: int, end: int) -> tuple[abci.ProofOp, ...]:
    """At least one op: no proof at all is the message left out."""
    key, after = wire.decode_uvarint(data, pos, end)
    if key != 0x0A:
        raise DecodeError(f"not a list of proof ops at byte {pos}")
    ops, stop = _PROOF_OPS.read(data, after, end)
    if stop != end:
        raise DecodeError(f"trailing bytes after proof ops at byte {stop}")
    return cast("tuple[abci.ProofOp, ...]", ops)


define(abci.EventAttribute, text(1, "key"), text(2, "value"), boolean(3, "index"))
define(abci.Event, text(1, "type"), repeated(2, "attributes", abci.EventAttribute))
define(abci.ExecTxResult, *_tx_outcome())
define(abci.ValidatorUpdate, ed25519_key(1, "pub_key"), int64(2, "power"))
define(abci.AbciValidator, octets(1, "address"), int64(3, "power"))
define(
    abci.VoteInfo,
    message(1, "validator", abci.AbciValidator),
    enum(3, "block_id_flag", BlockIDFlag),
)
define(abci.CommitInfo, int32(1, "round"), repeated(2, "votes", abci.VoteInfo))
define(
    abci.ExtendedVoteInfo,
    message(1, "validator", abci.AbciValidator),
    octets(3, "vote_extension"),
    octets(4, "extension_signature"),
    enum(5, "block_id_flag", BlockIDFlag),
)
define(abci.ExtendedCommitInfo, int32(1, "round"), repeated(2, "votes", abci.ExtendedVoteInfo))
define(
    abci.Misbehavior,
    enum(1, "type", abci.MisbehaviorType),
    message(2, "validator", abci.AbciValidator),
    int64(3, "height"),
    instant(4, "time"),
    int64(5, "total_voting_power"),
)
define(
    abci.Snapshot,
    uint64(1, "height"),
    uint32(2, "format"),
    uint32(3, "chunks"),
    octets(4, "hash"),
    octets(5, "metadata"),
)

# -- abci requests
define(
    abci.RequestInfo,
    text(1, "version"),
    uint64(2, "block_version"),
    uint64(3, "p2p_version"),
    text(4, "abci_version"),
)
define(
    abci.RequestInitChain,
    instant(1, "time"),
    text(2, "chain_id"),
    optional(3, "consensus_params", params.ConsensusParams),
    repeated(4, "validators", abci.ValidatorUpdate),
    octets(5, "app_state_bytes"),
    int64(6, "initial_height"),
)
define(
    abci.RequestQuery,
    octets(1, "data"),
    text(2, "path"),
    int64(3, "height"),
    boolean(4, "prove"),
)
define(abci.RequestCheckTx, octets(1, "tx"), enum(2, "type", abci.CheckTxType))
define(
    abci.RequestPrepareProposal,
    int64(1, "max_tx_bytes"),
    repeated_octets(2, "txs"),
    message(3, "local_last_commit", abci.ExtendedCommitInfo),
    repeated(4, "misbehavior", abci.Misbehavior),
    int64(5, "height"),
    instant(6, "time"),
    octets(7, "next_validators_hash"),
    octets(8, "proposer_address"),
)
define(abci.RequestProcessProposal, *_decided("proposed_last_commit"))
define(abci.RequestFinalizeBlock, *_decided("decided_last_commit"))
define(
    abci.RequestExtendVote,
    octets(1, "hash"),
    int64(2, "height"),
    instant(3, "time"),
    repeated_octets(4, "txs"),
    message(5, "proposed_last_commit", abci.CommitInfo),
    repeated(6, "misbehavior", abci.Misbehavior),
    octets(7, "next_validators_hash"),
    octets(8, "proposer_address"),
)
define(
    abci.RequestVerifyVoteExtension,
    octets(1, "hash"),
    octets(2, "validator_address"),
    int64(3, "height"),
    octets(4, "vote_extension"),
)


def _proof_ops_field(number: int, name: str) -> Field:
    """`ProofOps`, left out when there is none."""
    inner = body_field(number, name, Body(_encode_proof_ops, _decode_proof_ops), nullable=True)

    def write(ops: tuple[abci.ProofOp, ...]) -> bytes:
        return inner.write(ops or None)

    return Field(number, name, wire.WIRE_BYTES, (), write, inner.read)


# -- abci responses
define(
    abci.ResponseInfo,
    text(1, "data"),
    text(2, "version"),
    uint64(3, "app_version"),
    int64(4, "last_block_height"),
    octets(5, "last_block_app_hash"),
)
define(
    abci.ResponseInitChain,
    optional(1, "consensus_params", params.ConsensusParams),
    repeated(2, "validators", abci.ValidatorUpdate),
    octets(3, "app_hash"),
)
define(
    abci.ResponseQuery,
    uint32(1, "code"),
    text(3, "log"),
    text(4, "info"),
    int64(5, "index"),
    octets(6, "key"),
    octets(7, "value"),
    _proof_ops_field(8, "proof_ops"),
    int64(9, "height"),
    text(10, "codespace"),
)
define(abci.ResponseCheckTx, *_tx_outcome())
define(abci.ResponsePrepareProposal, repeated_octets(1, "txs"))
define(abci.ResponseProcessProposal, enum(1, "status", abci.ProposalStatus))
define(abci.ResponseExtendVote, octets(1, "vote_extension"))
define(abci.ResponseVerifyVoteExtension, enum(1, "status", abci.ProposalStatus))
define(
    abci.ResponseFinalizeBlock,
    repeated(1, "events", abci.Event),
    repeated(2, "tx_results", abci.ExecTxResult),
    repeated(3, "validator_updates", abci.ValidatorUpdate),
    optional(4, "consensus_param_updates", params.ConsensusParams),
    octets(5, "app_hash"),
)
define(abci.ResponseCommit, int64(3, "retain_height"))
