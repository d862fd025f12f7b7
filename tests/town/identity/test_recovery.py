"""Lost keys: who may open a recovery, how long it waits, what stops it, who overrides, and what it costs the voter."""

from typing import Any

import pytest

from chain.crypto import jws
from chain.town.accounts import find_device, get_account, get_key_use, key_at
from chain.town.envelope import TX_TYP, sign_payload
from chain.town.identity.records import get_counts, get_identity
from chain.town.identity.recovery_records import get_month, get_recovery
from chain.town.schemas import (
    AccountDeviceAdd,
    AccountRotate,
    AccountSetStatus,
    ActRoleRevoke,
    IdRecoverCancel,
    IdRecoverFinish,
    IdRecoverOpen,
    IdRecoverOverride,
    IdRecoverVeto,
    IdRotate,
    IdStatus,
)
from chain.types.abci import ExecTxResult
from tests.town.identity.kit import CLERK, MORE_ROLES, batch, cid_of, open_identity
from tests.town.town_kit import DAY_S, Town, jwk, key, make_town

HOUR_S = 3_600
WAIT_S = 72 * HOUR_S
OPENERS = ("clerk@mairie", "agent_supervisor@commerces")
OTHERS = ("clerk@dehors", "clerk@coop")
ADA, NEW = key("ada"), key("new phone")


@pytest.fixture
def town() -> Town:
    return open_identity(roles=MORE_ROLES)


def open_recovery(town: Town, *signers: str, **how: Any) -> ExecTxResult:
    """id.recover_open of Ada's identity by these agents (default: two bodies) and the new phone."""
    new = how.pop("new", NEW)
    fields = {"account": ADA.kid, "cid": cid_of("ada"), "new_key": jwk(new)} | how
    keys = [key(name) for name in signers or OPENERS]
    return town.do(IdRecoverOpen(**fields), CLERK, *keys, new)


def veto(town: Town, by=ADA, sender: str = "") -> ExecTxResult:
    return town.do(IdRecoverVeto(), sender or ADA.kid, by)


def override(town: Town, *signers: str) -> ExecTxResult:
    names = signers or OTHERS
    body = names[0].partition("@")[2]
    return town.do(IdRecoverOverride(ADA.kid), f"body:{body}", *[key(n) for n in names])


def finish(town: Town, new=NEW, *more, sender: str = "") -> ExecTxResult:
    return town.do(IdRecoverFinish(jwk(new)), sender or ADA.kid, new, *more)


def ada(town: Town):
    return get_identity(town.reader, cid_of("ada"))


def account(town: Town):
    return get_account(town.reader, ADA.kid)


# --- opening -------------------------------------------------------------------------------


def test_r32_a_recovery_takes_two_agents_of_two_bodies(town: Town) -> None:
    assert open_recovery(town, "clerk@mairie").info == "identity_second_agent"
    assert (
        open_recovery(town, "clerk@mairie", "agent_supervisor@mairie").info == "identity_same_body"
    )
    assert (ada(town).status, account(town).status) == ("active", "open")
    assert open_recovery(town).info == "ok"


def test_the_new_phone_signs_the_opening(town: Town) -> None:
    """Two agents alone cannot hand an account to a key of which nobody proved to be the holder."""
    body = IdRecoverOpen(ADA.kid, cid_of("ada"), jwk(NEW))
    agents = [key(name) for name in OPENERS]
    assert town.do(body, CLERK, *agents).info == "tx_missing_signature"


def test_a_stripped_copy_of_the_opening_burns_nothing(town: Town) -> None:
    agents = [key(name) for name in OPENERS]
    whole = town.tx(IdRecoverOpen(ADA.kid, cid_of("ada"), jwk(NEW)), CLERK, *agents, NEW)
    payload = jws.parse(whole, TX_TYP, 10_000).payload
    assert town.run(sign_payload(payload, [agents[0], NEW]))[0].info == "identity_second_agent"
    assert town.run(whole)[0].info == "ok"


