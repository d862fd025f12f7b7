"""Shops that leave, fail or come back, and what the association holds for each of them.

Reads: shops, roles.  Writes: standings.  Never: lets an owner do more than leave.
"""

from msgspec.structs import replace

from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.loyalty.records import SHOPS
from chain.town.schemas import SettlementReserve, SettlementStanding
from chain.town.settlement.records import STANDINGS
from chain.town.settlement.standing import SHOP_PREFIX, get_standing, is_operator
from chain.types import codes


def apply_standing(ctx: TxContext, body: SettlementStanding) -> Outcome:
    """Let a shop leave, declare it failed, or take it back. An owner may only leave, and only an active shop."""
    if SHOPS.get(ctx.state, body.shop.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP)
    if not is_operator(ctx):
        if ctx.sender != SHOP_PREFIX + body.shop:
            return Refused(codes.SETTLEMENT_NOT_PARTY)
        if body.status != "leaving":
            return Refused(codes.TX_NOT_ENTITLED, "an owner may only leave")
    standing = get_standing(ctx.state, body.shop)
    if standing.status == body.status:
        return Refused(codes.SETTLEMENT_ALREADY_SAID, body.status)
    if standing.status == "failed" and not is_operator(ctx):
        return Refused(codes.TX_NOT_ENTITLED, "a failed shop is the operator's to judge")
    record = replace(standing, status=body.status, since_s=ctx.time_s)
    STANDINGS.put(ctx.state, body.shop.encode(), record)
    return Accepted({"shop": body.shop, "status": body.status, "since": ctx.time_s})


def apply_reserve(ctx: TxContext, body: SettlementReserve) -> Outcome:
    """Attest what is held for a shop now; what was used of an earlier figure is within the new one."""
    if SHOPS.get(ctx.state, body.shop.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP)
    standing = get_standing(ctx.state, body.shop)
    record = replace(standing, held_cents=body.held_cents, attested_s=ctx.time_s, used_millicents=0)
    STANDINGS.put(ctx.state, body.shop.encode(), record)
    return Accepted({"shop": body.shop, "held_cents": body.held_cents, "statement": body.statement})
