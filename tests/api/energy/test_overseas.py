"""Operations overseas: their local day is no Paris day, in the API as on the chain."""

import pytest

from app.energy.readings import zone_of
from chain.town.energy.calendar import ZONES, format_local, parse_day, steps_of_day


@pytest.mark.parametrize("name", sorted(ZONES))
def test_every_clock_that_the_chain_takes_is_one_the_api_can_reckon_with(name: str) -> None:
    first = steps_of_day(zone_of(name), parse_day("2026-10-25") or 0, 1_800)[0]
    assert format_local(zone_of(name), first)[:16] == "2026-10-25T00:00"
