"""What the consensus core wishes done: plain values that the host performs, in order.

Reads: nothing.  Writes: nothing.  Never: performs anything itself.
"""

from typing import TypeAlias

from msgspec import Struct

from chain.consensus.inputs import TimeoutKind
from chain.types.block import BlockID, Vote
from chain.types.primitives import Height, Round, SignedMsgType


class StartedRound(Struct, frozen=True):
    """A round began (L11). Tells the host when to look again at what it holds for the round."""

    height: Height
    round: Round


class BuildBlock(Struct, frozen=True):
    """We propose in this round and have no valid value (L18): build a block, answer `BlockBuilt`."""

    height: Height
    round: Round


class SignProposal(Struct, frozen=True):
    """Sign, log and broadcast our proposal (L19), then feed it back as `ProposalReceived`.

    `pol_round` is -1 for a fresh block, else the round of the polka that made it our valid value.
    """

    height: Height
    round: Round
    block_id: BlockID
    pol_round: Round


class SignVote(Struct, frozen=True):
    """Sign, log and broadcast our vote, then feed it back as `VoteReceived`; the zero id means nil."""

    type: SignedMsgType
    height: Height
    round: Round
    block_id: BlockID


class ScheduleTimeout(Struct, frozen=True):
    """Answer `TimeoutElapsed` after the wait that the host's settings give this kind and round."""

    kind: TimeoutKind
    height: Height
    round: Round


class FetchBlock(Struct, frozen=True):
    """A proposal, a polka or a commit names a block we have not judged: gather it, answer `BlockReceived`.

    Asked once per block and height: the host keeps trying until it has the block or the height is over.
    """

    height: Height
    block_id: BlockID


class Decide(Struct, frozen=True):
    """The height is decided (L49). One precommit per validator, in validator order, for the block or nil.

    Those for the block weigh more than 2/3; `commit_votes(state)` gives the same list with stragglers.
    """

    height: Height
    round: Round
    block_id: BlockID
    precommits: tuple[Vote, ...]


class FoundConflict(Struct, frozen=True):
    """One validator signed two blocks for one (height, round, type); `vote_a` has the smaller block id key.

    Reported once per validator, round and type.
    """

    vote_a: Vote
    vote_b: Vote


Effect: TypeAlias = (
    StartedRound
    | BuildBlock
    | SignProposal
    | SignVote
    | ScheduleTimeout
    | FetchBlock
    | Decide
    | FoundConflict
)
