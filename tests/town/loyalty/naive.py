"""The same ledger told as simply as possible: every single point is an object that knows where it is.

Shares nothing with the rules but the definition of a lot's name and the order lots are spent in.
"""

import base64
from dataclasses import dataclass, field
from hashlib import sha256

GRACE_S = 30 * 86_400


@dataclass(slots=True, eq=False)
class Point:
    owner: str
    programme: str
    issuer: str
    expires: int
    earned: int
    lot: str
    ref: str
    where: str = "held"  # held, pending, set aside, spent, expired, reversed
    forgiven: bool = False
    grace: bool = False
    collected: bool = False
    """Expired, and block end has taken it out."""

    def order(self) -> tuple[int, int, str, str]:
        return (self.expires, self.earned, self.lot, self.owner)


@dataclass(slots=True)
class Earned:
    owner: str
    programme: str
    shop: str
    till: str
    at: int
    points: int
    reversed: int = 0
    due: int = 0
    """When it has cooled off; 0 when it did not have to."""


@dataclass(slots=True)
class Spent:
    owner: str
    programme: str
    shop: str
    till: str
    at: int
    points: int
    taken: list[Point] = field(default_factory=list)
    reversed: int = 0


@dataclass(slots=True)
class Held:
    owner: str
    programme: str
    shop: str
    points: int
    expires: int
    taken: list[Point] = field(default_factory=list)


def lot_name(ref: str, index: int) -> str:
    tx_key = base64.urlsafe_b64decode(ref + "=")
    digest = sha256(b"beffroi-lot\x00" + tx_key + index.to_bytes(4, "big")).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


