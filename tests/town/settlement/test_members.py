"""Shops that leave or fail, their reserve, and the figures the law limits."""

import pytest

from chain.town import params
from chain.town.schemas import SettlementReserve, SettlementStanding
from chain.town.settlement import guarantee, records
from chain.town.settlement.guarantee import circulation_by_issuer, split_by_weight
from chain.town.settlement.watch import WATCH_KIND
from tests.town.settlement.kit import (
    DAY_S,
    WEEK_S,
    by_operator,
    by_owner,
    digest,
    leg,
    legs,
    name,
    notes,
    open_street,
    spend,
    standing,
)

SHOPS = ("baker", "florist", "grocer")


@pytest.fixture
def street():
    town, tills = open_street(*SHOPS)
    return town, tills, town.open_phone("ada")


def close(town) -> None:
    town.next_block(seconds=1)
    town.next_block(seconds=WEEK_S)
    town.next_block(seconds=1)


def test_a_shop_that_leaves_neither_gives_nor_takes_and_its_points_stay_good(street) -> None:
    town, tills, phone = street
    assert name(town.earn("grocer", tills["grocer"], phone.account, 10_000)) == "ok"
    assert by_owner(town, "grocer", SettlementStanding("grocer", "leaving")) == "ok"
    assert name(town.earn("grocer", tills["grocer"], phone.account, 500)) == (
        "settlement_shop_suspended"
    )
    code = phone.pay_code(town.time_s, shop="grocer")
    assert name(town.redeem("grocer", tills["grocer"], 5, code)) == "settlement_shop_left"
    code = phone.pay_code(town.time_s, shop="baker")
    assert name(town.redeem("baker", tills["baker"], 100, code)) == "ok"
    close(town)
    assert legs(town) == [("grocer", "baker", 100)]  # it goes on owing for what it gave


def test_an_owner_may_leave_only_itself_and_only_an_operator_takes_a_shop_back(street) -> None:
    town, *_ = street
    assert by_owner(town, "baker", SettlementStanding("grocer", "leaving")) == (
        "settlement_not_party"
    )
    assert by_owner(town, "baker", SettlementStanding("baker", "failed")) == "tx_not_entitled"
    assert by_owner(town, "baker", SettlementStanding("baker", "leaving")) == "ok"
    assert by_owner(town, "baker", SettlementStanding("baker", "active")) == "tx_not_entitled"
    assert by_operator(town, SettlementStanding("nobody", "failed")) == "loyalty_unknown_shop"
    assert by_operator(town, SettlementStanding("baker", "leaving")) == "settlement_already_said"
    assert by_operator(town, SettlementStanding("baker", "active")) == "ok"


def test_the_reserve_of_a_failed_shop_pays_first_then_all_issuers_by_their_circulation(
    street,
) -> None:
    town, tills, phone = street
    assert by_operator(town, SettlementReserve("grocer", 100, digest("bank"))) == "ok"
    spend(town, tills, phone, "grocer", "baker", 400)
    for shop, points in (("baker", 100), ("florist", 200)):
        town.earn(shop, tills[shop], phone.account, points * 100)
    assert by_operator(town, SettlementStanding("grocer", "failed")) == "ok"
    close(town)
    # 400 owed: 100 from the reserve, the other 300 shared 100 : 200; the baker's own share lessens its claim.
    assert legs(town) == [("florist", "baker", 200), (records.RESERVE, "baker", 100)]
    assert standing(town, "grocer").used_millicents == 100_000
    (closed,) = notes(town, "settlement.close")
    assert closed["guarantee"] == [
        {
            "shop": "grocer",
            "reserve_millicents": 100_000,
            "shared": [["baker", 100_000], ["florist", 200_000]],
        }
    ]


def test_the_owner_of_a_failed_shop_does_not_undo_the_failure_by_leaving(street) -> None:
    """Else its reserve would be out of reach, and whoever took its points left alone with the loss."""
    town, tills, phone = street
    assert by_operator(town, SettlementReserve("grocer", 400, digest("bank"))) == "ok"
    spend(town, tills, phone, "grocer", "baker", 400)
    assert by_operator(town, SettlementStanding("grocer", "failed")) == "ok"
    assert by_owner(town, "grocer", SettlementStanding("grocer", "leaving")) == "tx_not_entitled"
    close(town)
    assert legs(town) == [(records.RESERVE, "baker", 400)]
    assert by_operator(town, SettlementStanding("grocer", "leaving")) == "ok"


def test_a_reserve_is_used_once(street) -> None:
    town, tills, phone = street
    assert by_operator(town, SettlementReserve("grocer", 100, digest("bank"))) == "ok"
    town.earn("grocer", tills["grocer"], phone.account, 20_000)
    town.next_block(seconds=60)  # the grocer's points are spent first
    town.earn("florist", tills["florist"], phone.account, 20_000)
    assert by_operator(town, SettlementStanding("grocer", "failed")) == "ok"
    for epoch, paid_by in ((1, records.RESERVE), (2, "florist")):
        till = town.add_till("baker", f"of week {epoch}")
        code = phone.pay_code(town.time_s, shop="baker")
        assert name(town.redeem("baker", till, 100, code)) == "ok"
        close(town)
        assert legs(town, epoch) == [(paid_by, "baker", 100)]


