"""Keys as a convention writes them: what is refused, what is hashed, and figures worked by hand."""

from hashlib import sha256
from random import Random

import pytest

from chain.town.energy.conventions import (
    Cascade,
    Contract,
    Matrix,
    Ppa,
    ProRata,
    Static,
    StaticRedistributed,
    decode_key,
    hash_key,
)
from chain.town.energy.keys import allocate, fill_north_west, prepare
from chain.town.energy.market import Order
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import Allocation, Roster, Step, make_roster
from tests.town.energy import cases

ROSTER = make_roster(["a", "b", "c"], ["p", "q"])


def run(key, cons, prod, orders=(), roster=ROSTER) -> Allocation:
    plan = prepare(key, roster)
    assert not isinstance(plan, Refused), plan
    result = allocate(plan, Step("op", 900, cons, prod, orders))
    assert isinstance(result, Allocation), result
    return result


def test_pro_rata_shares_in_proportion_to_consumption() -> None:
    assert run(ProRata(), (100, 200, 300), (200, 100)).autocons_wh == (50, 100, 150)
    assert run(ProRata(), (100, 200, 300), (200, 100)).autoprod_wh == (200, 100)
    assert run(ProRata(), (10, 20, 30), (200, 100)).autoprod_wh == (40, 20)


def test_a_static_share_that_is_not_consumed_becomes_surplus() -> None:
    key = Static({"a": 500_000, "b": 300_000, "c": 200_000})
    assert run(key, (10, 300, 300), (100, 100)).autocons_wh == (10, 60, 40)


def test_redistribution_hands_it_to_the_neighbours_by_their_shares() -> None:
    key = StaticRedistributed({"a": 500_000, "b": 300_000, "c": 200_000})
    assert run(key, (10, 300, 300), (100, 100)).autocons_wh == (10, 114, 76)


def test_a_cascade_serves_the_first_group_first() -> None:
    key = Cascade((("c",), ("a", "b")), "equal")
    assert run(key, (100, 30, 60), (100, 40)).autocons_wh == (50, 30, 60)


def test_a_matrix_serves_owners_from_their_own_plant_then_by_coefficients() -> None:
    key = Matrix({"p": {"a": 500_000, "b": 500_000}, "q": {"c": 1_000_000}}, {"a": "p"})
    result = run(key, (40, 100, 10), (100, 50))
    assert result.autocons_wh == (40, 30, 10)
    assert result.autoprod_wh == (70, 10)


def test_contracts_come_before_the_auction_and_the_auction_before_the_rest() -> None:
    ppas = (Ppa("k1", "p", "a", 0, "share_ppm", 500_000, 120_000),)
    orders = (
        Order("bid", "bid", "w", 150_000, 30, 0, "b"),
        Order("offer", "offer", "v", 100_000, 80, 1, "p"),
    )
    result = run(Contract(ppas, 1), (60, 40, 20), (100, 0), orders)
    assert [tuple(delivery) for delivery in result.deliveries] == [
        (0, 0, 50, "ppa:k1", 120_000),
        (0, 1, 30, "order:bid/offer", 125_000),
    ]
    assert sum(result.autocons_wh) == 100
    assert result.autocons_wh[0] >= 50


def test_north_west_cells_have_the_given_sums() -> None:
    assert fill_north_west((5, 0, 7), (3, 4, 5)) == ((0, 0, 3), (0, 1, 2), (2, 1, 2), (2, 2, 5))
    assert fill_north_west((), ()) == ()


@pytest.mark.parametrize("cons", [(0, 0, 0), (0, 5, 0), (7, 7, 7)])
@pytest.mark.parametrize("prod", [(0, 0), (0, 1), (5, 5)])
def test_empty_and_equal_steps_pass_every_key(cons, prod) -> None:
    keys = (
        ProRata(),
        Static({"a": 0, "b": 0, "c": 0}),
        StaticRedistributed({"a": 1, "b": 1, "c": 1}),
        Cascade((("a", "b", "c"),)),
        Matrix({}),
        Contract(),
    )
    for key in keys:
        assert sum(run(key, cons, prod).autocons_wh) <= min(sum(cons), sum(prod))


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (Static({"a": 1, "b": 1}), "energy_key_invalid"),
        (Static({"a": 1, "b": 1, "c": 1, "x": 1}), "energy_point_unknown"),
        (Static({"a": 600_000, "b": 600_000, "c": 0}), "energy_key_invalid"),
        (Cascade((("a", "b"),)), "energy_key_invalid"),
        (Cascade((("a", "b"), ("b", "c"))), "energy_key_invalid"),
        (Cascade((("a", "b", "c", "x"),)), "energy_point_unknown"),
        (Matrix({"x": {}}), "energy_point_unknown"),
        (Matrix({"p": {"x": 1}}), "energy_point_unknown"),
        (Matrix({"p": {"a": 900_000, "b": 900_000}}), "energy_key_invalid"),
        (Matrix({}, {"a": "x"}), "energy_point_unknown"),
        (Contract((Ppa("k", "p", "x", 0, "fixed_wh", 1, 0),)), "energy_point_unknown"),
        (Contract((Ppa("k", "p", "a", 0, "share_ppm", 1_000_001, 0),)), "energy_key_invalid"),
        (Contract((Ppa("k", "p", "a", 0, "fixed_wh", 1, 0),) * 2), "energy_key_invalid"),
    ],
)
def test_a_key_that_does_not_fit_the_members_is_refused(key, code: str) -> None:
    refusal = prepare(key, ROSTER)
    assert isinstance(refusal, Refused)
    assert refusal.code.name == code


