"""Loyalty through the whole application: envelopes, roles, replays, proofs, block end."""

import json
from hashlib import sha256

import pytest

from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.ics23 import (
    TENDERMINT_SPEC,
    calculate_root,
    decode_proof,
    verify_membership,
)
from chain.town.loyalty import RULES
from chain.town.loyalty_schemas import LoyaltyInvoicePay
from chain.town.schemas import (
    AccountDeviceAdd,
    EarnRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyRedeem,
    LoyaltyReverse,
    LoyaltyShop,
    LoyaltyTill,
    LoyaltyTillRevoke,
)
from tests.town.loyalty.kit import WalletView, make_invoice, read_wallet
from tests.town.town_kit import DAY_S, Town, blind, jwk, key, make_town, name_of

CHAIN_ID = "beffroi-test-1"
SHOP = "shop:baker"


def receipt(name: str) -> str:
    return blind(f"receipt {name}")


@pytest.fixture
def town() -> Town:
    """The baker has a till, ada a loyalty account."""
    town = make_town()
    rule = LoyaltyProgramme("town", 1, "active", EarnRule(1, 100, 0), 30)
    operator = town.role("loyalty_operator")
    assert town.do(rule, "body:commerces", operator).info == "ok"
    shop = LoyaltyShop("baker", "Au bon pain", jwk(key("owner")))
    assert town.do(shop, "body:commerces", operator, key("owner")).info == "ok"
    till = LoyaltyTill(jwk(key("till", "ES256")), town.now_s + 20 * DAY_S, 1_000, 10_000)
    assert town.do(till, SHOP, key("owner"), key("till", "ES256")).info == "ok"
    town.open_account(key("ada"), "loyalty")
    return town


def earn_tx(town: Town, cents: int = 5_000, name: str = "1") -> bytes:
    body = LoyaltyEarn("town", key("ada").kid, cents, receipt(name))
    return town.tx(body, SHOP, key("till", "ES256"))


def pay_code(town: Town, counter: int) -> str:
    code = bf1.PayCode(
        alg=bf1.CodeAlg.ED25519,
        kind=bf1.Kind.PAY,
        key_ref=b64url_decode(key("ada").kid)[:16],
        ctr=counter,
        iat=town.now_s,
        ttl_s=60,
        asset=1,
        max_amount=100,
        shop_ref=bf1.shop_ref("baker"),
    )
    body = bf1.encode_body(code)
    return bf1.to_text(body, key("ada").sign(bf1.signed_bytes(CHAIN_ID, body)))


def redeem_tx(town: Town, points: int, counter: int = 1) -> bytes:
    body = LoyaltyRedeem("town", points, pay_code(town, counter))
    return town.tx(body, SHOP, key("till", "ES256"))


def wallet(town: Town) -> WalletView:
    return read_wallet(town.reader, key("ada").kid)


def test_a_day_at_the_bakers(town: Town) -> None:
    """Earn, spend, refund: the wallet follows, and no result tells a balance: tills read results."""
    earned = town.run(earn_tx(town))[0]
    spent = town.run(redeem_tx(town, 20))[0]
    assert (earned.info, spent.info) == ("ok", "ok")
    assert [lot.left for lot in wallet(town).lots] == [30]
    payload_hash = town.last.tx_results[0].events[0].attributes[0].value
    body = LoyaltyReverse(b64url_encode(bytes.fromhex(payload_hash)), 5)
    refunded = town.do(body, SHOP, key("owner"))
    for result in (earned, spent, refunded):
        assert "balance" not in town.result_data(result)
    assert [lot.left for lot in wallet(town).lots] == [35]


def test_the_same_transaction_twice_gives_points_once(town: Town) -> None:
    """I6: whole-transaction replays are stopped before the rule."""
    tx = earn_tx(town)
    assert [town.run(tx)[0].info for _ in range(2)] == ["ok", "tx_replayed"]
    assert [lot.left for lot in wallet(town).lots] == [50]


def test_an_outbox_sent_again_after_three_days_gives_nothing_twice(town: Town) -> None:
    """Sent as it was it is out of date; signed anew its receipts are known."""
    old = earn_tx(town)
    assert town.run(old)[0].info == "ok"
    town.advance(3 * DAY_S)
    assert town.run(old)[0].info == "tx_expired"
    assert town.run(earn_tx(town))[0].info == "loyalty_receipt_used"
    assert [lot.left for lot in wallet(town).lots] == [50]


