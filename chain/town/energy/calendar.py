"""Local days and clock changes as data: UTC seconds to and from civil time, without asking any clock.

A zone is a base offset and rules with years of validity; a rule that ends one day is one more row. Steps of 900
or 1 800 s start on multiples of the step in UTC, so a local day has 92, 96 or 100 quarter hours.
Sources: directive 2000/84/EC (last Sundays of March and October, 01:00 UTC); civil-date arithmetic on days since
1970-03-01 shifted eras of 400 years.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chain.town.energy.refusals import Refused
from chain.types.codes import ENERGY_STEP_UNKNOWN

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
LONGEST_DAY_H: Final = 25
"""The day on which clocks go back."""
STEPS_S: Final = (900, 1_800)
"""Measuring steps an operation may have: the imbalance-settlement step (D315-1), 30 minutes formerly."""

_ERA_DAYS: Final = 146_097
_EPOCH_DAYS: Final = 719_468
"""Days from 0000-03-01 to 1970-01-01."""
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9_999


@dataclass(frozen=True, slots=True)
class SummerRule:
    """`shift_s` more between the last Sundays of two months, changing at `change_utc_s` of those days."""

    from_year: int
    until_year: int
    start_month: int
    end_month: int
    change_utc_s: int
    shift_s: int


@dataclass(frozen=True, slots=True)
class Zone:
    """A local time: base offset from UTC in seconds, and the rules of its summer time."""

    name: str
    base_s: int
    rules: tuple[SummerRule, ...] = ()


EUROPE_PARIS: Final = Zone(
    "Europe/Paris", HOUR_S, (SummerRule(1996, _LAST_YEAR, 3, 10, HOUR_S, HOUR_S),)
)
UTC: Final = Zone("UTC", 0)
ZONES: Final = {
    zone.name: zone
    for zone in (
        EUROPE_PARIS,
        UTC,
        Zone("America/Cayenne", -3 * HOUR_S),
        Zone("America/Martinique", -4 * HOUR_S),
        Zone("Indian/Mayotte", 3 * HOUR_S),
        Zone("Indian/Reunion", 4 * HOUR_S),
    )
}
"""Clocks an operation may live by; overseas ones never change (Guadeloupe shares Martinique's)."""


def fixed_zone(offset_s: int) -> Zone:
    """A clock that never changes; whole minutes, less than a day away from UTC."""
    if offset_s % MINUTE_S or abs(offset_s) >= DAY_S:
        raise ValueError(f"{offset_s} s is no offset from UTC")
    sign = "-" if offset_s < 0 else "+"
    hours, minutes = divmod(abs(offset_s) // MINUTE_S, 60)
    return Zone(f"{sign}{hours:02}:{minutes:02}", offset_s)


def check_step(step_s: int) -> Refused | None:
    """Only 15 or 30 minutes."""
    return None if step_s in STEPS_S else Refused(ENERGY_STEP_UNKNOWN, f"{step_s} s")


# --- civil dates ---------------------------------------------------------------------------------


def days_of_date(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a Gregorian date; the year starts in March so that leap days come last."""
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _ERA_DAYS + day_of_era - _EPOCH_DAYS


def date_of_days(days: int) -> tuple[int, int, int]:
    """(year, month, day) of a number of days since 1970-01-01."""
    era, day_of_era = divmod(days + _EPOCH_DAYS, _ERA_DAYS)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day


def is_date(year: int, month: int, day: int) -> bool:
    """Whether the calendar has this day, from 1970 to 9999."""
    if not (_FIRST_YEAR <= year <= _LAST_YEAR and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    return date_of_days(days_of_date(year, month, day)) == (year, month, day)


# --- local time ----------------------------------------------------------------------------------


def parse_day(text: str) -> int | None:
    """Days since 1970-01-01 of `YYYY-MM-DD`, or None when the calendar has no such day."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    return days_of_date(year, month, day) if is_date(year, month, day) else None


def format_day(days: int) -> str:
    """`YYYY-MM-DD` of a number of days since 1970-01-01."""
    year, month, day = date_of_days(days)
    return f"{year:04}-{month:02}-{day:02}"


def days_of_month(month: str) -> range:
    """Day numbers of a month written `YYYY-MM`."""
    year, number = int(month[:4]), int(month[5:7])
    after = (year + 1, 1) if number == 12 else (year, number + 1)
    return range(days_of_date(year, number, 1), days_of_date(*after, 1))


def offset_at(zone: Zone, utc_s: int) -> int:
    """Seconds to add to UTC to read the local clock."""
    if not zone.rules:
        return zone.base_s
    starts, ends, shift_s = _summer(zone.rules, date_of_days(utc_s // DAY_S)[0])
    return zone.base_s + shift_s if starts <= utc_s < ends else zone.base_s


@lru_cache(maxsize=256)
def _summer(rules: tuple[SummerRule, ...], year: int) -> tuple[int, int, int]:
    """Summer time of a year: first second, the second after the last, and how far clocks go forward."""
    for rule in rules:
        if rule.from_year <= year <= rule.until_year:
            starts = _last_sunday(year, rule.start_month) * DAY_S + rule.change_utc_s
            ends = _last_sunday(year, rule.end_month) * DAY_S + rule.change_utc_s
            return starts, ends, rule.shift_s
    return 0, 0, 0


def utc_of_local(zone: Zone, local_s: int) -> tuple[int, ...]:
    """UTC seconds when the local clock shows `local_s`: none in the spring gap, two in the autumn hour, else one."""
    offsets = sorted({zone.base_s, *(zone.base_s + rule.shift_s for rule in zone.rules)})
    found = [local_s - offset for offset in offsets]
    return tuple(sorted(utc for utc in found if utc + offset_at(zone, utc) == local_s))


def local_of_utc(zone: Zone, utc_s: int) -> int:
    """What the local clock shows, as seconds since 1970-01-01 00:00 of that clock."""
    return utc_s + offset_at(zone, utc_s)


def local_day(zone: Zone, utc_s: int) -> int:
    """Day since 1970-01-01 that the local calendar shows."""
    return local_of_utc(zone, utc_s) // DAY_S


def steps_of_day(zone: Zone, day: int, step_s: int) -> range:
    """Starts (UTC seconds) of the steps of a local day: 92, 96 or 100 quarter hours."""
    assert step_s in STEPS_S, "the caller checked the step"
    return range(_midnight(zone, day), _midnight(zone, day + 1), step_s)


def _midnight(zone: Zone, day: int) -> int:
    """UTC second at which the local day begins; European clocks change at night but never at midnight."""
    return utc_of_local(zone, day * DAY_S)[0]


def _last_sunday(year: int, month: int) -> int:
    """Day number of the last Sunday of a month that has 31 days; 1970-01-01 was a Thursday."""
    last = days_of_date(year, month, 31)
    return last - (last + 4) % 7


# --- text ----------------------------------------------------------------------------------------


def format_local(zone: Zone, utc_s: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS±HH:MM`: the offset makes the autumn hour readable."""
    offset = offset_at(zone, utc_s)
    sign = "-" if offset < 0 else "+"
    hours, minutes = divmod(abs(offset) // MINUTE_S, 60)
    return f"{format_clock(utc_s + offset)}{sign}{hours:02}:{minutes:02}"


def format_utc(utc_s: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`."""
    return f"{format_clock(utc_s)}Z"


def format_clock(clock_s: int) -> str:
    """`YYYY-MM-DDTHH:MM:SS` of any count of seconds."""
    year, month, day = date_of_days(clock_s // DAY_S)
    hour, minute, second = split_clock(clock_s)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"


def split_clock(clock_s: int) -> tuple[int, int, int]:
    """(hour, minute, second) within the day."""
    rest = clock_s % DAY_S
    return rest // HOUR_S, rest % HOUR_S // MINUTE_S, rest % MINUTE_S
