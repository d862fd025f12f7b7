"""Operations: terms published by the *PMO*, put in force by the council or, for a new key, by themselves.

A version of the terms holds from a local day on and for ever for the days measured under it: nobody shares
yesterday's sun by tomorrow's key. Reads and writes: operations, terms.  Never: a member, a day.
"""

from msgspec.structs import asdict, replace

from chain.limits import ENERGY_TERMS_KEPT
from chain.town import city
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy import regimes
from chain.town.energy.onchain.standing import (
    check_effect,
    earliest_backdated,
    find_operation,
    get_terms,
    read_day,
    today_of,
)
from chain.town.energy.records import (
    OPERATIONS,
    TERMS,
    OperationRecord,
    ScheduledTerms,
    TermsRecord,
    hash_terms,
    terms_id,
)
from chain.town.energy_schemas import EnergyApprove, EnergyOperation, OperationTerms
from chain.types import codes


def apply_operation(ctx: TxContext, body: EnergyOperation) -> Outcome:
    """Publish the next version of an operation's terms; the first opens it, for the council to approve."""
    found = OPERATIONS.get(ctx.state, body.operation.encode())
    held = found or OperationRecord(body.operation, ctx.sender, "proposed", 0, 0, ())
    refused = _check_version(ctx, held, body) or _check_terms(ctx, held, body)
    if refused is not None:
        return refused
    terms_hash = hash_terms(body.operation, body.version, body.from_day, body.terms)
    record = TermsRecord(body.from_day, body.terms, terms_hash)
    TERMS.put(ctx.state, terms_id(body.operation, body.version), record)
    fresh = replace(held, version=body.version)
    day = _first_day(ctx, fresh, body)
    if isinstance(day, Refused):
        return day
    if _needs_council(ctx, held, body.terms, day):
        fresh = replace(fresh, proposed=body.version)
    else:
        fresh = replace(fresh, proposed=0, schedule=_put(fresh, day, body.version))
    OPERATIONS.put(ctx.state, body.operation.encode(), fresh)
    return Accepted({**describe_operation(fresh), "terms_hash": terms_hash})


def apply_approve(ctx: TxContext, body: EnergyApprove) -> Outcome:
    """The council puts the waiting version in force, exactly as it was published."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    if found.proposed == 0 or found.proposed != body.version:
        return Refused(codes.ENERGY_OPERATION_VERSION, f"version {found.proposed} waits")
    record = get_terms(ctx.state, body.operation, body.version)
    if record.terms_hash != body.terms_hash:
        return Refused(codes.ENERGY_OPERATION_VERSION, "terms_hash: other terms were published")
    is_first = not found.schedule
    earliest = earliest_backdated(ctx, found) if is_first else _earliest_change(ctx, found)
    day = check_effect(ctx, found, record.from_day, earliest=earliest)
    if isinstance(day, Refused):
        return day
    fresh = replace(
        found,
        status="active",
        proposed=0,
        schedule=_put(found, day, body.version),
        first_day=found.first_day or day,
    )
    OPERATIONS.put(ctx.state, body.operation.encode(), fresh)
    return Accepted({**describe_operation(fresh), "terms_hash": body.terms_hash})


def describe_operation(record: OperationRecord) -> dict[str, object]:
    """What results say of an operation."""
    return {
        **{name: value for name, value in asdict(record).items() if name != "perimeter"},
        "schedule": [[item.from_day, item.version] for item in record.schedule],
    }


def _check_version(ctx: TxContext, held: OperationRecord, body: EnergyOperation) -> Refused | None:
    if held.pmo != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, f"operation of {held.pmo}")
    if body.version != held.version + 1:
        return Refused(codes.ENERGY_OPERATION_VERSION, f"version {held.version + 1} is next")
    return None


def _check_terms(ctx: TxContext, held: OperationRecord, body: EnergyOperation) -> Refused | None:
    """The adapter is somebody else, the regime is in force, and what members rely on stays."""
    terms = body.terms
    if city.BODIES.get(ctx.state, terms.adapter.encode()) is None:
        return Refused(codes.CITY_UNKNOWN_BODY, terms.adapter)
    if f"body:{terms.adapter}" == ctx.sender:
        return Refused(codes.ENERGY_NOT_INDEPENDENT, "adapter")
    regime = regimes.find_regime(terms.regime, body.from_day)
    if isinstance(regime, Refused):
        return regime
    if held.version == 0:
        return None
    first = get_terms(ctx.state, held.operation, 1).terms
    for name in ("step_s", "zone", "territory"):
        if getattr(first, name) != getattr(terms, name):
            return Refused(codes.ENERGY_OPERATION_VERSION, f"{name} never changes")
    return None


def _first_day(ctx: TxContext, held: OperationRecord, body: EnergyOperation) -> int | Refused:
    if held.schedule:
        return check_effect(ctx, held, body.from_day, earliest=_earliest_change(ctx, held))
    return read_day(body.from_day)


def _earliest_change(ctx: TxContext, held: OperationRecord) -> int:
    """Tomorrow: the day under way keeps the key it began with. Nothing comes before the first approved day."""
    return max(today_of(ctx, held) + 1, held.first_day)


def _needs_council(ctx: TxContext, held: OperationRecord, terms: OperationTerms, day: int) -> bool:
    """Whether these terms touch what the council approved: regime, adapter, time for corrections.

    They must be those in force until `day`, and those of every version that was to begin later and gives way: else an
    approved change could be brought forward by whoever may change a key.
    """
    before = [item for item in held.schedule if item.from_day < day]
    around = (*before[-1:], *held.schedule[len(before) :])
    approved = [get_terms(ctx.state, held.operation, item.version).terms for item in around]
    return not approved or any(
        (known.regime, known.adapter, known.correction_days)
        != (terms.regime, terms.adapter, terms.correction_days)
        for known in approved
    )


def _put(held: OperationRecord, day: int, version: int) -> tuple[ScheduledTerms, ...]:
    """The schedule with one version more; what was to begin on or after its day gives way to it."""
    before = tuple(item for item in held.schedule if item.from_day < day)
    return (*before, ScheduledTerms(day, version))[-ENERGY_TERMS_KEPT:]
