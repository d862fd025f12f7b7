"""Spending points at a shop by the code on the phone: all of them or none, soonest to expire first.

Reads: programme, till, account, pay code.  Writes: wallet, counter window, spend, till, totals, obligations.
Never: consumes an expired lot, a part of the amount, or one code twice.
"""

from chain.codec.canonical import b64url_encode
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.loyalty.books import Entry, post_entries
from chain.town.loyalty.expiry import load_wallet, save_wallet
from chain.town.loyalty.paycode import PayOrder, check_pay_code
from chain.town.loyalty.records import (
    PROGRAMMES,
    SPENDS,
    TILLS,
    WINDOWS,
    Leg,
    SpendRecord,
    TillRecord,
    describe_leg,
)
from chain.town.loyalty.tills import charge_till, get_acting_till
from chain.town.loyalty.wallet import take
from chain.town.schemas import LoyaltyRedeem
from chain.types import codes


def apply_redeem(ctx: TxContext, body: LoyaltyRedeem) -> Outcome:
    """Take points for a purchase; those of a closed programme stay redeemable until they expire."""
    till = get_acting_till(ctx)
    if isinstance(till, Refused):
        return till
    if PROGRAMMES.get(ctx.state, body.programme.encode()) is None:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    order = check_pay_code(ctx, body.qr, shop=till.shop, points=body.points)
    if isinstance(order, Refused):
        return order
    charged = charge_till(till, points=body.points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    wallet, legs, missing = take(
        load_wallet(ctx.state, order.account),
        body.points,
        lambda lot: lot.programme == body.programme and lot.expires_s > ctx.time_s,
    )
    if missing:
        return Refused(codes.LOYALTY_OVERDRAW)
    save_wallet(ctx.state, order.account, wallet)
    TILLS.put(ctx.state, till.kid.encode(), charged)
    WINDOWS.put(ctx.state, order.kid.encode(), order.window)
    return _book_spend(ctx, body, till=charged, order=order, legs=legs)


def _book_spend(
    ctx: TxContext,
    body: LoyaltyRedeem,
    *,
    till: TillRecord,
    order: PayOrder,
    legs: tuple[Leg, ...],
) -> Outcome:
    record = SpendRecord(
        account=order.account,
        programme=body.programme,
        shop=till.shop,
        till=till.kid,
        points=body.points,
        spent_s=ctx.time_s,
        legs=legs,
    )
    SPENDS.put(ctx.state, b64url_encode(ctx.tx_key).encode(), record)
    entries = []
    for leg in legs:
        entries.append(Entry(leg.lot.issuer, "USR", order.account, -leg.points))
        entries.append(Entry(leg.lot.issuer, "RED", till.shop, leg.points))
    return Accepted(
        {
            "account": order.account,
            "programme": body.programme,
            "shop": till.shop,
            "till": till.kid,
            "points": body.points,
            "counter": order.counter,
            "taken": [describe_leg(leg) for leg in legs],
            "entries": post_entries(ctx.state, body.programme, entries),
        }
    )
