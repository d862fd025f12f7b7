"""The small books on which peers differ, gate closure, and orders that are not orders."""

import pytest

from chain.town.energy.market import Clearing, Order, check_gate, clear
from chain.town.energy.refusals import Refused


def book(bids, offers) -> list[Order]:
    sides = [("bid", *order) for order in bids] + [("offer", *order) for order in offers]
    return [Order(f"o{i}", side, f"w{i}", p, q, i) for i, (side, p, q) in enumerate(sides)]


@pytest.mark.parametrize(
    ("bids", "offers", "volume", "prices"),
    [
        ([(30, 10), (20, 10)], [(10, 15)], 15, (10, 15, 20)),
        ([(30, 15)], [(10, 10), (20, 10)], 15, (20, 25, 30)),
        ([(30, 10), (20, 10)], [(10, 10), (15, 10)], 20, (15, 17, 20)),
        ([(20, 10)], [(20, 10)], 10, (20, 20, 20)),
        ([(10, 10)], [(20, 10)], 0, (None, None, None)),
        ([], [(20, 10)], 0, (None, None, None)),
        ([], [], 0, (None, None, None)),
    ],
)
def test_small_books_trade_the_largest_volume_at_each_k(bids, offers, volume, prices) -> None:
    for k_halves, price in enumerate(prices):
        outcome = clear(book(bids, offers), k_halves=k_halves)
        assert (outcome.volume_wh, outcome.price_micro_eur) == (volume, price)


def test_of_two_equal_bids_the_first_to_arrive_is_served() -> None:
    outcome = clear(book([(20, 10), (20, 10)], [(10, 10)]), k_halves=1)
    assert [trade.bid.order_id for trade in outcome.trades] == ["o0"]
    assert [order.order_id for order in outcome.open_bids] == ["o1"]


def test_what_is_left_of_the_marginal_order_stays_open() -> None:
    outcome = clear(book([(30, 10), (20, 10)], [(10, 15)]), k_halves=1)
    assert [(order.order_id, order.energy_wh) for order in outcome.open_bids] == [("o1", 5)]
    assert outcome.open_offers == ()


def test_an_order_at_gate_closure_is_in_time_and_a_second_later_is_late() -> None:
    assert check_gate(put_s=2_700, start_s=3_600, gate_s=900) is None
    refusal = check_gate(put_s=2_701, start_s=3_600, gate_s=900)
    assert refusal is not None
    assert refusal.code.name == "energy_order_late"


@pytest.mark.parametrize(
    "order",
    [
        Order("a", "bid", "w", 10, 0, 0),
        Order("a", "bid", "w", 10, -5, 0),
        Order("a", "bid", "w", -1, 5, 0),
        Order("a", "bid", "w", 100_000_001, 5, 0),
        Order("a", "bid", "w", 10, 5_000_001, 0),
        Order("a", "bid", "w", 10, 5, -1),
        Order("a", "buy", "w", 10, 5, 0),
        Order("", "bid", "w", 10, 5, 0),
    ],
)
def test_an_order_outside_its_bounds_is_refused(order: Order) -> None:
    refusal = clear([order], k_halves=1)
    assert isinstance(refusal, Refused)
    assert refusal.code.name == "energy_order_invalid"


def test_two_orders_of_one_id_are_refused() -> None:
    refusal = clear(
        [Order("a", "bid", "w", 1, 1, 0), Order("a", "offer", "v", 2, 1, 1)], k_halves=1
    )
    assert isinstance(refusal, Refused)


def test_an_order_that_could_meet_its_own_participant_is_refused() -> None:
    orders = [Order("a", "bid", "w", 20, 5, 0), Order("b", "offer", "w", 20, 5, 1)]
    refusal = clear(orders, k_halves=1)
    assert isinstance(refusal, Refused)
    assert refusal.code.name == "energy_order_self"
    apart = [orders[0], orders[1]._replace(price_micro_eur=21)]
    assert isinstance(clear(apart, k_halves=1), Clearing)


def test_a_negative_price_needs_an_explicit_word() -> None:
    orders = book([(5, 10)], [(-3, 10)])
    assert isinstance(clear(orders, k_halves=0), Refused)
    assert clear(orders, k_halves=0, negative_prices=True).price_micro_eur == -3


def test_an_unknown_k_is_refused() -> None:
    assert isinstance(clear([], k_halves=3), Refused)
