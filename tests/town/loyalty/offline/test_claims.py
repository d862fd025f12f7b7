"""Claims: every bad one is refused by name and changes nothing; good ones count once."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_record

from chain.codec import bf1
from chain.codec.bf1_offline import OfflineCode, encode_allowance, parse_offline
from chain.limits import LOYALTY_OFFLINE_SHOP_CLAIMS, LOYALTY_OFFLINE_SHOPS
from chain.town.accounts import get_account, set_account_status
from chain.town.context import Accepted
from chain.town.loyalty.offline.records import ALLOWANCES, CLAIMS
from chain.town.loyalty_schemas import LoyaltyStaff
from chain.town.settlement.records import STANDINGS, StandingRecord
from tests.town.loyalty.kit import make_key, open_town, owner_key
from tests.town.loyalty.offline.kit import (
    CHAIN_ID,
    CLAIM_S,
    ISSUER,
    LIFE_S,
    claim,
    dump,
    name,
    name_of,
    open_purse,
    pay,
    sign_code,
    switch_on,
)

CLOCK_S = 600


@pytest.fixture
def sale():
    """The baker's till, ada's phone with an allowance of 20."""
    town, tills = open_town("baker", "florist")
    ada = town.open_phone("ada")
    town.earn("baker", tills["baker"], ada.account, 3_000)
    switch_on(town)
    return town, tills, ada, open_purse(town, ada)


def resigned(text, phone, *, issuer=ISSUER, chain_id=CHAIN_ID, spend=None, **changes):
    """The payment again with another certificate, both signed as somebody likes."""
    code, _, _ = parse_offline(text)
    allowance = replace(code.allowance, **changes)
    body = encode_allowance(allowance)
    signature = issuer.sign(bf1.signed_bytes(chain_id, body))
    made = OfflineCode(replace(code.spend, **(spend or {})), allowance, signature)
    return sign_code(made, phone.key, chain_id)


def a_larger_allowance(town, ada, purse):
    """Forged: more than is locked, under a signature the town did not make."""
    return resigned(pay(purse, ada, 5), ada, issuer=make_key("forger"), cap_total=2_000)


def a_larger_allowance_truly_signed(town, ada, purse):
    """The programme's key was stolen; the chain has locked nothing for it."""
    return resigned(pay(purse, ada, 5), ada, cap_total=2_000)


def a_longer_allowance(town, ada, purse):
    return resigned(pay(purse, ada, 5), ada, expires_s=town.time_s + LIFE_S - 1)


def an_allowance_of_nobody(town, ada, purse):
    return resigned(pay(purse, ada, 5), ada, key_ref=bytes(16))


def an_allowance_signed_by_a_stranger(town, ada, purse):
    """Every word as on chain, but the town's signature is not."""
    return resigned(pay(purse, ada, 5), ada, issuer=make_key("forger"))


def a_payment_signed_by_a_stranger(town, ada, purse):
    code, _, _ = parse_offline(pay(purse, ada, 5))
    return sign_code(code, make_key("thief"))


def an_allowance_of_another_chain(town, ada, purse):
    return resigned(pay(purse, ada, 5), ada, chain_id="elsewhere-1")


def a_payment_of_another_chain(town, ada, purse):
    code, _, _ = parse_offline(pay(purse, ada, 5))
    return sign_code(code, ada.key, "elsewhere-1")


def points_of_another_programme(town, ada, purse):
    return pay(replace(purse, programme="fair"), ada, 5)


def plain_points(town, ada, purse):
    return resigned(pay(purse, ada, 5), ada, spend={"asset": 1})


def more_at_once_than_allowed(town, ada, purse):
    return pay(purse, ada, 11)


def for_another_shop(town, ada, purse):
    return pay(purse, ada, 5, shop="florist")


def after_the_allowance(town, ada, purse):
    return pay(purse, ada, 5, now_s=town.time_s + LIFE_S)


