"""What happened at least once. A batch in which nothing rare happened proves nothing."""

from collections import Counter
from typing import TYPE_CHECKING

from chain.consensus import CoreState, Decide, Input, SignVote, Step, TimeoutElapsed
from chain.types.block import Proposal
from chain.types.primitives import SignedMsgType

if TYPE_CHECKING:
    from tests.sim.core.world import Process, World

SOMETIMES = {
    "round_1": "a height went past round 0",
    "round_3": "a height went to round 3 or beyond",
    "round_skip": "L55: a process jumped over rounds",
    "skip_to_next": "L55: votes, not its own timer, brought a process to the next round",
    "hidden_lock": "L36: fewer than f + 1 hold a lock when the round ends",
    "relock": "L36: a lock moved to another block",
    "valid_without_lock": "L42: a valid value learnt after the precommit",
    "pol_reproposal": "L16: a valid value was offered again with its round",
    "pol_prevote": "L28: a prevote rests on a proof-of-lock",
    "unlock": "L29: a newer polka freed a lock",
    "locked_refusal": "L23: a lock refused another block",
    "bad_block_refused": "L23: an invalid block got nil",
    "late_proposal": "L57: a proposal came after the prevote",
    "nil_polka": "L44: more than 2/3 prevoted nil",
    "timeout_propose": "L57 fired",
    "timeout_prevote": "L61 fired",
    "timeout_precommit": "L65 fired",
    "late_timeout": "a timeout of a past round came and meant nothing",
    "decided_old_round": "L49: decided by precommits of an older round",
    "catch_up": "a process was served a decision that others had taken",
    "straggler": "a precommit joined the commit after the decision",
    "postponed": "messages of the next height waited for it",
    "fetched": "a block was asked for and given",
    "conflict": "an equivocation was noticed",
    "counted_by_claim": "an equivocator's other vote counted because a peer claimed its majority",
    "set_changed": "a decided block changed the validator set",
    "joined": "a process became a validator",
    "left": "a validator left the set",
    "follower": "a process outside the set decided a height",
    "paused": "a process stood still",
    "restarted": "a process died and replayed its log",
    "forgot_tail": "a restart lost what the log had not made durable",
    "slow_clock": "a process' timers ran slow",
}
"""Mark -> what it says; every one must be seen in a batch of some size (`batch.MARKS_FROM_SEEDS`)."""


class Marker:
    """Watches the correct processes of a world and counts marks; judges nothing."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.seen: Counter[str] = Counter()

    def on_step(self, process: "Process", before: CoreState, input_: Input) -> None:
        """A step had effects."""
        state = process.state
        old, new = before.machine, state.machine
        if new.locked_round > old.locked_round >= 0:
            self.seen["relock"] += new.locked_block_id != old.locked_block_id
        if state.round > before.round:
            self._on_round(process, before, by_timeout=isinstance(input_, TimeoutElapsed))

    def _on_round(self, process: "Process", before: CoreState, *, by_timeout: bool) -> None:
        state, seen = process.state, self.seen
        seen["round_1"] += state.round >= 1
        seen["round_3"] += state.round >= 3
        seen["round_skip"] += state.round > before.round + 1
        seen["skip_to_next"] += state.round == before.round + 1 and not by_timeout
        seen["nil_polka"] += self.world.referee.polka_is_nil(state.height, before.round)
        seen["valid_without_lock"] += state.machine.valid_round > state.machine.locked_round
        powers = self.world.town.powers(state.height)
        held = sum(
            powers.get(p.index, 0)
            for p in self.world.correct
            if p.state.height == state.height and p.state.machine.locked_round == before.round
        )
        seen["hidden_lock"] += 0 < 3 * held <= sum(powers.values())

    def on_decide(self, process: "Process", decision: Decide) -> None:
        """A correct process decided."""
        state, seen = process.state, self.seen
        seen["decided_old_round"] += decision.round < state.round
        seen["follower"] += not state.machine.is_voter
        for votes in state.votes.rounds.values():
            for tally in (votes.prevotes, votes.precommits):
                counted = sum(len(block.votes) for block in tally.blocks.values())
                seen["counted_by_claim"] += counted > len(tally.first)

    def on_proposal(self, process: "Process", proposal: Proposal) -> None:
        """A proposal of the right proposer reached a process."""
        state = process.state
        is_now = (proposal.height, proposal.round) == (state.height, state.round)
        is_known = proposal in state.proposals.get(proposal.round, ())
        is_late = is_now and Step.PROPOSE < state.step < Step.DECIDED and not is_known
        self.seen["late_proposal"] += is_late and process.liar is None

    def on_vote(self, process: "Process", effect: SignVote) -> None:
        """A correct process is about to vote."""
        if effect.type is not SignedMsgType.PREVOTE:
            return
        state, seen = process.state, self.seen
        held = state.proposals.get(effect.round, ())
        if effect.block_id.is_nil():
            verdicts = [(p.block_id, state.verdicts.get(p.block_id)) for p in held]
            seen["bad_block_refused"] += any(valid is False for _, valid in verdicts)
            locked = state.machine.locked_block_id
            seen["locked_refusal"] += not locked.is_nil() and any(
                valid and block_id != locked for block_id, valid in verdicts
            )
            return
        pol = [p.pol_round for p in held if p.block_id == effect.block_id]
        seen["pol_prevote"] += any(round_ >= 0 for round_ in pol)
        seen["unlock"] += self.world.referee.is_unlock(
            process.index, effect.height, effect.block_id
        )
