"""Redemptions through HTTP: every `qr_*` refusal, previews that say the same, and value that moves once."""

import json

import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from chain.codec import bf1
from tests.journeys.kit import PROGRAMME
from tests.town.town_kit import key


@pytest.fixture
def shop(street):
    """(till, Ana with 100 points)."""
    till = street.open_shop("boulangerie")
    return till, street.phone("Ana", 10_000, till)


def a_replayed_code(street, till, ana):
    code = ana.make_code(30)
    expect("first", till.redeem(code, 5))
    return code


def an_expired_code(street, till, ana):
    return ana.make_code(30, issued_at_s=street.clock() - 60 - bf1.LATE_S - 5)


def a_code_from_the_future(street, till, ana):
    return ana.make_code(30, issued_at_s=street.clock() + bf1.EARLY_S + 60)


def a_code_for_another_shop(street, till, ana):
    return ana.make_code(30, shop="librairie")


def a_code_with_too_small_a_limit(street, till, ana):
    return ana.make_code(4)


def a_code_of_an_unopened_account(street, till, ana):
    return street.new_phone().make_code(30)


def a_code_of_an_identity_account(street, till, ana):
    """Right form, right signature, but no loyalty account."""
    street.enrol(ana)
    clerk = street.clerk
    clerk.write_batch(clerk.read_batch()["attestations"])
    other = street.new_phone()
    other.wallet, other.key = ana.wallet, ana.identity_key
    body = bf1.encode_body(
        bf1.PayCode(
            bf1.CodeAlg.ED25519,
            bf1.Kind.PAY,
            _ref(ana.identity_key.kid),
            1,
            street.clock(),
            60,
            1,
            30,
        )
    )
    signature = ana.identity_key.sign(bf1.signed_bytes(street.facts.chain_id, body))
    return bf1.to_text(body, signature)


def _ref(account: str) -> bytes:
    from chain.codec.canonical import b64url_decode

    return b64url_decode(account)[:16]


def a_code_signed_by_another_key(street, till, ana):
    _, body, _ = bf1.parse_text(ana.make_code(30))
    forged = key("forger").sign(bf1.signed_bytes(street.facts.chain_id, body))
    return bf1.to_text(body, forged)


def a_code_signed_for_another_chain(street, till, ana):
    _, body, _ = bf1.parse_text(ana.make_code(30))
    return bf1.to_text(body, ana.key.sign(bf1.signed_bytes("elsewhere-1", body)))


def a_truncated_code(street, till, ana):
    return ana.make_code(30)[:-3]


def a_code_to_identify_with(street, till, ana):
    return ana.make_identity_code()


def a_code_of_a_frozen_account(street, till, ana):
    """No transaction freezes a loyalty account yet, so the record is put so by hand, in chain and SQL."""
    from app.accounts.models import AccountRow
    from app.core.database import connected, write

    code = ana.make_code(30)
    store, record_id = street.town.lab.app._store, b"account/" + ana.account.encode()
    record = json.loads(store.get("account", record_id)) | {"status": "frozen"}
    raw = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    store._records["account"][record_id] = raw
    with connected(), write():
        AccountRow.update(status="frozen").where(AccountRow.id == ana.account).execute()
    return code


REFUSALS = [
    (a_truncated_code, "qr_malformed"),
    (a_code_to_identify_with, "qr_malformed"),
    (an_expired_code, "qr_expired"),
    (a_code_from_the_future, "qr_expired"),
    (a_code_of_an_unopened_account, "qr_unknown_key"),
    (a_code_of_an_identity_account, "qr_unknown_key"),
    (a_code_of_a_frozen_account, "qr_revoked"),
    (a_code_signed_by_another_key, "qr_bad_signature"),
    (a_code_signed_for_another_chain, "qr_bad_signature"),
    (a_replayed_code, "qr_replayed"),
    (a_code_with_too_small_a_limit, "qr_over_max"),
    (a_code_for_another_shop, "qr_wrong_shop"),
]


