"""Points from hand to hand: transfers, and households that keep a pool.

A lot keeps its name, issuer, expiry and earn wherever it goes, so no ping-pong keeps points alive. A programme says who
may give to whom; nobody gives points away while owing some. Members of a pool spend out of it with their own codes.
Reads: programmes, accounts.  Writes: wallets, pools, totals.  Never: changes what a lot says but its owner.
"""

from msgspec.structs import replace

from chain.codec.canonical import b64url_encode
from chain.limits import LOYALTY_POOL_MEMBERS, LOYALTY_POSITIONS
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.loyalty.books import Entry, post_entries
from chain.town.loyalty.giving import check_receiver
from chain.town.loyalty.records import (
    POOLS,
    PROGRAMMES,
    VERSIONS,
    Leg,
    PoolRecord,
    describe_leg,
    version_id,
)
from chain.town.loyalty.spending import count_spend, take_exactly
from chain.town.loyalty.wallet import Wallet, load_head
from chain.town.loyalty_schemas import (
    LoyaltyPoolInvite,
    LoyaltyPoolJoin,
    LoyaltyPoolLeave,
    LoyaltyPoolOpen,
    LoyaltyPoolWithdraw,
    LoyaltyTransfer,
)
from chain.types import codes


def apply_transfer(ctx: TxContext, body: LoyaltyTransfer) -> Outcome:
    """Give points to an account or to the own pool, as the programme allows."""
    own = Wallet(ctx.state, ctx.sender, ctx.time_s)
    is_pool = body.to == own.head.pool
    refused = _check_allowed(ctx.state, body.programme, is_pool=is_pool)
    if refused is None and not is_pool:
        refused = check_receiver(ctx.state, body.to)
    if refused is not None:
        return refused
    if body.to == ctx.sender:
        return Refused(codes.TX_BODY_INVALID, "to: the sender")
    if own.count_debts(body.programme):
        return Refused(codes.LOYALTY_IN_DEBT)
    return _move(ctx, own, body.to, programme=body.programme, points=body.points, charged=own)


def apply_pool_withdraw(ctx: TxContext, body: LoyaltyPoolWithdraw) -> Outcome:
    """Take points out of the own pool into the own wallet."""
    own = Wallet(ctx.state, ctx.sender, ctx.time_s)
    if own.head.pool != body.pool:
        return Refused(codes.LOYALTY_NOT_IN_POOL)
    pool = Wallet(ctx.state, body.pool, ctx.time_s)
    return _move(ctx, pool, ctx.sender, programme=body.programme, points=body.points, charged=own)


def _check_allowed(state: Reader, programme: str, *, is_pool: bool) -> Refused | None:
    record = PROGRAMMES.get(state, programme.encode())
    if record is None or not record.version:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    version = VERSIONS.get(state, version_id(programme, record.version))
    assert version is not None, "the version in force is on record"
    allowed = ("household", "anyone") if is_pool else ("anyone",)
    is_allowed = version.terms.transfers in allowed
    return None if is_allowed else Refused(codes.LOYALTY_NOT_TRANSFERABLE)


def _move(
    ctx: TxContext, source: Wallet, to: str, *, programme: str, points: int, charged: Wallet
) -> Outcome:
    """Move points in spending order out of one wallet into another; `charged` pays with its speed."""
    refused = count_spend(ctx.state, charged)
    if refused is not None:
        return refused
    charged.save()
    legs = take_exactly([source], points, programme=programme)
    if isinstance(legs, Refused):
        return legs
    target = Wallet(ctx.state, to, ctx.time_s)
    for leg in legs:
        if not target.has_room(programme, leg.lot.issuer):
            return Refused(codes.LOYALTY_WALLET_FULL, f"{LOYALTY_POSITIONS} shops")
        target.add_lot(replace(leg.lot, left=leg.points))
    target.save()
    entries = _entries(legs, to)
    return Accepted(
        {
            "account": ctx.sender,
            "from": source.name,
            "to": to,
            "programme": programme,
            "points": points,
            "taken": [describe_leg(leg, ctx.sender) for leg in legs],
            "entries": post_entries(ctx.state, programme, entries),
        }
    )


