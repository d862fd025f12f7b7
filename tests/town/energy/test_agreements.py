"""Each clause of a contract is held against the facts, one wrong thing at a time; prices are the same for all."""

import pytest
from msgspec.structs import replace

from chain.codec.canonical import encode_canonical
from chain.town.energy import agreements
from chain.town.energy import contract_document as cd
from chain.town.energy.calendar import DAY_S, EUROPE_PARIS, HOUR_S, days_of_date, utc_of_local
from chain.town.energy.records import PointRecord
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import Perimeter, Plant
from tests.town.energy.chain_kit import digest

PLANT = Plant("photovoltaic", 3_000, "2024-05-01")
SELLER, BUYER = digest("seller"), digest("buyer")
INSEE = (("2025-12-01", 1_000), ("2026-06-01", 1_100), ("2026-12-01", 1_500))

DOCUMENT = cd.ContractDocument(
    schema="beffroi-energy-contract/1",
    blind="AAAAAAAAAAAAAAAAAAAAAA",
    operation="les-tilleuls",
    previous="",
    language="fr",
    seller=cd.Party(SELLER, "person", ""),
    buyer=cd.Party(BUYER, "person", ""),
    pmo="coop",
    seller_point=digest("point s"),
    buyer_point=digest("point b"),
    plant=PLANT,
    term=cd.Term("2026-10-01", "", "none", 14, is_at_distance=True, cooling_off_days=14),
    price=cd.PriceClause(cd.FixedPrice(120_000), 0, 200_000, may_be_negative=False),
    key=cd.KeyClause("pro_rata", 0, "none", 0),
    tax=cd.TaxClause("exempt_3kwc", "zero_acc_lt_1mw", "none"),
    billing=cd.BillingClause(
        "month", 30, is_billed_by_pmo=True, mandate=digest("mandate"), correction_months=2
    ),
    data=(
        cd.DataClause("allocation", "curve", 400, ""),
        cd.DataClause("third_party", "month", 30, "Bureau d'études"),
    ),
    origin=cd.OriginClause("cancelled", "Electricity of the neighbourhood"),
    end=cd.EndClause(("death", "exit", "moved"), "month_end"),
    law=cd.LawClause(
        (cd.LegalRef("code de l'énergie, L315-2", "2017-02-25", ""),),
        "Médiateur de l'énergie",
        "TJ",
    ),
)
FACTS = agreements.Facts(
    operation="les-tilleuls",
    pmo="coop",
    key_kind="pro_rata",
    regime="standard",
    territory="mainland",
    perimeter=Perimeter(1_400, digest("places"), ()),
    peak_w=40_000,
    correction_days=60,
    points={
        DOCUMENT.seller_point: PointRecord(SELLER, "producer", PLANT, from_day="2026-09-01"),
        DOCUMENT.buyer_point: PointRecord(BUYER, "consumer", None, from_day="2026-09-01"),
    },
    active_accounts=frozenset({SELLER, BUYER}),
    consents=frozenset({"allocation", "third_party"}),
    contracts=frozenset({digest("older")}),
    indices={"insee-1": INSEE},
)


def test_a_contract_whose_clauses_all_hold_has_no_flaw() -> None:
    assert agreements.find_flaws(DOCUMENT, FACTS) == ()


def change(path: str, value: object) -> cd.ContractDocument:
    clause, dot, name = path.partition(".")
    if not dot:
        return replace(DOCUMENT, **{clause: value})
    return replace(DOCUMENT, **{clause: replace(getattr(DOCUMENT, clause), **{name: value})})


BIG = Plant("photovoltaic", 3_001, "2024-05-01")
WEEK = cd.CalendarRow(127, 0, 24, 100_000)


