"""Suite vote_sign_bytes: length-delimited CanonicalVote bytes of described votes."""

from pathlib import Path
from typing import Any

from chain.codec import wire
from chain.codec.cmtjson import from_json
from chain.codec.signbytes import commit_sign_bytes, vote_sign_bytes
from chain.types.block import NIL_BLOCK_ID, BlockID, Commit, CommitSig, Vote
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import Timestamp
from tests.vectors.runner import load_json, main


def replay(path: Path) -> int | None:
    """Check every case."""
    vectors = load_json(path)
    if not isinstance(vectors, dict) or not isinstance(vectors.get("cases"), list):
        return None
    if not all("sign_bytes_hex" in case and "vote" in case for case in vectors["cases"]):
        return None
    return sum(_check(case) for case in vectors["cases"])


def _check(case: dict[str, Any]) -> int:
    vote, expected = _vote(case["vote"]), bytes.fromhex(case["sign_bytes_hex"])
    actual = vote_sign_bytes(case["chain_id"], vote)
    assert actual == expected, f"{case['vote']}: {actual.hex()}"
    assert wire.decode_length(actual, 0, len(actual))[1] == len(actual), (
        "the length before the message is not that of the message"
    )
    if vote.type is not SignedMsgType.PRECOMMIT:
        return 2
    assert _from_commit(case["chain_id"], vote) == expected, "the commit line signs other bytes"
    return 3


def _vote(described: dict[str, Any]) -> Vote:
    block_id = described.get("block_id")
    return Vote(
        type=SignedMsgType(described["type"]),
        height=int(described["height"]),
        round=int(described["round"]),
        block_id=NIL_BLOCK_ID if block_id is None else from_json(BlockID, block_id),
        timestamp=Timestamp(described["timestamp_seconds"], described["timestamp_nanos"]),
        validator_address=b"",
        validator_index=0,
        extension=bytes.fromhex(described.get("extension_hex") or ""),
    )


def _from_commit(chain_id: str, vote: Vote) -> bytes:
    """The same precommit, as a line of a commit."""
    flag = BlockIDFlag.NIL if vote.block_id.is_nil() else BlockIDFlag.COMMIT
    line = CommitSig(flag, vote.validator_address, vote.timestamp, vote.signature)
    return commit_sign_bytes(chain_id, Commit(vote.height, vote.round, vote.block_id, (line,)), 0)


if __name__ == "__main__":
    main(replay)
