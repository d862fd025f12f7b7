"""Curves of one point as Enedis writes them, into Wh per step: load-curve CSV, DataConnect JSON, SGE JSON.

SGE exports in CSV, which describe every row, are read by `enedis_sge`.

Each parser takes the whole file and what the caller declares (point, side, step, unit, start or end labels) and
returns a complete curve or a refusal naming the line; nothing is half-imported. Mean watts become Wh by carrying the
rounding on within each local day, so a day's Wh is its exact energy to the nearest Wh, however the files were cut.

Sources: public notes of the Quoalise project on Enedis formats (DataConnect metering v4, SGE CMD2, mailed curves),
load curves of RepartKey. No official sample was at hand: the forms are those seen there.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from chain.limits import ENERGY_READING_MAX_WH
from chain.town.energy.calendar import EUROPE_PARIS, HOUR_S, Zone, check_step, local_day
from chain.town.energy.refusals import Refused, refuse_line
from chain.town.energy.tables import Column, Readings, decode_text
from chain.town.energy.timeline import Label, parse_stamps, place_stamps
from chain.types.codes import (
    ENERGY_FILE_MALFORMED,
    ENERGY_FILE_REPEATED,
    ENERGY_POINT_MALFORMED,
    ENERGY_POINT_REPEATED,
    ENERGY_POINT_UNKNOWN,
    ENERGY_READING_ABSURD,
    ENERGY_READING_MISSING,
    ENERGY_READING_NEGATIVE,
    ENERGY_STEP_UNKNOWN,
    ENERGY_TIME_GAP,
    ENERGY_TIME_OFF_GRID,
    ENERGY_UNIT_MISMATCH,
)

Unit: TypeAlias = Literal["W", "kW", "Wh", "kWh"]
CurveSide: TypeAlias = Literal["cons", "prod"]
SOURCE_STEPS_S: Final = (600, 900, 1_800)
"""Steps meters record at; ten minutes fit half-hours only."""

_PRM: Final = re.compile(r"[0-9]{14}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,12}(?:[.,][0-9]{1,3})?")
_DURATION: Final = re.compile(r"PT([0-9]{1,3})M")
_THOUSAND: Final = 1_000
_MILLIWATT_PER: Final[dict[str, int]] = {"W": _THOUSAND, "kW": _THOUSAND * _THOUSAND}
_MILLIWH_PER: Final[dict[str, int]] = {"Wh": _THOUSAND, "kWh": _THOUSAND * _THOUSAND}
BUSINESS: Final = {"consommation": "cons", "production": "prod", "cons": "cons", "prod": "prod"}
"""Words of the files to the side of the point, in small letters."""
_CONFUSION_NUM: Final = 14
_CONFUSION_DEN: Final = 10
"""A total off by more than 1.4 is a wrong unit: the usual confusions are factors of 2, 4 and 1 000."""


@dataclass(frozen=True, slots=True)
class CurveSpec:
    """What the caller knows of a file before reading it."""

    point: str
    side: CurveSide
    step_s: int
    """Step of the operation, 900 or 1 800."""
    label: Label
    """Whether a time is the start or the end of its step: files do not say."""
    unit: Unit = "W"
    source_step_s: int = 0
    """Step of the file; 0 means the operation's."""
    zone: Zone = EUROPE_PARIS
    year: int | None = None
    """Year of the first row, for labels without one."""
    max_wh: int = ENERGY_READING_MAX_WH
    """Largest possible Wh in one step of the file: subscribed power x step."""
    is_missing_zero: bool = False
    """Take an absent reading as 0 Wh and list it, when the convention says so; refused otherwise."""
    expected_wh: int | None = None
    """Energy of the whole file from another source (indexes, a bill), to catch a wrong unit."""

    @property
    def file_step_s(self) -> int:
        """Step of the file."""
        return self.source_step_s or self.step_s


@dataclass(frozen=True, slots=True)
class Curve:
    """Wh of one point in each step from `start_s` (UTC) on; `missing` are the steps where a reading was absent."""

    column: Column
    step_s: int
    start_s: int
    energy_wh: tuple[int, ...]
    missing: tuple[int, ...] = ()


