"""The end of a member's readings, by his own word."""

import pytest

from app.cli.demo.client import expect
from app.core.database import connected
from app.energy.erasing import UNBILLED_DAYS
from app.energy.models import MeterDay, SharedDay
from app.energy.month import format_day, parse_day
from chain.codec.canonical import b64url_encode
from chain.town.energy.calendar import EUROPE_PARIS, local_day
from chain.town.energy_schemas import EnergyLeave, EnergyRetire
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood
from tests.api.lab import GENESIS_S


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


def leave(hood: Neighbourhood, member, until: str, reason: str = "moved") -> None:
    transaction = hood.manager.sign(
        EnergyLeave(OP, member.account, until, reason), sender="body:coop"
    )
    expect("leave", hood.manager.send("/v1/energy/memberships/departures", transaction))


def erase(member):
    return member.api.post("/v1/energy/memberships/me/erasure", None, token=member.token)


@pytest.fixture
def past(tmp_path):
    """A neighbourhood whose members share from the last two days of the month before this one."""
    yield Neighbourhood(tmp_path, past_month=True)
    close_database()


def test_readings_outlast_the_neighbours_bills_and_their_paths_outlast_the_readings(past) -> None:
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
    paths = f"/days/me?operation={OP}&day={first}"
    before = past.homes[2].get(paths)
    assert expect("erasure", erase(home))["erased"] is True
    with connected():
        for table in (MeterDay, SharedDay):
            assert not table.select().where(table.account == home.account).exists()
    after = past.homes[2].get(paths)
    assert after == before
    assert after["is_reproduced"] is True
    assert past.homes[2].check_day(OP, first) > 0
    assert home.api.get(f"/v1/energy{paths}", token=home.token).status == 410
    manager = past.manager
    sealed = manager.api.get(f"/v1/energy/operations/{OP}/days/{first}/sealed", token=manager.token)
    assert (sealed.status, sealed.code) == (410, "energy_member_erased")
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


def test_an_operation_ends_when_its_manager_ends_every_member_and_states_the_last_month(
    tmp_path,
) -> None:
    first, last, ends = (format_day(local_day(EUROPE_PARIS, GENESIS_S) + n) for n in (-2, -1, 0))
    assert first[:7] == last[:7], "both days are of one month"
    hood = Neighbourhood(tmp_path, first_day=first)
    members = (*hood.homes, *hood.roofs)
    for day in (first, last):
        hood.publish(day)
    for member in members:
        leave(hood, member, ends, "operation_end")
    shown = expect("operation", hood.street.api.get(f"/v1/energy/operations/{OP}"))
    assert (shown["ended_on"], shown["consumers"], shown["plants"]) == (ends, 0, 0)
    hood.pass_days(32)
    hood.reconcile(first, last)
    hood.wait_for_challenges()
    answer, said = hood.manager.state_month(OP, last[:7])
    expect("statement", answer)
    assert said["statements"] == len(members)
    expect("credit", hood.manager.credit(OP, last[:7]))
    home = hood.homes[0]
    held = home.get("/credits/me")["energy_wh"]
    assert held > 0
    claim = EnergyRetire(OP, last[:7], 3, b64url_encode(b"c" * 32))
    expect("claim", home.send("/v1/energy/retirements", home.sign(claim, sender=home.account)))
    late = hood.adapter.import_files(OP, [hood.upload(ends)])
    assert late.code == "energy_point_unknown", late.body
    assert expect("erasure", erase(home))["erased"] is True
    close_database()