def test_one_code_in_two_transactions_of_one_block_pays_once(town: Town) -> None:
    town.run(earn_tx(town))
    results = town.run(redeem_tx(town, 20), redeem_tx(town, 20))
    assert [result.info for result in results] == ["ok", "qr_replayed"]
    assert [lot.left for lot in wallet(town).lots] == [30]


def test_a_refused_redemption_changes_nothing_but_the_replay_record(town: Town) -> None:
    town.run(earn_tx(town))
    before = wallet(town)
    assert town.run(redeem_tx(town, 51))[0].info == "loyalty_overdraw"
    assert wallet(town) == before
    assert town.run(redeem_tx(town, 50))[0].info == "ok"


def test_the_order_of_two_accounts_earns_in_a_block_does_not_matter() -> None:
    """I14: independent transactions commute; the till's own chain of earns is the only order kept."""
    roots = []
    for order in ((0, 1), (1, 0)):
        town = make_town()
        rule = LoyaltyProgramme("town", 1, "active", EarnRule(1, 100, 0), 30)
        operator = town.role("loyalty_operator")
        town.do(rule, "body:commerces", operator)
        txs = []
        for shop, person in (("baker", "ada"), ("grocer", "bob")):
            body = LoyaltyShop(shop, shop, jwk(key(f"owner {shop}")))
            town.do(body, "body:commerces", operator, key(f"owner {shop}"))
            till = LoyaltyTill(jwk(key(f"till {shop}")), town.now_s + DAY_S, 1_000, 10_000)
            town.do(till, f"shop:{shop}", key(f"owner {shop}"), key(f"till {shop}"))
            town.open_account(key(person), "loyalty")
        for shop, person in (("baker", "ada"), ("grocer", "bob")):
            earn = LoyaltyEarn("town", key(person).kid, 900, receipt(person))
            txs.append(town.tx(earn, f"shop:{shop}", key(f"till {shop}")))
        town.run(*[txs[index] for index in order])
        answer = town.query("/record/loyalty", b"wallet/" + key("ada").kid.encode())
        roots.append([*sorted(town.reader.scan("loyalty")), answer.value])
    assert roots[0] == roots[1]


def test_expiry_happens_at_block_end_and_only_at_its_time(town: Town) -> None:
    town.run(earn_tx(town))
    hash_before = town.app_hash
    town.advance(30 * DAY_S - 3)
    town.idle()
    assert town.app_hash == hash_before
    town.advance(5)
    town.idle()
    assert wallet(town).lots == ()
    assert town.app_hash != hash_before


def test_balances_and_hash_survive_a_restart(town: Town) -> None:
    town.run(earn_tx(town))
    before, hash_before = wallet(town), town.app_hash
    town.restart()
    assert (wallet(town), town.app_hash) == (before, hash_before)
    assert town.run(redeem_tx(town, 20))[0].info == "ok"


def test_a_wallet_is_proved_up_to_the_app_hash(town: Town) -> None:
    """The leaf under the wallet's key holds SHA-256 of the very record the query serves."""
    town.run(earn_tx(town))
    record_id = b"wallet/" + key("ada").kid.encode()
    answer = town.query("/record/loyalty", record_id, prove=True)
    tree_key = sha256(b"loyalty\x00" + record_id).digest()
    in_subtree, in_app_hash = (decode_proof(op.data) for op in answer.proof_ops)
    subtree_root = calculate_root(in_subtree.value)
    value = sha256(answer.value).digest()
    assert verify_membership(TENDERMINT_SPEC, subtree_root, in_subtree, tree_key, value)
    assert verify_membership(TENDERMINT_SPEC, town.app_hash, in_app_hash, b"loyalty", subtree_root)


@pytest.mark.parametrize(
    ("body", "sender", "signers", "refusal"),
    [
        (LoyaltyEarn("town", key("ada").kid, 500, receipt("x")), SHOP, ["owner"], "tx_wrong_role"),
        (LoyaltyEarn("town", key("ada").kid, 500, receipt("x")), SHOP, ["thief"], "tx_unknown_key"),
        (LoyaltyEarn("town", key("ada").kid, 500, receipt("x")), SHOP, ["ada"], "tx_not_entitled"),
        (LoyaltyReverse(receipt("x") + "A" * 21, 1), SHOP, ["ada"], "tx_not_entitled"),
        (
            LoyaltyShop("spy", "Spy", jwk(key("spy"))),
            "body:mairie",
            ["clerk@mairie", "spy"],
            "tx_wrong_role",
        ),
    ],
    ids=["owner earns", "unknown till", "citizen earns", "citizen reverses", "clerk opens a shop"],
)
def test_each_act_belongs_to_its_role(town: Town, body, sender, signers, refusal) -> None:
    assert town.do(body, sender, *map(key, signers)).info == refusal