def test_an_opened_recovery_freezes_the_account_at_once(town: Town) -> None:
    """Whoever found the phone can do nothing with it from now on, and neither can the new phone."""
    result = open_recovery(town)
    assert town.result_data(result) == {
        "account": ADA.kid,
        "cid": cid_of("ada"),
        "new_kid": NEW.kid,
        "ready_from": town.now_s - 1 + WAIT_S,
        "lapses": town.now_s - 1 + WAIT_S + 30 * DAY_S,
        "elections_lost": [],
    }
    assert (ada(town).status, account(town).status) == ("suspended", "frozen")
    assert get_counts(town.reader).by_status == {"suspended": 1}
    rotation = IdRotate(cid_of("ada"), jwk(key("thief's")))
    assert town.do(rotation, ADA.kid, ADA, key("thief's")).info == "account_frozen"
    assert get_key_use(town.reader, NEW.kid).use == "reserved"


def test_one_recovery_at_a_time(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    second = open_recovery(town, *OTHERS, new=key("another phone"))
    assert second.info == "tx_not_entitled"  # the first signer must be of the sending body
    texts = [key(name) for name in ("clerk@mairie", "clerk@dehors")]
    other = key("another phone")
    body = IdRecoverOpen(ADA.kid, cid_of("ada"), jwk(other))
    assert town.do(body, CLERK, *texts, other).info == "identity_recovery_pending"


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"account": key("nobody").kid}, "account_unknown"),
        ({"cid": cid_of("nobody")}, "identity_unknown"),
        ({"cid": ""}, "identity_unknown"),
        ({"new": key("phone", "ES256")}, "tx_body_invalid"),
        ({"new": ADA}, "city_key_in_use"),
    ],
    ids=["account", "cid", "no cid", "curve", "same key"],
)
def test_a_recovery_names_an_account_its_identity_and_a_fresh_key(town, fields, refusal) -> None:
    assert open_recovery(town, **fields).info == refusal
    assert get_recovery(town.reader, ADA.kid) is None


def test_nobodys_recovery_can_be_bound_to_anothers_identity(town: Town) -> None:
    shopper = town.open_account(key("shopper"))
    assert open_recovery(town, account=shopper).info == "tx_body_invalid"


def test_revoked_agents_open_nothing(town: Town) -> None:
    assert town.run(town.council_tx(ActRoleRevoke(key(OPENERS[1]).kid)))[0].info == "ok"
    town.idle(2)
    assert open_recovery(town).info == "tx_key_expired"


# --- finishing -----------------------------------------------------------------------------


def test_after_72_hours_the_new_phone_finishes(town: Town) -> None:
    before = town.height
    assert open_recovery(town).info == "ok"
    town.advance(WAIT_S - 3)
    assert finish(town).info == "identity_recovery_early"
    town.advance(3)
    result = finish(town)
    assert result.info == "ok"
    assert town.result_data(result)["kid"] == NEW.kid
    assert (ada(town).status, ada(town).key) == ("active", jwk(NEW))
    assert (account(town).status, account(town).kid) == ("open", NEW.kid)
    assert account(town).id == ADA.kid, "the account keeps its id, and with it whatever it owns"
    assert get_key_use(town.reader, ADA.kid).use == "retired"
    assert get_recovery(town.reader, ADA.kid) is None
    assert key_at(town.reader, account(town), before) == jwk(ADA)
    assert key_at(town.reader, account(town), town.height) == jwk(NEW)


