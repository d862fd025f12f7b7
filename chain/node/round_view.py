"""Where consensus stands, from the core's state to what the RPC shows. Reads only."""

from typing import Final

from chain.consensus import CoreState, Step
from chain.consensus.votes import Tally, get_round
from chain.node.blockparts import BlockParts
from chain.node.executor import next_height
from chain.rpc.ports import BlockView, RoundView, RoundVotesView, VotesView
from chain.types.block import NIL_BLOCK_ID, BlockID, Commit, CommitSig, Proposal, Vote
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet

NEW_HEIGHT: Final = 1
"""CometBFT's step between two heights."""
_STEPS: Final = {Step.NEW: 2, Step.PROPOSE: 3, Step.PREVOTE: 4, Step.PRECOMMIT: 6, Step.DECIDED: 8}
"""CometBFT's numbers (`consensus/types/round_state.go`); 5 and 7 are the waits for agreeing votes."""


def view_round(
    state: ChainState,
    core: CoreState | None,
    parts: BlockParts,
    last_seen: Commit | None,
    decided_at: Timestamp,
) -> RoundView:
    """The view of a height in progress, or, without `core`, of the wait for the next one."""
    validators = state.validators if core is None else core.rotation
    proposal = None if core is None else _proposal_of(core)
    machine = None if core is None else core.machine
    return RoundView(
        height=next_height(state),
        round=0 if core is None else max(core.round, 0),
        step=NEW_HEIGHT if core is None else _step_of(core),
        start_time=decided_at,
        commit_time=decided_at,
        validators=validators,
        proposal=proposal,
        proposal_block=None if proposal is None else _block(parts, proposal.block_id),
        locked_round=-1 if machine is None else machine.locked_round,
        locked_block=None if machine is None else _block(parts, machine.locked_block_id),
        valid_round=-1 if machine is None else machine.valid_round,
        valid_block=None if machine is None else _block(parts, machine.valid_block_id),
        votes=_votes(validators, core),
        commit_round=-1 if core is None or core.decision is None else core.decision.round,
        last_commit=None if last_seen is None else _commit_votes(last_seen, state.last_validators),
        last_validators=state.last_validators,
        has_precommit_timeout=machine is not None and machine.has_precommit_timeout,
    )


def _step_of(core: CoreState) -> int:
    is_waiting = (core.step is Step.PREVOTE and core.machine.has_prevote_timeout) or (
        core.step is Step.PRECOMMIT and core.machine.has_precommit_timeout
    )
    return _STEPS[core.step] + is_waiting


def _proposal_of(core: CoreState) -> Proposal | None:
    """The first proposal of the current round."""
    found = core.proposals.get(core.round, ())
    return found[0] if found else None


def _block(parts: BlockParts, block_id: BlockID) -> BlockView | None:
    if block_id.is_nil():
        return None
    built = parts.blocks.get(block_id)
    return BlockView(block_id, parts.held_parts(block_id), None if built is None else built.block)


def _votes(validators: ValidatorSet, core: CoreState | None) -> tuple[RoundVotesView, ...]:
    if core is None:
        nothing = _tally(validators, Tally())
        return (RoundVotesView(0, nothing, nothing),)
    rounds = range(max(core.round, 0) + 1)
    held = [(number, get_round(core.votes, number)) for number in rounds]
    return tuple(
        RoundVotesView(number, _tally(validators, v.prevotes), _tally(validators, v.precommits))
        for number, v in held
    )


def _tally(validators: ValidatorSet, tally: Tally) -> VotesView:
    votes = tuple(tally.first.get(index) for index in range(len(validators.validators)))
    return VotesView(votes, tally.power, validators.total_power())


def _commit_votes(commit: Commit, validators: ValidatorSet) -> VotesView:
    """The precommits that a commit was made of."""
    votes = tuple(_vote(commit, index, line) for index, line in enumerate(commit.signatures))
    powers = [v.voting_power for v in validators.validators]
    power = sum(p for p, vote in zip(powers, votes, strict=True) if vote is not None)
    return VotesView(votes, power, validators.total_power())


def _vote(commit: Commit, index: int, line: CommitSig) -> Vote | None:
    if line.block_id_flag is BlockIDFlag.ABSENT:
        return None
    is_for_block = line.block_id_flag is BlockIDFlag.COMMIT
    return Vote(
        SignedMsgType.PRECOMMIT,
        commit.height,
        commit.round,
        commit.block_id if is_for_block else NIL_BLOCK_ID,
        line.timestamp,
        line.validator_address,
        index,
        line.signature,
    )
