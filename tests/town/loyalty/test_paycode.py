"""The eight refusals of a pay code, in their order; each leaves the ledger as it was."""

import pytest

from chain.codec import bf1
from chain.town.accounts import get_account, rotate_account_key, set_account_status
from chain.town.context import Accepted, Outcome, Refused
from chain.town.loyalty.paycode import use_counter, verify_code
from chain.town.loyalty.records import WindowRecord
from tests.town.loyalty.kit import CHAIN_ID, LedgerTown, Phone, jwk_struct, make_key, open_town


@pytest.fixture
def sale():
    """A customer with 500 points in front of the baker's till."""
    town, tills = open_town("baker", "florist")
    phone = town.open_phone("ada")
    assert isinstance(town.earn("baker", tills["baker"], phone.account, 50_000), Accepted)
    return town, tills, phone


def name(outcome: Outcome) -> str:
    return outcome.code.name if isinstance(outcome, Refused) else "ok"


def pay(sale, qr: str, points: int = 10, shop: str = "baker") -> str:
    town, tills, _ = sale
    before = town.state.changes()
    outcome = town.redeem(shop, tills[shop], points, qr)
    if isinstance(outcome, Refused):
        assert town.state.changes() == before
    return name(outcome)


def shown(sale, **how) -> str:
    town, _, phone = sale
    return phone.pay_code(how.pop("now_s", town.time_s), **{"shop": "baker", **how})


def test_a_good_code_is_accepted(sale) -> None:
    assert pay(sale, shown(sale)) == "ok"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "BF2:" + text[4:],
        lambda text: text.lower(),
        lambda text: text[:-3],
        lambda text: text + "000",
        lambda text: text + "\n",
        lambda text: text[:20] + "é" + text[21:],
        lambda text: "BF1:",
    ],
    ids=["version", "case", "short", "long", "newline", "letter", "empty"],
)
def test_text_that_is_no_code_is_malformed(sale, spoil) -> None:
    assert pay(sale, spoil(shown(sale))) == "qr_malformed"


def test_a_code_to_identify_cannot_pay(sale) -> None:
    town, _, phone = sale
    code = bf1.PayCode(
        bf1.CodeAlg.ED25519, bf1.Kind.IDENTIFY, bytes(16), ctr=1, iat=town.time_s, ttl_s=60
    )
    body = bf1.encode_body(code)
    text = bf1.to_text(body, phone.key.sign(bf1.signed_bytes(CHAIN_ID, body)))
    assert pay(sale, text) == "qr_malformed"


def test_a_code_for_another_asset_cannot_spend_points(sale) -> None:
    assert pay(sale, shown(sale, asset=2)) == "qr_malformed"


@pytest.mark.parametrize(
    ("shown_s", "verdict"),
    [(-121, "qr_expired"), (-120, "ok"), (0, "ok"), (30, "ok"), (31, "qr_expired")],
)
def test_a_code_lives_from_half_a_minute_before_to_a_minute_after_its_ttl(
    sale, shown_s: int, verdict: str
) -> None:
    town, _, _ = sale
    assert pay(sale, shown(sale, now_s=town.time_s + shown_s)) == verdict


def test_a_code_of_an_account_that_was_never_opened_is_unknown(sale) -> None:
    town, _, _ = sale
    stranger = make_key("stranger")
    assert pay(sale, Phone(stranger, stranger.kid).pay_code(town.time_s, shop="baker")) == (
        "qr_unknown_key"
    )


def test_a_code_of_an_account_of_another_service_is_unknown(sale) -> None:
    town, _, _ = sale
    gardener = town.open_phone("gardener", domain="sel")
    assert pay(sale, gardener.pay_code(town.time_s, shop="baker")) == "qr_unknown_key"


@pytest.mark.parametrize("status", ["frozen", "closed"])
def test_a_code_of_a_frozen_or_closed_account_is_revoked(sale, status) -> None:
    town, _, phone = sale
    set_account_status(town.state, get_account(town.state, phone.account), status)
    assert pay(sale, shown(sale)) == "qr_revoked"


def test_a_code_signed_by_another_key_is_refused(sale) -> None:
    assert pay(sale, shown(sale, signer=make_key("thief"))) == "qr_bad_signature"


def test_a_code_signed_for_another_chain_is_refused(sale) -> None:
    assert pay(sale, shown(sale, chain_id="beffroi-other-1")) == "qr_bad_signature"


def test_after_a_rotation_the_old_key_signs_no_code_and_the_new_key_counts_afresh(sale) -> None:
    town, _, phone = sale
    assert pay(sale, shown(sale, counter=1_000)) == "ok"
    account, fresh = get_account(town.state, phone.account), make_key("new phone")
    rotated = rotate_account_key(town.state, account, jwk_struct(fresh), 1)
    assert not isinstance(rotated, Refused)
    assert pay(sale, shown(sale, counter=1_001)) == "qr_bad_signature"
    assert pay(sale, shown(sale, counter=1, signer=fresh)) == "ok"
    assert pay(sale, shown(sale, counter=1, signer=fresh)) == "qr_replayed"


