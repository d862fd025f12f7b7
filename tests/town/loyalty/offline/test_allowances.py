"""Allowances: locked on chain, off by default, paid to shops as a set, and given back by time alone."""

from itertools import permutations

import pytest

from chain.town import params
from chain.town.accounts import get_account
from chain.town.context import Accepted
from chain.town.loyalty import records
from chain.town.loyalty.books import get_totals
from chain.town.loyalty.offline.records import ALLOWANCES, CLAIMS, RUNNING
from chain.town.loyalty_offline_schemas import LoyaltyAllowance, LoyaltyOfflineKey
from chain.town.loyalty_schemas import LoyaltyPoolOpen, LoyaltyTransfer
from chain.town.params import get_all_params, unsafe_values
from chain.town.settlement.records import DEBTS
from tests.town.loyalty.kit import OPERATOR, LedgerTown, make_key, open_town, owner_key
from tests.town.loyalty.offline.kit import (
    A_POINTS,
    CLAIM_S,
    LIFE_S,
    claim,
    close,
    dump,
    lock,
    name,
    name_of,
    open_purse,
    pay,
    switch_on,
)

SHOPS = ("baker", "florist", "grocer")


@pytest.fixture
def street():
    """Three shops; ada has 30 points of the baker; payments without a network are on."""
    return open_street()


def open_street():
    town, tills = open_town(*SHOPS)
    ada = town.open_phone("ada")
    town.earn("baker", tills["baker"], ada.account, 3_000)
    switch_on(town)
    return town, tills, ada


def points_of(town: LedgerTown, account: str) -> int:
    return sum(lot.left for lot in town.wallet(account).lots)


# --- the lock ----------------------------------------------------------------------------------


def test_nobody_pays_without_a_network_until_the_council_says_so() -> None:
    town, tills = open_town("baker")
    ada = town.open_phone("ada")
    town.earn("baker", tills["baker"], ada.account, 3_000)
    assert get_all_params(town.state)["loyalty_offline_points"] == 0
    assert "loyalty_offline_points" not in unsafe_values(get_all_params(town.state))
    assert name(lock(town, ada)) == "loyalty_offline_off"
    switch_on(town)
    params.put_param(town.state, params.LOYALTY_OFFLINE_POINTS, 0)
    before = dump(town)
    assert name(lock(town, ada)) == "loyalty_offline_off"
    assert dump(town) == before


def test_a_programme_without_a_key_of_its_own_is_off(street) -> None:
    town, tills, ada = street
    town.add_programme("fair")
    town.earn("baker", tills["baker"], ada.account, 3_000, programme="fair")
    assert name(lock(town, ada, programme="fair")) == "loyalty_offline_off"


def test_only_the_programmes_operator_names_its_key(street) -> None:
    town, _, _ = street
    body = LoyaltyOfflineKey("town", "A" * 43)
    assert name(town.run("body:mairie", body, make_key("operator"))) == "tx_not_entitled"
    body = LoyaltyOfflineKey("other", "A" * 43)
    assert name(town.run(OPERATOR, body, make_key("operator"))) == "loyalty_unknown_programme"


def test_an_allowance_locks_points_and_says_all_that_its_certificate_will(street) -> None:
    town, _, ada = street
    outcome = lock(town, ada)
    assert isinstance(outcome, Accepted)
    record = ALLOWANCES.get(town.state, outcome.data["allowance"].encode())
    assert record is not None
    certificate = record.certificate()
    assert (certificate.cap_total, certificate.cap_per_tx) == (20, 10)
    assert (certificate.iat, certificate.expires_s) == (town.time_s, town.time_s + LIFE_S)
    assert certificate.device_key == ada.key.public_key.raw
    assert points_of(town, ada.account) == 10
    totals = get_totals(town.state, "town", "baker")
    assert (totals.minted, totals.held) == (30, 20)


@pytest.mark.parametrize(("points", "code"), [(21, "loyalty_offline_limit"), (20, "ok")])
def test_no_allowance_is_larger_than_the_town_allows(street, points: int, code: str) -> None:
    town, _, ada = street
    assert name(lock(town, ada, points)) == code


