"""A whole local day computed: from readings and key to the steps that are published, and every row with its opening.

The *PMO*, a witness and an auditor run the same function on the same openings and must get the same bytes; `check_day`
says where they do not. Rows are salted with each column's own key, so that a member can open a year with one key and
forgetting it erases.
Reads: its arguments.  Never: a state, a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from chain.codec.canonical import b64url_encode
from chain.town.energy import roots
from chain.town.energy.batches import (
    add_sums,
    choose_published,
    compute_day_root,
    may_publish_day,
)
from chain.town.energy.calendar import Zone, parse_day, steps_of_day
from chain.town.energy.conventions import Key, hash_key
from chain.town.energy.keys import ENGINE, allocate, prepare
from chain.town.energy.market import Order
from chain.town.energy.refusals import Refused
from chain.town.energy.roots import AllocationRow, Opening, ReadingRow, Row, compute_salt
from chain.town.energy.steps import Allocation, Roster, Step, check_law
from chain.town.energy_schemas import (
    AllocationStep,
    EnergyAllocate,
    EnergyCorrect,
    EnergyReadings,
    ReadingStep,
    Sums,
)
from chain.types.codes import (
    ENERGY_DAY_REFUSED,
    ENERGY_OPENING_INVALID,
    ENERGY_READINGS_INVALID,
    ENERGY_TIME_GAP,
    ENERGY_TIME_OVERLAP,
)

HOUSEHOLDS_MIN: Final = 5
"""Active households that hide each other in sums: the floor of the town's parameter energy_sums_min_consumers."""


@dataclass(frozen=True, slots=True)
class StepReadings:
    """What was metered in one step, in the order of the roster; indices of columns that had to be estimated."""

    cons_wh: tuple[int, ...]
    prod_wh: tuple[int, ...]
    estimated_cons: tuple[int, ...] = ()
    estimated_prod: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DayInput:
    """Everything a day's publication follows from.

    `member_keys` holds 32 bytes or more per column name. `orders` are the opened ones, by start of their step.
    """

    operation: str
    day: str
    """Local day, YYYY-MM-DD."""
    zone: Zone
    step_s: int
    roster: Roster
    key: Key
    steps: tuple[StepReadings, ...]
    member_keys: Mapping[str, bytes]
    readings_version: int = 1
    version: int = 1
    orders: Mapping[int, tuple[Order, ...]] = field(default_factory=dict)
    households_min: int = HOUSEHOLDS_MIN

    @property
    def starts(self) -> range:
        """Starts (UTC seconds) of the day's steps."""
        number = parse_day(self.day)
        assert number is not None, "the caller checked the day"
        return steps_of_day(self.zone, number, self.step_s)

    @property
    def count(self) -> int:
        """Rows under each root."""
        return len(self.roster.consumers) + len(self.roster.producers)

    @property
    def households(self) -> int:
        """Consumers that are no store."""
        return len(self.roster.consumers) - len(self.roster.charging)


@dataclass(frozen=True)
class DayResult:
    """What is published of a day, and what stays: the allocation of each step, in order of time."""

    given: DayInput
    allocations: tuple[Allocation, ...]
    reading_steps: tuple[ReadingStep, ...]
    allocation_steps: tuple[AllocationStep, ...]
    sums: tuple[Sums, ...]
    """Of every step, published or not."""
    totals: Sums | None
    """Of the day; None when fewer households than sums need were active, or one plant alone."""

    @cached_property
    def readings_root(self) -> str:
        """Root over the day's readings, base64url."""
        return compute_day_root(self.reading_steps)

    @cached_property
    def root(self) -> str:
        """Root over the day's allocations, base64url."""
        return compute_day_root(self.allocation_steps)

    @property
    def month_totals(self) -> Sums:
        """Sums of the day whatever may be published, for the month's statements."""
        return add_sums(self.sums)

    def open_step(self, index: int) -> tuple[tuple[Opening, ...], tuple[Opening, ...]]:
        """Openings of a step's readings and allocations: consumers then producers, in the order of the roster."""
        readings, rows = list_rows(self.given, index, self.allocations[index])
        return (
            roots.compute_openings(_salted(self.given, readings))[1],
            roots.compute_openings(_salted(self.given, rows))[1],
        )