def test_a_code_is_used_once_whatever_the_till_and_the_amount(sale) -> None:
    town, _, phone = sale
    code = phone.pay_code(town.time_s, shop=None)
    assert pay(sale, code) == "ok"
    assert pay(sale, code) == "qr_replayed"
    assert pay(sale, code, points=3, shop="florist") == "qr_replayed"


def test_a_refused_sale_does_not_burn_the_code(sale) -> None:
    code = shown(sale)
    assert pay(sale, code, points=501) == "loyalty_overdraw"
    assert pay(sale, code, points=500) == "ok"


def test_codes_may_arrive_out_of_order_within_64(sale) -> None:
    verdicts = [pay(sale, shown(sale, counter=n), points=1) for n in (100, 37, 36, 99, 37, 101)]
    assert verdicts == ["ok", "ok", "qr_replayed", "ok", "qr_replayed", "ok"]


def test_the_customer_bounds_the_amount(sale) -> None:
    code = shown(sale, max_points=12)
    assert pay(sale, code, points=13) == "qr_over_max"
    assert pay(sale, code, points=12) == "ok"


def test_a_code_for_any_shop_pays_fifty_points_at_most(sale) -> None:
    code = shown(sale, shop=None)
    assert pay(sale, code, points=51) == "qr_over_max"
    assert pay(sale, code, points=50, shop="florist") == "ok"
    assert pay(sale, shown(sale), points=51) == "ok"


def test_a_code_for_another_shop_is_refused(sale) -> None:
    assert pay(sale, shown(sale, shop="florist")) == "qr_wrong_shop"


def test_refusals_come_in_the_order_of_the_checks(sale) -> None:
    """Each code below has the named fault and every later one; the first in order is told."""
    town, _, phone = sale
    assert pay(sale, shown(sale, counter=7)) == "ok"
    thief = make_key("thief")
    late = {"counter": 7, "max_points": 1, "shop": "florist"}
    assert pay(sale, shown(sale, now_s=0, signer=thief, asset=9, **late)) == "qr_malformed"
    assert pay(sale, shown(sale, now_s=0, signer=thief, **late)) == "qr_expired"
    unknown = Phone(thief, thief.kid)
    assert pay(sale, unknown.pay_code(town.time_s, **late)) == "qr_unknown_key"
    set_account_status(town.state, get_account(town.state, phone.account), "frozen")
    assert pay(sale, shown(sale, signer=thief, **late)) == "qr_revoked"
    set_account_status(town.state, get_account(town.state, phone.account), "open")
    assert pay(sale, shown(sale, signer=thief, **late)) == "qr_bad_signature"
    assert pay(sale, shown(sale, **late)) == "qr_replayed"
    assert pay(sale, shown(sale, **{**late, "counter": 8})) == "qr_over_max"
    assert pay(sale, shown(sale, **{**late, "counter": 8, "max_points": 10})) == "qr_wrong_shop"


def test_the_counter_window_equals_a_set_of_used_counters() -> None:
    """Against a plain set, over a walk that jumps, lags and repeats."""
    window: WindowRecord | None = None
    used: set[int] = set()
    step = 1
    for index in range(3_000):
        step = step * 1_103_515_245 % 2**31 or 1
        counter = max(0, index // 2 + step % 90 - 70)
        is_fresh = counter not in used and (not used or counter > max(used) - 64)
        fresh = use_counter(window, counter)
        assert (fresh is not None) == is_fresh
        if fresh is not None:
            window = fresh
            used.add(counter)
    assert len(used) > 500


def test_the_highest_counter_a_code_can_hold_is_usable(sale) -> None:
    assert pay(sale, shown(sale, counter=2**32 - 1)) == "ok"
    assert pay(sale, shown(sale, counter=2**32 - 1)) == "qr_replayed"
    assert pay(sale, shown(sale, counter=2**32 - 2)) == "ok"


def test_a_till_that_is_not_the_shops_cannot_take_points(sale) -> None:
    town, tills, _ = sale
    ledger: LedgerTown = town
    outcome = ledger.redeem("florist", tills["baker"], 5, shown(sale, shop="florist"))
    assert name(outcome) == "loyalty_till_unknown"


def test_a_kept_verdict_is_of_the_very_key_message_and_signature(sale) -> None:
    """What was once found good is good for nothing else: each of the three changed, before and after."""
    town, _, phone = sale
    _, body, signature = bf1.parse_text(phone.pay_code(town.time_s, shop="baker"))
    message, key = bf1.signed_bytes(CHAIN_ID, body), phone.key.public_key.raw
    other = make_key("other").public_key.raw
    for _ in range(2):
        assert verify_code(key, message, signature)
        assert not verify_code(other, message, signature)
        assert not verify_code(key, message + b"x", signature)
        assert not verify_code(key, message, bytes(64))
