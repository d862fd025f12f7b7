"""A local day as rows: readings and key in, roots, sums and each one's opening out; for whoever recomputes it.

The town publishes by this; a witness and `beffroi audit energy` compute the same day by `chain.town.energy.days`,
written apart, so that a slip in either is seen before it is signed twice. A column is one direction of a point
(`cons_`, `prod_`, `charge_`, `discharge_` and the point's name); its rows are salted under a key of that column and
day, which opens no other day.
Reads: its arguments.  Never: a database, a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.town.energy import roots, tables
from chain.town.energy.batches import (
    add_sums,
    choose_published,
    compute_day_root,
    may_publish_day,
)
from chain.town.energy.conventions import Key, hash_key
from chain.town.energy.keys import ENGINE, allocate, prepare
from chain.town.energy.market import Order
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import Allocation, Step, check_law
from chain.town.energy_schemas import (
    AllocationStep,
    EnergyAllocate,
    EnergyCorrect,
    EnergyReadings,
    ReadingStep,
    Sums,
)
from chain.types.block import Proof
from chain.types.codes import ENERGY_FILE_MALFORMED

SCHEMA: Final = 1
_TAKERS: Final = ("cons", "charge")


@dataclass(frozen=True, slots=True)
class DayInput:
    """Everything a day's figures follow from; columns in the order of `tables.roster_of`."""

    operation: str
    day: str
    readings: tables.Readings
    keys: tuple[bytes, ...]
    """Per column, the key of its salts on this day."""
    estimated: frozenset[tuple[int, int]] = frozenset()
    """(column, step) of readings that the convention completed."""
    orders: Mapping[int, tuple[Order, ...]] = field(default_factory=dict)
    """Opened orders by start of their step."""


@dataclass(frozen=True, slots=True)
class DayResult:
    """A day allocated: what is published, and what stays with the members."""

    steps: tuple[Step, ...]
    allocations: tuple[Allocation, ...]
    published: tuple[AllocationStep, ...]
    totals: Sums | None


# --- readings -------------------------------------------------------------------------------------


def publish_readings(day: DayInput, version: int) -> tuple[ReadingStep, ...]:
    """One root and the number of estimates per step."""
    steps = []
    for at in range(len(day.readings.rows)):
        root = roots.compute_root(reading_rows(day, at, version)).root
        estimated = sum(step == at for _, step in day.estimated)
        steps.append(ReadingStep(b64url_encode(root), estimated))
    return tuple(steps)


def reading_rows(day: DayInput, at: int, version: int) -> list[tuple[roots.Row, bytes]]:
    """The salted reading rows of step number `at`, in the order of the columns."""
    start_s = day.readings.starts[at]
    return [
        reading_row(
            (day.operation, start_s, version),
            column,
            key,
            day.readings.rows[at][place],
            is_estimated=(place, at) in day.estimated,
        )
        for place, (column, key) in enumerate(zip(day.readings.columns, day.keys, strict=True))
    ]


def reading_row(
    head: tuple[str, int, int],
    column: tables.Column,
    key: bytes,
    energy_wh: int,
    *,
    is_estimated: bool,
) -> tuple[roots.Row, bytes]:
    """One salted reading; `head` is operation, start of the step and version of the readings."""
    quality: Literal["estimated", "measured"] = "estimated" if is_estimated else "measured"
    row = roots.ReadingRow(*head, column.point, side_of(column), energy_wh, quality)
    return row, roots.compute_salt(key, row)


def side_of(column: tables.Column) -> Literal["consumer", "producer"]:
    """A store stands on either side, by direction."""
    return "consumer" if column.side in _TAKERS else "producer"


# --- allocation -----------------------------------------------------------------------------------


def allocate_day(
    day: DayInput, key: Key, version: int, *, households_min: int, households: int
) -> DayResult | Refused:
    """Share every step by the key; sums of a step appear where enough households hide each other."""
    roster = tables.roster_of(day.readings)
    if isinstance(roster, Refused):
        return roster
    plan = prepare(key, roster)
    if isinstance(plan, Refused):
        return plan
    steps = tuple(tables.steps_of(day.readings, day.operation, day.orders))
    allocations = []
    for step in steps:
        result = allocate(plan, step)
        if isinstance(result, Refused):
            return result
        flaw = check_law(roster, step, result)
        if flaw is not None:
            return flaw
        allocations.append(result)
    return _publish(day, steps, tuple(allocations), version, households_min, households)


def _publish(
    day: DayInput,
    steps: tuple[Step, ...],
    allocations: tuple[Allocation, ...],
    version: int,
    households_min: int,
    households: int,
) -> DayResult:
    sums = [_sum(step, result) for step, result in zip(steps, allocations, strict=True)]
    is_public = households >= households_min
    cons = [step.cons_wh[:households] for step in steps]  # stores come last and are no household
    prod = [step.prod_wh for step in steps]
    shown = choose_published(cons, prod, households_min=households_min)
    is_whole = is_public and may_publish_day(cons, prod, households_min=households_min)
    published = tuple(
        AllocationStep(
            b64url_encode(roots.compute_root(allocation_rows(day, at, step, result, version)).root),
            # Never of a correction: the version before would tell what one household changed.
            sums[at] if is_public and shown[at] and version == 1 else None,
            len(step.orders),
        )
        for at, (step, result) in enumerate(zip(steps, allocations, strict=True))
    )
    return DayResult(steps, allocations, published, add_sums(sums) if is_whole else None)


def _sum(step: Step, result: Allocation) -> Sums:
    produced, shared = sum(step.prod_wh), sum(result.autocons_wh)
    return Sums(produced, sum(step.cons_wh), shared, produced - shared)


