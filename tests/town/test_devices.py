"""Second keys: devices and helpers, what they may sign, how they come and go; and accounts at the desk."""

import pytest

from chain.limits import ACCOUNT_DEVICES_MAX
from chain.town import devices
from chain.town.accounts import find_device, get_account, get_key_use, list_devices
from chain.town.loyalty_schemas import LoyaltyTransfer
from chain.town.router import town_router
from chain.town.rules import Rule
from chain.town.schemas import (
    AccountDeviceAdd,
    AccountDeviceRemove,
    AccountRotate,
    AccountSetStatus,
)
from tests.town.identity.kit import MORE_ROLES, open_identity
from tests.town.town_kit import DAY_S, Town, jwk, key, make_town

PHONE, TABLET, HELPER = key("phone"), key("tablet", "ES256"), key("helper")
CLERK = "body:mairie"


@pytest.fixture
def town() -> Town:
    town = make_town(roles=MORE_ROLES)
    town.open_account(PHONE)
    return town


def add(town: Town, new=TABLET, scopes=("pay",), *, days: int = 30, by=None, sender=PHONE.kid):
    body = AccountDeviceAdd(jwk(new), scopes, town.now_s + days * DAY_S)
    return town.do(body, sender, *(by or (PHONE, new)))


def remove(town: Town, device, by):
    return town.do(AccountDeviceRemove(device.kid), PHONE.kid, by)


def test_a_hardware_key_and_a_helpers_phone_are_the_same_record(town: Town) -> None:
    """Nobody who reads the chain can tell that somebody is helped, or under guardianship."""
    assert add(town, TABLET).info == "ok"
    assert add(town, HELPER).info == "ok"
    records = list_devices(town.reader, PHONE.kid)
    assert {r.kid for r in records} == {TABLET.kid, HELPER.kid}
    assert set(records[0].__struct_fields__) == {"kid", "account", "jwk", "scopes", "expires"}


def test_a_second_key_needs_the_accounts_key_and_its_own_signature(town: Town) -> None:
    assert add(town, by=(PHONE,)).info == "tx_missing_signature"
    assert add(town, by=(TABLET,)).info == "tx_missing_signature"
    assert add(town, by=(key("thief"), TABLET)).info == "tx_unknown_key"
    assert find_device(town.reader, TABLET.kid) is None


@pytest.mark.parametrize(
    ("scopes", "days", "refusal"),
    [
        (("trade",), 30, "account_device_scope"),
        (("veto", "pay"), 30, "tx_body_invalid"),
        (("pay", "pay"), 30, "tx_body_invalid"),
        (("pay",), 367, "tx_body_invalid"),
        (("pay",), 0, "tx_body_invalid"),
    ],
)
def test_scopes_are_those_of_the_domain_and_a_year_is_the_longest(town, scopes, days, refusal):
    assert add(town, scopes=scopes, days=days).info == refusal


def test_nothing_of_an_identity_is_delegated_but_the_veto() -> None:
    """No proxy for ballots: no second key signs any act of an identity's account but a veto."""
    town = open_identity()
    for scope in ("contract", "pay", "trade"):
        result = add(town, scopes=(scope,), by=(key("ada"), TABLET), sender=key("ada").kid)
        assert result.info == "account_device_scope"
    assert devices.SCOPES_OF["identity"] == {"veto"}
    reachable = {
        name
        for name, route in town_router().routes.items()
        if route.rule.device_scope in devices.SCOPES_OF["identity"]
        and "account" in route.rule.senders
    }
    assert reachable == {"id.recover_veto"}


def test_a_second_key_signs_no_rotation_and_no_other_device(town: Town) -> None:
    assert add(town).info == "ok"
    new = key("new")
    assert town.do(AccountRotate(jwk(new)), PHONE.kid, TABLET, new).info == "account_device_scope"
    assert add(town, HELPER, by=(TABLET, HELPER)).info == "account_device_scope"
    body = AccountDeviceAdd(jwk(HELPER), ("pay",), town.now_s + DAY_S)
    assert town.do(body, PHONE.kid, PHONE, TABLET, HELPER).info == "tx_not_entitled"


