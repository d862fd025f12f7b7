"""Contracts as signed steps: the right hand, after the right step, between points that may share, in their time."""

import pytest
from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.town.energy import records
from chain.town.energy.onchain.contracting import contract_state_on
from chain.town.energy_schemas import ContractTerms, EnergyContract
from tests.town.energy.chain_kit import OP, Village, digest, make_village, ok
from tests.town.town_kit import name_of

DOCUMENT = digest("contract document")
BUYER, OTHER, SELLER = 0, 1, 6


@pytest.fixture
def village() -> Village:
    return make_village(back_days=20)


def terms_of(village: Village, **changes) -> ContractTerms:
    seller, buyer = village.members[SELLER].kid, village.members[BUYER].kid
    usual = ContractTerms(
        seller,
        buyer,
        village.points[seller][0],
        village.points[buyer][0],
        village.day(2),
        "",
        14,
        "pro_rata",
    )
    return replace(usual, **changes)


def link(village: Village) -> str:
    found = village.record(records.CONTRACTS, records.contract_id(DOCUMENT))
    return "" if found is None else found.last


def step(village: Village, name: str, **changes) -> EnergyContract:
    return EnergyContract(OP, DOCUMENT, name, link(village), **changes)


def offer(village: Village, **changes) -> EnergyContract:
    return EnergyContract(OP, DOCUMENT, "offer", "", terms_of(village, **changes))


def sign(village: Village) -> None:
    ok(village.member(SELLER, offer(village)))
    ok(village.member(BUYER, step(village, "accept")))
    ok(village.pmo(step(village, "countersign")))


def state(village: Village, offset: int = 0) -> str:
    found = village.record(records.CONTRACTS, records.contract_id(DOCUMENT))
    return contract_state_on(found, village.today + offset)


def test_a_contract_is_offered_accepted_countersigned_and_active_from_its_first_day(
    village: Village,
) -> None:
    ok(village.member(SELLER, offer(village)))
    assert state(village) == "offered"
    ok(village.member(BUYER, step(village, "accept")))
    assert state(village) == "accepted"
    ok(village.pmo(step(village, "countersign")))
    assert [state(village, n) for n in (0, 1, 2)] == ["signed", "signed", "active"]


def test_each_step_names_the_transaction_of_the_step_before(village: Village) -> None:
    raw = village.town.tx(offer(village), village.members[SELLER].kid, village.members[SELLER])
    ok(village.town.run(raw)[0])
    from chain.crypto import jws
    from chain.town.envelope import TX_TYP, payload_hash

    payload = jws.parse(raw, TX_TYP, len(raw)).payload
    assert link(village) == b64url_encode(payload_hash(payload))
    unlinked = replace(step(village, "accept"), previous=digest("another step"))
    assert name_of(village.member(BUYER, unlinked)) == "energy_contract_step"


def test_each_step_is_one_partys(village: Village) -> None:
    assert name_of(village.member(BUYER, offer(village))) == "tx_not_entitled"
    ok(village.member(SELLER, offer(village)))
    accept = step(village, "accept")
    assert name_of(village.member(SELLER, accept)) == "tx_not_entitled"
    assert name_of(village.pmo(accept)) == "tx_not_entitled"
    assert name_of(village.member(OTHER, step(village, "void"))) == "tx_not_entitled"
    ok(village.member(BUYER, accept))
    countersign = step(village, "countersign")
    assert name_of(village.member(SELLER, countersign)) == "tx_not_entitled"
    assert name_of(village.pmo(countersign, of="commerces")) == "tx_not_entitled"
    ok(village.pmo(countersign))


def test_steps_come_in_their_order(village: Village) -> None:
    assert name_of(village.member(BUYER, step(village, "accept"))) == "energy_contract_unknown"
    ok(village.member(SELLER, offer(village)))
    assert name_of(village.pmo(step(village, "countersign"))) == "energy_contract_step"
    assert name_of(village.member(SELLER, offer(village))) == "energy_contract_step"
    ok(village.member(BUYER, step(village, "void")))
    assert name_of(village.member(BUYER, step(village, "accept"))) == "energy_contract_step"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"buyer": "SELLER"}, "energy_contract_invalid"),
        ({"start_day": "2026-02-30"}, "energy_day_refused"),
        ({"start_day": "2028-01-01"}, "energy_day_refused"),
        ({"end_day": "2026-09-20"}, "energy_contract_invalid"),
        ({"key_kind": "contract"}, "energy_contract_invalid"),
        ({"seller_point": "BUYER"}, "energy_point_repeated"),
        ({"seller_point": digest("no point")}, "energy_point_unknown"),
        ({"buyer_point": "OTHER"}, "energy_point_unknown"),
        ({"start_day": "2026-08-20"}, "energy_operation_inactive"),
    ],
)
def test_terms_that_cannot_hold_are_refused(village: Village, changes: dict, code: str) -> None:
    names = {
        "SELLER": village.members[SELLER].kid,
        "BUYER": village.points[village.members[BUYER].kid][0],
        "OTHER": village.points[village.members[OTHER].kid][0],
    }
    changed = {name: names.get(value, value) for name, value in changes.items()}
    assert name_of(village.member(SELLER, offer(village, **changed))) == code


