"""What every rule asks of an operation: whose it is, which terms hold on a day, which days may still be decided.

Days are day numbers (since 1970-01-01) of the operation's own local calendar inside, YYYY-MM-DD on the wire.
Reads: operations, terms, members.  Writes: nothing.
"""

from chain.limits import ENERGY_EFFECT_DAYS_MAX
from chain.town import params
from chain.town.context import Reader, Refused, TxContext
from chain.town.energy.calendar import (
    ZONES,
    Zone,
    format_day,
    local_day,
    parse_day,
    steps_of_day,
)
from chain.town.energy.records import (
    CONSENTS,
    MEMBERS,
    OPERATIONS,
    TERMS,
    MemberRecord,
    OperationRecord,
    TermsRecord,
    consent_id,
    member_id,
    terms_id,
)
from chain.town.energy_schemas import OperationTerms, Purpose
from chain.types import codes


def find_operation(state: Reader, operation: str) -> OperationRecord | Refused:
    """The operation of that name."""
    found = OPERATIONS.get(state, operation.encode())
    return Refused(codes.ENERGY_UNKNOWN_OPERATION, operation) if found is None else found


def find_own(ctx: TxContext, operation: str) -> OperationRecord | Refused:
    """The operation, when the sender is its manager."""
    found = find_operation(ctx.state, operation)
    if isinstance(found, OperationRecord) and found.pmo != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, f"operation of {found.pmo}")
    return found


def get_terms(state: Reader, operation: str, version: int) -> TermsRecord:
    """Terms that were published."""
    found = TERMS.get(state, terms_id(operation, version))
    assert found is not None, "a published version is on record"
    return found


def terms_on(state: Reader, found: OperationRecord, day: int) -> tuple[int, OperationTerms] | None:
    """Version and terms in force on a day, or None before the first approved day."""
    version = 0
    for scheduled in found.schedule:
        if scheduled.from_day <= day:
            version = scheduled.version
    return (version, get_terms(state, found.operation, version).terms) if version else None


def zone_of(state: Reader, found: OperationRecord) -> Zone:
    """The operation's clock, which never changes."""
    return ZONES[get_terms(state, found.operation, 1).terms.zone]


def today_of(ctx: TxContext, found: OperationRecord) -> int:
    """The local day of the block's header time."""
    return local_day(zone_of(ctx.state, found), ctx.time_s)


def read_day(text: str) -> int | Refused:
    """A day number, or a refusal for a day that no calendar has, or for none where one is needed."""
    day = parse_day(text) if text else None
    return Refused(codes.ENERGY_DAY_REFUSED, text) if day is None else day


def check_effect(
    ctx: TxContext, found: OperationRecord, text: str, *, earliest: int
) -> int | Refused:
    """A day from which something may change: not before `earliest`, not measured yet, not too far ahead."""
    day = read_day(text)
    if isinstance(day, Refused):
        return day
    latest = today_of(ctx, found) + ENERGY_EFFECT_DAYS_MAX
    first = max(earliest, found.metered_day + 1)
    if not first <= day <= latest:
        span = f"{format_day(first)} to {format_day(latest)}"
        return Refused(codes.ENERGY_DAY_REFUSED, f"{text}: possible {span}")
    return day


def earliest_backdated(ctx: TxContext, found: OperationRecord) -> int:
    """How far back an admission may reach."""
    return today_of(ctx, found) - params.get_param(ctx.state, params.ENERGY_BACKDATE_DAYS)


def starts_of(terms: OperationTerms, day: int) -> range:
    """Starts (UTC seconds) of the steps of a local day."""
    return steps_of_day(ZONES[terms.zone], day, terms.step_s)


def get_member(state: Reader, operation: str, account: str) -> MemberRecord | None:
    """An account's membership, whatever its status."""
    return MEMBERS.get(state, member_id(operation, account))


def is_member_on(state: Reader, operation: str, account: str, day: int) -> bool:
    """Whether an account has active points in an operation on a day."""
    found = get_member(state, operation, account)
    return found is not None and is_active_on(found.from_day, found.until_day, day)


def is_active_on(from_day: str, until_day: str, day: int) -> bool:
    """Whether a day lies from `from_day` ("" never) to the day before `until_day` ("" no end)."""
    text = format_day(day)
    return bool(from_day) and from_day <= text and (not until_day or text < until_day)


def has_consent(state: Reader, operation: str, account: str, purpose: Purpose) -> bool:
    """Whether a member's consent for one purpose stands."""
    found = CONSENTS.get(state, consent_id(operation, account, purpose))
    return found is not None and found.act == "given"
