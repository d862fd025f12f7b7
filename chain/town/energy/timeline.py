"""Time labels of a file put on the grid of steps: each label one UTC instant, or a refusal naming its line.

A local label of the autumn hour means two instants; the sequence decides which (the one that follows the label
before). A label of the spring gap means none. Files label the start or the end of a step: the caller declares which.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from chain.town.energy.calendar import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Zone,
    days_of_date,
    is_date,
    utc_of_local,
)
from chain.town.energy.refusals import Refused, refuse_line
from chain.types.codes import (
    ENERGY_FILE_MALFORMED,
    ENERGY_TIME_ABSENT,
    ENERGY_TIME_AMBIGUOUS,
    ENERGY_TIME_DISORDER,
    ENERGY_TIME_GAP,
    ENERGY_TIME_OFF_GRID,
    ENERGY_TIME_OVERLAP,
    ENERGY_TIME_REPEATED,
)

Label: TypeAlias = Literal["start", "end"]

_CLOCK: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.0+)?)?"
_FORMS: Final = (
    re.compile(
        r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[T ]"
        + _CLOCK
        + r"(?P<offset>Z|[+-][0-9]{2}:?[0-9]{2})?",
        re.ASCII,
    ),
    re.compile(r"(?P<day>[0-9]{2})/(?P<month>[0-9]{2})/(?P<year>[0-9]{4}) " + _CLOCK, re.ASCII),
    re.compile(r"(?P<day>[0-9]{2})\.(?P<month>[0-9]{2})\. " + _CLOCK, re.ASCII),
)
"""ISO 8601 with or without offset; dd/mm/yyyy; dd.mm. without a year."""


class Stamp(NamedTuple):
    """One label: the line it stands on, what the clock showed, and the offset from UTC when written."""

    line: int
    clock_s: int
    offset_s: int | None


def parse_stamps(
    labels: Sequence[tuple[int, str]], *, year: int | None = None, word: str = "line"
) -> list[Stamp] | Refused:
    """Read (line, text) pairs; labels without a year take `year`, and the next one after December."""
    stamps = []
    month = 0
    for line, text in labels:
        fields = _match(text.strip())
        if fields is None:
            return refuse_line(ENERGY_FILE_MALFORMED, line, "the time is not readable", word)
        if "year" not in fields:
            if year is None:
                return refuse_line(ENERGY_FILE_MALFORMED, line, "the time has no year", word)
            year += month == 12 and fields["month"] == "01"
            month = int(fields["month"])
            fields["year"] = str(year)
        stamp = _stamp(line, fields)
        if stamp is None:
            return refuse_line(ENERGY_FILE_MALFORMED, line, "no such date or time", word)
        stamps.append(stamp)
    return stamps


def place_stamps(
    stamps: Sequence[Stamp], *, zone: Zone, step_s: int, label: Label, word: str = "line"
) -> list[int] | Refused:
    """UTC starts of the steps, one after the other without gap; refused at the first label that breaks the row."""
    starts: list[int] = []
    for stamp in stamps:
        instants = _instants(stamp, zone)
        if not instants:
            return refuse_line(ENERGY_TIME_ABSENT, stamp.line, "skipped by the clock change", word)
        expected = starts[-1] + step_s if starts else None
        found = [utc - step_s if label == "end" else utc for utc in instants]
        if expected in found:
            starts.append(found[found.index(expected)])
            continue
        flaw = _judge(found, starts, step_s, stamp.line, word)
        if flaw is not None:
            return flaw
        starts.append(found[0])
    return starts


def _match(text: str) -> dict[str, str] | None:
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            return {name: value for name, value in found.groupdict().items() if value is not None}
    return None


def _stamp(line: int, fields: dict[str, str]) -> Stamp | None:
    year, month, day = (int(fields[name]) for name in ("year", "month", "day"))
    hour, minute, second = (int(fields.get(name, 0)) for name in ("hour", "minute", "second"))
    if not is_date(year, month, day) or hour > 23 or minute > 59 or second > 59:
        return None
    clock_s = days_of_date(year, month, day) * DAY_S + hour * HOUR_S + minute * MINUTE_S + second
    return Stamp(line, clock_s, _offset(fields.get("offset")))


def _offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    digits = text[1:].replace(":", "")
    seconds = int(digits[:2]) * HOUR_S + int(digits[2:]) * MINUTE_S
    return -seconds if text[0] == "-" else seconds


def _instants(stamp: Stamp, zone: Zone) -> tuple[int, ...]:
    if stamp.offset_s is not None:
        return (stamp.clock_s - stamp.offset_s,)
    return utc_of_local(zone, stamp.clock_s)


def _judge(
    found: Sequence[int], starts: Sequence[int], step_s: int, line: int, word: str
) -> Refused | None:
    """Why a label does not follow the one before; None for a good first label."""
    if not starts:
        if len(found) > 1:
            return refuse_line(ENERGY_TIME_AMBIGUOUS, line, "the first time exists twice", word)
        if found[0] % step_s:
            return refuse_line(ENERGY_TIME_OFF_GRID, line, f"not on steps of {step_s} s", word)
        return None
    last, utc = starts[-1], found[-1]
    if last in found:
        return refuse_line(ENERGY_TIME_REPEATED, line, "the time of the line before", word)
    if utc < last:
        return refuse_line(ENERGY_TIME_DISORDER, line, "earlier than the line before", word)
    if utc < last + step_s:
        return refuse_line(ENERGY_TIME_OVERLAP, line, f"less than {step_s} s later", word)
    if utc % step_s:
        return refuse_line(ENERGY_TIME_OFF_GRID, line, f"not on steps of {step_s} s", word)
    missing = (found[0] - last) // step_s - 1
    return refuse_line(ENERGY_TIME_GAP, line, f"{missing} steps are missing before it", word)
