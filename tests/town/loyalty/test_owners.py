"""An owner's key is renewed, or replaced when it is lost; nobody takes a shop over in silence."""

import pytest

from chain.town import params
from chain.town.accounts import find_key, get_key_use, live_role
from chain.town.context import Accepted
from chain.town.loyalty import records
from chain.town.loyalty.owners import OWNER_KIND
from chain.town.schemas import LoyaltyOwnerKey
from tests.town.loyalty.kit import DAY_S, OPERATOR, jwk_struct, make_key, open_town, owner_key
from tests.town.settlement.kit import name

OPERATOR_KEY = make_key("operator")
WAIT_S = 72 * 3_600


@pytest.fixture
def town():
    town, _ = open_town("baker", "grocer")
    return town


def renew(town, new_name: str, *, by: str = "baker", shop: str = "baker"):
    new = make_key(new_name)
    body = LoyaltyOwnerKey(shop, jwk_struct(new))
    return town.run(f"shop:{by}", body, owner_key(by), new)


def replace(town, new_name: str):
    new = make_key(new_name)
    return town.run(OPERATOR, LoyaltyOwnerKey("baker", jwk_struct(new)), OPERATOR_KEY, new)


def holds(town, key) -> bool:
    role = live_role(town.state, key.kid, town.time_s)
    return role is not None and (role.role, role.body) == ("shop_owner", "shop:baker")


def test_an_owner_renews_the_key_and_the_old_one_ends_at_once(town) -> None:
    outcome = renew(town, "next")
    assert isinstance(outcome, Accepted)
    assert outcome.data["status"] == "done"
    assert holds(town, make_key("next"))
    assert not holds(town, owner_key("baker"))
    shop = records.SHOPS.get(town.state, b"baker")
    assert shop.owner_kid == make_key("next").kid
    life = params.get_param(town.state, params.AGENT_ROLE_MAX_S)
    assert outcome.data["owner_expires"] == town.time_s + life


def test_an_owner_renews_no_other_shop_and_no_key_twice(town) -> None:
    assert name(renew(town, "next", by="grocer", shop="baker")) == "tx_not_entitled"
    assert name(renew(town, "next")) == "ok"
    body = LoyaltyOwnerKey("baker", jwk_struct(owner_key("baker")))
    again = town.run("shop:baker", body, make_key("next"), owner_key("baker"))
    assert name(again) == "city_key_in_use"


def test_an_operators_replacement_waits_while_the_old_key_lives(town) -> None:
    assert name(replace(town, "found")) == "ok"
    assert name(replace(town, "another")) == "loyalty_owner_key_waits"
    assert find_key(town.state, make_key("found").kid) is None
    town.next_block(seconds=WAIT_S - 1)
    assert holds(town, owner_key("baker"))
    town.next_block(seconds=1)
    assert holds(town, make_key("found"))
    assert not holds(town, owner_key("baker"))
    (note,) = [line for line in town.journal if line["kind"] == OWNER_KIND]
    assert note["owner_kid"] == make_key("found").kid


def test_the_owner_stops_a_replacement_by_renewing(town) -> None:
    assert name(replace(town, "thief")) == "ok"
    assert name(renew(town, "next")) == "ok"
    assert get_key_use(town.state, make_key("thief").kid) is None
    town.next_block(seconds=WAIT_S)
    assert holds(town, make_key("next"))
    assert not holds(town, make_key("thief"))


def test_a_key_that_ran_out_is_replaced_at_once(town) -> None:
    town.next_block(seconds=367 * DAY_S)
    assert not holds(town, owner_key("baker"))
    assert name(replace(town, "found")) == "ok"
    assert holds(town, make_key("found"))


def test_the_tills_of_the_shop_go_on(town) -> None:
    till, phone = town.add_till("baker", "second"), town.open_phone("ada")
    assert name(renew(town, "next")) == "ok"
    assert name(town.earn("baker", till, phone.account, 1_000)) == "ok"


def test_a_shop_nobody_knows_has_no_owner(town) -> None:
    new = make_key("found")
    body = LoyaltyOwnerKey("nobody", jwk_struct(new))
    assert name(town.run(OPERATOR, body, OPERATOR_KEY, new)) == "loyalty_unknown_shop"
