"""Life of a measuring interval: open, metered, allocated, reported, reconciled, settled, corrected by new versions.

Transitions are functions from value to value. Key and contracts are frozen when the interval opens. An allocated
version is never overwritten: version N+1 names the root of version N, so two people cannot correct the same past
unaware of each other. Reads: its arguments; time comes in as an argument.  Never: a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal, TypeAlias

from chain.town.energy.calendar import check_step
from chain.town.energy.refusals import Refused
from chain.town.energy.roots import Root
from chain.types.codes import (
    ENERGY_CORRECTION_LATE,
    ENERGY_DSO_DISAGREES,
    ENERGY_INTERVAL_STATE,
    ENERGY_READING_MISSING,
    ENERGY_READINGS_INVALID,
    ENERGY_SUMS_WRONG,
    ENERGY_TIME_OFF_GRID,
    ENERGY_VERSION_STALE,
)

NO_ROOT: Final = b""
CONSUMERS_FOR_SUMS_MIN: Final = 5
"""Sums of fewer active consumers would show one household's reading; they are published by day only."""

MissingRule: TypeAlias = Literal["refuse", "zero", "estimate"]
"""What the convention says of a reading that never came."""


class State(Enum):
    """Where an interval stands; the value is what people and records read."""

    OPEN = "open"
    METERED = "metered"
    ALLOCATED = "allocated"
    REPORTED = "reported"
    RECONCILED = "reconciled"
    SETTLED = "settled"
    CORRECTED = "corrected"


_FOLLOWS: Final[dict[State, tuple[State, ...]]] = {
    State.OPEN: (),
    State.METERED: (State.OPEN,),
    State.ALLOCATED: (State.METERED,),
    State.REPORTED: (State.ALLOCATED, State.CORRECTED),
    State.RECONCILED: (State.REPORTED, State.CORRECTED),
    State.SETTLED: (State.RECONCILED,),
    State.CORRECTED: (
        State.ALLOCATED,
        State.REPORTED,
        State.RECONCILED,
        State.SETTLED,
        State.CORRECTED,
    ),
}
"""State to the states it may be reached from."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What the step made in all: production = shared + surplus."""

    prod_wh: int
    autocons_wh: int
    surplus_wh: int


@dataclass(frozen=True, slots=True)
class Version:
    """One allocation of the interval as the chain will hold it: roots, sums, key, engine; nothing of one member."""

    number: int
    previous_root: bytes
    """Root of the allocations of the version before; empty for the first."""
    readings: Root
    allocations: Root
    sums: Sums
    key_hash: bytes
    engine: str


@dataclass(frozen=True, slots=True)
class Interval:
    """One step of one operation, with all versions of its allocation."""

    operation: str
    start_s: int
    step_s: int
    key_hash: bytes
    correctable_until_s: int
    state: State = State.OPEN
    readings: Root | None = None
    estimated_count: int = 0
    versions: tuple[Version, ...] = ()
    coefficients_hash: bytes = b""
    dso_hash: bytes = b""
    dso_difference_wh: int = 0
    statement_root: bytes = b""

    @property
    def root(self) -> bytes:
        """Root of the latest allocations, which a correction must name."""
        return self.versions[-1].allocations.root if self.versions else NO_ROOT


def open_interval(
    *, operation: str, start_s: int, step_s: int, key_hash: bytes, correctable_until_s: int
) -> Interval | Refused:
    """A step that is to be metered; it lasts `step_s` from `start_s` (UTC)."""
    flaw = check_step(step_s)
    if flaw is not None:
        return flaw
    if start_s % step_s:
        return Refused(ENERGY_TIME_OFF_GRID, f"{start_s} is no multiple of {step_s} s")
    return Interval(operation, start_s, step_s, key_hash, correctable_until_s)


def meter(
    interval: Interval, readings: Root, *, points_count: int, estimated_count: int
) -> Interval | Refused:
    """All readings are in; their number is that of the registered active points (PROTOCOL §9)."""
    if readings.count != points_count or not 0 <= estimated_count <= points_count:
        return Refused(
            ENERGY_READINGS_INVALID, f"{readings.count} readings for {points_count} points"
        )
    return _pass(interval, State.METERED, readings=readings, estimated_count=estimated_count)


def allocate_first(interval: Interval, version: Version) -> Interval | Refused:
    """Version 1, over the readings that were committed, with the key that was frozen."""
    if version.number != 1 or version.previous_root != NO_ROOT:
        return Refused(ENERGY_VERSION_STALE, "the first version is 1 and follows nothing")
    if interval.state is State.METERED and version.readings != interval.readings:
        return Refused(ENERGY_READINGS_INVALID, "allocated over other readings than committed")
    return _check_version(interval, version) or _pass(
        interval, State.ALLOCATED, versions=(version,)
    )


