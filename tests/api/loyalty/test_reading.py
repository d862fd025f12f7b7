"""What each side may read: citizens their lots, shops their lists without customers, all the public parts."""

import json

import pytest

from app.cli.demo.client import expect
from app.cli.demo.till import Owner
from chain.codec.canonical import b64url_encode
from chain.crypto.keys import jwk_of
from chain.light.bundle import checkpoint_of, verify_bundle
from chain.town.schemas import Jwk, LoyaltyOwnerKey
from tests.journeys.kit import PROGRAMME
from tests.town.town_kit import DAY_S, key


def test_programmes_and_shops_are_public(street):
    street.open_shop("boulangerie")
    (programme,) = street.api.get("/v1/loyalty/programmes").body["programmes"]
    assert (programme["programme"], programme["version"], programme["points"]) == (PROGRAMME, 1, 1)
    (shop,) = street.api.get("/v1/loyalty/shops").body["shops"]
    assert shop["name"] == "Boulangerie"
    assert "owner_kid" not in shop


def test_only_an_operator_opens_programmes_and_shops(street):
    till = street.open_shop("boulangerie")
    for route in ("programmes", "shops"):
        answer = till.send(f"/v1/loyalty/{route}", "x" * 20)
        assert (answer.status, answer.code) == (403, "auth_scope_missing")


def test_another_shops_tills_are_not_found(street):
    street.open_shop("boulangerie")
    street.open_shop("librairie")
    owner = street.owner("boulangerie")
    for method in ("GET", "POST"):
        answer = street.api.call(
            method,
            "/v1/loyalty/shops/librairie/terminals",
            {"transaction": "x" * 20} if method == "POST" else None,
            token=owner.token,
            headers={"Idempotency-Key": "12345678"},
        )
        assert (answer.status, answer.code) == (404, "not_found")


def test_a_transaction_for_another_shop_is_refused_on_the_own_shops_route(street):
    street.open_shop("boulangerie")
    street.open_shop("librairie")
    owner, other = street.owner("boulangerie"), street.owner("librairie")
    from app.cli.demo.till import Owner  # the librairie's owner signs, the boulangerie's posts

    assert isinstance(other, Owner)
    from chain.town.schemas import LoyaltyTillRevoke

    text = other.sign(LoyaltyTillRevoke(key("x").kid, 1), sender="shop:librairie")
    answer = owner.send("/v1/loyalty/shops/boulangerie/terminals/revocations", text)
    assert answer.code == "transaction_wrong_route"


@pytest.mark.parametrize(
    ("cents", "points"),
    [(1, 0), (99, 0), (100, 1), (199, 1), (4_780, 47), (100_000_000, 1_000_000)],
)
def test_an_earn_preview_rounds_down_as_the_chain_does(street, cents, points):
    till = street.open_shop("boulangerie")
    body = {"programme": PROGRAMME, "purchase_cents": cents}
    shown = street.api.post("/v1/loyalty/earn/preview", body, token=till.token).body
    assert shown["points"] == points
    assert shown["expires_at"] == street.town.clock.now_s() + 365 * DAY_S


def test_an_earn_preview_equals_the_earn(street):
    till = street.open_shop("boulangerie")
    ana = street.phone()
    body = {"programme": PROGRAMME, "purchase_cents": 8_750}
    shown = street.api.post("/v1/loyalty/earn/preview", body, token=till.token).body
    final = expect("earn", till.earn(ana.account, 8_750))["data"]
    assert (shown["points"], shown["version"]) == (final["points"], final["version"])


@pytest.mark.parametrize("cents", [0, -1, "5", 5.0, True, 100_000_001, None])
def test_amounts_are_whole_numbers_in_range(street, cents):
    till = street.open_shop("boulangerie")
    body = {"programme": PROGRAMME, "purchase_cents": cents}
    answer = street.api.post("/v1/loyalty/earn/preview", body, token=till.token)
    assert answer.status in (400, 422)
    assert answer.code in ("request_invalid", "json_bad_number")


def test_a_citizen_sees_lots_with_issuer_and_expiry_in_spending_order(street):
    bakery, books = street.open_shop("boulangerie"), street.open_shop("librairie")
    ana = street.phone("Ana", 3_000, books)
    expect("earn", bakery.earn(ana.account, 2_000))
    shown = ana.read_balance()
    assert [(lot["issuer"], lot["left"]) for lot in shown["lots"]] == [
        ("librairie", 30),
        ("boulangerie", 20),
    ]
    (line,) = shown["balances"]
    assert (line["points"], line["next_expiry_at"]) == (50, shown["lots"][0]["expires_at"])
    assert shown["app_hash"] == street.api.get("/v1/status").body["app_hash"]


def test_a_lot_past_its_expiry_is_not_shown_nor_spent(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 3_000, till)
    street.town.lab.now_s += 366 * DAY_S
    street.town.clock.seconds = street.town.lab.now_s
    ana.login()
    assert street.balance(ana) == 0
    street.town.lab.produce()
    street.town.lab.produce()
    street.town.follow()
    (newest, _) = street.api.get("/v1/loyalty/operations", token=ana.token).body["operations"]
    assert (newest["kind"], newest["points"], newest["shop"]) == ("expiry", -30, "boulangerie")


