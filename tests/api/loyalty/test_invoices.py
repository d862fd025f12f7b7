"""An invoice over HTTP: drawn at the till, read by the phone, paid once, seen as paid, refunded."""

import pytest
import segno

from app.cli.demo.client import expect
from app.cli.demo.phone import draw_code
from app.cli.demo.till import read_picture
from app.core.database import connected
from app.loyalty.models import Operation
from app.loyalty.project_points import sum_lines
from chain.codec import bf1
from chain.codec.bf1_orders import parse_invoice
from chain.codec.canonical import b64url_encode
from chain.town.loyalty_schemas import LoyaltyInvoicePay
from chain.town.schemas import LoyaltyReverse
from tests.journeys.kit import PROGRAMME
from tests.town.loyalty.kit import make_invoice
from tests.town.town_kit import key

LIFE_S = 240


@pytest.fixture
def shop(street):
    """(till, Ana with 100 points)."""
    till = street.open_shop("boulangerie")
    return till, street.phone("Ana", 10_000, till)


def look(street, client, text: str):
    number = b64url_encode(parse_invoice(text)[0].invoice_id)
    path = f"/v1/loyalty/invoices?invoice={number}"
    return expect("invoice", street.api.get(path, token=client.token))


def test_a_phone_reads_the_tills_picture_and_pays_and_the_till_sees_it(street, shop):
    till, ana = shop
    text = till.make_invoice(60)
    drawn = till.api.post("/v1/loyalty/pictures", {"text": text, "format": "svg"}, token=till.token)
    assert drawn.status == 200
    read = read_picture(draw_code(text))
    assert read == text
    assert segno.make_qr(text, error="m", boost_error=False).designator == "7-M"
    assert look(street, till, text)["is_paid"] is False
    shown = expect("preview", ana.preview_invoice(read))
    assert (shown["shop"], shown["name"], shown["points"]) == ("boulangerie", "Boulangerie", 60)
    assert (shown["till"], shown["programme"]) == (till.key.kid, PROGRAMME)
    paid = expect("pay", ana.pay_invoice(read))
    assert paid["state"] == "final"
    assert street.balance(ana) == 40
    seen = look(street, till, text)
    assert (seen["is_paid"], seen["points"], seen["transaction"]) == (
        True,
        60,
        paid["transaction"],
    )
    assert ana.account not in str(seen)


def an_expired_one(street, till):
    return till.make_invoice(5, life_s=-bf1.LATE_S - 5)


def one_for_next_week(street, till):
    return till.make_invoice(5, life_s=7 * 86_400)


def a_cut_one(street, till):
    return till.make_invoice(5)[:-3]


def of_another_programme(street, till):
    return _forge(street, till.key, programme="elsewhere")


def signed_by_a_stranger(street, till):
    return _forge(street, key("forger"))


def signed_for_another_chain(street, till):
    return _forge(street, till.key, chain_id="elsewhere-1")


def of_a_shop_nobody_knows(street, till):
    return _forge(street, till.key, shop="ghost")


def signed_by_another_shops_till(street, till):
    return _forge(street, street.open_shop("librairie").key)


def of_a_revoked_till(street, till):
    text = till.make_invoice(5)
    revoked = street.owner("boulangerie").revoke_till(till.key.kid, street.clock())
    assert revoked.status == 201
    return text


def of_more_than_there_is(street, till):
    return till.make_invoice(101)


def _forge(street, signer, **changes):
    wanted = {
        "shop": "boulangerie",
        "programme": PROGRAMME,
        "chain_id": street.facts.chain_id,
        **changes,
    }
    return make_invoice(signer, 5, street.clock() + LIFE_S, number="forged", **wanted)


REFUSALS = [
    (a_cut_one, "qr_malformed", "qr_malformed"),
    (of_another_programme, "qr_malformed", "qr_malformed"),
    (an_expired_one, "qr_expired", "qr_expired"),
    (one_for_next_week, "qr_expired", "qr_expired"),
    # The chain is told the till, a preview has to find it by the shop the code names.
    (of_a_shop_nobody_knows, "qr_unknown_key", "qr_wrong_shop"),
    (signed_by_a_stranger, "qr_bad_signature", "qr_bad_signature"),
    (signed_for_another_chain, "qr_bad_signature", "qr_bad_signature"),
    (signed_by_another_shops_till, "qr_bad_signature", "qr_bad_signature"),
    (of_a_revoked_till, "qr_revoked", "qr_revoked"),
    (of_more_than_there_is, "loyalty_overdraw", "loyalty_overdraw"),
]