def before_the_allowance(town, ada, purse):
    return pay(purse, ada, 5, now_s=town.time_s - CLOCK_S - 1)


def from_the_future(town, ada, purse):
    return pay(purse, ada, 5, now_s=town.time_s + CLOCK_S + 1)


def no_offline_code(town, ada, purse):
    return ada.pay_code(town.time_s, shop="baker")


def a_cut_code(town, ada, purse):
    return pay(purse, ada, 5)[:-3]


BAD = [
    (a_larger_allowance, "loyalty_offline_unknown"),
    (a_larger_allowance_truly_signed, "loyalty_offline_unknown"),
    (a_longer_allowance, "loyalty_offline_unknown"),
    (an_allowance_of_nobody, "loyalty_offline_unknown"),
    (an_allowance_signed_by_a_stranger, "qr_bad_signature"),
    (a_payment_signed_by_a_stranger, "qr_bad_signature"),
    (an_allowance_of_another_chain, "qr_bad_signature"),
    (a_payment_of_another_chain, "qr_bad_signature"),
    (points_of_another_programme, "qr_malformed"),
    (plain_points, "qr_malformed"),
    (more_at_once_than_allowed, "qr_over_max"),
    (for_another_shop, "qr_wrong_shop"),
    (after_the_allowance, "qr_expired"),
    (before_the_allowance, "qr_expired"),
    (from_the_future, "qr_expired"),
    (no_offline_code, "qr_malformed"),
    (a_cut_code, "qr_malformed"),
]


@pytest.mark.parametrize(("make", "code"), BAD, ids=lambda v: getattr(v, "__name__", v))
def test_a_bad_claim_is_refused_by_name_and_changes_nothing_beside_a_good_one(
    sale, make, code: str
) -> None:
    town, tills, ada, purse = sale
    bad, good = make(town, ada, purse), pay(purse, ada, 3, counter=9)
    before = dump(town)
    assert name(claim(town, tills["baker"], bad)) == code
    assert dump(town) == before
    outcome = claim(town, tills["baker"], bad, good)
    assert isinstance(outcome, Accepted)
    assert [line["index"] for line in outcome.data["claimed"]] == [1]
    assert [line[:2] for line in outcome.data["refused"]] == [[0, code]]
    assert len(list(CLAIMS.scan(town.state))) == 1


@pytest.mark.parametrize("drift_s", [-CLOCK_S, CLOCK_S])
def test_a_phones_clock_may_be_ten_minutes_off(sale, drift_s: int) -> None:
    town, tills, ada, purse = sale
    assert name(claim(town, tills["baker"], pay(purse, ada, 5, now_s=town.time_s + drift_s))) == (
        "ok"
    )


def test_a_payment_is_claimed_once_whoever_sends_it_however_often(sale) -> None:
    town, tills, ada, purse = sale
    other = town.add_till("baker", "2")
    code = pay(purse, ada, 5)
    outcome = claim(town, tills["baker"], code, code)
    assert isinstance(outcome, Accepted)
    assert [line[:2] for line in outcome.data["refused"]] == [[1, "loyalty_offline_claimed"]]
    before = dump(town)
    for signer in (tills["baker"], other, owner_key("baker")):
        assert name(claim(town, signer, code)) == "loyalty_offline_claimed"
    assert dump(town) == before
    assert get_account(town.state, ada.account).status == "open"


def test_an_outbox_may_be_sent_until_the_lock_ends_and_not_after(sale) -> None:
    town, tills, ada, purse = sale
    first, second = (pay(purse, ada, 5, counter=counter) for counter in (1, 2))
    town.next_block(seconds=LIFE_S + CLAIM_S - 1)
    assert name(claim(town, tills["baker"], first)) == "ok"
    town.next_block(seconds=1)
    before = dump(town)
    for code in (first, second):
        assert name(claim(town, tills["baker"], code)) == "loyalty_offline_closed"
    assert dump(town) == before


