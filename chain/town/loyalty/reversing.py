"""Reversing what a shop did: a refund of a spend, or taking back points that a returned purchase earned.

A refund gives quantities back to the very lots they came from, last taken first; a lot that expired
meanwhile comes back as a lot of grace. An earn is taken from what still cools off, then from its own lots (in
the earner's wallet and household), then from other lots of the same issuer, and what was spent becomes a debt
to that issuer alone. Points of the earn that expired unspent are forgiven: nobody had anything from them.
Reads and writes: earns, spends, wallets, totals, obligations, counters.  Never: another issuer's points.
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from chain.limits import LOYALTY_LEGS
from chain.town import params
from chain.town.accounts import role_of
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.due import cancel_due
from chain.town.loyalty.books import Entry, add_owed, add_spent, move_legs, post_entries
from chain.town.loyalty.earning import add_campaign_bonus, add_tier_points
from chain.town.loyalty.giving import ACTIVATE_KIND
from chain.town.loyalty.records import (
    EARNS,
    EVENT_ACCOUNTS,
    GRACES,
    PROGRAMMES,
    REWARD_ACCOUNTS,
    REWARDS,
    SPENDS,
    VERSIONS,
    CounterRecord,
    EarnRecord,
    Leg,
    Lot,
    SpendRecord,
    describe_leg,
    joined_id,
    version_id,
)
from chain.town.loyalty.returning import return_refund, to_living_wallets
from chain.town.loyalty.tills import shop_of
from chain.town.loyalty.vouchers import refund_voucher
from chain.town.loyalty.wallet import Wallet, cut_refund, take
from chain.town.schemas import LoyaltyReverse
from chain.types import codes

OWNER_ROLE: Final = "shop_owner"


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
    wallet = Wallet(ctx.state, earn.account, ctx.time_s)
    cooled = min(body.points, earn.pending)
    found = _take_back(ctx, wallet, earn, body.ref, body.points - cooled)
    if isinstance(found, Refused):
        return found
    legs, forgiven, owed = found
    position = wallet.get_position(earn.programme, earn.shop)
    debt = position.debt + owed
    wallet.set_position(replace(position, debt=debt, pending=position.pending - cooled))
    wallet.save()
    if owed:
        add_owed(ctx.state, earn.programme, earn.shop, owed)
    if cooled and cooled == earn.pending:
        cancel_due(ctx.state, earn.due_s, ACTIVATE_KIND, body.ref)
    record = replace(
        earn,
        reversed=earn.reversed + body.points,
        forgiven=earn.forgiven + forgiven,
        pending=earn.pending - cooled,
    )
    EARNS.put(ctx.state, body.ref.encode(), record)
    count_reversal(ctx.state, record, body.points, ctx.time_s)
    entries = move_legs(legs, "USR", "REV")
    entries += [Entry(earn.shop, "PND", "", -cooled), Entry(earn.shop, "REV", "", cooled)]
    return Accepted(
        {
            "kind": "earn",
            "ref": body.ref,
            "account": earn.account,
            "programme": earn.programme,
            "shop": earn.shop,
            "points": body.points,
            "cancelled": cooled,
            "taken": [describe_leg(leg, earn.account) for leg in legs],
            "forgiven": forgiven,
            "debt_added": owed,
            "debt": debt,
            "entries": post_entries(ctx.state, earn.programme, entries),
        }
    )


def _take_back(
    ctx: TxContext, wallet: Wallet, earn: EarnRecord, ref: str, points: int
) -> tuple[tuple[Leg, ...], int, int] | Refused:
    """Legs taken (own lots first), points forgiven because they expired unspent, and points owed."""
    wallets = [wallet]
    if wallet.head.pool:
        wallets.append(Wallet(ctx.state, wallet.head.pool, ctx.time_s))
    own_legs = take_own_lots(ctx.state, wallets, earn, ref, points)
    missing = points - sum(leg.points for leg in own_legs)
    over = _count_expired_unspent(ctx.state, wallets, earn, ref)
    forgiven = min(missing, earn.expired + over - earn.forgiven)
    other_legs, owed = take(
        [wallet],
        missing - forgiven,
        programme=earn.programme,
        legs_max=LOYALTY_LEGS,
        issuer=earn.shop,
    )
    is_cut = (missing and len(own_legs) == LOYALTY_LEGS) or (
        owed and len(other_legs) == LOYALTY_LEGS
    )
    if is_cut:
        return Refused(codes.LOYALTY_TOO_MANY_LOTS, f"{LOYALTY_LEGS} lots at once")
    for pool in wallets[1:]:
        pool.save()
    return (*own_legs, *other_legs), forgiven, owed


def own_lots(
    state: Reader, wallets: list[Wallet], earn: EarnRecord, ref: str
) -> Iterator[tuple[Wallet, Lot]]:
    """What is left of an earn in these wallets: the lot it made, and lots of grace that came of it."""
    for wallet in wallets:
        lot = wallet.get_lot(earn.programme, earn.shop, earn.lot_key) if earn.lot else None
        if lot is not None:
            yield wallet, lot
        start = joined_id(ref, wallet.name, "")
        graces = list(GRACES.scan(state, start, start + b"\x7f")) if earn.graces else []
        for _, grace in sorted(graces, key=lambda found: found[1].key):
            lot = wallet.get_lot(earn.programme, earn.shop, grace.key)
            assert lot is not None, "the index names lots that are there"
            yield wallet, lot


def take_own_lots(
    state: Reader, wallets: list[Wallet], earn: EarnRecord, ref: str, points: int
) -> list[Leg]:
    """Take up to `points` off an earn's own live lots, a bounded number of them; the caller saves the wallets."""
    legs: list[Leg] = []
    for wallet, lot in own_lots(state, wallets, earn, ref):
        if not points or len(legs) == LOYALTY_LEGS:
            break
        if lot.expires_s > wallet.time_s:
            legs.append(wallet.take_lot(lot, min(points, lot.left)))
            points -= legs[-1].points
    return legs


