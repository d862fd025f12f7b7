"""An auction through the API: sealed orders, a closed gate, one price for all, the trade on both statements."""

import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import new_key
from app.cli.demo.neighbours import BASE, MeterPoint
from app.energy.days import open_sealed_day
from app.energy.month import format_day, parse_day, starts_of_days
from chain.codec.canonical import b64url_encode
from chain.town.energy import commitments
from chain.town.energy.calendar import EUROPE_PARIS, local_day
from chain.town.energy.conventions import Contract
from chain.town.energy_schemas import EnergyOrder, EnergyOrderCancel
from tests.api.conftest import Town, close_database
from tests.api.energy.kit import OP, PARAMS, ROLES_OF_ENERGY, Neighbourhood, make_convention, prm
from tests.api.lab import Lab

BID, OFFER, OUTBID = 160_000, 90_000, 60_000
PRICE = (BID + OFFER) // 2
"""k = 1/2 between the last accepted bid and offer, µ€/kWh; everything else goes at the pool's 120 000."""
TRADED_WH = 20


@pytest.fixture
def market(tmp_path):
    """An operation whose key has an auction, on the eve of its first day, the last of a month."""
    town = Town(tmp_path, lab=Lab(roles=ROLES_OF_ENERGY, params=PARAMS))
    today = local_day(EUROPE_PARIS, town.lab.now_s)
    last = parse_day(format_day(parse_day(format_day(today)[:8] + "01") + 32)[:8] + "01") - 1
    made = Neighbourhood(
        tmp_path, make_convention(key=Contract()), town=town, first_day=format_day(last)
    )
    made.pass_days(last - today - 1)
    yield made
    close_database()


def column(member) -> str:
    (mine,) = member.get("/memberships/me")["memberships"]
    (point,) = mine["points"]
    return f"{'prod' if point['side'] == 'producer' else 'cons'}_{point['name']}"


def place(member, start: int, side: str, price: int, energy_wh: int, point: str = ""):
    """Hand an order in with what it says."""
    point = point or column(member)
    salt = bytes([price % 251]) * 32
    sealed = commitments.SealedOrder(OP, start, point, side, price, energy_wh)
    body = EnergyOrder(OP, start, commitments.commit_order(sealed, salt))
    opening = {
        "point": point,
        "side": side,
        "price_micro_eur": price,
        "energy_wh": energy_wh,
        "salt": b64url_encode(salt),
    }
    asked = {"transaction": member.sign(body, sender=member.account), "opening": opening}
    return member.api.post(f"{BASE}/orders", asked, token=member.token, key=new_key(), wait_s=8)


def past_this_api(market, transaction: str) -> None:
    """A transaction that reaches the chain by another node."""
    market.town.lab.produce(transaction.encode())
    market.town.follow()


def test_orders_stay_sealed_till_the_gate_then_clear_at_one_price_on_both_statements(
    market,
) -> None:
    day = market.day(1)
    buyer, other, seller = market.homes[0], market.homes[1], market.roofs[0]
    number = parse_day(day)
    start = starts_of_days(range(number, number + 1), 900)[52]  # 13:00, the roofs produce
    expect("bid", place(buyer, start, "bid", BID, TRADED_WH))
    expect("low bid", place(other, start, "bid", OUTBID, TRADED_WH))
    expect("offer", place(seller, start, "offer", OFFER, TRADED_WH))
    clearing = f"{BASE}/operations/{OP}/clearing?start={start}"
    book = f"{BASE}/operations/{OP}/book?start={start}"
    assert market.manager.api.get(clearing, token=market.manager.token).status == 404
    shown = expect("book", market.street.api.get(book))
    assert shown == {"start": start, "orders": 3, "standing": 3}
    assert len(other.get(f"/orders/me?operation={OP}&day={day}")["orders"]) == 1

    market.pass_days(2)
    late = place(other, start, "bid", BID + 1, TRADED_WH)
    assert late.code == "energy_order_late", late.body
    market.meter(day)
    market.allocate(day)  # the witness opened the sealed day and got the same root
    sealed = expect(
        "sealed",
        market.witness.api.get(
            f"{BASE}/operations/{OP}/days/{day}/sealed", token=market.witness.token
        ),
    )
    opened = open_sealed_day(sealed["sealed"], market.witness.seed)["day"]["orders"]
    assert sorted(o["price_micro_eur"] for o in opened) == [OUTBID, OFFER, BID]
    found = expect("clearing", market.manager.api.get(clearing, token=market.manager.token))
    (trade,) = found["trades"]
    assert (found["orders"], found["volume_wh"]) == (3, TRADED_WH)
    assert (trade["energy_wh"], trade["price_micro_eur"]) == (TRADED_WH, PRICE)

    market.reconcile(day, day)
    market.wait_for_challenges()
    answer, _ = market.manager.state_month(OP, day[:7])
    expect("statement", answer)
    for member, is_party in ((buyer, True), (seller, True), (other, False)):
        said = member.get(f"/statements/me?operation={OP}&month={day[:7]}")["statement"]
        traded = [line for line in said["lines"] if line["source"] == "market"]
        assert bool(traded) == is_party, said["lines"]
        for line in traded:
            assert (line["buyer"], line["seller"]) == (column(buyer), column(seller))
            assert line["energy_wh"] == TRADED_WH
            assert line["amount_nano_eur"] == TRADED_WH * PRICE


