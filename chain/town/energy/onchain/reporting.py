"""Coefficients out to the grid operator, his result in: days move on together, at most a month of them at once.

Reads: operations.  Writes: days.  Never: a coefficient.
"""

from collections.abc import Callable
from typing import TypeAlias

from msgspec.structs import replace

from chain.limits import ENERGY_RANGE_DAYS_MAX
from chain.town import params
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy.calendar import format_day
from chain.town.energy.onchain.allocating import find_day
from chain.town.energy.onchain.standing import find_own, read_day
from chain.town.energy.records import DAYS, DayRecord, DayState, day_id
from chain.town.energy_schemas import EnergyReconcile, EnergyReport
from chain.types import codes

_Change: TypeAlias = Callable[[DayRecord], DayRecord]


def apply_report(ctx: TxContext, body: EnergyReport) -> Outcome:
    """The coefficients of these days were handed to the grid operator."""

    def report(held: DayRecord) -> DayRecord:
        return replace(held, state="reported", coefficients=body.coefficients)

    return _move(ctx, body, ("allocated", "corrected"), report)


def apply_reconcile(ctx: TxContext, body: EnergyReconcile) -> Outcome:
    """The operator's result for these days agrees; his figures prevail for money."""
    rows = _count_rows(ctx, body)
    if isinstance(rows, Refused):
        return rows
    tolerance_wh = rows * params.get_param(ctx.state, params.ENERGY_DSO_TOLERANCE_WH)
    if body.difference_wh > tolerance_wh:
        detail = f"{body.difference_wh} Wh, tolerance {tolerance_wh} Wh"
        return Refused(codes.ENERGY_DSO_DISAGREES, detail)

    def reconcile(held: DayRecord) -> DayRecord:
        return replace(held, state="reconciled", dso=body.dso, difference_wh=body.difference_wh)

    return _move(ctx, body, ("reported", "corrected"), reconcile)


def _list_days(body: EnergyReport | EnergyReconcile) -> list[str] | Refused:
    """Days of the range, both ends in; at most a month."""
    first, last = read_day(body.from_day), read_day(body.to_day)
    if isinstance(first, Refused):
        return first
    if isinstance(last, Refused):
        return last
    if not 0 <= last - first < ENERGY_RANGE_DAYS_MAX:
        return Refused(codes.ENERGY_DAY_REFUSED, f"1 to {ENERGY_RANGE_DAYS_MAX} days")
    return [format_day(day) for day in range(first, last + 1)]


def _count_rows(ctx: TxContext, body: EnergyReconcile) -> int | Refused:
    """Readings of all steps of the range: the tolerance is so many Wh for each."""
    days = _list_days(body)
    if isinstance(days, Refused):
        return days
    rows = 0
    for day in days:
        held = find_day(ctx, body.operation, day)
        if isinstance(held, Refused):
            return held
        rows += held.steps * held.count
    return rows


def _move(
    ctx: TxContext,
    body: EnergyReport | EnergyReconcile,
    allowed: tuple[DayState, ...],
    change: _Change,
) -> Outcome:
    """Move every day of the range, or none."""
    found = find_own(ctx, body.operation)
    if isinstance(found, Refused):
        return found
    days = _list_days(body)
    if isinstance(days, Refused):
        return days
    for day in days:
        held = find_day(ctx, body.operation, day)
        if isinstance(held, Refused):
            return held
        if held.state not in allowed:
            return Refused(codes.ENERGY_INTERVAL_STATE, f"{day} is {held.state}")
        DAYS.put(ctx.state, day_id(body.operation, day), change(held))
    state = "reported" if isinstance(body, EnergyReport) else "reconciled"
    return Accepted({"operation": body.operation, "days": days, "state": state})