def test_a_consumer_sells_nothing_and_a_plant_buys_nothing(village: Village) -> None:
    seller, buyer = village.members[OTHER].kid, village.members[SELLER].kid
    body = offer(
        village,
        seller=seller,
        buyer=buyer,
        seller_point=village.points[seller][0],
        buyer_point=village.points[buyer][0],
    )
    assert name_of(village.member(OTHER, body)) == "energy_contract_invalid"


def test_nothing_is_sold_from_store_to_store(village: Village) -> None:
    stores = [village.settle_in(f"store {n}", village.day(0), "storage") for n in (1, 2)]
    accounts = [village.members[index].kid for index in stores]
    body = offer(
        village,
        seller=accounts[0],
        buyer=accounts[1],
        seller_point=village.points[accounts[0]][0],
        buyer_point=village.points[accounts[1]][0],
    )
    assert name_of(village.member(stores[0], body)) == "energy_storage_exceeds"


def test_a_contract_of_an_operation_that_left_its_perimeter_is_refused() -> None:
    village = make_village(back_days=20, regime="rural", consumers=0, producers=0)
    from chain.town.energy_schemas import Perimeter

    rural = Perimeter(15_000, digest("places"), ("all_periurban", "all_rural"))
    for name, side in (("buyer", "consumer"), ("seller", "producer")):
        index = village.open_member(name)
        ok(village.consent(index, "allocation"))
        ok(village.join(index, village.claim(index, side)))
        ok(village.admit(index, village.day(-10), perimeter=rural))
    ok(village.register(village.day(1), 2, regime="standard"))
    ok(village.approve(village.day(1), 2))
    buyer, seller = (member.kid for member in village.members)
    body = offer_between(village, seller, buyer, village.day(1))
    assert name_of(village.member(1, body)) == "energy_outside_perimeter"
    ok(village.member(1, offer_between(village, seller, buyer, village.day(0))))


def offer_between(village: Village, seller: str, buyer: str, start_day: str) -> EnergyContract:
    points = village.points
    terms = ContractTerms(
        seller, buyer, points[seller][0], points[buyer][0], start_day, "", 0, "pro_rata"
    )
    return EnergyContract(OP, DOCUMENT, "offer", "", terms)


def test_a_contract_is_not_countersigned_once_its_first_day_was_measured(village: Village) -> None:
    ok(village.member(SELLER, offer(village, start_day=village.day(-3))))
    ok(village.member(BUYER, step(village, "accept")))
    village.read(village.day(-3))
    assert name_of(village.pmo(step(village, "countersign"))) == "energy_day_refused"


def test_notice_ends_a_contract_after_its_days(village: Village) -> None:
    sign(village)
    early = step(village, "notice", effect_day=village.day(13))
    assert name_of(village.member(BUYER, early)) == "energy_day_refused"
    assert name_of(village.member(BUYER, step(village, "notice"))) == "tx_body_invalid"
    ok(village.member(BUYER, replace(early, effect_day=village.day(14))))
    assert [state(village, n) for n in (5, 14)] == ["notice", "ended"]
    again = step(village, "notice", effect_day=village.day(20))
    assert name_of(village.member(SELLER, again)) == "energy_contract_step"


def test_the_manager_suspends_resumes_and_ends(village: Village) -> None:
    sign(village)
    ok(village.pmo(step(village, "suspend")))
    assert state(village, 3) == "suspended"
    assert name_of(village.pmo(step(village, "suspend"))) == "energy_contract_step"
    ok(village.pmo(step(village, "resume")))
    assert state(village, 3) == "active"
    ok(village.pmo(step(village, "end", effect_day=village.day(5))))
    assert state(village, 5) == "ended"
    assert name_of(village.pmo(step(village, "resume"))) == "energy_contract_step"


def test_a_contract_with_a_last_day_ends_by_itself(village: Village) -> None:
    ok(village.member(SELLER, offer(village, end_day=village.day(9))))
    ok(village.member(BUYER, step(village, "accept")))
    ok(village.pmo(step(village, "countersign")))
    assert [state(village, n) for n in (8, 9)] == ["active", "ended"]
