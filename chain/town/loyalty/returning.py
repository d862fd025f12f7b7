"""How legs come back into wallets: into the very lots they came from, or what becomes of lots that expired.

Refunded points whose lot expired meanwhile come back as a lot of grace; held points whose lot expired meanwhile
run out.
Reads: earns.  Writes: earns, wallets.  Never: revives a lot that is over; the callers book.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from chain.limits import LOYALTY_GRACES
from chain.town import params
from chain.town.context import Overlay, TxContext
from chain.town.loyalty.books import move_legs, post_entries
from chain.town.loyalty.expiry import expire_legs
from chain.town.loyalty.records import (
    EARNS,
    POOLS,
    Leg,
    Lot,
    compute_lot_id,
    describe_leg,
    describe_lot,
)
from chain.town.loyalty.wallet import Wallet


def return_refund(ctx: TxContext, parts: tuple[Leg, ...], account: str) -> dict[str, list[object]]:
    """Put legs found by `to_living_wallets` back; lots of grace for those that expired."""
    returned: list[object] = []
    created: list[object] = []
    wallets: dict[str, Wallet] = {}
    for index, part in enumerate(parts):
        wallet = _open(wallets, ctx.state, part.wallet, ctx.time_s)
        if part.lot.expires_s > ctx.time_s:
            wallet.add_lot(replace(part.lot, left=part.points))
            returned.append(describe_leg(part, account))
        else:
            lot = _grace_lot(ctx, part, index)
            wallet.add_lot(lot)
            place = {} if part.wallet == account else {"wallet": part.wallet}
            created.append(describe_lot(lot) | place)
    for name in sorted(wallets):
        wallets[name].save()
    return {"returned": returned, "created": created}


def _open(wallets: dict[str, Wallet], state: Overlay, name: str, time_s: int) -> Wallet:
    if name not in wallets:
        wallets[name] = Wallet(state, name, time_s)
    return wallets[name]


def to_living_wallets(state: Overlay, parts: Iterable[Leg], account: str) -> tuple[Leg, ...]:
    """Legs of a refund, each with the wallet it goes back to: its own, except that what came out of a pool that
    nobody is in any more goes to whoever spent it."""
    moved = []
    for part in parts:
        pool = None if part.wallet == account else POOLS.get(state, part.wallet.encode())
        is_over = pool is not None and not pool.members
        moved.append(replace(part, wallet=account) if is_over else part)
    return tuple(moved)


def _grace_lot(ctx: TxContext, part: Leg, index: int) -> Lot:
    """Same issuer, rule and earn; a new name and a short life, because the old lot is worth nothing.

    An earn knows its first lots of grace; further ones are found as any other lot of their issuer is.
    """
    record = EARNS.get(ctx.state, part.lot.ref.encode())
    assert record is not None, "every lot comes from an earn"
    is_known = record.graces < LOYALTY_GRACES
    if is_known:
        EARNS.put(ctx.state, part.lot.ref.encode(), replace(record, graces=record.graces + 1))
    return replace(
        part.lot,
        expires_s=ctx.time_s + params.get_param(ctx.state, params.LOYALTY_GRACE_S),
        lot=compute_lot_id(ctx.tx_key, index),
        points=part.points,
        left=part.points,
        grace=int(is_known),
    )


def return_held(
    state: Overlay, time_s: int, programme: str, parts: tuple[Leg, ...], account: str
) -> dict[str, list[object]]:
    """Put held legs back and book it; what expired meanwhile expires at once."""
    wallets: dict[str, Wallet] = {}
    parts = to_living_wallets(state, parts, account)
    live = [part for part in parts if part.lot.expires_s > time_s]
    over = [part for part in parts if part.lot.expires_s <= time_s]
    for part in live:
        wallet = _open(wallets, state, part.wallet, time_s)
        wallet.add_lot(replace(part.lot, left=part.points))
    for name in sorted(wallets):
        wallets[name].save()
    expire_legs(state, over)
    entries = move_legs(live, "HLD", "USR") + move_legs(over, "HLD", "EXP")
    return {
        "returned": [describe_leg(part, account) for part in live],
        "expired": [describe_leg(part, account) for part in over],
        "entries": list(post_entries(state, programme, entries)),
    }