def compute_day(given: DayInput) -> DayResult | Refused:
    """Allocate every step and commit to every row; refused with the first step that cannot be computed."""
    plan = prepare(given.key, given.roster)
    if isinstance(plan, Refused):
        return plan
    flaw = _check_shape(given)
    if flaw is not None:
        return flaw
    allocations, reading_steps, step_roots, sums = [], [], [], []
    for index, (start_s, metered) in enumerate(zip(given.starts, given.steps, strict=True)):
        orders = given.orders.get(start_s, ())
        step = Step(given.operation, start_s, metered.cons_wh, metered.prod_wh, orders)
        allocation = allocate(plan, step)
        if isinstance(allocation, Refused):
            return allocation
        broken = check_law(given.roster, step, allocation)
        assert broken is None, f"a key broke the law: {broken}"
        readings, rows = list_rows(given, index, allocation)
        estimated = len(metered.estimated_cons) + len(metered.estimated_prod)
        reading_steps.append(ReadingStep(_root(given, readings), estimated))
        step_roots.append(_root(given, rows))
        allocations.append(allocation)
        sums.append(_sum_step(metered, allocation))
    published = _choose(given)
    allocation_steps = tuple(
        AllocationStep(root, of_all if seen else None, len(given.orders.get(start_s, ())))
        for root, of_all, seen, start_s in zip(
            step_roots, sums, published, given.starts, strict=True
        )
    )
    totals = add_sums(sums) if _is_day_public(given) else None
    return DayResult(
        given, tuple(allocations), tuple(reading_steps), allocation_steps, tuple(sums), totals
    )


def list_rows(
    given: DayInput, index: int, allocation: Allocation
) -> tuple[list[ReadingRow], list[AllocationRow]]:
    """Rows of one step: consumers then producers, in the order of the roster."""
    metered, start_s = given.steps[index], given.starts[index]
    readings, rows = [], []
    for side, names, energies, shares, estimated in (
        (
            "consumer",
            given.roster.consumers,
            metered.cons_wh,
            allocation.autocons_wh,
            metered.estimated_cons,
        ),
        (
            "producer",
            given.roster.producers,
            metered.prod_wh,
            allocation.autoprod_wh,
            metered.estimated_prod,
        ),
    ):
        for place, (name, wh, shared) in enumerate(zip(names, energies, shares, strict=True)):
            quality = "estimated" if place in estimated else "measured"
            head = (given.operation, start_s)
            point = point_of(name)
            readings.append(
                ReadingRow(*head, given.readings_version, point, side, wh, quality)  # type: ignore[arg-type] # literals above
            )
            rows.append(
                AllocationRow(*head, given.version, point, side, wh, shared, wh - shared)  # type: ignore[arg-type] # literals above
            )
    return readings, rows


def point_of(column: str) -> str:
    """The point a column is of: `001` of `cons_001`, `roof` of `discharge_roof`; its side stands in the row."""
    return column.partition("_")[2] or column


# --- messages ----------------------------------------------------------------------------------


def build_readings(result: DayResult, *, previous: str = "") -> EnergyReadings:
    """What the meter adapter signs; `previous` is the day's readings root before, for a correction."""
    given = result.given
    return EnergyReadings(
        operation=given.operation,
        day=given.day,
        version=given.readings_version,
        previous=previous,
        key_hash=b64url_encode(hash_key(given.key)),
        count=given.count,
        steps=result.reading_steps,
    )


def build_allocation(result: DayResult) -> EnergyAllocate:
    """What the *PMO* and a witness sign for version 1."""
    given = result.given
    assert given.version == 1, "later versions are corrections"
    return EnergyAllocate(
        operation=given.operation,
        day=given.day,
        readings=result.readings_root,
        key_hash=b64url_encode(hash_key(given.key)),
        engine=ENGINE,
        steps=result.allocation_steps,
        totals=result.totals,
    )


