"""The driver: takes one input in, then fires the `upon` rules in a fixed order until none applies.

Reads: a core state and one input.  Writes: nothing; returns the next state and effects.
Never: keeps anything between calls, walks through a set, or lets two orders of the same facts differ by chance.

Algorithm 1 leaves open which of several enabled rules fires first. Here: L49 decide, L55 skip, L28 and L22 prevote,
L36 polka, L44 nil polka, L34 and L47 timeouts. So no timer is armed for a step that ends in the same call.

Two readings of the paper, both CometBFT's: L36 and L49 ask for the block and its quorum, not for the PROPOSAL message
as well (a quorum holds a correct voter that saw it); and the power behind L55 is that of votes, not proposals.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from msgspec.structs import replace

from chain.consensus import rounds
from chain.consensus.effects import Decide, Effect, FetchBlock, FoundConflict
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
from chain.consensus.votes import (
    Electorate,
    VoteKeeper,
    add_claim,
    add_vote,
    admit_far_round,
    drop_old_rounds,
    get_round,
    get_skip_round,
    is_first_nearby,
    is_known,
    is_two_thirds,
)
from chain.limits import (
    CONSENSUS_BLOCKS_JUDGED_MAX,
    CONSENSUS_POSTPONED_PROPOSALS_MAX,
    CONSENSUS_POSTPONED_VOTES_PER_VALIDATOR_MAX,
    CONSENSUS_PROPOSALS_PER_ROUND_MAX,
    CONSENSUS_ROUNDS_AHEAD_MAX,
    CONSENSUS_ROUNDS_BEHIND_MAX,
)
from chain.types.block import BlockID, Proposal, Vote
from chain.types.primitives import Address, Round, SignedMsgType
from chain.types.validator import increment_proposer_priority

StepResult = tuple[CoreState, tuple[Effect, ...]]

_VOTE_TYPES: Final = (SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT)


def start_height(config: HeightConfig, postponed: tuple[Input, ...] = ()) -> StepResult:
    """Begin a height at round 0, then take in what came for it too early (`CoreState.postponed`)."""
    assert config.height >= 1, "heights start at 1"
    electorate = Electorate.of(config.validators)
    is_voter = config.our_address is not None and config.our_address in electorate.addresses
    state = CoreState(
        config=config,
        machine=RoundState(config.height, is_voter),
        votes=VoteKeeper(electorate),
        rotation=config.validators,
    )
    state, effects = _enter_round(state, 0)
    for early in postponed:
        state, more = step(state, early)
        effects += more
    return state, effects


def step(state: CoreState, input: Input) -> StepResult:
    """Take in one input and fire every rule it enables. What is malformed, old or known changes nothing."""
    match input:
        case VoteReceived(vote):
            state, effects = _take_vote(state, vote)
        case ProposalReceived(proposal):
            state, effects = _take_proposal(state, proposal)
        case BlockReceived(block_id, valid):
            state, effects = _take_block(state, block_id, is_valid=valid), ()
        case BlockBuilt(round_, block_id):
            state, effects = _take_built_block(state, round_, block_id)
        case TimeoutElapsed():
            state, effects = _take_timeout(state, input)
        case MajorityClaimed():
            state, effects = _take_claim(state, input), ()
        case _:
            assert_never(input)
    return _fire_rules(state, effects)


def would_change(
    state: CoreState, input: VoteReceived | ProposalReceived | MajorityClaimed
) -> bool:
    """False when the core would ignore a message: known already, useless, or beyond a bound.

    So a caller can ask before it pays for a signature check and a log record.
    """
    match input:
        case VoteReceived(vote):
            if vote.height == state.height and is_first_nearby(state.votes, vote, state.round):
                return _is_countable(state, vote)
            return _take_vote(state, vote)[0] is not state
        case ProposalReceived(proposal):
            return _take_proposal(state, proposal)[0] is not state
        case MajorityClaimed():
            return _take_claim(state, input) is not state
        case _:
            assert_never(input)


def proposer_of(state: CoreState, round_: Round) -> Address | None:
    """Who may propose in `round_`; None when a proposal for it would be ignored (past, or too far ahead)."""
    ahead = round_ - state.round
    if not 0 <= ahead <= CONSENSUS_ROUNDS_AHEAD_MAX:
        return None
    rotation = increment_proposer_priority(state.rotation, ahead) if ahead else state.rotation
    return rotation.get_proposer().address


def commit_votes(state: CoreState) -> tuple[Vote, ...]:
    """Precommits of the decided round, for its block or nil, one per validator in set order.

    Grows while stragglers come in after `Decide`; empty before it.
    """
    if state.decision is None:
        return ()
    return _commit_votes(state.votes, state.decision.round, state.decision.block_id)


def has_all_precommits(state: CoreState) -> bool:
    """True when every validator's precommit of the decided round is in: nothing is left to wait for."""
    return len(commit_votes(state)) == len(state.votes.electorate.addresses)


