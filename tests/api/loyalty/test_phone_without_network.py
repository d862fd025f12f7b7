"""A phone without a network at a till that has one: the normal case, in which the phone calls nobody."""

import pytest

from app.cli.demo.client import expect
from app.cli.demo.http import Api
from app.cli.demo.phone import draw_code
from app.cli.demo.till import read_picture

WINDOW = 64


class Unplugged(Api):
    """A phone in a cellar: whatever it asks for fails the test."""

    def __init__(self) -> None:
        super().__init__("http://nobody.test", "en")

    def _exchange(self, method, path, payload, headers):
        raise AssertionError(f"the phone called {method} {path}")


@pytest.fixture
def counter(street):
    """(till, Ana with 100 points whose phone has lost its network)."""
    till = street.open_shop("boulangerie")
    ana = street.phone("Ana", 10_000, till)
    ana.api = Unplugged()
    return till, ana


def test_a_phone_earns_and_pays_with_pictures_it_makes_alone(street, counter):
    till, ana = counter
    shown = draw_code(ana.make_identity_code())
    found = till.api.post("/v1/loyalty/codes", {"qr": read_picture(shown)}, token=till.token)
    expect("earn", till.earn(expect("who", found)["account"], 2_000))
    picture = draw_code(ana.make_code(40, shop="boulangerie"))
    paid = expect("redeemed", till.redeem(read_picture(picture), 30))
    assert (paid["state"], paid["data"]["points"]) == ("final", 30)
    ana.api = street.api
    assert street.balance(ana) == 90


def test_codes_shown_but_not_scanned_cost_nothing_up_to_the_width_of_the_window(counter):
    """The phone counts upwards each time its screen wakes; the chain takes each of the last 64 once, in any order."""
    till, ana = counter
    codes = [ana.make_code(1, shop="boulangerie") for _ in range(WINDOW + 1)]
    expect("newest", till.redeem(codes[-1], 1))
    expect("the oldest in the window", till.redeem(codes[1], 1))
    assert till.redeem(codes[0], 1).code == "qr_replayed"
    for used in (codes[-1], codes[1]):
        assert till.redeem(used, 1).code == "qr_replayed"
    expect("one in between", till.redeem(codes[WINDOW // 2], 1))


def test_a_phone_that_lost_its_counter_is_refused_and_never_pays_twice(counter):
    """Restored from words alone it counts from 1 again: known counters are refused until it is past them."""
    till, ana = counter
    for _ in range(3):
        expect("paid", till.redeem(ana.make_code(1, shop="boulangerie"), 1))
    ana.counter = 0
    assert [till.redeem(ana.make_code(1), 1).code for _ in range(3)] == ["qr_replayed"] * 3
    expect("past them", till.redeem(ana.make_code(1, shop="boulangerie"), 1))


def test_the_balance_a_phone_remembers_says_how_old_it_is_and_the_till_has_the_last_word(
    street, counter
):
    till, ana = counter
    ana.api = street.api
    remembered = ana.read_balance()
    ana.api = Unplugged()
    expect("another till takes most of it", till.redeem(ana.make_code(90, shop="boulangerie"), 90))
    assert remembered["balances"][0]["points"] == 100
    refused = till.redeem(ana.make_code(50, shop="boulangerie"), 50)
    assert refused.code == "loyalty_overdraw"
    ana.api = street.api
    fresh = ana.read_balance()
    assert fresh["balances"][0]["points"] == 10
    assert fresh["height"] > remembered["height"]
    assert fresh["time"] >= remembered["time"] > 0


def test_a_phone_whose_clock_is_ten_minutes_off_is_told_so_by_the_till(street, counter):
    till, ana = counter
    for drift_s in (-600, 600):
        code = ana.make_code(5, shop="boulangerie", issued_at_s=street.clock() + drift_s)
        assert till.redeem(code, 5).code == "qr_expired"
