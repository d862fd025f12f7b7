"""Late purchases through the whole application: what CheckTx keeps out, what a block makes of the rest."""

import pytest

from chain.town.loyalty_offline_schemas import LoyaltyEarnBatch
from chain.town.schemas import (
    EarnRule,
    LoyaltyProgramme,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
)
from tests.town.loyalty.kit import read_wallet
from tests.town.loyalty.offline.kit import make_note
from tests.town.town_kit import DAY_S, Town, jwk, key, make_town

SHOP = "shop:baker"
TILL = key("till", "ES256")


@pytest.fixture
def town() -> Town:
    town = make_town()
    rule = LoyaltyProgramme("town", 1, "active", EarnRule(1, 100, 0), 30)
    operator = town.role("loyalty_operator")
    assert town.do(rule, "body:commerces", operator).info == "ok"
    shop = LoyaltyShop("baker", "Au bon pain", jwk(key("owner")))
    assert town.do(shop, "body:commerces", operator, key("owner")).info == "ok"
    till = LoyaltyTill(jwk(TILL), town.now_s + 20 * DAY_S, 1_000, 10_000)
    assert town.do(till, SHOP, key("owner"), TILL).info == "ok"
    town.open_account(key("ada"), "loyalty")
    return town


def note(town: Town, *, age_s: int = 60, receipt: str = "1", signer=TILL) -> str:
    return make_note(
        signer, key("ada").kid, made=town.now_s - age_s, receipt=receipt, town=town.town
    )


def batch(town: Town, *notes: str, signer=TILL) -> bytes:
    return town.tx(LoyaltyEarnBatch(notes), SHOP, signer)


def points(town: Town) -> int:
    return sum(lot.left for lot in read_wallet(town.reader, key("ada").kid).lots)


def test_a_batch_is_checked_decided_and_credited(town: Town) -> None:
    tx = batch(town, note(town), note(town, age_s=4 * DAY_S, receipt="2"))
    assert town.check(tx).info == "ok"
    result = town.run(tx)[0]
    data = town.result_data(result)
    assert [line["points"] for line in data["earned"]] == [10]
    assert [line[:2] for line in data["refused"]] == [[1, "loyalty_note_old"]]
    assert points(town) == 10


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda t: note(t, signer=key("thief")), "loyalty_till_unknown"),
        (lambda t: note(t, age_s=3 * DAY_S + 60), "loyalty_note_old"),
        (lambda t: note(t, age_s=-700), "loyalty_note_early"),
    ],
    ids=["forged", "three days old", "clock ahead"],
)
def test_a_bad_note_is_kept_out_by_checktx_and_changes_nothing_in_a_block(
    town: Town, make, code: str
) -> None:
    tx = batch(town, make(town))
    assert town.check(tx).info == code
    assert town.run(tx)[0].info == code
    assert points(town) == 0


def test_an_outbox_replayed_after_three_days_gives_nothing_twice(town: Town) -> None:
    """The very transaction is out of date; signed anew its receipts are known, not merely old."""
    held = note(town)
    old = batch(town, held)
    assert town.run(old)[0].info == "ok"
    assert town.run(old)[0].info == "tx_replayed"
    town.advance(3 * DAY_S)
    assert town.check(old).info == "tx_expired"
    again = batch(town, held)
    assert (town.check(again).info, town.run(again)[0].info) == ("loyalty_receipt_used",) * 2
    assert points(town) == 10


def test_a_revoked_till_sends_nothing_and_its_notes_since_count_for_nobody(town: Town) -> None:
    early, late = note(town, age_s=7_200), note(town, age_s=60, receipt="2")
    revoke = LoyaltyTillRevoke(TILL.kid, town.now_s - 3_600)
    assert town.do(revoke, SHOP, key("owner")).info == "ok"
    assert town.check(batch(town, early)).info == "tx_key_expired"
    assert town.check(batch(town, late, signer=key("owner"))).info == "loyalty_till_revoked"
    assert town.run(batch(town, early, signer=key("owner")))[0].info == "ok"
    assert points(town) == 10


def test_a_note_sent_online_and_late_in_one_block_counts_once(town: Town) -> None:
    held = note(town)
    results = town.run(batch(town, held), batch(town, held, signer=key("owner")))
    assert [result.info for result in results] == ["ok", "loyalty_receipt_used"]
    assert points(town) == 10
