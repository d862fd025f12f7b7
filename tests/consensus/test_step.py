"""Properties of `step` over random inputs: a function of its arguments, blind to duplicates, and bounded."""

import copy
import statistics
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.consensus import (
    BlockBuilt,
    BlockReceived,
    Decide,
    HeightConfig,
    Input,
    MajorityClaimed,
    ProposalReceived,
    SignVote,
    TimeoutElapsed,
    TimeoutKind,
    VoteReceived,
    start_height,
    step,
)
from chain.consensus.votes import Electorate, VoteKeeper, add_vote
from tests.consensus.lone import (
    HEIGHT,
    NIL,
    PRECOMMIT,
    PREVOTE,
    Lone,
    address,
    block,
    proposal,
    validators,
    vote,
)

SET = validators(10, 10, 10, 10)
US = 3
names = st.sampled_from([NIL, "A", "B", "C"])
blocks = st.sampled_from(["A", "B", "C"])
round_numbers = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 30, 31])
heights = st.sampled_from([HEIGHT] * 8 + [HEIGHT + 1, HEIGHT - 1])
types = st.sampled_from([PREVOTE, PRECOMMIT])
inputs: st.SearchStrategy[Input] = st.one_of(
    st.builds(
        lambda t, v, r, n, h: VoteReceived(vote(t, v, r, n, height=h)),
        types,
        st.integers(0, 3),
        round_numbers,
        names,
        heights,
    ),
    st.builds(
        lambda r, n, p, h: ProposalReceived(proposal(r, n, p, height=h)),
        round_numbers,
        blocks,
        st.integers(-1, 2),
        heights,
    ),
    st.builds(
        lambda n, v: BlockReceived(block(n), v), blocks, st.sampled_from([True, True, False])
    ),
    st.builds(TimeoutElapsed, st.sampled_from(TimeoutKind), heights, st.integers(0, 3)),
    st.builds(lambda r, n: BlockBuilt(r, block(n)), st.integers(0, 3), blocks),
    st.builds(
        lambda t, r, n, s: MajorityClaimed(t, HEIGHT, r, block(n), s),
        types,
        round_numbers,
        names,
        st.sampled_from([b"p", b"q"]),
    ),
)


def _start():
    return start_height(HeightConfig(HEIGHT, SET, address(US)))


@settings(max_examples=150, deadline=None)
@given(st.lists(inputs, max_size=40))
def test_step_never_changes_the_state_it_was_given(given_inputs: list[Input]) -> None:
    state, _ = _start()
    for input_ in given_inputs:
        before = copy.deepcopy(state)
        after, _ = step(state, input_)
        assert state == before
        state = after


@settings(max_examples=150, deadline=None)
@given(st.lists(inputs, max_size=40))
def test_same_inputs_give_same_states_and_effects(given_inputs: list[Input]) -> None:
    (one, _), (other, _) = _start(), _start()
    for input_ in given_inputs:
        one, effects = step(one, input_)
        other, again = step(other, copy.deepcopy(input_))
        assert effects == again
        assert one == other


@settings(max_examples=150, deadline=None)
@given(st.lists(inputs, max_size=40))
def test_an_input_given_twice_counts_once(given_inputs: list[Input]) -> None:
    state, _ = _start()
    for input_ in given_inputs:
        state, _ = step(state, input_)
        again, effects = step(state, input_)
        assert effects == ()
        assert again == state


@settings(max_examples=150, deadline=None)
@given(st.lists(inputs, max_size=60))
def test_whatever_comes_in_one_vote_a_round_and_type_goes_out(given_inputs: list[Input]) -> None:
    state, _ = _start()
    signed: set[tuple[object, ...]] = set()
    decisions, last = 0, 0
    for input_ in given_inputs:
        state, effects = step(state, input_)
        for effect in effects:
            if isinstance(effect, SignVote):
                place = (effect.type, effect.round)
                assert place not in signed
                signed.add(place)
            decisions += isinstance(effect, Decide)
        machine = state.machine
        assert machine.round >= last, "rounds never go back"
        assert machine.locked_round <= machine.valid_round <= machine.round
        assert (machine.locked_round == -1) == machine.locked_block_id.is_nil()
        last = machine.round
    assert decisions <= 1


@settings(max_examples=100, deadline=None)
@given(st.permutations([(v, n) for v in range(4) for n in ("A", "B")]))
def test_tallies_of_first_votes_add_up_in_any_order(order: list[tuple[int, str]]) -> None:
    keeper = VoteKeeper(Electorate.of(SET))
    for voter, name in order:
        keeper = add_vote(keeper, vote(PREVOTE, voter, 0, name)).keeper
    tally = keeper.rounds[0].prevotes
    assert tally.power == 40
    assert sum(b.power for b in tally.blocks.values()) == 40
    assert len(tally.conflicts) == 4


def test_a_step_of_twenty_validators_takes_well_under_a_tenth_of_a_millisecond() -> None:
    """The median is far below; the bound leaves room for a busy machine."""
    p = Lone(*[10] * 20, ours=19)
    p.propose(0, "A")
    state, times_us = p.state, []
    for type_ in (PREVOTE, PRECOMMIT):
        for voter in range(19):
            input_ = VoteReceived(vote(type_, voter, 0, "A"))
            begun = time.perf_counter()
            state, _ = step(state, input_)
            times_us.append((time.perf_counter() - begun) * 1e6)
    assert state.decision is not None
    assert statistics.median(times_us) < 100