@pytest.mark.parametrize(
    ("path", "value", "code", "detail"),
    [
        ("operation", "les-ormes", "energy_contract_invalid", "identity"),
        ("pmo", "mairie", "energy_contract_invalid", "identity"),
        ("previous", digest("unknown"), "energy_contract_unknown", "previous"),
        ("buyer.account", SELLER, "energy_contract_invalid", "parties: seller and buyer"),
        ("buyer.account", digest("frozen"), "energy_contract_invalid", "parties: buyer"),
        ("seller.siren", "732829321", "energy_contract_invalid", "parties: seller: no such"),
        ("buyer.kind", "organisation", "energy_contract_invalid", "parties: buyer: an org"),
        ("plant", BIG, "energy_contract_invalid", "parties: seller: a SIREN above"),
        ("buyer_point", DOCUMENT.seller_point, "energy_point_repeated", "points"),
        ("buyer_point", digest("other"), "energy_point_unknown", "buyer_point"),
        ("plant", replace(PLANT, peak_w=2_000), "energy_contract_invalid", "plant"),
        (
            "plant",
            replace(PLANT, commissioned="2026-10-02"),
            "energy_contract_invalid",
            "plant: in service",
        ),
        ("term.start_day", "2026-08-31", "energy_point_unknown", "seller_point"),
        ("term.start_day", "2026-02-30", "energy_day_refused", "term"),
        ("term.end_day", "2026-10-01", "energy_contract_invalid", "term: ends"),
        ("term.renewal", "tacit", "energy_contract_invalid", "term: an indefinite"),
        ("term.notice_days", 31, "energy_contract_invalid", "term: notice"),
        ("term.cooling_off_days", 13, "energy_contract_invalid", "term: cooling off"),
        ("price.floor_micro_eur", 200_001, "energy_contract_invalid", "price: the floor"),
        ("price.floor_micro_eur", -1, "energy_contract_invalid", "price: below zero"),
        ("price.tariff", cd.FixedPrice(-1), "energy_contract_invalid", "price: below zero"),
        (
            "price.tariff",
            cd.CalendarPrice((replace(WEEK, hour_to=23),)),
            "energy_contract_invalid",
            "price: every hour",
        ),
        (
            "price.tariff",
            cd.CalendarPrice((WEEK, replace(WEEK, weekdays=1))),
            "energy_contract_invalid",
            "price: every hour",
        ),
        (
            "price.tariff",
            cd.IndexedPrice(100_000, "unknown", 1_000, "01-01", 10),
            "energy_contract_invalid",
            "indexation: no series",
        ),
        (
            "price.tariff",
            cd.IndexedPrice(100_000, "insee-1", 1_000, "01-01", 10),
            "energy_contract_invalid",
            "indexation: the base",
        ),
        ("key.kind", "static", "energy_contract_invalid", "key: the operation"),
        ("key.quantity", 5, "energy_contract_invalid", "key: quantity"),
        ("key.quantity_kind", "fixed_wh", "energy_contract_invalid", "key: a volume"),
        ("seller.siren", "732829320", "energy_contract_invalid", "tax: exempt"),
        ("tax.vat", "standard", "energy_contract_invalid", "tax: standard"),
        ("tax.mention", "art_293b_cgi", "energy_contract_invalid", "tax: the mention"),
        ("billing.mandate", "", "energy_contract_invalid", "billing: a mandate"),
        ("billing.correction_months", 1, "energy_contract_invalid", "billing: corrections"),
        ("data", (DOCUMENT.data[0],) * 2, "energy_contract_invalid", "data: one consent"),
        ("data", (DOCUMENT.data[1],), "energy_contract_invalid", "data: sharing"),
        (
            "data",
            (*DOCUMENT.data, cd.DataClause("statistics", "day", 30, "")),
            "energy_consent_missing",
            "statistics",
        ),
        (
            "data",
            (cd.DataClause("allocation", "curve", 732, ""),),
            "energy_contract_invalid",
            "data: curves",
        ),
        (
            "data",
            (cd.DataClause("allocation", "curve", 400, "Somebody"),),
            "energy_contract_invalid",
            "data: a third party",
        ),
        ("origin.handling", "retained", "energy_contract_invalid", "origin"),
        ("origin.claim", "", "energy_contract_invalid", "origin"),
        ("end.reasons", ("moved", "exit"), "energy_contract_invalid", "end: reasons"),
        ("end.reasons", ("moved",), "energy_contract_invalid", "end: whoever"),
        ("law.mediator", "", "energy_contract_invalid", "law: a household"),
        (
            "law.references",
            (cd.LegalRef("old text", "2010-01-01", "2026-10-01"),),
            "energy_contract_invalid",
            "law: old text",
        ),
        (
            "law.references",
            (cd.LegalRef("new text", "2026-10-02", ""),),
            "energy_contract_invalid",
            "law: new text",
        ),
    ],
)
def test_one_wrong_clause_is_named(path: str, value: object, code: str, detail: str) -> None:
    found = agreements.find_flaws(change(path, value), FACTS)
    assert any(flaw.code.name == code and flaw.detail.startswith(detail) for flaw in found), found


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"perimeter": Perimeter(2_001, digest("places"), ())}, "energy_outside_perimeter"),
        ({"peak_w": 5_000_000}, "energy_power_exceeds"),
        ({"regime": "rural"}, "energy_regime_condition"),
    ],
)
def test_a_contract_outside_the_perimeter_or_above_the_cap_is_refused(
    changes: dict, code: str
) -> None:
    from dataclasses import replace as swap

    flaw = agreements.check_document(DOCUMENT, swap(FACTS, **changes))
    assert flaw is not None
    assert flaw.code.name == code


