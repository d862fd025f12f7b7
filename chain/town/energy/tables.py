"""Readings of many points in one table, and order books: the CSV files of this house, read whole or refused.

Readings: a header `start_utc` or `start_local`, then one column per point named `<side>_<name>_Wh`; one row per step.
Sides are cons, prod, charge and discharge (a store's two directions), autocons and autoprod for results.
Orders: `order_id,side,participant,price_micro_eur,energy_wh,seq` and optionally `point`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from chain.limits import ENERGY_FILE_MAX_BYTES, ENERGY_NAME_MAX_CHARS, ENERGY_READING_MAX_WH
from chain.town.energy.calendar import UTC, Zone, check_step, format_utc
from chain.town.energy.market import Order, Side
from chain.town.energy.refusals import Refused, refuse_line
from chain.town.energy.steps import Roster, Step, make_roster
from chain.town.energy.timeline import Label, parse_stamps, place_stamps
from chain.types.codes import (
    ENERGY_FILE_MALFORMED,
    ENERGY_FILE_TOO_LARGE,
    ENERGY_ORDER_INVALID,
    ENERGY_POINT_REPEATED,
    ENERGY_POINT_UNKNOWN,
    ENERGY_READING_ABSURD,
    ENERGY_READING_MISSING,
    ENERGY_READING_NEGATIVE,
    ENERGY_UNIT_MISMATCH,
)

SIDES: Final = ("cons", "prod", "charge", "discharge", "autocons", "autoprod")
_COLUMN: Final = re.compile(
    r"(?P<name>(?P<side>cons|prod|charge|discharge|autocons|autoprod)(?:_[A-Za-z0-9.:-]+)*?)"
    r"_(?P<unit>Wh|kWh|MWh|W|kW)"
)
_DIGITS_MAX: Final = 18
_INTEGER: Final = re.compile(rf"-?[0-9]{{1,{_DIGITS_MAX}}}")
_NUMBER: Final = re.compile(r"-?[0-9]+[.,][0-9]+")
_ORDER_COLUMNS: Final = ("order_id", "side", "participant", "price_micro_eur", "energy_wh", "seq")


class Column(NamedTuple):
    """One point's column; `name` is the header without its unit, `cons_001`."""

    side: str
    name: str

    @property
    def point(self) -> str:
        """What follows the side in the header: the PRM, in files from the grid operator."""
        return self.name[len(self.side) + 1 :]


@dataclass(frozen=True, slots=True)
class Readings:
    """A grid of Wh without holes: one row per step from `start_s` (UTC) on, one value per column."""

    step_s: int
    start_s: int
    columns: tuple[Column, ...]
    rows: tuple[tuple[int, ...], ...]

    @property
    def starts(self) -> range:
        """UTC starts of the steps."""
        return range(self.start_s, self.start_s + len(self.rows) * self.step_s, self.step_s)


def decode_text(raw: bytes | str, *, is_latin_1_taken: bool = False) -> str | Refused:
    """UTF-8 text of a file, without a byte-order mark, within the size one import allows.

    Or Latin-1 where older exports are: what is read of them is ASCII alone.
    """
    if len(raw) > ENERGY_FILE_MAX_BYTES:
        return Refused(ENERGY_FILE_TOO_LARGE, f"{len(raw)} bytes")
    if isinstance(raw, str):
        return raw.removeprefix("\ufeff")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if is_latin_1_taken:
            return raw.decode("iso-8859-1")
        line = raw.count(b"\n", 0, error.start) + 1
        return refuse_line(ENERGY_FILE_MALFORMED, line, "not UTF-8 text")