# --- taking inputs in --------------------------------------------------------------------------


def _take_vote(state: CoreState, vote: Vote) -> StepResult:
    if vote.height == state.height + 1:
        return _postpone(state, VoteReceived(vote)), ()
    if not _is_countable(state, vote) or is_known(state.votes, vote):
        return state, ()
    keeper = admit_far_round(state.votes, vote, state.round)
    if keeper is None:
        return state, ()
    added = add_vote(keeper, vote)
    if not added.is_new:
        return state, ()
    state = replace(state, votes=added.keeper)
    if added.conflict is None:
        return state, ()
    return state, (FoundConflict(*added.conflict),)


def _is_countable(state: CoreState, vote: Vote) -> bool:
    """True for a vote of this height by a member, of a round whose votes are kept."""
    return (
        vote.height == state.height
        and vote.type in _VOTE_TYPES
        and vote.round >= 0
        and state.votes.electorate.is_member(vote.validator_index, vote.validator_address)
        and _is_round_kept(state, vote.round)
    )


def _take_proposal(state: CoreState, proposal: Proposal) -> StepResult:
    if proposal.height == state.height + 1:
        return _postpone(state, ProposalReceived(proposal)), ()
    if proposal.height != state.height or state.step is Step.DECIDED:
        return state, ()
    ahead = proposal.round - state.round
    if not 0 <= ahead <= CONSENSUS_ROUNDS_AHEAD_MAX or proposal.block_id.is_nil():
        return state, ()
    if not NO_ROUND <= proposal.pol_round < proposal.round:
        return state, ()
    held = state.proposals.get(proposal.round, ())
    if len(held) >= CONSENSUS_PROPOSALS_PER_ROUND_MAX or any(
        p.block_id == proposal.block_id and p.pol_round == proposal.pol_round for p in held
    ):
        return state, ()
    proposals = {**state.proposals, proposal.round: (*held, proposal)}
    return _want_block(replace(state, proposals=proposals), proposal.block_id)


def _take_block(state: CoreState, block_id: BlockID, *, is_valid: bool) -> CoreState:
    """Note the first verdict on a block; those nobody asked for are kept up to a bound."""
    if block_id in state.verdicts or block_id.is_nil():
        return state
    if len(state.verdicts) >= CONSENSUS_BLOCKS_JUDGED_MAX and block_id not in state.wanted:
        return state
    return replace(state, verdicts={**state.verdicts, block_id: is_valid})


def _take_built_block(state: CoreState, round_: Round, block_id: BlockID) -> StepResult:
    """L18-L19: offer the block we asked for, unless its round is over or already has our proposal."""
    if round_ != state.round or not state.machine.is_voter or block_id.is_nil():
        return state, ()
    if proposer_of(state, round_) != state.config.our_address:
        return state, ()
    machine, effects = rounds.propose(state.machine, block_id, NO_ROUND)
    if not effects:
        return state, ()
    verdicts = {**state.verdicts, block_id: True}
    return replace(state, machine=machine, verdicts=verdicts), effects


def _take_timeout(state: CoreState, timeout: TimeoutElapsed) -> StepResult:
    """L57, L61, L65; a timeout of another height or round is late and means nothing."""
    if timeout.height != state.height:
        return state, ()
    match timeout.kind:
        case TimeoutKind.PROPOSE:
            machine, effects = rounds.on_timeout_propose(state.machine, timeout.round)
        case TimeoutKind.PREVOTE:
            machine, effects = rounds.on_timeout_prevote(state.machine, timeout.round)
        case TimeoutKind.PRECOMMIT:
            if rounds.is_precommit_timeout_due(state.machine, timeout.round):
                return _enter_round(state, timeout.round + 1)
            return state, ()
        case _:
            assert_never(timeout.kind)
    return replace(state, machine=machine), effects


