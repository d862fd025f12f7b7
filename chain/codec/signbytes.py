"""The bytes that consensus signatures cover (CometBFT 0.38 `types/canonical.go`, `canonical.proto`).

Every form is a canonical message with its length before it. Heights and rounds are eight-byte integers; a nil
block id and every zero are left out; the time is always there. A vote's extension is never under its signature.
"""

from chain.codec import wire
from chain.codec.schema import TIMESTAMP
from chain.types.block import BlockID, Commit, Proposal, Vote
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import Timestamp


def vote_sign_bytes(chain_id: str, vote: Vote) -> bytes:
    """What the signature of a prevote or precommit covers (`VoteSignBytes`)."""
    return _vote_bytes(chain_id, vote.type, vote.height, vote.round, vote.block_id, vote.timestamp)


def commit_sign_bytes(chain_id: str, commit: Commit, index: int) -> bytes:
    """What line `index` of a commit covers: the precommit it was made from (`Commit.VoteSignBytes`).

    A line with flag NIL signed no block. Raises IndexError without such a line; ValueError on an absent line,
    which signed nothing.
    """
    line = commit.signatures[index]
    if line.block_id_flag is BlockIDFlag.COMMIT:
        block_id = commit.block_id
    elif line.block_id_flag is BlockIDFlag.NIL:
        block_id = BlockID()
    else:
        raise ValueError(f"line {index} of the commit at height {commit.height} signed nothing")
    return _vote_bytes(
        chain_id,
        SignedMsgType.PRECOMMIT,
        commit.height,
        commit.round,
        block_id,
        line.timestamp,
    )


def proposal_sign_bytes(chain_id: str, proposal: Proposal) -> bytes:
    """What the signature of a proposal covers (`ProposalSignBytes`)."""
    pol_round = proposal.pol_round
    body = (
        _head(proposal.type, proposal.height, proposal.round)
        + (b"\x20" + wire.encode_varint(pol_round) if pol_round else b"")
        + _tagged(b"\x2a", _canonical_block_id(proposal.block_id))
        + _timestamp(b"\x32", proposal.timestamp)
        + _tagged(b"\x3a", chain_id.encode())
    )
    return wire.encode_delimited(body)


def extension_sign_bytes(chain_id: str, vote: Vote) -> bytes:
    """What the signature of a vote extension covers (`VoteExtensionSignBytes`)."""
    body = (
        _tagged(b"\x0a", vote.extension)
        + (b"\x11" + wire.encode_sfixed64(vote.height) if vote.height else b"")
        + (b"\x19" + wire.encode_sfixed64(vote.round) if vote.round else b"")
        + _tagged(b"\x22", chain_id.encode())
    )
    return wire.encode_delimited(body)


def _vote_bytes(
    chain_id: str, kind: int, height: int, round_: int, block_id: BlockID, timestamp: Timestamp
) -> bytes:
    body = (
        _head(kind, height, round_)
        + _tagged(b"\x22", _canonical_block_id(block_id))
        + _timestamp(b"\x2a", timestamp)
        + _tagged(b"\x32", chain_id.encode())
    )
    return wire.encode_delimited(body)


def _head(kind: int, height: int, round_: int) -> bytes:
    """Fields 1 to 3, the same in votes and proposals."""
    out = b"\x08" + wire.encode_uvarint(kind) if kind else b""
    if height:
        out += b"\x11" + wire.encode_sfixed64(height)
    return out + b"\x19" + wire.encode_sfixed64(round_) if round_ else out


def _canonical_block_id(block_id: BlockID) -> bytes:
    """Empty for nil; else the hash and an always present part set header."""
    if block_id.is_nil():
        return b""
    parts = block_id.part_set_header
    header = (b"\x08" + wire.encode_uvarint(parts.total) if parts.total else b"") + _tagged(
        b"\x12", parts.hash
    )
    return _tagged(b"\x0a", block_id.hash) + b"\x12" + wire.encode_delimited(header)


def _timestamp(key: bytes, timestamp: Timestamp) -> bytes:
    return key + wire.encode_delimited(TIMESTAMP.encode(timestamp))


def _tagged(key: bytes, content: bytes) -> bytes:
    """A length-delimited field, left out when empty."""
    return key + wire.encode_uvarint(len(content)) + content if content else b""
