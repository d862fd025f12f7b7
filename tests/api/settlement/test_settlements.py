"""Who sees what of a batch, and how it is paid: through the public API, on a chain in memory."""

from dataclasses import replace

import pytest

from app.cli.demo.client import expect
from app.settlement.statements import LIFE_S
from chain.town.schemas import (
    SettlementAck,
    SettlementPaid,
    SettlementReserve,
    SettlementStanding,
)
from tests.town.settlement.kit import digest
from tests.town.town_kit import key

WEEK_S = 7 * 86_400
IBANS = {"boulangerie": "FR7630006000011234567890189", "librairie": "DE89370400440532013000"}


@pytest.fixture
def closed(street):
    """The librairie owes the boulangerie 40 points, the fromager 15; the week is over."""
    tills = {shop: street.open_shop(shop) for shop in ("boulangerie", "librairie", "fromager")}
    ana = street.phone("Ana", 10_000, tills["librairie"])
    for shop, points in (("boulangerie", 40), ("fromager", 15)):
        expect("redeem", tills[shop].redeem(ana.make_code(points, shop=shop), points))
    lab = street.town.lab
    lab.now_s += WEEK_S
    for _ in range(4):
        lab.produce()
    lab.on_block()
    return street


def owner_gets(street, shop: str, path: str):
    return street.api.get(path, token=street.owner(shop).token)


def give_banks(street) -> None:
    for shop, iban in IBANS.items():
        answer = street.owner(shop).set_bank(shop.title(), iban)
        assert answer.status == 200, answer.body


def test_everybody_sees_totals_and_no_shop(closed) -> None:
    (batch,) = closed.api.get("/v1/settlements").body["settlements"]
    assert (batch["legs"], batch["legs_cents"], batch["shops"]) == (2, 55, 3)
    assert batch["gross_millicents"] == 55_000
    assert "boulangerie" not in str(batch)
    assert closed.api.get("/v1/settlements/1").body == batch
    assert closed.api.get("/v1/settlements/2").status == 404
    watch = closed.api.get("/v1/settlements/watch").body
    assert watch["circulation_millicents"] == 45_000
    assert watch["is_alarmed"] is False


def test_a_shop_sees_its_own_legs_and_the_association_all(closed) -> None:
    part = owner_gets(closed, "boulangerie", "/v1/settlements/legs?epoch=1").body
    assert [(leg["payer"], leg["payee"], leg["cents"]) for leg in part["legs"]] == [
        ("librairie", "boulangerie", 40)
    ]
    assert [line["shop"] for line in part["positions"]] == ["boulangerie"]
    whole = closed.api.get("/v1/settlements/legs?epoch=1", token=closed.association.token).body
    assert len(whole["legs"]) == 2
    assert sum(line["cents"] for line in whole["positions"]) == 0


def test_the_payer_alone_sees_the_account_it_pays_to(closed) -> None:
    give_banks(closed)
    (as_payee,) = owner_gets(closed, "boulangerie", "/v1/settlements/legs?epoch=1").body["legs"]
    assert as_payee["payee_iban"] == ""
    legs = owner_gets(closed, "librairie", "/v1/settlements/legs?epoch=1").body["legs"]
    assert [leg["payee_iban"] for leg in legs] == [IBANS["boulangerie"], ""]
    (foreign,) = owner_gets(closed, "fromager", "/v1/settlements/legs?epoch=1&codes=1").body["legs"]
    assert "code_text" not in foreign