def _take_claim(state: CoreState, claim: MajorityClaimed) -> CoreState:
    is_near = claim.round <= state.round + CONSENSUS_ROUNDS_AHEAD_MAX
    if claim.height != state.height or claim.type not in _VOTE_TYPES or claim.round < 0:
        return state
    if not is_near or not _is_round_kept(state, claim.round):
        return state
    votes = add_claim(state.votes, claim.round, claim.type, claim.block_id, claim.source)
    return state if votes is state.votes else replace(state, votes=votes)


def _is_round_kept(state: CoreState, round_: Round) -> bool:
    """False for rounds so old that only a lock, a valid value or a proof-of-lock could still need them."""
    return round_ >= state.round - CONSENSUS_ROUNDS_BEHIND_MAX or round_ in _needed_rounds(state)


def _needed_rounds(state: CoreState) -> tuple[Round, ...]:
    named = tuple(p.pol_round for p in state.proposals.get(state.round, ()))
    return (state.machine.locked_round, state.machine.valid_round, *named)


def _postpone(state: CoreState, early: VoteReceived | ProposalReceived) -> CoreState:
    """Keep a message of the next height, so many per validator, once."""
    if early in state.postponed:
        return state
    if isinstance(early, VoteReceived):
        voter = early.vote.validator_address
        count = sum(
            isinstance(p, VoteReceived) and p.vote.validator_address == voter
            for p in state.postponed
        )
        bound = CONSENSUS_POSTPONED_VOTES_PER_VALIDATOR_MAX
    else:
        count = sum(isinstance(p, ProposalReceived) for p in state.postponed)
        bound = CONSENSUS_POSTPONED_PROPOSALS_MAX
    if count >= bound:
        return state
    return replace(state, postponed=(*state.postponed, early))


# --- firing rules ------------------------------------------------------------------------------


def _fire_rules(state: CoreState, effects: tuple[Effect, ...]) -> StepResult:
    """Fire enabled rules, most decisive first, until none is enabled or the height is decided.

    Ends: every rule moves the step or the round forward or sets a first-time flag.
    """
    while state.step is not Step.DECIDED:
        for rule in _RULES:
            fired = rule(state)
            if fired is not None:
                state, more = fired
                effects += more
                break
        else:
            return _want_majority_blocks(state, effects)
    return state, effects


def _rule_decide(state: CoreState) -> StepResult | None:
    """L49: decide a valid block with > 2/3 precommits of any round."""
    for round_, block_id in state.votes.commits:
        if state.verdicts.get(block_id, False):
            precommits = _commit_votes(state.votes, round_, block_id)
            decision = Decide(state.height, round_, block_id, precommits)
            machine = rounds.on_commit(state.machine)
            return replace(state, machine=machine, decision=decision), (decision,)
    return None


def _rule_skip(state: CoreState) -> StepResult | None:
    """L55: > 1/3 of the power is in a later round; go there."""
    round_ = get_skip_round(state.votes, state.round)
    return None if round_ is None else _enter_round(state, round_)


def _rule_prevote(state: CoreState) -> StepResult | None:
    """L28 then L22: prevote on the first proposal of this round that can be answered now."""
    if state.step is not Step.PROPOSE:
        return None
    for proposal in state.proposals.get(state.round, ()):
        is_valid = state.verdicts.get(proposal.block_id)
        if is_valid is None:
            continue
        if proposal.pol_round == NO_ROUND or not is_valid:  # both rules answer a bad block with nil
            machine, effects = rounds.on_fresh_proposal(
                state.machine, proposal.block_id, is_valid=is_valid
            )
            return replace(state, machine=machine), effects
        if proposal.block_id in get_round(state.votes, proposal.pol_round).prevotes.majorities:
            machine, effects = rounds.on_proposal_with_polka(
                state.machine, proposal.block_id, proposal.pol_round, is_valid=is_valid
            )
            return replace(state, machine=machine), effects
    return None