def test_a_store_may_not_be_filled_from_a_store_by_any_key() -> None:
    roster = make_roster(["a"], ["p"], charging=["in"], discharging=["out"])
    for key in (
        Matrix({"out": {"in": 1}}),
        Matrix({}, {"in": "out"}),
        Contract((Ppa("k", "out", "in", 0, "fixed_wh", 1, 0),)),
    ):
        assert isinstance(prepare(key, roster), Refused)
    plan = prepare(Contract(), roster)
    bid = Order("b", "bid", "w", 1, 1, 0, "in")
    assert isinstance(allocate(plan, Step("op", 0, (5, 5), (5, 5), (bid,))), Refused)


@pytest.mark.parametrize(
    ("cons", "prod", "code"),
    [
        ((1, 2), (1, 1), "energy_readings_invalid"),
        ((1, 2, 3), (1,), "energy_readings_invalid"),
        ((1, 2, -3), (1, 1), "energy_reading_negative"),
        ((1, 2, 3), (5_000_001, 1), "energy_reading_absurd"),
    ],
)
def test_readings_that_do_not_fit_are_refused(cons, prod, code: str) -> None:
    refusal = allocate(prepare(ProRata(), ROSTER), Step("op", 0, cons, prod))
    assert isinstance(refusal, Refused)
    assert refusal.code.name == code


def test_an_order_of_a_stranger_or_outside_its_bounds_is_refused() -> None:
    plan = prepare(Contract(), ROSTER)
    for order in (Order("b", "bid", "w", 1, 1, 0, "x"), Order("b", "bid", "w", 1, -1, 0, "a")):
        assert isinstance(allocate(plan, Step("op", 0, (1, 1, 1), (1, 1), (order,))), Refused)


@pytest.mark.parametrize(
    "names", [(["a", "a"], ["p"]), ([""], ["p"]), (["a\0"], ["p"]), (["a"], ["x" * 65])]
)
def test_members_have_names_of_their_own(names) -> None:
    assert isinstance(make_roster(*names), Refused)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b'{"key":"magic"}',
        b'{"key":"pro_rata","x":1}',
        b'{"key":"static","shares_ppm":{"a":1.5}}',
        b'{"key":"static","shares_ppm":{"a":-1}}',
        b'{"key":"static","shares_ppm":{"a\\u0000":1}}',
        b'{"key":"cascade","groups":[["a"]],"inside":"luck"}',
        b'{"key":"contract","k_halves":3}',
    ],
)
def test_a_key_that_is_no_key_is_refused(raw: bytes) -> None:
    assert isinstance(decode_key(raw), Refused)


def test_the_hash_of_a_key_does_not_depend_on_its_spelling() -> None:
    first = decode_key(b'{"key":"static","shares_ppm":{"a":1,"b":2}}')
    second = decode_key(b'{ "shares_ppm": {"b": 2, "a": 1}, "key": "static" }')
    assert hash_key(first) == hash_key(second)
    assert hash_key(ProRata()) == sha256(b'{"key":"pro_rata"}').digest()


def test_the_same_cases_give_the_same_figures_on_every_machine() -> None:
    """One digest over 600 random allocations of all keys: a change of any result needs a new engine name."""
    digest = sha256()
    random = Random("golden beffroi-energy-1")
    for kind in cases.KINDS * 100:
        roster, key, step = cases.make_case(random, kind)
        assert isinstance(roster, Roster)
        result = run(key, step.cons_wh, step.prod_wh, step.orders, roster)
        digest.update(repr((result.autocons_wh, result.autoprod_wh)).encode())
    assert digest.hexdigest()[:16] == "5bf4fb133d05fb11"
