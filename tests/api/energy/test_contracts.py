"""A contract through the API: offered with its document, accepted, countersigned by the manager, ended by notice."""

import pytest
from msgspec.structs import replace

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.cli.demo.neighbours import BASE, MeterPoint, settle
from app.energy.convention import IndexSeries
from chain.codec.canonical import encode_canonical
from chain.town.energy.contract_document import (
    IndexedPrice,
    LegalRef,
    Party,
    TaxClause,
    hash_document,
    terms_of,
)
from chain.town.energy_schemas import EnergyContract
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood, make_convention, prm
from tests.town.energy.test_agreements import DOCUMENT


@pytest.fixture(autouse=True)
def _closed():
    """No database outlives its test."""
    yield
    close_database()


@pytest.fixture
def hood(tmp_path):
    """A neighbourhood of members without contracts."""
    return Neighbourhood(tmp_path)


def document_of(hood, seller, buyer, **changes):
    """The contract of two members from the day after tomorrow, with a fortnight's notice."""
    return replace(
        DOCUMENT,
        seller=Party(seller.account, "person", ""),
        buyer=Party(buyer.account, "person", ""),
        seller_point=seller.points[0].commitment,
        buyer_point=buyer.points[0].commitment,
        term=replace(DOCUMENT.term, start_day=hood.day(2)),
        data=DOCUMENT.data[:1],
        **changes,
    )


def send(party, body, document: str = ""):
    asked = {"transaction": party.sign(body, sender=party.account), "document": document}
    return party.api.post(f"{BASE}/contracts", asked, token=party.token, key=new_key(), wait_s=8)


def send_offer(seller, document):
    """The offer of a document by its seller."""
    offer = EnergyContract(OP, hash_document(document), "offer", "", terms_of(document))
    return send(seller, offer, encode_canonical(document).decode())


def test_a_contract_is_countersigned_runs_and_ends_after_its_notice(hood) -> None:
    seller, buyer, stranger = hood.roofs[0], hood.homes[0], hood.homes[1]
    document = document_of(hood, seller, buyer)
    text, name = encode_canonical(document).decode(), hash_document(document)

    def shown(party=buyer) -> dict:
        return party.get(f"/contracts/{name}")

    def step(kind: str, **more) -> EnergyContract:
        return EnergyContract(OP, name, kind, shown()["last"], **more)

    offer = EnergyContract(OP, name, "offer", "", terms_of(document))
    other = encode_canonical(replace(document, pmo="mairie")).decode()
    assert send(seller, offer, other).code == "energy_opening_differs"
    assert send(seller, offer).code == "energy_opening_differs"
    expect("offer", send(seller, offer, text))
    early = hood.manager.send_as_body("/contracts", step("countersign"))
    assert early.code == "energy_contract_step", early.body
    expect("accept", send(buyer, step("accept")))
    expect("countersign", hood.manager.send_as_body("/contracts", step("countersign")))
    assert shown()["state"] == "signed"
    hood.pass_days(3)
    soon = send(buyer, step("notice", effect_day=hood.day(13)))
    assert soon.code == "energy_day_refused", soon.body
    ends = hood.day(14)
    expect("notice", send(buyer, step("notice", effect_day=ends)))
    found = shown(seller)
    assert (found["effect_day"], found["document"]) == (ends, text)
    assert [line["step"] for line in found["steps"]] == ["offer", "accept", "countersign", "notice"]
    for before, line in zip(found["steps"], found["steps"][1:], strict=False):
        assert line["previous"] == before["transaction"]
    answer = stranger.api.get(f"{BASE}/contracts/{name}", token=stranger.token)
    assert answer.status == 404