def test_nobody_locks_what_is_not_there(street) -> None:
    town, tills, ada = street
    town.redeem("baker", tills["baker"], 15, ada.pay_code(town.time_s, shop="baker"))
    before = dump(town)
    assert name(lock(town, ada)) == "loyalty_overdraw"
    assert dump(town) == before


def test_an_account_has_one_running_allowance_and_a_new_one_when_it_ends(street) -> None:
    town, _tills, ada = street
    open_purse(town, ada, 5)
    town.next_block(seconds=LIFE_S - 1)
    assert name(lock(town, ada, 5)) == "loyalty_offline_runs"
    town.next_block(seconds=1)
    assert name(lock(town, ada, 5)) == "ok"
    assert len(list(RUNNING.scan(town.state))) == 2


def test_what_is_locked_pays_nothing_online_meanwhile(street) -> None:
    town, tills, ada = street
    open_purse(town, ada)
    code = ada.pay_code(town.time_s, shop="baker")
    assert name(town.redeem("baker", tills["baker"], 11, code)) == "loyalty_overdraw"
    assert name(town.redeem("baker", tills["baker"], 10, code)) == "ok"


def test_an_allowance_nobody_claimed_of_comes_back_whole_and_not_before_its_time(street) -> None:
    town, _, ada = street
    before = town.wallet(ada.account).lots
    open_purse(town, ada)
    town.next_block(seconds=LIFE_S + CLAIM_S - 1)
    assert points_of(town, ada.account) == 10
    town.next_block(seconds=1)
    assert town.wallet(ada.account).lots == before
    assert not list(RUNNING.scan(town.state))


def test_locked_points_do_not_expire_before_the_lock_ends_and_do_then() -> None:
    """As in a hold: an offline payment of points that were good when it was made is good."""
    town, tills = open_town("baker")
    town.add_programme("short", days=2)
    ada = town.open_phone("ada")
    town.earn("baker", tills["baker"], ada.account, 2_000, programme="short")
    switch_on(town, "short")
    purse = open_purse(town, ada, programme="short")
    assert name(claim(town, tills["baker"], pay(purse, ada, 8))) == "ok"
    note = close(town)
    assert [line["points"] for line in note["paid"]] == [8]
    assert [leg["points"] for leg in note["expired"]] == [12]
    assert points_of(town, ada.account) == 0
    totals = get_totals(town.state, "short", "baker")
    assert (totals.redeemed, totals.expired, totals.held) == (8, 12, 0)


# --- what shops get ----------------------------------------------------------------------------


def test_claims_are_paid_from_the_lock_and_the_rest_goes_back(street) -> None:
    town, tills, ada = street
    purse = open_purse(town, ada)
    for counter, (shop, points) in enumerate((("florist", 7), ("grocer", 4), ("florist", 2)), 1):
        code = pay(purse, ada, points, shop=shop, counter=counter)
        assert name(claim(town, tills[shop], code, shop=shop)) == "ok"
    assert get_totals(town.state, "town", "baker").redeemed == 0
    note = close(town)
    assert [(line["shop"], line["claimed"], line["points"]) for line in note["paid"]] == [
        ("florist", 9, 9),
        ("grocer", 4, 4),
    ]
    assert note["unfunded"] == 0
    assert points_of(town, ada.account) == 17
    assert get_account(town.state, ada.account).status == "open"
    assert not list(CLAIMS.scan(town.state))


def test_obligations_between_shops_arise_as_from_any_spend(street) -> None:
    """The baker, whose points they are, owes the florist; and a refund takes it back."""
    town, tills, ada = street
    purse = open_purse(town, ada)
    claim(town, tills["florist"], pay(purse, ada, 9, shop="florist"), shop="florist")
    (line,) = close(town)["paid"]
    due = records.OBLIGATIONS.get(town.state, b"town/baker/florist")
    assert (due.points, due.value_millicents) == (9, 9_000)
    assert [debt.millicents for _, debt in DEBTS.scan(town.state)] == [9_000]
    refund = town.reverse("florist", owner_key("florist"), line["ref"], 4)
    assert name(refund) == "ok"
    assert records.OBLIGATIONS.get(town.state, b"town/baker/florist").points == 5
    assert points_of(town, ada.account) == 25
    assert name(town.reverse("florist", owner_key("florist"), line["ref"], 6)) == (
        "loyalty_reversal_exceeds"
    )


