"""Tills ask for a PIN every day: who opens them, who takes over, what a stolen one is worth."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.cli.demo.client import expect
from app.cli.openapi import describe_api
from app.core.database import connected
from app.tills import service
from app.tills.models import Employee
from chain.town.loyalty_schemas import LoyaltyStaff
from chain.town.schemas import LoyaltyReverse

PIN, OTHER_PIN = "402913", "775102"


@pytest.fixture
def shop(street):
    """(till, owner, Ana with 100 points)."""
    till = street.open_shop("boulangerie")
    return till, street.owner("boulangerie"), street.phone("Ana", 10_000, till)


def hire(owner, name: str = "Zoé", pin: str = PIN) -> str:
    path = "/v1/tills/shops/boulangerie/employees"
    answer = owner.api.post(path, {"name": name, "pin": pin}, token=owner.token)
    return str(expect("employee", answer)["employee"])


def open_till(till, employee: str, pin: str = PIN):
    body = {"employee": employee, "pin": pin}
    return till.api.post("/v1/tills/shifts", body, token=till.token)


def staff(owner):
    return expect("staff", owner.api.get("/v1/tills/shops/boulangerie/staff", token=owner.token))


def pass_time(street, seconds: int, *clients) -> None:
    street.town.lab.now_s += seconds
    street.town.clock.seconds = street.town.lab.now_s
    for client in clients:
        client.login()


def test_a_shop_without_employees_asks_for_no_pin(street, shop):
    till, _, ana = shop
    assert till.earn(ana.account, 500).status == 201
    assert till.api.get("/v1/tills/me", token=till.token).body["asks_for_pin"] is False


def test_from_the_first_employee_on_a_till_acts_only_while_it_is_open(street, shop):
    till, owner, ana = shop
    zoe = hire(owner)
    assert till.earn(ana.account, 500).code == "till_closed"
    seen = till.api.get("/v1/tills/me", token=till.token).body
    assert (seen["asks_for_pin"], seen["open"]) == (True, [])
    assert seen["employees"] == [{"employee": zoe, "name": "Zoé"}]
    assert open_till(till, zoe).status == 201
    assert till.earn(ana.account, 500).status == 201
    assert street.balance(ana) == 105


def test_the_pin_is_asked_again_every_day(street, shop):
    till, owner, ana = shop
    zoe = hire(owner)
    expect("open", open_till(till, zoe))
    pass_time(street, service.SHIFT_MAX_S - 1, till)
    assert till.earn(ana.account, 500).status == 201
    pass_time(street, 1, till)
    assert till.earn(ana.account, 500).code == "till_closed"
    assert open_till(till, zoe).status == 201
    assert till.earn(ana.account, 500).status == 201


def test_what_was_refused_at_a_closed_till_works_with_the_same_key_once_it_is_open(street, shop):
    till, owner, ana = shop
    zoe = hire(owner)
    text = till.sign_earn(ana.account, 500)
    assert till.send("/v1/loyalty/earn", text, key="one-and-the-same-key").code == "till_closed"
    expect("open", open_till(till, zoe))
    assert till.send("/v1/loyalty/earn", text, key="one-and-the-same-key").status == 201


def test_a_closed_till_reaches_no_route_of_tills_but_its_own_opening(street, shop):
    till, owner, _ = shop
    hire(owner)
    wanted = {
        f"{method} {path}"
        for path, item in describe_api()["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict) and "till" in operation.get("x-scope", ())
    }
    free = {"get /v1/tills/me", "post /v1/tills/shifts", "post /v1/tills/shifts/end"}
    assert free < wanted
    for name in sorted(wanted - free):
        method, path = name.split(" ")
        path = path.replace("{hold}", "A" * 43)
        assert "{" not in path, name
        send = till.api.get if method == "get" else till.api.post
        answer = (
            send(path, token=till.token) if method == "get" else send(path, {}, token=till.token)
        )
        assert answer.code == "till_closed", name


def test_no_other_session_sends_what_a_closed_till_signed(street, shop):
    """A thief with a stolen till and an accomplice whose own shop asks for no PIN, at the till or as its owner."""
    till, owner, ana = shop
    zoe = hire(owner)
    other = street.open_shop("librairie")
    assert other.send("/v1/loyalty/earn", till.sign_earn(ana.account, 500)).code == "till_closed"
    body = LoyaltyReverse("A" * 43, 1)
    text = till.sign(body, sender=till.actor)
    path = "/v1/loyalty/reversals"
    assert street.owner("librairie").send(path, text).code == "till_closed"
    expect("open", open_till(till, zoe))
    assert street.owner("librairie").send(path, text).code == "loyalty_unknown_reference"
    assert other.send("/v1/loyalty/earn", till.sign_earn(ana.account, 500)).status == 201


def test_a_till_given_to_another_is_the_others_from_then_on(street, shop):
    till, owner, _ = shop
    zoe, max_ = hire(owner), hire(owner, "Max", OTHER_PIN)
    expect("open", open_till(till, zoe))
    since = street.clock()
    pass_time(street, 600, till, owner)
    expect("hand over", open_till(till, max_, OTHER_PIN))
    newest, first = staff(owner)["shifts"]
    assert (first["employee"], first["opened_at"], first["closed_at"]) == (zoe, since, since + 600)
    assert (newest["employee"], newest["till"], newest["closed_at"]) == (max_, till.key.kid, 0)


def test_a_till_is_closed_by_word(street, shop):
    till, owner, ana = shop
    expect("open", open_till(till, hire(owner)))
    expect("close", till.api.post("/v1/tills/shifts/end", {}, token=till.token))
    assert till.earn(ana.account, 500).code == "till_closed"


def test_an_employee_who_left_opens_nothing_and_what_they_had_open_closes(street, shop):
    till, owner, ana = shop
    zoe = hire(owner)
    expect("open", open_till(till, zoe))
    ended = owner.api.post(f"/v1/tills/employees/{zoe}/end", {}, token=owner.token)
    assert expect("end", ended)["ended_at"] == street.clock()
    assert till.earn(ana.account, 500).code == "till_closed"
    assert open_till(till, zoe).status == 404
    assert staff(owner)["employees"][0]["name"] == "Zoé"  # who it was stays known for a year


def test_the_name_of_who_left_is_forgotten_after_a_year(street, shop):
    _, owner, _ = shop
    zoe, max_ = hire(owner), hire(owner, "Max", OTHER_PIN)
    owner.api.post(f"/v1/tills/employees/{zoe}/end", {}, token=owner.token)
    with connected():
        bodies = ("shop:boulangerie",)
        service.end_employee(max_, bodies, now_s=street.clock() + service.NAMES_KEPT_S + 1)
        names = {row.id: row.name for row in Employee.select()}
    assert names == {zoe: "", max_: "Max"}


def test_five_wrong_pins_close_a_till_until_the_owner_says_otherwise(street, shop):
    till, owner, _ = shop
    zoe = hire(owner)
    for _ in range(service.WRONG_MAX):
        assert open_till(till, zoe, OTHER_PIN).code == "till_pin_wrong"
    assert open_till(till, zoe).code == "till_locked"
    pass_time(street, 2 * 86_400, till, owner)
    assert open_till(till, zoe).code == "till_locked"
    path = f"/v1/tills/shops/boulangerie/terminals/{till.key.kid}/unlock"
    expect("unlock", owner.api.post(path, {}, token=owner.token))
    assert open_till(till, zoe, OTHER_PIN).code == "till_pin_wrong"
    assert open_till(till, zoe).status == 201
    for _ in range(service.WRONG_MAX):  # the right one gave all tries back
        assert open_till(till, zoe, OTHER_PIN).code == "till_pin_wrong"


def test_ones_own_pin_gives_no_new_tries_at_a_colleagues(street, shop):
    """Else a cashier guesses four times, opens the till with the own PIN, and guesses on until the PIN is found."""
    till, owner, _ = shop
    zoe, max_ = hire(owner), hire(owner, "Max", OTHER_PIN)
    for _ in range(2):
        assert open_till(till, zoe, "908171").code == "till_pin_wrong"
    for _ in range(2):
        assert open_till(till, max_, "908171").code == "till_pin_wrong"
        assert open_till(till, max_, OTHER_PIN).status == 201
    for _ in range(3):
        assert open_till(till, zoe, "908171").code == "till_pin_wrong"
    for employee, pin in ((zoe, PIN), (max_, OTHER_PIN)):
        assert open_till(till, employee, pin).code == "till_locked"
    expect("end", owner.api.post(f"/v1/tills/employees/{zoe}/end", {}, token=owner.token))
    assert open_till(till, max_, OTHER_PIN).status == 201


def test_many_guesses_at_once_are_no_more_than_five(street, shop):
    till, owner, _ = shop
    zoe = hire(owner)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: open_till(till, zoe, f"90817{n}"), range(10)))
    codes = sorted(answer.code for answer in answers)
    assert codes == ["till_locked"] * 5 + ["till_pin_wrong"] * 5


def test_a_new_pin_replaces_the_old_one(street, shop):
    till, owner, _ = shop
    zoe = hire(owner)
    path = f"/v1/tills/employees/{zoe}/pin"
    expect("pin", owner.api.post(path, {"pin": OTHER_PIN}, token=owner.token))
    assert open_till(till, zoe).code == "till_pin_wrong"
    assert open_till(till, zoe, OTHER_PIN).status == 201


@pytest.mark.parametrize("pin", ["111111", "123456", "654321", "890123", "000000000000"])
def test_a_pin_that_anybody_would_try_first_is_refused(street, shop, pin):
    _, owner, _ = shop
    path = "/v1/tills/shops/boulangerie/employees"
    answer = owner.api.post(path, {"name": "Zoé", "pin": pin}, token=owner.token)
    assert (answer.status, answer.code) == (422, "till_pin_weak")


@pytest.mark.parametrize("pin", ["40291", "4029134029134", "40291a", "402913\n", "٤٠٢٩١٣", 402913])
def test_a_pin_has_six_to_twelve_digits(street, shop, pin):
    _, owner, _ = shop
    path = "/v1/tills/shops/boulangerie/employees"
    answer = owner.api.post(path, {"name": "Zoé", "pin": pin}, token=owner.token)
    assert (answer.status, answer.code) == (422, "request_invalid")


def test_neither_the_table_nor_an_answer_holds_a_pin(street, shop):
    till, owner, _ = shop
    zoe = hire(owner)
    answer = open_till(till, zoe)
    assert PIN not in str(answer.body) + str(staff(owner))
    with connected():
        row = Employee.get_by_id(zoe)
    assert PIN not in str(row.__data__)
    guess = service._hash_pin(PIN, row.salt, b"\x00" * 32)
    assert guess != row.pin, "who steals the table lacks the key that is not in it"


def test_another_shops_owner_and_till_reach_nobody_here(street, shop):
    till, owner, _ = shop
    zoe = hire(owner)
    other_till = street.open_shop("librairie")
    other = street.owner("librairie")
    paths = (f"employees/{zoe}/end", f"shops/boulangerie/terminals/{till.key.kid}/unlock")
    for path in paths:
        assert other.api.post(f"/v1/tills/{path}", {}, token=other.token).status == 404
    new_pin = other.api.post(f"/v1/tills/employees/{zoe}/pin", {"pin": PIN}, token=other.token)
    assert new_pin.status == 404
    assert open_till(other_till, zoe).status == 404
    own = other.api.post(
        f"/v1/tills/shops/librairie/terminals/{till.key.kid}/unlock", {}, token=other.token
    )
    assert own.status == 404


def test_an_account_named_as_staff_is_listed_from_when_to_when_and_may_come_back(street, shop):
    till, owner, ana = shop

    def name_staff(is_staff: bool) -> None:
        body = LoyaltyStaff(ana.account, is_staff)
        sent = owner.send("/v1/loyalty/staff", owner.sign(body, sender="shop:boulangerie"))
        expect("staff", sent)

    name_staff(False)  # who never was
    assert staff(owner)["accounts"] == []
    since = street.clock()
    name_staff(True)
    assert till.earn(ana.account, 500).code == "loyalty_self_dealing"
    (line,) = staff(owner)["accounts"]
    assert (line["account"], line["ended_at"]) == (ana.account, 0)
    assert line["since"] >= since
    pass_time(street, 600, till, owner)
    name_staff(False)
    (line,) = staff(owner)["accounts"]
    assert line["ended_at"] >= since + 600
    assert till.earn(ana.account, 500).status == 201
    name_staff(True)
    assert [row["ended_at"] == 0 for row in staff(owner)["accounts"]] == [False, True]