def parse_readings(
    raw: bytes | str, *, step_s: int, zone: Zone = UTC, label: Label = "start"
) -> Readings | Refused:
    """Read a table; `zone` is the clock of `start_local`. Nothing is returned of a file with one wrong line."""
    text = decode_text(raw)
    if isinstance(text, Refused):
        return text
    lines = _numbered(text)
    columns = _parse_header(lines[0][1] if lines else "", step_s)
    if isinstance(columns, Refused):
        return columns
    rows = _parse_rows(lines[1:], len(columns))
    if isinstance(rows, Refused):
        return rows
    stamps = parse_stamps([(line, text.split(",", 1)[0]) for line, text in lines[1:]])
    if isinstance(stamps, Refused):
        return stamps
    clock = UTC if lines[0][1].startswith("start_utc") else zone
    starts = place_stamps(stamps, zone=clock, step_s=step_s, label=label)
    if isinstance(starts, Refused):
        return starts
    return Readings(step_s, starts[0], columns, tuple(rows))


def format_readings(readings: Readings) -> str:
    """The table as a file, times in UTC: reading it back gives the same value."""
    header = ",".join(("start_utc", *(f"{column.name}_Wh" for column in readings.columns)))
    rows = (
        ",".join((format_utc(start_s), *map(str, row)))
        for start_s, row in zip(readings.starts, readings.rows, strict=True)
    )
    return "\n".join((header, *rows, ""))


def roster_of(readings: Readings) -> Roster | Refused:
    """Members of an allocation: consumers then charging stores, producers then discharging stores."""
    names = {side: _names(readings, side) for side in SIDES}
    if not names["cons"] or not names["prod"]:
        return Refused(ENERGY_FILE_MALFORMED, "line 1: no consumer or no producer")
    for sides in (("cons", "charge"), ("prod", "discharge")):
        points = [column.point for column in readings.columns if column.side in sides]
        if len(set(points)) < len(points):
            return refuse_line(ENERGY_POINT_REPEATED, 1, f"a point has two columns of {sides[0]}")
    return make_roster(
        names["cons"],
        names["prod"],
        charging=names["charge"],
        discharging=names["discharge"],
    )


def steps_of(
    readings: Readings, operation: str, orders: Mapping[int, tuple[Order, ...]]
) -> Iterator[Step]:
    """Each step in the order of `roster_of`, with its order book by start if there is one."""
    takers = [*_places(readings, "cons"), *_places(readings, "charge")]
    givers = [*_places(readings, "prod"), *_places(readings, "discharge")]
    for start_s, row in zip(readings.starts, readings.rows, strict=True):
        yield Step(
            operation,
            start_s,
            tuple([row[place] for place in takers]),
            tuple([row[place] for place in givers]),
            orders.get(start_s, ()),
        )


def check_members(readings: Readings, points: Sequence[str]) -> Refused | None:
    """Refuse a table that holds a point outside the operation; `points` are bare names such as PRMs."""
    known = frozenset(points)
    for column in readings.columns:
        if column.point not in known:
            return refuse_line(ENERGY_POINT_UNKNOWN, 1, column.name)
    return None


def _names(readings: Readings, side: str) -> list[str]:
    return [column.name for column in readings.columns if column.side == side]


def _places(readings: Readings, side: str) -> list[int]:
    return [place for place, column in enumerate(readings.columns) if column.side == side]