def _rule_polka(state: CoreState) -> StepResult | None:
    """L36: lock or remember the valid block with > 2/3 prevotes of this round, once a round."""
    if state.machine.has_polka or state.step not in (Step.PREVOTE, Step.PRECOMMIT):
        return None
    for block_id in get_round(state.votes, state.round).prevotes.majorities:
        if state.verdicts.get(block_id, False):
            machine, effects = rounds.on_polka(state.machine, block_id)
            return replace(state, machine=machine), effects
    return None


def _rule_nil_polka(state: CoreState) -> StepResult | None:
    """L44: > 2/3 prevotes of this round for nil."""
    if state.step is not Step.PREVOTE:
        return None
    if not any(b.is_nil() for b in get_round(state.votes, state.round).prevotes.majorities):
        return None
    machine, effects = rounds.on_nil_polka(state.machine)
    return replace(state, machine=machine), effects


def _rule_any_prevotes(state: CoreState) -> StepResult | None:
    """L34: > 2/3 prevotes of this round, for anything, once a round."""
    if state.machine.has_prevote_timeout or state.step is not Step.PREVOTE:
        return None
    power = get_round(state.votes, state.round).prevotes.power
    if not is_two_thirds(power, state.votes.electorate.total):
        return None
    machine, effects = rounds.on_any_prevotes(state.machine)
    return replace(state, machine=machine), effects


def _rule_any_precommits(state: CoreState) -> StepResult | None:
    """L47: > 2/3 precommits of this round, for anything, once a round."""
    if state.machine.has_precommit_timeout:
        return None
    power = get_round(state.votes, state.round).precommits.power
    if not is_two_thirds(power, state.votes.electorate.total):
        return None
    machine, effects = rounds.on_any_precommits(state.machine)
    return replace(state, machine=machine), effects


_RULES: Final = (
    _rule_decide,
    _rule_skip,
    _rule_prevote,
    _rule_polka,
    _rule_nil_polka,
    _rule_any_prevotes,
    _rule_any_precommits,
)


def _enter_round(state: CoreState, round_: Round) -> StepResult:
    """L11: rotate the proposer, forget what the new round makes useless, start the round."""
    ahead = round_ - max(state.round, 0)
    rotation = increment_proposer_priority(state.rotation, ahead) if ahead else state.rotation
    is_proposer = rotation.get_proposer().address == state.config.our_address
    machine, effects = rounds.start_round(state.machine, round_, is_proposer=is_proposer)
    state = replace(
        state,
        machine=machine,
        rotation=rotation,
        proposals=_from_round(state.proposals, round_),
    )
    votes = drop_old_rounds(state.votes, round_, _needed_rounds(state))
    return replace(state, votes=votes), effects


def _from_round(
    proposals: Mapping[Round, tuple[Proposal, ...]], round_: Round
) -> Mapping[Round, tuple[Proposal, ...]]:
    return {r: held for r, held in proposals.items() if r >= round_}


def _want_majority_blocks(state: CoreState, effects: tuple[Effect, ...]) -> StepResult:
    """Ask for blocks that a polka of this round or a commit of any round names and we do not have."""
    polkas = get_round(state.votes, state.round).prevotes.majorities
    for block_id in (*(b for _, b in state.votes.commits), *polkas):
        state, more = _want_block(state, block_id)
        effects += more
    return state, effects


def _want_block(state: CoreState, block_id: BlockID) -> StepResult:
    if block_id.is_nil() or block_id in state.verdicts or block_id in state.wanted:
        return state, ()
    wanted = state.wanted | {block_id}
    return replace(state, wanted=wanted), (FetchBlock(state.height, block_id),)


def _commit_votes(keeper: VoteKeeper, round_: Round, block_id: BlockID) -> tuple[Vote, ...]:
    """For each validator its precommit for the block, else its nil one; other votes have no place in a commit."""
    tally = get_round(keeper, round_).precommits
    found: dict[int, Vote] = {}
    for wanted in (block_id, BlockID()):
        block = tally.blocks.get(wanted)
        for index, vote in block.votes.items() if block is not None else ():
            found.setdefault(index, vote)
    return tuple(found[index] for index in sorted(found))