def test_a_helper_who_may_pay_gives_points_and_is_named_on_the_chain(town: Town) -> None:
    """The programme is unknown here: the refusal is the rule's own, so the signer was let through to it."""
    assert add(town, HELPER).info == "ok"
    assert add(town, TABLET, scopes=("veto",)).info == "ok"
    receiver = town.open_account(key("receiver"))
    body = LoyaltyTransfer(receiver, "fair", 5)
    assert town.do(body, PHONE.kid, TABLET).info == "account_device_scope"
    result = town.do(body, PHONE.kid, HELPER)
    assert result.info == "loyalty_unknown_programme"


def test_a_second_key_of_another_account_is_a_stranger(town: Town) -> None:
    other = key("other")
    town.open_account(other)
    assert add(town).info == "ok"
    result = town.do(AccountDeviceRemove(TABLET.kid), other.kid, TABLET)
    assert result.info == "tx_not_entitled"
    assert (
        town.do(AccountDeviceRemove(TABLET.kid), other.kid, other).info == "account_device_unknown"
    )


def test_either_side_ends_a_mandate_and_a_third_does_not(town: Town) -> None:
    assert add(town, HELPER).info == "ok"
    assert add(town, TABLET).info == "ok"
    assert remove(town, HELPER, TABLET).info == "tx_not_entitled"
    assert remove(town, HELPER, HELPER).info == "ok"
    assert remove(town, TABLET, PHONE).info == "ok"
    assert list_devices(town.reader, PHONE.kid) == ()
    assert get_key_use(town.reader, HELPER.kid).use == "retired"
    assert add(town, HELPER).info == "city_key_in_use"


def test_a_second_key_dies_by_itself(town: Town) -> None:
    assert add(town, HELPER, days=1).info == "ok"
    town.advance(DAY_S)
    assert remove(town, HELPER, HELPER).info == "tx_key_expired"


def test_an_account_holds_eight_live_keys_and_dead_ones_make_room(town: Town) -> None:
    for index in range(ACCOUNT_DEVICES_MAX):
        assert add(town, key(f"device {index}"), days=1 if index < 3 else 300).info == "ok"
    assert add(town, HELPER).info == "account_devices_full"
    town.advance(2 * DAY_S)
    assert add(town, HELPER).info == "ok"
    assert len(list_devices(town.reader, PHONE.kid)) == ACCOUNT_DEVICES_MAX - 3 + 1


def test_rules_open_to_second_keys_say_so() -> None:
    """The default is closed: a rule of a new domain takes the account's own key alone."""
    defaults = Rule.__dataclass_fields__
    assert (defaults["device_scope"].default, defaults["is_by_any_device"].default) == ("", False)


# --- the desk ------------------------------------------------------------------------------


def set_status(town: Town, status: str, *agents: str, account: str = PHONE.kid):
    return town.do(AccountSetStatus(account, status), CLERK, *[key(name) for name in agents])


def test_one_agent_freezes_and_reopens_and_two_close(town: Town) -> None:
    assert set_status(town, "frozen", "clerk@mairie").info == "ok"
    assert add(town).info == "account_frozen"
    assert set_status(town, "open", "clerk@mairie").info == "ok"
    assert add(town).info == "ok"
    assert set_status(town, "closed", "clerk@mairie").info == "identity_second_agent"
    assert set_status(town, "closed", "clerk@mairie", "clerk@coop").info == "ok"
    assert get_account(town.reader, PHONE.kid).status == "closed"
    assert list_devices(town.reader, PHONE.kid) == ()
    assert set_status(town, "open", "clerk@mairie", "clerk@coop").info == "account_closed"


def test_only_agents_freeze_accounts(town: Town) -> None:
    result = town.do(AccountSetStatus(PHONE.kid, "frozen"), CLERK, town.role("gateway"))
    assert result.info == "tx_wrong_role"
    assert set_status(town, "frozen", "clerk@mairie", account=key("nobody").kid).info == (
        "account_unknown"
    )


def test_an_identitys_account_is_moved_with_its_identity_only() -> None:
    town = open_identity()
    assert set_status(town, "frozen", "clerk@mairie", account=key("ada").kid).info == (
        "account_wrong_domain"
    )
