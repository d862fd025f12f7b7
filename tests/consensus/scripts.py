"""Scripted attacks on one core, and on a few by hand: each names the line of arXiv 1807.04938 it is about.

A script raises AssertionError when the core gives way. The tests run each on the core as it is, and on the core
with bugs planted in it: a script that no bug can break, or a bug that no script finds, is worth a look.
"""

from chain.consensus import (
    BuildBlock,
    Decide,
    FetchBlock,
    FoundConflict,
    ProposalReceived,
    SignVote,
    Step,
    TimeoutKind,
    VoteReceived,
    commit_votes,
    has_all_precommits,
    held_majorities,
    held_votes,
    proposer_of,
)
from chain.limits import (
    CONSENSUS_FAR_ROUNDS_PER_VALIDATOR_MAX,
    CONSENSUS_PROPOSALS_PER_ROUND_MAX,
    CONSENSUS_ROUNDS_AHEAD_MAX,
    CONSENSUS_ROUNDS_BEHIND_MAX,
    CONSENSUS_SKIP_MAX,
)
from tests.consensus.catalogue import attack
from tests.consensus.lone import (
    HEIGHT,
    NIL,
    PRECOMMIT,
    PREVOTE,
    Lone,
    address,
    block,
    proposal,
    vote,
)

# --- L11-L21: rounds and proposals ---------------------------------------------------------------


@attack("L14, L21", "a silent proposer stops the town")
def l14_proposer_builds_and_everybody_arms_the_propose_timeout() -> None:
    proposer, other = Lone(ours=0), Lone(ours=3)
    assert BuildBlock(HEIGHT, 0) in proposer.effects
    assert not any(isinstance(e, BuildBlock) for e in other.effects)
    assert (TimeoutKind.PROPOSE, 0) in proposer.timeouts()
    assert (TimeoutKind.PROPOSE, 0) in other.timeouts()


@attack("L19", "a correct proposer equivocates by itself")
def l19_second_built_block_is_not_offered() -> None:
    p = Lone(ours=0)
    p.build(0, "A")
    p.build(0, "B")
    assert p.offers() == [(0, "A", -1)]


@attack("L19", "a slow builder speaks in a round that is not its own")
def l19_block_built_for_a_round_that_is_over_is_not_offered() -> None:
    late, over = Lone(ours=0), Lone(ours=0)
    late.timeout(TimeoutKind.PROPOSE, 0)
    late.build(0, "A")
    assert late.offers() == [(0, "A", -1)]
    over.prevotes(1, NIL, 1, 2)
    over.build(0, "A")
    assert over.offers() == []


@attack("L16", "locked processes refuse every new block: stuck")
def l16_valid_value_is_offered_again_with_its_polka_round() -> None:
    p = Lone(ours=1)
    p.lock(0, "A")
    p.pass_round(0)
    assert p.offers() == [(1, "A", 0)]


@attack("L16, L42", "a value that others locked is never offered again")
def l16_valid_value_learnt_after_our_nil_precommit_is_offered_too() -> None:
    """L42: a process that never locked still carries the value that others may have locked."""
    p = Lone(ours=1)
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.prevotes(0, "A", 0, 2, 3)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.propose(0, "A")
    assert p.sent[-1] == (PRECOMMIT, 0, NIL)
    assert p.locked == (-1, NIL)
    assert p.valid == (0, "A")
    p.pass_round(0)
    assert p.offers() == [(1, "A", 0)]


# --- L22-L33: prevotes ---------------------------------------------------------------------------


@attack("L22", "nothing is ever decided")
def l22_fresh_valid_proposal_is_prevoted() -> None:
    p = Lone()
    p.propose(0, "A")
    assert p.sent == [(PREVOTE, 0, "A")]


@attack("L23", "a Byzantine proposer has an invalid block voted for")
def l23_invalid_proposal_gets_nil() -> None:
    p = Lone()
    p.feed(ProposalReceived(proposal(0, "A")))
    assert p.sent == []
    p.names[block("A")] = "A"
    p.judge("A", valid=False)
    assert p.sent == [(PREVOTE, 0, NIL)]


