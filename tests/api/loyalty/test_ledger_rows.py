"""The read model after a day of everything: its lots are the chain's own, and its lines add up to them."""

import json

import pytest

from app.cli.demo.client import expect
from app.core.database import connected
from app.loyalty.models import Debt, Hold, LotRow, Operation, Pending, Programme
from app.loyalty.project_points import sum_lines
from chain.codec import bf1
from chain.codec.canonical import b64url_encode
from chain.town.loyalty_schemas import (
    LoyaltyActivate,
    LoyaltyCampaign,
    LoyaltyCapture,
    LoyaltyHold,
    LoyaltyPoolInvite,
    LoyaltyPoolJoin,
    LoyaltyPoolLeave,
    LoyaltyPoolOpen,
    LoyaltyPoolWithdraw,
    LoyaltyRelease,
    LoyaltyReward,
    LoyaltyRewardTake,
    LoyaltyTransfer,
    LoyaltyVoucherRedeem,
    LoyaltyVoucherSeries,
)
from chain.town.schemas import EarnRule, LoyaltyProgramme, Terms
from tests.town.town_kit import DAY_S, key

RICH = "riche"


def ref_of(sent: dict) -> str:
    return b64url_encode(bytes.fromhex(sent["transaction"]))


class Day:
    """A shop, two neighbours, and a programme with every feature."""

    def __init__(self, street) -> None:
        self.street = street
        self.till = street.open_shop("boulangerie")
        self.owner = street.owner("boulangerie")
        self.till.programme = RICH
        self.publish(1, "active", transfers="anyone")
        self.ana, self.ben = street.phone("Ana"), street.phone("Ben")

    def publish(self, version: int, status: str, points: int = 1, **terms) -> None:
        operator = self.street.association
        earn = EarnRule(points, 100, 100)
        body = LoyaltyProgramme(RICH, version, status, earn, 365, Terms(**terms))
        sent = operator.sign(body, sender="body:commerces")
        expect("programme", operator.send("/v1/loyalty/programmes", sent))

    def by_till(self, path: str, body) -> dict:
        return expect(path, self.till.send(path, self.till.sign(body, sender=self.till.actor)))

    def by_owner(self, path: str, body) -> dict:
        sent = self.owner.sign(body, sender="shop:boulangerie")
        return expect(path, self.owner.send(path, sent))

    def by(self, phone, path: str, body) -> dict:
        return expect(path, phone.send(path, phone.sign(body, sender=phone.account)))

    def code(self, phone, points: int = 500) -> str:
        return phone.make_code(points, shop="boulangerie")

    def hold(self, phone, points: int, seconds: int = 600) -> str:
        until = self.street.clock() + seconds
        body = LoyaltyHold(RICH, points, self.code(phone), until)
        return ref_of(self.by_till("/v1/loyalty/holds", body))

    def pass_time(self, seconds: int) -> None:
        lab = self.street.town.lab
        lab.now_s += seconds
        self.street.town.clock.seconds = lab.now_s
        for _ in range(3):
            lab.produce()
        self.street.town.follow()
        for client in (self.till, self.owner, self.ana, self.ben):
            client.login()


@pytest.fixture
def day(street) -> Day:
    return Day(street)


def chain_lots(day: Day) -> dict[tuple[str, str], int]:
    store = day.street.town.lab.app._store
    found = {}
    for record_id, raw in store.scan("loyalty", b"lot/", b"lot0"):
        wallet, record = record_id.decode().split("/")[1], json.loads(raw)
        found[wallet, record[2]] = record[7]
    return found


def sql_lots() -> dict[tuple[str, str], int]:
    rows = LotRow.select().where(LotRow.left > 0)
    return {(row.account, row.lot): row.left for row in rows}


def check_rows(day: Day) -> None:
    """Lots are the chain's; each wallet's lines add up to its lots less its debts; pending lines to what is pending."""
    lots = chain_lots(day)
    with connected():
        assert sql_lots() == lots
        wallets = {row.account for row in Operation.select()} | {wallet for wallet, _ in lots}
        for wallet in wallets - {""}:
            debt = sum(row.points for row in Debt.select().where(Debt.account == wallet))
            held = sum(left for (owner, _), left in lots.items() if owner == wallet)
            assert sum_lines(wallet, RICH) == held - debt, wallet
            lines = Operation.select().where(Operation.account == wallet)
            pending = Pending.select().where(Pending.account == wallet)
            assert sum(row.pending for row in lines) == sum(row.points for row in pending)


