"""A day without a network, through HTTP: what phone and till fetch before, what comes in after, what everybody sees."""

import json

import pytest

from app.accounts.models import NoticeRow
from app.accounts.service import find_account
from app.cli.demo.client import expect
from app.core.config import Config
from app.core.database import connected
from app.loyalty.models import AllowanceRow, LotRow, Operation
from app.loyalty.project_points import sum_lines
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.light.bundle import checkpoint_of, verify_bundle
from chain.town.loyalty.offline.phone import Purse
from chain.town.loyalty.offline.till import Memory, Outbox, Policy, Taken, take_payment
from chain.town.loyalty_offline_schemas import (
    LoyaltyAllowance,
    LoyaltyEquivocation,
    LoyaltyOfflineClaim,
    LoyaltyOfflineKey,
)
from chain.town.schemas import AccountRotate, Jwk
from tests.api.conftest import Town, close_database
from tests.api.lab import Lab
from tests.journeys.kit import PROGRAMME, Street

NONCE = b"n" * 16
BASE = "/v1/loyalty/offline"
ON = {
    "loyalty_offline_points": 40,
    "loyalty_offline_per_tx_points": 25,
    "loyalty_offline_per_shop_points": 30,
}


@pytest.fixture
def street(tmp_path):
    """A town whose council allows 40 points, 30 at one shop."""
    town = Town(tmp_path, lab=Lab(params=ON))
    yield Street(town)
    close_database()