def test_a_claim_in_a_late_block_is_refused_before_the_due_work_has_run(sale) -> None:
    """Due work is bounded, so a lock may be over and not closed yet."""
    town, tills, ada, purse = sale
    town.next_block(seconds=LIFE_S + CLAIM_S, due_max=0)
    assert name(claim(town, tills["baker"], pay(purse, ada, 5))) == "loyalty_offline_closed"


def test_one_shop_claims_no_more_than_its_cap_of_one_allowance(sale) -> None:
    town, tills, ada, purse = sale
    codes = [pay(purse, ada, points, counter=points) for points in (6, 5, 4)]
    outcome = claim(town, tills["baker"], *codes)
    assert isinstance(outcome, Accepted)
    assert [line["points"] for line in outcome.data["claimed"]] == [6, 4]
    assert [line[:2] for line in outcome.data["refused"]] == [[1, "loyalty_offline_shop_cap"]]


def test_no_shop_claims_very_many_payments_and_not_very_many_shops_claim(sale) -> None:
    town, tills, ada, purse = sale
    record = ALLOWANCES.get(town.state, name_of(purse).encode())
    full = replace_record(record, shops=(("baker", 1, LOYALTY_OFFLINE_SHOP_CLAIMS),), claimed=1)
    ALLOWANCES.put(town.state, name_of(purse).encode(), full)
    assert name(claim(town, tills["baker"], pay(purse, ada, 1))) == "loyalty_offline_crowded"
    shops = tuple((f"shop{n:02d}", 0, 1) for n in range(LOYALTY_OFFLINE_SHOPS))
    ALLOWANCES.put(town.state, name_of(purse).encode(), replace_record(record, shops=shops))
    assert name(claim(town, tills["baker"], pay(purse, ada, 1))) == "loyalty_offline_crowded"


def test_a_revoked_till_claims_nothing_and_its_shop_sends_what_it_took(sale) -> None:
    """The payment is the phone's signature; whose till kept it does not matter."""
    town, tills, ada, purse = sale
    code = pay(purse, ada, 5)
    assert name(town.revoke("baker", tills["baker"], town.time_s)) == "ok"
    assert name(claim(town, owner_key("baker"), code)) == "ok"


def test_caps_of_the_till_that_sends_hold_and_the_owner_has_none(sale) -> None:
    town, _tills, ada, purse = sale
    small = town.add_till("baker", "small", per_tx=4, per_day=4)
    code = pay(purse, ada, 5)
    assert name(claim(town, small, code)) == "loyalty_till_cap"
    assert name(claim(town, owner_key("baker"), code)) == "ok"


def test_a_till_claims_for_its_own_shop_alone(sale) -> None:
    town, tills, ada, purse = sale
    code = pay(purse, ada, 5, shop="florist")
    assert name(claim(town, tills["baker"], code, shop="florist")) == "loyalty_till_unknown"


def test_staff_and_shops_that_left_are_refused_as_online(sale) -> None:
    town, tills, ada, purse = sale
    code = pay(purse, ada, 5)
    town.run("shop:baker", LoyaltyStaff(ada.account, True), owner_key("baker"))
    assert name(claim(town, tills["baker"], code)) == "loyalty_self_dealing"
    STANDINGS.put(town.state, b"baker", StandingRecord("leaving"))
    assert name(claim(town, tills["baker"], code)) == "settlement_shop_left"


def test_a_frozen_account_has_its_payments_honoured(sale) -> None:
    """No shop without a network can know; that is what the lock is for."""
    town, tills, ada, purse = sale
    set_account_status(town.state, get_account(town.state, ada.account), "frozen")
    assert name(claim(town, tills["baker"], pay(purse, ada, 5))) == "ok"


def test_no_result_of_a_claim_names_the_account(sale) -> None:
    town, tills, ada, purse = sale
    outcome = claim(town, tills["baker"], pay(purse, ada, 5))
    assert ada.account not in str(outcome.data)