def _numbered(text: str) -> list[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    lines = ((number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1))
    return [(number, line) for number, line in lines if line.strip()]


def _parse_header(line: str, step_s: int) -> tuple[Column, ...] | Refused:
    flaw = check_step(step_s)
    if flaw is not None:
        return flaw
    first, *names = line.split(",")
    if first not in ("start_utc", "start_local") or not names:
        return refuse_line(
            ENERGY_FILE_MALFORMED, 1, "the header is start_utc or start_local, then columns"
        )
    columns = []
    for name in names:
        found = _COLUMN.fullmatch(name)
        if found is None or len(name) > ENERGY_NAME_MAX_CHARS:
            return refuse_line(
                ENERGY_FILE_MALFORMED, 1, f"{name[:ENERGY_NAME_MAX_CHARS]} is not <side>_<name>_Wh"
            )
        if found["unit"] != "Wh":
            return refuse_line(ENERGY_UNIT_MISMATCH, 1, f"{name}: readings are in Wh per step")
        columns.append(Column(found["side"], found["name"]))
    if len(set(columns)) < len(columns):
        twice = next(a.name for a, b in pairwise(sorted(columns)) if a == b)
        return refuse_line(ENERGY_POINT_REPEATED, 1, twice)
    return tuple(columns)


def _parse_rows(lines: Sequence[tuple[int, str]], width: int) -> list[tuple[int, ...]] | Refused:
    if not lines:
        return Refused(ENERGY_FILE_MALFORMED, "line 2: no row")
    rows = []
    for number, line in lines:
        cells = line.split(",")
        if len(cells) != width + 1:
            return refuse_line(
                ENERGY_FILE_MALFORMED, number, f"{len(cells)} cells, {width + 1} expected"
            )
        values = cells[1:]
        text = "".join(values)
        # Digits are counted first: Python refuses to read thousands of them, by an exception.
        is_plain = text.isascii() and text.isdecimal() and all(values)
        if is_plain and max(map(len, values)) <= _DIGITS_MAX:
            row = tuple(map(int, values))
            if max(row) <= ENERGY_READING_MAX_WH:
                rows.append(row)
                continue
        return _blame(number, values)
    return rows


def _blame(number: int, cells: Sequence[str]) -> Refused:
    """Which cell made a row unreadable, and why."""
    for place, cell in enumerate(cells, 1):
        flaw = check_wh(number, cell, f"column {place + 1}")
        if flaw is not None:
            return flaw
    raise AssertionError("a row was refused without a reason")


def check_wh(number: int, cell: str, where: str, word: str = "line") -> Refused | None:
    """What is wrong with one reading in Wh, if anything: whole, not negative, not absurd."""
    if not cell.strip():
        return refuse_line(ENERGY_READING_MISSING, number, where, word)
    if _NUMBER.fullmatch(cell):
        return refuse_line(ENERGY_UNIT_MISMATCH, number, f"{where}: Wh are whole numbers", word)
    if not _INTEGER.fullmatch(cell):
        return refuse_line(ENERGY_FILE_MALFORMED, number, f"{where}: not a number", word)
    if cell.startswith("-"):  # -0 too
        return refuse_line(ENERGY_READING_NEGATIVE, number, where, word)
    if int(cell) > ENERGY_READING_MAX_WH:
        return refuse_line(ENERGY_READING_ABSURD, number, f"{where}: {cell} Wh in one step", word)
    return None


# --- order books ---------------------------------------------------------------------------------


def parse_orders(raw: bytes | str) -> tuple[Order, ...] | Refused:
    """Read one order book; prices in µ€/kWh, quantities in Wh, `seq` the arrival number."""
    text = decode_text(raw)
    if isinstance(text, Refused):
        return text
    lines = _numbered(text)
    header = tuple(lines[0][1].split(",")) if lines else ()
    if header not in (_ORDER_COLUMNS, (*_ORDER_COLUMNS, "point")):
        return refuse_line(
            ENERGY_FILE_MALFORMED, 1, f"the header is {','.join(_ORDER_COLUMNS)}[,point]"
        )
    orders = []
    for number, line in lines[1:]:
        cells = line.split(",")
        if len(cells) != len(header):
            return refuse_line(ENERGY_FILE_MALFORMED, number, f"{len(cells)} cells")
        order = _order(cells)
        if order is None:
            return refuse_line(ENERGY_ORDER_INVALID, number, "a field is not readable")
        orders.append(order)
    return tuple(orders)


def _order(cells: Sequence[str]) -> Order | None:
    order_id, side, participant, price, energy, seq, *point = cells
    if side not in ("bid", "offer") or not all(map(_INTEGER.fullmatch, (price, energy, seq))):
        return None
    kind: Side = "bid" if side == "bid" else "offer"
    return Order(
        order_id,
        kind,
        participant,
        int(price),
        int(energy),
        int(seq),
        point[0] if point else participant,
    )