class Sale:
    """A till of the boulangerie and Ana with 100 points, both having fetched what they need."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self.till = street.open_shop("boulangerie")
        self.ana = street.phone("Ana", 10_000, self.till)
        self.name_key()
        self.policy = self.pin()
        self.purse = self.lock(40)

    def name_key(self) -> None:
        operator = self.street.association
        body = LoyaltyOfflineKey(PROGRAMME, self.terms()["server_key"])
        sent = operator.sign(body, sender="body:commerces")
        expect("key", operator.send(f"{BASE}/keys", sent))

    def terms(self, query: str = "") -> dict:
        return expect("terms", self.street.api.get(f"{BASE}/programmes/{PROGRAMME}{query}"))

    def pin(self) -> Policy:
        """As a till does: the key by its proof under a checkpoint it holds, the figures from the status."""
        shown = self.terms("?proof=1")
        head = self.street.town.lab.height - 1
        header = self.street.town.lab.blocks[head].header
        verdict = verify_bundle(json.dumps(shown["proof"]).encode(), checkpoint_of(header))
        assert verdict.valid, verdict
        key = json.loads(verdict.facts.record)["key"]
        assert key == shown["key"]
        return Policy(
            verdict.facts.chain_id,
            "boulangerie",
            PROGRAMME,
            b64url_decode(key),
            shown["points"],
            shown["per_shop_points"],
        )

    def lock(self, points: int) -> Purse:
        signed = self.ana.sign(LoyaltyAllowance(PROGRAMME, points), sender=self.ana.account)
        expect("allowance", self.ana.send(f"{BASE}/allowances", signed))
        (mine, *_) = self.allowances()
        assert (mine["status"], mine["points"]) == ("open", points)
        return Purse(self.street.facts.chain_id, PROGRAMME, mine["certificate"])

    def allowances(self) -> list[dict]:
        asked = self.ana.api.get(f"{BASE}/allowances/me", token=self.ana.token)
        return expect("allowances", asked)["allowances"]

    def pay(self, points: int, *, shop: str = "boulangerie", purse: Purse | None = None) -> str:
        """The phone signs; an honest one."""
        text, after = (purse or self.purse).sign(
            self.ana.key, points, shop=shop, nonce=NONCE, now_s=self.street.clock()
        )
        if purse is None:
            self.purse = after
        return text

    def take(self, text: str, points: int, memory: Memory) -> Taken:
        outcome = take_payment(
            self.policy, memory, text, points=points, nonce=NONCE, now_s=self.street.clock()
        )
        assert isinstance(outcome, Taken), outcome
        return outcome

    def claim(self, *texts: str, client=None):
        client = client or self.till
        sent = client.sign(LoyaltyOfflineClaim(texts), sender=client.actor)
        return client.send(f"{BASE}/claims", sent)

    def wait_for_the_end(self) -> None:
        self.street.town.lab.now_s = self.allowances()[0]["closes_at"]
        self.street.town.lab.produce()
        self.street.town.lab.produce()
        self.street.town.follow()
        for client in (self.till, self.ana):
            client.login()


@pytest.fixture
def sale(street) -> Sale:
    return Sale(street)


def chain_points(sale: Sale) -> int:
    """Live points of Ana as rows say, which must be what her lines add up to."""
    with connected():
        rows = sum(row.left for row in LotRow.select().where(LotRow.account == sale.ana.account))
        assert sum_lines(sale.ana.account, PROGRAMME) == rows
    return rows


def test_a_day_in_the_cellar(sale):
    """Lock, pay twice alone, send the outbox, see it paid; every side reads what it may."""
    assert chain_points(sale) == 60
    memory, outbox = Memory(), Outbox()
    for points in (12, 8):
        taken = sale.take(sale.pay(points), points, memory)
        memory, outbox = taken.memory, outbox.add("code", taken.payment.text)
    batch = outbox.next_batch("code")
    sent = expect("claims", sale.claim(*(item.text for item in batch)))["data"]
    counted = [line["index"] for line in sent["claimed"]]
    outbox = outbox.settle(batch, sent["refused"], counted=counted)
    assert outbox.waiting == outbox.rejected == ()
    shown = sale.till.api.get(f"{BASE}/claims", token=sale.till.token).body["claims"]
    assert sorted((line["points"], line["status"]) for line in shown) == [
        (8, "waiting"),
        (12, "waiting"),
    ]
    assert sale.ana.account not in json.dumps(shown)
    assert sale.allowances()[0]["claimed"] == 20
    sale.wait_for_the_end()
    assert chain_points(sale) == 80
    (mine,) = sale.allowances()
    assert (mine["status"], mine["paid"], mine["certificate"]) == ("closed", 20, "")
    shown = sale.till.api.get(f"{BASE}/claims", token=sale.till.token).body["claims"]
    assert {line["status"] for line in shown} == {"paid"}
    asked = sale.ana.api.get("/v1/loyalty/operations", token=sale.ana.token)
    lines = [(line["kind"], line["points"], line["shop"]) for line in asked.body["operations"]]
    assert lines == [
        ("offline", -20, "boulangerie"),
        ("release", 40, ""),
        ("allowance", -40, ""),
        ("earn", 100, "boulangerie"),
    ]


def test_the_statement_shows_lock_and_payment_and_adds_up(sale):
    start = sale.street.clock() - 100
    expect("claim", sale.claim(sale.pay(10)))
    sale.wait_for_the_end()
    query = f"/v1/loyalty/statements/me?start={start}&end={sale.street.clock() + 1}"
    shown = sale.ana.api.get(query, token=sale.ana.token).body
    assert [line["kind"] for line in shown["lines"]] == ["earn", "allowance", "release", "offline"]
    assert shown["balances"] == [{"programme": PROGRAMME, "opening": 0, "closing": 90}]
    assert sum(line["points"] for line in shown["lines"]) == 90


def test_the_owner_refunds_what_was_paid_at_the_end(sale):
    expect("claim", sale.claim(sale.pay(10)))
    sale.wait_for_the_end()
    (line,) = sale.till.api.get(f"{BASE}/claims", token=sale.till.token).body["claims"]
    ref = b64url_encode(bytes.fromhex(line["ref"]))
    expect("refund", sale.street.owner("boulangerie").refund(ref, 4))
    assert chain_points(sale) == 94


def test_an_outbox_whose_answer_was_lost_is_told_that_all_is_known(sale):
    text = sale.pay(10)
    expect("first", sale.claim(text))
    again = sale.claim(text)
    assert (again.status, again.code) == (409, "loyalty_offline_claimed")
    batch = Outbox().add("code", text).next_batch("code")
    outbox = Outbox(batch).settle_refused(batch, again.code, "")
    assert (outbox.waiting, outbox.rejected) == ((), ())


def test_a_copied_phone_is_caught_by_two_shops_and_says_so_everywhere(sale):
    """Both copies use the counter that comes next; the second claim freezes the account."""
    florist = sale.street.open_shop("fleuriste")
    copy = sale.purse
    expect("first", sale.claim(sale.pay(20)))
    stolen = sale.pay(20, shop="fleuriste", purse=copy)
    data = expect("second", sale.claim(stolen, client=florist))["data"]
    assert [kind for _, kind in data["frauds"]] == ["counter"]
    with connected():
        row = AllowanceRow.get(AllowanceRow.account == sale.ana.account)
    assert row.fraud == "counter"
    refused = sale.till.redeem(sale.ana.make_code(5, shop="boulangerie"), 5)
    assert refused.code == "qr_revoked"
    gone = sale.ana.api.get(f"{BASE}/allowances/me", token=sale.ana.token)
    assert gone.status in (401, 403)
    sale.street.town.lab.now_s = row.closes_at
    for _ in range(2):
        sale.street.town.lab.produce()
    sale.street.town.follow()
    for client in (sale.till, florist):
        client.login()
        (line,) = client.api.get(f"{BASE}/claims", token=client.token).body["claims"]
        assert (line["points"], line["status"]) == (20, "paid")


def test_anybody_hands_in_a_proof_and_the_holder_is_noticed(sale):
    copy = sale.purse
    first, second = sale.pay(5), sale.pay(6, purse=copy)
    ben = sale.street.phone("Ben")
    body = LoyaltyEquivocation((first, second))
    data = expect("proof", ben.send(f"{BASE}/frauds", ben.sign(body, sender=ben.account)))["data"]
    assert (data["fraud"], data["frozen"]) == ("counter", True)
    assert sale.ana.account not in json.dumps(data)
    with connected():
        assert find_account(sale.ana.account).status == "frozen"
        notices = NoticeRow.select().where(NoticeRow.account == sale.ana.account)
        assert "status_changed" in [row.kind for row in notices]
    again = ben.send(f"{BASE}/frauds", ben.sign(body, sender=ben.account))
    assert again.code == "loyalty_fraud_known"
    honest = LoyaltyEquivocation((first,))
    assert ben.send(f"{BASE}/frauds", ben.sign(honest, sender=ben.account)).code == (
        "loyalty_no_fraud"
    )


def test_a_key_the_holder_left_long_ago_freezes_no_account(sale):
    copy = sale.purse
    first, second = sale.pay(5), sale.pay(6, purse=copy)
    sale.street.town.lab.now_s += 4 * 86_400
    for _ in range(2):
        sale.street.town.lab.produce()
    sale.street.town.follow()
    sale.ana.login()
    fresh = SigningKey("EdDSA", bytes(31) + b"7")
    jwk = Jwk(**jwk_of(fresh.public_key))
    signers = [sale.ana.key, fresh]
    moved = sale.ana.sign(AccountRotate(jwk), sender=sale.ana.account, signers=signers)
    expect("rotate", sale.ana.send("/v1/accounts", moved))
    ben = sale.street.phone("Ben")
    body = LoyaltyEquivocation((first, second))
    data = expect("proof", ben.send(f"{BASE}/frauds", ben.sign(body, sender=ben.account)))["data"]
    assert (data["fraud"], data["frozen"]) == ("counter", False)
    with connected():
        assert find_account(sale.ana.account).status == "open"
        assert AllowanceRow.get().fraud == "counter"


def test_too_much_claimed_is_short_for_all_in_proportion(sale):
    florist = sale.street.open_shop("fleuriste")
    for shop, client in (("boulangerie", sale.till), ("fleuriste", florist)):
        expect(shop, sale.claim(sale.pay(25, shop=shop, purse=sale.purse), client=client))
    sale.street.town.lab.now_s += 4 * 86_400
    for _ in range(2):
        sale.street.town.lab.produce()
    sale.street.town.follow()
    with connected():
        row = AllowanceRow.get()
        lines = Operation.select().where(Operation.kind == "offline")
        assert (row.claimed, row.paid) == (50, 40)
        assert sorted((line.shop, line.points) for line in lines) == [
            ("boulangerie", -20),
            ("fleuriste", -20),
        ]
    assert chain_points(sale) == 60
    sale.till.login()
    (line,) = sale.till.api.get(f"{BASE}/claims", token=sale.till.token).body["claims"]
    assert line["status"] == "short"


def test_a_town_that_did_not_switch_it_on_says_so(tmp_path):
    town = Town(tmp_path)
    street = Street(town)
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 10_000, till)
    terms = street.api.get(f"{BASE}/programmes/{PROGRAMME}").body
    assert (terms["is_on"], terms["points"], terms["key"]) == (False, 0, "")
    signed = ana.sign(LoyaltyAllowance(PROGRAMME, 10), sender=ana.account)
    assert ana.send(f"{BASE}/allowances", signed).code == "loyalty_offline_off"
    assert street.api.get(f"{BASE}/programmes/inconnu").status == 404
    close_database()


def test_a_server_without_the_programmes_key_shows_no_certificate(sale, monkeypatch):
    assert sale.allowances()[0]["certificate"]
    monkeypatch.setattr(Config, "derive_key", lambda _self, label: bytes(31) + label[-1:])
    assert sale.allowances()[0]["certificate"] == ""
