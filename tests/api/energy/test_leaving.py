"""The end of a member's readings, by his own word."""

import pytest

from app.cli.demo.client import expect
from app.energy.erasing import UNBILLED_DAYS
from app.energy.month import format_day, parse_day
from chain.town.energy_schemas import (
    EnergyLeave,
)
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood


@pytest.fixture
def hood(tmp_path):
    """One neighbourhood."""
    yield Neighbourhood(tmp_path)
    close_database()


def test_an_erased_member_s_curve_opens_to_nobody_and_the_books_stay(hood) -> None:
    day, home = hood.day(-3), hood.homes[0]
    hood.publish(day)
    early = home.api.post("/v1/energy/memberships/me/erasure", None, token=home.token)
    assert early.code == "energy_membership_runs"
    body = EnergyLeave(OP, home.account, hood.day(1), "moved")
    transaction = hood.manager.sign(body, sender="body:coop")
    expect("leave", hood.manager.send("/v1/energy/memberships/departures", transaction))
    hood.pass_days(94)
    done = expect(
        "erasure", home.api.post("/v1/energy/memberships/me/erasure", None, token=home.token)
    )
    assert done["erased"] is True
    path = f"/v1/energy/curves/me?operation={OP}&first={day}&last={day}"
    assert home.api.get(path, token=home.token).status in (404, 409, 410)
    assert home.get("/memberships/me")["memberships"][0]["name"] == home.name


def leave(hood: Neighbourhood, member, until: str) -> None:
    transaction = hood.manager.sign(
        EnergyLeave(OP, member.account, until, "moved"), sender="body:coop"
    )
    expect("leave", hood.manager.send("/v1/energy/memberships/departures", transaction))


def erase(member):
    return member.api.post("/v1/energy/memberships/me/erasure", None, token=member.token)


@pytest.fixture
def past(tmp_path):
    """A neighbourhood whose members share from the last two days of the month before this one."""
    yield Neighbourhood(tmp_path, past_month=True)
    close_database()


def test_nobody_erases_the_readings_that_the_neighbours_bills_are_made_of(past) -> None:
    first, last = past.month_days(2)
    for day in (first, last):
        past.publish(day)
    home, other = past.homes[0], past.homes[1]
    until = format_day(parse_day(last) + 1)
    for member in (home, other):
        leave(past, member, until)
    past.reconcile(first, last)
    past.wait_for_challenges()
    assert erase(home).code == "energy_days_unbilled"
    expect("statement", past.manager.state_month(OP, first[:7])[0])
    assert expect("erasure", erase(home))["erased"] is True
    assert past.roofs[0].get(f"/statements/me?operation={OP}&month={first[:7]}&issue=1")


def test_a_statement_that_never_comes_keeps_no_readings_for_ever(past) -> None:
    home = past.homes[0]
    leave(past, home, past.month_days(1)[0])
    assert erase(home).code == "energy_days_unbilled"  # not even measured
    gone = past.today - (parse_day(past.month_days(1)[0]) - 1)
    past.pass_days(UNBILLED_DAYS - gone)
    assert erase(home).code == "energy_days_unbilled"
    past.pass_days(1)
    assert expect("erasure", erase(home))["erased"] is True
