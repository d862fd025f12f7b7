"""Payments without a network through the whole application: what CheckTx keeps out, what blocks make of the rest."""

import pytest

from chain.codec.canonical import b64url_encode
from chain.town.accounts import get_account
from chain.town.engine import JOURNAL
from chain.town.loyalty_offline_schemas import (
    LoyaltyAllowance,
    LoyaltyEquivocation,
    LoyaltyOfflineClaim,
    LoyaltyOfflineKey,
)
from chain.town.schemas import (
    ActParamSet,
    CouncilActs,
    EarnRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
)
from tests.town.loyalty.kit import read_wallet
from tests.town.loyalty.offline.kit import pay_of_result
from tests.town.loyalty.offline.test_claims import resigned
from tests.town.town_kit import DAY_S, Town, blind, jwk, key, make_town

SHOP = "shop:baker"
TILL, OWNER, ADA = key("till", "ES256"), key("owner"), key("ada")
ISSUER = key("issuer")
CHAIN_ID = "beffroi-test-1"


class Phone:
    key = ADA


@pytest.fixture
def town() -> Town:
    """The baker with a till; ada has 50 points; allowances of 20 are on."""
    town = make_town(params={"loyalty_offline_points": 20, "loyalty_offline_per_shop_points": 15})
    operator = town.role("loyalty_operator")
    rule = LoyaltyProgramme("town", 1, "active", EarnRule(1, 100, 0), 30)
    assert town.do(rule, "body:commerces", operator).info == "ok"
    shop = LoyaltyShop("baker", "Au bon pain", jwk(OWNER))
    assert town.do(shop, "body:commerces", operator, OWNER).info == "ok"
    till = LoyaltyTill(jwk(TILL), town.now_s + 20 * DAY_S, 1_000, 10_000)
    assert town.do(till, SHOP, OWNER, TILL).info == "ok"
    town.open_account(ADA, "loyalty")
    earn = LoyaltyEarn("town", ADA.kid, 5_000, blind("receipt"))
    assert town.do(earn, SHOP, TILL).info == "ok"
    issuer = LoyaltyOfflineKey("town", b64url_encode(ISSUER.public_key.raw))
    assert town.do(issuer, "body:commerces", operator).info == "ok"
    return town


def lock(town: Town) -> dict:
    tx = town.tx(LoyaltyAllowance("town", 20), ADA.kid, ADA)
    assert town.check(tx).info == "ok"
    return town.result_data(town.run(tx)[0])


def code(town: Town, locked: dict, points: int, counter: int = 1, shop: str = "baker") -> str:
    return pay_of_result(locked, Phone, ISSUER, CHAIN_ID, shop, points, counter)


def claim(town: Town, *texts: str, signer=TILL) -> bytes:
    return town.tx(LoyaltyOfflineClaim(texts), SHOP, signer)


def points(town: Town) -> int:
    return sum(lot.left for lot in read_wallet(town.reader, ADA.kid).lots)


def all_notes(town: Town) -> list[dict]:
    return [note for _, record in JOURNAL.scan(town.reader) for note in record.entries]


def test_lock_claim_and_the_end_of_it(town: Town) -> None:
    locked = lock(town)
    assert points(town) == 30
    town.advance(3_600)
    tx = claim(town, code(town, locked, 12))
    assert (town.check(tx).info, town.run(tx)[0].info) == ("ok", "ok")
    town.advance(locked["closes"] - town.now_s)
    town.run()
    (note,) = (n for n in all_notes(town) if n["kind"] == "loyalty.allowance")
    assert [(line["shop"], line["points"]) for line in note["paid"]] == [("baker", 12)]
    assert points(town) == 38


def forged(town, locked):
    return resigned(code(town, locked, 5), Phone, issuer=key("forger"), chain_id=CHAIN_ID)


def of_another_chain(town, locked):
    return pay_of_result(locked, Phone, ISSUER, "elsewhere-1", "baker", 5, 1)


def above_the_cap(town, locked):
    return resigned(code(town, locked, 20), Phone, issuer=ISSUER, spend={"amount": 21})


def out_of_its_time(town, locked):
    return resigned(code(town, locked, 5), Phone, issuer=ISSUER, spend={"iat": locked["expires"]})


def ten_minutes_ahead(town, locked):
    return resigned(code(town, locked, 5), Phone, issuer=ISSUER, spend={"iat": town.now_s + 660})


def ten_minutes_behind(town, locked):
    return resigned(code(town, locked, 5), Phone, issuer=ISSUER, spend={"iat": locked["iat"] - 660})


