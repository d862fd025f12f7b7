"""Consents, one per purpose, and their withdrawal: a member's own word, dated by the block.

Without the consent `allocation` nobody can be a member, so taking it back ends the member's points as soon as a day
can still be decided. Reads and writes: consents, and memberships through `membership`.  Never: the text of a consent.
"""

from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.energy.calendar import format_day
from chain.town.energy.onchain.membership import end_membership, ends_earlier
from chain.town.energy.onchain.standing import find_operation, get_member, today_of
from chain.town.energy.records import CONSENTS, ConsentRecord, OperationRecord, consent_id
from chain.town.energy_schemas import EnergyConsent
from chain.types import codes


def apply_consent(ctx: TxContext, body: EnergyConsent) -> Outcome:
    """Note the present word; what was given is kept with its date when it is withdrawn."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    record_id = consent_id(body.operation, ctx.sender, body.purpose)
    held = CONSENTS.get(ctx.state, record_id)
    if body.act == "given":
        fresh = ConsentRecord("given", body.commitment, ctx.time_s)
    elif held is None or held.act == "withdrawn":
        return Refused(codes.ENERGY_CONSENT_MISSING, body.purpose)
    else:
        fresh = ConsentRecord("withdrawn", body.commitment, held.given_s, ctx.time_s)
    CONSENTS.put(ctx.state, record_id, fresh)
    ends = ""
    if body.act == "withdrawn" and body.purpose == "allocation":
        ends = _end(ctx, found)
    facts = {"operation": body.operation, "account": ctx.sender, "purpose": body.purpose}
    return Accepted({**facts, "act": body.act, "member_until": ends})


def _end(ctx: TxContext, found: OperationRecord) -> str:
    """The first day nobody has measured yet; empty when no point of the account would end by it."""
    member = get_member(ctx.state, found.operation, ctx.sender)
    day = max(today_of(ctx, found), found.metered_day) + 1
    if member is None or not ends_earlier(ctx.state, found.operation, member, format_day(day)):
        return ""
    return end_membership(ctx.state, found, ctx.sender, member, day, "opt_out").until_day
