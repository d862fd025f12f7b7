"""How many columns of readings an operation has on which day, kept as a short list of changes.

The count under each root of readings must be the registered active columns of that day (PROTOCOL §9), so it has to be
known for any day at once, without looking at members.
Reads and writes: rosters.  Never: a point.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from chain.limits import ENERGY_ROSTER_CHANGES_MAX
from chain.town.context import Overlay, Reader
from chain.town.energy.records import ROSTERS, PointRecord, RosterChange, RosterRecord

NOBODY = RosterChange(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Columns:
    """What some points add: columns on either side, W peak, consumer points."""

    consumers: int
    producers: int
    peak_w: int
    households: int


def count_columns(points: Iterable[PointRecord]) -> Columns:
    """A store consumes while it charges and produces while it releases; it is no household."""
    listed = tuple(points)
    return Columns(
        consumers=sum(point.side != "producer" for point in listed),
        producers=sum(point.side != "consumer" for point in listed),
        peak_w=sum(point.plant.peak_w for point in listed if point.plant is not None),
        households=sum(point.side == "consumer" for point in listed),
    )


def get_roster(state: Reader, operation: str) -> RosterRecord:
    """All changes of an operation still kept."""
    return ROSTERS.get(state, operation.encode()) or RosterRecord()


def roster_on(state: Reader, operation: str, day: int) -> RosterChange:
    """Active columns on a day; nobody before the first change."""
    found = NOBODY
    for change in get_roster(state, operation).changes:
        if change.from_day > day:
            break
        found = change
    return found


def peak_from(state: Reader, operation: str, day: int) -> int:
    """The highest power in W on a day or later."""
    later = [c.peak_w for c in get_roster(state, operation).changes if c.from_day > day]
    return max((roster_on(state, operation, day).peak_w, *later))


def change_roster(
    state: Overlay, operation: str, moves: Iterable[tuple[int, Columns]], *, sign: int
) -> None:
    """Add (sign 1) or take away (sign -1) columns, each from a day on; the record is read and written once.

    The oldest changes beyond the limit are forgotten.
    """
    changes = list(get_roster(state, operation).changes)
    for day, columns in moves:
        place = bisect_left(changes, day, key=_from_day)
        if place == len(changes) or changes[place].from_day != day:
            before = changes[place - 1] if place else NOBODY
            changes.insert(place, replace(before, from_day=day))
        changes[place:] = [_moved(change, columns, sign) for change in changes[place:]]
    kept = tuple(changes[-ENERGY_ROSTER_CHANGES_MAX:])
    ROSTERS.put(state, operation.encode(), RosterRecord(kept))


def _from_day(change: RosterChange) -> int:
    return change.from_day


def _moved(change: RosterChange, columns: Columns, sign: int) -> RosterChange:
    moved = RosterChange(
        change.from_day,
        change.consumers + sign * columns.consumers,
        change.producers + sign * columns.producers,
        change.peak_w + sign * columns.peak_w,
        change.households + sign * columns.households,
    )
    assert min(moved.consumers, moved.producers, moved.peak_w) >= 0, "no more leave than came"
    return moved
