"""Giving points: rules, receipts, caps, debts, and whom they may go to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.town.accounts import get_account, set_account_status
from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty import records, wallet
from chain.town.loyalty_rules import compute_points, compute_rule_hash
from chain.town.schemas import EarnRule
from tests.town.loyalty.kit import DAY_S, fill, make_key, open_town, owner_key


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


@pytest.fixture
def shop():
    town, tills = open_town("baker", "florist")
    return town, tills["baker"], town.open_phone("ada").account


@given(st.integers(1, 10**6), st.integers(1, 10**8), st.integers(0, 10**8), st.integers(1, 10**8))
def test_points_are_whole_multiples_and_never_more_than_the_rate(
    points: int, per_cents: int, minimum: int, cents: int
) -> None:
    earned = compute_points(EarnRule(points, per_cents, minimum), cents)
    assert earned % points == 0
    assert earned * per_cents <= cents * points
    if cents >= minimum:
        assert (earned + points) * per_cents > cents * points
    else:
        assert earned == 0


def test_the_rule_hash_covers_rate_minimum_and_life() -> None:
    rules = [(1, 100, 0, 30), (2, 100, 0, 30), (1, 50, 0, 30), (1, 100, 1, 30), (1, 100, 0, 31)]
    hashes = {compute_rule_hash(EarnRule(*rule), days) for *rule, days in rules}
    assert len(hashes) == 5
    assert compute_rule_hash(EarnRule(1, 100, 0), 30) == (
        # sha256 of {"earn":{"min_purchase_cents":0,"per_cents":100,"points":1},"lot_life_days":30}
        "iigw7WKg0OS2B3LASAT7bQ9uH4I5ktKPskOqJzSXzO0"
    )


def test_an_earn_says_everything_a_reader_of_results_needs(shop) -> None:
    town, till, account = shop
    receipt = fill("receipt", 16)
    outcome = town.earn("baker", till, account, 1_250, receipt=receipt)
    assert isinstance(outcome, Accepted)
    lot = {
        "lot": records.compute_lot_id(b64url_decode(town.last_ref), 0),
        "programme": "town",
        "issuer": "baker",
        "version": 1,
        "points": 12,
        "expires": town.time_s + 365 * DAY_S,
        "earned": town.time_s,
        "ref": town.last_ref,
    }
    assert outcome.data == {
        "account": account,
        "programme": "town",
        "version": 1,
        "shop": "baker",
        "till": till.kid,
        "purchase_cents": 1_250,
        "receipt": receipt,
        "points": 12,
        "base": 12,
        "tier": "",
        "tier_bonus": 0,
        "campaign": "",
        "campaign_bonus": 0,
        "debt_repaid": 0,
        "debt": 0,
        "created": [lot],
        "entries": [["ISS:baker", "baker", -12], [f"USR:{account}", "baker", 12]],
    }


def test_a_purchase_below_one_point_earns_nothing(shop) -> None:
    town, till, account = shop
    assert name(town.earn("baker", till, account, 99)) == "loyalty_nothing_earned"


def test_a_receipt_is_single_in_its_shop_only(shop) -> None:
    town, till, account = shop
    receipt = fill("receipt", 16)
    other = town.add_till("florist", "2")
    assert name(town.earn("baker", till, account, 500, receipt=receipt)) == "ok"
    assert name(town.earn("baker", till, account, 900, receipt=receipt)) == "loyalty_receipt_used"
    assert name(town.earn("florist", other, account, 500, receipt=receipt)) == "ok"


def test_a_fully_reversed_receipt_stays_used(shop) -> None:
    town, till, account = shop
    receipt = fill("receipt", 16)
    assert name(town.earn("baker", till, account, 500, receipt=receipt)) == "ok"
    assert name(town.reverse("baker", till, town.last_ref, 5)) == "ok"
    assert name(town.earn("baker", till, account, 500, receipt=receipt)) == "loyalty_receipt_used"


def test_a_new_version_never_touches_lots_of_the_old_one(shop) -> None:
    town, till, account = shop
    town.earn("baker", till, account, 1_000)
    before = town.wallet(account).lots
    assert name(town.add_programme("town", version=2, points=3, days=10)) == "ok"
    assert town.wallet(account).lots == before
    town.earn("baker", till, account, 1_000)
    fresh = [lot for lot in town.wallet(account).lots if lot not in before]
    assert [(lot.version, lot.points) for lot in fresh] == [(2, 30)]
    assert fresh[0].expires_s == town.time_s + 10 * DAY_S
    old = records.VERSIONS.get(town.state, records.version_id("town", 1))
    assert old.rule_hash == compute_rule_hash(EarnRule(1, 100, 0), 365)


def test_a_closed_programme_gives_nothing_but_its_points_stay_good(shop) -> None:
    town, till, _ = shop
    phone = town.open_phone("bob")
    town.earn("baker", till, phone.account, 1_000)
    assert name(town.add_programme("town", status="closed")) == "ok"
    assert name(town.earn("baker", till, phone.account, 1_000)) == "loyalty_programme_inactive"
    code = phone.pay_code(town.time_s, shop="baker")
    assert name(town.redeem("baker", till, 10, code)) == "ok"


@pytest.mark.parametrize(
    ("account", "refusal"),
    [
        ("nobody", "account_unknown"),
        ("sel", "account_wrong_domain"),
        ("frozen", "account_frozen"),
    ],
)
def test_points_go_to_open_loyalty_accounts_only(shop, account: str, refusal: str) -> None:
    town, till, _ = shop
    ids = {
        "nobody": make_key("nobody").kid,
        "sel": town.open_phone("gardener", domain="sel").account,
        "frozen": town.open_phone("frozen").account,
    }
    set_account_status(town.state, get_account(town.state, ids["frozen"]), "frozen")
    assert name(town.earn("baker", till, ids[account], 500)) == refusal


def test_an_unknown_programme_is_refused(shop) -> None:
    town, till, account = shop
    outcome = town.earn("baker", till, account, 500, programme="elsewhere")
    assert name(outcome) == "loyalty_unknown_programme"


def test_an_unregistered_till_gives_nothing(shop) -> None:
    town, _, account = shop
    assert name(town.earn("baker", make_key("x"), account, 500)) == "loyalty_till_unknown"
    assert name(town.earn("baker", owner_key("baker"), account, 500)) == "loyalty_till_unknown"


def test_a_till_dies_after_its_thirty_days(shop) -> None:
    town, till, account = shop
    town.next_block(seconds=30 * DAY_S - 1)
    assert name(town.earn("baker", till, account, 500)) == "ok"
    town.next_block(seconds=1)
    assert name(town.earn("baker", till, account, 500)) == "tx_key_expired"


def test_caps_hold_per_transaction_and_per_day_and_refill_at_midnight_utc(shop) -> None:
    town, _, account = shop
    till = town.add_till("baker", "small", per_tx=50, per_day=80)
    town.next_block(seconds=DAY_S - town.time_s % DAY_S)
    assert name(town.earn("baker", till, account, 5_100)) == "loyalty_till_cap"
    assert name(town.earn("baker", till, account, 5_000)) == "ok"
    assert name(town.earn("baker", till, account, 3_100)) == "loyalty_till_cap"
    assert name(town.earn("baker", till, account, 3_000)) == "ok"
    town.next_block(seconds=DAY_S - 1)
    assert name(town.earn("baker", till, account, 100)) == "loyalty_till_cap"
    town.next_block(seconds=1)
    assert name(town.earn("baker", till, account, 5_000)) == "ok"


def test_an_earn_first_repays_the_debt_to_its_own_shop(shop) -> None:
    town, till, _ = shop
    phone = town.open_phone("bob")
    other = town.add_till("florist", "2")
    town.earn("baker", till, phone.account, 1_000)
    gift = town.last_ref
    town.redeem("florist", other, 10, phone.pay_code(town.time_s, shop="florist"))
    town.reverse("baker", owner_key("baker"), gift, 10)
    assert town.earn("florist", other, phone.account, 400).data["debt_repaid"] == 0
    outcome = town.earn("baker", till, phone.account, 700)
    assert (outcome.data["debt_repaid"], outcome.data["debt"]) == (7, 3)
    assert outcome.data["created"] == []
    outcome = town.earn("baker", till, phone.account, 500)
    assert (outcome.data["debt_repaid"], outcome.data["debt"]) == (3, 0)
    assert outcome.data["created"][0]["points"] == 2
    assert sum(lot.left for lot in town.wallet(phone.account).lots) == 4 + 2


def test_a_wallet_holds_points_of_so_many_shops_and_an_empty_queue_makes_room(
    shop, monkeypatch
) -> None:
    town, till, _ = shop
    monkeypatch.setattr(wallet, "LOYALTY_POSITIONS", 1)
    phone = town.open_phone("bob")
    other = town.add_till("florist", "2")
    assert name(town.earn("baker", till, phone.account, 100)) == "ok"
    assert name(town.earn("baker", till, phone.account, 100)) == "ok"
    assert name(town.earn("florist", other, phone.account, 100)) == "loyalty_wallet_full"
    town.redeem("baker", till, 2, phone.pay_code(town.time_s, shop="baker"))
    town.next_block(seconds=DAY_S)
    assert name(town.earn("baker", till, phone.account, 100)) == "ok"
    town.redeem("baker", till, 1, phone.pay_code(town.time_s, shop="baker"))
    town.next_block(seconds=DAY_S)
    town.redeem("baker", till, 1, phone.pay_code(town.time_s, shop="baker"))
    assert name(town.earn("florist", other, phone.account, 100)) == "loyalty_wallet_full"


def test_lot_names_differ_by_transaction_and_index() -> None:
    names = {records.compute_lot_id(bytes([tx]) * 32, n) for tx in range(3) for n in range(3)}
    assert len(names) == 9
    assert all(len(one) == len(b64url_encode(bytes(16))) for one in names)