def test_the_payer_gets_a_code_and_a_bank_file(closed) -> None:
    give_banks(closed)
    own = owner_gets(closed, "librairie", "/v1/settlements/legs?epoch=1&codes=1").body["legs"]
    lines = own[0]["code_text"].split("\n")
    assert lines[5:8] == ["Boulangerie", IBANS["boulangerie"], "EUR0.40"]
    assert own[0]["code_svg"].startswith("<svg")
    missing = owner_gets(closed, "librairie", "/v1/settlements/pain001?epoch=1")
    assert (missing.status, missing.code) == (409, "settlement_bank_missing")  # the fromager's
    owner = closed.owner("librairie")
    paid = SettlementPaid(1, 1, digest("by hand"))
    expect("paid", owner.send("/v1/settlements/marks", owner.sign(paid, sender="shop:librairie")))
    content: list[bytes] = []
    answered = closed.town.app.after_request_funcs.setdefault(None, [])
    answered.append(lambda response: content.append(response.get_data()) or response)
    file = owner_gets(closed, "librairie", "/v1/settlements/pain001?epoch=1")
    assert (file.status, file.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    assert b'<InstdAmt Ccy="EUR">0.40</InstdAmt>' in content[-1]
    nothing = owner_gets(closed, "boulangerie", "/v1/settlements/pain001?epoch=1")
    assert (nothing.status, nothing.code) == (404, "not_found")


def test_marks_and_decisions_of_the_chain_show_in_the_lists(closed) -> None:
    baker, association = closed.owner("boulangerie"), closed.association
    for body in (SettlementAck(1), SettlementPaid(1, 0, digest("came"))):
        text = baker.sign(body, sender="shop:boulangerie")
        expect("mark", baker.send("/v1/settlements/marks", text))
    for body in (
        SettlementReserve("librairie", 500, digest("statement")),
        SettlementStanding("fromager", "failed"),
    ):
        text = association.sign(body, sender="body:commerces")
        expect("decision", association.send("/v1/settlements/decisions", text))
    part = owner_gets(closed, "boulangerie", "/v1/settlements/legs?epoch=1").body
    assert part["positions"][0]["said"] == "agreed"
    assert part["legs"][0]["received"] == digest("came")
    (batch,) = closed.api.get("/v1/settlements").body["settlements"]
    assert batch["received_legs"] == 1


def test_legs_unpaid_at_the_pay_date_are_shown_as_overdue(closed) -> None:
    lab = closed.town.lab
    lab.now_s += 2 * WEEK_S
    lab.produce()
    lab.produce()
    lab.on_block()
    (batch,) = closed.api.get("/v1/settlements").body["settlements"]
    assert batch["overdue_legs"] == 2


def test_a_wrong_iban_is_refused(closed) -> None:
    answer = closed.owner("librairie").set_bank("Librairie", "FR7630006000011234567890188")
    assert (answer.status, answer.code) == (422, "settlement_iban_invalid")
    assert owner_gets(closed, "librairie", "/v1/settlements/bank-account").status == 404


# --- who may say where a shop is paid --------------------------------------------------------

OLD, NEW = IBANS["librairie"], IBANS["boulangerie"]


def by_a_session_alone(owner):
    return {"holder": "Thief", "iban": NEW}


def by_another_key(owner):
    owner.key = key("thief")
    return {"statement": owner.sign_bank("Thief", NEW)}


def by_another_shops_owner(owner):
    owner.key = key("owner of boulangerie")
    return {"statement": owner.sign_bank("Thief", NEW)}


def for_another_shop(owner):
    owner.shop = "boulangerie"
    return {"statement": owner.sign_bank("Thief", NEW)}


def for_another_town(owner):
    owner.town = replace(owner.town, chain_id="elsewhere-1")
    return {"statement": owner.sign_bank("Thief", NEW)}


def with_another_iban_than_signed(owner):
    head, _, tail = owner.sign_bank("Librairie", OLD).split(".")
    _, body, _ = owner.sign_bank("Librairie", NEW).split(".")
    return {"statement": f"{head}.{body}.{tail}"}


def signed_long_ago(owner):
    return {"statement": owner.sign_bank("Thief", NEW, at_s=owner.clock() - LIFE_S - 1)}


def signed_for_later(owner):
    return {"statement": owner.sign_bank("Thief", NEW, at_s=owner.clock() + LIFE_S + 1)}


def no_jws(owner):
    return {"statement": "not a signature at all"}


@pytest.mark.parametrize(
    ("forge", "status"),
    [
        (by_a_session_alone, 422),
        *(
            (forge, 403)
            for forge in (
                by_another_key,
                by_another_shops_owner,
                for_another_shop,
                for_another_town,
                with_another_iban_than_signed,
                signed_long_ago,
                signed_for_later,
                no_jws,
            )
        ),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_session_of_an_owner_redirects_no_payment(street, forge, status: int) -> None:
    """Whoever has the session but not the key, or an old signature, changes nothing."""
    for shop in ("boulangerie", "librairie"):
        street.open_shop(shop)
    owner = street.owner("librairie")
    expect("bank", owner.set_bank("Librairie", OLD))
    street.town.lab.now_s += 60
    owner.login()
    token = owner.token
    body = forge(owner)
    answer = street.api.post("/v1/settlements/bank-account", body, token=token)
    assert answer.status == status
    assert status == 422 or answer.code == "settlement_bank_unsigned"
    assert owner_gets(street, "librairie", "/v1/settlements/bank-account").body["iban"] == OLD


def test_an_older_word_does_not_come_back_after_a_newer_one(street) -> None:
    street.open_shop("librairie")
    owner = street.owner("librairie")
    old = {"statement": owner.sign_bank("Librairie", OLD)}
    expect("old", street.api.post("/v1/settlements/bank-account", old, token=owner.token))
    street.town.lab.now_s += 60
    owner.login()
    expect("new", owner.set_bank("Librairie", NEW))
    again = street.api.post("/v1/settlements/bank-account", old, token=owner.token)
    assert (again.status, again.code) == (403, "settlement_bank_unsigned")
    assert owner_gets(street, "librairie", "/v1/settlements/bank-account").body["iban"] == NEW
