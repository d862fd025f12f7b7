"""Meter files into sealed days, all of a request or nothing; and sealed days back into tables for an allocation.

A file may hold several days, whole local ones. A series that is there already is refused, unless as a correction;
a correction adds a revision and leaves what was published as it was. Details of refusals name lines, never a PRM.
Reads and writes: `energy_meter_file`, `energy_meter_day`.  Never: a plain reading in the database.
"""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias

import msgspec

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.database import insert_row, lock_until_commit, write
from app.core.problems import Problem
from app.energy.codes import ENERGY_DAY_PART, ENERGY_DAY_PRESENT
from app.energy.keys import MemberKeys
from app.energy.models import DayRow, MeterDay, MeterFile, Operation, PointLookup, PointRow
from app.energy.month import format_day, parse_day
from chain.limits import ENERGY_FILE_MAX_BYTES
from chain.town.energy import enedis, enedis_sge, tables
from chain.town.energy.calendar import ZONES, Zone, local_day, steps_of_day
from chain.town.energy.intervals import MissingRule, complete_readings
from chain.town.energy.refusals import Refused
from chain.types.codes import (
    ENERGY_FILE_REPEATED,
    ENERGY_POINT_REPEATED,
    ENERGY_POINT_UNKNOWN,
    ENERGY_READING_MISSING,
    ENERGY_STEP_UNKNOWN,
)

Form: TypeAlias = Literal["curve", "dataconnect", "sge", "sge_csv", "table"]
Kept: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""What is sealed of a series and day: Wh per step, and the steps that the convention completed."""
WEEK_DAYS: Final = 7
_PRM: Final = re.compile(r"[0-9]{14}")
_PARSERS: Final[Mapping[str, Callable[[bytes | str, enedis.CurveSpec], enedis.Curve | Refused]]] = {
    "curve": enedis.parse_load_curve,
    "dataconnect": enedis.parse_dataconnect,
    "sge": enedis.parse_sge,
    "sge_csv": enedis_sge.parse_sge_csv,
}
_STORE: Final = {"cons": "charge", "prod": "discharge"}


@dataclass(frozen=True, slots=True)
class Upload:
    """One file and what its sender declares; `prm` and `side` are empty for a table, whose columns name them."""

    form: Form
    content: str
    label: Literal["start", "end"]
    prm: str = ""
    side: Literal["cons", "prod", ""] = ""
    unit: enedis.Unit = "W"
    source_step_s: int = 0
    year: int | None = None
    expected_wh: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Wh of one column from `start_s` (UTC) on, None where a reading was absent."""

    name: str
    account: str
    start_s: int
    energy_wh: tuple[int | None, ...]
    until_day: str = ""
    """Day its point left on, when it did: nothing is read of it from then on."""


@dataclass(frozen=True, slots=True)
class DayTable:
    """All columns of one local day in the order of `roster_of`; `estimated` lists (column, step) by index."""

    day: str
    readings: tables.Readings
    accounts: tuple[str, ...]
    estimated: frozenset[tuple[int, int]]
    revision: int


def zone_of(name: str) -> Zone:
    """The zone of an operation; raises Problem for one this release cannot reckon with."""
    if name not in ZONES:
        raise Problem(NOT_FOUND, f"zone {name}")
    return ZONES[name]


def digest_prm(config: Config, prm: str) -> str:
    """What a PRM is looked up by; without the town's key it cannot be searched for."""
    return hmac.digest(config.derive_key(b"energy prm"), prm.encode(), "sha256").hex()


# --- in -------------------------------------------------------------------------------------------


