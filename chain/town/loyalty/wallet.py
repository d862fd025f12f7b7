"""A wallet in the hand: its head and the queues of lots behind it, changed in place and saved once.

Every lot is a record of its own, under an id that sorts as lots are spent, so a sale reads and writes the lots
it touches and the head, however many others there are. The head counts each queue and knows its first lot.
Reads and writes: wallets, lots, graces, the due queue.  Never: books; the callers post what these functions return.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from chain.limits import LOYALTY_POSITIONS
from chain.town.context import Overlay, Reader
from chain.town.due import cancel_due, schedule_due
from chain.town.loyalty.records import (
    GRACES,
    LOTS,
    WALLETS,
    GraceRecord,
    Leg,
    Lot,
    Position,
    WalletRecord,
    joined_id,
    lot_id,
    position_tag,
)
from chain.town.loyalty_rules import SECONDS_PER_DAY

EXPIRE_KIND: Final = "loyalty.expire"
_NO_WALLET: Final = WalletRecord()
_EXPIRY_CHARS: Final = 11
_AFTER: Final = "\x7f"
"""Sorts behind every character of a lot's key."""

PositionName = tuple[str, str]


class Wallet:
    """One wallet during one operation; `save` writes the head if anything changed."""

    def __init__(self, state: Overlay, name: str, time_s: int) -> None:
        self._state = state
        self.name = name
        self.time_s = time_s
        self._was = load_head(state, name)
        self.head = self._was
        """All but the positions, which `save` joins again."""
        self._positions: dict[PositionName, Position] = {
            (position.programme, position.issuer): position for position in self._was.positions
        }

    # --- positions -------------------------------------------------------------------------

    def get_position(self, programme: str, issuer: str) -> Position:
        """What the wallet holds of one issuer; an empty one before the first point."""
        return self._positions.get((programme, issuer)) or Position(programme, issuer)

    def set_position(self, position: Position) -> None:
        """Replace one position."""
        assert min(position.points, position.lots, position.debt, position.pending) >= 0
        assert bool(position.lots) == bool(position.first) == bool(position.points)
        self._positions[position.programme, position.issuer] = position

    def positions_of(self, programme: str) -> list[Position]:
        """Positions with lots in one programme, by issuer."""
        return [
            position
            for (name, _), position in sorted(self._positions.items())
            if name == programme and position.lots
        ]

    def has_room(self, programme: str, issuer: str) -> bool:
        """Whether a gift of this issuer may come in: the head is read and written whole."""
        known = (programme, issuer) in self._positions
        return known or len(self._positions) < LOYALTY_POSITIONS

    def count_debts(self, programme: str) -> int:
        """Points owed to whatever issuers of one programme."""
        return sum(p.debt for (name, _), p in self._positions.items() if name == programme)

    # --- lots ------------------------------------------------------------------------------

    def get_lot(self, programme: str, issuer: str, key: str) -> Lot | None:
        """One lot by its key, or None."""
        return LOTS.get(self._state, lot_id(self.name, position_tag(programme, issuer), key))

    def add_lot(self, lot: Lot, *, is_new: bool = False) -> None:
        """Put a lot into its queue; one that is there already grows by `left`. A new one is not looked for."""
        tag = position_tag(lot.programme, lot.issuer)
        record_id = lot_id(self.name, tag, lot.key)
        held = None if is_new else LOTS.get(self._state, record_id)
        left = lot.left + (held.left if held else 0)
        assert 0 < left <= lot.points, "a lot holds something, and never more than it was given"
        LOTS.put(self._state, record_id, replace(lot, left=left))
        position = self.get_position(lot.programme, lot.issuer)
        first = min(position.first, lot.key) if position.first else lot.key
        grown = position.points + lot.left
        lots = position.lots + (held is None)
        self.set_position(replace(position, points=grown, lots=lots, first=first))
        if lot.grace and held is None:
            record = GraceRecord(self.name, lot.key)
            GRACES.put(self._state, joined_id(lot.ref, self.name, lot.lot), record)

    def take_lot(self, lot: Lot, points: int) -> Leg:
        """Take points off one lot that is there."""
        position = self.get_position(lot.programme, lot.issuer)
        is_gone = self._reduce_lot(lot, points)
        first = position.first
        if is_gone and lot.key == first:
            rest = self._scan(position, lot.key + _AFTER) if position.lots > 1 else iter(())
            first = next((other.key for other in rest), "")
        self.set_position(
            replace(
                position, points=position.points - points, lots=position.lots - is_gone, first=first
            )
        )
        return Leg(lot, points, self.name)

    def live_lots(self, position: Position) -> Iterator[Lot]:
        """Lots of a queue that are worth something now, soonest to expire first; read only as far as asked."""
        start = position.first
        if int(start[:_EXPIRY_CHARS]) > self.time_s:
            lot = self.get_lot(position.programme, position.issuer, start)
            assert lot is not None, "a queue's first lot is there"
            yield lot
            if position.lots == 1:
                return
            start += _AFTER
        else:
            start = f"{self.time_s + 1:0{_EXPIRY_CHARS}d}"
        yield from self._scan(position, start)

    def drop_expired(self, count_max: int) -> list[Lot]:
        """Take out lots that are worth nothing any more, the oldest `count_max` of each queue's, that many in all."""
        gone: list[Lot] = []
        for name in sorted(self._positions):
            position = self._positions[name]
            is_late = position.lots and int(position.first[:_EXPIRY_CHARS]) <= self.time_s
            if is_late and len(gone) < count_max:
                gone += self._drop_from(position, count_max - len(gone))
        return gone

    def _drop_from(self, position: Position, count_max: int) -> list[Lot]:
        gone: list[Lot] = []
        first = ""
        for lot in self._scan(position, position.first):
            if lot.expires_s > self.time_s or len(gone) == count_max:
                first = lot.key
                break
            gone.append(lot)
        for lot in gone:
            self._reduce_lot(lot, lot.left)
        left = position.points - sum(lot.left for lot in gone)
        self.set_position(
            replace(position, points=left, lots=position.lots - len(gone), first=first)
        )
        return gone

    def _reduce_lot(self, lot: Lot, points: int) -> bool:
        """Write what is left of a lot; whether nothing is."""
        assert 0 < points <= lot.left, "no more is taken than a lot holds"
        record_id = lot_id(self.name, position_tag(lot.programme, lot.issuer), lot.key)
        if points < lot.left:
            LOTS.put(self._state, record_id, replace(lot, left=lot.left - points))
            return False
        LOTS.delete(self._state, record_id)
        if lot.grace:
            GRACES.delete(self._state, joined_id(lot.ref, self.name, lot.lot))
        return True

    def _scan(self, position: Position, start: str) -> Iterator[Lot]:
        tag = position_tag(position.programme, position.issuer)
        stop = lot_id(self.name, tag, _AFTER)
        for _, lot in LOTS.scan(self._state, lot_id(self.name, tag, start), stop):
            yield lot

    # --- saving ----------------------------------------------------------------------------

    def save(self) -> None:
        """Write the head, and make sure that the first lot to expire is looked at in time."""
        today = self.time_s // SECONDS_PER_DAY
        kept = tuple(
            position
            for _, position in sorted(self._positions.items())
            if position.lots or position.debt or position.pending or position.day == today
        )
        head = replace(self.head, positions=kept, wake_s=self._next_wake(kept))
        if head != self._was:
            WALLETS.put(self._state, self.name.encode(), head)
            self._was = self.head = head

    def _next_wake(self, positions: Sequence[Position]) -> int:
        """The wallet's one item in the due queue stands at or before its first expiry."""
        wake_s = self.head.wake_s
        firsts = [position.first for position in positions if position.lots]
        if not firsts:
            return wake_s
        expires_s = int(min(firsts)[:_EXPIRY_CHARS])
        if 0 < wake_s <= expires_s:
            return wake_s
        if wake_s:
            cancel_due(self._state, wake_s, EXPIRE_KIND, self.name)
        schedule_due(self._state, expires_s, EXPIRE_KIND, self.name)
        return expires_s


