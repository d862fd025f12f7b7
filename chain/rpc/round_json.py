"""JSON of `consensus_state` and `dump_consensus_state` (CometBFT 0.38 `consensus/types/round_state.go`)."""

from typing import Any

from chain.codec.cmtjson import to_json
from chain.rpc.ports import BlockView, RoundView, RoundVotesView, VotesView
from chain.types.block import Vote
from chain.types.primitives import SignedMsgType

Json = Any
FINGERPRINT_BYTES = 6


def concise(view: RoundView) -> Json:
    """`RoundStateSimple`."""
    proposer = view.validators.get_proposer().address
    return {
        "height/round/step": f"{view.height}/{view.round}/{view.step}",
        "start_time": view.start_time.to_rfc3339(),
        "proposal_block_hash": _whole_block_hash(view.proposal_block),
        "locked_block_hash": _whole_block_hash(view.locked_block),
        "valid_block_hash": _whole_block_hash(view.valid_block),
        "height_vote_set": [_round_json(votes) for votes in view.votes],
        "proposer": {
            "address": proposer.hex().upper(),
            "index": view.validators.index_of(proposer) or 0,
        },
    }


def full(view: RoundView) -> Json:
    """`RoundState`, every field."""
    return {
        "height": str(view.height),
        "round": view.round,
        "step": view.step,
        "start_time": view.start_time.to_rfc3339(),
        "commit_time": view.commit_time.to_rfc3339(),
        "validators": to_json(view.validators),
        "proposal": None if view.proposal is None else to_json(view.proposal),
        **_block_json("proposal_block", view.proposal_block),
        "locked_round": view.locked_round,
        **_block_json("locked_block", view.locked_block),
        "valid_round": view.valid_round,
        **_block_json("valid_block", view.valid_block),
        "votes": [_round_json(votes) for votes in view.votes],
        "commit_round": view.commit_round,
        "last_commit": None if view.last_commit is None else _vote_set_json(view.last_commit),
        "last_validators": to_json(view.last_validators),
        "triggered_timeout_precommit": view.has_precommit_timeout,
    }


def _whole_block_hash(block: BlockView | None) -> str:
    """Of a block that is here; CometBFT shows nothing for one of which parts are missing."""
    return "" if block is None or block.block is None else block.block_id.hash.hex().upper()


def _block_json(name: str, block: BlockView | None) -> dict[str, Json]:
    if block is None:
        return {name: None, f"{name}_parts": None}
    parts = {
        "count/total": f"{sum(block.parts)}/{len(block.parts)}",
        "parts_bit_array": _bits(block.parts),
    }
    return {name: None if block.block is None else to_json(block.block), f"{name}_parts": parts}


def _round_json(votes: RoundVotesView) -> Json:
    return {
        "round": votes.round,
        "prevotes": [vote_text(vote) for vote in votes.prevotes.votes],
        "prevotes_bit_array": _bit_array_text(votes.prevotes),
        "precommits": [vote_text(vote) for vote in votes.precommits.votes],
        "precommits_bit_array": _bit_array_text(votes.precommits),
    }


def _vote_set_json(votes: VotesView) -> Json:
    return {
        "votes": [vote_text(vote) for vote in votes.votes],
        "votes_bit_array": _bit_array_text(votes),
        "peer_maj_23s": {},
    }


def vote_text(vote: Vote | None) -> str:
    """A vote in one line (`Vote.String`): hashes and signatures by their first six bytes."""
    if vote is None:
        return "nil-Vote"
    kind = "Prevote" if vote.type is SignedMsgType.PREVOTE else "Precommit"
    name = f"SIGNED_MSG_TYPE_{kind.upper()}({kind})"
    marks = (vote.block_id.hash, vote.signature, vote.extension)
    return (
        f"Vote{{{vote.validator_index}:{_fingerprint(vote.validator_address)} "
        f"{vote.height}/{vote.round:02d}/{name} {' '.join(_fingerprint(mark) for mark in marks)} "
        f"@ {vote.timestamp.to_rfc3339()}}}"
    )


def _fingerprint(raw: bytes) -> str:
    return raw[:FINGERPRINT_BYTES].ljust(FINGERPRINT_BYTES, b"\0").hex().upper()


def _bits(present: tuple[bool, ...]) -> str:
    return "".join("x" if is_here else "_" for is_here in present)


def _bit_array_text(votes: VotesView) -> str:
    """`BA{4:xx_x} 30/40 = 0.75`: who voted, and the power behind it."""
    bits = _bits(tuple(vote is not None for vote in votes.votes))
    hundredths = (200 * votes.power + votes.total) // (2 * votes.total)
    fraction = f"{hundredths // 100}.{hundredths % 100:02d}"
    return f"BA{{{len(votes.votes)}:{bits}}} {votes.power}/{votes.total} = {fraction}"
