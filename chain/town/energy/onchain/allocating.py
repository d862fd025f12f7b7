"""Allocations: published by the *PMO*, recomputed by a witness of another body, corrected by linked versions.

The chain checks what it can see: the state of the day, key and engine, sums and their privacy, the order books, the
chain of versions. Whether the rows follow from the readings is the witness's word, who recomputes them from openings.
Reads: operations, terms, rosters, books.  Writes: days, versions.  Never: a row.
"""

from msgspec.structs import replace

from chain.limits import ENERGY_WITNESSES_MAX
from chain.town import params
from chain.town.accounts import role_of
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy.batches import check_corrected, check_sums, compute_day_root
from chain.town.energy.calendar import parse_day
from chain.town.energy.keys import ENGINE
from chain.town.energy.onchain.metering import check_correctable, describe_day
from chain.town.energy.onchain.rosters import roster_on
from chain.town.energy.onchain.standing import find_operation, find_own, get_terms, starts_of
from chain.town.energy.records import (
    BOOKS,
    DAYS,
    VERSIONS,
    DayRecord,
    OperationRecord,
    VersionRecord,
    book_id,
    day_id,
    version_id,
)
from chain.town.energy_schemas import EnergyAllocate, EnergyCorrect, EnergyWitness, OperationTerms
from chain.types import codes


def apply_allocate(ctx: TxContext, body: EnergyAllocate) -> Outcome:
    """Publish version 1 of a day that was metered."""
    found = find_own(ctx, body.operation)
    if isinstance(found, Refused):
        return found
    held = find_day(ctx, body.operation, body.day)
    if isinstance(held, Refused):
        return held
    if held.state != "metered":
        return Refused(codes.ENERGY_INTERVAL_STATE, f"{held.state} is not metered")
    return _publish(ctx, body, found, held)


def apply_correct(ctx: TxContext, body: EnergyCorrect) -> Outcome:
    """Publish the next version of a day, which names the root of the last one and the evidence for the change."""
    found = find_own(ctx, body.operation)
    if isinstance(found, Refused):
        return found
    held = find_day(ctx, body.operation, body.day)
    if isinstance(held, Refused):
        return held
    if held.version == 0:
        return Refused(codes.ENERGY_INTERVAL_STATE, "nothing was allocated yet")
    if body.version != held.version + 1 or body.previous != held.root:
        return Refused(codes.ENERGY_VERSION_STALE, f"the last version is {held.version}")
    return _publish(ctx, body, found, held)


