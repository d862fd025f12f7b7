"""A till's invoice paid by the phone: once, at its amount, in its time, and refunded as any spend."""

import pytest

from chain.codec import bf1
from chain.codec.bf1_orders import INVOICE_LIFE_MAX_S
from chain.town.accounts import find_key
from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty import records
from chain.town.loyalty.books import get_totals
from chain.town.loyalty_schemas import LoyaltyInvoicePay, LoyaltyStaff
from chain.town.schemas import LoyaltyTill, SettlementStanding
from tests.town.loyalty.kit import (
    DAY_S,
    LedgerTown,
    Phone,
    jwk_struct,
    make_invoice,
    make_key,
    open_town,
    owner_key,
)
from tests.town.town_kit import key


@pytest.fixture
def sale():
    """A customer with 500 points in front of the baker's till."""
    town, tills = open_town("baker", "florist")
    phone = town.open_phone("ada")
    assert isinstance(town.earn("florist", tills["florist"], phone.account, 50_000), Accepted)
    return town, tills, phone


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


def send(town: LedgerTown, phone: Phone, till, text: str, programme: str = "town") -> Outcome:
    body = LoyaltyInvoicePay(till.kid, programme, text)
    before = town.state.changes()
    outcome = town.run(phone.account, body, phone.key)
    if isinstance(outcome, Refused):
        assert town.state.changes() == before
    return outcome


def shown(sale, points: int = 120, *, number: str = "1", in_s: int = 300, **how) -> str:
    town, tills, _ = sale
    till = how.pop("till", tills["baker"])
    return make_invoice(till, points, town.time_s + in_s, number=number, **how)


def pay(sale, text: str, till=None, **more) -> str:
    town, tills, phone = sale
    return name(send(town, phone, till or tills["baker"], text, **more))


def test_an_invoice_takes_its_amount_and_obliges_whoever_gave_the_points(sale) -> None:
    """More than the fifty points of a code for any shop: the till has signed who gets them."""
    town, tills, phone = sale
    outcome = send(town, phone, tills["baker"], shown(sale, 120))
    assert isinstance(outcome, Accepted)
    assert (outcome.data["points"], outcome.data["shop"]) == (120, "baker")
    assert outcome.data["till"] == tills["baker"].kid
    assert [lot.left for lot in town.wallet(phone.account).lots] == [380]
    due = records.OBLIGATIONS.get(town.state, b"town/florist/baker")
    assert due is not None
    assert due.points == 120
    spend = records.SPENDS.get(town.state, town.last_ref.encode())
    assert spend is not None
    assert (spend.kind, spend.of) == ("invoice", outcome.data["invoice"])


def test_an_invoice_is_paid_once_by_whomever(sale) -> None:
    town, tills, _ = sale
    other = town.open_phone("bob")
    town.earn("baker", tills["baker"], other.account, 50_000)
    text = shown(sale)
    assert pay(sale, text) == "ok"
    assert pay(sale, text) == "qr_replayed"
    assert name(send(town, other, tills["baker"], text)) == "qr_replayed"
    assert pay(sale, shown(sale, number="2")) == "ok"


def test_a_number_signed_again_for_another_amount_or_by_another_till_is_still_paid(sale) -> None:
    town, _, _ = sale
    second = town.add_till("baker", "2")
    assert pay(sale, shown(sale, 10)) == "ok"
    assert pay(sale, shown(sale, 20)) == "qr_replayed"
    assert pay(sale, shown(sale, 10, till=second), till=second) == "qr_replayed"


def test_two_shops_may_use_one_number(sale) -> None:
    _, tills, _ = sale
    assert pay(sale, shown(sale)) == "ok"
    text = shown(sale, till=tills["florist"], shop="florist")
    assert pay(sale, text, till=tills["florist"]) == "ok"


@pytest.mark.parametrize(
    ("in_s", "verdict"),
    [
        (-bf1.LATE_S - 1, "qr_expired"),
        (-bf1.LATE_S, "ok"),
        (INVOICE_LIFE_MAX_S + bf1.EARLY_S, "ok"),
        (INVOICE_LIFE_MAX_S + bf1.EARLY_S + 1, "qr_expired"),
    ],
)
def test_an_invoice_lives_five_minutes(sale, in_s: int, verdict: str) -> None:
    assert pay(sale, shown(sale, in_s=in_s)) == verdict