def _count_expired_unspent(state: Reader, wallets: list[Wallet], earn: EarnRecord, ref: str) -> int:
    """Points of one earn that have expired but that block end has not collected yet."""
    lots = own_lots(state, wallets, earn, ref)
    return sum(lot.left for wallet, lot in lots if lot.expires_s <= wallet.time_s)


def count_reversal(state: Overlay, record: EarnRecord, points: int, time_s: int) -> None:
    """Undo what the earn counted for: the tier at once, event and campaign once nothing of it is left."""
    programme = PROGRAMMES.get(state, record.programme.encode())
    assert programme is not None, "an earn has a programme"
    rule = VERSIONS.get(state, version_id(record.programme, programme.version))
    assert rule is not None, "the version in force is on record"
    add_tier_points(state, rule, record, -points, time_s)
    if record.reversed < record.points:
        return
    add_campaign_bonus(state, record, -record.bonus)
    if record.event:
        counter_id = joined_id(record.programme, record.event, record.account)
        counter = EVENT_ACCOUNTS.get(state, counter_id)
        assert counter is not None, "an event given was counted"
        EVENT_ACCOUNTS.put(state, counter_id, CounterRecord(counter.count - 1))


# --- a spend -------------------------------------------------------------------------------


def _refund_spend(ctx: TxContext, body: LoyaltyReverse, spend: SpendRecord) -> Outcome:
    if spend.kind == "reward" and body.points != spend.points:
        return Refused(codes.LOYALTY_REVERSAL_EXCEEDS, "a reward is returned as a whole")
    record = replace(spend, reversed=spend.reversed + body.points)
    SPENDS.put(ctx.state, body.ref.encode(), record)
    if spend.kind == "voucher":
        return Accepted(
            _describe_refund(body, spend) | refund_voucher(ctx.state, spend, body.points)
        )
    cut = cut_refund(spend.legs, skip=spend.reversed, points=body.points)
    parts = to_living_wallets(ctx.state, cut, spend.account)
    back = return_refund(ctx, parts, spend.account)
    if spend.kind == "reward":
        _restock(ctx.state, spend)
    add_spent(ctx.state, spend.programme, spend.shop, parts, sign=-1)
    entries = []
    for part in parts:
        entries.append(Entry(part.lot.issuer, "USR", part.wallet, part.points))
        entries.append(Entry(part.lot.issuer, "RED", spend.shop, -part.points))
    booked = post_entries(ctx.state, spend.programme, entries)
    return Accepted(_describe_refund(body, spend) | back | {"entries": booked})


def _describe_refund(body: LoyaltyReverse, spend: SpendRecord) -> dict[str, Any]:
    return {
        "kind": "redeem" if spend.kind == "capture" else spend.kind,
        "ref": body.ref,
        "account": spend.account,
        "programme": spend.programme,
        "shop": spend.shop,
        "points": body.points,
    }


def _restock(state: Overlay, spend: SpendRecord) -> None:
    reward = REWARDS.get(state, spend.of.encode())
    counter_id = joined_id(spend.of, spend.account)
    counter = REWARD_ACCOUNTS.get(state, counter_id)
    assert reward is not None, "a reward taken is on record"
    assert counter is not None, "who took it was counted"
    terms = replace(reward.terms, stock=reward.terms.stock + 1)
    REWARDS.put(state, spend.of.encode(), replace(reward, terms=terms, taken=reward.taken - 1))
    REWARD_ACCOUNTS.put(state, counter_id, CounterRecord(counter.count - 1))