def test_only_the_canonical_form_of_a_contract_is_read_and_any_change_is_another_contract() -> None:
    raw = encode_canonical(DOCUMENT)
    assert cd.decode_document(raw) == DOCUMENT
    for spoiled in (
        raw[:-1],
        b" " + raw,
        raw.replace(b'"language":"fr"', b'"language":"de"'),
        b"x" * 70_000,
    ):
        refused = cd.decode_document(spoiled)
        assert isinstance(refused, Refused)
        assert refused.code.name == "energy_contract_invalid"
    hashes = {
        cd.hash_document(doc) for doc in (DOCUMENT, change("blind", "BAAAAAAAAAAAAAAAAAAAAA"))
    }
    assert len(hashes) == 2
    assert cd.terms_of(DOCUMENT).start_day == "2026-10-01"


@pytest.mark.parametrize(
    ("siren", "holds"),
    [
        ("732829320", True),
        ("732829321", False),
        ("73282932", False),
        ("", False),
        ("73282932a", False),
    ],
)
def test_a_siren_has_nine_digits_and_a_check_digit(siren: str, holds: bool) -> None:
    assert agreements.is_siren(siren) is holds


def at(year: int, month: int, day: int, hour: int) -> int:
    return utc_of_local(EUROPE_PARIS, days_of_date(year, month, day) * DAY_S + hour * HOUR_S)[0]


def price(tariff: cd.Tariff, start_s: int) -> int | Refused:
    document = change("price.tariff", tariff)
    return agreements.compute_price_micro_eur(document, EUROPE_PARIS, start_s, {"insee-1": INSEE})


def test_prices_by_calendar_follow_the_local_clock() -> None:
    day, night = cd.CalendarRow(127, 6, 22, 150_000), cd.CalendarRow(127, 0, 6, 90_000)
    tariff = cd.CalendarPrice((day, night, cd.CalendarRow(127, 22, 24, 90_000)))
    assert [price(tariff, at(2026, 10, 5, hour)) for hour in (5, 6, 21, 22)] == [
        90_000,
        150_000,
        150_000,
        90_000,
    ]
    monday = cd.CalendarPrice((cd.CalendarRow(1, 0, 24, 1), cd.CalendarRow(126, 0, 24, 2)))
    assert [price(monday, at(2026, 10, n, 0)) for n in (4, 5, 6)] == [2, 1, 2]


def test_an_indexed_price_moves_on_its_day_by_what_was_published_and_no_further_than_agreed() -> (
    None
):
    tariff = cd.IndexedPrice(100_000, "insee-1", 1_100, "01-15", 20)
    assert price(tariff, at(2026, 10, 1, 0)) == 90_909
    assert price(tariff, at(2027, 1, 14, 23)) == 90_909
    assert price(tariff, at(2027, 1, 15, 0)) == 120_000
    unknown = price(cd.IndexedPrice(100_000, "none", 1, "01-01", 5), at(2026, 10, 1, 0))
    assert isinstance(unknown, Refused)


def test_a_price_stays_within_floor_and_cap_and_a_gift_is_free() -> None:
    assert price(cd.FixedPrice(900_000), 0) == 200_000
    assert price(cd.GiftPrice(), 0) == 0
    assert isinstance(price(cd.AuctionPrice(1), 0), Refused)
    assert isinstance(price(cd.TokenPrice(10), 0), Refused)
