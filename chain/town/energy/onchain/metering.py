"""Days of readings: signed once a day by the operation's meter adapter, never by the *PMO*'s own body.

The count under each root is the number of registered active columns of that day, so nobody's meter is left out and
nobody is invented. Corrected readings are a new version that names the root before.
Reads: operations, terms, rosters.  Writes: days, the operation's last measured day.  Never: a reading.
"""

from msgspec.structs import replace

from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy.batches import compute_day_root
from chain.town.energy.calendar import DAY_S
from chain.town.energy.onchain.rosters import roster_on
from chain.town.energy.onchain.standing import (
    find_operation,
    get_terms,
    read_day,
    starts_of,
    terms_on,
)
from chain.town.energy.records import (
    DAYS,
    OPERATIONS,
    DayRecord,
    OperationRecord,
    day_id,
)
from chain.town.energy_schemas import EnergyReadings, OperationTerms
from chain.types import codes


def apply_readings(ctx: TxContext, body: EnergyReadings) -> Outcome:
    """Commit a day's readings, first or corrected."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    day = read_day(body.day)
    if isinstance(day, Refused):
        return day
    held = DAYS.get(ctx.state, day_id(body.operation, body.day))
    in_force = _terms_of(ctx, found, day, held)
    if in_force is None:
        return Refused(codes.ENERGY_OPERATION_INACTIVE, body.day)
    version, terms = in_force
    root = compute_day_root(body.steps)
    refused = (
        _check_signer(ctx, found, terms)
        or _check_version(ctx, body, held, root)
        or _check_shape(ctx, body, terms, day)
        or check_correctable(ctx, terms, day, is_first=held is None)
    )
    if refused is not None:
        return refused
    estimated = sum(step.estimated for step in body.steps)
    if held is None:
        fresh = DayRecord(
            state="metered",
            key_hash=body.key_hash,
            steps=len(body.steps),
            count=body.count,
            readings=root,
            readings_version=1,
            terms_version=version,
            estimated=estimated,
        )
        last = max(found.metered_day, day)
        OPERATIONS.put(ctx.state, body.operation.encode(), replace(found, metered_day=last))
    else:
        fresh = replace(held, readings=root, readings_version=body.version, estimated=estimated)
    DAYS.put(ctx.state, day_id(body.operation, body.day), fresh)
    return Accepted(describe_day(body.operation, body.day, fresh))


def _terms_of(
    ctx: TxContext, found: OperationRecord, day: int, held: DayRecord | None
) -> tuple[int, OperationTerms] | None:
    """Those the day was measured under: changing keys often enough puts no day out of reach of a correction."""
    if held is None:
        return terms_on(ctx.state, found, day)
    return held.terms_version, get_terms(ctx.state, found.operation, held.terms_version).terms


def describe_day(operation: str, day: str, record: DayRecord) -> dict[str, object]:
    """What results say of a day."""
    return {
        "operation": operation,
        "day": day,
        "state": record.state,
        "count": record.count,
        "readings": record.readings,
        "readings_version": record.readings_version,
        "version": record.version,
        "root": record.root,
        "witnesses": list(record.witnesses),
    }


def check_correctable(
    ctx: TxContext, terms: OperationTerms, day: int, *, is_first: bool
) -> Refused | None:
    """Within the operation's time for corrections; later, the difference is a line of the next statement."""
    if is_first:
        return None
    until_s = starts_of(terms, day).stop + terms.correction_days * DAY_S
    if ctx.time_s > until_s:
        return Refused(codes.ENERGY_CORRECTION_LATE, f"{ctx.time_s - until_s} s late")
    return None


def _check_signer(ctx: TxContext, found: OperationRecord, terms: OperationTerms) -> Refused | None:
    if ctx.sender == found.pmo:
        return Refused(codes.ENERGY_NOT_INDEPENDENT, "readings")
    if ctx.sender != f"body:{terms.adapter}":
        return Refused(codes.TX_NOT_ENTITLED, f"adapter {terms.adapter}")
    return None


def _check_version(
    ctx: TxContext, body: EnergyReadings, held: DayRecord | None, root: str
) -> Refused | None:
    last = 0 if held is None else held.readings_version
    previous = "" if held is None else held.readings
    if held is not None and root == held.readings:
        return Refused(codes.ENERGY_FILE_REPEATED, body.day)
    if body.version != last + 1 or body.previous != previous:
        return Refused(codes.ENERGY_VERSION_STALE, f"the last version is {last}")
    return None


def _check_shape(
    ctx: TxContext, body: EnergyReadings, terms: OperationTerms, day: int
) -> Refused | None:
    """A whole local day that is over, under the key that was frozen, with one row per active column."""
    starts = starts_of(terms, day)
    if ctx.time_s < starts.stop:
        return Refused(codes.ENERGY_DAY_REFUSED, f"{body.day} is not over")
    if len(body.steps) != len(starts):
        code = codes.ENERGY_TIME_GAP if len(body.steps) < len(starts) else codes.ENERGY_TIME_OVERLAP
        return Refused(code, f"{len(body.steps)} steps, the day has {len(starts)}")
    if body.key_hash != terms.key_hash:
        return Refused(codes.ENERGY_KEY_INVALID, "another key holds on that day")
    roster = roster_on(ctx.state, body.operation, day)
    if body.count != roster.consumers + roster.producers:
        expected = roster.consumers + roster.producers
        return Refused(codes.ENERGY_READINGS_INVALID, f"{body.count} rows, {expected} active")
    for index, step in enumerate(body.steps):
        if step.estimated > body.count:
            return Refused(codes.ENERGY_READINGS_INVALID, f"step {index}: estimated")
        if step.estimated and terms.missing == "refuse":
            return Refused(codes.ENERGY_READING_MISSING, f"step {index}")
    return None