def test_too_many_claims_share_the_lock_in_proportion(street) -> None:
    """The phone was copied: three shops took 10 each out of 20; two thirds of it are there."""
    town, tills, ada = street
    purse = open_purse(town, ada)
    for counter, shop in enumerate(SHOPS, 1):
        code = pay(purse, ada, 10, shop=shop, counter=counter)
        assert name(claim(town, tills[shop], code, shop=shop)) == "ok"
    note = close(town)
    assert [line["points"] for line in note["paid"]] == [7, 7, 6]
    assert (note["claimed"], note["unfunded"]) == (30, 10)
    assert points_of(town, ada.account) == 10
    assert get_account(town.state, ada.account).status == "frozen"


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_claims_changes_nothing(order: tuple[int, ...]) -> None:
    assert _settle(order) == _settle((0, 1, 2, 3))


def _settle(order: tuple[int, ...]) -> tuple[object, ...]:
    town, tills, ada = open_street()
    purse = open_purse(town, ada)
    sales = [("baker", 10, 1), ("florist", 9, 2), ("grocer", 8, 3), ("florist", 1, 4)]
    for index in order:
        shop, points, counter = sales[index]
        code = pay(purse, ada, points, shop=shop, counter=counter)
        assert name(claim(town, tills[shop], code, shop=shop)) == "ok"
    note = close(town)
    spends = [(record_id, record) for record_id, record in records.SPENDS.scan(town.state)]
    debts = [(record_id, debt) for record_id, debt in DEBTS.scan(town.state)]
    return note, spends, debts, town.wallet(ada.account), get_totals(town.state, "town", "baker")


# --- switching off -----------------------------------------------------------------------------


def test_switched_off_no_allowance_is_given_and_those_given_are_honoured(street) -> None:
    town, tills, ada = street
    purse = open_purse(town, ada)
    params.put_param(town.state, params.LOYALTY_OFFLINE_POINTS, 0)
    assert name(claim(town, tills["baker"], pay(purse, ada, 5))) == "ok"
    assert [line["points"] for line in close(town)["paid"]] == [5]
    assert name(lock(town, ada)) == "loyalty_offline_off"


def test_a_new_key_of_the_programme_leaves_open_allowances_as_they_are(street) -> None:
    town, tills, ada = street
    purse = open_purse(town, ada)
    body = LoyaltyOfflineKey("town", "A" * 43)
    assert name(town.run(OPERATOR, body, make_key("operator"))) == "ok"
    assert name(claim(town, tills["baker"], pay(purse, ada, 5))) == "ok"
    record = ALLOWANCES.get(town.state, name_of(purse).encode())
    assert record is not None
    assert record.issuer_key != "A" * 43


def test_a_household_is_never_locked(street) -> None:
    """An allowance takes the holder's own points alone."""
    town, tills, ada = street
    assert name(town.run(ada.account, LoyaltyPoolOpen(), ada.key)) == "ok"
    body = LoyaltyTransfer(town.last_ref, "town", 25)
    assert name(town.run(ada.account, body, ada.key)) == "loyalty_not_transferable"
    town.add_programme("home", terms=records.Terms(transfers="household"))
    town.earn("baker", tills["baker"], ada.account, 2_000, programme="home")
    pool = town.wallet(ada.account).head.pool
    assert name(town.run(ada.account, LoyaltyTransfer(pool, "home", 15), ada.key)) == "ok"
    switch_on(town, "home")
    assert name(town.run(ada.account, LoyaltyAllowance("home", A_POINTS), ada.key)) == (
        "loyalty_overdraw"
    )
    assert name(town.run(ada.account, LoyaltyAllowance("home", 5), ada.key)) == "ok"
