"""Time as seconds and nanoseconds since 1970 UTC: exact, ordered, without any clock.

Reads: nothing.  Writes: nothing.  Never: looks at a clock; callers bring the time.
"""

import re
from dataclasses import dataclass
from typing import Final

NANOS_PER_SECOND: Final = 1_000_000_000
SECONDS_YEAR_1: Final = -62_135_596_800
"""0001-01-01T00:00:00Z, Go's zero time, which absent commit signatures carry and hash."""
SECONDS_YEAR_9999_END: Final = 253_402_300_799

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An instant; `seconds` from year 1 to year 9999, `nanos` 0 to 999 999 999."""

    seconds: int
    nanos: int = 0

    def __post_init__(self) -> None:
        if not SECONDS_YEAR_1 <= self.seconds <= SECONDS_YEAR_9999_END:
            raise ValueError(f"timestamp seconds out of range: {self.seconds}")
        if not 0 <= self.nanos < NANOS_PER_SECOND:
            raise ValueError(f"timestamp nanos out of range: {self.nanos}")

    @classmethod
    def from_ns(cls, ns: int) -> "Timestamp":
        """Build from nanoseconds since 1970 (may be negative)."""
        seconds, nanos = divmod(ns, NANOS_PER_SECOND)
        return cls(seconds, nanos)

    def to_ns(self) -> int:
        """Nanoseconds since 1970 (may be negative)."""
        return self.seconds * NANOS_PER_SECOND + self.nanos

    def plus_ns(self, ns: int) -> "Timestamp":
        """This instant moved by `ns` nanoseconds."""
        return Timestamp.from_ns(self.to_ns() + ns)

    def is_zero(self) -> bool:
        """True for Go's zero time."""
        return self == ZERO_TIME

    def to_rfc3339(self) -> str:
        """RFC 3339 in UTC, trailing zeros of the fraction dropped, as Go's `RFC3339Nano`."""
        days, rest = divmod(self.seconds, 86_400)
        year, month, day = _civil_from_days(days)
        hour, rest = divmod(rest, 3_600)
        minute, second = divmod(rest, 60)
        fraction = f".{self.nanos:09d}".rstrip("0") if self.nanos else ""
        return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}{fraction}Z"

    @classmethod
    def from_rfc3339(cls, text: str) -> "Timestamp":
        """Read RFC 3339 with up to nine decimals and any numeric offset; raises ValueError."""
        match = _RFC3339.fullmatch(text)
        if match is None:
            raise ValueError(f"not an RFC 3339 time: {text[:40]!r}")
        year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if not 1 <= month <= 12 or year < 1:
            raise ValueError(f"no such month: {text[:40]!r}")
        if not 1 <= day <= _MONTH_DAYS[month - 1] + (leap and month == 2):
            raise ValueError(f"no such day: {text[:40]!r}")
        if hour > 23 or minute > 59 or second > 59:
            raise ValueError(f"no such time of day: {text[:40]!r}")
        offset_s = 0
        if match[8] != "Z":
            sign = -1 if match[8][0] == "-" else 1
            offset_s = sign * (int(match[8][1:3]) * 3_600 + int(match[8][4:6]) * 60)
        nanos = int((match[7] or "").ljust(9, "0") or 0)
        seconds = _days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        return cls(seconds - offset_s, nanos)


ZERO_TIME: Final = Timestamp(SECONDS_YEAR_1, 0)


def _days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def _civil_from_days(days: int) -> tuple[int, int, int]:
    """Inverse of `_days_from_civil`."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1
