"""Recoveries and votes: a key replaced too shortly before an election votes in none of those, and loses no other."""

import pytest

from chain.town.context import Overlay
from chain.town.identity.elections import (
    drop_open_election,
    list_open_elections,
    put_open_election,
    why_no_vote,
)
from chain.town.schemas import IdRecoverCancel, IdStatus
from tests.town.identity.kit import CLERK, MORE_ROLES, cid_of, open_identity
from tests.town.identity.test_recovery import ADA, WAIT_S, finish, open_recovery, veto
from tests.town.town_kit import DAY_S, Town, key


def plan(town: Town, opens_in_s: int, name: str = "budget-2026") -> None:
    """What the votes domain will do: an election is open from issuance to its closing."""
    overlay = Overlay(town.reader)
    opens_s = town.now_s + opens_in_s
    put_open_election(overlay, name, opens_s=opens_s, closes_s=opens_s + 7 * DAY_S)
    _write(town, overlay)


def _write(town: Town, overlay: Overlay) -> None:
    """Outside a block: the tree's root is not looked at here."""
    for namespace, record_id, record in overlay.changes():
        town.store._put(namespace, record_id, record)


@pytest.fixture
def town() -> Town:
    return open_identity(roles=MORE_ROLES)


def reason(town: Town, election: str = "budget-2026") -> str:
    return why_no_vote(town.reader, cid_of("ada"), election, town.now_s)


def test_an_active_identity_may_vote_in_an_open_election(town: Town) -> None:
    assert reason(town) == "election"
    plan(town, 21 * DAY_S)
    assert reason(town) == ""
    assert why_no_vote(town.reader, cid_of("bob"), "budget-2026", town.now_s) == "status"
    town.advance(28 * DAY_S)
    assert reason(town) == "election"
    assert list_open_elections(town.reader, town.now_s) == ()


def test_a_dropped_election_is_not_open(town: Town) -> None:
    plan(town, 21 * DAY_S)
    overlay = Overlay(town.reader)
    drop_open_election(overlay, "budget-2026")
    _write(town, overlay)
    assert reason(town) == "election"


def test_a_recovery_opened_within_thirty_days_of_the_vote_takes_that_vote(town: Town) -> None:
    plan(town, 30 * DAY_S)
    opened = town.result_data(open_recovery(town))
    assert opened["elections_lost"] == ["budget-2026"]
    assert reason(town) == "recovering"
    town.advance(WAIT_S)
    assert finish(town).info == "ok"
    assert reason(town) == "recovered"


def test_a_recovery_opened_before_leaves_the_vote(town: Town) -> None:
    plan(town, 30 * DAY_S + 10)
    assert town.result_data(open_recovery(town))["elections_lost"] == []
    town.advance(WAIT_S)
    assert finish(town).info == "ok"
    assert reason(town) == ""


def test_an_election_announced_after_the_recovery_counts_too(town: Town) -> None:
    """Else whoever knows the council's calendar recovers the day before it is published."""
    assert open_recovery(town).info == "ok"
    town.advance(WAIT_S)
    assert finish(town).info == "ok"
    plan(town, 21 * DAY_S)
    assert reason(town) == "recovered"
    plan(town, 60 * DAY_S, "later")
    assert reason(town, "later") == ""


@pytest.mark.parametrize("vetoed", [False, True])
def test_a_recovery_that_was_given_up_takes_no_vote(town: Town, vetoed: bool) -> None:
    """Two agents must not be able to keep their opponents from voting by opening recoveries."""
    plan(town, 21 * DAY_S)
    assert open_recovery(town).info == "ok"
    if vetoed:
        assert veto(town).info == "ok"
    assert reason(town) == "recovering"
    assert town.do(IdRecoverCancel(ADA.kid), CLERK, key("clerk@mairie")).info == "ok"
    assert reason(town) == ""


def test_a_suspended_identity_gets_no_credential(town: Town) -> None:
    plan(town, 21 * DAY_S)
    assert town.do(IdStatus(cid_of("ada"), "suspended"), CLERK, key("clerk@mairie")).info == "ok"
    assert reason(town) == "status"
