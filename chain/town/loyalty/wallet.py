"""Lots of one wallet, as pure functions on values: take in order, give back, age, owe.

Reads: a wallet.  Writes: a new wallet.  Never: looks at state; the callers book what these functions return.
"""

from bisect import insort
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from chain.town.loyalty.records import Debt, Leg, Lot, WalletRecord


def get_debt(wallet: WalletRecord, *, programme: str, issuer: str) -> int:
    """Points owed to one issuer."""
    return sum(
        debt.points
        for debt in wallet.debts
        if debt.programme == programme and debt.issuer == issuer
    )


def with_debt(wallet: WalletRecord, *, programme: str, issuer: str, points: int) -> WalletRecord:
    """The wallet owing exactly `points` to one issuer."""
    assert points >= 0, "a debt is never negative"
    others = [
        debt for debt in wallet.debts if not (debt.programme == programme and debt.issuer == issuer)
    ]
    if points:
        insort(others, Debt(programme, issuer, points))
    return replace(wallet, debts=tuple(others))


def take(
    wallet: WalletRecord, points: int, is_eligible: Callable[[Lot], bool]
) -> tuple[WalletRecord, tuple[Leg, ...], int]:
    """Take up to `points` from eligible lots in spending order.

    Returns the new wallet, the legs in the order they were taken, and how many points were not found.
    """
    kept: list[Lot] = []
    legs: list[Leg] = []
    missing = points
    for lot in wallet.lots:
        taken = min(missing, lot.left) if missing and is_eligible(lot) else 0
        if taken:
            legs.append(Leg(lot, taken))
            missing -= taken
        if lot.left > taken:
            kept.append(replace(lot, left=lot.left - taken) if taken else lot)
    return replace(wallet, lots=tuple(kept)), tuple(legs), missing


def add_lots(wallet: WalletRecord, lots: Iterable[Lot]) -> WalletRecord:
    """The wallet with more lots, each in its place; one that is there already grows by `left`."""
    held = {lot.lot: lot for lot in wallet.lots}
    for lot in lots:
        present = held.get(lot.lot)
        left = lot.left + (present.left if present else 0)
        assert 0 < left <= lot.points, "a lot holds something, and never more than it was given"
        held[lot.lot] = replace(lot, left=left) if present else lot
    return replace(wallet, lots=tuple(sorted(held.values())))


def drop_expired(
    wallet: WalletRecord, time_s: int, *, count_max: int
) -> tuple[WalletRecord, tuple[Lot, ...]]:
    """Split off the lots that are worth nothing at `time_s`, the oldest `count_max` of them."""
    gone = tuple(lot for lot in wallet.lots[:count_max] if lot.expires_s <= time_s)
    if not gone:
        return wallet, ()
    return replace(wallet, lots=wallet.lots[len(gone) :]), gone


def cut_refund(legs: Iterable[Leg], *, skip: int, points: int) -> tuple[Leg, ...]:
    """The part of a spend's legs that a refund gives back: last taken first, `skip` points already given back."""
    parts: list[Leg] = []
    for leg in reversed(tuple(legs)):
        skipped = min(skip, leg.points)
        part = min(points, leg.points - skipped)
        skip -= skipped
        points -= part
        if part:
            parts.append(Leg(leg.lot, part))
    assert points == 0, "a refund never exceeds its spend"
    return tuple(parts)
