"""A neighbourhood's month through the API: files in, days out, statements, a correction, and what nobody may see."""

import pytest

from app.cli.demo.client import expect
from tests.api.conftest import close_database
from tests.api.energy.kit import OP, Neighbourhood

GENESIS_MONTH = "2026-09"


@pytest.fixture
def hood(tmp_path):
    yield Neighbourhood(tmp_path)
    close_database()


def test_a_day_goes_from_file_to_own_proved_rows(hood) -> None:
    day = hood.day(-3)
    hood.publish(day)
    shown = expect("day", hood.street.api.get(f"/v1/energy/operations/{OP}/days/{day}"))
    assert (shown["state"], shown["version"], shown["count"]) == ("allocated", 1, 8)
    assert shown["witnesses"] == ["body:mairie"]
    produced, consumed, shared, surplus = shown["totals"]
    assert produced == shared + surplus
    assert 0 < shared <= consumed
    total = 0
    for home in hood.homes:
        received = home.check_day(OP, day)
        total += received
        curve = home.get(f"/curves/me?operation={OP}&first={day}&last={day}&by=day")
        assert [row["shared_wh"] for row in curve["rows"]] == [received]
    assert total == shared
