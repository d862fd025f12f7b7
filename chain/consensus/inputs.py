"""What the outside world tells the consensus core: the only way anything gets into it.

Reads: nothing.  Writes: nothing.  Never: carries an unverified signature; callers check those first.
"""

from enum import IntEnum
from typing import TypeAlias

from msgspec import Struct

from chain.types.block import BlockID, Proposal, Vote
from chain.types.primitives import Height, Round, SignedMsgType


class TimeoutKind(IntEnum):
    """Which wait of the algorithm ended (arXiv 1807.04938 L57, L61, L65)."""

    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3


class ProposalReceived(Struct, frozen=True):
    """A proposal whose signature is good under the key of `proposer_of(state, proposal.round)`."""

    proposal: Proposal


class BlockReceived(Struct, frozen=True):
    """The whole block of this height behind `block_id` is at hand, and was judged (`valid(v)` of the paper).

    The host keeps the block itself. Judging must be deterministic: the first verdict is final.
    """

    block_id: BlockID
    valid: bool


class VoteReceived(Struct, frozen=True):
    """A vote, ours included, whose signature is good under the key of its validator at its height."""

    vote: Vote


class TimeoutElapsed(Struct, frozen=True):
    """The wait asked for by `ScheduleTimeout(kind, height, round)` is over; late ones are harmless."""

    kind: TimeoutKind
    height: Height
    round: Round


class BlockBuilt(Struct, frozen=True):
    """Answer to `BuildBlock`: our own block, valid by construction, kept by the host."""

    round: Round
    block_id: BlockID


class MajorityClaimed(Struct, frozen=True):
    """The peer `source` says it holds > 2/3 of the votes of one kind for `block_id` (CometBFT `VoteSetMaj23`).

    From then on an equivocator's vote for that block counts for it, whatever it voted before. `source` is any
    stable name of the peer; its first claim for a round and type is final. A commit received whole is such a
    claim too: give the claim, then its votes.
    """

    type: SignedMsgType
    height: Height
    round: Round
    block_id: BlockID
    source: bytes


Input: TypeAlias = (
    ProposalReceived | BlockReceived | VoteReceived | TimeoutElapsed | BlockBuilt | MajorityClaimed
)
