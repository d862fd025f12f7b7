"""Households: who may come, who may go, and whose points are in the pool."""

from typing import Any

import pytest

from chain.limits import LOYALTY_POOL_MEMBERS
from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty_schemas import (
    LoyaltyPoolInvite,
    LoyaltyPoolJoin,
    LoyaltyPoolLeave,
    LoyaltyPoolOpen,
    LoyaltyPoolWithdraw,
    LoyaltyTransfer,
)
from chain.town.schemas import Terms
from tests.town.loyalty.kit import DAY_S, LedgerTown, Phone, open_town, owner_key


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


@pytest.fixture
def home():
    """Ada's pool, which Bob has joined; 100 points of the baker in Ada's wallet."""
    town, tills = open_town("baker", "florist")
    town.add_programme("home", terms=Terms(transfers="household"), days=10)
    ada, bob = town.open_phone("ada"), town.open_phone("bob")
    pool = found(town, ada)
    assert say(town, ada, LoyaltyPoolInvite(pool, bob.account)) == "ok"
    assert say(town, bob, LoyaltyPoolJoin(pool)) == "ok"
    outcome = town.earn("baker", tills["baker"], ada.account, 10_000, programme="home")
    assert isinstance(outcome, Accepted)
    return town, tills, ada, bob, pool


def say(town: LedgerTown, phone: Phone, body: Any) -> str:
    return name(town.run(phone.account, body, phone.key))


def found(town: LedgerTown, phone: Phone) -> str:
    assert say(town, phone, LoyaltyPoolOpen()) == "ok"
    return town.last_ref


def points_of(town: LedgerTown, wallet: str) -> int:
    return sum(lot.left for lot in town.wallet(wallet).lots)


def test_a_members_code_draws_on_the_pool_and_a_refund_goes_back_there(home) -> None:
    town, tills, ada, bob, pool = home
    assert say(town, ada, LoyaltyTransfer(pool, "home", 60)) == "ok"
    code = bob.pay_code(town.time_s, shop="florist")
    spent = town.redeem("florist", tills["florist"], 50, code, "home")
    assert isinstance(spent, Accepted)
    assert [leg["wallet"] for leg in spent.data["taken"]] == [pool]
    assert (points_of(town, pool), points_of(town, bob.account)) == (10, 0)
    refund = town.reverse("florist", owner_key("florist"), town.last_ref, 50)
    assert name(refund) == "ok"
    assert points_of(town, pool) == 60


def test_points_in_the_pool_keep_name_issuer_and_life(home) -> None:
    town, _, ada, bob, pool = home
    (before,) = town.wallet(ada.account).lots
    assert say(town, ada, LoyaltyTransfer(pool, "home", 100)) == "ok"
    assert say(town, bob, LoyaltyPoolWithdraw(pool, "home", 100)) == "ok"
    (after,) = town.wallet(bob.account).lots
    assert after == before
    town.next_block(seconds=10 * DAY_S)
    assert town.wallet(bob.account).lots == ()


def test_outside_the_household_points_of_a_household_programme_stay(home) -> None:
    town, _, ada, _, pool = home
    carl = town.open_phone("carl")
    assert say(town, ada, LoyaltyTransfer(carl.account, "home", 1)) == "loyalty_not_transferable"
    assert say(town, carl, LoyaltyPoolWithdraw(pool, "home", 1)) == "loyalty_not_in_pool"
    assert say(town, carl, LoyaltyTransfer(pool, "home", 1)) == "loyalty_not_transferable"
    assert say(town, ada, LoyaltyTransfer(ada.account, "home", 1)) != "ok"
    assert say(town, ada, LoyaltyTransfer(pool, "town", 1)) == "loyalty_not_transferable"


def test_nobody_comes_uninvited_and_nobody_is_in_two_households(home) -> None:
    town, _, ada, bob, pool = home
    carl = town.open_phone("carl")
    assert say(town, carl, LoyaltyPoolJoin(pool)) == "loyalty_not_in_pool"
    assert say(town, bob, LoyaltyPoolInvite(pool, carl.account)) == "loyalty_not_in_pool"
    assert say(town, bob, LoyaltyPoolOpen()) == "loyalty_in_pool"
    other = found(town, carl)
    assert say(town, ada, LoyaltyPoolInvite(pool, carl.account)) == "ok"
    assert say(town, carl, LoyaltyPoolJoin(pool)) == "loyalty_in_pool"
    assert say(town, carl, LoyaltyPoolLeave(other, carl.account)) == "ok"
    assert say(town, carl, LoyaltyPoolJoin(pool)) == "ok"


def test_a_household_has_so_many_members(home) -> None:
    town, _, ada, _, pool = home
    guests = [town.open_phone(f"guest {n}") for n in range(LOYALTY_POOL_MEMBERS - 1)]
    said = [say(town, ada, LoyaltyPoolInvite(pool, guest.account)) for guest in guests]
    assert said == ["ok"] * (LOYALTY_POOL_MEMBERS - 2) + ["loyalty_pool_full"]


def test_who_was_sent_away_pays_no_more_out_of_the_pool(home) -> None:
    town, tills, ada, bob, pool = home
    assert say(town, ada, LoyaltyTransfer(pool, "home", 60)) == "ok"
    assert say(town, bob, LoyaltyPoolLeave(pool, ada.account)) == "tx_not_entitled"
    assert say(town, ada, LoyaltyPoolLeave(pool, bob.account)) == "ok"
    code = bob.pay_code(town.time_s, shop="florist")
    spent = town.redeem("florist", tills["florist"], 1, code, "home")
    assert name(spent) == "loyalty_overdraw"


def test_the_last_member_empties_the_pool_and_late_refunds_find_who_spent(home) -> None:
    town, tills, ada, bob, pool = home
    assert say(town, ada, LoyaltyTransfer(pool, "home", 60)) == "ok"
    code = bob.pay_code(town.time_s, shop="florist")
    town.redeem("florist", tills["florist"], 50, code, "home")
    spent = town.last_ref
    assert say(town, ada, LoyaltyPoolLeave(pool, ada.account)) == "ok"
    assert say(town, bob, LoyaltyPoolLeave(pool, bob.account)) == "loyalty_pool_not_empty"
    assert say(town, bob, LoyaltyPoolWithdraw(pool, "home", 10)) == "ok"
    assert say(town, bob, LoyaltyPoolLeave(pool, bob.account)) == "ok"
    assert name(town.reverse("florist", owner_key("florist"), spent, 50)) == "ok"
    assert (points_of(town, pool), points_of(town, bob.account)) == (0, 60)


def test_a_thief_with_a_till_hides_nothing_in_a_household(home) -> None:
    """Revocation takes back what lies in the pool of whoever was given it, and what still cools off."""
    town, tills, ada, _, pool = home
    town.add_programme("cool", terms=Terms(pending_days=3))
    town.earn("baker", tills["baker"], ada.account, 500, programme="cool")
    assert say(town, ada, LoyaltyTransfer(pool, "home", 60)) == "ok"
    outcome = town.revoke("baker", tills["baker"], town.time_s)
    assert isinstance(outcome, Accepted)
    assert sorted(swept["points"] for swept in outcome.data["reversed"]) == [5, 100]
    assert (points_of(town, pool), points_of(town, ada.account)) == (0, 0)
    town.next_block(seconds=3 * DAY_S)
    assert points_of(town, ada.account) == 0