def allocation_rows(
    day: DayInput, at: int, step: Step, result: Allocation, version: int
) -> list[tuple[roots.Row, bytes]]:
    """The salted result rows of one step, in the order of `allocation_columns`."""
    keys = dict(zip(day.readings.columns, day.keys, strict=True))
    head = (day.operation, day.readings.starts[at], version)
    return [
        allocation_row(head, column, keys[column], metered_wh, shared_wh)
        for column, metered_wh, shared_wh in zip(
            allocation_columns(day.readings),
            (*step.cons_wh, *step.prod_wh),
            (*result.autocons_wh, *result.autoprod_wh),
            strict=True,
        )
    ]


def allocation_row(
    head: tuple[str, int, int], column: tables.Column, key: bytes, metered_wh: int, shared_wh: int
) -> tuple[roots.Row, bytes]:
    """One salted result; `head` is operation, start of the step and version of the allocation."""
    row = roots.AllocationRow(
        *head, column.point, side_of(column), metered_wh, shared_wh, metered_wh - shared_wh
    )
    return row, roots.compute_salt(key, row)


def allocation_columns(readings: tables.Readings) -> list[tables.Column]:
    """Columns in the order of the roster: consumers, charging stores, producers, releasing stores."""
    takers = [column for column in readings.columns if side_of(column) == "consumer"]
    givers = [column for column in readings.columns if side_of(column) == "producer"]
    return [*sorted_as_roster(takers), *sorted_as_roster(givers)]


def sorted_as_roster(columns: Sequence[tables.Column]) -> list[tables.Column]:
    """Stores come after the others of their side, as `roster_of` has them."""
    return sorted(columns, key=lambda column: column.side in ("charge", "discharge"))


# --- messages -------------------------------------------------------------------------------------


def readings_message(day: DayInput, *, version: int, previous: str, key: Key) -> EnergyReadings:
    """What the meter adapter signs for the day."""
    return EnergyReadings(
        day.operation,
        day.day,
        version,
        previous,
        b64url_encode(hash_key(key)),
        len(day.readings.columns),
        publish_readings(day, version),
    )


def allocation_message(
    day: DayInput,
    result: DayResult,
    *,
    version: int,
    readings: str,
    key: Key,
    previous: str = "",
    evidence: str = "",
) -> EnergyAllocate | EnergyCorrect:
    """What the *PMO* signs: the first version of the day, or the next one over what it names."""
    key_hash = b64url_encode(hash_key(key))
    if version == 1:
        return EnergyAllocate(
            day.operation, day.day, readings, key_hash, ENGINE, result.published, result.totals
        )
    return EnergyCorrect(
        day.operation,
        day.day,
        version,
        previous,
        evidence,
        readings,
        key_hash,
        ENGINE,
        result.published,
        result.totals,
    )


def result_root(result: DayResult) -> str:
    """The day's root as the chain computes it."""
    return compute_day_root(result.published)


# --- openings -------------------------------------------------------------------------------------


def open_rows(
    salted: Sequence[tuple[roots.Row, bytes]], points: frozenset[str]
) -> tuple[roots.Root, list[dict[str, Any]]]:
    """The step's root, and row, salt and path of each row of these points."""
    root, openings = roots.compute_openings(salted)
    return root, [
        show_opening((opening.row, opening.salt), opening.proof)
        for opening in openings
        if opening.row.point in points
    ]


def show_opening(salted: tuple[roots.Row, bytes], proof: Proof) -> dict[str, Any]:
    """A row with salt and path, as its owner is given it."""
    row, salt = salted
    return {
        "row": roots.encode_row(row).decode(),
        "salt": b64url_encode(salt),
        "index": proof.index,
        "total": proof.total,
        "aunts": [b64url_encode(aunt) for aunt in proof.aunts],
    }


# --- as a file ------------------------------------------------------------------------------------


def dump_day(day: DayInput) -> dict[str, Any]:
    """The day as JSON: all of it for a witness or an auditor."""
    return {
        "schema": SCHEMA,
        "operation": day.operation,
        "day": day.day,
        "step_s": day.readings.step_s,
        "start": day.readings.start_s,
        "columns": [
            {
                "column": column.name,
                "key": b64url_encode(key),
                "energy_wh": [row[place] for row in day.readings.rows],
                "estimated": sorted(at for column_at, at in day.estimated if column_at == place),
            }
            for place, (column, key) in enumerate(zip(day.readings.columns, day.keys, strict=True))
        ],
        "orders": [
            {"start": start_s, **order._asdict()}
            for start_s, book in sorted(day.orders.items())
            for order in book
        ],
    }


def load_day(shown: Mapping[str, Any]) -> DayInput | Refused:
    """A day from JSON; refused when it is not one."""
    try:
        columns = shown["columns"]
        names = [tables.Column(c["column"].partition("_")[0], c["column"]) for c in columns]
        values = [tuple(map(int, column["energy_wh"])) for column in columns]
        orders: dict[int, tuple[Order, ...]] = {}
        for order in shown["orders"]:
            fields = {name: order[name] for name in Order._fields}
            start_s = int(order["start"])
            orders[start_s] = (*orders.get(start_s, ()), Order(**fields))
        return DayInput(
            str(shown["operation"]),
            str(shown["day"]),
            tables.Readings(
                int(shown["step_s"]),
                int(shown["start"]),
                tuple(names),
                tuple(zip(*values, strict=True)),
            ),
            tuple(b64url_decode(column["key"]) for column in columns),
            frozenset(
                (place, int(at))
                for place, column in enumerate(columns)
                for at in column["estimated"]
            ),
            orders,
        )
    except (KeyError, TypeError, ValueError, AttributeError, DecodeError) as error:
        return Refused(ENERGY_FILE_MALFORMED, f"day: {error}")