def _entries(legs: tuple[Leg, ...], to: str) -> list[Entry]:
    entries = []
    for leg in legs:
        entries.append(Entry(leg.lot.issuer, "USR", leg.wallet, -leg.points))
        entries.append(Entry(leg.lot.issuer, "USR", to, leg.points))
    return entries


# --- households ----------------------------------------------------------------------------


def apply_pool_open(ctx: TxContext, body: LoyaltyPoolOpen) -> Outcome:
    """Found a pool; an account is in one at most."""
    head = load_head(ctx.state, ctx.sender)
    if head.pool:
        return Refused(codes.LOYALTY_IN_POOL)
    pool = b64url_encode(ctx.tx_key)
    POOLS.put(ctx.state, pool.encode(), PoolRecord((ctx.sender,)))
    _enter(ctx, ctx.sender, pool)
    return Accepted({"pool": pool, "members": [ctx.sender]})


def apply_pool_invite(ctx: TxContext, body: LoyaltyPoolInvite) -> Outcome:
    """Invite an account; the founder alone does."""
    record = POOLS.get(ctx.state, body.pool.encode())
    if record is None or not record.members or record.members[0] != ctx.sender:
        return Refused(codes.LOYALTY_NOT_IN_POOL)
    refused = check_receiver(ctx.state, body.account)
    if refused is not None:
        return refused
    if body.account in record.members or body.account in record.invited:
        return Refused(codes.LOYALTY_IN_POOL)
    if len(record.members) + len(record.invited) >= LOYALTY_POOL_MEMBERS:
        return Refused(codes.LOYALTY_POOL_FULL, f"{LOYALTY_POOL_MEMBERS} members")
    invited = (*record.invited, body.account)
    POOLS.put(ctx.state, body.pool.encode(), replace(record, invited=invited))
    return Accepted({"pool": body.pool, "invited": list(invited)})


def apply_pool_join(ctx: TxContext, body: LoyaltyPoolJoin) -> Outcome:
    """Accept an invitation."""
    record = POOLS.get(ctx.state, body.pool.encode())
    if record is None or ctx.sender not in record.invited:
        return Refused(codes.LOYALTY_NOT_IN_POOL)
    if load_head(ctx.state, ctx.sender).pool:
        return Refused(codes.LOYALTY_IN_POOL)
    members = (*record.members, ctx.sender)
    invited = tuple(name for name in record.invited if name != ctx.sender)
    POOLS.put(ctx.state, body.pool.encode(), PoolRecord(members, invited))
    _enter(ctx, ctx.sender, body.pool)
    return Accepted({"pool": body.pool, "members": list(members)})


def apply_pool_leave(ctx: TxContext, body: LoyaltyPoolLeave) -> Outcome:
    """Leave, or be sent away (also as one invited) by the founder; the next member founds when the founder leaves."""
    record = POOLS.get(ctx.state, body.pool.encode())
    if record is None or not record.members or ctx.sender not in record.members:
        return Refused(codes.LOYALTY_NOT_IN_POOL)
    if body.account != ctx.sender and record.members[0] != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, "the founder sends away")
    if body.account not in (*record.members, *record.invited):
        return Refused(codes.LOYALTY_NOT_IN_POOL)
    members = tuple(name for name in record.members if name != body.account)
    if not members and any(position.lots for position in load_head(ctx.state, body.pool).positions):
        return Refused(codes.LOYALTY_POOL_NOT_EMPTY)
    invited = tuple(name for name in record.invited if name != body.account) if members else ()
    POOLS.put(ctx.state, body.pool.encode(), PoolRecord(members, invited))
    if body.account in record.members:
        _enter(ctx, body.account, "")
    return Accepted({"pool": body.pool, "left": body.account, "members": list(members)})


def _enter(ctx: TxContext, account: str, pool: str) -> None:
    wallet = Wallet(ctx.state, account, ctx.time_s)
    wallet.head = replace(wallet.head, pool=pool)
    wallet.save()
