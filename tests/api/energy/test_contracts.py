"""A contract through the API: offered with its document, accepted, countersigned by the manager, ended by notice."""

import pytest
from msgspec.structs import replace

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.cli.demo.neighbours import BASE
from chain.codec.canonical import encode_canonical
from chain.town.energy.contract_document import Party, hash_document, terms_of
from chain.town.energy_schemas import EnergyContract
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood
from tests.town.energy.test_agreements import DOCUMENT


@pytest.fixture
def hood(tmp_path):
    """A neighbourhood of members without contracts."""
    yield Neighbourhood(tmp_path)
    close_database()


def document_of(hood, seller, buyer):
    """The contract of two members from the day after tomorrow, with a fortnight's notice."""
    return replace(
        DOCUMENT,
        seller=Party(seller.account, "person", ""),
        buyer=Party(buyer.account, "person", ""),
        seller_point=seller.points[0].commitment,
        buyer_point=buyer.points[0].commitment,
        term=replace(DOCUMENT.term, start_day=hood.day(2)),
    )


def send(party, body, document: str = ""):
    asked = {"transaction": party.sign(body, sender=party.account), "document": document}
    return party.api.post(f"{BASE}/contracts", asked, token=party.token, key=new_key(), wait_s=8)


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