class Row(NamedTuple):
    """A label and a value as they stand in the file."""

    line: int
    time: str
    value: str


def check_prm(point: str) -> Refused | None:
    """A PRM is 14 digits and stays text: some begin with 0."""
    return None if _PRM.fullmatch(point) else Refused(ENERGY_POINT_MALFORMED, point[:32])


def check_fresh(raw: bytes, seen: Collection[bytes]) -> Refused | None:
    """Refuse a file whose SHA-256 was imported before."""
    digest = sha256(raw).digest()
    return Refused(ENERGY_FILE_REPEATED, digest.hex()) if digest in seen else None


# --- the three forms -------------------------------------------------------------------------------


def parse_load_curve(raw: bytes | str, spec: CurveSpec) -> Curve | Refused:
    """`Horodate;value` rows, with or without the two lines that describe the point above them."""
    text = decode_text(raw)
    if isinstance(text, Refused):
        return text
    lines = [
        (n, line.strip().split(";")) for n, line in enumerate(text.splitlines(), 1) if line.strip()
    ]
    if lines and lines[0][1][0].strip().lower() == "identifiant prm":
        flaw = _check_preamble(lines, spec)
        if flaw is not None:
            return flaw
        lines = lines[2:]
    if not lines or lines[0][1][0].strip().lower() != "horodate":
        number = lines[0][0] if lines else 1
        return refuse_line(ENERGY_FILE_MALFORMED, number, "the header is Horodate;value")
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != 2:
            return refuse_line(ENERGY_FILE_MALFORMED, number, f"{len(cells)} cells, 2 expected")
        rows.append(Row(number, cells[0], cells[1].strip()))
    return build_curve(rows, spec, "line")


class _ConnectReading(Struct, frozen=True):
    value: str | int | None
    date: str
    interval_length: str = ""


class _ConnectType(Struct, frozen=True):
    unit: str = "W"


class _ConnectMeter(Struct, frozen=True):
    usage_point_id: str
    interval_reading: tuple[_ConnectReading, ...]
    reading_type: _ConnectType = _ConnectType()


class _Connect(Struct, frozen=True):
    meter_reading: _ConnectMeter


class _SgeReading(Struct, frozen=True):
    v: int | str | None
    d: str
    p: str | None = None


class _SgeQuantity(Struct, frozen=True):
    grandeurMetier: str  # noqa: N815 - the file's own name
    grandeurPhysique: str  # noqa: N815 - the file's own name
    unite: str
    mesure: tuple[_SgeReading, ...]


class _Sge(Struct, frozen=True):
    pointId: str  # noqa: N815 - the file's own name
    grandeur: tuple[_SgeQuantity, ...]


def parse_dataconnect(raw: bytes | str, spec: CurveSpec) -> Curve | Refused:
    """DataConnect `meter_reading`: mean power as text, local time without offset."""
    text = decode_text(raw)
    if isinstance(text, Refused):
        return text
    try:
        meter = msgspec.json.decode(text, type=_Connect).meter_reading
    except msgspec.MsgspecError as error:
        return Refused(ENERGY_FILE_MALFORMED, f"reading 0: {error}")
    flaw = check_declared(meter.usage_point_id, meter.reading_type.unit, spec, "reading")
    if flaw is not None:
        return flaw
    readings = meter.interval_reading
    return _check_durations([reading.interval_length for reading in readings], spec) or build_curve(
        [Row(n, reading.date, _text(reading.value)) for n, reading in enumerate(readings, 1)],
        spec,
        "reading",
    )