@pytest.mark.parametrize("seconds", [bf1.LATE_S, bf1.LATE_S + 1, DAY_S])
def test_what_was_paid_is_remembered_as_long_as_it_could_be_paid_again(sale, seconds: int) -> None:
    town, _, _ = sale
    text = shown(sale, in_s=0)
    assert pay(sale, text) == "ok"
    for due_max in (0, 200):  # block end may be behind with its work
        town.next_block(seconds=seconds if due_max == 0 else 0, due_max=due_max)
        assert pay(sale, text) == ("qr_replayed" if seconds <= bf1.LATE_S else "qr_expired")
    kept = list(records.INVOICES.scan(town.state))
    assert len(kept) == (1 if seconds <= bf1.LATE_S else 0)


@pytest.mark.parametrize(
    "spoil",
    [lambda text: "BF2:" + text[4:], lambda text: text[:-3], lambda text: text + "\n"],
    ids=["version", "short", "newline"],
)
def test_text_that_is_no_invoice_is_malformed(sale, spoil) -> None:
    assert pay(sale, spoil(shown(sale))) == "qr_malformed"


def test_a_pay_code_is_no_invoice_and_an_invoice_no_pay_code(sale) -> None:
    town, tills, phone = sale
    assert pay(sale, phone.pay_code(town.time_s, shop="baker")) == "qr_malformed"
    assert name(town.redeem("baker", tills["baker"], 10, shown(sale))) == "qr_malformed"


def test_an_invoice_is_paid_in_points_of_its_programme(sale) -> None:
    town, tills, phone = sale
    town.add_programme("cheap")
    town.earn("baker", tills["baker"], phone.account, 50_000, programme="cheap")
    assert pay(sale, shown(sale), programme="cheap") == "qr_malformed"
    assert pay(sale, shown(sale, programme="cheap"), programme="cheap") == "ok"
    assert pay(sale, shown(sale, number="2"), programme="ghost") == "loyalty_unknown_programme"


def test_an_invoice_of_a_key_that_is_no_till_is_unknown(sale) -> None:
    stranger = make_key("stranger")
    assert pay(sale, shown(sale, till=stranger), till=stranger) == "qr_unknown_key"
    owner = owner_key("baker")
    assert pay(sale, shown(sale, till=owner), till=owner) == "qr_unknown_key"


def test_an_invoice_of_a_revoked_or_outdated_till_is_refused(sale) -> None:
    town, tills, _ = sale
    text = shown(sale)
    assert isinstance(town.revoke("baker", tills["baker"], town.time_s), Accepted)
    assert pay(sale, text) == "qr_revoked"
    town.next_block(seconds=30 * DAY_S)
    late = shown(sale, till=tills["florist"], shop="florist")
    assert pay(sale, late, till=tills["florist"]) == "qr_revoked"


def test_an_invoice_signed_by_another_key_or_for_another_chain_is_refused(sale) -> None:
    _, tills, _ = sale
    assert pay(sale, shown(sale, till=tills["florist"])) == "qr_bad_signature"
    assert pay(sale, shown(sale, chain_id="beffroi-other-1")) == "qr_bad_signature"


def test_a_till_signs_for_its_own_shop_only(sale) -> None:
    assert pay(sale, shown(sale, shop="florist")) == "qr_wrong_shop"


def test_an_es256_till_makes_no_invoices(sale) -> None:
    """A picture has no room to say which signature it holds but in a nibble that is not given out yet."""
    town, _, _ = sale
    till = key("till", "ES256")
    body = LoyaltyTill(jwk_struct(till), town.time_s + DAY_S, 1_000, 1_000)
    assert isinstance(town.run("shop:baker", body, owner_key("baker"), till), Accepted)
    assert find_key(town.state, till.kid) is not None
    assert pay(sale, shown(sale, till=till), till=till) == "qr_bad_signature"


