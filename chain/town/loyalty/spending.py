"""Spending points at a shop by the code on the phone: all of them or none, soonest to expire first.

A member of a household pool spends out of both wallets, in one order. A hold is a spend that is not decided yet:
its points have left the wallets, so they neither expire nor count as available.
Reads: programme, till, account, pay code, staff.  Writes: wallets, counter window, spend, till, books.
Never: consumes an expired lot, a part of the amount, or one code twice.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.limits import LOYALTY_LEGS
from chain.town import params
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.loyalty.books import add_spent, move_legs, post_entries
from chain.town.loyalty.giving import check_not_staff
from chain.town.loyalty.paycode import check_pay_code
from chain.town.loyalty.records import (
    PROGRAMMES,
    SPENDS,
    TILLS,
    VERSIONS,
    WINDOWS,
    Leg,
    ProgrammeRecord,
    SpendRecord,
    TillRecord,
    describe_leg,
    version_id,
)
from chain.town.loyalty.tills import charge_till, get_taking_till
from chain.town.loyalty.wallet import Wallet, take
from chain.town.loyalty_rules import SECONDS_PER_HOUR
from chain.town.schemas import LoyaltyRedeem
from chain.types import codes


@dataclass(frozen=True, slots=True)
class Taken:
    """Points that have left an account's wallets, by its code or its signature, and at which till."""

    till: TillRecord
    account: str
    programme: str
    legs: tuple[Leg, ...]
    counter: int | None = None
    """Of the pay code; an invoice has none."""

    @property
    def points(self) -> int:
        """All legs together."""
        return sum(leg.points for leg in self.legs)


def apply_redeem(ctx: TxContext, body: LoyaltyRedeem) -> Outcome:
    """Take points for a purchase; those of a closed programme stay redeemable until they expire."""
    taken = take_by_code(ctx, programme=body.programme, points=body.points, qr=body.qr)
    return taken if isinstance(taken, Refused) else book_spend(ctx, taken)


def take_by_code(ctx: TxContext, *, programme: str, points: int, qr: str) -> Taken | Refused:
    """Judge till, code and limits, and take the points out of the holder's wallets."""
    till = get_taking_till(ctx)
    if isinstance(till, Refused):
        return till
    record = PROGRAMMES.get(ctx.state, programme.encode())
    if record is None or not record.version:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    order = check_pay_code(ctx, qr, shop=till.shop, points=points)
    if isinstance(order, Refused):
        return order
    refused = check_not_staff(ctx.state, till.shop, order.account)
    if refused is not None:
        return refused
    charged = charge_till(till, points=points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    legs = take_from_account(
        ctx,
        order.account,
        programme=programme,
        points=points,
        first_issuer=own_first(ctx.state, record, till.shop),
    )
    if isinstance(legs, Refused):
        return legs
    TILLS.put(ctx.state, till.kid.encode(), charged)
    WINDOWS.put(ctx.state, order.kid.encode(), order.window)
    return Taken(charged, order.account, programme, legs, order.counter)


def own_first(state: Reader, programme: ProgrammeRecord, shop: str) -> str:
    """The shop, when the version in force has it take its own points before others'; else empty."""
    found = VERSIONS.get(state, version_id(programme.programme, programme.version))
    assert found is not None, "the version in force is on record"
    return shop if found.terms.spend_own_first else ""


def take_from_account(
    ctx: TxContext, account: str, *, programme: str, points: int, first_issuer: str = ""
) -> tuple[Leg, ...] | Refused:
    """Take exactly `points` from an account and its household's pool, or refuse; the account's speed is counted."""
    own = Wallet(ctx.state, account, ctx.time_s)
    refused = count_spend(ctx.state, own)
    if refused is not None:
        return refused
    wallets = [own]
    if own.head.pool:
        wallets.append(Wallet(ctx.state, own.head.pool, ctx.time_s))
    return take_exactly(wallets, points, programme=programme, first_issuer=first_issuer)


def take_exactly(
    wallets: list[Wallet], points: int, *, programme: str, first_issuer: str = ""
) -> tuple[Leg, ...] | Refused:
    """Take exactly `points` in spending order and save the wallets, or refuse."""
    legs, missing = take(
        wallets,
        points,
        programme=programme,
        legs_max=LOYALTY_LEGS,
        first_issuer=first_issuer,
    )
    if missing:
        is_full = len(legs) == LOYALTY_LEGS
        code = codes.LOYALTY_TOO_MANY_LOTS if is_full else codes.LOYALTY_OVERDRAW
        return Refused(code, f"{LOYALTY_LEGS} lots at once" if is_full else "")
    for wallet in wallets:
        wallet.save()
    return legs


def count_spend(state: Reader, wallet: Wallet) -> Refused | None:
    """Charge one spend, hold or transfer to the account's hour."""
    hour = wallet.time_s // SECONDS_PER_HOUR
    spends = (wallet.head.hour_spends if wallet.head.hour == hour else 0) + 1
    limit = params.get_param(state, params.LOYALTY_SPENDS_PER_HOUR)
    if spends > limit:
        return Refused(codes.LOYALTY_VELOCITY, f"{limit} an hour")
    wallet.head = replace(wallet.head, hour=hour, hour_spends=spends)
    return None


def book_spend(ctx: TxContext, taken: Taken, *, kind: str = "redeem", of: str = "") -> Accepted:
    """Record a decided spend and book it; issuers owe the shop from here on."""
    shop, account = taken.till.shop, taken.account
    record = SpendRecord(
        account=account,
        programme=taken.programme,
        shop=shop,
        till=taken.till.kid,
        points=taken.points,
        spent_s=ctx.time_s,
        legs=taken.legs,
        kind=kind,
        of=of,
    )
    SPENDS.put(ctx.state, b64url_encode(ctx.tx_key).encode(), record)
    add_spent(ctx.state, taken.programme, shop, taken.legs)
    return Accepted(describe_taken(ctx.state, taken, target="RED"))


def describe_taken(state: Overlay, taken: Taken, *, target: str) -> dict[str, object]:
    """Book legs onto their new holder, `RED` or `HLD`; result data of the operation."""
    shop, account = taken.till.shop, taken.account
    counter = {} if taken.counter is None else {"counter": taken.counter}
    if target == "RED":
        entries = move_legs(taken.legs, "USR", "RED", target_name=shop)
    else:
        entries = move_legs(taken.legs, "USR", "HLD")
    return {
        "account": account,
        "programme": taken.programme,
        "shop": shop,
        "till": taken.till.kid,
        "points": taken.points,
        **counter,
        "taken": [describe_leg(leg, account) for leg in taken.legs],
        "entries": post_entries(state, taken.programme, entries),
    }
