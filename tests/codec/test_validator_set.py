"""Validator sets: rotation and updates as `types/validator_set.go` of CometBFT 0.38 computes them."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.types.primitives import MAX_TOTAL_POWER
from chain.types.validator import (
    InvalidValidatorSet,
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    new_validator_set,
    update_validator_set,
)


def member(name, power, priority=0):
    return Validator(bytes([name]) * 20, bytes([name]) * 32, power, priority)


def priorities(current):
    return {v.address[0]: v.proposer_priority for v in current.validators}


POWERS = st.lists(st.integers(1, 1_000), min_size=1, max_size=8)


def set_of(powers):
    return new_validator_set(tuple(member(i, power) for i, power in enumerate(powers)))


@given(POWERS)
def test_a_set_is_ordered_by_power_then_address(powers):
    validators = set_of(powers).validators
    assert list(validators) == sorted(validators, key=lambda v: (-v.voting_power, v.address))


@settings(max_examples=40)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_over_as_many_rounds_as_there_is_power_each_proposes_as_often_as_its_power(powers):
    current, seen = set_of(powers), Counter()
    for _ in range(sum(powers)):
        seen[current.get_proposer().address[0]] += 1
        current = increment_proposer_priority(current, 1)
    assert seen == Counter(dict(enumerate(powers)))


@given(POWERS, st.integers(1, 30))
def test_many_rounds_at_once_lead_where_single_rounds_lead(powers, times):
    """Rescaling and centring are done once a call, which changes nothing while priorities stay in the window."""
    at_once = increment_proposer_priority(set_of(powers), times)
    one_by_one = set_of(powers)
    for _ in range(times):
        one_by_one = increment_proposer_priority(one_by_one, 1)
    assert at_once.get_proposer().address == one_by_one.get_proposer().address


def test_division_truncates_toward_zero_as_in_go():
    """Spread 21 over a window of 2 x 2: ratio 6, so -11 // 6 must give -1 and not -2."""
    current = ValidatorSet((member(1, 1, 10), member(2, 1, -11)))
    after = increment_proposer_priority(current, 1)
    # rescaled 1, -1; centred 1, -1; plus power 2, 0; the winner pays 2
    assert priorities(after) == {1: 0, 2: 0}
    assert after.get_proposer().address[0] == 1


def test_centring_divides_by_floor_as_gos_big_integers_do():
    """Sum -1 over 2 is -1, so both go up by one."""
    current = ValidatorSet((member(1, 5, 0), member(2, 5, -1)))
    assert priorities(increment_proposer_priority(current, 1)) == {1: -4, 2: 5}


def test_a_tie_goes_to_the_smaller_address():
    current = ValidatorSet((member(9, 1), member(3, 1)))
    assert increment_proposer_priority(current, 1).get_proposer().address[0] == 3
    assert current.get_proposer().address[0] == 3


def test_a_new_validator_starts_behind_by_an_eighth_more_than_the_total():
    """Total 10 + 30 = 40: the newcomer starts at -45, centring adds 23 to both, no rescaling (spread < 80)."""
    current = replace(new_validator_set((member(1, 10),)), proposer=None)
    after = update_validator_set(current, (member(2, 30),))
    assert priorities(after) == {2: -22, 1: 23}
    assert [v.address[0] for v in after.validators] == [2, 1]


def test_the_start_counts_the_total_before_removals():
    """10 + 30 = 40 although validator 1 leaves; alone, the newcomer is centred to zero."""
    base = ValidatorSet((member(1, 10, 0), member(3, 10, 0)))
    after = update_validator_set(base, (member(1, 0), member(2, 30)))
    # total before removals 50: start -(50 + 6) = -56; sum -56 over 2 = -28
    assert priorities(after) == {2: -28, 3: 28}


def test_a_reweighed_validator_keeps_its_priority_and_its_key_may_change():
    base = ValidatorSet((member(1, 10, 4), member(2, 10, -4)))
    changed = replace(member(1, 12), pub_key=b"k" * 32)
    after = update_validator_set(base, (changed,))
    assert priorities(after) == {1: 4, 2: -4}
    assert after.validators[0].pub_key == b"k" * 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((member(2, 1), member(2, 2)), "duplicate"),
        ((member(2, -1),), "negative"),
        ((member(2, MAX_TOTAL_POWER + 1),), "above the maximum"),
        ((member(2, MAX_TOTAL_POWER),), "total voting power"),
        ((member(2, 0),), "unknown"),
        ((member(1, 0),), "empty"),
    ],
)
def test_a_change_that_would_make_the_set_malformed_is_refused(changes, message):
    with pytest.raises(InvalidValidatorSet, match=message):
        update_validator_set(new_validator_set((member(1, 10),)), changes)


def test_a_removal_can_make_room_for_power_near_the_maximum():
    base = ValidatorSet((member(1, MAX_TOTAL_POWER),))
    after = update_validator_set(base, (member(1, 0), member(2, MAX_TOTAL_POWER)))
    assert [v.address[0] for v in after.validators] == [2]
    assert priorities(after) == {2: 0}


def test_a_first_set_takes_no_validator_without_power_and_an_empty_set_does_not_rotate():
    with pytest.raises(InvalidValidatorSet, match="without power"):
        new_validator_set((member(1, 0),))
    with pytest.raises(InvalidValidatorSet, match="rotate"):
        increment_proposer_priority(ValidatorSet(()), 1)
    with pytest.raises(InvalidValidatorSet, match="rotate"):
        increment_proposer_priority(new_validator_set((member(1, 1),)), 0)
    with pytest.raises(InvalidValidatorSet, match="no proposer"):
        ValidatorSet(()).get_proposer()


def test_a_set_heavier_than_the_maximum_does_not_rotate():
    heavy = ValidatorSet((member(1, MAX_TOTAL_POWER), member(2, 1)))
    with pytest.raises(InvalidValidatorSet, match="maximum"):
        increment_proposer_priority(heavy, 1)


def test_no_change_changes_nothing():
    base = new_validator_set((member(1, 3), member(2, 4)))
    assert update_validator_set(base, ()) is base
    assert base.index_of(bytes([1]) * 20) == 1
    assert base.index_of(b"") is None