def test_the_rows_follow_a_day_of_holds_rewards_vouchers_and_refunds(day: Day) -> None:
    till, ana = day.till, day.ana
    expect("earn", till.earn(ana.account, 20_000))
    starts, ends = day.street.clock() - 60, day.street.clock() + DAY_S
    campaign = LoyaltyCampaign("double", RICH, "boulangerie", 200, starts, ends, 30, "active")
    day.by_owner("/v1/loyalty/campaigns", campaign)
    boosted = expect("earn", till.earn(ana.account, 5_000))["data"]
    assert (boosted["points"], boosted["campaign_bonus"]) == (80, 30)
    check_rows(day)
    captured = day.by_till(
        f"/v1/loyalty/holds/{(hold := day.hold(ana, 40))}/capture", LoyaltyCapture(hold, 25)
    )
    check_rows(day)
    released = day.hold(ana, 10)
    day.by_till(f"/v1/loyalty/holds/{released}/release", LoyaltyRelease(released))
    forgotten = day.hold(ana, 7, seconds=60)
    (shown,) = ana.api.get("/v1/loyalty/holds", token=ana.token).body["holds"]
    assert (shown["hold"], shown["points"]) == (forgotten, 7)
    day.pass_time(120)
    check_rows(day)
    with connected():
        assert Hold.get(Hold.hold == forgotten).status == "timeout"
    expect("refund of a capture", day.owner.refund(ref_of(captured), 20))
    reward = LoyaltyReward("mug", RICH, "", "Mug", 30, 2, 1, starts, ends, "active")
    day.by_owner("/v1/loyalty/rewards", LoyaltyReward(**{**_fields(reward), "shop": "boulangerie"}))
    taken = day.by_till("/v1/loyalty/rewards/takings", LoyaltyRewardTake("mug", 30, day.code(ana)))
    path = f"/v1/loyalty/programmes/{RICH}/rewards"
    assert day.street.api.get(path).body["rewards"][0]["stock"] == 1
    expect("reward back", day.owner.refund(ref_of(taken), 30))
    assert day.street.api.get(path).body["rewards"][0]["stock"] == 2
    check_rows(day)


def _fields(body) -> dict:
    return {name: getattr(body, name) for name in body.__struct_fields__}


def test_the_rows_follow_a_household_and_gifts_that_cool_off(day: Day) -> None:
    till, ana, ben = day.till, day.ana, day.ben
    earned = expect("earn", till.earn(ana.account, 10_000))
    day.by(ana, "/v1/loyalty/transfers", LoyaltyTransfer(ben.account, RICH, 30))
    check_rows(day)
    pool = day.by(ana, "/v1/loyalty/pools", LoyaltyPoolOpen())["data"]["pool"]
    day.by(ana, "/v1/loyalty/pools/invitations", LoyaltyPoolInvite(pool, ben.account))
    shown = ben.api.get("/v1/loyalty/pools/me", token=ben.token).body
    assert (shown["pool"], shown["invitations"]) == ("", [pool])
    day.by(ben, "/v1/loyalty/pools/memberships", LoyaltyPoolJoin(pool))
    day.by(ana, "/v1/loyalty/transfers", LoyaltyTransfer(pool, RICH, 50))
    shown = ben.api.get("/v1/loyalty/pools/me", token=ben.token).body
    assert shown["members"] == [ana.account, ben.account]
    assert [line["points"] for line in shown["balances"]] == [50]
    assert till.preview(day.code(ben), 60).body["would_pay"] is True
    spent = expect("redeem", till.redeem(day.code(ben), 60))
    check_rows(day)
    expect("refund", till.reverse(ref_of(spent), 45))
    check_rows(day)
    day.by(ben, "/v1/loyalty/pools/withdrawals", LoyaltyPoolWithdraw(pool, RICH, 5))
    expect("earn back", day.owner.refund(ref_of(earned), 100))
    check_rows(day)
    day.by(ben, "/v1/loyalty/pools/departures", LoyaltyPoolLeave(pool, ben.account))
    day.publish(2, "active", pending_days=2, transfers="anyone")
    cooling = expect("earn", till.earn(ana.account, 5_000))
    assert cooling["data"]["pending"] == 50
    assert [line["points"] for line in ana.read_balance()["pending"]] == [50]
    expect("part back", day.owner.refund(ref_of(cooling), 10))
    check_rows(day)
    day.by_owner("/v1/loyalty/activations", LoyaltyActivate(ref_of(cooling)))
    expect("earn", till.earn(ben.account, 700))
    day.pass_time(2 * DAY_S + 5)
    check_rows(day)
    with connected():
        assert not Pending.select().count()
    day.pass_time(366 * DAY_S)
    check_rows(day)