def apply_witness(ctx: TxContext, body: EnergyWitness) -> Outcome:
    """Note that a body recomputed the day's last version and found the same root."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    if ctx.sender == found.pmo:
        return Refused(codes.ENERGY_NOT_INDEPENDENT, "witness")
    held = find_day(ctx, body.operation, body.day)
    if isinstance(held, Refused):
        return held
    if not held.version or (body.version, body.root) != (held.version, held.root):
        return Refused(codes.ENERGY_VERSION_STALE, f"the last version is {held.version}")
    if len(held.witnesses) >= ENERGY_WITNESSES_MAX:
        return Refused(codes.TX_BODY_INVALID, f"{ENERGY_WITNESSES_MAX} bodies signed already")
    fresh = replace(held, witnesses=tuple(sorted({*held.witnesses, ctx.sender})))
    DAYS.put(ctx.state, day_id(body.operation, body.day), fresh)
    return Accepted(describe_day(body.operation, body.day, fresh))


def find_day(ctx: TxContext, operation: str, day: str) -> DayRecord | Refused:
    """The record of a day with readings."""
    found = DAYS.get(ctx.state, day_id(operation, day))
    return (
        Refused(codes.ENERGY_INTERVAL_STATE, f"{day} has no readings") if found is None else found
    )


def _publish(
    ctx: TxContext,
    body: EnergyAllocate | EnergyCorrect,
    found: OperationRecord,
    held: DayRecord,
) -> Outcome:
    day = parse_day(body.day)
    assert day is not None, "days on record are of the calendar"
    terms = get_terms(ctx.state, body.operation, held.terms_version).terms
    refused = (
        _check_basis(body, held)
        or check_correctable(ctx, terms, day, is_first=held.version == 0)
        or _check_figures(ctx, body, day)
        or _check_orders(ctx, body, terms, day)
    )
    if refused is not None:
        return refused
    witnesses = _read_witnesses(ctx, found)
    if isinstance(witnesses, Refused):
        return witnesses
    root = compute_day_root(body.steps)
    fresh = replace(
        held,
        state="corrected" if held.version else "allocated",
        version=held.version + 1,
        root=root,
        totals=body.totals,
        allocated_readings=body.readings,
        allocated_s=ctx.time_s,
        witnesses=witnesses,
        is_faulted=False,
    )
    _keep_version(ctx, body, held, fresh)
    DAYS.put(ctx.state, day_id(body.operation, body.day), fresh)
    return Accepted(describe_day(body.operation, body.day, fresh))


def _keep_version(
    ctx: TxContext, body: EnergyAllocate | EnergyCorrect, held: DayRecord, fresh: DayRecord
) -> None:
    record = VersionRecord(
        previous=held.root,
        root=fresh.root,
        readings=body.readings,
        key_hash=body.key_hash,
        engine=body.engine,
        allocated_s=ctx.time_s,
        totals=body.totals,
        evidence=body.evidence if isinstance(body, EnergyCorrect) else "",
    )
    VERSIONS.put(ctx.state, version_id(body.operation, body.day, fresh.version), record)


def _check_basis(body: EnergyAllocate | EnergyCorrect, held: DayRecord) -> Refused | None:
    """Over the readings that were committed last, by the frozen key, with rules this release knows."""
    if body.readings != held.readings:
        return Refused(codes.ENERGY_READINGS_INVALID, "not the last readings of that day")
    if body.key_hash != held.key_hash:
        return Refused(codes.ENERGY_KEY_INVALID, "the key was frozen when the day began")
    if body.engine != ENGINE:
        return Refused(codes.ENERGY_KEY_INVALID, f"engine: {ENGINE}")
    if len(body.steps) != held.steps:
        return Refused(codes.ENERGY_READINGS_INVALID, f"{len(body.steps)} steps of {held.steps}")
    return None


def _check_figures(
    ctx: TxContext, body: EnergyAllocate | EnergyCorrect, day: int
) -> Refused | None:
    households = roster_on(ctx.state, body.operation, day).households
    households_min = params.get_param(ctx.state, params.ENERGY_SUMS_MIN_CONSUMERS)
    if isinstance(body, EnergyCorrect):
        flaw = check_corrected(body.steps)
        if flaw is not None:
            return flaw
    return check_sums(body.steps, body.totals, households=households, households_min=households_min)


def _check_orders(
    ctx: TxContext, body: EnergyAllocate | EnergyCorrect, terms: OperationTerms, day: int
) -> Refused | None:
    """No more orders were opened than stood in the book at gate closure."""
    for start_s, step in zip(starts_of(terms, day), body.steps, strict=True):
        if not step.orders:
            continue
        book = BOOKS.get(ctx.state, book_id(body.operation, start_s))
        standing = 0 if book is None else book.standing
        if step.orders > standing:
            return Refused(codes.ENERGY_ORDER_UNKNOWN, f"{step.orders} opened, {standing} stood")
    return None


def _read_witnesses(ctx: TxContext, found: OperationRecord) -> tuple[str, ...] | Refused:
    """Bodies of the witnesses that signed with the *PMO*; its own body is no witness."""
    bodies = []
    for signer in ctx.signers:
        role = role_of(ctx.state, signer.kid)
        if role is None or role.role != "energy_witness":
            continue
        if role.body == found.pmo:
            return Refused(codes.ENERGY_NOT_INDEPENDENT, "witness")
        bodies.append(role.body)
    return tuple(sorted(dict.fromkeys(bodies)))