def parse_sge(raw: bytes | str, spec: CurveSpec) -> Curve | Refused:
    """SGE detailed measures as JSON: the active-power curve (`PA`) of the declared side."""
    text = decode_text(raw)
    if isinstance(text, Refused):
        return text
    try:
        answer = msgspec.json.decode(text, type=_Sge)
    except msgspec.MsgspecError as error:
        return Refused(ENERGY_FILE_MALFORMED, f"reading 0: {error}")
    chosen = [
        quantity
        for quantity in answer.grandeur
        if quantity.grandeurPhysique == "PA"
        and BUSINESS.get(quantity.grandeurMetier.lower()) == spec.side
    ]
    if len(chosen) != 1:
        return Refused(
            ENERGY_FILE_MALFORMED, f"reading 0: {len(chosen)} active-power curves of this side"
        )
    flaw = check_declared(answer.pointId, chosen[0].unite, spec, "reading")
    if flaw is not None:
        return flaw
    readings = chosen[0].mesure
    return _check_durations([reading.p or "" for reading in readings], spec) or build_curve(
        [Row(n, reading.d, _text(reading.v)) for n, reading in enumerate(readings, 1)],
        spec,
        "reading",
    )


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)


def join_curves(curves: Sequence[Curve]) -> Readings | Refused:
    """One table of several points' curves; all of one step, over the same time."""
    columns = tuple(curve.column for curve in curves)
    for index, curve in enumerate(curves):
        if columns.index(curve.column) < index:
            return Refused(ENERGY_POINT_REPEATED, curve.column.name)
        if curve.step_s != curves[0].step_s:
            return Refused(ENERGY_STEP_UNKNOWN, f"{curve.column.name}: {curve.step_s} s")
        if curve.start_s != curves[0].start_s or len(curve.energy_wh) != len(curves[0].energy_wh):
            return Refused(ENERGY_TIME_GAP, f"{curve.column.name} covers another time")
    if not curves:
        return Refused(ENERGY_FILE_MALFORMED, "no curve")
    rows = tuple(zip(*(curve.energy_wh for curve in curves), strict=True))
    return Readings(curves[0].step_s, curves[0].start_s, columns, rows)


# --- checks of what a file says of itself ---------------------------------------------------------


def _check_preamble(lines: Sequence[tuple[int, list[str]]], spec: CurveSpec) -> Refused | None:
    """The described point, side and unit are those declared."""
    if len(lines) < 2 or len(lines[1][1]) < len(lines[0][1]) - 1:
        return refuse_line(ENERGY_FILE_MALFORMED, lines[0][0], "the description is not complete")
    number, cells = lines[1]
    names = [name.strip().lower() for name in lines[0][1]]
    said = dict(zip(names, (cell.strip() for cell in cells), strict=False))
    business = said.get("grandeur metier", "")
    if business and BUSINESS.get(business.lower()) != spec.side:
        return refuse_line(ENERGY_FILE_MALFORMED, number, f"this is a curve of {business}")
    flaw = check_declared(said["identifiant prm"], said.get("unite", spec.unit), spec, "line")
    return flaw and Refused(flaw.code, f"line {number}: {flaw.detail.partition(': ')[2]}")


def check_declared(point: str, unit: str, spec: CurveSpec, word: str) -> Refused | None:
    """Refuse another point or unit than was declared, as line 0: the caller knows better where it stands."""
    if point != spec.point:
        return refuse_line(ENERGY_POINT_UNKNOWN, 0, f"{point[:32]}, {spec.point} expected", word)
    if unit != spec.unit:
        return refuse_line(ENERGY_UNIT_MISMATCH, 0, f"{unit[:8]}, {spec.unit} declared", word)
    return None


def _check_durations(durations: Sequence[str], spec: CurveSpec) -> Refused | None:
    for number, duration in enumerate(durations, 1):
        found = _DURATION.fullmatch(duration)
        if duration and (found is None or int(found[1]) * 60 != spec.file_step_s):
            return refuse_line(ENERGY_STEP_UNKNOWN, number, duration[:16], "reading")
    return None


def _check_spec(spec: CurveSpec) -> Refused | None:
    flaw = check_prm(spec.point) or check_step(spec.step_s)
    if flaw is not None:
        return flaw
    if spec.file_step_s not in SOURCE_STEPS_S or spec.step_s % spec.file_step_s:
        return Refused(ENERGY_STEP_UNKNOWN, f"{spec.file_step_s} s into {spec.step_s} s")
    return None


# --- from rows to Wh ------------------------------------------------------------------------------