def test_an_order_taken_back_is_placed_again_by_anybody_and_the_day_goes_on(market) -> None:
    day, home, copier = market.day(1), market.homes[0], market.homes[1]
    number = parse_day(day)
    start = starts_of_days(range(number, number + 1), 900)[52]
    path = f"/orders/me?operation={OP}&day={day}"

    def take_back(member) -> None:
        body = EnergyOrderCancel(OP, start, sealed)
        signed = member.sign(body, sender=member.account)
        expect("cancel", member.send(f"{BASE}/orders/cancellations", signed))

    expect("bid", place(home, start, "bid", BID, 10))
    (first,) = home.get(path)["orders"]
    sealed = first["commitment"]
    take_back(home)
    expect("again", place(home, start, "bid", BID, 10))
    (again,) = home.get(path)["orders"]
    assert (again["seq"], again["is_standing"]) == (1, True)
    take_back(home)
    copied = copier.sign(EnergyOrder(OP, start, sealed), sender=copier.account)
    past_this_api(market, copied)  # the copier knows the commitment alone, not what it says
    market.pass_days(2)
    market.meter(day)
    market.allocate(day)
    assert copier.get(path)["orders"] == []


def test_an_order_is_not_opened_once_its_gate_closed(market) -> None:
    """Placed in time past the API, and opened later: a choice others do not have, in a book that is not closed."""
    day, home = market.day(1), market.homes[0]
    number = parse_day(day)
    start = starts_of_days(range(number, number + 1), 900)[52]
    salt = bytes([7]) * 32
    sealed = commitments.SealedOrder(OP, start, column(home), "bid", BID, 10)
    body = EnergyOrder(OP, start, commitments.commit_order(sealed, salt))
    operation = expect("operation", market.street.api.get(f"{BASE}/operations/{OP}"))
    gate = start - operation["gate_s"]
    market.pass_seconds(gate - 60 - market.town.lab.now_s)
    transaction = home.sign(body, sender=home.account)
    past_this_api(market, transaction)
    market.pass_seconds(gate + 30 - market.town.lab.now_s)
    opening = {
        "point": sealed.point,
        "side": "bid",
        "price_micro_eur": BID,
        "energy_wh": 10,
        "salt": b64url_encode(salt),
    }
    asked = {"transaction": transaction, "opening": opening}
    late = home.api.post(f"{BASE}/orders", asked, token=home.token, key=new_key(), wait_s=8)
    assert late.code == "energy_order_late", late.body
    assert home.get(f"/orders/me?operation={OP}&day={day}")["orders"] == []


def test_no_one_member_s_order_stops_everybody_s_day(market) -> None:
    """Wrong columns are refused at once; of two own orders that would meet, the later is left out of the auction."""
    day, home, roof = market.day(1), market.homes[0], market.roofs[0]
    both = market.neighbour(
        "home with a roof",
        MeterPoint(prm(600), "consumer", 48_600_000, 500_000),
        MeterPoint(prm(601), "producer", 48_600_000, 500_000, 3_000),
    )
    market.join([both])
    market.homes.append(both)
    number = parse_day(day)
    start = starts_of_days(range(number, number + 1), 900)[52]
    assert place(home, start, "offer", OFFER, 10).code == "energy_order_invalid"
    assert place(home, start, "bid", BID, 10, column(roof)).code == "energy_opening_differs"
    turned = column(home).replace("cons_", "prod_")
    assert place(home, start, "offer", OFFER, 10, turned).code == "energy_opening_differs"
    (mine,) = both.get("/memberships/me")["memberships"]
    names = {point["side"]: point["name"] for point in mine["points"]}
    expect("bid", place(both, start, "bid", BID, 10, f"cons_{names['consumer']}"))
    expect("offer", place(both, start, "offer", OFFER, 10, f"prod_{names['producer']}"))
    market.pass_days(2)
    expect("import", market.adapter.import_files(OP, [market.upload(day)]))
    expect("readings", market.adapter.publish(OP, day))
    market.allocate(day)
    path = f"{BASE}/operations/{OP}/clearing?start={start}"
    found = expect("clearing", market.manager.api.get(path, token=market.manager.token))
    assert (found["orders"], found["trades"]) == (1, [])
