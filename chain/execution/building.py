"""Putting a block together: time, room for transactions, header (CometBFT `state/state.go`, `types/block.go`).

Reads: chain state and commits.  Writes: nothing.  Never: a clock; block time is the validators' median.
"""

from collections.abc import Sequence
from typing import Final

from chain.codec.hashing import (
    hash_commit,
    hash_consensus_params,
    hash_data,
    hash_evidence_list,
    hash_validators,
)
from chain.types.block import (
    Block,
    BlockID,
    Commit,
    CommitSig,
    ConsensusVersion,
    Data,
    EvidenceList,
    Header,
    Vote,
)
from chain.types.evidence import Evidence
from chain.types.primitives import Address, BlockIDFlag, Height, Round
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet

BLOCK_OVERHEAD_BYTES: Final = 11
"""Tags and lengths of a block's four fields (`MaxOverheadForBlock`)."""
HEADER_MAX_BYTES: Final = 626
"""Largest encoded header (`MaxHeaderBytes`)."""
COMMIT_MAX_BYTES: Final = 94
"""Commit without its lines (`MaxCommitOverheadBytes`)."""
COMMIT_LINE_MAX_BYTES: Final = 111
"""One line with its tag and length (`MaxCommitSigBytes` + 2)."""
EMPTY_COMMIT: Final = Commit(height=0, round=0, block_id=BlockID(), signatures=())
"""The last commit of the first block."""


def compute_median_time(commit: Commit, validators: ValidatorSet) -> Timestamp:
    """Weighted median of a commit's times: BFT time of 0.38, where nil votes count and absent ones do not.

    At most a third of the power cannot move it outside what correct validators said. Raises ValueError on a
    commit nobody signed.
    """
    power_of = {v.address: v.voting_power for v in validators.validators}
    weighted = sorted(
        (line.timestamp, power_of[line.validator_address])
        for line in commit.signatures
        if line.block_id_flag is not BlockIDFlag.ABSENT and line.validator_address in power_of
    )
    median = sum(power for _, power in weighted) // 2
    for timestamp, power in weighted:
        if median <= power:
            return timestamp
        median -= power
    raise ValueError("a commit without signatures has no time")


def compute_block_time(state: ChainState, genesis_time: Timestamp, commit: Commit) -> Timestamp:
    """Time of the block after `state`: genesis time for the first, else the median of its last commit."""
    if state.last_block_height == 0:
        return genesis_time
    return compute_median_time(commit, state.last_validators)


def max_data_bytes(max_bytes: int, evidence_bytes: int, validator_count: int) -> int:
    """Room for encoded transactions in a block of `max_bytes` (`MaxDataBytes`); raises ValueError below 0."""
    commit_bytes = COMMIT_MAX_BYTES + COMMIT_LINE_MAX_BYTES * validator_count
    room = max_bytes - BLOCK_OVERHEAD_BYTES - HEADER_MAX_BYTES - commit_bytes - evidence_bytes
    if room < 0:
        raise ValueError(f"block.max_bytes {max_bytes} leaves no room for transactions")
    return room


def make_block(
    state: ChainState,
    *,
    height: Height,
    time: Timestamp,
    txs: Sequence[bytes],
    last_commit: Commit,
    evidence: Sequence[Evidence],
    proposer: Address,
) -> Block:
    """The block that follows `state`, every hash of its header filled in."""
    header = Header(
        version=ConsensusVersion(app=state.app_version),
        chain_id=state.chain_id,
        height=height,
        time=time,
        last_block_id=state.last_block_id,
        last_commit_hash=hash_commit(last_commit),
        data_hash=hash_data(txs),
        validators_hash=hash_validators(state.validators.validators),
        next_validators_hash=hash_validators(state.next_validators.validators),
        consensus_hash=hash_consensus_params(state.consensus_params),
        app_hash=state.app_hash,
        last_results_hash=state.last_results_hash,
        evidence_hash=hash_evidence_list(evidence),
        proposer_address=proposer,
    )
    return Block(header, Data(tuple(txs)), EvidenceList(tuple(evidence)), last_commit)


def make_commit(
    height: Height,
    round_: Round,
    block_id: BlockID,
    precommits: Sequence[Vote],
    validators: ValidatorSet,
) -> Commit:
    """Commit lines in validator order from precommits of one round for the block or nil."""
    by_index = {vote.validator_index: vote for vote in precommits}
    lines = tuple(
        _commit_line(by_index.get(index), block_id) for index in range(len(validators.validators))
    )
    return Commit(height, round_, block_id, lines)


def _commit_line(vote: Vote | None, block_id: BlockID) -> CommitSig:
    if vote is None or (vote.block_id != block_id and not vote.block_id.is_nil()):
        return CommitSig()
    flag = BlockIDFlag.NIL if vote.block_id.is_nil() else BlockIDFlag.COMMIT
    return CommitSig(flag, vote.validator_address, vote.timestamp, vote.signature)