@attack("valid(v)", "an invalid block is judged again until somebody finds it good")
def l23_first_verdict_on_a_block_is_final() -> None:
    p = Lone()
    p.judge("A", valid=False)
    p.judge("A", valid=True)
    p.feed(ProposalReceived(proposal(0, "A")))
    assert p.sent == [(PREVOTE, 0, NIL)]
    p.prevotes(0, "A", 0, 1, 2)
    p.precommits(0, "A", 0, 1, 2)
    assert p.decided is None


@attack("L23, L28", "liars' votes make an invalid block acceptable")
def l23_invalid_proposal_with_a_polka_gets_nil() -> None:
    p = Lone()
    p.prevotes(0, "A", 0, 1, 2)
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.pass_round(0)
    p.judge("A", valid=False)
    p.feed(ProposalReceived(proposal(1, "A", 0)))
    assert p.sent[-1] == (PREVOTE, 1, NIL)


@attack("L23", "a second block is decided after a first")
def l23_lock_refuses_another_fresh_value() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    p.propose(1, "B")
    assert p.sent[-1] == (PREVOTE, 1, NIL)
    assert p.locked == (0, "A")


@attack("L23", "an attacker waits for a lock to be forgotten")
def l23_lock_survives_several_rounds() -> None:
    p = Lone()
    p.lock(0, "A")
    for round_ in (0, 1, 2):
        p.pass_round(round_)
        p.propose(round_ + 1, f"B{round_}")
        assert p.sent[-1] == (PREVOTE, round_ + 1, NIL)
        p.prevotes(round_ + 1, NIL, 0, 1, 2)
    assert p.locked == (0, "A")


@attack("L23", "a locked process refuses its own block: stuck")
def l23_lock_accepts_its_own_value_again() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    p.propose(1, "A")
    assert p.sent[-1] == (PREVOTE, 1, "A")


@attack("L29", "two groups of locks refuse each other for ever")
def l29_newer_polka_frees_the_lock() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    p.prevotes(1, "B", 0, 1, 2)
    p.timeout(TimeoutKind.PROPOSE, 1)
    p.timeout(TimeoutKind.PREVOTE, 1)
    p.pass_round(1)
    p.propose(2, "B", 1)
    assert p.sent[-1] == (PREVOTE, 2, "B")


@attack("L29", "the block everybody locked is refused")
def l29_polka_of_the_lock_round_is_enough() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    p.propose(1, "A", 0)
    assert p.sent[-1] == (PREVOTE, 1, "A")


@attack("L29", "an old proof of lock undoes a newer decision")
def l29_older_polka_does_not_free_the_lock() -> None:
    p = Lone()
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.prevotes(0, "B", 0, 1, 2)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.pass_round(0)
    p.lock(1, "A")
    p.pass_round(1)
    p.propose(2, "B", 0)
    assert p.sent[-1] == (PREVOTE, 2, NIL)


@attack("L28", "a proposer names a polka that nobody saw")
def l28_proposal_waits_for_the_polka_it_names() -> None:
    p = Lone()
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.prevotes(0, "B", 0, 1)
    p.precommits(0, NIL, 0, 1, 2)
    p.timeout(TimeoutKind.PRECOMMIT, 0)
    before = len(p.sent)
    p.propose(1, "B", 0)
    assert len(p.sent) == before
    p.prevotes(0, "B", 2)
    assert p.sent[before:] == [(PREVOTE, 1, "B")]


@attack("L28", "a lie about the proof's round frees locks")
def l28_polka_of_another_round_is_no_proof() -> None:
    """POL round lie: B had its polka in round 0, the proposal names round 1."""
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    p.timeout(TimeoutKind.PROPOSE, 1)
    p.prevotes(1, NIL, 0, 1, 2)
    p.pass_round(1)
    before = len(p.sent)
    p.propose(2, "A", 1)
    assert len(p.sent) == before


@attack("L28", "a polka for one block proves another")
def l28_polka_for_another_block_is_no_proof() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    before = len(p.sent)
    p.propose(1, "B", 0)
    assert len(p.sent) == before
    p.timeout(TimeoutKind.PROPOSE, 1)
    assert p.sent[-1] == (PREVOTE, 1, NIL)


@attack("L28", "a proposal proves itself by its own round")
def l28_polka_round_must_be_past() -> None:
    p = Lone()
    p.prevotes(0, "A", 0, 1)
    before = p.state
    p.feed(ProposalReceived(proposal(0, "A", 0)), ProposalReceived(proposal(0, "A", 3)))
    assert p.state == before


