"""Inputs and effects in a few characters: for the digest, for people, and to match answers with wishes."""

from chain.consensus import (
    BlockBuilt,
    BlockReceived,
    BuildBlock,
    Decide,
    Effect,
    FetchBlock,
    FoundConflict,
    Input,
    MajorityClaimed,
    ProposalReceived,
    ScheduleTimeout,
    SignProposal,
    SignVote,
    StartedRound,
    TimeoutElapsed,
    VoteReceived,
)
from chain.types.block import BlockID


def short(block_id: BlockID) -> str:
    """First bytes of a block's name."""
    return block_id.hash[:4].hex() or "nil"


def describe(value: Input | Effect) -> str:
    """One input or effect."""
    match value:
        case VoteReceived(v):
            kind, who = ("", "prevote", "precommit")[v.type], v.validator_address[0] - 1
            return f" {kind} {v.height}/{v.round} {short(v.block_id)} of {who}"
        case ProposalReceived(p):
            return f" proposal {p.height}/{p.round} {short(p.block_id)} pol {p.pol_round}"
        case BlockReceived(block_id, valid):
            return f" block {short(block_id)} {'good' if valid else 'bad'}"
        case BlockBuilt(round_, block_id):
            return f" built {short(block_id)} for {round_}"
        case TimeoutElapsed(kind, height, round_):
            return f" {kind.name.lower()} timeout {height}/{round_}"
        case MajorityClaimed(type_, height, round_, block_id, source):
            return f" claim {type_} {height}/{round_} {short(block_id)} by {source[0]}"
        case SignVote(type_, height, round_, block_id):
            return (
                f"   says {('', 'prevote', 'precommit')[type_]} {height}/{round_} {short(block_id)}"
            )
        case SignProposal(height, round_, block_id, pol):
            return f"   offers {height}/{round_} {short(block_id)} pol {pol}"
        case ScheduleTimeout(kind, height, round_):
            return f"   arms {kind.name.lower()} {height}/{round_}"
        case Decide(height, round_, block_id):
            return f"   decides {height}/{round_} {short(block_id)}"
        case StartedRound(height, round_):
            return f"   begins {height}/{round_}"
        case FetchBlock(height, block_id):
            return f"   wants {height} {short(block_id)}"
        case BuildBlock(height, round_):
            return f"   builds {height}/{round_}"
        case FoundConflict(a, b):
            return (
                f"   accuses {a.validator_address[0] - 1} {short(a.block_id)} {short(b.block_id)}"
            )


def is_answer(input_: Input, effect: Effect) -> bool:
    """Whether a logged input of our own answers the wish `effect`."""
    match input_, effect:
        case VoteReceived(vote), SignVote(type_, _, round_):
            return (vote.type, vote.round) == (type_, round_)
        case ProposalReceived(proposal), SignProposal(_, round_) | BuildBlock(_, round_):
            return bool(proposal.round == round_)
        case BlockBuilt(built_for), BuildBlock(_, round_):
            return bool(built_for == round_)
        case _:
            return False