def import_files(
    config: Config,
    operation: Operation,
    uploads: Sequence[Upload],
    *,
    rule: MissingRule,
    is_correction: bool,
    by: str,
    now_s: int,
) -> dict[str, Any]:
    """Read every file, then write all of them in one transaction; raises Problem naming file and line."""
    keys, series, digests = MemberKeys(config), [], []
    for number, upload in enumerate(uploads, 1):
        digest = _digest(config, upload.content)
        if digest in digests:
            raise Problem(ENERGY_FILE_REPEATED, f"file {number}: sent twice")
        digests.append(digest)
        series += _parse(config, operation, upload, number, rule)
    days = _split(operation, series)
    with write():
        lock_until_commit(f"energy {operation.operation}")
        _check_unseen(operation.operation, digests)
        revisions = _check_days(operation.operation, days, is_correction=is_correction)
        for (day, one), energy_wh in days.items():
            _put_day(keys, operation.operation, day, one, energy_wh, revisions[day], rule)
        for upload, digest in zip(uploads, digests, strict=True):
            _put_file(operation, upload, digest, days, revisions, by, now_s)
    found = sorted({day for day, _ in days})
    return {
        "files": len(uploads),
        "series": len(series),
        "first_day": found[0],
        "last_day": found[-1],
        "revision": max(revisions.values()),
        "missing": sum(value is None for one in series for value in one.energy_wh),
        "total_wh": {one.name: sum(value or 0 for value in one.energy_wh) for one in series},
    }


def _digest(config: Config, content: str) -> str:
    return hmac.digest(config.derive_key(b"energy file"), content.encode(), "sha256").hex()


def _parse(
    config: Config, operation: Operation, upload: Upload, number: int, rule: MissingRule
) -> list[Series]:
    if len(upload.content) > ENERGY_FILE_MAX_BYTES:
        raise Problem(ENERGY_STEP_UNKNOWN, f"file {number} is too large")
    if upload.form == "table":
        return _parse_table(config, operation, upload, number)
    point = find_point(config, operation.operation, upload.prm, number)
    side: enedis.CurveSide = "cons" if upload.side == "cons" else "prod"
    spec = enedis.CurveSpec(
        point=upload.prm,
        side=side,
        step_s=operation.step_s,
        label=upload.label,
        unit=upload.unit,
        source_step_s=upload.source_step_s,
        zone=zone_of(operation.zone),
        year=upload.year,
        is_missing_zero=rule != "refuse",
        expected_wh=upload.expected_wh,
    )
    curve = accept(_PARSERS[upload.form](upload.content, spec), number)
    missing = frozenset(curve.missing)
    energy = tuple(None if at in missing else wh for at, wh in enumerate(curve.energy_wh))
    return [_make_series(point, side, curve.start_s, energy)]


def _parse_table(config: Config, operation: Operation, upload: Upload, number: int) -> list[Series]:
    table = accept(
        tables.parse_readings(
            upload.content,
            step_s=operation.step_s,
            zone=zone_of(operation.zone),
            label=upload.label,
        ),
        number,
    )
    found = []
    for column, energy in zip(table.columns, zip(*table.rows, strict=True), strict=True):
        point = find_point(config, operation.operation, column.point, number)
        side = "cons" if column.side in ("cons", "charge") else "prod"
        found.append(_make_series(point, side, table.start_s, energy))
    return found


def find_point(config: Config, operation: str, prm: str, number: int) -> PointRow:
    """The admitted point of a PRM; raises Problem that names the file (1 for the first), never the PRM."""
    looked = PointLookup.get_or_none(
        (PointLookup.operation == operation) & (PointLookup.digest == digest_prm(config, prm))
    )
    point = looked and PointRow.get_or_none(
        (PointRow.operation == operation) & (PointRow.point == looked.point)
    )
    if not point or not point.from_day:
        raise Problem(ENERGY_POINT_UNKNOWN, f"file {number}: this point is not in the operation")
    found: PointRow = point
    return found


def _make_series(
    point: PointRow, side: str, start_s: int, energy_wh: tuple[int | None, ...]
) -> Series:
    return Series(_series_of(point, side), point.account, start_s, energy_wh, point.until_day)


def _series_of(point: PointRow, side: str) -> str:
    """Column name of one direction of a point; refused when the point has no such direction."""
    sides = {"consumer": ("cons",), "producer": ("prod",), "storage": ("cons", "prod")}
    if side not in sides[point.side]:
        raise Problem(ENERGY_POINT_UNKNOWN, f"{point.name} is a {point.side}")
    return f"{_STORE[side] if point.side == 'storage' else side}_{point.name}"


