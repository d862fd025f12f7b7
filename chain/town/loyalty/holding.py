"""Holds: points set aside by a code, spent in part later, given back by word or by time.

Reads and writes: holds, wallets, spends, totals, obligations, the due queue.
Never: spends more than is held, or twice.
"""

from typing import Any, Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.town import params
from chain.town.context import Accepted, BlockContext, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import cancel_due, schedule_due
from chain.town.loyalty.books import add_spent, move_legs, post_entries
from chain.town.loyalty.records import (
    HOLDS,
    SPENDS,
    HoldRecord,
    Leg,
    SpendRecord,
    describe_leg,
)
from chain.town.loyalty.returning import return_held
from chain.town.loyalty.spending import describe_taken, take_by_code
from chain.town.loyalty.tills import shop_of
from chain.town.loyalty.wallet import cut_first
from chain.town.loyalty_schemas import LoyaltyCapture, LoyaltyHold, LoyaltyRelease
from chain.town.settlement.standing import check_may_take
from chain.types import codes

HOLD_KIND: Final = "loyalty.hold"


def apply_hold(ctx: TxContext, body: LoyaltyHold) -> Outcome:
    """Set points aside for the acting shop until captured, released or `expires`."""
    longest = params.get_param(ctx.state, params.LOYALTY_HOLD_MAX_S)
    if not ctx.time_s < body.expires <= ctx.time_s + longest:
        return Refused(codes.TX_BODY_INVALID, f"expires: within {longest} s")
    taken = take_by_code(ctx, programme=body.programme, points=body.points, qr=body.qr)
    if isinstance(taken, Refused):
        return taken
    record = HoldRecord(
        account=taken.account,
        programme=body.programme,
        shop=taken.till.shop,
        till=taken.till.kid,
        points=body.points,
        held_s=ctx.time_s,
        expires_s=body.expires,
        legs=taken.legs,
    )
    open_hold(ctx.state, b64url_encode(ctx.tx_key), record)
    facts = describe_taken(ctx.state, taken, target="HLD")
    return Accepted(facts | {"expires": body.expires})


def open_hold(state: Overlay, ref: str, record: HoldRecord) -> None:
    """Keep a hold, and see to its end; the caller has taken the legs and books them."""
    HOLDS.put(state, ref.encode(), record)
    schedule_due(state, record.expires_s, HOLD_KIND, ref)


def apply_capture(ctx: TxContext, body: LoyaltyCapture) -> Outcome:
    """Spend part of a hold: the points first taken. The rest goes back.

    A shop that left or failed meanwhile takes no more points, so it can only release, or let time do it.
    """
    hold = _get_open_hold(ctx, body.hold)
    if isinstance(hold, Refused):
        return hold
    refused = check_may_take(ctx.state, hold.shop)
    if refused is not None:
        return refused
    if body.points > hold.points:
        return Refused(codes.LOYALTY_CAPTURE_EXCEEDS, f"{hold.points} points held")
    spent, rest = cut_first(hold.legs, body.points)
    released = close_hold(ctx.state, ctx.time_s, body.hold, hold, status="captured", rest=rest)
    record = SpendRecord(
        account=hold.account,
        programme=hold.programme,
        shop=hold.shop,
        till=ctx.signers[0].kid,
        points=body.points,
        spent_s=ctx.time_s,
        legs=spent,
        kind="capture",
        of=body.hold,
    )
    SPENDS.put(ctx.state, b64url_encode(ctx.tx_key).encode(), record)
    facts = _book_capture(ctx.state, record)
    facts["entries"] = facts["entries"] + released.pop("entries")
    return Accepted({"hold": body.hold, **facts, **released})


def _book_capture(state: Overlay, record: SpendRecord) -> dict[str, Any]:
    add_spent(state, record.programme, record.shop, record.legs)
    entries = move_legs(record.legs, "HLD", "RED", target_name=record.shop)
    return {
        "account": record.account,
        "programme": record.programme,
        "shop": record.shop,
        "till": record.till,
        "points": record.points,
        "taken": [describe_leg(leg, record.account) for leg in record.legs],
        "entries": post_entries(state, record.programme, entries),
    }


def apply_release(ctx: TxContext, body: LoyaltyRelease) -> Outcome:
    """Give all of a hold back."""
    hold = _get_open_hold(ctx, body.hold)
    if isinstance(hold, Refused):
        return hold
    released = close_hold(ctx.state, ctx.time_s, body.hold, hold, status="released", rest=hold.legs)
    return Accepted(_describe_release(body.hold, hold) | released)


def end_hold(ctx: BlockContext, ref: str) -> None:
    """Due work: nobody captured a hold in time."""
    hold = HOLDS.get(ctx.state, ref.encode())
    assert hold is not None, "only known holds end"
    if hold.status == "open":
        released = close_hold(ctx.state, ctx.time_s, ref, hold, status="timeout", rest=hold.legs)
        ctx.note(HOLD_KIND, **_describe_release(ref, hold), **released)


def _describe_release(ref: str, hold: HoldRecord) -> dict[str, Any]:
    return {
        "hold": ref,
        "account": hold.account,
        "programme": hold.programme,
        "shop": hold.shop,
        "points": hold.points,
    }


def _get_open_hold(ctx: TxContext, ref: str) -> HoldRecord | Refused:
    hold = find_hold(ctx.state, ref)
    if hold is None or hold.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_UNKNOWN_REFERENCE)
    if hold.status != "open" or hold.expires_s <= ctx.time_s:
        return Refused(codes.LOYALTY_HOLD_ENDED, hold.status)
    return hold


def find_hold(state: Reader, ref: str) -> HoldRecord | None:
    """The hold made by the transaction of that payload hash, or None."""
    return HOLDS.get(state, ref.encode())


def close_hold(
    state: Overlay,
    time_s: int,
    ref: str,
    hold: HoldRecord,
    *,
    status: str,
    rest: tuple[Leg, ...],
) -> dict[str, Any]:
    """End a hold and give `rest` back, booked; the caller books what is not in it."""
    HOLDS.put(state, ref.encode(), replace(hold, status=status))
    cancel_due(state, hold.expires_s, HOLD_KIND, ref)
    return return_held(state, time_s, hold.programme, rest, hold.account)