def build_curve(rows: Sequence[Row], spec: CurveSpec, word: str) -> Curve | Refused:
    """Rows of one point in order of time into Wh per step; refused with the first row that is wrong."""
    flaw = _check_spec(spec)
    if flaw is not None:
        return flaw
    if not rows:
        return Refused(ENERGY_FILE_MALFORMED, "no reading")
    stamps = parse_stamps([(row.line, row.time) for row in rows], year=spec.year, word=word)
    if isinstance(stamps, Refused):
        return stamps
    starts = place_stamps(
        stamps, zone=spec.zone, step_s=spec.file_step_s, label=spec.label, word=word
    )
    if isinstance(starts, Refused):
        return starts
    loads = _parse_values(rows, spec, word)
    if isinstance(loads, Refused):
        return loads
    if starts[0] % spec.step_s or len(starts) % (spec.step_s // spec.file_step_s):
        return refuse_line(ENERGY_TIME_OFF_GRID, rows[0].line, "a step is not whole", word)
    energy = _carry(starts, loads, spec)
    total = sum(energy)
    if spec.expected_wh is not None and _is_other_unit(total, spec.expected_wh):
        return Refused(ENERGY_UNIT_MISMATCH, f"{total} Wh in all, {spec.expected_wh} expected")
    per_step = spec.step_s // spec.file_step_s
    missing = dict.fromkeys(index // per_step for index, row in enumerate(rows) if not row.value)
    column = Column(spec.side, f"{spec.side}_{spec.point}")
    return Curve(column, spec.step_s, starts[0], energy, tuple(missing))


def _parse_values(rows: Sequence[Row], spec: CurveSpec, word: str) -> list[int] | Refused:
    """Energy of each row in milliwatt-seconds: exact for whatever three decimals can say."""
    loads = []
    for row in rows:
        load = _parse_value(row, spec, word)
        if isinstance(load, Refused):
            return load
        loads.append(load)
    return loads


def _parse_value(row: Row, spec: CurveSpec, word: str) -> int | Refused:
    if not row.value:
        if spec.is_missing_zero:
            return 0
        return refuse_line(ENERGY_READING_MISSING, row.line, "no value", word)
    if not _DECIMAL.fullmatch(row.value):
        return refuse_line(ENERGY_FILE_MALFORMED, row.line, "not a number", word)
    if row.value.startswith("-"):
        return refuse_line(ENERGY_READING_NEGATIVE, row.line, row.value, word)
    whole, _, decimals = row.value.replace(",", ".").partition(".")
    thousandths = int(whole) * _THOUSAND + int(decimals.ljust(3, "0"))
    if spec.unit == "Wh" and thousandths % _THOUSAND:
        return refuse_line(ENERGY_UNIT_MISMATCH, row.line, "Wh are whole numbers", word)
    if spec.unit in _MILLIWATT_PER:
        load = thousandths * _MILLIWATT_PER[spec.unit] // _THOUSAND * spec.file_step_s
    else:
        load = thousandths * _MILLIWH_PER[spec.unit] // _THOUSAND * HOUR_S
    if load > spec.max_wh * _THOUSAND * HOUR_S:
        return refuse_line(ENERGY_READING_ABSURD, row.line, f"{row.value} {spec.unit}", word)
    return load


def _carry(starts: Sequence[int], loads: Sequence[int], spec: CurveSpec) -> tuple[int, ...]:
    """Wh per step: the rounded running total of the local day, less what was given before."""
    per_step = spec.step_s // spec.file_step_s
    unit = _THOUSAND * HOUR_S
    energy = []
    day, running, given = None, 0, 0
    for first in range(0, len(loads), per_step):
        today = local_day(spec.zone, starts[first])
        if today != day:
            day, running, given = today, 0, 0
        running += sum(loads[first : first + per_step])
        reached = (2 * running + unit) // (2 * unit)
        energy.append(reached - given)
        given = reached
    return tuple(energy)


def _is_other_unit(total_wh: int, expected_wh: int) -> bool:
    larger, smaller = max(total_wh, expected_wh), min(total_wh, expected_wh)
    return larger * _CONFUSION_DEN > smaller * _CONFUSION_NUM
