"""Lots that run out at block end, a bounded number per wallet and block.

Each wallet with lots has exactly one item in the due queue, at or before its first expiry; so the queue
grows with wallets, not with gifts; an item that leaves expired lots behind comes again with the next block.
Reads and writes: wallets, earns, totals, the due queue.  Never: expires a lot before its time.
"""

from collections import defaultdict

from msgspec.structs import replace

from chain.limits import LOYALTY_EXPIRED_LOTS
from chain.town.context import BlockContext, Overlay
from chain.town.loyalty.books import Entry, post_entries
from chain.town.loyalty.records import EARNS, Leg, Lot
from chain.town.loyalty.wallet import EXPIRE_KIND, Wallet


def expire_wallet(ctx: BlockContext, name: str) -> None:
    """Due work: take expired lots out of one wallet, a bounded number, and look again at the next expiry."""
    wallet = Wallet(ctx.state, name, ctx.time_s)
    wallet.head = replace(wallet.head, wake_s=0)
    gone = wallet.drop_expired(LOYALTY_EXPIRED_LOTS)
    wallet.save()
    if not gone:
        return  # what would have expired was spent meanwhile
    entries = []
    for programme, lots in _by_programme(gone).items():
        for lot in lots:
            count_expired(ctx.state, lot, lot.left)
        entries.append([programme, post_entries(ctx.state, programme, _expiry_of(name, lots))])
    lots_out = [[lot.lot, lot.programme, lot.issuer, lot.left] for lot in gone]
    ctx.note(EXPIRE_KIND, account=name, lots=lots_out, entries=entries)


def count_expired(state: Overlay, lot: Lot, points: int) -> None:
    """Remember on the earn that these points ran out unspent: a later reversal asks nothing for them."""
    record = EARNS.get(state, lot.ref.encode())
    assert record is not None, "every lot comes from an earn"
    EARNS.put(state, lot.ref.encode(), replace(record, expired=record.expired + points))


def expire_legs(state: Overlay, legs: list[Leg]) -> None:
    """Count legs that come back after their time, as those of an ended hold do: they run out at once."""
    for leg in legs:
        count_expired(state, leg.lot, leg.points)


def _by_programme(gone: list[Lot]) -> dict[str, list[Lot]]:
    grouped: defaultdict[str, list[Lot]] = defaultdict(list)
    for lot in gone:
        grouped[lot.programme].append(lot)
    return dict(sorted(grouped.items()))


def _expiry_of(name: str, lots: list[Lot]) -> list[Entry]:
    entries = []
    for lot in lots:
        entries.append(Entry(lot.issuer, "USR", name, -lot.left))
        entries.append(Entry(lot.issuer, "EXP", "", lot.left))
    return entries
