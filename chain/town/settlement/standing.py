"""May a shop give points, may it take them? Leaving, failing, and being late with a settlement.

A shop that left or failed neither gives nor takes; its points stay good at every other shop, and what it owes for
them goes on being settled (`guarantee` for one that failed). A shop with an overdue leg still takes points.
Reads: standings, roles.  Writes: nothing (`members` does).  Never: touches a citizen's points.
"""

from typing import Final

from chain.town.accounts import role_of
from chain.town.context import Reader, Refused, TxContext
from chain.town.settlement.records import STANDINGS, StandingRecord
from chain.types import codes

SHOP_PREFIX: Final = "shop:"
OPERATOR_ROLE: Final = "loyalty_operator"


def get_standing(state: Reader, shop: str) -> StandingRecord:
    """A shop's standing; an active one before anything was said of it."""
    return STANDINGS.get(state, shop.encode()) or StandingRecord()


def check_may_give(state: Reader, shop: str) -> Refused | None:
    """None when the shop may give points now."""
    standing = get_standing(state, shop)
    if standing.status != "active":
        return Refused(codes.SETTLEMENT_SHOP_SUSPENDED, standing.status)
    if standing.overdue:
        return Refused(codes.SETTLEMENT_SHOP_SUSPENDED, f"{standing.overdue} overdue payments")
    return None


def check_may_take(state: Reader, shop: str) -> Refused | None:
    """None when the shop may take points now."""
    standing = get_standing(state, shop)
    if standing.status != "active":
        return Refused(codes.SETTLEMENT_SHOP_LEFT, standing.status)
    return None


def is_operator(ctx: TxContext) -> bool:
    """Whether the signer acts for a body as a loyalty operator; the engine has checked that the role lives."""
    role = role_of(ctx.state, ctx.signers[0].kid)
    return role is not None and role.role == OPERATOR_ROLE