@attack("L22", "a proposal that overtakes its round is lost")
def l22_proposal_for_a_coming_round_is_used_when_it_begins() -> None:
    p = Lone()
    p.propose(1, "B")
    assert p.sent == []
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.prevotes(0, NIL, 0, 1, 2)
    p.pass_round(0)
    assert p.sent[-1] == (PREVOTE, 1, "B")


@attack("L22", "a proposer with two blocks makes correct processes vote twice")
def l22_one_prevote_a_round_whatever_the_proposer_sends() -> None:
    p = Lone()
    p.propose(0, "A")
    p.propose(0, "B")
    p.timeout(TimeoutKind.PROPOSE, 0)
    assert [v for v in p.sent if v[0] is PREVOTE] == [(PREVOTE, 0, "A")]


# --- L34-L46: precommits -------------------------------------------------------------------------


@attack("L36", "two halves of the town lock two blocks")
def l36_two_of_four_are_no_polka() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, "A", 0)
    assert p.sent == [(PREVOTE, 0, "A")]
    assert p.locked == (-1, NIL)
    p.prevotes(0, "A", 1)
    assert p.sent[-1] == (PRECOMMIT, 0, "A")


@attack("L36", "with unequal power f liars make a polka")
def l36_exactly_two_thirds_are_no_polka() -> None:
    p = Lone(3, 3, 2, 1, ours=3)
    p.propose(0, "A")
    p.prevotes(0, "A", 0, 2)  # 3 + 2 + our 1 = 6 of 9
    assert p.sent == [(PREVOTE, 0, "A")]
    p.prevotes(0, "A", 1)
    assert p.sent[-1] == (PRECOMMIT, 0, "A")


@attack("L36", "a validator repeats itself into a quorum")
def l36_one_voter_counts_once() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, "A", 0, 0, 0)
    p.feed(VoteReceived(vote(PREVOTE, 0, 0, "A", nanos=7)))
    assert p.sent == [(PREVOTE, 0, "A")]


@attack("L36", "votes of different rounds make a polka that never was")
def l36_votes_of_two_rounds_do_not_add_up() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, "A", 0)
    p.prevotes(0, NIL, 1)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.pass_round(0)
    p.propose(1, "A")
    p.prevotes(1, "A", 2)
    assert p.sent[-1] == (PREVOTE, 1, "A")
    assert p.locked == (-1, NIL)


@attack("L36", "one kind of vote passes for the other")
def l36_prevotes_are_not_precommits() -> None:
    p = Lone()
    p.propose(0, "A")
    p.precommits(0, "A", 0, 1)
    assert p.locked == (-1, NIL)
    assert p.decided is None


@attack("L36", "a block that nobody has is locked")
def l36_unknown_block_is_fetched_before_it_is_locked() -> None:
    p = Lone()
    p.timeout(TimeoutKind.PROPOSE, 0)
    wanted = p.prevotes(0, "A", 0, 1, 2)
    assert FetchBlock(HEIGHT, block("A")) in wanted
    assert p.locked == (-1, NIL)
    p.judge("A")
    assert p.locked == (0, "A")


@attack("L36", "a polka of liars locks an invalid block")
def l36_invalid_block_is_never_locked() -> None:
    p = Lone()
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.prevotes(0, "A", 0, 1, 2)
    p.judge("A", valid=False)
    p.precommits(0, "A", 0, 1, 2)
    assert p.locked == (-1, NIL)
    assert p.decided is None


@attack("L36", "a late polka of an old round locks in a new one")
def l36_polka_of_a_past_round_does_not_lock() -> None:
    p = Lone()
    p.timeout(TimeoutKind.PROPOSE, 0)
    p.prevotes(0, NIL, 0)
    p.prevotes(0, "A", 1)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.pass_round(0)
    p.propose(1, "B")
    p.judge("A")
    p.prevotes(0, "A", 2)
    assert p.locked == (-1, NIL)
    assert p.sent[-1] == (PREVOTE, 1, "B")


@attack("L36", "an equivocator shows each process another face, and none sees the quorum")
def l36_equivocator_cannot_hide_a_polka() -> None:
    """It shows us B first; others saw its A. Their claim makes its A count here as well."""
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, "B", 1)
    found = p.prevotes(0, "A", 1)
    p.prevotes(0, "A", 0)
    pair = sorted((vote(PREVOTE, 1, 0, "A"), vote(PREVOTE, 1, 0, "B")), key=_block_key)
    assert found == [FoundConflict(pair[0], pair[1])]
    assert p.locked == (-1, NIL)
    p.claim(PREVOTE, 0, "A")
    assert p.locked == (0, "A")


