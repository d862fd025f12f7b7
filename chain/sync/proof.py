"""Is this the block the town decided, and if not, who lied? Pure; no blame ever falls on an honest peer.

The commit of block H travels in block H+1, or, for a peer's newest block, beside it. It is judged by itself
first: against the validator set that our own, already proved state names for H, every signature of it
(`VerifyCommit`; CometBFT 0.38.22 found that stopping at two thirds is unsafe here). An honest peer holds no
block with a bad commit, so a bad one convicts whoever sent it. A good commit that names another block than the
one received convicts whoever sent that block. (CometBFT 0.38 drops both peers, the honest one too.)
"""

from dataclasses import dataclass

from chain.codec.hashing import PartSet, make_block_id
from chain.crypto.commits import verify_commit_full
from chain.types.block import (
    Block,
    BlockID,
    Commit,
    CommitSig,
    ExtendedCommit,
    ExtendedCommitSig,
)
from chain.types.primitives import Height
from chain.types.state import ChainState


@dataclass(frozen=True, slots=True)
class FetchedBlock:
    """A block from a peer under the name that its own bytes give: header hash and part-set header."""

    block: Block
    block_id: BlockID
    parts: PartSet
    encoded: bytes

    @property
    def height(self) -> Height:
        """Height its header says."""
        return self.block.header.height


@dataclass(frozen=True, slots=True)
class Candidate:
    """The next block, the commit that should prove it, and who sent each."""

    fetched: FetchedBlock
    sender: str
    commit: Commit
    commit_sender: str


@dataclass(frozen=True, slots=True)
class Blame:
    """The peer that lied, and in what."""

    peer: str
    reason: str


def name_fetched(block: Block) -> FetchedBlock:
    """Compute a received block's names and parts from what it holds."""
    block_id, parts = make_block_id(block)
    return FetchedBlock(block, block_id, parts, b"".join(part.bytes for part in parts.parts))


def judge(state: ChainState, candidate: Candidate) -> Blame | None:
    """None when the commit proves that the block is the decided one after `state`."""
    commit, fetched = candidate.commit, candidate.fetched
    refusal = verify_commit_full(
        state.chain_id, state.validators, commit.block_id, fetched.height, commit
    )
    if refusal is not None:
        return Blame(candidate.commit_sender, f"commit of {fetched.height}: {refusal}")
    if commit.block_id != fetched.block_id:
        return Blame(candidate.sender, f"block {fetched.height} is not the one decided")
    return None


def extend(commit: Commit) -> ExtendedCommit:
    """A commit in the clothes that `BlockResponse` has for one; without vote extensions they stay empty."""
    lines = tuple(
        ExtendedCommitSig(
            line.block_id_flag, line.validator_address, line.timestamp, line.signature
        )
        for line in commit.signatures
    )
    return ExtendedCommit(commit.height, commit.round, commit.block_id, lines)


def strip(extended: ExtendedCommit) -> Commit:
    """The commit inside (`ExtendedCommit.ToCommit`)."""
    lines = tuple(
        CommitSig(line.block_id_flag, line.validator_address, line.timestamp, line.signature)
        for line in extended.extended_signatures
    )
    return Commit(extended.height, extended.round, extended.block_id, lines)
