"""Refunds and take-backs: who may, until when, how much, to which lots, and what is owed after."""

import pytest

from chain.limits import LOYALTY_LEGS
from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty.books import get_totals
from chain.town.loyalty.records import EARNS, OBLIGATIONS, joined_id
from tests.town.loyalty.kit import DAY_S, fill, open_town, owner_key


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


@pytest.fixture
def street():
    """Three shops; the citizen holds 30 points of the baker, then 20 of the grocer, 10 s apart."""
    town, tills = open_town("baker", "grocer", "florist")
    phone = town.open_phone("ada")
    town.earn("baker", tills["baker"], phone.account, 3_000)
    town.next_block(seconds=10)
    town.earn("grocer", tills["grocer"], phone.account, 2_000)
    town.next_block(seconds=10)
    return town, tills, phone


def spend(street, points: int, shop: str = "florist") -> str:
    town, tills, phone = street
    outcome = town.redeem(shop, tills[shop], points, phone.pay_code(town.time_s, shop=shop))
    assert isinstance(outcome, Accepted), outcome
    return town.last_ref


def left(street) -> list[tuple[str, int]]:
    town, _, phone = street
    return [(lot.issuer, lot.left) for lot in town.wallet(phone.account).lots]


def owes(street, issuer: str, redeemer: str) -> int:
    held = OBLIGATIONS.get(street[0].state, joined_id("town", issuer, redeemer))
    return held.points if held else 0


def test_a_redemption_says_which_lots_it_took_and_what_shops_owe(street) -> None:
    town, tills, phone = street
    lots = town.wallet(phone.account).lots
    outcome = town.redeem(
        "florist", tills["florist"], 35, phone.pay_code(town.time_s, shop="florist")
    )
    assert outcome.data == {
        "account": phone.account,
        "programme": "town",
        "shop": "florist",
        "till": tills["florist"].kid,
        "points": 35,
        "counter": 1,
        "taken": [
            {"lot": lots[0].lot, "issuer": "baker", "version": 1, "points": 30},
            {"lot": lots[1].lot, "issuer": "grocer", "version": 1, "points": 5},
        ],
        "entries": [
            ["RED:florist", "baker", 30],
            [f"USR:{phone.account}", "baker", -30],
            ["RED:florist", "grocer", 5],
            [f"USR:{phone.account}", "grocer", -5],
        ],
    }
    assert (owes(street, "baker", "florist"), owes(street, "grocer", "florist")) == (30, 5)


def test_points_spent_where_they_came_from_oblige_nobody(street) -> None:
    spend(street, 30, "baker")
    assert owes(street, "baker", "baker") == 0


def test_partial_refunds_go_back_to_the_lots_in_reverse_order(street) -> None:
    town, _, phone = street
    whole = town.wallet(phone.account).lots
    ref = spend(street, 45)
    assert left(street) == [("grocer", 5)]
    assert name(town.reverse("florist", owner_key("florist"), ref, 20)) == "ok"
    assert left(street) == [("baker", 5), ("grocer", 20)]
    assert name(town.reverse("florist", owner_key("florist"), ref, 25)) == "ok"
    assert town.wallet(phone.account).lots == whole
    assert (owes(street, "baker", "florist"), owes(street, "grocer", "florist")) == (0, 0)


def test_no_more_is_refunded_than_was_spent(street) -> None:
    town, _, _ = street
    ref = spend(street, 10)
    owner = owner_key("florist")
    assert name(town.reverse("florist", owner, ref, 11)) == "loyalty_reversal_exceeds"
    assert name(town.reverse("florist", owner, ref, 10)) == "ok"
    assert name(town.reverse("florist", owner, ref, 1)) == "loyalty_reversal_exceeds"


def test_a_till_undoes_its_own_operation_for_five_minutes(street) -> None:
    town, tills, _ = street
    second = town.add_till("florist", "2")
    ref = spend(street, 10)
    assert name(town.reverse("florist", second, ref, 1)) == "loyalty_reversal_late"
    town.next_block(seconds=300)
    assert name(town.reverse("florist", tills["florist"], ref, 1)) == "ok"
    town.next_block(seconds=1)
    assert name(town.reverse("florist", tills["florist"], ref, 1)) == "loyalty_reversal_late"
    assert name(town.reverse("florist", owner_key("florist"), ref, 1)) == "ok"