@attack("L36", "more faces than are kept hide the one that matters")
def l36_equivocator_with_many_faces_cannot_hide_a_polka() -> None:
    """Its third vote is the one that matters: it is taken once a peer claims the majority."""
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, "B", 1)
    p.prevotes(0, "C", 1)
    p.prevotes(0, "A", 1, 0)
    assert p.locked == (-1, NIL)
    p.claim(PREVOTE, 0, "A")
    p.prevotes(0, "A", 1)
    assert p.locked == (0, "A")


@attack("L36", "claims let an equivocator count twice")
def l36_equivocator_does_not_count_twice_for_one_block() -> None:
    p = Lone()
    p.propose(0, "A")
    p.claim(PREVOTE, 0, "A")
    p.prevotes(0, "A", 1)
    p.prevotes(0, "B", 1)
    p.prevotes(0, "A", 1)
    assert p.locked == (-1, NIL)


@attack("L36", "an equivocator repeats a vote that a claim made count until it is a quorum")
def l36_claimed_vote_of_an_equivocator_counts_once() -> None:
    p = Lone()
    p.propose(0, "A")
    p.claim(PREVOTE, 0, "A")
    p.prevotes(0, "B", 1)
    p.prevotes(0, "C", 1)
    p.prevotes(0, "A", 1, 1, 1)
    assert p.locked == (-1, NIL)
    p.prevotes(0, "A", 0)
    assert p.locked == (0, "A")


@attack("evidence", "an equivocator floods the evidence pool")
def l36_equivocation_is_reported_once() -> None:
    p = Lone()
    p.prevotes(0, "A", 1)
    p.prevotes(0, "B", 1, 1)
    p.prevotes(0, "C", 1)
    p.prevotes(0, NIL, 1)
    assert sum(isinstance(e, FoundConflict) for e in p.effects) == 1


@attack("evidence", "an honest restart is punished as equivocation")
def l36_same_vote_at_another_time_is_no_conflict() -> None:
    p = Lone()
    p.prevotes(0, "A", 1)
    before = p.state
    assert p.feed(VoteReceived(vote(PREVOTE, 1, 0, "A", nanos=9))) == []
    assert p.state == before


@attack("L44", "f liars end every round by nil votes")
def l44_nil_flood_needs_a_quorum() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, NIL, 0, 1)
    assert p.sent == [(PREVOTE, 0, "A")]
    p.prevotes(0, NIL, 2)
    assert p.sent[-1] == (PRECOMMIT, 0, NIL)


@attack("L44", "nil votes free locks, then another block is decided")
def l44_nil_polka_keeps_the_lock() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    p.timeout(TimeoutKind.PROPOSE, 1)
    p.prevotes(1, NIL, 0, 1, 2)
    assert p.sent[-1] == (PRECOMMIT, 1, NIL)
    assert p.locked == (0, "A")
    assert p.valid == (0, "A")


@attack("L34", "split prevotes wait for ever")
def l34_prevote_timeout_is_armed_once_at_a_mixed_quorum() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, "A", 0)
    p.prevotes(0, "B", 1)
    p.prevotes(0, NIL, 2)
    assert p.timeouts().count((TimeoutKind.PREVOTE, 0)) == 1
    p.timeout(TimeoutKind.PREVOTE, 0)
    assert p.sent[-1] == (PRECOMMIT, 0, NIL)


@attack("L34", "votes that came first leave a process waiting")
def l34_prevotes_that_came_first_arm_the_timeout_when_we_prevote() -> None:
    p = Lone()
    p.prevotes(0, "A", 0)
    p.prevotes(0, "B", 1)
    p.prevotes(0, NIL, 2)
    assert (TimeoutKind.PREVOTE, 0) not in p.timeouts()
    p.timeout(TimeoutKind.PROPOSE, 0)
    assert (TimeoutKind.PREVOTE, 0) in p.timeouts()