def test_a_clause_that_does_not_hold_keeps_the_offer_from_the_chain_and_is_named(hood) -> None:
    seller, buyer = hood.roofs[0], hood.homes[0]
    good = document_of(hood, seller, buyer)
    wrong = {
        "plant: not the plant": {"plant": replace(good.plant, peak_w=2_999)},
        "plant: in service from": {"plant": replace(good.plant, commissioned=hood.day(3))},
        "term: notice": {"term": replace(good.term, notice_days=31)},
        "key: the operation": {"key": replace(good.key, kind="static")},
        "tax: the mention": {"tax": replace(good.tax, mention="art_293b_cgi")},
        "billing: corrections": {"billing": replace(good.billing, correction_months=1)},
        "third_party": {"data": DOCUMENT.data},
        "law: old": {
            "law": replace(
                good.law, references=(LegalRef("old", "2010-01-01", good.term.start_day),)
            )
        },
        "seller_point": {
            "seller_point": buyer.points[0].commitment,
            "buyer_point": seller.points[0].commitment,
        },
        "parties: buyer: an org": {"buyer": Party(buyer.account, "organisation", "")},
        "buyer_point": {"buyer": Party("A" * 43, "person", "")},
        "identity": {"pmo": "mairie"},
        "previous": {"previous": "A" * 43},
    }
    before = hood.town.lab.broadcasts
    for said, changes in wrong.items():
        refused = send_offer(seller, replace(good, **changes))
        assert refused.status in (403, 404, 409, 422), (said, refused.body)
        assert said in refused.body["detail"], (said, refused.body)
    assert hood.town.lab.broadcasts == before
    nosy = replace(good, buyer_point="A" * 43, data=DOCUMENT.data)
    for document in (nosy, replace(good, pmo="mairie", data=DOCUMENT.data)):
        assert "third_party" not in send_offer(seller, document).body["detail"]
    stranger = hood.homes[1]
    assert send_offer(stranger, good).code == "tx_not_entitled"
    assert hood.town.lab.broadcasts == before
    expect("offer", send_offer(seller, good))
    assert hood.town.lab.broadcasts == before + 1


def test_a_consent_withdrawn_since_the_offer_keeps_the_buyer_from_accepting(hood) -> None:
    seller, buyer = hood.roofs[0], hood.homes[0]
    settle(buyer, [buyer.consent(OP, "third_party")], "consent")
    document = replace(document_of(hood, seller, buyer), data=DOCUMENT.data)
    expect("offer", send_offer(seller, document))
    settle(buyer, [buyer.consent(OP, "third_party", act="withdrawn")], "withdrawal")
    name = hash_document(document)
    accept = EnergyContract(OP, name, "accept", buyer.get(f"/contracts/{name}")["last"])
    before = hood.town.lab.broadcasts
    assert send(buyer, accept).code == "energy_consent_missing"
    assert hood.town.lab.broadcasts == before


def test_an_indexed_price_rests_on_the_series_that_the_convention_committed_to(tmp_path) -> None:
    series = IndexSeries("insee-010534766", (("2026-06-01", 1_100), ("2026-09-01", 1_200)))
    hood = Neighbourhood(tmp_path, make_convention(indices=(series,)))
    seller, buyer = hood.roofs[0], hood.homes[0]
    good = document_of(hood, seller, buyer)

    def indexed(index: str, base_value: int):
        tariff = IndexedPrice(100_000, index, base_value, "01-01", 10)
        return send_offer(seller, replace(good, price=replace(good.price, tariff=tariff)))

    assert "no series" in indexed("another", 1_200).body["detail"]
    assert "base value" in indexed("insee-010534766", 1_100).body["detail"]
    expect("offer", indexed("insee-010534766", 1_200))


class TowerPoint(MeterPoint):
    """A point of the one building that the regime without a limit is for."""

    def opening(self) -> dict:
        return {**MeterPoint.opening(self), "building": "tower"}


@pytest.mark.parametrize(
    ("apart_microdeg", "peak_w", "code"),
    [
        (30_000, 3_000, "energy_outside_perimeter"),
        (900, 5_000_000, "energy_power_exceeds"),
        (900, 4_999_999, ""),
    ],
)
def test_a_contract_outside_the_perimeter_or_above_the_cap_of_its_first_day_is_refused_here(
    tmp_path, apart_microdeg: int, peak_w: int, code: str
) -> None:
    hood = Neighbourhood(tmp_path, join=False, regime="building")
    seller, buyer = hood.roofs[0], hood.homes[0]
    buyer.points = [TowerPoint(prm(0), "consumer", 48_600_000, 500_000)]
    seller.points = [TowerPoint(prm(100), "producer", 48_600_000 + apart_microdeg, 500_000, peak_w)]
    hood.join([buyer, seller])
    later = hood.manager.open_operation(
        hood.convention, adapter="dehors", from_day=hood.day(2), version=2
    )
    expect("terms", later)
    hood.approve(version=2)
    document = document_of(hood, seller, buyer, plant=replace(DOCUMENT.plant, peak_w=peak_w))
    if peak_w > 3_000:
        document = replace(
            document,
            seller=Party(seller.account, "organisation", "732829320"),
            tax=TaxClause("standard", "standard", "none"),
        )
    before = hood.town.lab.broadcasts
    answer = send_offer(seller, document)
    if code:
        assert answer.code == code, answer.body
        assert hood.town.lab.broadcasts == before
    else:
        expect("offer", answer)