@pytest.mark.parametrize(
    ("make", "preview", "payment"), REFUSALS, ids=lambda v: getattr(v, "__name__", v)
)
def test_a_bad_invoice_is_refused_by_name_in_preview_and_payment_and_takes_nothing(
    street, shop, make, preview, payment
):
    till, ana = shop
    text = make(street, till)
    before = street.balance(ana)
    assert ana.preview_invoice(text).code == preview
    signed = ana.sign_invoice(text, till=till.key.kid, programme=PROGRAMME)
    answer = ana.send("/v1/loyalty/invoices/payments", signed)
    assert answer.code == payment
    assert answer.headers["content-type"] == "application/problem+json"
    assert street.balance(ana) == before


def test_an_invoice_is_paid_once_whoever_comes_second(street, shop):
    till, ana = shop
    ben = street.phone("Ben", 10_000, till)
    text = till.make_invoice(30)
    expect("pay", ana.pay_invoice(text))
    assert ana.preview_invoice(text).code == ben.preview_invoice(text).code == "qr_replayed"
    signed = ben.sign_invoice(text, till=till.key.kid, programme=PROGRAMME)
    assert ben.send("/v1/loyalty/invoices/payments", signed).code == "qr_replayed"
    assert (street.balance(ana), street.balance(ben)) == (70, 100)


def test_of_two_phones_that_pay_one_invoice_at_the_same_instant_one_is_charged(street, shop):
    till, ana = shop
    ben = street.phone("Ben", 10_000, till)
    text = till.make_invoice(30)
    sent = [
        (phone, phone.sign_invoice(text, till=till.key.kid, programme=PROGRAMME))
        for phone in (ana, ben)
    ]
    street.town.lab.produce(*(signed.encode() for _, signed in sent))
    street.town.lab.produce()
    street.town.follow()
    answers = [phone.send("/v1/loyalty/invoices/payments", signed) for phone, signed in sent]
    assert sorted(answer.code for answer in answers) == ["ok", "qr_replayed"]
    assert street.balance(ana) + street.balance(ben) == 170


def test_an_invoice_beyond_fifty_points_needs_no_code_for_that_shop(street, shop):
    till, ana = shop
    assert till.redeem(ana.make_code(500), 51).code == "qr_over_max"
    assert ana.pay_invoice(till.make_invoice(51)).status == 201


def test_a_till_undoes_its_invoice_and_the_owner_refunds_the_rest(street, shop):
    till, ana = shop
    text = till.make_invoice(60)
    paid = expect("pay", ana.pay_invoice(text))
    ref = b64url_encode(bytes.fromhex(paid["transaction"]))
    expect("undo", till.reverse(ref, 20))
    owner = street.owner("boulangerie")
    refund = owner.sign(LoyaltyReverse(ref, 40), sender="shop:boulangerie")
    expect("refund", owner.send("/v1/loyalty/reversals", refund))
    assert street.balance(ana) == 100
    assert look(street, owner, text)["refunded"] == 60
    assert ana.pay_invoice(text).code == "qr_replayed"
    with connected():
        assert sum_lines(ana.account, PROGRAMME) == 100
        kinds = [row.kind for row in Operation.select().order_by(Operation.position)]
    assert kinds == ["earn", "invoice", "reversal", "reversal"]


def test_another_shop_does_not_see_whether_an_invoice_is_paid(street, shop):
    till, ana = shop
    other = street.open_shop("librairie")
    text = till.make_invoice(10)
    expect("pay", ana.pay_invoice(text))
    assert look(street, other, text)["is_paid"] is False


@pytest.mark.parametrize("number", ["", "short", "A" * 23, "A" * 21 + "B", "../" + "A" * 19])
def test_a_number_that_is_none_is_refused(street, shop, number):
    till, _ = shop
    answer = street.api.get(f"/v1/loyalty/invoices?invoice={number}", token=till.token)
    assert answer.status == 422


def test_the_payments_route_takes_no_other_transaction_and_needs_a_key(street, shop):
    till, ana = shop
    other = ana.sign(
        LoyaltyInvoicePay(till.key.kid, PROGRAMME, till.make_invoice(5)), sender=ana.account
    )
    answer = ana.api.post("/v1/loyalty/invoices/payments", {"transaction": other}, token=ana.token)
    assert (answer.status, answer.code) == (400, "idempotency_key_required")
    wrong = till.sign_earn(ana.account, 500)
    assert ana.send("/v1/loyalty/invoices/payments", wrong).code == "transaction_wrong_route"