BAD = [
    (forged, "qr_bad_signature"),
    (of_another_chain, "qr_bad_signature"),
    (above_the_cap, "qr_over_max"),
    (out_of_its_time, "qr_expired"),
    (ten_minutes_ahead, "qr_expired"),
    (ten_minutes_behind, "qr_expired"),
]


@pytest.mark.parametrize(("make", "name"), BAD, ids=lambda v: getattr(v, "__name__", v))
def test_a_bad_claim_is_kept_out_by_checktx_and_changes_nothing_in_a_block(
    town: Town, make, name: str
) -> None:
    locked = lock(town)
    before = _loyalty(town)
    tx = claim(town, make(town, locked))
    assert (town.check(tx).info, town.run(tx)[0].info) == (name, name)
    assert _loyalty(town) == before


def _loyalty(town: Town) -> list[tuple[bytes, bytes]]:
    return list(town.reader.scan("loyalty"))


def test_a_shops_cap_a_repeated_claim_and_a_closed_lock_are_refused_the_same_way(
    town: Town,
) -> None:
    locked = lock(town)
    town.advance(3_600)
    first, second = code(town, locked, 10, 1), code(town, locked, 10, 2)
    assert town.run(claim(town, first))[0].info == "ok"
    _refused(town, second, "loyalty_offline_shop_cap")
    _refused(town, first, "loyalty_offline_claimed")
    town.advance(locked["closes"] - town.now_s)
    town.run()
    _refused(town, first, "loyalty_offline_closed")
    _refused(town, code(town, locked, 5, 3), "loyalty_offline_closed")


def _refused(town: Town, text: str, name: str) -> None:
    before = _loyalty(town)
    tx = claim(town, text)
    assert (town.check(tx).info, town.run(tx)[0].info) == (name, name)
    assert _loyalty(town) == before


def test_an_outbox_replayed_after_three_days_pays_nobody_twice(town: Town) -> None:
    locked = lock(town)
    town.advance(3_600)
    text = code(town, locked, 10)
    old = claim(town, text)
    assert [town.run(old)[0].info for _ in range(2)] == ["ok", "tx_replayed"]
    town.advance(3 * DAY_S)
    assert town.check(old).info == "tx_expired"
    town.run()
    assert town.check(claim(town, text)).info == "loyalty_offline_closed"
    assert points(town) == 40


def test_a_revoked_till_claims_nothing_and_its_owner_sends_its_outbox(town: Town) -> None:
    locked = lock(town)
    town.advance(3_600)
    text = code(town, locked, 10)
    assert town.do(LoyaltyTillRevoke(TILL.kid, town.now_s), SHOP, OWNER).info == "ok"
    assert town.check(claim(town, text)).info == "tx_key_expired"
    assert town.run(claim(town, text, signer=OWNER))[0].info == "ok"


def test_anybody_hands_in_a_proof_and_the_account_is_frozen_for_every_rule(town: Town) -> None:
    locked = lock(town)
    town.open_account(key("passer-by"), "sel")
    body = LoyaltyEquivocation((code(town, locked, 5), code(town, locked, 6)))
    tx = town.tx(body, key("passer-by").kid, key("passer-by"))
    assert (town.check(tx).info, town.run(tx)[0].info) == ("ok", "ok")
    assert get_account(town.reader, ADA.kid).status == "frozen"
    town.advance(locked["closes"] - town.now_s)
    town.run()
    again = town.tx(LoyaltyAllowance("town", 20), ADA.kid, ADA)
    assert town.check(again).info == "account_frozen"
    auditor = town.tx(body, "body:dehors", town.role("auditor"))
    assert town.check(auditor).info == "loyalty_fraud_known"


def test_the_council_switches_allowances_off_and_shops_are_still_paid(town: Town) -> None:
    locked = lock(town)
    town.advance(3_600)
    off = CouncilActs((ActParamSet("loyalty_offline_points", 0),))
    seats = [town.seat(body) for body in ("mairie", "commerces", "coop")]
    assert town.do(off, "council", *seats).info == "ok"
    town.run()
    assert town.run(claim(town, code(town, locked, 10)))[0].info == "ok"
    town.advance(locked["closes"] - town.now_s)
    town.run()
    assert points(town) == 40
    tx = town.tx(LoyaltyAllowance("town", 20), ADA.kid, ADA)
    assert (town.check(tx).info, town.run(tx)[0].info) == ("loyalty_offline_off",) * 2