def test_the_wallet_proves_offline(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 3_000, till)
    shown = ana.read_balance(proof=True)
    header = street.town.lab.blocks[shown["height"]].header
    verdict = verify_bundle(json.dumps(shown["proof"]).encode(), checkpoint_of(header))
    assert verdict.valid, verdict
    assert verdict.facts.record_id == b"wallet/" + ana.account.encode()
    assert [one[2] for one in json.loads(verdict.facts.record)["positions"]] == [30]


def test_an_account_without_points_is_proved_empty(street):
    street.open_shop("boulangerie")
    ana = street.phone("Ana")
    shown = ana.read_balance(proof=True)
    assert shown["balances"] == []
    assert shown["proof"]["state"]["record"] is None


def test_tills_never_read_balances(street):
    till = street.open_shop("boulangerie")
    answer = street.api.get("/v1/loyalty/accounts/me", token=till.token)
    assert (answer.status, answer.code) == (403, "auth_scope_missing")


def test_operations_are_paged_newest_first_without_gap_or_repetition(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    for cents in range(100, 800, 100):
        expect("earn", till.earn(ana.account, cents))
    seen, cursor = [], ""
    while True:
        page = street.api.get(
            f"/v1/loyalty/operations?limit=3&cursor={cursor}", token=ana.token
        ).body
        seen += [line["points"] for line in page["operations"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    "cursor", ["zebra", "f" * 16, "f" * 64, "-1", "0x1", "1_0", "+1", "A", "%D9%A1"]
)
def test_a_cursor_of_somebody_elses_invention_is_refused(street, cursor):
    street.open_shop("boulangerie")
    ana = street.phone("Ana")
    answer = street.api.get(f"/v1/loyalty/operations?cursor={cursor}", token=ana.token)
    assert (answer.status, answer.code) == (400, "cursor_invalid")


def test_a_shop_sees_its_own_operations_without_the_customers(street):
    bakery, books = street.open_shop("boulangerie"), street.open_shop("librairie")
    ana = street.phone("Ana", 3_000, bakery)
    expect("redeem", books.redeem(ana.make_code(50), 10))
    (line,) = street.api.get("/v1/loyalty/operations", token=books.token).body["operations"]
    assert (line["kind"], line["points"], line["shop"]) == ("redeem", -10, "librairie")
    assert "account" not in line
    assert ana.account not in str(line)


def test_a_till_finds_the_account_behind_a_code_and_nobody_elses(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    found = street.api.post("/v1/loyalty/codes", {"qr": ana.make_identity_code()}, token=till.token)
    assert found.body["account"] == ana.account
    stranger = street.new_phone()
    answer = street.api.post(
        "/v1/loyalty/codes", {"qr": stranger.make_identity_code()}, token=till.token
    )
    assert answer.code == "qr_unknown_key"
    assert street.api.post("/v1/loyalty/codes", {"qr": "hello"}, token=till.token).code == (
        "qr_malformed"
    )


def test_an_undo_returns_points_to_the_same_lot(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 3_000, till)
    done = expect("redeem", till.redeem(ana.make_code(50), 12))
    ref = b64url_encode(bytes.fromhex(done["transaction"]))
    expect("undo", till.reverse(ref, 5))
    (lot,) = ana.read_balance()["lots"]
    assert (lot["points"], lot["left"]) == (30, 23)
    newest = street.api.get("/v1/loyalty/operations", token=ana.token).body["operations"][0]
    assert (newest["kind"], newest["points"], newest["ref"]) == ("reversal", 5, done["transaction"])


def test_an_earn_taken_back_after_spending_leaves_a_debt_that_the_next_gift_pays(street):
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana")
    earned = expect("earn", till.earn(ana.account, 3_000))
    expect("redeem", till.redeem(ana.make_code(50), 20))
    ref = b64url_encode(bytes.fromhex(earned["transaction"]))
    expect("take back", till.reverse(ref, 30))
    shown = ana.read_balance()
    assert (street.balance(ana), shown["debts"][0]["points"]) == (0, 20)
    expect("next", till.earn(ana.account, 2_500))
    shown = ana.read_balance()
    assert (street.balance(ana), shown["debts"]) == (5, [])


def test_a_renewed_owner_key_opens_the_shop_and_the_old_one_no_longer(street):
    street.open_shop("boulangerie")
    owner, fresh = street.owner("boulangerie"), key("next owner of boulangerie")
    body = LoyaltyOwnerKey("boulangerie", Jwk(**jwk_of(fresh.public_key)))
    text = owner.sign(body, sender="shop:boulangerie", signers=(owner.key, fresh))
    expect("renewal", owner.send("/v1/loyalty/owner-keys", text))
    terminals = "/v1/loyalty/shops/boulangerie/terminals"
    assert street.api.get(terminals, token=owner.token).code == "auth_scope_missing"
    renewed = street._client(Owner, fresh, shop="boulangerie")
    assert len(street.api.get(terminals, token=renewed.token).body["terminals"]) == 1
    expect("till", renewed.register_till(key("till of the renewed")))
