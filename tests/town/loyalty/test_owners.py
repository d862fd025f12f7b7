"""An owner's key is renewed, or replaced when it is lost; nobody takes a shop over in silence."""

import pytest

from chain.town import params
from chain.town.accounts import find_key, get_key_use, grant_role, live_role, revoke_role
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


def test_a_replacement_that_takes_effect_at_once_drops_the_one_that_waited(town) -> None:
    """The owner's role ended while an earlier replacement waited: what came last is what counts."""
    assert name(replace(town, "lost again")) == "ok"
    revoke_role(town.state, owner_key("baker").kid, town.time_s)
    assert name(replace(town, "found")) == "ok"
    assert get_key_use(town.state, make_key("lost again").kid) is None
    town.next_block(seconds=WAIT_S)
    assert holds(town, make_key("found"))
    assert not holds(town, make_key("lost again"))


def test_the_very_key_that_waits_takes_effect_at_once_when_the_old_one_ends(town) -> None:
    assert name(replace(town, "found")) == "ok"
    revoke_role(town.state, owner_key("baker").kid, town.time_s)
    assert name(replace(town, "found")) == "ok"
    assert holds(town, make_key("found"))
    town.next_block(seconds=WAIT_S)
    assert holds(town, make_key("found"))


def test_the_tills_of_the_shop_go_on(town) -> None:
    till, phone = town.add_till("baker", "second"), town.open_phone("ada")
    assert name(renew(town, "next")) == "ok"
    assert name(town.earn("baker", till, phone.account, 1_000)) == "ok"


def test_a_shop_nobody_knows_has_no_owner(town) -> None:
    new = make_key("found")
    body = LoyaltyOwnerKey("nobody", jwk_struct(new))
    assert name(town.run(OPERATOR, body, OPERATOR_KEY, new)) == "loyalty_unknown_shop"


# --- a thief with the owner's key ----------------------------------------------------------

MONTH_S = 30 * DAY_S


def renew_again(town, old_name: str, new_name: str):
    old, new = make_key(old_name), make_key(new_name)
    return town.run("shop:baker", LoyaltyOwnerKey("baker", jwk_struct(new)), old, new)


def test_a_thief_who_renews_the_key_delays_a_replacement_once_and_not_again(town) -> None:
    assert name(renew(town, "thief 1")) == "ok"
    assert replace(town, "owner 1").data["is_final"] is False
    assert name(renew_again(town, "thief 1", "thief 2")) == "ok"
    assert replace(town, "owner 2").data["is_final"] is True
    assert name(renew_again(town, "thief 2", "thief 3")) == "ok"
    assert name(replace(town, "owner 3")) == "loyalty_owner_key_waits"
    town.next_block(seconds=WAIT_S - 1)
    assert holds(town, make_key("thief 3"))
    town.next_block(seconds=1)
    assert holds(town, make_key("owner 2"))
    assert not holds(town, make_key("thief 3"))


@pytest.mark.parametrize(("later_s", "is_final"), [(MONTH_S - 1, True), (MONTH_S, False)])
def test_a_month_after_a_stop_the_owner_may_stop_again(town, later_s: int, is_final: bool) -> None:
    assert name(replace(town, "found")) == "ok"
    assert name(renew(town, "next")) == "ok"
    town.next_block(seconds=later_s)
    assert replace(town, "again").data["is_final"] is is_final


def test_a_renewal_with_nothing_to_stop_uses_up_no_stop(town) -> None:
    assert name(renew(town, "next")) == "ok"
    assert replace(town, "found").data["is_final"] is False


@pytest.mark.parametrize("since_stop", [False, True])
def test_a_replacement_falls_with_the_role_of_the_operator_who_asked(town, since_stop) -> None:
    """What stops an operator who takes shops over: the council, whose word holds at once."""
    granted = grant_role(
        town.state,
        role="loyalty_operator",
        holder=OPERATOR,
        jwk=jwk_struct(OPERATOR_KEY),
        granted_by="council",
        expires=town.time_s + 300 * DAY_S,
        now_s=town.time_s,
    )
    assert granted.kid == OPERATOR_KEY.kid
    owner = "owner baker"
    if since_stop:
        assert name(replace(town, "first")) == "ok"
        assert name(renew(town, "next")) == "ok"
        owner = "next"
    assert name(replace(town, "takeover")) == "ok"
    revoke_role(town.state, OPERATOR_KEY.kid, town.time_s)
    town.next_block(seconds=WAIT_S)
    assert holds(town, make_key(owner))
    assert not holds(town, make_key("takeover"))
    assert get_key_use(town.state, make_key("takeover").kid) is None
    (note,) = [line for line in town.journal if line["kind"] == OWNER_KIND]
    assert note["status"] == "dropped"
