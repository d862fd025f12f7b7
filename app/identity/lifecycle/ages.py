"""What a birth date allows: pure functions of the civil record and of today.

Under 15 the phone is a guardian's (loyalty and SEL only); from 15 the own key (age of digital consent, article 45
of loi 78-17, GDPR art. 8); from 16 the town's consultations that say so; from 18 everything. Nothing is scheduled:
the band is computed whenever it is asked for, so a birthday changes it by itself, and nobody's age is on the chain.

A presumed date (`YYYY-00-00`, `YYYY-MM-00`) counts as the last day it may mean: nobody is given a right too early.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal

Band = Literal["under_15", "from_15", "from_16", "adult"]
DIGITAL_CONSENT_YEARS: Final = 15
CONSULTATION_YEARS: Final = 16
MAJORITY_YEARS: Final = 18
GUARDIAN_HELD_DOMAINS: Final = frozenset({"loyalty", "sel"})
ALL_DOMAINS: Final = frozenset({"loyalty", "sel", "energy"})


@dataclass(frozen=True, slots=True)
class Allowed:
    """What somebody of a band may have; `own_key` False: a guardian holds it."""

    band: Band
    own_key: bool
    domains: frozenset[str]
    consultations: bool
    votes: bool


def latest_birthday(birthdate: str) -> date:
    """The last day that a birth date of the form YYYY-MM-DD with 00 for unknown parts may mean.

    Raises ValueError for what is no date (`2001-02-30`).
    """
    year, month, day = (int(part) for part in birthdate.split("-"))
    if month == 0:
        return date(year, 12, 31)
    return date(year, month, day or monthrange(year, month)[1])


def years_old(birthdate: str, today: date) -> int:
    """Full years; somebody born on 29 February is a year older on 1 March of other years."""
    born = latest_birthday(birthdate)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def day_of(now_s: int) -> date:
    """The day of unix time, UTC."""
    return datetime.fromtimestamp(now_s, UTC).date()


def allowed_at(birthdate: str, now_s: int) -> Allowed:
    """What this person may have today."""
    years = years_old(birthdate, day_of(now_s))
    if years < DIGITAL_CONSENT_YEARS:
        return Allowed("under_15", False, GUARDIAN_HELD_DOMAINS, False, False)
    if years < CONSULTATION_YEARS:
        return Allowed("from_15", True, ALL_DOMAINS, False, False)
    if years < MAJORITY_YEARS:
        return Allowed("from_16", True, ALL_DOMAINS, True, False)
    return Allowed("adult", True, ALL_DOMAINS, True, True)


def majority_s(birthdate: str, years: int) -> int:
    """Unix time of the birthday that ends a guardian's or a parent's mandate, 00:00 UTC."""
    born = latest_birthday(birthdate)
    is_leap_day = (born.month, born.day) == (2, 29)
    month, day = (3, 1) if is_leap_day else (born.month, born.day)
    return int(datetime(born.year + years, month, day, tzinfo=UTC).timestamp())
