"""Holds: points set aside, captured once and in part, given back by word or by time."""

from typing import Any

import pytest

from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty import records
from chain.town.loyalty.books import get_totals
from chain.town.loyalty_schemas import LoyaltyCapture, LoyaltyHold, LoyaltyRelease
from chain.town.settlement.records import STANDINGS, StandingRecord
from tests.town.loyalty.kit import DAY_S, open_town, owner_key


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


@pytest.fixture
def held():
    """30 of Ada's 50 points (of the florist, good for two days) are set aside for the baker, for four days."""
    town, tills = open_town("baker", "florist")
    town.add_programme("fair", days=2)
    ada = town.open_phone("ada")
    town.earn("florist", tills["florist"], ada.account, 5_000, programme="fair")
    outcome = hold(town, tills, ada, 30, 4 * DAY_S)
    assert isinstance(outcome, Accepted), outcome
    return town, tills, ada, town.last_ref


def hold(town: Any, tills: Any, phone: Any, points: int, life_s: int) -> Outcome:
    code = phone.pay_code(town.time_s, shop="baker")
    body = LoyaltyHold("fair", points, code, town.time_s + life_s)
    return town.run("shop:baker", body, tills["baker"])


def capture(town: Any, ref: str, points: int, shop: str = "baker") -> Outcome:
    return town.run(f"shop:{shop}", LoyaltyCapture(ref, points), owner_key(shop))


def left(town: Any, phone: Any) -> int:
    return sum(lot.left for lot in town.wallet(phone.account).lots)


def due(town: Any) -> int:
    record = records.OBLIGATIONS.get(town.state, records.joined_id("fair", "florist", "baker"))
    return record.points if record else 0


def test_held_points_are_neither_in_the_wallet_nor_spent(held) -> None:
    town, _, ada, _ = held
    totals = get_totals(town.state, "fair", "florist")
    assert (left(town, ada), totals.held, totals.redeemed, due(town)) == (20, 30, 0, 0)


def test_a_capture_takes_at_most_what_is_held_and_the_rest_goes_back(held) -> None:
    town, _, ada, ref = held
    assert name(capture(town, ref, 31)) == "loyalty_capture_exceeds"
    assert name(capture(town, ref, 12, "florist")) == "loyalty_unknown_reference"
    assert name(capture(town, ref, 12)) == "ok"
    spent = town.last_ref
    totals = get_totals(town.state, "fair", "florist")
    assert (left(town, ada), totals.held, totals.redeemed, due(town)) == (38, 0, 12, 12)
    assert name(capture(town, ref, 1)) == "loyalty_hold_ended"
    release = town.run("shop:baker", LoyaltyRelease(ref), owner_key("baker"))
    assert name(release) == "loyalty_hold_ended"
    assert name(town.reverse("baker", owner_key("baker"), spent, 12)) == "ok"
    assert (left(town, ada), due(town)) == (50, 0)


def test_a_hold_outlives_its_lot_and_may_still_be_captured(held) -> None:
    town, _, ada, ref = held
    town.next_block(seconds=3 * DAY_S)
    assert left(town, ada) == 0
    outcome = capture(town, ref, 12)
    assert isinstance(outcome, Accepted)
    assert [leg["points"] for leg in outcome.data["expired"]] == [18]
    totals = get_totals(town.state, "fair", "florist")
    assert (left(town, ada), totals.redeemed, totals.expired, totals.held) == (0, 12, 38, 0)


def test_nobody_captures_after_the_time_and_the_block_gives_back(held) -> None:
    town, _, ada, ref = held
    town.next_block(seconds=4 * DAY_S, due_max=0)
    assert name(capture(town, ref, 1)) == "loyalty_hold_ended"
    town.next_block(seconds=1)
    notes = [note for note in town.journal if note["kind"] == "loyalty.hold"]
    assert [(note["hold"], note["points"]) for note in notes] == [(ref, 30)]
    totals = get_totals(town.state, "fair", "florist")
    assert (left(town, ada), totals.expired, totals.held) == (0, 50, 0)


def test_a_release_in_time_restores_the_very_lot(held) -> None:
    town, _, ada, ref = held
    assert name(town.run("shop:baker", LoyaltyRelease(ref), owner_key("baker"))) == "ok"
    (lot,) = town.wallet(ada.account).lots
    assert (lot.left, lot.points) == (50, 50)
    town.next_block(seconds=DAY_S)
    assert [note["kind"] for note in town.journal] == []


@pytest.mark.parametrize("life_s", [0, 8 * DAY_S])
def test_a_hold_has_an_end_and_it_is_near(held, life_s) -> None:
    town, tills, ada, _ = held
    assert name(hold(town, tills, ada, 1, life_s)) == "tx_body_invalid"


def test_a_code_pays_or_holds_once(held) -> None:
    town, tills, ada, _ = held
    code = ada.pay_code(town.time_s, shop="baker")
    body = LoyaltyHold("fair", 5, code, town.time_s + 60)
    assert name(town.run("shop:baker", body, tills["baker"])) == "ok"
    assert name(town.redeem("baker", tills["baker"], 5, code, "fair")) == "qr_replayed"


@pytest.mark.parametrize("status", ["leaving", "failed"])
def test_a_shop_that_left_or_failed_captures_nothing_and_gives_back(held, status: str) -> None:
    town, tills, phone, ref = held
    STANDINGS.put(town.state, b"baker", StandingRecord(status=status))
    assert name(capture(town, ref, 10)) == "settlement_shop_left"
    assert name(town.run("shop:baker", LoyaltyRelease(ref), tills["baker"])) == "ok"
    assert (left(town, phone), due(town)) == (50, 0)