@attack("L38, L42", "a process precommits twice in a round")
def l42_polka_after_our_nil_precommit_does_not_lock() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, NIL, 0, 1)
    p.timeout(TimeoutKind.PREVOTE, 0)
    assert p.sent[-1] == (PRECOMMIT, 0, NIL)
    p.claim(PREVOTE, 0, "A")
    p.prevotes(0, "A", 0, 1)
    assert p.locked == (-1, NIL)
    assert p.valid == (0, "A")


# --- L47-L54: deciding ---------------------------------------------------------------------------


@attack("L47, L65", "split precommits wait for ever")
def l47_precommit_timeout_is_armed_once_and_starts_the_next_round() -> None:
    p = Lone()
    p.precommits(0, "A", 0)
    p.precommits(0, NIL, 1, 2)
    assert p.timeouts().count((TimeoutKind.PRECOMMIT, 0)) == 1
    p.timeout(TimeoutKind.PRECOMMIT, 0)
    assert p.rounds_started() == [0, 1]


@attack("L49", "two halves decide two blocks")
def l49_two_of_four_decide_nothing() -> None:
    p = Lone()
    p.propose(0, "A")
    p.precommits(0, "A", 0, 1)
    assert p.decided is None
    p.precommits(0, "A", 2)
    assert p.decided == "A"


@attack("L49", "one validator alone decides")
def l49_one_voter_decides_nothing() -> None:
    p = Lone()
    p.propose(0, "A")
    p.precommits(0, "A", 0, 0, 0)
    assert p.decided is None


@attack("L49", "who missed the last precommit never decides")
def l49_precommits_of_a_past_round_decide() -> None:
    p = Lone()
    p.propose(0, "A")
    p.precommits(0, "A", 0)
    p.precommits(0, NIL, 1)
    p.prevotes(0, NIL, 0, 1, 2)
    p.timeout(TimeoutKind.PRECOMMIT, 0)
    assert p.state.round == 1
    p.claim(PRECOMMIT, 0, "A")
    p.precommits(0, "A", 1, 2)
    assert p.decided == "A"
    assert p.state.decision is not None
    assert p.state.decision.round == 0


@attack("L49", "a decision whose block comes hundreds of rounds later is lost")
def l49_precommits_of_a_round_long_past_decide_when_the_block_comes() -> None:
    p = Lone()
    p.precommits(0, "A", 0, 1, 2)
    p.prevotes(CONSENSUS_ROUNDS_BEHIND_MAX + 10, NIL, 0, 1)
    assert p.decided is None
    p.judge("A")
    assert p.decided == "A"
    assert [v.validator_index for v in commit_votes(p.state)] == [0, 1, 2], "with its proof"


@attack("L49", "votes of different rounds decide")
def l49_precommits_of_two_rounds_do_not_add_up() -> None:
    p = Lone()
    p.propose(0, "A")
    p.precommits(0, "A", 0)
    p.precommits(0, NIL, 1, 2)
    p.timeout(TimeoutKind.PRECOMMIT, 0)
    p.propose(1, "A")
    p.precommits(1, "A", 1, 2)
    assert p.decided is None


@attack("L49", "who is rounds behind never decides")
def l49_precommits_of_a_coming_round_decide() -> None:
    p = Lone()
    p.judge("A")
    p.precommits(4, "A", 0, 1, 2)
    assert p.decided == "A"


@attack("L49", "withheld parts keep a process behind for ever")
def l49_unknown_block_is_fetched_then_decided() -> None:
    p = Lone()
    wanted = p.precommits(0, "A", 0, 1, 2)
    assert FetchBlock(HEIGHT, block("A")) in wanted
    assert p.decided is None
    decided = p.judge("A")
    assert any(isinstance(e, Decide) for e in decided)


@attack("L49-L54", "a decision is taken back, or cannot be proved")
def l49_decision_is_final_and_carries_its_proof() -> None:
    p = Lone()
    p.lock(0, "A")
    p.precommits(0, NIL, 0)
    p.precommits(0, "A", 1, 2)
    decision = p.state.decision
    assert decision is not None
    votes = [(v.validator_index, v.block_id) for v in decision.precommits]
    assert votes == [(0, block(NIL)), (1, block("A")), (2, block("A")), (3, block("A"))]
    p.propose(0, "B")
    p.prevotes(0, "B", 0, 1, 2)
    p.timeout(TimeoutKind.PRECOMMIT, 0)
    p.precommits(9, NIL, 0, 1)
    assert p.state.step is Step.DECIDED
    assert p.state.decision == decision
    assert sum(isinstance(e, Decide) for e in p.effects) == 1


