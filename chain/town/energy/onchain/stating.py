"""Monthly statements: a salted root over what everybody is told, and with it the month's days are settled.

A day can be settled once it was reconciled, witnessed, its challenges answered and their time over. A later correction
makes a new issue of the month's statements, which names the one before; the KWHC of the month follow.
Reads: operations, terms, days.  Writes: days, statements, lots, payments.  Never: an amount.
"""

from msgspec.structs import asdict, replace

from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy.batches import NO_SUMS, add_sums, check_law_of_sums, subtract_sums
from chain.town.energy.calendar import LONGEST_DAY_H, days_of_month, format_day, parse_day
from chain.town.energy.onchain.disputing import challenge_ends_s
from chain.town.energy.onchain.rosters import roster_on
from chain.town.energy.onchain.standing import find_operation, find_own, get_member, today_of
from chain.town.energy.records import (
    DAYS,
    LOTS,
    PAYMENTS,
    STATEMENTS,
    DayRecord,
    LotRecord,
    OperationRecord,
    PaymentRecord,
    StatementRecord,
    day_id,
    lot_id,
    payment_id,
    statement_id,
)
from chain.town.energy_schemas import EnergyPaid, EnergyStatement
from chain.types import codes


def apply_statement(ctx: TxContext, body: EnergyStatement) -> Outcome:
    """Publish a month's statements, first or again after corrections, and settle its days."""
    found = find_own(ctx, body.operation)
    if isinstance(found, Refused):
        return found
    refused = _check_number(ctx, body) or check_law_of_sums(body.totals)
    if refused is not None:
        return refused
    days = _collect_days(ctx, found, body)
    if isinstance(days, Refused):
        return days
    refused = _check_totals(ctx, body, days)
    if refused is not None:
        return refused
    for day, held in days:
        settled = replace(held, state="settled", statement=body.number)
        DAYS.put(ctx.state, day_id(body.operation, day), settled)
    record = StatementRecord(
        body.number, body.previous, body.root, body.count, body.totals, ctx.time_s
    )
    STATEMENTS.put(ctx.state, statement_id(body.operation, body.month, body.number), record)
    lot = LOTS.get(ctx.state, lot_id(body.operation, body.month)) or LotRecord(0)
    lot = replace(lot, shared_wh=body.totals.autocons_wh)
    LOTS.put(ctx.state, lot_id(body.operation, body.month), lot)
    return Accepted(
        {
            "operation": body.operation,
            "month": body.month,
            "number": body.number,
            "root": body.root,
            "days": len(days),
            "lot": asdict(lot),
        }
    )


def _check_totals(
    ctx: TxContext, body: EnergyStatement, days: list[tuple[str, DayRecord]]
) -> Refused | None:
    """The totals of the days; where some have none, at least the others', and no more than the plants could make."""
    known = add_sums([held.totals for _, held in days if held.totals is not None])
    rest = subtract_sums(body.totals, known)
    if all(held.totals is not None for _, held in days):
        return (
            None if rest == NO_SUMS else Refused(codes.ENERGY_SUMS_WRONG, "not those of the days")
        )
    if min(rest.prod_wh, rest.cons_wh, rest.autocons_wh, rest.surplus_wh) < 0:
        return Refused(codes.ENERGY_SUMS_WRONG, "less than the days that are known")
    numbers = (parse_day(day) for day, held in days if held.totals is None)
    possible_wh = LONGEST_DAY_H * sum(
        roster_on(ctx.state, body.operation, day).peak_w for day in numbers if day is not None
    )
    if rest.prod_wh > possible_wh:
        return Refused(codes.ENERGY_SUMS_WRONG, f"the plants make {possible_wh} Wh at most")
    return check_law_of_sums(rest)