def test_a_voucher_pays_in_parts_and_its_preview_says_what_is_left(day: Day) -> None:
    signer, until = key("voucher press"), day.street.clock() + DAY_S
    body = LoyaltyVoucherSeries(
        9, RICH, b64url_encode(signer.public_key.raw), 40, 100, until, "", "active"
    )
    day.by_owner("/v1/loyalty/voucher-series", body)
    coded = bf1.encode_voucher(bf1.Voucher(b"\x07" * 16, 9, until, 40))
    chain_id = day.street.facts.chain_id
    text = bf1.to_text(coded, signer.sign(bf1.signed_bytes(chain_id, coded)))
    asked = {"shop": "boulangerie", "voucher": text}
    preview = "/v1/loyalty/vouchers/preview"
    assert day.street.api.post(preview, asked, token=day.till.token).body["left"] == 40
    redeem = "/v1/loyalty/vouchers/redemptions"
    used = day.by_till(redeem, LoyaltyVoucherRedeem(text, 15))
    assert day.street.api.post(preview, asked, token=day.till.token).body["left"] == 25
    expect("refund", day.owner.refund(ref_of(used), 5))
    day.by_till(redeem, LoyaltyVoucherRedeem(text, 30))
    answer = day.street.api.post(preview, asked, token=day.till.token)
    sent = day.till.sign(LoyaltyVoucherRedeem(text, 1), sender=day.till.actor)
    assert answer.code == day.till.send(redeem, sent).code == "qr_replayed"
    (series,) = day.street.api.get(
        "/v1/loyalty/shops/boulangerie/voucher-series", token=day.owner.token
    ).body["series"]
    assert series["honoured"] == 40
    check_rows(day)


def test_a_draft_is_shown_beside_the_rule_in_force_with_what_it_changes(day: Day) -> None:
    day.publish(2, "draft", points=3, transfers="anyone")
    api = day.street.api
    listed = {
        p["programme"]: p["version"] for p in api.get("/v1/loyalty/programmes").body["programmes"]
    }
    assert listed[RICH] == 1
    newest, first = api.get(f"/v1/loyalty/programmes/{RICH}/versions").body["versions"]
    assert (newest["status"], first["status"]) == ("draft", "active")
    assert newest["earn"]["points"] == 3
    changes = api.get(f"/v1/loyalty/programmes/{RICH}/changes").body["versions"][0]["changes"]
    assert changes == [{"field": "points", "before": 1, "after": 3}]
    body = {"programme": RICH, "purchase_cents": 500}
    assert api.post("/v1/loyalty/earn/preview", body, token=day.till.token).body["points"] == 5
    day.publish(2, "active", points=3, transfers="anyone")
    assert api.post("/v1/loyalty/earn/preview", body, token=day.till.token).body["points"] == 15
    with connected():
        assert Programme.select().where(Programme.programme == RICH).count() == 2


def test_an_earn_preview_with_an_account_says_what_the_chain_then_gives(day: Day) -> None:
    starts, ends = day.street.clock() - 60, day.street.clock() + DAY_S
    campaign = LoyaltyCampaign(
        "ten-each", RICH, "", 300, starts, ends, 1_000, "active", account_max_points=10
    )
    operator = day.street.association
    sent = operator.sign(campaign, sender="body:commerces")
    expect("campaign", operator.send("/v1/loyalty/campaigns", sent))
    asked = {"programme": RICH, "purchase_cents": 400, "account": day.ana.account}
    for _ in range(3):
        path = "/v1/loyalty/earn/preview"
        shown = day.street.api.post(path, asked, token=day.till.token).body
        given = expect("earn", day.till.earn(day.ana.account, 400))["data"]
        names = ("points", "base", "campaign", "campaign_bonus", "tier")
        assert {n: shown[n] for n in names} == {n: given[n] for n in names}
    assert given["campaign_bonus"] == 0
