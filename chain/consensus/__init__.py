"""The pure Tendermint core (arXiv 1807.04938): (state, input) -> (state, effects).

`start_height` begins a height, `step` takes one input in. The host performs the effects in order: it signs,
logs before it sends, keeps blocks and clocks, and answers with inputs. See `driver.py` for the order of rules.
"""

from chain.consensus.driver import (
    commit_votes,
    has_all_precommits,
    proposer_of,
    start_height,
    step,
    would_change,
)
from chain.consensus.effects import (
    BuildBlock,
    Decide,
    Effect,
    FetchBlock,
    FoundConflict,
    ScheduleTimeout,
    SignProposal,
    SignVote,
    StartedRound,
)
from chain.consensus.inputs import (
    BlockBuilt,
    BlockReceived,
    Input,
    MajorityClaimed,
    ProposalReceived,
    TimeoutElapsed,
    TimeoutKind,
    VoteReceived,
)
from chain.consensus.rounds import NO_ROUND, RoundState, Step
from chain.consensus.state import CoreState, HeightConfig
from chain.consensus.votes import held_majorities, held_votes

__all__ = [
    "NO_ROUND",
    "BlockBuilt",
    "BlockReceived",
    "BuildBlock",
    "CoreState",
    "Decide",
    "Effect",
    "FetchBlock",
    "FoundConflict",
    "HeightConfig",
    "Input",
    "MajorityClaimed",
    "ProposalReceived",
    "RoundState",
    "ScheduleTimeout",
    "SignProposal",
    "SignVote",
    "StartedRound",
    "Step",
    "TimeoutElapsed",
    "TimeoutKind",
    "VoteReceived",
    "commit_votes",
    "has_all_precommits",
    "held_majorities",
    "held_votes",
    "proposer_of",
    "start_height",
    "step",
    "would_change",
]
