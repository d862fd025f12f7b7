"""The draws that hide whose an anonymous transaction is: their bounds, their independence, the relay's rounds."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from chain.votes.privacy import (
    BATCH_S,
    ISSUE_REST_S,
    LAST_HOUR_S,
    RELEASE_MARGIN_S,
    SEND_DELAY_MAX_S,
    TRACKER_BUCKET_MIN,
    Window,
    draw_registration_release_s,
    draw_send_delay_s,
    is_last_hour,
    may_hand_over_registration,
    next_batch_s,
    sort_batch,
    tracker_prefix_chars,
)
from tests.votes.kit import seeded

DAY_S = 86_400
WINDOW = Window(1_790_000_000, 1_790_000_000 + 6 * DAY_S)


@given(before_s=st.integers(0, 6 * DAY_S - 1), seed=st.text(max_size=4))
def test_a_delayed_ballot_still_reaches_the_box_in_time(before_s: int, seed: str) -> None:
    now_s = WINDOW.closes_s - 1 - before_s
    delay_s = draw_send_delay_s(WINDOW, now_s, seeded(seed))
    assert 0 <= delay_s <= SEND_DELAY_MAX_S
    leaves_s = next_batch_s(WINDOW, now_s + delay_s)
    assert now_s + delay_s <= leaves_s < WINDOW.closes_s
    if is_last_hour(WINDOW, now_s):
        assert leaves_s == now_s


def test_delays_fill_the_half_hour_evenly() -> None:
    draw = seeded("delays")
    delays = [draw_send_delay_s(WINDOW, WINDOW.opens_s, draw) for _ in range(3_000)]
    assert min(delays) < 10
    assert max(delays) > SEND_DELAY_MAX_S - 10
    sixths = [0] * 6
    for delay_s in delays:
        sixths[min(delay_s * 6 // SEND_DELAY_MAX_S, 5)] += 1
    assert all(400 < count < 600 for count in sixths)


@given(opened_s=st.integers(0, 4 * DAY_S), seed=st.text(max_size=4))
def test_a_release_says_nothing_of_when_the_phone_was_opened(opened_s: int, seed: str) -> None:
    """Same chance, other opening, same release: the time does not depend on what the API could have seen."""
    early = draw_registration_release_s(WINDOW, WINDOW.opens_s, seeded(seed))
    later = draw_registration_release_s(WINDOW, WINDOW.opens_s + opened_s, seeded(seed))
    assert early == later
    assert WINDOW.closes_s - 2 * DAY_S <= early < WINDOW.closes_s - RELEASE_MARGIN_S


@given(left_s=st.integers(1, 2 * DAY_S), seed=st.text(max_size=4))
def test_a_late_registration_is_released_in_what_is_left(left_s: int, seed: str) -> None:
    now_s = WINDOW.closes_s - left_s
    release_s = draw_registration_release_s(WINDOW, now_s, seeded(seed))
    assert now_s <= release_s < WINDOW.closes_s
    assert next_batch_s(WINDOW, release_s) < WINDOW.closes_s


@given(length_s=st.integers(1, 3 * DAY_S), at=st.floats(0, 1, exclude_max=True))
def test_a_short_window_has_room_for_both_parts(length_s: int, at: float) -> None:
    window = Window(1_000, 1_000 + length_s)
    now_s = 1_000 + int(at * length_s)
    assert now_s <= draw_registration_release_s(window, now_s, seeded("x")) < window.closes_s


def test_registration_waits_a_day_after_the_request_and_for_its_window() -> None:
    opens_s = WINDOW.opens_s
    assert not may_hand_over_registration(WINDOW, opens_s - 2 * ISSUE_REST_S, opens_s - 1)
    assert may_hand_over_registration(WINDOW, opens_s - 2 * ISSUE_REST_S, opens_s)
    assert not may_hand_over_registration(WINDOW, opens_s - 60, opens_s)
    assert may_hand_over_registration(WINDOW, opens_s - 60, opens_s - 60 + ISSUE_REST_S)
    assert not may_hand_over_registration(WINDOW, opens_s - 2 * ISSUE_REST_S, WINDOW.closes_s)


def test_rounds_are_at_round_times_until_the_last_hour() -> None:
    for offset_s in (0, 1, 599, 600, 12_345):
        leaves_s = next_batch_s(WINDOW, WINDOW.opens_s + offset_s)
        assert leaves_s % BATCH_S == 0
        assert 0 <= leaves_s - WINDOW.opens_s - offset_s < BATCH_S
    late_s = WINDOW.closes_s - LAST_HOUR_S - 1
    assert next_batch_s(WINDOW, late_s) - late_s <= 1


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.randoms())
def test_a_round_keeps_nothing_of_the_order_its_transactions_came_in(raws, chance) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(raws)
    chance.shuffle(shuffled)
    assert sort_batch(raws) == sort_batch(shuffled)
    assert sorted(set(raws)) == sorted(sort_batch(raws))


def test_whoever_asks_for_a_tracker_asks_for_a_hundred() -> None:
    trackers = [sha256(b"%d" % number).hexdigest() for number in range(4_000)]
    size = tracker_prefix_chars(trackers)
    assert size == 1
    for prefix in {tracker[:size] for tracker in trackers}:
        assert sum(t.startswith(prefix) for t in trackers) >= TRACKER_BUCKET_MIN
    assert tracker_prefix_chars(trackers[:900]) == 0
    assert tracker_prefix_chars([]) == 0