def accept(value: Any, number: int) -> Any:
    """What a parser returned, or its refusal as a Problem that names file and line."""
    if isinstance(value, Refused):
        detail = _PRM.sub("(point)", value.detail)
        raise Problem(value.code, f"file {number}: {detail}")
    return value


def _split(
    operation: Operation, series: Iterable[Series]
) -> dict[tuple[str, Series], tuple[int | None, ...]]:
    """Each series cut into whole local days; raises Problem when it begins or ends inside one."""
    zone, days, seen = zone_of(operation.zone), {}, set()
    for one in series:
        place = 0
        while place < len(one.energy_wh):
            start_s = one.start_s + place * operation.step_s
            day = local_day(zone, start_s)
            steps = steps_of_day(zone, day, operation.step_s)
            values = one.energy_wh[place : place + len(steps)]
            if steps.start != start_s or len(values) != len(steps):
                raise Problem(ENERGY_DAY_PART, f"{one.name}: {format_day(day)} is not whole")
            if one.until_day and format_day(day) >= one.until_day:
                raise Problem(ENERGY_POINT_UNKNOWN, f"{one.name}: left on {one.until_day}")
            if (day, one.name) in seen:
                raise Problem(ENERGY_POINT_REPEATED, f"{one.name}: {format_day(day)} comes twice")
            seen.add((day, one.name))
            days[format_day(day), one] = values
            place += len(steps)
    return days


def _check_unseen(operation: str, digests: Sequence[str]) -> None:
    for number, digest in enumerate(digests, 1):
        seen = (MeterFile.operation == operation) & (MeterFile.digest == digest)
        if MeterFile.select().where(seen).exists():
            raise Problem(ENERGY_FILE_REPEATED, f"file {number}: was imported before")


def _check_days(
    operation: str, days: Iterable[tuple[str, Series]], *, is_correction: bool
) -> dict[str, int]:
    """The revision each day's readings go into; raises Problem when a day is there and is not to be corrected."""
    revisions: dict[str, int] = {}
    for day, one in days:
        if day not in revisions:
            revisions[day] = published_readings(operation, day) + 1
        here = (
            (MeterDay.operation == operation)
            & (MeterDay.day == day)
            & (MeterDay.series == one.name)
        )
        is_there = MeterDay.select().where(here).exists() or revisions[day] > 1
        if is_there and not is_correction:
            raise Problem(ENERGY_DAY_PRESENT, f"{one.name}, {day}")
        MeterDay.delete().where(here & (MeterDay.revision == revisions[day])).execute()
    return revisions


def published_readings(operation: str, day: str) -> int:
    """Version of the day's readings on the chain, 0 before the first."""
    row = DayRow.get_or_none((DayRow.operation == operation) & (DayRow.day == day))
    return row.readings_version if row is not None else 0


def _put_day(
    keys: MemberKeys,
    operation: str,
    day: str,
    one: Series,
    energy_wh: tuple[int | None, ...],
    revision: int,
    rule: MissingRule,
) -> None:
    """Absent readings are completed now, so that the day stays what it was published as."""
    full = _complete(keys, operation, day, one.name, one.account, energy_wh, rule)
    insert_row(
        MeterDay,
        {
            "operation": operation,
            "day": day,
            "series": one.name,
            "revision": revision,
            "account": one.account,
            "sealed": keys.seal_readings(one.account, msgspec.json.encode(full)),
        },
    )


def _put_file(
    operation: Operation,
    upload: Upload,
    digest: str,
    days: Iterable[tuple[str, Series]],
    revisions: Mapping[str, int],
    by: str,
    now_s: int,
) -> None:
    found = sorted({day for day, _ in days})
    insert_row(
        MeterFile,
        {
            "operation": operation.operation,
            "digest": digest,
            "form": upload.form,
            "first_day": found[0],
            "last_day": found[-1],
            "columns": len({one.name for _, one in days}),
            "revision": max(revisions.values()),
            "at": now_s,
            "by": by,
        },
    )


# --- out ------------------------------------------------------------------------------------------