@attack("L49", "a liar's stray precommit spoils the next block's commit")
def l49_votes_for_another_block_stay_out_of_the_commit() -> None:
    p = Lone()
    p.lock(0, "A")
    p.precommits(0, "B", 0)
    p.precommits(0, "A", 1, 2)
    assert [v.validator_index for v in commit_votes(p.state)] == [1, 2, 3]


@attack("L49", "slow validators are marked absent for ever")
def l49_stragglers_join_the_commit() -> None:
    p = Lone()
    p.lock(0, "A")
    p.precommits(0, "A", 1, 2)
    assert len(commit_votes(p.state)) == 3
    assert not has_all_precommits(p.state)
    p.precommits(0, "A", 0)
    assert has_all_precommits(p.state)


@attack("L49", "a round that failed is taken for a decision")
def l49_nil_majority_decides_nothing() -> None:
    p = Lone()
    p.propose(0, "A")
    p.precommits(0, NIL, 0, 1, 2)
    assert p.decided is None


# --- L55-L67: skipping and late timeouts ---------------------------------------------------------


@attack("L55", "who fell rounds behind comes back only by its own timers")
def l55_one_third_and_a_bit_pull_us_to_their_round() -> None:
    p = Lone()
    p.prevotes(5, "B", 0)
    assert p.state.round == 0
    p.precommits(5, NIL, 0)
    assert p.state.round == 0
    p.prevotes(5, "C", 1)
    assert p.rounds_started() == [0, 5]
    assert (TimeoutKind.PROPOSE, 5) in p.timeouts()


@attack("L55", "f liars drive everybody through rounds")
def l55_exactly_one_third_pulls_nobody() -> None:
    p = Lone(2, 2, 1, 1, ours=3)
    p.prevotes(5, NIL, 0)
    assert p.state.round == 0
    p.prevotes(5, NIL, 2)
    assert p.state.round == 5


@attack("L55", "liars in many rounds pull a process on")
def l55_voters_of_two_rounds_do_not_add_up() -> None:
    p = Lone()
    p.prevotes(5, NIL, 0)
    p.prevotes(6, NIL, 1)
    assert p.state.round == 0


@attack("L55", "a jump over rounds forgets a lock")
def l55_skipping_keeps_the_lock() -> None:
    p = Lone()
    p.lock(0, "A")
    p.prevotes(3, "B", 0, 1)
    assert p.state.round == 3
    assert p.locked == (0, "A")


@attack("L55", "far rounds fill the memory, or strand who comes back late")
def l55_far_rounds_pull_too_and_cost_little() -> None:
    p = Lone()
    for round_ in range(100, 900, 9):
        p.prevotes(round_, NIL, 0)
    assert len(p.state.votes.rounds) <= CONSENSUS_FAR_ROUNDS_PER_VALIDATOR_MAX
    p.prevotes(5_000, NIL, 0, 1)
    assert p.state.round == 5_000


@attack("L55", "a liar pushes honest votes out of memory")
def l55_far_votes_of_a_liar_displace_nobody_elses() -> None:
    p = Lone()
    p.prevotes(500, NIL, 1)
    for round_ in range(450, 550):
        p.prevotes(round_, NIL, 0)
    p.prevotes(500, NIL, 2)
    assert p.state.round == 500


@attack(
    "L55, bounds",
    "a third of the power names a round that no clock reaches, to stop whoever goes there",
)
def l55_rounds_out_of_reach_pull_nobody() -> None:
    p = Lone()
    p.prevotes(CONSENSUS_SKIP_MAX + 1, NIL, 0, 1)
    assert p.state.round == 0
    assert not p.state.votes.rounds
    p.prevotes(CONSENSUS_SKIP_MAX, NIL, 0, 1)
    assert p.state.round == CONSENSUS_SKIP_MAX


@attack("L57, L61, L65", "clocks that are wrong make a process vote in the wrong round")
def l57_late_timeouts_mean_nothing() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    before = p.state
    for kind in TimeoutKind:
        p.timeout(kind, 0)
    assert p.state == before


