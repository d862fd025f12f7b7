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
    where: str = "held"  # held, spent, expired, reversed
    forgiven: bool = False

    def order(self) -> tuple[int, int, str]:
        return (self.expires, self.earned, self.lot)


@dataclass(slots=True)
class Earned:
    owner: str
    programme: str
    shop: str
    till: str
    at: int
    points: int
    reversed: int = 0


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
        debt = (op.owner, op.programme, op.shop)
        for _ in range(op.points):
            point = Point(op.owner, op.programme, op.shop, expires, op.at, lot_name(ref, 0), ref)
            if self.debts.get(debt, 0):
                self.debts[debt] -= 1
                point.where = "reversed"
            self.points.append(point)

    def spend(self, ref: str, op: Spent) -> bool:
        live = self.live(op.owner, op.programme)
        if len(live) < op.points:
            return False
        for point in live[: op.points]:
            point.where = "spent"
            op.taken.append(point)
            self._owe(point, op.shop, 1)
        self.ops[ref] = op
        return True

    def refund(self, ref: str, op: Spent, points: int) -> None:
        index, previous = -1, ""
        for _ in range(points):
            point = op.taken.pop()
            if point.lot != previous:
                index, previous = index + 1, point.lot
            point.where = "held"
            self._owe(point, op.shop, -1)
            if point.expires <= self.now:
                point.expires, point.lot = self.now + GRACE_S, lot_name(ref, index)
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
        live = self.live(op.owner, op.programme)
        own = [point for point in live if point.ref == ref]
        if own:
            own[0].where = "reversed"
            return
        for point in self.points:
            unspent = point.where == "expired" or (
                point.where == "held" and point.expires <= self.now
            )
            if point.ref == ref and unspent and not point.forgiven:
                point.forgiven = True
                return
        same = [point for point in live if point.issuer == op.shop]
        if same:
            same[0].where = "reversed"
            return
        debt = (op.owner, op.programme, op.shop)
        self.debts[debt] = self.debts.get(debt, 0) + 1

    def sweep(self, till: str, since: int) -> None:
        for point in sorted(self.points, key=Point.order):
            op = self.ops[point.ref]
            given = op.till == till and op.at >= since and op.reversed < op.points
            if given and point.where == "held" and point.expires > self.now:
                point.where = "reversed"
                op.reversed += 1

    def expire(self) -> None:
        for point in self.points:
            if point.where == "held" and point.expires <= self.now:
                point.where = "expired"

    def count(self, programme: str, issuer: str, where: str) -> int:
        return sum(
            1
            for point in self.points
            if (point.programme, point.issuer, point.where) == (programme, issuer, where)
        )