def test_the_journal_calls_no_leg_overdue_that_the_state_does_not(street) -> None:
    """Whoever follows the journal alone would else show the association's own payment as overdue for ever."""
    town, tills, phone = street
    assert by_operator(town, SettlementReserve("grocer", 100, digest("bank"))) == "ok"
    spend(town, tills, phone, "grocer", "baker", 400)
    town.earn("florist", tills["florist"], phone.account, 10_000)
    assert by_operator(town, SettlementStanding("grocer", "failed")) == "ok"
    close(town)
    assert legs(town) == [("florist", "baker", 300), (records.RESERVE, "baker", 100)]
    town.next_block(seconds=14 * DAY_S)
    (late,) = notes(town, "settlement.overdue")
    assert late["legs"] == [[0, "florist", "baker", 300]]
    assert [leg(town, index).is_overdue for index in range(2)] == [True, False]


def test_what_circulates_is_read_once_however_many_shops_failed_and_not_when_none_did(
    street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a scan of every issuer's totals, at the end of one block."""
    town, tills, phone = street
    read = []

    def count(state):
        read.append(state)
        return circulation_by_issuer(state)

    monkeypatch.setattr(guarantee, "circulation_by_issuer", count)
    spend(town, tills, phone, "grocer", "baker", 10)
    close(town)
    assert len(read) == 0
    for shop in ("grocer", "florist"):
        tills[shop], tills["baker"] = town.add_till(shop, "new"), town.add_till("baker", shop)
        spend(town, tills, phone, shop, "baker", 20)
        assert by_operator(town, SettlementStanding(shop, "failed")) == "ok"
    town.earn("baker", tills["baker"], phone.account, 10_000)
    close(town)
    assert len(read) == 1
    (_, closed) = notes(town, "settlement.close")
    assert [line["shop"] for line in closed["guarantee"]] == ["florist", "grocer"]


def test_a_debt_that_nobody_can_share_stays_with_the_failed_shop(street) -> None:
    town, tills, phone = street
    spend(town, tills, phone, "grocer", "baker", 50)
    assert by_operator(town, SettlementStanding("grocer", "failed")) == "ok"
    close(town)
    assert legs(town) == [("grocer", "baker", 50)]


def test_shares_add_up_and_follow_the_weights() -> None:
    assert split_by_weight(100, {"a": 1, "b": 1, "c": 1}) == {"a": 34, "b": 33, "c": 33}
    assert split_by_weight(7, {"a": 5, "b": 2}) == {"a": 5, "b": 2}
    for amount in range(50):
        assert sum(split_by_weight(amount, {"a": 7, "b": 11, "c": 3}).values()) == amount


def test_after_each_batch_the_town_learns_what_circulates_and_whose_reserve_is_short(
    street,
) -> None:
    town, tills, phone = street
    assert by_operator(town, SettlementReserve("grocer", 59, digest("bank"))) == "ok"
    assert by_operator(town, SettlementReserve("baker", 30, digest("bank"))) == "ok"
    spend(town, tills, phone, "grocer", "baker", 10)
    town.earn("grocer", tills["grocer"], phone.account, 20_000)
    town.earn("baker", tills["baker"], phone.account, 10_000)
    close(town)
    (watch,) = notes(town, WATCH_KIND)
    assert watch["circulation_millicents"] == 300_000
    assert watch["year_millicents"] == 10_000
    assert watch["short"] == [["grocer", 60, 59]]
    assert watch["is_alarmed"] is False


@pytest.mark.parametrize(("earned_cents", "is_alarmed"), [(69_900, False), (70_000, True)])
def test_the_alarm_comes_at_seventy_percent_of_the_threshold(
    street, earned_cents: int, is_alarmed: bool
) -> None:
    town, tills, phone = street
    params.put_param(town.state, params.SETTLEMENT_THRESHOLD_CENTS, 1_000)
    spend(town, tills, phone, "grocer", "baker", 1)
    town.earn("grocer", tills["grocer"], phone.account, earned_cents)
    close(town)
    (watch,) = notes(town, WATCH_KIND)
    assert watch["is_alarmed"] is is_alarmed


def test_what_is_spent_in_a_year_alarms_too(street) -> None:
    town, tills, phone = street
    params.put_param(town.state, params.SETTLEMENT_THRESHOLD_CENTS, 100)
    for _ in range(7):
        spend(town, tills, phone, "baker", "baker", 10)
    close(town)
    (watch,) = notes(town, WATCH_KIND)
    assert (watch["circulation_millicents"], watch["year_millicents"]) == (0, 70_000)
    assert watch["is_alarmed"] is True


def test_totals_are_counted_in_bounded_steps(street, monkeypatch: pytest.MonkeyPatch) -> None:
    town, tills, phone = street
    monkeypatch.setattr("chain.town.settlement.watch.SETTLEMENT_TOTALS_PER_STEP", 1)
    for shop in SHOPS:
        town.earn(shop, tills[shop], phone.account, 10_000)
    spend(town, tills, phone, "grocer", "baker", 10)
    close(town)
    assert not notes(town, WATCH_KIND)
    for _ in range(3):
        town.next_block(seconds=1)
    (watch,) = notes(town, WATCH_KIND)
    assert watch["circulation_millicents"] == 300_000
    assert standing(town, "florist").value_millicents == 100_000
