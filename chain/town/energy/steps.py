"""One step as values: who the members are, what was metered, what was allocated, and what the law says of it.

Law (code de l'énergie, D315-4 to D315-6): what is allocated to a consumer is production times his coefficient, never
more than he consumed; in all never more than was produced; storage counts as a consumer while it charges and as a
producer while it releases. Energies are integers in Wh of one step.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from chain.limits import ENERGY_MEMBERS_MAX, ENERGY_NAME_MAX_CHARS, ENERGY_READING_MAX_WH
from chain.town.energy.market import Order
from chain.town.energy.refusals import Refused
from chain.types.codes import (
    ENERGY_KEY_INVALID,
    ENERGY_LAW_BROKEN,
    ENERGY_POINT_REPEATED,
    ENERGY_READING_ABSURD,
    ENERGY_READING_NEGATIVE,
    ENERGY_READINGS_INVALID,
    ENERGY_STORAGE_EXCEEDS,
)


@dataclass(frozen=True, slots=True)
class Roster:
    """Names of the columns of readings; stores are the indices of charging and discharging columns."""

    consumers: tuple[str, ...]
    producers: tuple[str, ...]
    charging: tuple[int, ...] = ()
    discharging: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What was metered in the step that starts at `start_s` (UTC), in the order of the roster."""

    operation: str
    start_s: int
    cons_wh: Sequence[int]
    prod_wh: Sequence[int]
    orders: tuple[Order, ...] = ()


class Delivery(NamedTuple):
    """Wh that went from one producer to one consumer (indices of the roster), and why at what price."""

    producer: int
    consumer: int
    energy_wh: int
    source: str
    """`matrix`, `ppa:<contract id>` or `order:<bid id>/<offer id>`."""
    price_micro_eur: int | None = None


@dataclass(frozen=True, slots=True)
class Allocation:
    """AUTOCONS per consumer and AUTOPROD per producer; their sums are equal."""

    autocons_wh: tuple[int, ...]
    autoprod_wh: tuple[int, ...]
    deliveries: tuple[Delivery, ...] = ()
    """Priced or matrix cells; what is not in them came from the common pool."""


def make_roster(
    consumers: Sequence[str],
    producers: Sequence[str],
    *,
    charging: Sequence[str] = (),
    discharging: Sequence[str] = (),
) -> Roster | Refused:
    """Members in the order of their readings; stores' columns come after the others of their side."""
    takers, givers = (*consumers, *charging), (*producers, *discharging)
    for names in (takers, givers):
        if len(set(names)) < len(names):
            ordered = sorted(names)
            twice = next(a for a, b in pairwise(ordered) if a == b)
            return Refused(ENERGY_POINT_REPEATED, twice)
        if len(names) > ENERGY_MEMBERS_MAX:
            return Refused(ENERGY_KEY_INVALID, f"more than {ENERGY_MEMBERS_MAX} members")
        if any(not name or "\x00" in name or len(name) > ENERGY_NAME_MAX_CHARS for name in names):
            return Refused(ENERGY_KEY_INVALID, f"a name has 1 to {ENERGY_NAME_MAX_CHARS} letters")
    return Roster(
        takers,
        givers,
        tuple(range(len(consumers), len(takers))),
        tuple(range(len(producers), len(givers))),
    )


def check_readings(roster: Roster, step: Step) -> Refused | None:
    """One reading per member, each 0 to ENERGY_READING_MAX_WH."""
    for side, names, readings in (
        ("consumption", roster.consumers, step.cons_wh),
        ("production", roster.producers, step.prod_wh),
    ):
        if len(readings) != len(names):
            return Refused(
                ENERGY_READINGS_INVALID, f"{side}: {len(readings)} for {len(names)} members"
            )
        if readings and min(readings) < 0:
            return Refused(ENERGY_READING_NEGATIVE, f"{side} at {step.start_s}")
        if readings and max(readings) > ENERGY_READING_MAX_WH:
            return Refused(ENERGY_READING_ABSURD, f"{side} at {step.start_s}")
    return None


def check_law(roster: Roster, step: Step, allocation: Allocation) -> Refused | None:
    """What a witness asks of any allocation, whoever computed it: the four sentences of the law.

    Sources: D315-4 (never above consumption, nor in all above production), D315-5 (storage).
    """
    auto, made = allocation.autocons_wh, allocation.autoprod_wh
    if len(auto) != len(step.cons_wh) or len(made) != len(step.prod_wh):
        return Refused(ENERGY_LAW_BROKEN, "one figure per member")
    if any(not 0 <= got <= used for got, used in zip(auto, step.cons_wh, strict=True)):
        return Refused(ENERGY_LAW_BROKEN, "a consumer got more than he consumed, or less than 0")
    if any(not 0 <= gave <= had for gave, had in zip(made, step.prod_wh, strict=True)):
        return Refused(ENERGY_LAW_BROKEN, "a producer gave more than he produced, or less than 0")
    if sum(auto) != sum(made):
        return Refused(ENERGY_LAW_BROKEN, f"{sum(auto)} Wh received, {sum(made)} Wh given")
    return check_storage(
        production_wh=sum(step.prod_wh) - sum_at(step.prod_wh, roster.discharging),
        discharged_wh=sum_at(step.prod_wh, roster.discharging),
        released_wh=sum_at(made, roster.discharging),
        stored_wh=sum_at(auto, roster.charging),
        allocated_wh=sum(auto) - sum_at(auto, roster.charging),
    )


def check_storage(
    *,
    production_wh: int,
    discharged_wh: int,
    released_wh: int,
    stored_wh: int,
    allocated_wh: int,
) -> Refused | None:
    """D315-5: no Wh is both stored and allocated, and no store is filled from another.

    `released_wh` is what consumers got out of stores; the rest of `allocated_wh` came from production.
    """
    if released_wh > min(discharged_wh, allocated_wh):
        return Refused(ENERGY_STORAGE_EXCEEDS, "released above what was discharged or allocated")
    if stored_wh + allocated_wh - released_wh > production_wh:
        return Refused(ENERGY_STORAGE_EXCEEDS, "stored and allocated above production")
    return None


def check_own_pro_rata(
    *, production_wh: int, consumption_wh: int, own_cons_wh: int, own_autocons_wh: int
) -> bool:
    """What one member can check of a pro rata step from the published sums alone: his share, rounded down or up."""
    if production_wh >= consumption_wh:
        return own_autocons_wh == own_cons_wh
    floor, rest = divmod(production_wh * own_cons_wh, consumption_wh)
    return own_autocons_wh in (floor, floor + (rest > 0))


def sum_at(values: Sequence[int], indices: Iterable[int]) -> int:
    """Sum of the columns named."""
    return sum(values[index] for index in indices)