def test_another_shop_sees_no_such_operation(street) -> None:
    town, _, _ = street
    ref = spend(street, 10)
    outcome = town.reverse("baker", owner_key("baker"), ref, 1)
    assert name(outcome) == "loyalty_unknown_reference"
    outcome = town.reverse("baker", owner_key("baker"), fill("nothing", 32), 1)
    assert name(outcome) == "loyalty_unknown_reference"


def test_a_reversal_cannot_itself_be_reversed(street) -> None:
    town, _, _ = street
    ref = spend(street, 10)
    owner = owner_key("florist")
    town.reverse("florist", owner, ref, 10)
    assert name(town.reverse("florist", owner, town.last_ref, 1)) == "loyalty_unknown_reference"


def test_a_late_refund_makes_lots_of_grace_with_the_same_issuer(street) -> None:
    town, _, phone = street
    ref = spend(street, 45)
    town.next_block(seconds=365 * DAY_S)
    outcome = town.reverse("florist", owner_key("florist"), ref, 40)
    assert outcome.data["returned"] == []
    created = outcome.data["created"]
    assert [(lot["issuer"], lot["points"]) for lot in created] == [("grocer", 15), ("baker", 25)]
    assert {lot["expires"] for lot in created} == {town.time_s + 30 * DAY_S}
    assert sum(lot.left for lot in town.wallet(phone.account).lots) == 40
    town.next_block(seconds=30 * DAY_S)
    assert town.wallet(phone.account).lots == ()
    assert get_totals(town.state, "town", "baker").expired == 25


def test_taking_back_an_earn_takes_its_own_lot_first(street) -> None:
    town, tills, phone = street
    town.earn("baker", tills["baker"], phone.account, 1_000)
    outcome = town.reverse("baker", owner_key("baker"), town.last_ref, 10)
    assert outcome.data["debt_added"] == 0
    assert left(street) == [("baker", 30), ("grocer", 20)]


def test_then_other_lots_of_the_same_shop_and_never_another_shops(street) -> None:
    town, tills, phone = street
    town.earn("baker", tills["baker"], phone.account, 1_000)
    second = town.last_ref
    spend(street, 55)  # 30 of the baker's first lot, 20 of the grocer's, 5 of the second
    assert left(street) == [("baker", 5)]
    town.earn("grocer", tills["grocer"], phone.account, 900)
    town.earn("baker", tills["baker"], phone.account, 300)
    outcome = town.reverse("baker", owner_key("baker"), second, 10)
    assert [leg["points"] for leg in outcome.data["taken"]] == [5, 3]
    assert (outcome.data["debt_added"], outcome.data["debt"]) == (2, 2)
    assert left(street) == [("grocer", 9)]
    assert get_totals(town.state, "town", "baker").owed == 2


def test_points_that_expired_unspent_are_not_owed(street) -> None:
    town, tills, phone = street
    town.earn("baker", tills["baker"], phone.account, 1_000)
    gift = town.last_ref
    spend(street, 54)  # all the rest, and 4 of this gift
    town.next_block(seconds=365 * DAY_S)
    outcome = town.reverse("baker", owner_key("baker"), gift, 10)
    assert (outcome.data["forgiven"], outcome.data["debt"]) == (6, 4)


def test_expired_points_not_yet_collected_are_forgiven_once(street) -> None:
    town, tills, phone = street
    town.earn("baker", tills["baker"], phone.account, 1_000)
    gift = town.last_ref
    spend(street, 54)
    town.next_block(seconds=365 * DAY_S, due_max=0)
    owner = owner_key("baker")
    assert town.reverse("baker", owner, gift, 5).data["forgiven"] == 5
    town.next_block(seconds=1)
    assert town.reverse("baker", owner, gift, 5).data["forgiven"] == 1
    assert [debt.points for debt in town.wallet(phone.account).debts] == [4]


