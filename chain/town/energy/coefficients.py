"""Coefficients for the grid operator, what he will make of them, and the comparison with what he made.

A coefficient is a percentage of one producer's production given to one consumer in one step, with a fixed number of
decimals. Each is floored, then the spare units go by largest remainder to whoever they do not lift above his
consumption; floors alone lose 6.75 % of the energy of a village at one decimal. The operator's own rounding is not
published: the prediction is the legal formula, to the nearest Wh, and his result prevails.

File (as RepartKey writes it): one CSV per producer, `Horodate;PRM1;PRM2…`, decimal comma, local time of the step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chain.limits import ENERGY_COEFFICIENT_DECIMALS_MAX
from chain.town.energy.calendar import Zone, format_clock, local_of_utc
from chain.town.energy.enedis import check_prm
from chain.town.energy.keys import fill_north_west
from chain.town.energy.refusals import Refused, refuse_line
from chain.town.energy.rounding import Rank, pick_largest
from chain.town.energy.steps import Allocation, Step
from chain.town.energy.tables import decode_text
from chain.town.energy.timeline import Label, parse_stamps, place_stamps
from chain.types.codes import (
    ENERGY_DSO_DISAGREES,
    ENERGY_FILE_MALFORMED,
    ENERGY_KEY_INVALID,
    ENERGY_LAW_BROKEN,
    ENERGY_POINT_REPEATED,
    ENERGY_POINT_UNKNOWN,
)


class CoefficientRow(NamedTuple):
    """Coefficients of one producer in one step, in units of 10^-decimals percent, one per consumer."""

    start_s: int
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CoefficientFile:
    """One producer's file: PRMs of the consumers, and a row per step."""

    consumers: tuple[str, ...]
    decimals: int
    rows: tuple[CoefficientRow, ...]


def whole_units(decimals: int) -> int:
    """Units in 100 %."""
    return int(10 ** (decimals + 2))


