"""Shops and their tills: who may give and take points, up to what cap.

Reads and writes: shops, tills, role keys.  Never: touches a lot.
"""

from typing import Final

from msgspec.structs import asdict, replace

from chain.town import params
from chain.town.accounts import grant_role, role_of
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.loyalty.records import SHOPS, TILLS, ShopRecord, TillRecord
from chain.town.loyalty_rules import SECONDS_PER_DAY
from chain.town.schemas import LoyaltyShop, LoyaltyTill
from chain.town.settlement.standing import check_may_take
from chain.types import codes

SHOP_PREFIX: Final = "shop:"


def apply_shop(ctx: TxContext, body: LoyaltyShop) -> Outcome:
    """Take a shop into the coalition and give its owner's key, which signed too, the owner's role."""
    if SHOPS.get(ctx.state, body.shop.encode()) is not None:
        return Refused(codes.LOYALTY_SHOP_EXISTS)
    expires = ctx.time_s + params.get_param(ctx.state, params.AGENT_ROLE_MAX_S)
    owner = grant_role(
        ctx.state,
        role="shop_owner",
        holder=SHOP_PREFIX + body.shop,
        jwk=body.owner_key,
        granted_by=ctx.sender,
        expires=expires,
        now_s=ctx.time_s,
    )
    if isinstance(owner, Refused):
        return owner
    record = ShopRecord(body.shop, body.name, owner.kid, ctx.time_s)
    SHOPS.put(ctx.state, body.shop.encode(), record)
    return Accepted({**asdict(record), "owner_expires": expires})


def apply_till(ctx: TxContext, body: LoyaltyTill) -> Outcome:
    """Register a till key of the acting shop, which signed too, with its caps."""
    shop = shop_of(ctx)
    if SHOPS.get(ctx.state, shop.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_SHOP)
    if body.cap_per_tx_points > body.cap_per_day_points:
        return Refused(codes.TX_BODY_INVALID, "cap_per_tx_points: above cap_per_day_points")
    role = grant_role(
        ctx.state,
        role="till",
        holder=ctx.sender,
        jwk=body.key,
        granted_by=ctx.sender,
        expires=body.expires,
        now_s=ctx.time_s,
    )
    if isinstance(role, Refused):
        return role
    record = TillRecord(
        shop, role.kid, body.expires, body.cap_per_tx_points, body.cap_per_day_points
    )
    TILLS.put(ctx.state, role.kid.encode(), record)
    return Accepted(
        {
            "shop": shop,
            "kid": role.kid,
            "expires": body.expires,
            "cap_per_tx_points": body.cap_per_tx_points,
            "cap_per_day_points": body.cap_per_day_points,
        }
    )


def shop_of(ctx: TxContext) -> str:
    """Slug of the acting shop; the engine has checked that the signer may act for it."""
    return ctx.sender.removeprefix(SHOP_PREFIX)


def get_acting_till(ctx: TxContext) -> TillRecord | Refused:
    """The live till that signed, or why it may not act for the shop."""
    till = TILLS.get(ctx.state, ctx.signers[0].kid.encode())
    if till is None or till.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_TILL_UNKNOWN)
    role = role_of(ctx.state, till.kid)
    if role is None or not role.is_live(ctx.time_s):
        return Refused(codes.TX_KEY_EXPIRED, "till revoked or out of date")
    return till


def get_taking_till(ctx: TxContext) -> TillRecord | Refused:
    """The live till that signed, of a shop that takes points: not of one that left or failed."""
    till = get_acting_till(ctx)
    if isinstance(till, Refused):
        return till
    return check_may_take(ctx.state, till.shop) or till


def charge_till(till: TillRecord, *, points: int, time_s: int) -> TillRecord | Refused:
    """Count points given or taken against the till's caps; a later undo does not give them back."""
    if points > till.cap_per_tx_points:
        return Refused(codes.LOYALTY_TILL_CAP, f"{till.cap_per_tx_points} points at once")
    today = time_s // SECONDS_PER_DAY
    used = (till.day_points if till.day == today else 0) + points
    if used > till.cap_per_day_points:
        return Refused(codes.LOYALTY_TILL_CAP, f"{till.cap_per_day_points} points a day")
    return replace(till, day=today, day_points=used)