def list_columns(operation: str, day: str) -> list[tuple[str, str]]:
    """(series, account) of every direction of every point active on a day, consumers first, each side by name."""
    active = (
        (PointRow.operation == operation)
        & (PointRow.from_day != "")
        & (PointRow.from_day <= day)
        & ((PointRow.until_day == "") | (PointRow.until_day > day))
    )
    found = []
    for point in PointRow.select().where(active):
        sides = {
            "consumer": ("cons",),
            "producer": ("prod",),
            "storage": ("charge", "discharge"),
        }[point.side]
        found += [(f"{side}_{point.name}", point.account) for side in sides]
    order = {side: place for place, side in enumerate(("cons", "charge", "prod", "discharge"))}
    return sorted(found, key=lambda one: (order[one[0].partition("_")[0]], one[0]))


def load_day(config: Config, operation: Operation, day: str, *, revision: int) -> DayTable:
    """The table of a local day as of a revision; raises Problem when a column has no readings."""
    keys = MemberKeys(config)
    columns = list_columns(operation.operation, day)
    if not columns:
        raise Problem(ENERGY_POINT_UNKNOWN, f"no point is active on {day}")
    steps = steps_of_day(zone_of(operation.zone), parse_day(day), operation.step_s)
    values, estimated = [], set()
    for place, (series, account) in enumerate(columns):
        found = open_series(keys, operation.operation, day, series, account, revision)
        if found is None:
            raise Problem(ENERGY_READING_MISSING, f"{series}, {day}")
        values.append(found[0])
        estimated |= {(place, at) for at in found[1]}
    readings = tables.Readings(
        operation.step_s,
        steps.start,
        tuple(tables.Column(name.partition("_")[0], name) for name, _ in columns),
        tuple(zip(*values, strict=True)),
    )
    accounts = tuple(account for _, account in columns)
    return DayTable(day, readings, accounts, frozenset(estimated), revision)


def complete_day(config: Config, operation: Operation, day: str, *, rule: MissingRule) -> None:
    """Give columns that sent nothing what the convention says, at the deadline; raises Problem when it refuses."""
    keys, revision = MemberKeys(config), published_readings(operation.operation, day) + 1
    count = len(steps_of_day(zone_of(operation.zone), parse_day(day), operation.step_s))
    with write():
        lock_until_commit(f"energy {operation.operation}")
        for series, account in list_columns(operation.operation, day):
            if open_series(keys, operation.operation, day, series, account, 0) is None:
                nothing = Series(series, account, 0, ())
                values = (None,) * count
                _put_day(keys, operation.operation, day, nothing, values, revision, rule)


def _complete(
    keys: MemberKeys,
    operation: str,
    day: str,
    series: str,
    account: str,
    known: Sequence[int | None],
    rule: MissingRule,
) -> Kept:
    """Estimates are the same steps a week before, when that day has as many."""
    estimates: Sequence[int] = ()
    if rule == "estimate" and None in known:
        before = format_day(parse_day(day) - WEEK_DAYS)
        week = open_series(keys, operation, before, series, account, 0)
        if week is not None and len(week[0]) == len(known):
            estimates = week[0]
    done = complete_readings(known, rule, estimates)
    if isinstance(done, Refused):
        raise Problem(ENERGY_READING_MISSING, f"{series}, {day}: {done.detail}")
    return done


def open_series(
    keys: MemberKeys, operation: str, day: str, series: str, account: str, revision: int
) -> Kept | None:
    """Readings as of a revision (0: the latest) with the steps that were estimated, or None when there are none."""
    here = (MeterDay.operation == operation) & (MeterDay.day == day) & (MeterDay.series == series)
    if revision:
        here &= MeterDay.revision <= revision
    row = MeterDay.select().where(here).order_by(MeterDay.revision.desc()).first()
    if row is None:
        return None
    return msgspec.json.decode(keys.open_readings(account, bytes(row.sealed)), type=Kept)


def hash_file(content: str) -> bytes:
    """SHA-256 of a file's text, for commitments to what the grid operator sent."""
    return sha256(content.encode()).digest()