def test_a_revoked_till_is_stopped_at_the_door(town: Town) -> None:
    town.run(earn_tx(town))
    till = key("till", "ES256")
    revoked = town.do(LoyaltyTillRevoke(till.kid, town.now_s - 60), SHOP, key("owner"))
    assert town.result_data(revoked)["reversed"][0]["points"] == 50
    assert town.run(earn_tx(town, name="2"))[0].info == "tx_key_expired"
    assert wallet(town).lots == ()


def test_result_data_is_canonical_json_of_integers_and_text(town: Town) -> None:
    results = [
        *town.run(earn_tx(town)),
        *town.run(redeem_tx(town, 20)),
    ]
    for result in results:
        assert (
            result.data
            == json.dumps(json.loads(result.data), sort_keys=True, separators=(",", ":")).encode()
        )
        assert b"." not in result.data.replace(b"beffroi.", b"")
        assert result.gas_used in {rule.gas_us for rule in RULES.values()}


# --- invoices ------------------------------------------------------------------------------


def invoice_tx(town: Town, points: int, *signers: str, number: str = "1") -> bytes:
    till = key("till 2")
    text = make_invoice(till, points, town.now_s + 300, number=number, chain_id=CHAIN_ID)
    body = LoyaltyInvoicePay(till.kid, "town", text)
    return town.tx(body, key("ada").kid, *map(key, signers or ("ada",)))


@pytest.fixture
def checkout(town: Town) -> Town:
    """A till that signs invoices, and 50 points in the wallet."""
    till = LoyaltyTill(jwk(key("till 2")), town.now_s + 20 * DAY_S, 1_000, 10_000)
    assert town.do(till, SHOP, key("owner"), key("till 2")).info == "ok"
    assert town.run(earn_tx(town))[0].info == "ok"
    return town


def test_an_invoice_paid_twice_is_stopped_at_the_door_and_in_the_block(checkout: Town) -> None:
    """The door knows what waits and what is committed; two payments in one block are told apart there."""
    first, second = invoice_tx(checkout, 20), invoice_tx(checkout, 20)
    assert [name_of(checkout.check(tx)) for tx in (first, second)] == ["ok", "qr_replayed"]
    assert [result.info for result in checkout.run(first, second)] == ["ok", "qr_replayed"]
    third = invoice_tx(checkout, 20)
    assert name_of(checkout.check(third)) == "qr_replayed"
    assert checkout.propose(third) == ()
    assert [lot.left for lot in wallet(checkout).lots] == [30]


def test_a_signer_that_is_not_the_account_pays_no_invoice(checkout: Town) -> None:
    for stranger, refusal in (("owner", "tx_not_entitled"), ("thief", "tx_unknown_key")):
        tx = invoice_tx(checkout, 20, stranger)
        assert name_of(checkout.check(tx)) == refusal
        assert checkout.run(tx)[0].info == refusal
    assert [lot.left for lot in wallet(checkout).lots] == [50]


@pytest.mark.parametrize(("scope", "verdict"), [("pay", "ok"), ("veto", "account_device_scope")])
def test_a_second_key_pays_invoices_if_it_may_pay(checkout: Town, scope, verdict: str) -> None:
    added = AccountDeviceAdd(jwk(key("watch")), (scope,), checkout.now_s + DAY_S)
    assert checkout.do(added, key("ada").kid, key("ada"), key("watch")).info == "ok"
    tx = invoice_tx(checkout, 20, "watch")
    assert name_of(checkout.check(tx)) == verdict
    assert checkout.run(tx)[0].info == verdict


@pytest.mark.parametrize(("points", "verdict"), [(50, "ok"), (51, "loyalty_overdraw")])
def test_an_invoice_is_paid_whole_or_not_at_all(checkout: Town, points: int, verdict: str) -> None:
    tx = invoice_tx(checkout, points)
    assert name_of(checkout.check(tx)) == verdict
    assert checkout.run(tx)[0].info == verdict
    assert sum(lot.left for lot in wallet(checkout).lots) == (0 if verdict == "ok" else 50)


def test_an_invoice_out_of_time_is_refused_at_the_door_and_in_the_block(checkout: Town) -> None:
    """The door goes by the node's clock, the block by header time; both are past the end here."""
    tx = invoice_tx(checkout, 20)
    checkout.advance(300 + bf1.LATE_S + 2)
    assert name_of(checkout.check(tx)) == "qr_expired"
    assert checkout.run(tx)[0].info == "qr_expired"
