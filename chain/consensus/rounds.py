"""The round state machine: one function per `upon` rule of arXiv 1807.04938, Algorithm 1.

Reads: a round state and what the driver established (a quorum, a verdict).  Writes: nothing.
Never: counts votes, looks at messages, or decides which rule comes first: the driver does.

The line numbers are those of Algorithm 1. `-1` is "no round" for locked, valid and POL rounds.
"""

from enum import IntEnum
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from chain.consensus.effects import (
    BuildBlock,
    Effect,
    ScheduleTimeout,
    SignProposal,
    SignVote,
    StartedRound,
)
from chain.consensus.inputs import TimeoutKind
from chain.types.block import NIL_BLOCK_ID, BlockID
from chain.types.primitives import Height, Round, SignedMsgType

NO_ROUND: Final[Round] = -1


class Step(IntEnum):
    """Where a process stands inside a round; the order matters (L36 says "step >= prevote")."""

    NEW = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3
    DECIDED = 4


class RoundState(Struct, frozen=True):
    """The variables of Algorithm 1 for one height, and the "for the first time" flags of the round.

    `locked_block_id` and `valid_block_id` are the nil id exactly while their round is -1.
    """

    height: Height
    is_voter: bool
    """False for a node outside the validator set: it follows every rule and signs nothing."""
    round: Round = NO_ROUND
    step: Step = Step.NEW
    locked_round: Round = NO_ROUND
    locked_block_id: BlockID = NIL_BLOCK_ID
    valid_round: Round = NO_ROUND
    valid_block_id: BlockID = NIL_BLOCK_ID
    has_proposed: bool = False
    """Our proposal of this round went out: a second answer to BuildBlock must not equivocate."""
    has_prevote_timeout: bool = False
    """L34 fired in this round."""
    has_polka: bool = False
    """L36 fired in this round."""
    has_precommit_timeout: bool = False
    """L47 fired in this round."""


Transition: TypeAlias = tuple[RoundState, tuple[Effect, ...]]


def start_round(state: RoundState, round_: Round, *, is_proposer: bool) -> Transition:
    """L11-L21: enter a round; its proposer offers its valid value, or asks for a new block.

    Every process arms the propose timeout, the proposer too: its host may fail to build in time.
    """
    assert round_ > state.round, "rounds only grow"
    state = replace(
        state,
        round=round_,
        step=Step.PROPOSE,
        has_proposed=False,
        has_prevote_timeout=False,
        has_polka=False,
        has_precommit_timeout=False,
    )
    started = StartedRound(state.height, round_)
    timeout = ScheduleTimeout(TimeoutKind.PROPOSE, state.height, round_)
    if not (is_proposer and state.is_voter):
        return state, (started, timeout)
    if state.valid_round == NO_ROUND:
        return state, (started, timeout, BuildBlock(state.height, round_))
    offered, effects = propose(state, state.valid_block_id, state.valid_round)
    return offered, (started, timeout, *effects)


def propose(state: RoundState, block_id: BlockID, pol_round: Round) -> Transition:
    """L19: offer a block, once a round. A late one still serves those whose clocks are slower than ours."""
    if state.has_proposed or state.step in (Step.NEW, Step.DECIDED):
        return state, ()
    offer = SignProposal(state.height, state.round, block_id, pol_round)
    return replace(state, has_proposed=True), (offer,)


def on_fresh_proposal(state: RoundState, block_id: BlockID, *, is_valid: bool) -> Transition:
    """L22-L27: a proposal without proof-of-lock; prevote it unless it is bad or we are locked elsewhere."""
    assert state.step is Step.PROPOSE, "L22 asks for step = propose"
    is_free = state.locked_round == NO_ROUND or state.locked_block_id == block_id
    return _prevote(state, block_id if is_valid and is_free else NIL_BLOCK_ID)


def on_proposal_with_polka(
    state: RoundState, block_id: BlockID, pol_round: Round, *, is_valid: bool
) -> Transition:
    """L28-L33: a proposal whose block had a polka in `pol_round`; a polka as late as our lock frees us."""
    assert state.step is Step.PROPOSE, "L28 asks for step = propose"
    assert 0 <= pol_round < state.round, "L28 asks for 0 <= vr < round"
    is_free = state.locked_round <= pol_round or state.locked_block_id == block_id
    return _prevote(state, block_id if is_valid and is_free else NIL_BLOCK_ID)


def on_any_prevotes(state: RoundState) -> Transition:
    """L34-L35: > 2/3 prevotes of this round, for anything, for the first time: wait a little longer."""
    assert state.step is Step.PREVOTE, "L34 asks for step = prevote"
    armed = replace(state, has_prevote_timeout=True)
    return armed, (ScheduleTimeout(TimeoutKind.PREVOTE, state.height, state.round),)


def on_polka(state: RoundState, block_id: BlockID) -> Transition:
    """L36-L43: a valid block with > 2/3 prevotes of this round, for the first time.

    In step prevote: lock it and precommit it. Later than that: only remember it as the valid value.
    """
    assert state.step in (Step.PREVOTE, Step.PRECOMMIT), "L36 asks for step >= prevote"
    assert not block_id.is_nil(), "a nil polka is L44's"
    state = replace(state, has_polka=True, valid_round=state.round, valid_block_id=block_id)
    if state.step is not Step.PREVOTE:
        return state, ()
    locked = replace(state, locked_round=state.round, locked_block_id=block_id)
    return _precommit(locked, block_id)


def on_nil_polka(state: RoundState) -> Transition:
    """L44-L46: > 2/3 prevotes for nil: precommit nil; the lock stays."""
    assert state.step is Step.PREVOTE, "L44 asks for step = prevote"
    return _precommit(state, NIL_BLOCK_ID)


def on_any_precommits(state: RoundState) -> Transition:
    """L47-L48: > 2/3 precommits of this round, for anything, for the first time: wait for the rest."""
    armed = replace(state, has_precommit_timeout=True)
    return armed, (ScheduleTimeout(TimeoutKind.PRECOMMIT, state.height, state.round),)


def on_commit(state: RoundState) -> RoundState:
    """L49-L54: a valid block has > 2/3 precommits of some round: the height is over."""
    return replace(state, step=Step.DECIDED)


def on_timeout_propose(state: RoundState, round_: Round) -> Transition:
    """L57-L60: no acceptable proposal in time: prevote nil."""
    if round_ != state.round or state.step is not Step.PROPOSE:
        return state, ()
    return _prevote(state, NIL_BLOCK_ID)


def on_timeout_prevote(state: RoundState, round_: Round) -> Transition:
    """L61-L64: no polka in time: precommit nil."""
    if round_ != state.round or state.step is not Step.PREVOTE:
        return state, ()
    return _precommit(state, NIL_BLOCK_ID)


def is_precommit_timeout_due(state: RoundState, round_: Round) -> bool:
    """L65-L67: no decision in time: true when the driver must start the next round."""
    return round_ == state.round and state.step is not Step.DECIDED


def _prevote(state: RoundState, block_id: BlockID) -> Transition:
    return replace(state, step=Step.PREVOTE), _vote(state, SignedMsgType.PREVOTE, block_id)


def _precommit(state: RoundState, block_id: BlockID) -> Transition:
    return replace(state, step=Step.PRECOMMIT), _vote(state, SignedMsgType.PRECOMMIT, block_id)


def _vote(state: RoundState, type_: SignedMsgType, block_id: BlockID) -> tuple[Effect, ...]:
    if not state.is_voter:
        return ()
    return (SignVote(type_, state.height, state.round, block_id),)