@attack("L61", "a late timeout adds a second precommit")
def l61_prevote_timeout_after_the_precommit_means_nothing() -> None:
    p = Lone()
    p.lock(0, "A")
    before = p.state
    assert p.timeout(TimeoutKind.PREVOTE, 0) == []
    assert p.timeout(TimeoutKind.PROPOSE, 0) == []
    assert p.state == before


@attack("L61", "a timeout of an older round ends the prevotes of this one")
def l61_prevote_timeout_of_a_past_round_means_nothing() -> None:
    p = Lone()
    p.propose(0, "A")
    p.prevotes(0, NIL, 0, 1)
    p.timeout(TimeoutKind.PREVOTE, 0)
    p.pass_round(0)
    p.propose(1, "A")
    assert p.sent[-1] == (PREVOTE, 1, "A")
    assert p.timeout(TimeoutKind.PREVOTE, 0) == []
    p.prevotes(1, "A", 0, 1)
    assert p.sent[-1] == (PRECOMMIT, 1, "A")


# --- several processes ---------------------------------------------------------------------------


@attack("L22, L28", "a decision that one process alone saw is overturned")
def l22_l28_a_decided_block_is_the_only_one_left() -> None:
    """0 decides A and falls silent; 3 saw nothing and offers B; 1 and 2 hold the locks that save agreement."""
    zero, *others = (Lone(ours=i) for i in range(4))
    one, two, three = others
    for p in (zero, one, two):
        p.propose(0, "A")
        p.prevotes(0, "A", 0, 1, 2)
    zero.precommits(0, "A", 1, 2)
    assert zero.decided == "A"
    three.timeout(TimeoutKind.PROPOSE, 0)
    three.timeout(TimeoutKind.PREVOTE, 0)
    for p in others:
        p.precommits(0, "A", 1, 2)
        p.precommits(0, NIL, 3)
        p.timeout(TimeoutKind.PRECOMMIT, 0)
    _fail_round(others, 1)
    _fail_round(others, 2)
    for p in others:
        p.propose(3, "B")
    assert [p.sent[-1] for p in others] == [
        (PREVOTE, 3, NIL),
        (PREVOTE, 3, NIL),
        (PREVOTE, 3, "B"),
    ]
    for p in others:
        p.prevotes(3, NIL, 1, 2)
        p.prevotes(3, "B", 3)
        p.timeout(TimeoutKind.PREVOTE, 3)
        p.precommits(3, NIL, 1, 2, 3)
        p.timeout(TimeoutKind.PRECOMMIT, 3)
    _fail_round(others, 4)
    assert one.offers()[-1] == (5, "A", 0)
    for p in others:
        p.propose(5, "A", 0)
    three.prevotes(0, "A", 0, 1, 2)
    assert three.sent[-1] == (PREVOTE, 5, "A")
    for p in others:
        p.prevotes(5, "A", 1, 2, 3)
        p.precommits(5, "A", 1, 2, 3)
    assert [p.decided for p in others] == ["A", "A", "A"]


@attack("L16, L28, L36", "a hidden lock stops the town (tendermint issue 1047)")
def l36_hidden_lock_is_shown_by_its_holder() -> None:
    """Only 1 saw the polka for A in round 0; as proposer it shows it, and nobody stays behind."""
    others = [Lone(ours=i) for i in (1, 2, 3)]
    one, two, three = others
    for p in others:
        p.propose(0, "A")
    one.prevotes(0, "A", 0, 2, 3)
    assert one.locked == (0, "A")
    for p in (two, three):
        p.prevotes(0, NIL, 0)  # validator 0 lies to them
        p.prevotes(0, "A", 1, 2, 3)
    assert one.locked == two.locked == three.locked
    late = Lone(ours=2)
    late.propose(0, "A")
    late.prevotes(0, NIL, 0)
    late.prevotes(0, "A", 1)
    late.timeout(TimeoutKind.PREVOTE, 0)
    late.pass_round(0)
    before = len(late.sent)
    late.propose(1, "A", 0)
    assert len(late.sent) == before, "no proof yet"
    late.prevotes(0, "A", 3)
    assert late.sent[before:] == [(PREVOTE, 1, "A")]


def _fail_round(processes: list[Lone], round_: int) -> None:
    """Nobody hears the proposer: nil prevotes, nil precommits, next round."""
    for p in processes:
        p.timeout(TimeoutKind.PROPOSE, round_)
        p.prevotes(round_, NIL, 1, 2, 3)
        p.precommits(round_, NIL, 1, 2, 3)
        p.timeout(TimeoutKind.PRECOMMIT, round_)
        assert p.state.round == round_ + 1