def report(interval: Interval, coefficients_hash: bytes) -> Interval | Refused:
    """Coefficients of the latest version went to the grid operator."""
    return _pass(interval, State.REPORTED, coefficients_hash=coefficients_hash)


def reconcile(
    interval: Interval, dso_hash: bytes, *, difference_wh: int, tolerance_wh: int
) -> Interval | Refused:
    """The operator's result agrees within the tolerance; refused otherwise, then a correction must follow it first."""
    if abs(difference_wh) > tolerance_wh:
        return Refused(ENERGY_DSO_DISAGREES, f"{difference_wh} Wh, tolerance {tolerance_wh} Wh")
    return _pass(interval, State.RECONCILED, dso_hash=dso_hash, dso_difference_wh=difference_wh)


def settle(interval: Interval, statement_root: bytes) -> Interval | Refused:
    """The interval is in the monthly statements under this root."""
    return _pass(interval, State.SETTLED, statement_root=statement_root)


def correct(interval: Interval, version: Version, *, at_s: int) -> Interval | Refused:
    """Add version N+1, which names the root of version N; the former stay as they are.

    After `correctable_until_s` nothing is added: the difference becomes a line of the next statement.
    """
    if not interval.versions:
        return Refused(ENERGY_INTERVAL_STATE, "nothing was allocated yet")
    if version.number != len(interval.versions) + 1 or version.previous_root != interval.root:
        return Refused(ENERGY_VERSION_STALE, f"the last version is {len(interval.versions)}")
    if at_s > interval.correctable_until_s:
        return Refused(ENERGY_CORRECTION_LATE, f"{at_s - interval.correctable_until_s} s late")
    return _check_version(interval, version) or _pass(
        interval,
        State.CORRECTED,
        readings=version.readings,
        versions=(*interval.versions, version),
    )


def _check_version(interval: Interval, version: Version) -> Refused | None:
    sums = version.sums
    if min(sums.prod_wh, sums.autocons_wh, sums.surplus_wh) < 0:
        return Refused(ENERGY_SUMS_WRONG, "a sum is below zero")
    if sums.autocons_wh + sums.surplus_wh != sums.prod_wh:
        return Refused(ENERGY_SUMS_WRONG, "shared and surplus are not production")
    if version.key_hash != interval.key_hash:
        return Refused(ENERGY_INTERVAL_STATE, "the key was frozen when the interval opened")
    if version.allocations.count != version.readings.count:
        return Refused(ENERGY_SUMS_WRONG, "one allocation per reading")
    return None


def _pass(interval: Interval, state: State, **changes: object) -> Interval | Refused:
    if interval.state not in _FOLLOWS[state]:
        return Refused(
            ENERGY_INTERVAL_STATE, f"{interval.state.value} does not become {state.value}"
        )
    return replace(interval, state=state, **changes)  # type: ignore[arg-type] # fields of Interval, named above


# --- readings that never came, and figures that changed -------------------------------------------


def complete_readings(
    readings_wh: Sequence[int | None], rule: MissingRule, estimates_wh: Sequence[int] = ()
) -> tuple[tuple[int, ...], tuple[int, ...]] | Refused:
    """Readings with the missing ones replaced as the convention says, and the indices of those.

    `estimates_wh` (one per member, for the rule `estimate`) comes from the convention: the same step a week ago, say.
    """
    missing = tuple(index for index, wh in enumerate(readings_wh) if wh is None)
    if missing and rule == "refuse":
        return Refused(ENERGY_READING_MISSING, f"{len(missing)} of {len(readings_wh)} readings")
    if rule == "estimate" and missing and len(estimates_wh) != len(readings_wh):
        return Refused(ENERGY_READING_MISSING, "one estimate per member")
    values = tuple(
        (estimates_wh[index] if rule == "estimate" else 0) if wh is None else wh
        for index, wh in enumerate(readings_wh)
    )
    return values, missing


def compute_deltas(before_wh: Sequence[int], after_wh: Sequence[int]) -> tuple[int, ...]:
    """What a new version changes for each member; the statement shows it as a line of its own."""
    return tuple(after - before for before, after in zip(before_wh, after_wh, strict=True))


def apply_deltas(first_wh: Sequence[int], deltas: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Figures of the last version from those of the first and all deltas since."""
    current = tuple(first_wh)
    for delta in deltas:
        current = tuple(wh + change for wh, change in zip(current, delta, strict=True))
    return current


def may_publish_sums(cons_wh: Sequence[int]) -> bool:
    """Whether the sums of one step may be public: enough consumers with any consumption."""
    return sum(wh > 0 for wh in cons_wh) >= CONSUMERS_FOR_SUMS_MIN
