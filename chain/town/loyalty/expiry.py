"""Wallets as they are kept: loading, saving with their next expiry, and expiring at block end.

Each wallet with lots has exactly one item in the due queue, at or before its first expiry; so the queue
grows with wallets, not with gifts; an item that leaves expired lots behind comes again with the next block.
Reads and writes: wallets, earns, totals, the due queue.  Never: expires a lot before its time.
"""

from collections import defaultdict
from typing import Final

from msgspec.structs import replace

from chain.limits import LOYALTY_EXPIRED_LOTS
from chain.town.context import BlockContext, Overlay, Reader
from chain.town.due import cancel_due, schedule_due
from chain.town.loyalty.books import Entry, post_entries
from chain.town.loyalty.records import EARNS, WALLETS, Lot, WalletRecord
from chain.town.loyalty.wallet import drop_expired

EXPIRE_KIND: Final = "loyalty.expire"
_NO_WALLET: Final = WalletRecord()


def load_wallet(state: Reader, account: str) -> WalletRecord:
    """The account's wallet, empty before its first point."""
    return WALLETS.get(state, account.encode()) or _NO_WALLET


def save_wallet(state: Overlay, account: str, wallet: WalletRecord) -> None:
    """Write the wallet and make sure that the first of its lots will expire in time."""
    if wallet.lots and not 0 < wallet.wake_s <= wallet.lots[0].expires_s:
        wake_s = wallet.lots[0].expires_s
        if wallet.wake_s:
            cancel_due(state, wallet.wake_s, EXPIRE_KIND, account)
        schedule_due(state, wake_s, EXPIRE_KIND, account)
        wallet = replace(wallet, wake_s=wake_s)
    WALLETS.put(state, account.encode(), wallet)


def expire_wallet(ctx: BlockContext, account: str) -> None:
    """Due work: take expired lots out of one wallet, a bounded number, and look again at the next expiry."""
    held = load_wallet(ctx.state, account)
    wallet, gone = drop_expired(held, ctx.time_s, count_max=LOYALTY_EXPIRED_LOTS)
    save_wallet(ctx.state, account, replace(wallet, wake_s=0))
    if not gone:
        return  # what would have expired was spent meanwhile
    entries = []
    for programme, lots in _by_programme(gone).items():
        for lot in lots:
            count_expired(ctx.state, lot)
        entries.append([programme, post_entries(ctx.state, programme, _expiry_of(account, lots))])
    lots_out = [[lot.lot, lot.programme, lot.issuer, lot.left] for lot in gone]
    ctx.note(EXPIRE_KIND, account=account, lots=lots_out, entries=entries)


def count_expired(state: Overlay, lot: Lot) -> None:
    """Remember on the earn that these points ran out unspent: a later reversal asks nothing for them."""
    record = EARNS.get(state, lot.ref.encode())
    assert record is not None, "every lot comes from an earn"
    EARNS.put(state, lot.ref.encode(), replace(record, expired=record.expired + lot.left))


def _by_programme(lots: tuple[Lot, ...]) -> dict[str, list[Lot]]:
    grouped: defaultdict[str, list[Lot]] = defaultdict(list)
    for lot in lots:
        grouped[lot.programme].append(lot)
    return dict(sorted(grouped.items()))


def _expiry_of(account: str, lots: list[Lot]) -> list[Entry]:
    entries = []
    for lot in lots:
        entries.append(Entry(lot.issuer, "USR", account, -lot.left))
        entries.append(Entry(lot.issuer, "EXP", "", lot.left))
    return entries
