"""Sealed orders: before the gate, of members, on market days, bounded; cancelled by their owner, forgotten in time."""

import pytest
from msgspec.structs import replace

from chain.limits import ENERGY_ORDERS_KEPT_S, ENERGY_ORDERS_PER_ACCOUNT_MAX
from chain.town.energy import commitments, records
from chain.town.energy.market import clear
from chain.town.energy.onchain import ordering
from chain.town.energy_schemas import EnergyOrder, EnergyOrderCancel
from tests.town.energy.chain_kit import OP, Village, contract_key, digest, make_village, ok
from tests.town.town_kit import name_of

STEP_S = 900


@pytest.fixture
def village() -> Village:
    return make_village(back_days=5, key_kind="contract", key_hash=contract_key())


def next_step(village: Village, ahead_s: int) -> int:
    """First step that starts `ahead_s` from now or later."""
    return -(-(village.town.now_s + ahead_s) // STEP_S) * STEP_S


def order(village: Village, start: int, name: str = "order") -> EnergyOrder:
    return EnergyOrder(OP, start, digest(name))


def book(village: Village, start: int) -> records.BookRecord | None:
    return village.record(records.BOOKS, records.book_id(OP, start))


def test_an_order_stands_with_its_arrival_number_until_it_is_cancelled(village: Village) -> None:
    start = next_step(village, 7_200)
    numbers = [
        village.town.result_data(ok(village.member(n, order(village, start, f"order {n}"))))["seq"]
        for n in (0, 1, 2)
    ]
    assert numbers == [0, 1, 2]
    stolen = EnergyOrderCancel(OP, start, digest("order 1"))
    assert name_of(village.member(0, stolen)) == "energy_order_unknown"
    ok(village.member(1, stolen))
    assert name_of(village.member(1, stolen)) == "energy_order_unknown"
    assert book(village, start) == records.BookRecord(3, 2)
    later = [
        village.town.result_data(ok(village.member(1, order(village, start, name))))["seq"]
        for name in ("new", "newer")
    ]
    assert later == [3, 4]


def test_an_order_after_gate_closure_is_late_and_so_is_its_cancellation(village: Village) -> None:
    start = next_step(village, 3_700)
    ok(village.member(0, order(village, start)))
    village.town.now_s = start - 3_600
    ok(village.member(1, order(village, start, "in the last second")))
    assert village.town.now_s > start - 3_600
    assert name_of(village.member(1, order(village, start, "late"))) == "energy_order_late"
    cancel = EnergyOrderCancel(OP, start, digest("order"))
    assert name_of(village.member(0, cancel)) == "energy_order_late"


def test_orders_are_for_steps_and_members_of_market_days(village: Village) -> None:
    start = next_step(village, 7_200)
    good = order(village, start)
    assert name_of(village.member(0, replace(good, start=start + 1))) == "energy_time_off_grid"
    far = replace(good, start=next_step(village, 9 * 86_400))
    assert name_of(village.member(0, far)) == "energy_order_invalid"
    stranger = village.open_member("stranger")
    assert name_of(village.member(stranger, good)) == "energy_not_member"
    plain = make_village(consumers=1, producers=0)
    assert name_of(plain.member(0, good)) == "energy_order_invalid"
    ok(village.member(0, good))
    assert name_of(village.member(1, good)) == "energy_order_invalid"


def test_an_account_places_a_few_orders_a_step(village: Village) -> None:
    start = next_step(village, 7_200)
    for n in range(ENERGY_ORDERS_PER_ACCOUNT_MAX):
        ok(village.member(0, order(village, start, f"order {n}")))
    assert name_of(village.member(0, order(village, start, "more"))) == "energy_book_full"
    ok(village.member(0, EnergyOrderCancel(OP, start, digest("order 0"))))
    ok(village.member(0, order(village, start, "more")))


def test_placing_and_cancelling_fills_nobody_s_book(village: Village, monkeypatch) -> None:
    """Arrival numbers are not places: one member who takes his order back again and again shuts nobody out."""
    monkeypatch.setattr(ordering, "ENERGY_ORDERS_PER_STEP_MAX", 3)
    start = next_step(village, 7_200)
    for n in range(4):
        ok(village.member(0, order(village, start, f"order {n}")))
        ok(village.member(0, EnergyOrderCancel(OP, start, digest(f"order {n}"))))
    for member in range(3):
        ok(village.member(member, order(village, start, f"of {member}")))
    assert name_of(village.member(3, order(village, start, "one more"))) == "energy_book_full"


def test_no_more_orders_are_opened_than_stood(village: Village) -> None:
    start = next_step(village, 7_200)
    ok(village.member(0, order(village, start)))
    village.town.advance(2 * 86_400)
    day = next(d for d in (village.day(-2), village.day(-1)) if start in village.starts(d))
    village.read(day)
    body = village.allocation(day)
    place = list(village.starts(day)).index(start)

    def opened(count: int):
        steps = list(body.steps)
        steps[place] = replace(steps[place], orders=count)
        return replace(body, steps=tuple(steps))

    assert name_of(village.pmo(opened(2))) == "energy_order_unknown"
    ok(village.pmo(opened(1)))


def test_old_orders_and_their_book_are_forgotten_a_few_at_a_time(village: Village) -> None:
    start = next_step(village, 7_200)
    for member in range(8):
        for n in range(ENERGY_ORDERS_PER_ACCOUNT_MAX):
            ok(village.member(member, order(village, start, f"{member} {n}")))
    kept = village.town.now_s
    village.town.now_s = start + ENERGY_ORDERS_KEPT_S
    assert kept < village.town.now_s
    village.town.idle()
    assert book(village, start) is not None
    village.town.idle(2)
    assert book(village, start) is None
    assert not list(records.ORDERS.scan(village.town.reader))
    assert not list(records.PLACED.scan(village.town.reader))


def test_a_sealed_order_opens_to_what_was_said_and_to_nothing_else() -> None:
    salt = bytes(range(32))
    said = commitments.SealedOrder(OP, 1_800, "cons_a", "bid", 120_000, 500)
    sealed = commitments.commit_order(said, salt)
    for other in (
        commitments.commit_order(said, bytes(32)),
        commitments.commit_order(replace(said, price_micro_eur=120_001), salt),
    ):
        assert other != sealed
    bid = commitments.open_order(said, "a", 0, sealed)
    offer = commitments.open_order(
        replace(said, side="offer", price_micro_eur=100_000, point="prod_b"), "b", 1, digest("o")
    )
    cleared = clear((bid, offer), k_halves=1)
    assert (cleared.volume_wh, cleared.price_micro_eur) == (500, 110_000)


def test_a_point_is_committed_with_a_salt_and_tagged_with_the_adapters_key() -> None:
    prm = "09876543210987"
    first = commitments.commit_point(prm, bytes(32))
    second = commitments.commit_point(prm, bytes(range(32)))
    assert first != second
    assert commitments.tag_point(prm, b"k" * 32) == commitments.tag_point(prm, b"k" * 32)
    assert commitments.tag_point(prm, b"k" * 32) != commitments.tag_point(prm, b"l" * 32)
    for wrong in ("9876543210987", "0987654321098a", "098765432109876"):
        assert commitments.commit_point(wrong, bytes(32)).code.name == "energy_point_malformed"
        assert commitments.tag_point(wrong, b"k" * 32).code.name == "energy_point_malformed"