@pytest.mark.parametrize("spent_first", [False, True])
@pytest.mark.parametrize("refunded_first", [False, True])
def test_buy_earn_return_and_keep_nets_zero(street, spent_first, refunded_first) -> None:
    """The exploit of Odoo (odoo PR 257854) in each order of its steps."""
    town, tills, phone = street
    town.earn("florist", tills["florist"], phone.account, 2_500)
    gift = town.last_ref
    reversals = [("florist", gift, 25)]
    if spent_first:
        refund = ("baker", spend(street, 75, "baker"), 75)
        reversals = [refund, *reversals] if refunded_first else [*reversals, refund]
    for shop, ref, points in reversals:
        assert name(town.reverse(shop, owner_key(shop), ref, points)) == "ok"
    debts = sum(debt.points for debt in town.wallet(phone.account).debts)
    assert sum(points for _, points in left(street)) - debts == 50


def test_lots_of_grace_beyond_the_bound_are_taken_as_others_of_their_issuer(monkeypatch) -> None:
    monkeypatch.setattr("chain.town.loyalty.returning.LOYALTY_GRACES", 1)
    town, tills = open_town("baker", "florist")
    town.add_programme("fair", days=2)
    phone = town.open_phone("ada")
    town.earn("baker", tills["baker"], phone.account, 1_000, programme="fair")
    gift = town.last_ref
    code = phone.pay_code(town.time_s, shop="florist")
    town.redeem("florist", tills["florist"], 10, code, "fair")
    spent = town.last_ref
    town.next_block(seconds=3 * DAY_S)
    for points in (4, 3, 3):
        outcome = town.reverse("florist", owner_key("florist"), spent, points)
        assert isinstance(outcome, Accepted)
    assert [lot.left for lot in town.wallet(phone.account).lots if lot.grace] == [4]
    assert EARNS.get(town.state, gift.encode()).graces == 1
    assert isinstance(town.reverse("baker", owner_key("baker"), gift, 10), Accepted)
    assert town.wallet(phone.account).lots == ()
    assert town.wallet(phone.account).debts == ()


def test_what_lies_in_too_many_lots_is_spent_and_refunded_in_parts() -> None:
    town, tills = open_town("baker")
    till, phone = tills["baker"], town.open_phone("ada")
    for _ in range(LOYALTY_LEGS + 1):
        assert isinstance(town.earn("baker", till, phone.account, 100), Accepted)

    def pay(points: int) -> str:
        code = phone.pay_code(town.time_s, shop="baker")
        return name(town.redeem("baker", till, points, code))

    assert pay(LOYALTY_LEGS + 1) == "loyalty_too_many_lots"
    assert len(town.wallet(phone.account).lots) == LOYALTY_LEGS + 1
    assert pay(LOYALTY_LEGS) == "ok"
    spent = town.last_ref
    assert (pay(2), pay(1)) == ("loyalty_overdraw", "ok")
    assert name(town.reverse("baker", owner_key("baker"), spent, LOYALTY_LEGS)) == "ok"
    assert len(town.wallet(phone.account).lots) == LOYALTY_LEGS


def test_an_earn_whose_points_lie_in_too_many_lots_is_reversed_in_parts() -> None:
    """No point that is there becomes a debt because looking for it took too long."""
    town, tills = open_town("baker")
    till, phone = tills["baker"], town.open_phone("ada")
    town.earn("baker", till, phone.account, 20_000)
    gift = town.last_ref
    town.redeem("baker", till, 200, phone.pay_code(town.time_s, shop="baker"))
    for _ in range(200):
        town.earn("baker", till, phone.account, 100)
    owner = owner_key("baker")
    assert name(town.reverse("baker", owner, gift, 200)) == "loyalty_too_many_lots"
    assert [name(town.reverse("baker", owner, gift, 100)) for _ in range(2)] == ["ok", "ok"]
    assert town.wallet(phone.account).lots == ()
    assert town.wallet(phone.account).debts == ()
