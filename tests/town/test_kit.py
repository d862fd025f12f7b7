"""The kit itself: a town starts, opens an account, restarts."""

from chain.town.schemas import AccountRotate
from tests.town.town_kit import jwk, key, make_town, name_of


def test_a_town_opens_an_account_and_turns_its_key():
    town = make_town()
    phone = key("phone")
    account = town.open_account(phone)
    result = town.do(AccountRotate(jwk(key("new phone"))), account, phone, key("new phone"))
    assert name_of(result) == "ok"
    assert town.result_data(result) == {"account": account, "kid": key("new phone").kid}
    assert name_of(town.do(AccountRotate(jwk(key("x"))), account, phone, key("x"))) == (
        "tx_key_expired"
    )


def test_a_restart_finds_the_same_state():
    town = make_town()
    town.open_account(key("phone"))
    town.idle(3)
    before = town.status()
    town.restart()
    assert town.status() == before