def compute_units(
    shared_wh: Sequence[int], cons_wh: Sequence[int], prod_wh: int, decimals: int, rank: Rank
) -> tuple[int, ...]:
    """Coefficients of one production: floors, then spare units by largest remainder.

    `shared_wh` sums to at most `prod_wh`. No coefficient offers more than is consumed; their sum stays within 100 %.
    """
    assert sum(shared_wh) <= prod_wh, "more is shared than was produced"
    if not prod_wh:
        return (0,) * len(shared_wh)
    whole = whole_units(decimals)
    units = [wh * whole // prod_wh for wh in shared_wh]
    spare = sum(shared_wh) * whole // prod_wh - sum(units)
    takers = [
        index
        for index, (unit, cons) in enumerate(zip(units, cons_wh, strict=True))
        if shared_wh[index] and (unit + 1) * prod_wh <= cons * whole
    ]
    remainders = [shared_wh[index] * whole % prod_wh for index in takers]
    for place in pick_largest(remainders, min(spare, len(takers)), lambda i: rank(takers[i])):
        units[takers[place]] += 1
    return tuple(units)


def cells_of(allocation: Allocation) -> dict[tuple[int, int], int]:
    """Wh per (producer, consumer): the deliveries, then the common pool filled in from the first of each on."""
    cells: dict[tuple[int, int], int] = {}
    made, got = list(allocation.autoprod_wh), list(allocation.autocons_wh)
    for delivery in allocation.deliveries:
        place = (delivery.producer, delivery.consumer)
        cells[place] = cells.get(place, 0) + delivery.energy_wh
        made[delivery.producer] -= delivery.energy_wh
        got[delivery.consumer] -= delivery.energy_wh
    for producer, consumer, energy_wh in fill_north_west(made, got):
        cells[producer, consumer] = cells.get((producer, consumer), 0) + energy_wh
    return cells


def compute_step_units(
    step: Step, allocation: Allocation, decimals: int, rank: Rank
) -> tuple[tuple[int, ...], ...]:
    """Coefficients of one step per producer. Without deliveries production is pooled: all producers have the same."""
    if not allocation.deliveries:
        units = compute_units(
            allocation.autocons_wh, step.cons_wh, sum(step.prod_wh), decimals, rank
        )
        return (units,) * len(step.prod_wh)
    cells = cells_of(allocation)
    consumers = range(len(step.cons_wh))
    return tuple(
        compute_units(
            [cells.get((producer, consumer), 0) for consumer in consumers],
            step.cons_wh,
            prod_wh,
            decimals,
            rank,
        )
        for producer, prod_wh in enumerate(step.prod_wh)
    )


def predict_dso(
    units: Sequence[Sequence[int]],
    cons_wh: Sequence[int],
    prod_wh: Sequence[int],
    decimals: int,
) -> tuple[int, ...]:
    """AUTOCONS by the legal formula min(CONS, sum of coefficient x PROD), to the nearest Wh, halves up."""
    whole = whole_units(decimals)
    return tuple(
        min(
            cons,
            (2 * sum(u[i] * prod for u, prod in zip(units, prod_wh, strict=True)) + whole)
            // (2 * whole),
        )
        for i, cons in enumerate(cons_wh)
    )


# --- the file ------------------------------------------------------------------------------------


def check_export(
    consumers: Sequence[str], producers: Sequence[str], decimals: int
) -> Refused | None:
    """PRMs on both sides, and a number of decimals that a file can hold."""
    if not 0 <= decimals <= ENERGY_COEFFICIENT_DECIMALS_MAX:
        return Refused(ENERGY_KEY_INVALID, f"0 to {ENERGY_COEFFICIENT_DECIMALS_MAX} decimals")
    for names in (consumers, producers):
        for name in names:
            flaw = check_prm(name)
            if flaw is not None:
                return flaw
        if len(set(names)) < len(names):
            return Refused(ENERGY_POINT_REPEATED, "the same PRM twice on one side")
    return None


def format_coefficients(
    file: CoefficientFile, *, zone: Zone, step_s: int, label: Label = "start"
) -> str:
    """The CSV of one producer; the autumn hour appears twice, as local time does."""
    lines = [";".join(("Horodate", *file.consumers))]
    for row in file.rows:
        shown = local_of_utc(zone, row.start_s + (step_s if label == "end" else 0))
        cells = (format_percent(unit, file.decimals) for unit in row.units)
        lines.append(";".join((_format_day_first(shown), *cells)))
    return "\n".join((*lines, ""))


def parse_coefficients(
    raw: bytes | str, *, decimals: int, zone: Zone, step_s: int, label: Label = "start"
) -> CoefficientFile | Refused:
    """Read a coefficient file back; refused when a row's sum passes 100 %."""
    text = decode_text(raw)
    if isinstance(text, Refused):
        return text
    lines = [
        (n, line.strip().split(";")) for n, line in enumerate(text.splitlines(), 1) if line.strip()
    ]
    if not lines or lines[0][1][0] != "Horodate" or len(lines) < 2:
        return refuse_line(ENERGY_FILE_MALFORMED, 1, "the header is Horodate;PRM…, then rows")
    consumers = tuple(lines[0][1][1:])
    flaw = check_export(consumers, (), decimals)
    if flaw is not None:
        return flaw
    stamps = parse_stamps([(number, cells[0]) for number, cells in lines[1:]])
    if isinstance(stamps, Refused):
        return stamps
    starts = place_stamps(stamps, zone=zone, step_s=step_s, label=label)
    if isinstance(starts, Refused):
        return starts
    rows = []
    for start_s, (number, cells) in zip(starts, lines[1:], strict=True):
        units = [parse_percent(cell, decimals) for cell in cells[1:]]
        known = tuple(unit for unit in units if unit is not None)
        if len(known) != len(consumers) or len(units) != len(consumers):
            return refuse_line(
                ENERGY_FILE_MALFORMED, number, f"{len(consumers)} percentages expected"
            )
        if sum(known) > whole_units(decimals):
            return refuse_line(ENERGY_LAW_BROKEN, number, "more than 100 % is given")
        rows.append(CoefficientRow(start_s, known))
    return CoefficientFile(consumers, decimals, tuple(rows))


def format_percent(units: int, decimals: int) -> str:
    """Percentage with a decimal comma: 1234 units of three decimals are `1,234`."""
    if not decimals:
        return str(units)
    whole, rest = divmod(units, 10**decimals)
    return f"{whole},{rest:0{decimals}}"


def parse_percent(text: str, decimals: int) -> int | None:
    """Units of a percentage written by `format_percent`, or None."""
    whole, comma, rest = text.partition(",")
    if not (
        text.isascii()
        and len(whole) <= 3  # 100 %: Python reads no thousands of digits
        and whole.isdecimal()
        and len(rest) == decimals
        and bool(comma) == bool(decimals)
    ):
        return None
    if decimals and not rest.isdecimal():
        return None
    return int(whole + rest)


def _format_day_first(clock_s: int) -> str:
    text = format_clock(clock_s)
    return f"{text[8:10]}/{text[5:7]}/{text[:4]} {text[11:16]}"


# --- reconciliation ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Operator's result less ours, per point in the order of names; within tolerance unless `beyond` names points."""

    differences_wh: tuple[tuple[str, int], ...]
    tolerance_wh: int
    beyond: tuple[str, ...]


def compare_with_dso(
    own_wh: Mapping[str, int], dso_wh: Mapping[str, int], *, steps_count: int, per_step_wh: int = 1
) -> Reconciliation | Refused:
    """Compare AUTOCONS per PRM over a period; the tolerance is `per_step_wh` for each step (default 1 Wh)."""
    strangers = sorted(own_wh.keys() ^ dso_wh.keys())
    if strangers:
        return Refused(ENERGY_POINT_UNKNOWN, strangers[0])
    tolerance = per_step_wh * steps_count
    differences = tuple((name, dso_wh[name] - own_wh[name]) for name in sorted(own_wh))
    beyond = tuple(name for name, difference in differences if abs(difference) > tolerance)
    return Reconciliation(differences, tolerance, beyond)


def check_reconciled(reconciliation: Reconciliation) -> Refused | None:
    """A correction is due when any point is beyond the tolerance."""
    if not reconciliation.beyond:
        return None
    return Refused(
        ENERGY_DSO_DISAGREES,
        f"{len(reconciliation.beyond)} points beyond {reconciliation.tolerance_wh} Wh",
    )
