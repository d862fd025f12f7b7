"""Moving an identity from one status to another; its account freezes or closes with it.

`ended` freezes the account for 30 days, in which two agents may take it back; then the chain closes it.
Reads: roles, parameters.  Writes: namespace identity, identity accounts.  Never: leaves the table of transitions.
"""

from typing import Final

from msgspec.structs import replace

from chain.town import params
from chain.town.accounts import set_account_status
from chain.town.context import Accepted, BlockContext, Outcome, Refused, TxContext
from chain.town.due import cancel_due, schedule_due
from chain.town.identity.records import (
    IDENTITIES,
    REVERSALS,
    TERMINAL,
    TRANSITIONS,
    IdentityRecord,
    ReversalRecord,
    account_of,
    account_status,
    count_agents,
    count_move,
    get_identity,
    month_of,
)
from chain.town.identity.recovery import drop_recovery
from chain.town.identity.recovery_records import get_recovery
from chain.town.schemas import IdStatus
from chain.types import codes

FINAL_KIND: Final = "identity.final"


def apply_status(ctx: TxContext, body: IdStatus) -> Outcome:
    """Move one identity to another status; its account freezes or closes with it."""
    record = get_identity(ctx.state, body.cid)
    if record is None:
        return Refused(codes.IDENTITY_UNKNOWN)
    refused = _check_move(ctx, record, body)
    if refused is not None:
        return refused
    drop_recovery(ctx.state, record.account, ctx.time_s)
    IDENTITIES.put(ctx.state, body.cid.encode(), replace(record, status=body.status))
    set_account_status(ctx.state, account_of(ctx.state, record), account_status(body.status))
    count_move(ctx.state, record.status, body.status)
    reversible_until = _note_reversal(ctx, record, body.status)
    return Accepted(
        {
            "cid": record.cid,
            "account": record.account,
            "previous": record.status,
            "status": body.status,
            "month": month_of(ctx.time_s),
            "reversible_until": reversible_until,
        }
    )


def _check_move(ctx: TxContext, record: IdentityRecord, body: IdStatus) -> Refused | None:
    if body.status not in TRANSITIONS[record.status]:
        return Refused(codes.IDENTITY_BAD_TRANSITION, f"{record.status} to {body.status}")
    if body.status == "active" and month_of(ctx.time_s) > record.expires_month:
        return Refused(codes.IDENTITY_BAD_TRANSITION, "expires_month is over")
    if body.status not in TERMINAL and get_recovery(ctx.state, record.account) is not None:
        return Refused(codes.IDENTITY_RECOVERY_PENDING)
    if record.status == "ended" and body.status != "erased":
        reversal = REVERSALS.get(ctx.state, record.cid.encode())
        if reversal is None or ctx.time_s >= reversal.until_s:
            return Refused(codes.IDENTITY_REVERSAL_LATE)
    return None


def admit_status(ctx: TxContext, body: IdStatus) -> Refused | tuple[str, ...]:
    """Terminal statuses, and the way back from `ended`, take two agents, judged before the payload is recorded.

    A proposer that strips one of the two signatures would otherwise burn the payload of both.
    """
    record = get_identity(ctx.state, body.cid)
    is_grave = body.status in TERMINAL or (record is not None and record.status == "ended")
    if is_grave and count_agents(ctx) < 2:
        return Refused(codes.IDENTITY_SECOND_AGENT)
    return ()


# --- the end that may be taken back ----------------------------------------------------------


def _note_reversal(ctx: TxContext, record: IdentityRecord, status: str) -> int:
    """Open or close the month of reversal; returns its end, 0 when there is none."""
    cid = record.cid.encode()
    before = REVERSALS.get(ctx.state, cid)
    if before is not None:
        cancel_due(ctx.state, before.until_s, FINAL_KIND, record.cid)
        REVERSALS.delete(ctx.state, cid)
    if status != "ended":
        return 0
    until_s = ctx.time_s + params.get_param(ctx.state, params.IDENTITY_REVERSAL_S)
    REVERSALS.put(ctx.state, cid, ReversalRecord(until_s))
    schedule_due(ctx.state, until_s, FINAL_KIND, record.cid)
    return until_s


def finish_end(ctx: BlockContext, cid: str) -> None:
    """The month is over: the account of an ended identity is closed for good."""
    record = get_identity(ctx.state, cid)
    reversal = REVERSALS.get(ctx.state, cid.encode())
    if record is None or reversal is None or record.status != "ended":
        return
    REVERSALS.delete(ctx.state, cid.encode())
    set_account_status(ctx.state, account_of(ctx.state, record), "closed")
    ctx.note(FINAL_KIND, cid=cid, account=record.account)
