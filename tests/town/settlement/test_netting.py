"""Netting as arithmetic: zero sums, few payments, no shop on both sides, the same answer whatever the order."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from chain.town.settlement.netting import (
    MILLICENTS_PER_CENT,
    Payment,
    compute_batch_root,
    compute_gross,
    compute_payments,
    compute_positions,
    round_positions,
)
from tests.town.settlement.month import generate_month

SHOP = st.sampled_from([f"shop-{index}" for index in range(12)])
MATRIX = st.dictionaries(
    st.tuples(SHOP, SHOP).filter(lambda pair: pair[0] != pair[1]),
    st.integers(-(10**9), 10**12),
    max_size=60,
)


def test_the_worked_example_of_the_research_page_needs_two_payments() -> None:
    matrix = {
        ("grocer", "baker"): 300_000,
        ("florist", "baker"): 100_000,
        ("baker", "grocer"): 250_000,
        ("grocer", "florist"): 200_000,
    }
    assert compute_gross(matrix) == 850_000
    rounded = round_positions(compute_positions(matrix))
    assert rounded.cents == {"baker": 150, "florist": 100, "grocer": -250}
    assert rounded.carried_millicents == {}
    assert compute_payments(rounded.cents) == (
        Payment("grocer", "baker", 150),
        Payment("grocer", "florist", 100),
    )


def signed_sums(payments: tuple[Payment, ...]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for payment in payments:
        sums[payment.payer] -= payment.cents
        sums[payment.payee] += payment.cents
    return sums


@given(MATRIX)
def test_positions_sum_to_zero_and_payments_clear_exactly_them(matrix) -> None:
    net = compute_positions(matrix)
    assert sum(net.values()) == 0
    rounded = round_positions(net)
    payments = compute_payments(rounded.cents)
    owing = {shop: cents for shop, cents in rounded.cents.items() if cents}
    assert {shop: cents for shop, cents in signed_sums(payments).items() if cents} == owing
    assert all(payment.cents > 0 for payment in payments)
    assert len(payments) <= max(0, len(owing) - 1)
    assert sum(p.cents for p in payments) * MILLICENTS_PER_CENT <= compute_gross(matrix) + (
        len(net) * MILLICENTS_PER_CENT
    )


@given(MATRIX)
def test_no_shop_both_pays_and_receives_in_one_batch(matrix) -> None:
    payments = compute_payments(round_positions(compute_positions(matrix)).cents)
    assert not {p.payer for p in payments} & {p.payee for p in payments}


@given(MATRIX)
def test_rounding_keeps_every_millicent_and_never_moves_a_whole_cent(matrix) -> None:
    net = compute_positions(matrix)
    rounded = round_positions(net)
    assert sum(rounded.cents.values()) == 0
    assert sum(rounded.carried_millicents.values()) == 0
    for shop, value in net.items():
        carried = rounded.carried_millicents.get(shop, 0)
        assert rounded.cents[shop] * MILLICENTS_PER_CENT + carried == value
        assert abs(carried) < MILLICENTS_PER_CENT


@given(MATRIX, st.randoms(use_true_random=False))
def test_the_order_in_which_debts_came_changes_nothing(matrix, rng) -> None:
    shuffled = list(matrix.items())
    rng.shuffle(shuffled)
    first, second = (round_positions(compute_positions(dict(m))) for m in (matrix, shuffled))
    assert first.cents == second.cents
    payments = compute_payments(first.cents), compute_payments(second.cents)
    assert payments[0] == payments[1]
    assert compute_batch_root(1, first.cents, payments[0]) == compute_batch_root(
        1, second.cents, payments[1]
    )


def test_equal_debtors_pay_in_the_order_of_their_names() -> None:
    cents = {"d": -50, "b": -50, "c": 60, "a": 40}
    assert compute_payments(cents) == (
        Payment("b", "c", 50),
        Payment("d", "a", 40),
        Payment("d", "c", 10),
    )


def test_the_root_covers_every_position_and_every_payment() -> None:
    payments = (Payment("b", "a", 5),)
    root = compute_batch_root(1, {"a": 5, "b": -5}, payments)
    assert root != compute_batch_root(2, {"a": 5, "b": -5}, payments)
    assert root != compute_batch_root(1, {"a": 5, "b": -5, "c": 0}, payments)
    assert root != compute_batch_root(1, {"a": 5, "b": -5}, (Payment("b", "a", 4),))


def test_a_generated_month_of_80_shops_compresses_by_nine_tenths() -> None:
    matrix: defaultdict[tuple[str, str], int] = defaultdict(int)
    for spent in generate_month():
        if spent.issuer != spent.redeemer:
            matrix[spent.issuer, spent.redeemer] += spent.points * MILLICENTS_PER_CENT
    rounded = round_positions(compute_positions(matrix))
    payments = compute_payments(rounded.cents)
    assert len(rounded.cents) == 80
    assert sum(rounded.cents.values()) == 0
    assert len(payments) <= 79
    paid = sum(payment.cents for payment in payments) * MILLICENTS_PER_CENT
    assert paid * 10 <= compute_gross(matrix)
