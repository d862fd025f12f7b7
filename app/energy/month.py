"""A month of allocated steps added up: energy per point and day, and who owes whom for how many Wh.

Every Wh shared is in exactly one line (buyer's point, seller's point, contract or pool), so lines sum to what was
shared; amounts are exact nano-euros until an invoice rounds them.
Reads: its arguments.  Never: a database, a clock, a float.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from chain.town.energy.calendar import (
    EUROPE_PARIS,
    Zone,
    date_of_days,
    days_of_date,
    local_day,
    steps_of_day,
)
from chain.town.energy.keys import fill_north_west
from chain.town.energy.steps import Allocation, Roster, Step

POOL: Final = "pool"


class LineKey(NamedTuple):
    """What a line is about: points of both sides, and `pool`, `ppa:<contract>` or `market`."""

    buyer: str
    seller: str
    source: str


@dataclass(slots=True)
class LineSum:
    """Energy and exact price of one line so far."""

    energy_wh: int = 0
    amount_nano_eur: int = 0


@dataclass(slots=True)
class PointSum:
    """One point over the period; metered = shared + rest. `days` is local day to (metered, shared)."""

    metered_wh: int = 0
    shared_wh: int = 0
    days: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def rest_wh(self) -> int:
        """COMPLEMENT of a consumer, SURPLUS of a producer."""
        return self.metered_wh - self.shared_wh


@dataclass(slots=True)
class MonthSum:
    """What one operation shared in a period."""

    consumers: dict[str, PointSum]
    producers: dict[str, PointSum]
    lines: dict[LineKey, LineSum] = field(default_factory=dict)
    steps_count: int = 0
    scarce_count: int = 0

    @property
    def produced_wh(self) -> int:
        """Metered production of all plants."""
        return sum(point.metered_wh for point in self.producers.values())

    @property
    def consumed_wh(self) -> int:
        """Metered consumption of all members."""
        return sum(point.metered_wh for point in self.consumers.values())

    @property
    def shared_wh(self) -> int:
        """What was allocated."""
        return sum(point.shared_wh for point in self.consumers.values())


def sum_steps(
    roster: Roster,
    pairs: Iterable[tuple[Step, Allocation]],
    *,
    pool_price_micro_eur: int,
    zone: Zone = EUROPE_PARIS,
    into: "MonthSum | None" = None,
) -> MonthSum:
    """Add up steps with their allocations, in any order; `into` takes the days of another roster or price."""
    total = into or MonthSum({}, {})
    for names, points in (
        (roster.consumers, total.consumers),
        (roster.producers, total.producers),
    ):
        for name in names:
            points.setdefault(name, PointSum())
    for step, allocation in pairs:
        day = local_day(zone, step.start_s)
        _add_points(total.consumers, roster.consumers, step.cons_wh, allocation.autocons_wh, day)
        _add_points(total.producers, roster.producers, step.prod_wh, allocation.autoprod_wh, day)
        _add_lines(total.lines, roster, allocation, pool_price_micro_eur)
        total.steps_count += 1
        total.scarce_count += 0 < sum(step.prod_wh) < sum(step.cons_wh)
    return total


def _add_points(
    points: dict[str, PointSum],
    names: Sequence[str],
    metered: Sequence[int],
    shared: Sequence[int],
    day: int,
) -> None:
    for name, metered_wh, shared_wh in zip(names, metered, shared, strict=True):
        point = points[name]
        point.metered_wh += metered_wh
        point.shared_wh += shared_wh
        before = point.days.get(day, (0, 0))
        point.days[day] = (before[0] + metered_wh, before[1] + shared_wh)


def _add_lines(
    lines: dict[LineKey, LineSum], roster: Roster, allocation: Allocation, pool_price: int
) -> None:
    made, got = list(allocation.autoprod_wh), list(allocation.autocons_wh)
    for delivery in allocation.deliveries:
        made[delivery.producer] -= delivery.energy_wh
        got[delivery.consumer] -= delivery.energy_wh
        price = pool_price if delivery.price_micro_eur is None else delivery.price_micro_eur
        key = LineKey(
            roster.consumers[delivery.consumer],
            roster.producers[delivery.producer],
            _source_of(delivery.source),
        )
        _add(lines, key, delivery.energy_wh, price)
    for producer, consumer, energy_wh in fill_north_west(made, got):
        key = LineKey(roster.consumers[consumer], roster.producers[producer], POOL)
        _add(lines, key, energy_wh, pool_price)


def _source_of(source: str) -> str:
    """Contracts keep their name; the many pairs of the auction are one line a month."""
    if source.startswith("ppa:"):
        return source
    return "market" if source.startswith("order:") else POOL


def _add(lines: dict[LineKey, LineSum], key: LineKey, energy_wh: int, price: int) -> None:
    line = lines.setdefault(key, LineSum())
    line.energy_wh += energy_wh
    line.amount_nano_eur += energy_wh * price


# --- calendar of months ---------------------------------------------------------------------------


def parse_month(text: str) -> tuple[int, int]:
    """(year, month) of `YYYY-MM`; raises ValueError."""
    year, _, month = text.partition("-")
    if len(year) != 4 or len(month) != 2 or not (year + month).isdecimal():
        raise ValueError(f"{text!r} is not YYYY-MM")
    if not 1 <= int(month) <= 12 or int(year) < 1970:
        raise ValueError(f"{text!r} is no month")
    return int(year), int(month)


def days_of_month(text: str) -> range:
    """Local days (since 1970-01-01) of `YYYY-MM`; raises ValueError."""
    year, month = parse_month(text)
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return range(days_of_date(year, month, 1), days_of_date(*following, 1))


def starts_of_days(days: range, step_s: int, zone: Zone = EUROPE_PARIS) -> range:
    """Starts (UTC) of all steps of a run of local days."""
    first, last = (
        steps_of_day(zone, days.start, step_s),
        steps_of_day(zone, days.stop - 1, step_s),
    )
    return range(first.start, last.stop, step_s)


def format_day(day: int) -> str:
    """`YYYY-MM-DD` of a day number."""
    year, month, date = date_of_days(day)
    return f"{year:04}-{month:02}-{date:02}"


def parse_day(text: str) -> int:
    """Day number of `YYYY-MM-DD`; raises ValueError."""
    year, month, day = text.split("-")
    number = days_of_date(int(year), int(month), int(day))
    if format_day(number) != text:
        raise ValueError(f"{text!r} is no day")
    return number


def month_of_day(day: int) -> str:
    """`YYYY-MM` a local day lies in."""
    return format_day(day)[:7]