def apply_paid(ctx: TxContext, body: EnergyPaid) -> Outcome:
    """Note an account's word on one invoice line, once.

    The chain knows no line, hence no party of it: a word counts for whoever said it, and stands in nobody's way.
    """
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    member = get_member(ctx.state, body.operation, ctx.sender)
    if member is None or not member.points:
        return Refused(codes.ENERGY_NOT_MEMBER)
    if STATEMENTS.get(ctx.state, statement_id(body.operation, body.month, 1)) is None:
        return Refused(codes.ENERGY_STATEMENT_STALE, f"{body.month} was not stated")
    record_id = payment_id(body.operation, body.month, body.line, ctx.sender)
    held = PAYMENTS.get(ctx.state, record_id)
    if held is not None:
        return Refused(codes.ENERGY_WORD_GIVEN, held.word)
    fresh = PaymentRecord(body.word, body.reference)
    PAYMENTS.put(ctx.state, record_id, fresh)
    facts = {"operation": body.operation, "month": body.month, "line": body.line}
    return Accepted({**facts, "account": ctx.sender, **asdict(fresh)})


def _check_number(ctx: TxContext, body: EnergyStatement) -> Refused | None:
    """The next issue of the month, naming the root of the one before."""
    last = _last_root(ctx, body)
    if body.previous != last:
        return Refused(codes.ENERGY_STATEMENT_STALE, f"number {body.number} follows another root")
    if STATEMENTS.get(ctx.state, statement_id(body.operation, body.month, body.number)):
        return Refused(codes.ENERGY_STATEMENT_STALE, f"number {body.number} is out")
    return None


def _last_root(ctx: TxContext, body: EnergyStatement) -> str | None:
    """Root of issue number - 1; "" before the first, None when that issue is not out."""
    if body.number == 1:
        return ""
    before = STATEMENTS.get(ctx.state, statement_id(body.operation, body.month, body.number - 1))
    return None if before is None else before.root


def _collect_days(
    ctx: TxContext, found: OperationRecord, body: EnergyStatement
) -> list[tuple[str, DayRecord]] | Refused:
    """Every day of the month on which the operation had members, each ready to be settled."""
    if not found.schedule:
        return Refused(codes.ENERGY_OPERATION_INACTIVE, body.month)
    month = days_of_month(body.month)
    if month.stop > today_of(ctx, found):
        return Refused(codes.ENERGY_DAY_REFUSED, f"{body.month} is not over")
    listed = []
    for day in range(max(month.start, found.first_day), month.stop):
        text = format_day(day)
        held = DAYS.get(ctx.state, day_id(body.operation, text))
        if held is None:
            roster = roster_on(ctx.state, body.operation, day)
            if roster.consumers + roster.producers == 0:
                continue  # before the first member came, or after the last one left
            return Refused(codes.ENERGY_INTERVAL_STATE, f"{text} has no readings")
        refused = _check_ready(ctx, text, held)
        if refused is not None:
            return refused
        listed.append((text, held))
    if all(held.state == "settled" for _, held in listed):
        return Refused(codes.ENERGY_INTERVAL_STATE, f"nothing of {body.month} is to be settled")
    return listed


def _check_ready(ctx: TxContext, day: str, held: DayRecord) -> Refused | None:
    """Settled already, or reconciled, witnessed, over the last readings, and past all challenges."""
    if held.open_challenges or held.is_faulted:
        return Refused(codes.ENERGY_CHALLENGE_OPEN, day)
    if held.state == "settled":
        return None
    if held.state != "reconciled":
        return Refused(codes.ENERGY_INTERVAL_STATE, f"{day} is {held.state}")
    if held.allocated_readings != held.readings:
        return Refused(codes.ENERGY_READINGS_INVALID, f"{day}: newer readings are in")
    if not held.witnesses:
        return Refused(codes.ENERGY_UNWITNESSED, day)
    if ctx.time_s < challenge_ends_s(ctx, held):
        return Refused(codes.ENERGY_CHALLENGE_OPEN, day)
    return None