def test_the_tills_caps_bound_its_invoices(sale) -> None:
    town, _, _ = sale
    till = town.add_till("baker", "small", per_tx=50, per_day=60)
    assert pay(sale, shown(sale, 51, till=till), till=till) == "loyalty_till_cap"
    assert pay(sale, shown(sale, 50, till=till), till=till) == "ok"
    assert pay(sale, shown(sale, 11, till=till, number="2"), till=till) == "loyalty_till_cap"
    assert pay(sale, shown(sale, 10, till=till, number="2"), till=till) == "ok"


def test_an_invoice_above_the_wallet_takes_nothing_and_can_be_paid_later(sale) -> None:
    town, tills, phone = sale
    text = shown(sale, 501)
    assert pay(sale, text) == "loyalty_overdraw"
    town.earn("baker", tills["baker"], phone.account, 100)
    assert pay(sale, text) == "ok"


def test_staff_pay_no_invoice_of_their_own_shop(sale) -> None:
    town, _, phone = sale
    body = LoyaltyStaff(phone.account, True)
    assert isinstance(town.run("shop:baker", body, owner_key("baker")), Accepted)
    assert pay(sale, shown(sale)) == "loyalty_self_dealing"


def test_a_shop_that_left_is_paid_no_invoice(sale) -> None:
    town, _, _ = sale
    body = SettlementStanding("baker", "leaving")
    assert isinstance(town.run("shop:baker", body, owner_key("baker")), Accepted)
    assert pay(sale, shown(sale)) == "settlement_shop_left"


def test_a_paid_invoice_is_undone_by_its_till_within_minutes_and_refunded_by_the_owner_later(
    sale,
) -> None:
    town, tills, phone = sale
    assert pay(sale, shown(sale, 100)) == "ok"
    ref = town.last_ref
    assert name(town.reverse("baker", town.add_till("baker", "2"), ref, 10)) == (
        "loyalty_reversal_late"
    )
    assert name(town.reverse("baker", tills["baker"], ref, 10)) == "ok"
    town.next_block(seconds=301)
    assert name(town.reverse("baker", tills["baker"], ref, 10)) == "loyalty_reversal_late"
    assert name(town.reverse("florist", owner_key("florist"), ref, 10)) == (
        "loyalty_unknown_reference"
    )
    assert name(town.reverse("baker", owner_key("baker"), ref, 91)) == "loyalty_reversal_exceeds"
    outcome = town.reverse("baker", owner_key("baker"), ref, 90)
    assert isinstance(outcome, Accepted)
    assert outcome.data["kind"] == "invoice"
    assert [lot.left for lot in town.wallet(phone.account).lots] == [500]
    assert get_totals(town.state, "town", "florist").redeemed == 0


def test_a_refunded_invoice_is_not_open_again(sale) -> None:
    town, tills, _ = sale
    text = shown(sale)
    assert pay(sale, text) == "ok"
    town.reverse("baker", tills["baker"], town.last_ref, 120)
    assert pay(sale, text) == "qr_replayed"


def test_refusals_come_in_the_order_of_the_checks(sale) -> None:
    """Each invoice has the named fault and every later one; the first in order is told."""
    town, tills, _ = sale
    thief, florist = make_key("thief"), tills["florist"]
    assert pay(sale, shown(sale, till=florist, shop="florist"), till=florist) == "ok"
    elsewhere = {"till": florist, "shop": "baker"}
    assert pay(sale, shown(sale, in_s=-999, programme="x1", **elsewhere), till=thief) == (
        "qr_malformed"
    )
    assert pay(sale, shown(sale, in_s=-999, **elsewhere), till=thief) == "qr_expired"
    assert pay(sale, shown(sale, **elsewhere), till=thief) == "qr_unknown_key"
    assert pay(sale, shown(sale, chain_id="x", **elsewhere), till=florist) == "qr_bad_signature"
    assert pay(sale, shown(sale, **elsewhere), till=florist) == "qr_replayed"
    assert pay(sale, shown(sale, number="2", **elsewhere), till=florist) == "qr_wrong_shop"
    town.revoke("florist", florist, town.time_s)
    assert pay(sale, shown(sale, chain_id="x", **elsewhere), till=florist) == "qr_revoked"