@pytest.mark.parametrize(("make", "code"), REFUSALS, ids=lambda v: getattr(v, "__name__", v))
def test_a_bad_code_is_refused_by_name_in_preview_and_redemption_and_takes_nothing(
    street, shop, make, code
):
    till, ana = shop
    text = make(street, till, ana)
    before = sum(_lots(ana))
    assert till.preview(text, 5).code == code
    answer = till.redeem(text, 5)
    assert answer.code == code
    assert answer.body["title"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert sum(_lots(ana)) == before


def test_all_eight_qr_refusals_are_in_the_table_above():
    assert {code for _, code in REFUSALS} == {
        "qr_malformed",
        "qr_expired",
        "qr_unknown_key",
        "qr_revoked",
        "qr_bad_signature",
        "qr_replayed",
        "qr_over_max",
        "qr_wrong_shop",
    }


def _lots(phone) -> list[int]:
    """Points left by lot, from SQL itself: a frozen account's holder may not ask."""
    from app.core.database import connected
    from app.loyalty.models import LotRow

    with connected():
        return [row.left for row in LotRow.select().where(LotRow.account == phone.account)]


def test_a_good_code_pays_and_its_preview_used_nothing(street, shop):
    till, ana = shop
    code = ana.make_code(60, shop="boulangerie")
    assert till.preview(code, 60).body["would_pay"] is True
    assert till.preview(code, 60).body["would_pay"] is True
    assert expect("redeem", till.redeem(code, 60))["state"] == "final"
    assert street.balance(ana) == 40


def test_an_overdraw_takes_nothing_and_says_so_in_the_preview_too(street, shop):
    till, ana = shop
    code = ana.make_code(500, shop="boulangerie")
    assert till.preview(code, 101).code == "loyalty_overdraw"
    assert till.redeem(code, 101).code == "loyalty_overdraw"
    assert street.balance(ana) == 100
    assert expect("redeem", till.redeem(ana.make_code(500, shop="boulangerie"), 100))


def test_a_code_for_any_shop_is_limited_to_fifty_points(street, shop):
    till, ana = shop
    assert till.redeem(ana.make_code(500), 51).code == "qr_over_max"
    assert till.redeem(ana.make_code(500), 50).status == 201


def test_the_same_request_again_gives_the_first_answer_and_moves_nothing(street, shop):
    till, ana = shop
    text, sent = till.sign_redeem(ana.make_code(30), 10), new_key()
    first = till.send("/v1/loyalty/redemptions", text, key=sent)
    again = till.send("/v1/loyalty/redemptions", text, key=sent)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["idempotent-replayed"] == "true"
    other_key = till.send("/v1/loyalty/redemptions", text)
    assert other_key.body == first.body
    assert street.balance(ana) == 90


def test_one_idempotency_key_for_two_bodies_is_refused(street, shop):
    till, ana = shop
    sent = new_key()
    expect("one", till.send("/v1/loyalty/earn", till.sign_earn(ana.account, 500), key=sent))
    answer = till.send("/v1/loyalty/earn", till.sign_earn(ana.account, 500), key=sent)
    assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert street.balance(ana) == 105


def test_value_routes_ask_for_an_idempotency_key(street, shop):
    till, ana = shop
    body = {"transaction": till.sign_earn(ana.account, 500)}
    for route in ("earn", "redemptions", "reversals"):
        answer = till.api.post(f"/v1/loyalty/{route}", body, token=till.token)
        assert (answer.status, answer.code) == (400, "idempotency_key_required")


def test_an_es256_till_gives_and_takes(street):
    till = street.open_shop("cafe", till_alg="ES256")
    ana = street.phone("Ana", 3_000, till)
    assert till.redeem(ana.make_code(30), 30).status == 201
    assert street.balance(ana) == 0


@pytest.mark.parametrize("route", ["earn", "redemptions", "reversals"])
def test_a_route_takes_its_own_kind_of_transaction_only(street, shop, route):
    till, ana = shop
    kinds = {
        "earn": till.sign_redeem(ana.make_code(30), 5),
        "redemptions": till.sign_earn(ana.account, 500),
        "reversals": till.sign_earn(ana.account, 500),
    }
    answer = till.send(f"/v1/loyalty/{route}", kinds[route])
    assert (answer.status, answer.code) == (422, "transaction_wrong_route")


def test_a_tills_token_moves_nothing_without_the_tills_signature(street, shop):
    till, ana = shop
    code = ana.make_code(30)
    signed = till.sign_redeem(code, 5)
    cases = {
        signed.rpartition(".")[0] + "." + "A" * 86: "tx_bad_signature",
        signed.rpartition(".")[0] + ".": "tx_malformed",
        signed + "A": "tx_malformed",
    }
    for text, expected in cases.items():
        assert till.send("/v1/loyalty/redemptions", text).code == expected
    till.key = key("a till nobody registered")
    assert till.redeem(code, 5).code == "tx_unknown_key"
    assert street.balance(ana) == 100


def test_a_revoked_till_is_out_within_one_request_and_its_unspent_points_go(street, shop):
    till, ana = shop
    since = street.clock()
    expect("late gift", till.earn(ana.account, 2_000))
    owner = street.owner("boulangerie")
    answer = owner.revoke_till(till.key.kid, since)
    assert answer.status == 201, answer.body
    assert till.earn(ana.account, 500).code in ("auth_scope_missing", "auth_token_invalid")
    assert street.balance(ana) == 100
    (line,) = street.api.get("/v1/loyalty/shops/boulangerie/terminals", token=owner.token).body[
        "terminals"
    ]
    assert line["revoked_since"] == since
    newest = street.api.get("/v1/loyalty/operations", token=ana.token).body["operations"][0]
    assert (newest["kind"], newest["points"]) == ("reversal", -20)


def test_when_the_node_is_down_writing_waits_and_reading_works(street, shop):
    till, ana = shop
    street.town.lab.is_down = True
    answer = till.redeem(ana.make_code(30), 5)
    assert (answer.status, answer.code) == (503, "node_unavailable")
    assert answer.headers["retry-after"]
    assert street.balance(ana) == 100
    assert till.preview(ana.make_code(30), 5).body["would_pay"] is True
    assert street.api.get("/v1/loyalty/shops").body["shops"]
    assert PROGRAMME in str(street.api.get("/v1/loyalty/programmes").body)


def test_a_failed_attempt_during_the_outage_succeeds_afterwards_with_the_same_key(street, shop):
    till, ana = shop
    text, sent = till.sign_redeem(ana.make_code(30), 10), new_key()
    street.town.lab.is_down = True
    assert till.send("/v1/loyalty/redemptions", text, key=sent).status == 503
    street.town.lab.is_down = False
    assert till.send("/v1/loyalty/redemptions", text, key=sent).status == 201
    assert street.balance(ana) == 90


def test_of_two_tills_that_scan_one_code_at_the_same_instant_one_is_paid(street, shop):
    """Both transactions stand in one block; each till hears from the chain what became of its own."""
    till, ana = shop
    other = street.open_shop("librairie")
    code = ana.make_code(30)
    sent = [(each, each.sign_redeem(code, 10)) for each in (till, other)]
    street.town.lab.produce(*(text.encode() for _, text in sent))
    street.town.lab.produce()
    street.town.follow()
    answers = [each.send("/v1/loyalty/redemptions", text) for each, text in sent]
    assert sorted(answer.code for answer in answers) == ["ok", "qr_replayed"]
    assert street.balance(ana) == 90


@pytest.mark.parametrize(("minutes", "code"), [(10, "ok"), (-9, "ok"), (-10, "tx_expired")])
def test_a_tills_clock_may_be_off_by_less_than_its_transactions_live(street, shop, minutes, code):
    """The till's clock only dates its transaction; what is judged by time is the customer's code and the block."""
    till, ana = shop
    till.clock = lambda: street.clock() + 60 * minutes
    assert till.redeem(ana.make_code(30), 10).code == code
    assert street.balance(ana) == (90 if code == "ok" else 100)


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_phones_clock_ten_minutes_off_makes_codes_that_nobody_takes(street, shop, minutes):
    till, ana = shop
    code = ana.make_code(30, issued_at_s=street.clock() + 60 * minutes)
    assert till.preview(code, 10).code == till.redeem(code, 10).code == "qr_expired"
    assert street.balance(ana) == 100
