"""Our dated data against the machine's own zone database, which the chain itself never reads."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chain.town.energy import calendar
from chain.town.energy.calendar import EUROPE_PARIS, Zone, days_of_date, fixed_zone

PARIS = ZoneInfo("Europe/Paris")


def test_every_hour_around_every_clock_change_agrees_with_the_zone_database() -> None:
    for year in range(1996, 2038):
        for month in (3, 10):
            night = datetime(year, month, 31, tzinfo=UTC) - timedelta(days=10)
            for hour in range(11 * 24):
                at = night + timedelta(hours=hour, minutes=30 * (hour % 2))
                offset = at.astimezone(PARIS).utcoffset()
                assert offset is not None
                assert calendar.offset_at(EUROPE_PARIS, int(at.timestamp())) == offset.seconds


@pytest.mark.parametrize(
    ("date", "quarters"), [((2026, 3, 29), 92), ((2026, 10, 25), 100), ((2026, 6, 1), 96)]
)
def test_a_day_has_as_many_quarters_as_the_clock_says(date, quarters: int) -> None:
    assert len(calendar.steps_of_day(EUROPE_PARIS, days_of_date(*date), 900)) == quarters


def test_a_zone_that_gives_up_summer_time_is_one_changed_row() -> None:
    rule = EUROPE_PARIS.rules[0]
    given_up = Zone(
        "Europe/Paris", 3_600, (calendar.SummerRule(1996, 2030, 3, 10, 3_600, rule.shift_s),)
    )
    assert len(calendar.steps_of_day(given_up, days_of_date(2030, 3, 31), 900)) == 92
    assert len(calendar.steps_of_day(given_up, days_of_date(2031, 3, 30), 900)) == 96


def test_dates_that_do_not_exist_are_known() -> None:
    assert calendar.is_date(2024, 2, 29)
    assert not calendar.is_date(2026, 2, 29)
    assert not calendar.is_date(2026, 4, 31)
    assert not calendar.is_date(2026, 13, 1)
    assert not calendar.is_date(1969, 12, 31)


def test_times_are_written_with_what_makes_them_one_instant() -> None:
    first, second = calendar.utc_of_local(EUROPE_PARIS, days_of_date(2026, 10, 25) * 86_400 + 9_000)
    assert calendar.format_local(EUROPE_PARIS, first) == "2026-10-25T02:30:00+02:00"
    assert calendar.format_local(EUROPE_PARIS, second) == "2026-10-25T02:30:00+01:00"
    assert calendar.format_utc(first) == "2026-10-25T00:30:00Z"
    assert fixed_zone(-12_600).name == "-03:30"
    with pytest.raises(ValueError, match="no offset"):
        fixed_zone(86_400)