# --- bounds and neighbours -----------------------------------------------------------------------


@attack("bounds", "a proposer fills the memory")
def proposals_of_one_round_are_bounded() -> None:
    p = Lone()
    for number in range(20):
        p.feed(ProposalReceived(proposal(0, f"junk {number}")))
    held = p.state.proposals[0]
    assert len(held) == CONSENSUS_PROPOSALS_PER_ROUND_MAX
    far = CONSENSUS_ROUNDS_AHEAD_MAX + 1
    p.feed(ProposalReceived(proposal(far, "too far")))
    assert far not in p.state.proposals
    assert proposer_of(p.state, far) is None
    assert proposer_of(p.state, 2) == address(2)


@attack("bounds", "an equivocator fills the memory")
def conflicting_votes_of_one_voter_are_bounded() -> None:
    p = Lone()
    for number in range(60):
        p.prevotes(0, f"junk {number}", 1)
    assert len(held_votes(p.state.votes)) == 2


@attack("bounds", "false claims fill the memory")
def claims_of_one_peer_are_bounded() -> None:
    p = Lone()
    p.prevotes(0, "A", 0)
    for number in range(60):
        p.claim(PREVOTE, 0, f"junk {number}", b"one peer")
    tally = p.state.votes.rounds[0].prevotes
    assert len(tally.claims) == 1


@attack("L28, bounds", "long heights fill the memory, or lose the proof of lock")
def old_rounds_are_forgotten_but_not_the_locked_one() -> None:
    p = Lone()
    p.lock(0, "A")
    p.pass_round(0)
    far = CONSENSUS_ROUNDS_BEHIND_MAX + 10
    p.prevotes(5, NIL, 0)
    p.prevotes(far, NIL, 0, 1)
    assert p.state.round == far
    assert set(p.state.votes.rounds) == {0, far}
    p.prevotes(5, NIL, 1)
    assert 5 not in p.state.votes.rounds
    p.propose(far, "A", 0)
    assert p.sent[-1] == (PREVOTE, far, "A")


@attack("L22, L49", "a stranger's vote counts")
def strangers_and_other_heights_change_nothing() -> None:
    p = Lone()
    before = p.state
    stranger = vote(PREVOTE, 7, 0, "A")
    p.feed(
        VoteReceived(stranger),
        VoteReceived(vote(PREVOTE, 0, 0, "A", height=HEIGHT - 1)),
        VoteReceived(vote(PREVOTE, 0, 0, "A", height=HEIGHT + 2)),
        VoteReceived(vote(PREVOTE, 0, -1, "A")),
        ProposalReceived(proposal(0, "A", height=HEIGHT - 1)),
        ProposalReceived(proposal(0, NIL)),
    )
    assert p.state == before


@attack("bounds", "votes ahead of time fill the memory")
def votes_of_the_next_height_are_kept_within_bounds() -> None:
    p = Lone()
    for round_ in range(40):
        p.feed(VoteReceived(vote(PREVOTE, 0, round_, "A", height=HEIGHT + 1)))
    kept = len(p.state.postponed)
    assert 0 < kept < 40
    p.feed(VoteReceived(vote(PREVOTE, 1, 0, "A", height=HEIGHT + 1)))
    p.feed(VoteReceived(vote(PREVOTE, 1, 0, "A", height=HEIGHT + 1)))
    assert len(p.state.postponed) == kept + 1


@attack("L21-L49", "a full node votes")
def node_without_a_key_follows_and_signs_nothing() -> None:
    p = Lone(ours=None)
    p.propose(0, "A")
    p.prevotes(0, "A", 0, 1, 2)
    p.precommits(0, "A", 0, 1, 2)
    assert p.decided == "A"
    assert not any(isinstance(e, SignVote) for e in p.effects)


@attack("PROTOCOL §5", "nobody can count an equivocator's other face")
def majorities_held_are_what_is_claimed_to_peers() -> None:
    p = Lone()
    p.lock(0, "A")
    p.precommits(0, NIL, 0, 1, 2)
    assert held_majorities(p.state.votes) == (
        (0, PREVOTE, block("A")),
        (0, PRECOMMIT, block(NIL)),
    )


def _block_key(v):
    return v.block_id.key()
