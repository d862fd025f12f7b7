"""Moving an identity from one status to another; its account freezes or closes with it.

Reads: roles.  Writes: namespace identity, identity accounts.  Never: leaves the table of transitions.
"""

from msgspec.structs import replace

from chain.town.accounts import set_account_status
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.identity.records import (
    IDENTITIES,
    TERMINAL,
    TRANSITIONS,
    account_of,
    account_status,
    count_move,
    get_agent,
    get_identity,
    month_of,
)
from chain.town.schemas import IdStatus
from chain.types import codes


def apply_status(ctx: TxContext, body: IdStatus) -> Outcome:
    """Move one identity to another status; its account freezes or closes with it."""
    record = get_identity(ctx.state, body.cid)
    if record is None:
        return Refused(codes.IDENTITY_UNKNOWN)
    if body.status not in TRANSITIONS[record.status]:
        return Refused(codes.IDENTITY_BAD_TRANSITION, f"{record.status} to {body.status}")
    if body.status == "active" and month_of(ctx.time_s) > record.expires_month:
        return Refused(codes.IDENTITY_BAD_TRANSITION, "expires_month is over")
    IDENTITIES.put(ctx.state, body.cid.encode(), replace(record, status=body.status))
    set_account_status(ctx.state, account_of(ctx.state, record), account_status(body.status))
    count_move(ctx.state, record.status, body.status)
    return Accepted(
        {
            "cid": record.cid,
            "account": record.account,
            "previous": record.status,
            "status": body.status,
            "month": month_of(ctx.time_s),
        }
    )


def admit_status(ctx: TxContext, body: IdStatus) -> Refused | tuple[str, ...]:
    """Terminal statuses take two agents, judged before the payload is recorded.

    A proposer that strips one of the two signatures would otherwise burn the payload of both.
    """
    if body.status in TERMINAL and not _has_two_agents(ctx):
        return Refused(codes.IDENTITY_SECOND_AGENT)
    return ()


def _has_two_agents(ctx: TxContext) -> bool:
    agents = {signer.kid for signer in ctx.signers if get_agent(ctx, signer.kid) is not None}
    return len(agents) >= 2
