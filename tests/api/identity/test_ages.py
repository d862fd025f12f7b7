"""What a birth date allows: bands, presumed dates taken as the last possible day, leap days."""

from datetime import UTC, date, datetime

import pytest

from app.identity.lifecycle.ages import (
    allowed_at,
    day_of,
    latest_birthday,
    majority_s,
    years_old,
)


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("birthdate", "latest"),
    [
        ("2010-05-17", date(2010, 5, 17)),
        ("2010-02-00", date(2010, 2, 28)),
        ("2012-02-00", date(2012, 2, 29)),
        ("2010-00-00", date(2010, 12, 31)),
    ],
)
def test_r26_a_presumed_date_is_the_last_day_it_may_mean(birthdate: str, latest: date) -> None:
    assert latest_birthday(birthdate) == latest


def test_a_date_that_never_was_is_refused() -> None:
    with pytest.raises(ValueError, match="day"):
        latest_birthday("2001-02-30")


@pytest.mark.parametrize(
    ("today", "band", "own_key", "votes"),
    [
        ("2026-05-16", "under_15", False, False),
        ("2026-05-17", "from_15", True, False),
        ("2027-05-16", "from_15", True, False),
        ("2027-05-17", "from_16", True, False),
        ("2029-05-16", "from_16", True, False),
        ("2029-05-17", "adult", True, True),
    ],
)
def test_the_band_changes_on_the_birthday_by_itself(today, band, own_key, votes) -> None:
    allowed = allowed_at("2011-05-17", at(today))
    assert (allowed.band, allowed.own_key, allowed.votes) == (band, own_key, votes)


def test_under_15_loyalty_and_sel_only() -> None:
    assert allowed_at("2015-00-00", at("2026-06-01")).domains == {"loyalty", "sel"}
    assert "energy" in allowed_at("2000-01-01", at("2026-06-01")).domains


def test_who_is_born_on_a_leap_day_is_older_on_the_first_of_march() -> None:
    assert years_old("2008-02-29", date(2026, 2, 28)) == 17
    assert years_old("2008-02-29", date(2026, 3, 1)) == 18
    assert day_of(majority_s("2008-02-29", 18)) == date(2026, 3, 1)
    assert day_of(majority_s("2010-00-00", 18)) == date(2028, 12, 31)