def test_only_the_reserved_key_finishes_and_a_stranger_charges_nobody(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    town.advance(WAIT_S)
    stranger = key("stranger")
    assert finish(town, stranger).info == "identity_recovery_unknown"
    assert finish(town, stranger).gas_used == 0
    assert finish(town, NEW, ADA).info == "tx_not_entitled"
    assert finish(town, key("neighbour"), sender=key("nobody").kid).info == "account_unknown"
    assert finish(town).info == "ok"


def test_a_finished_recovery_ends_every_second_key(town: Town) -> None:
    """A thief who had the phone for a day may have added a device."""
    tablet = key("thief's tablet", "ES256")
    add = AccountDeviceAdd(jwk(tablet), ("veto",), town.now_s + DAY_S)
    assert town.do(add, ADA.kid, ADA, tablet).info == "ok"
    assert open_recovery(town).info == "ok"
    town.advance(WAIT_S)
    assert finish(town).info == "ok"
    assert find_device(town.reader, tablet.kid) is None
    assert get_key_use(town.reader, tablet.kid).use == "retired"


def test_a_suspended_identity_may_be_recovered(town: Town) -> None:
    """The usual course: the citizen phones city hall, one agent suspends, both agents act when she comes."""
    assert town.do(IdStatus(cid_of("ada"), "suspended"), CLERK, key(OPENERS[0])).info == "ok"
    assert open_recovery(town).info == "ok"
    town.advance(WAIT_S)
    assert finish(town).info == "ok"
    assert (ada(town).status, account(town).status) == ("active", "open")


def test_an_ended_identity_is_not_recovered(town: Town) -> None:
    two = [key(name) for name in OPENERS]
    assert town.do(IdStatus(cid_of("ada"), "ended"), CLERK, *two).info == "ok"
    assert open_recovery(town).info == "identity_not_active"


def test_a_recovery_of_an_identity_out_of_date_gives_the_key_but_no_new_life() -> None:
    town = make_town(roles=MORE_ROLES)
    assert batch(town, "ada", expires_month="2026-09").info == "ok"
    assert open_recovery(town).info == "ok"
    town.advance(20 * DAY_S)  # into October
    assert finish(town).info == "ok"
    assert (ada(town).status, ada(town).key) == ("expired", jwk(NEW))
    assert (account(town).status, account(town).kid) == ("frozen", NEW.kid)
    assert get_counts(town.reader).by_status == {"expired": 1}


# --- veto and override ---------------------------------------------------------------------


def test_the_old_key_stops_a_recovery_and_the_account_stays_frozen(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    result = veto(town)
    assert town.result_data(result)["override_from"] == town.now_s - 1 + 7 * DAY_S
    town.advance(WAIT_S)
    assert finish(town).info == "identity_recovery_vetoed"
    assert (ada(town).status, account(town).status) == ("suspended", "frozen")


def test_a_second_key_that_may_veto_does(town: Town) -> None:
    tablet = key("tablet", "ES256")
    add = AccountDeviceAdd(jwk(tablet), ("veto",), town.now_s + DAY_S)
    assert town.do(add, ADA.kid, ADA, tablet).info == "ok"
    assert open_recovery(town).info == "ok"
    assert veto(town, tablet).info == "ok"


def test_a_veto_pauses_once(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    assert veto(town).info == "ok"
    assert veto(town).info == "identity_recovery_vetoed"
    town.advance(7 * DAY_S)
    assert override(town).info == "ok"
    assert veto(town).info == "identity_recovery_vetoed"
    assert finish(town).info == "ok"


def test_there_is_no_veto_where_nothing_is_recovered(town: Town) -> None:
    assert veto(town).info == "identity_recovery_unknown"


@pytest.mark.parametrize(
    "by", [key("thief"), key("clerk@mairie"), NEW], ids=["thief", "agent", "new"]
)
def test_nobody_else_vetoes(town: Town, by) -> None:
    assert open_recovery(town).info == "ok"
    assert veto(town, by).info in ("tx_not_entitled", "tx_unknown_key")
    town.advance(WAIT_S)
    assert finish(town).info == "ok"


def test_r32_a_veto_is_overridden_by_two_other_agents_after_a_week(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    assert override(town).info == "identity_recovery_unknown"  # no veto stands yet
    assert veto(town).info == "ok"
    town.advance(7 * DAY_S - 3)
    assert override(town).info == "identity_recovery_early"
    town.advance(3)
    assert override(town, "clerk@mairie", "clerk@dehors").info == "identity_same_agents"
    assert override(town, "clerk@dehors").info == "identity_second_agent"
    assert override(town).info == "ok"
    assert finish(town).info == "ok"


def test_r32_two_agents_of_one_body_override_nothing(town: Town) -> None:
    assert open_recovery(town, "clerk@mairie", "clerk@coop").info == "ok"
    assert veto(town).info == "ok"
    town.advance(7 * DAY_S)
    result = override(town, "agent_supervisor@mairie", "clerk@mairie")
    assert result.info == "identity_same_body"


def test_an_override_never_shortens_the_first_wait() -> None:
    genesis = {"identity_override_delay_s": 0}
    town = open_identity(roles=MORE_ROLES, params=genesis)
    assert open_recovery(town).info == "ok"
    assert veto(town).info == "ok"
    assert override(town).info == "ok"
    assert finish(town).info == "identity_recovery_early"
    town.advance(WAIT_S)
    assert finish(town).info == "ok"


# --- giving up -----------------------------------------------------------------------------


def test_a_found_phone_goes_on_as_before(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    cancel = IdRecoverCancel(ADA.kid)
    assert town.do(cancel, "body:coop", key("clerk@coop")).info == "ok"
    assert (ada(town).status, account(town).status) == ("active", "open")
    assert get_key_use(town.reader, NEW.kid) is None
    town.advance(WAIT_S)
    assert finish(town).info == "identity_recovery_unknown"
    assert town.do(cancel, "body:coop", key("clerk@coop")).info == "identity_recovery_unknown"


@pytest.mark.parametrize("vetoed", [False, True])
def test_a_recovery_nobody_finishes_gives_the_account_back(town: Town, vetoed: bool) -> None:
    """Two bad agents cannot lock somebody out for ever by opening a recovery nobody wants."""
    assert open_recovery(town).info == "ok"
    if vetoed:
        assert veto(town).info == "ok"
        town.advance(7 * DAY_S + 30 * DAY_S - 3)
    else:
        town.advance(WAIT_S + 30 * DAY_S - 2)
    town.idle(1)
    assert account(town).status == "frozen"
    town.idle(3)
    assert (ada(town).status, account(town).status) == ("active", "open")
    assert get_recovery(town.reader, ADA.kid) is None
    assert get_counts(town.reader).by_status == {"active": 1}
    town.advance(60 * DAY_S)
    town.idle(2)
    assert (ada(town).status, account(town).status) == ("active", "open")


def test_no_agent_lifts_the_freeze_while_a_recovery_runs(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    lift = IdStatus(cid_of("ada"), "active")
    assert town.do(lift, CLERK, key(OPENERS[0])).info == "identity_recovery_pending"


def test_the_end_of_an_identity_ends_its_recovery(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    two = [key(name) for name in OPENERS]
    assert town.do(IdStatus(cid_of("ada"), "ended"), CLERK, *two).info == "ok"
    assert get_recovery(town.reader, ADA.kid) is None
    town.advance(WAIT_S)
    assert finish(town).info == "identity_recovery_unknown"


# --- accounts of other domains -------------------------------------------------------------


def test_a_domain_account_is_recovered_the_same_way_and_keeps_its_id(town: Town) -> None:
    """So do heirs reach an estate: a frozen account, two agents of two bodies, their own new key."""
    old, heir = key("grandmother"), key("heir")
    town.open_account(old)
    agents = [key(name) for name in OPENERS]
    freeze = AccountSetStatus(old.kid, "frozen")
    assert town.do(freeze, CLERK, agents[0]).info == "ok"
    assert town.do(IdRecoverOpen(old.kid, "", jwk(heir)), CLERK, *agents, heir).info == "ok"
    assert town.do(AccountSetStatus(old.kid, "open"), CLERK, agents[0]).info == (
        "identity_recovery_pending"
    )
    town.advance(WAIT_S)
    assert town.do(IdRecoverFinish(jwk(heir)), old.kid, heir).info == "ok"
    found = get_account(town.reader, old.kid)
    assert (found.id, found.kid, found.status) == (old.kid, heir.kid, "open")
    again = AccountRotate(jwk(key("heir's second")))
    assert town.do(again, old.kid, heir, key("heir's second")).info == "ok"


# --- figures -------------------------------------------------------------------------------


def test_every_step_is_counted_by_month(town: Town) -> None:
    assert open_recovery(town).info == "ok"
    assert veto(town).info == "ok"
    town.advance(7 * DAY_S)
    assert override(town).info == "ok"
    assert finish(town).info == "ok"
    months = {m: get_month(town.reader, m) for m in ("2026-09", "2026-10")}
    totals = {
        step: sum(getattr(m, step) for m in months.values())
        for step in ("opened", "vetoed", "overridden", "finished", "cancelled", "lapsed", "dropped")
    }
    assert totals == {
        "opened": 1,
        "vetoed": 1,
        "overridden": 1,
        "finished": 1,
        "cancelled": 0,
        "lapsed": 0,
        "dropped": 0,
    }
