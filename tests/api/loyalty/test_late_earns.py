"""A shop's day without a network, through HTTP: notes come in together, each with its own answer and its own line."""

import secrets

import pytest

from app.cli.demo.client import expect
from app.core.database import connected
from app.loyalty.models import Operation
from app.loyalty.project_points import sum_lines
from chain.codec.canonical import b64url_encode
from chain.town.loyalty_offline_schemas import LoyaltyEarnBatch
from tests.journeys.kit import PROGRAMME
from tests.town.loyalty.offline.kit import make_note
from tests.town.town_kit import DAY_S


@pytest.fixture
def shop(street):
    return (
        street.open_shop("boulangerie", till_alg="ES256"),
        street.phone("Ana"),
        street.phone("Ben"),
    )


def note_of(street, till, phone, cents, *, age_s=60, receipt=""):
    return make_note(
        till.key,
        phone.account,
        made=street.clock() - age_s,
        cents=cents,
        receipt=receipt or secrets.token_hex(4),
        shop="boulangerie",
        programme=PROGRAMME,
        town=street.facts.town,
    )


def send(client, *notes):
    body = LoyaltyEarnBatch(notes)
    return client.send("/v1/loyalty/offline/earns", client.sign(body, sender="shop:boulangerie"))


def test_each_note_has_its_answer_and_each_customer_a_line_that_names_its_earn(street, shop):
    till, ana, ben = shop
    notes = [
        note_of(street, till, ana, 1_250, age_s=3_600),
        note_of(street, till, ben, 900, age_s=4 * DAY_S),
        note_of(street, till, ben, 800),
    ]
    data = expect("batch", send(till, *notes))["data"]
    assert [line["index"] for line in data["earned"]] == [0, 2]
    assert [line[:2] for line in data["refused"]] == [[1, "loyalty_note_old"]]
    assert (street.balance(ana), street.balance(ben)) == (12, 8)
    with connected():
        (line,) = Operation.select().where(Operation.account == ana.account)
        assert (line.kind, line.points, line.shop, line.till) == (
            "earn",
            12,
            "boulangerie",
            till.key.kid,
        )
        assert line.ref == bytes.fromhex(line.ref).hex() != line.payload_hash
        assert sum_lines(ana.account, PROGRAMME) == 12
    listed = ana.api.get("/v1/loyalty/operations", token=ana.token).body["operations"]
    assert [(entry["points"], entry["ref"]) for entry in listed] == [(12, line.ref)]
    ref = b64url_encode(bytes.fromhex(line.ref))
    expect("undone by the till within five minutes", till.reverse(ref, 12))
    assert street.balance(ana) == 0


def test_an_outbox_sent_again_says_what_is_known_and_gives_nothing_twice(street, shop):
    till, ana, _ = shop
    note = note_of(street, till, ana, 1_000)
    expect("first", send(till, note))
    again = send(till, note)
    assert (again.status, again.code) == (409, "loyalty_receipt_used")
    fresh = note_of(street, till, ana, 500)
    data = expect("with a fresh one", send(till, note, fresh))["data"]
    assert [line[:2] for line in data["refused"]] == [[0, "loyalty_receipt_used"]]
    street.town.lab.now_s += 3 * DAY_S
    till.login()
    assert send(till, note).code == "loyalty_receipt_used"
    assert street.balance(ana) == 15


def test_a_till_revoked_since_noon_leaves_its_morning_to_the_owner(street, shop):
    till, ana, _ = shop
    owner = street.owner("boulangerie")
    morning, evening = (note_of(street, till, ana, 1_000, age_s=age) for age in (7_200, 60))
    since = street.clock() - 3_600
    expect("revoked", owner.revoke_till(till.key.kid, since))
    assert send(owner, evening).code == "loyalty_till_revoked"
    data = expect("owner sends", send(owner, evening, morning))["data"]
    assert [line["index"] for line in data["earned"]] == [1]
    assert street.balance(ana) == 10


def test_a_till_that_sends_for_another_shop_is_refused(street, shop):
    till, ana, _ = shop
    other = street.open_shop("librairie")
    stolen = note_of(street, till, ana, 1_000)
    body = LoyaltyEarnBatch((stolen,))
    sent = other.sign(body, sender="shop:librairie")
    assert other.send("/v1/loyalty/offline/earns", sent).code == "loyalty_till_unknown"
    assert street.balance(ana) == 0


def test_a_swept_till_takes_late_points_back_line_by_line(street, shop):
    till, ana, _ = shop
    expect("batch", send(till, *(note_of(street, till, ana, 1_000) for _ in range(3))))
    expect("revoked", street.owner("boulangerie").revoke_till(till.key.kid, street.clock() - 300))
    assert street.balance(ana) == 0
    with connected():
        assert sum_lines(ana.account, PROGRAMME) == 0
