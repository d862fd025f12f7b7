"""The end of a member's readings, by his own word."""

import pytest

from app.cli.demo.client import expect
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
    hood.pass_days(3)
    done = expect(
        "erasure", home.api.post("/v1/energy/memberships/me/erasure", None, token=home.token)
    )
    assert done["erased"] is True
    path = f"/v1/energy/curves/me?operation={OP}&first={day}&last={day}"
    assert home.api.get(path, token=home.token).status in (404, 409, 410)
    assert home.get("/memberships/me")["memberships"][0]["name"] == home.name
