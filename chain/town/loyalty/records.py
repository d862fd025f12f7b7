"""What the chain remembers of loyalty: programmes, shops, tills, wallets, operations and issuers' totals.

Every id is built by a function here, so that a client can ask for the record, with its proof, by name.
New fields are appended with a default: a record written today stays readable by every later release.
Reads: nothing.  Writes: nothing.  Never: a name of a person.
"""

from hashlib import sha256
from typing import Final

from msgspec import Struct

from chain.codec.canonical import b64url_encode
from chain.town.context import Table
from chain.town.schemas import EarnRule

NAMESPACE: Final = "loyalty"
POINT_ASSET: Final = 1
"""Asset number of points in a QR code; the other kinds of DESIGN §4 have their own."""


class ProgrammeRecord(Struct, frozen=True):
    """The version in force; `status` is active (gives points) or closed (its points stay redeemable).

    `operator` (`body:<slug>`) opened the programme and alone may change it.
    """

    programme: str
    version: int
    status: str
    rule_hash: str
    operator: str


class VersionRecord(Struct, frozen=True):
    """One version of a programme's rule for ever; lots name it, so a new one is never retroactive."""

    programme: str
    version: int
    earn: EarnRule
    lot_life_days: int
    rule_hash: str
    since_s: int


class ShopRecord(Struct, frozen=True):
    """A shop of the coalition: issuer of the points it gives, debtor for them where they are spent."""

    shop: str
    name: str
    owner_kid: str
    opened_s: int


class TillRecord(Struct, frozen=True):
    """A till's caps, what it moved on `day` (days since 1970, UTC), and its newest earn (newest first chain).

    `sweep` is the earn at which the sweep of a revoked till goes on, "" when none is under way.
    """

    shop: str
    kid: str
    expires_s: int
    cap_per_tx_points: int
    cap_per_day_points: int
    revoked_s: int = 0
    revoked_since_s: int = 0
    day: int = 0
    day_points: int = 0
    last_earn: str = ""
    sweep: str = ""


class Lot(Struct, frozen=True, array_like=True, order=True):
    """Points of one gift: who owes them (`issuer`), until when, from which earn and under which rule.

    The first three fields are the order in which lots are spent: total, and equal on every machine.
    An array on the wire, because a wallet holds many. 0 < left <= points.
    """

    expires_s: int
    earned_s: int
    lot: str
    programme: str
    issuer: str
    version: int
    points: int
    left: int
    ref: str


class Debt(Struct, frozen=True, array_like=True, order=True):
    """Points the issuer took back too late; its own next gift pays them, never another shop's points."""

    programme: str
    issuer: str
    points: int


class WalletRecord(Struct, frozen=True):
    """One account's live lots in spending order, its debts in order, and when expiry looks at it next (0 never)."""

    lots: tuple[Lot, ...] = ()
    debts: tuple[Debt, ...] = ()
    wake_s: int = 0


class Leg(Struct, frozen=True, array_like=True):
    """`points` taken from `lot`, which is kept as it was before, so that a refund can put it back."""

    lot: Lot
    points: int


class EarnRecord(Struct, frozen=True):
    """A gift of points. `expired` of them ran out unspent, for `forgiven` of which a reversal asks nothing.

    `previous` is the till's earn before this one ("" for its first).
    """

    account: str
    programme: str
    version: int
    shop: str
    till: str
    purchase_cents: int
    receipt: str
    points: int
    lot: str
    earned_s: int
    previous: str
    reversed: int = 0
    expired: int = 0
    forgiven: int = 0


class SpendRecord(Struct, frozen=True):
    """A redemption at `shop`: its legs in the order they were taken, and how many points were refunded."""

    account: str
    programme: str
    shop: str
    till: str
    points: int
    spent_s: int
    legs: tuple[Leg, ...]
    reversed: int = 0


class ReceiptRecord(Struct, frozen=True):
    """The earn a shop's receipt was used for."""

    ref: str


class WindowRecord(Struct, frozen=True):
    """Counters of pay codes one key has used: the highest, and a bit per counter below it (bit 0 = highest).

    `seen` is 16 hexadecimal digits, because 64 bits do not fit a JSON integer.
    """

    highest: int
    seen: str


class IssuerTotals(Struct, frozen=True):
    """All points a shop ever minted and where they went; what is left is in wallets.

    `owed` is the sum of debts to this issuer: a memorandum, outside the double entry.
    """

    minted: int = 0
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0
    owed: int = 0


class ObligationRecord(Struct, frozen=True):
    """Net points of `issuer` redeemed at another shop since the last settlement; below zero after late refunds."""

    points: int = 0


PROGRAMMES: Final = Table(NAMESPACE, "programme", ProgrammeRecord)
VERSIONS: Final = Table(NAMESPACE, "version", VersionRecord)
SHOPS: Final = Table(NAMESPACE, "shop", ShopRecord)
TILLS: Final = Table(NAMESPACE, "till", TillRecord)
WALLETS: Final = Table(NAMESPACE, "wallet", WalletRecord)
EARNS: Final = Table(NAMESPACE, "earn", EarnRecord)
SPENDS: Final = Table(NAMESPACE, "spend", SpendRecord)
RECEIPTS: Final = Table(NAMESPACE, "receipt", ReceiptRecord)
WINDOWS: Final = Table(NAMESPACE, "window", WindowRecord)
TOTALS: Final = Table(NAMESPACE, "total", IssuerTotals)
OBLIGATIONS: Final = Table(NAMESPACE, "due", ObligationRecord)


def joined_id(*parts: str) -> bytes:
    """Record id of several names; none of them can hold a slash, so no two lists give one id."""
    return "/".join(parts).encode("ascii")


def version_id(programme: str, version: int) -> bytes:
    """`programme/0000012`: zero-padded, so that versions scan in order."""
    return joined_id(programme, f"{version:07d}")


def compute_lot_id(tx_key: bytes, index: int) -> str:
    """H(transaction, index), 16 bytes as base64url: no two lots ever share one."""
    digest = sha256(b"beffroi-lot\x00" + tx_key + index.to_bytes(4, "big")).digest()
    return b64url_encode(digest[:16])


def describe_leg(leg: Leg) -> dict[str, str | int]:
    """A leg in result data: which lot, whose points, how many."""
    return {"lot": leg.lot.lot, "issuer": leg.lot.issuer, "points": leg.points}


def describe_lot(lot: Lot) -> dict[str, str | int]:
    """A new lot in result data, complete, so that a reader of results needs no state."""
    return {
        "lot": lot.lot,
        "programme": lot.programme,
        "issuer": lot.issuer,
        "version": lot.version,
        "points": lot.points,
        "expires": lot.expires_s,
        "earned": lot.earned_s,
        "ref": lot.ref,
    }