class NaiveLedger:
    """All points ever made, in one list."""

    def __init__(self) -> None:
        self.now = 0
        self.points: list[Point] = []
        self.ops: dict[str, Earned | Spent] = {}
        self.debts: dict[tuple[str, str, str], int] = {}
        self.due: dict[tuple[str, str, str], int] = {}
        self.holds: dict[str, Held] = {}
        self.pool = ""
        self.members: set[str] = set()

    def purses(self, owner: str) -> tuple[str, ...]:
        """Wallets whose points an account may spend."""
        return (owner, self.pool) if self.pool and owner in self.members else (owner,)

    def spendable(self, owner: str, programme: str) -> list[Point]:
        points = [p for purse in self.purses(owner) for p in self.live(purse, programme)]
        return sorted(points, key=Point.order)

    def live(self, owner: str, programme: str) -> list[Point]:
        mine = [
            point
            for point in self.points
            if point.where == "held"
            and point.owner == owner
            and point.programme == programme
            and point.expires > self.now
        ]
        return sorted(mine, key=Point.order)

    def balance(self, owner: str, programme: str) -> int:
        return len(self.live(owner, programme))

    def earn(self, ref: str, op: Earned, expires: int) -> None:
        self.ops[ref] = op
        for _ in range(op.points):
            point = Point(op.owner, op.programme, op.shop, expires, op.at, lot_name(ref, 0), ref)
            if op.due:
                point.where = "pending"
            else:
                self._credit(point)
            self.points.append(point)

    def _credit(self, point: Point) -> None:
        debt = (point.owner, point.programme, point.issuer)
        point.where = "held"
        if self.debts.get(debt, 0):
            self.debts[debt] -= 1
            point.where = "reversed"

    def cooled_off(self, ref: str, from_s: int, life_s: int) -> None:
        for point in self.points:
            if point.ref == ref and point.where == "pending":
                point.expires = from_s + life_s
                self._credit(point)

    def take(self, points: list[Point], count: int, where: str) -> list[Point] | None:
        if len(points) < count:
            return None
        for point in points[:count]:
            point.where = where
        return points[:count]

    def spend(self, ref: str, op: Spent) -> bool:
        taken = self.take(self.spendable(op.owner, op.programme), op.points, "spent")
        if taken is None:
            return False
        self.record_spent(ref, op, taken)
        return True

    def record_spent(self, ref: str, op: Spent, taken: list[Point]) -> None:
        op.taken = taken
        for point in taken:
            self._owe(point, op.shop, 1)
        self.ops[ref] = op

    def hold(self, ref: str, op: Held) -> bool:
        taken = self.take(self.spendable(op.owner, op.programme), op.points, "set aside")
        if taken is None:
            return False
        op.taken = taken
        self.holds[ref] = op
        return True

    def capture(self, ref: str, hold_ref: str, op: Spent) -> None:
        hold = self.holds.pop(hold_ref)
        taken = hold.taken[: op.points]
        for point in taken:
            point.where = "spent"
        self.record_spent(ref, op, taken)
        self.give_back(hold.taken[op.points :])

    def release(self, hold_ref: str) -> None:
        self.give_back(self.holds.pop(hold_ref).taken)

    def give_back(self, points: list[Point]) -> None:
        for point in points:
            point.where = "held" if point.expires > self.now else "expired"
            point.collected = point.where == "expired"

    def transfer(self, source: str, target: str, programme: str, count: int) -> bool:
        taken = self.take(self.live(source, programme), count, "held")
        for point in taken or ():
            point.owner = target
        return taken is not None

    def refund(self, ref: str, op: Spent, points: int) -> None:
        index, previous = -1, ("", "")
        for _ in range(points):
            point = op.taken.pop()
            if (point.lot, point.owner) != previous:
                index, previous = index + 1, (point.lot, point.owner)
            point.where = "held"
            self._owe(point, op.shop, -1)
            if point.expires <= self.now:
                point.expires, point.lot = self.now + GRACE_S, lot_name(ref, index)
                point.grace = True
        op.reversed += points

    def _owe(self, point: Point, shop: str, points: int) -> None:
        if point.issuer != shop:
            key = (point.programme, point.issuer, shop)
            self.due[key] = self.due.get(key, 0) + points

    def reverse_earn(self, ref: str, op: Earned, points: int) -> None:
        op.reversed += points
        for _ in range(points):
            self._reverse_one(ref, op)

    def _reverse_one(self, ref: str, op: Earned) -> None:
        own = self._own(ref, op)
        if own:
            own[0].where = "reversed"
            return
        purses = self.purses(op.owner)
        for point in self.points:
            late = point.where in ("held", "expired") and point.expires <= self.now
            unspent = point.collected or (late and point.owner in purses)
            if point.ref == ref and unspent and not point.forgiven:
                point.forgiven = True
                return
        live = self.live(op.owner, op.programme)
        same = [point for point in live if point.issuer == op.shop]
        if same:
            same[0].where = "reversed"
            return
        debt = (op.owner, op.programme, op.shop)
        self.debts[debt] = self.debts.get(debt, 0) + 1

    def _own(self, ref: str, op: Earned) -> list[Point]:
        """What is left of an earn where its owner can get at it, in the order a reversal takes it."""
        purses = self.purses(op.owner)
        own = [
            p
            for p in self.points
            if p.ref == ref
            and (p.where == "pending" or (p.where == "held" and p.expires > self.now))
            and p.owner in purses
        ]
        return sorted(
            own, key=lambda p: (p.where != "pending", p.owner != op.owner, p.grace, p.order())
        )

    def sweep(self, till: str, since: int) -> None:
        for ref, op in self.ops.items():
            if isinstance(op, Earned) and op.till == till and op.at >= since:
                for point in self._own(ref, op)[: op.points - op.reversed]:
                    point.where = "reversed"
                    op.reversed += 1

    def expire(self) -> None:
        for point in self.points:
            if point.where == "held" and point.expires <= self.now:
                point.where = "expired"

    def collect(self, owner: str, lot: str) -> None:
        """Block end says that it took this lot out of this wallet."""
        gone = [
            p
            for p in self.points
            if (p.owner, p.lot) == (owner, lot) and p.where == "expired" and not p.collected
        ]
        assert gone, "only what has expired is taken out"
        for point in gone:
            point.collected = True

    def count(self, programme: str, issuer: str, where: str) -> int:
        return sum(
            1
            for point in self.points
            if (point.programme, point.issuer, point.where) == (programme, issuer, where)
        )
