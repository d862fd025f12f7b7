"""Reversing what a shop did: a refund of a spend, or taking back points that a returned purchase earned.

A refund gives quantities back to the very lots they came from, last taken first; a lot that expired
meanwhile comes back as a lot of grace. A refund of more lots than a wallet holds goes in parts. An earn is
taken from its own lots, then from other lots of the same issuer, and what was spent becomes a debt to that
issuer alone. Points of the earn that expired unspent are forgiven: nobody had anything from them.
Reads and writes: earns, spends, wallets, totals, obligations.  Never: another issuer's points.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chain.limits import LOYALTY_REFUND_LOTS, LOYALTY_WALLET_LOTS
from chain.town import params
from chain.town.accounts import role_of
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.loyalty.books import Entry, add_owed, post_entries
from chain.town.loyalty.expiry import load_wallet, save_wallet
from chain.town.loyalty.records import (
    EARNS,
    SPENDS,
    EarnRecord,
    Leg,
    Lot,
    SpendRecord,
    WalletRecord,
    compute_lot_id,
    describe_leg,
    describe_lot,
)
from chain.town.loyalty.tills import shop_of
from chain.town.loyalty.wallet import (
    add_lots,
    cut_refund,
    get_debt,
    take,
    with_debt,
)
from chain.town.schemas import LoyaltyReverse
from chain.types import codes

OWNER_ROLE: Final = "shop_owner"
WALLET_LOTS_MAX: Final = LOYALTY_WALLET_LOTS + LOYALTY_REFUND_LOTS
"""Lots in a wallet however it was filled."""


def apply_reverse(ctx: TxContext, body: LoyaltyReverse) -> Outcome:
    """Reverse `points` of an earn or of a redemption that the acting shop made."""
    earn = EARNS.get(ctx.state, body.ref.encode())
    if earn is not None:
        refused = _check_reversal(ctx, body, earn, earn.earned_s)
        return refused or _reverse_earn(ctx, body, earn)
    spend = SPENDS.get(ctx.state, body.ref.encode())
    if spend is not None:
        refused = _check_reversal(ctx, body, spend, spend.spent_s)
        return refused or _refund_spend(ctx, body, spend)
    return Refused(codes.LOYALTY_UNKNOWN_REFERENCE)


def _check_reversal(
    ctx: TxContext, body: LoyaltyReverse, record: EarnRecord | SpendRecord, done_s: int
) -> Refused | None:
    if record.shop != shop_of(ctx):
        return Refused(codes.LOYALTY_UNKNOWN_REFERENCE)
    if not _may_reverse(ctx, record.till, done_s):
        return Refused(codes.LOYALTY_REVERSAL_LATE)
    left = record.points - record.reversed
    if body.points > left:
        return Refused(codes.LOYALTY_REVERSAL_EXCEEDS, f"{left} points left to reverse")
    return None


def _may_reverse(ctx: TxContext, till_kid: str, done_s: int) -> bool:
    """The owner at any time; a till only its own operation, and only for a few minutes."""
    signer = role_of(ctx.state, ctx.signers[0].kid)
    if signer is None or signer.role == OWNER_ROLE:
        return signer is not None
    undo_max_s = params.get_param(ctx.state, params.TILL_UNDO_MAX_S)
    return signer.kid == till_kid and ctx.time_s - done_s <= undo_max_s


# --- an earn -------------------------------------------------------------------------------


def _reverse_earn(ctx: TxContext, body: LoyaltyReverse, earn: EarnRecord) -> Outcome:
    wallet = load_wallet(ctx.state, earn.account)
    expired = earn.expired + _count_expired_unspent(wallet, body.ref, ctx.time_s)
    wallet, own_legs, missing = take(wallet, body.points, _is_own(body.ref, ctx.time_s))
    forgiven = min(missing, expired - earn.forgiven)
    wallet, other_legs, owed = take(wallet, missing - forgiven, _is_issuers(earn, ctx.time_s))
    debt = owed + get_debt(wallet, programme=earn.programme, issuer=earn.shop)
    wallet = with_debt(wallet, programme=earn.programme, issuer=earn.shop, points=debt)
    save_wallet(ctx.state, earn.account, wallet)
    if owed:
        add_owed(ctx.state, earn.programme, earn.shop, owed)
    record = replace(earn, reversed=earn.reversed + body.points, forgiven=earn.forgiven + forgiven)
    EARNS.put(ctx.state, body.ref.encode(), record)
    legs = own_legs + other_legs
    entries = []
    for leg in legs:
        entries.append(Entry(earn.shop, "USR", earn.account, -leg.points))
        entries.append(Entry(earn.shop, "REV", "", leg.points))
    return Accepted(
        {
            "kind": "earn",
            "ref": body.ref,
            "account": earn.account,
            "programme": earn.programme,
            "shop": earn.shop,
            "points": body.points,
            "taken": [describe_leg(leg) for leg in legs],
            "forgiven": forgiven,
            "debt_added": owed,
            "debt": debt,
            "entries": post_entries(ctx.state, earn.programme, entries),
        }
    )


def _is_own(ref: str, time_s: int) -> Callable[[Lot], bool]:
    """Lots of this earn: the one it made, and lots of grace that came of it."""
    return lambda lot: lot.ref == ref and lot.expires_s > time_s


def _is_issuers(earn: EarnRecord, time_s: int) -> Callable[[Lot], bool]:
    return lambda lot: (
        lot.programme == earn.programme and lot.issuer == earn.shop and lot.expires_s > time_s
    )


def _count_expired_unspent(wallet: WalletRecord, ref: str, time_s: int) -> int:
    """Points of one earn that have expired but that block end has not collected yet."""
    return sum(lot.left for lot in wallet.lots if lot.ref == ref and lot.expires_s <= time_s)


# --- a spend -------------------------------------------------------------------------------


def _refund_spend(ctx: TxContext, body: LoyaltyReverse, spend: SpendRecord) -> Outcome:
    parts = cut_refund(spend.legs, skip=spend.reversed, points=body.points)
    returned = [part for part in parts if part.lot.expires_s > ctx.time_s]
    created = [
        _grace_lot(ctx, part, index)
        for index, part in enumerate(parts)
        if part.lot.expires_s <= ctx.time_s
    ]
    lots = [replace(part.lot, left=part.points) for part in returned] + created
    before = load_wallet(ctx.state, spend.account)
    wallet = add_lots(before, lots)
    if len(wallet.lots) > max(len(before.lots), WALLET_LOTS_MAX):
        return Refused(codes.LOYALTY_WALLET_FULL, f"{WALLET_LOTS_MAX} lots")
    save_wallet(ctx.state, spend.account, wallet)
    record = replace(spend, reversed=spend.reversed + body.points)
    SPENDS.put(ctx.state, body.ref.encode(), record)
    entries = []
    for part in parts:
        entries.append(Entry(part.lot.issuer, "USR", spend.account, part.points))
        entries.append(Entry(part.lot.issuer, "RED", spend.shop, -part.points))
    return Accepted(
        {
            "kind": "redeem",
            "ref": body.ref,
            "account": spend.account,
            "programme": spend.programme,
            "shop": spend.shop,
            "points": body.points,
            "returned": [describe_leg(part) for part in returned],
            "created": [describe_lot(lot) for lot in created],
            "entries": post_entries(ctx.state, spend.programme, entries),
        }
    )


def _grace_lot(ctx: TxContext, part: Leg, index: int) -> Lot:
    """Same issuer, rule and earn; a new name and a short life, because the old lot is worth nothing."""
    return replace(
        part.lot,
        expires_s=ctx.time_s + params.get_param(ctx.state, params.LOYALTY_GRACE_S),
        lot=compute_lot_id(ctx.tx_key, index),
        points=part.points,
        left=part.points,
    )