def load_head(state: Reader, name: str) -> WalletRecord:
    """Head of a wallet, empty before its first point."""
    return WALLETS.get(state, name.encode()) or _NO_WALLET


# --- taking in spending order --------------------------------------------------------------


class _Queue:
    """One position's live lots during a spend: the next one, and how the position ends up."""

    def __init__(self, wallet: Wallet, position: Position) -> None:
        self.wallet, self.position = wallet, position
        self._lots = wallet.live_lots(position)
        self.next: Lot | None = next(self._lots, None)

    def take(self, points: int) -> Leg:
        """Up to `points` off the next lot."""
        lot, position = self.next, self.position
        assert lot is not None, "only queues with a live lot are taken from"
        taken = min(points, lot.left)
        is_gone = self.wallet._reduce_lot(lot, taken)
        if is_gone:
            self.next = next(self._lots, None)
        first = position.first
        if is_gone and first == lot.key:
            first = self.next.key if self.next else ""
        self.position = replace(
            position, points=position.points - taken, lots=position.lots - is_gone, first=first
        )
        self.wallet.set_position(self.position)
        return Leg(lot, taken, self.wallet.name)


def take(
    wallets: Sequence[Wallet],
    points: int,
    *,
    programme: str,
    legs_max: int,
    issuer: str = "",
    first_issuer: str = "",
) -> tuple[tuple[Leg, ...], int]:
    """Take up to `points` of a programme off live lots, soonest to expire first whichever wallet they are in.

    `issuer` restricts to one shop's points; `first_issuer`'s go before all others. Returns the legs in the order
    they were taken, at most `legs_max` (which none but the smallest lots reach), and how many points are missing.
    """
    queues = [
        _Queue(wallet, position)
        for wallet in wallets
        for position in wallet.positions_of(programme)
        if not issuer or position.issuer == issuer
    ]
    legs: list[Leg] = []
    missing = points
    while missing and len(legs) < legs_max:
        live = [queue for queue in queues if queue.next is not None]
        if not live:
            break
        best = min(live, key=lambda queue: _order(queue, first_issuer))
        leg = best.take(missing)
        legs.append(leg)
        missing -= leg.points
    return tuple(legs), missing


def _order(queue: _Queue, first_issuer: str) -> tuple[bool, str, str]:
    assert queue.next is not None, "only live queues are ordered"
    return (queue.position.issuer != first_issuer, queue.next.key, queue.wallet.name)


def cut_refund(legs: Sequence[Leg], *, skip: int, points: int) -> tuple[Leg, ...]:
    """The part of a spend's legs that a refund gives back: last taken first, `skip` points already given back."""
    parts: list[Leg] = []
    for leg in reversed(legs):
        skipped = min(skip, leg.points)
        part = min(points, leg.points - skipped)
        skip -= skipped
        points -= part
        if part:
            parts.append(replace(leg, points=part))
    assert points == 0, "a refund never exceeds its spend"
    return tuple(parts)


def cut_first(legs: Sequence[Leg], points: int) -> tuple[tuple[Leg, ...], tuple[Leg, ...]]:
    """Split legs in the order they were taken: the first `points`, and the rest."""
    head: list[Leg] = []
    rest: list[Leg] = []
    for leg in legs:
        part = min(points, leg.points)
        points -= part
        if part:
            head.append(replace(leg, points=part))
        if part < leg.points:
            rest.append(replace(leg, points=leg.points - part))
    return tuple(head), tuple(rest)