def build_correction(result: DayResult, *, previous: str, evidence: str) -> EnergyCorrect:
    """What the *PMO* and a witness sign for a later version; `previous` is the root of the version before."""
    given = result.given
    return EnergyCorrect(
        operation=given.operation,
        day=given.day,
        version=given.version,
        previous=previous,
        evidence=evidence,
        readings=result.readings_root,
        key_hash=b64url_encode(hash_key(given.key)),
        engine=ENGINE,
        steps=result.allocation_steps,
        totals=result.totals,
    )


def check_day(
    result: DayResult, readings: EnergyReadings, published: EnergyAllocate | EnergyCorrect
) -> Refused | None:
    """Whether what was published is what follows from the openings; the first difference otherwise."""
    given = result.given
    if (readings.operation, readings.day) != (given.operation, given.day):
        return Refused(ENERGY_READINGS_INVALID, "readings of another day")
    expected = build_readings(result, previous=readings.previous)
    if readings != expected:
        return _blame("readings", readings.steps, expected.steps)
    if isinstance(published, EnergyCorrect):
        again: EnergyAllocate | EnergyCorrect = build_correction(
            result, previous=published.previous, evidence=published.evidence
        )
    else:
        again = build_allocation(result)
    if published != again:
        return _blame("allocation", published.steps, again.steps)
    return None


def _blame(
    what: str,
    found: Sequence[ReadingStep] | Sequence[AllocationStep],
    expected: Sequence[ReadingStep] | Sequence[AllocationStep],
) -> Refused:
    if len(found) != len(expected):
        return Refused(ENERGY_OPENING_INVALID, f"{what}: {len(found)} steps, {len(expected)}")
    for index, (seen, computed) in enumerate(zip(found, expected, strict=True)):
        if seen != computed:
            return Refused(ENERGY_OPENING_INVALID, f"{what}: step {index}")
    return Refused(ENERGY_OPENING_INVALID, f"{what}: key, count, version or totals")


# --- inside ------------------------------------------------------------------------------------


def _check_shape(given: DayInput) -> Refused | None:
    if parse_day(given.day) is None:
        return Refused(ENERGY_DAY_REFUSED, given.day)
    expected = len(given.starts)
    if len(given.steps) != expected:
        code = ENERGY_TIME_GAP if len(given.steps) < expected else ENERGY_TIME_OVERLAP
        return Refused(code, f"{given.day}: {len(given.steps)} steps of {expected}")
    return None


def _sum_step(metered: StepReadings, allocation: Allocation) -> Sums:
    produced, shared = sum(metered.prod_wh), sum(allocation.autocons_wh)
    return Sums(produced, sum(metered.cons_wh), shared, produced - shared)


def _homes_wh(given: DayInput) -> list[tuple[int, ...]]:
    """Consumption by step, without stores: they are no households, whatever they consume."""
    return [metered.cons_wh[: given.households] for metered in given.steps]


def _is_day_public(given: DayInput) -> bool:
    return given.households >= given.households_min and may_publish_day(
        _homes_wh(given),
        [metered.prod_wh for metered in given.steps],
        households_min=given.households_min,
    )


def _choose(given: DayInput) -> tuple[bool, ...]:
    """Which sums may be seen, none of a correction."""
    if given.version > 1 or given.households < given.households_min:
        return (False,) * len(given.steps)
    return choose_published(
        _homes_wh(given),
        [metered.prod_wh for metered in given.steps],
        households_min=given.households_min,
    )


def _root(given: DayInput, rows: Sequence[Row]) -> str:
    return b64url_encode(roots.compute_root(_salted(given, rows)).root)


def _salted(given: DayInput, rows: Sequence[Row]) -> list[tuple[Row, bytes]]:
    """Rows with their salts: consumers then producers, each under the key of its column."""
    names = (*given.roster.consumers, *given.roster.producers)
    keys = (given.member_keys[name] for name in names)
    return [(row, compute_salt(key, row)) for row, key in zip(rows, keys, strict=True)]
