"""What the chain remembers of settlement: the open epoch, positions, debts pair by pair, batches, legs, standings.

Records are found by epoch number (seven digits, so that they scan in order) and shop, or leg number.
New fields are appended with a default: a record written today stays readable by every later release.
Reads: nothing.  Writes: nothing.  Never: a name of a person, a bank account.
"""

from typing import Final, Literal

from msgspec import Struct

from chain.town.context import Table

NAMESPACE: Final = "settlement"
RESERVE: Final = "~reserve"
"""Stands in a batch for the association that holds the pledged money; no shop can bear this name."""

Status = Literal["active", "leaving", "failed"]


class EpochRecord(Struct, frozen=True):
    """The epoch that takes debts now; `opened_s` 0: none was booked since the last batch.

    `redeemed_millicents` is the value of all points spent in it, at the issuer's own till too, refunds taken off;
    `gross_millicents` what would have to be paid pair by pair, over `pairs` of shops.
    """

    number: int = 1
    opened_s: int = 0
    closes_s: int = 0
    from_height: int = 0
    redeemed_millicents: int = 0
    gross_millicents: int = 0
    pairs: int = 0


class PositionRecord(Struct, frozen=True):
    """One shop in one epoch, millicents: net of what it is owed and owes, what was carried in, and cents settled."""

    net_millicents: int = 0
    cents: int = 0


class DebtRecord(Struct, frozen=True):
    """What an issuer owes one redeemer for an epoch, millicents; below zero after refunds of an earlier one.

    `corrected_millicents` of it were taken back by decisions on disputes, in later epochs.
    """

    millicents: int = 0
    corrected_millicents: int = 0


class CarryRecord(Struct, frozen=True):
    """Less than a cent that the last batch could not pay, either way."""

    millicents: int


class BatchRecord(Struct, frozen=True):
    """A closed epoch. Heights are inclusive; legs are numbered from 0; `written` of them are on record yet.

    `root` covers positions and legs (`netting.compute_batch_root`). `redeemed_millicents` as in the epoch.
    """

    epoch: int
    from_height: int
    to_height: int
    closed_s: int
    dispute_until_s: int
    pay_until_s: int
    shops: int
    legs: int
    legs_cents: int
    gross_millicents: int
    pairs: int
    redeemed_millicents: int
    root: str
    written: int = 0


class LegRecord(Struct, frozen=True):
    """One payment of a batch and what both sides said of it; references are hashes, "" before they spoke.

    `received` is the payee's word (or the operator's for the reserve) and settles the leg. `covered` is the
    operator's: the reserve paid the payee, so the payer now owes the association.
    """

    payer: str
    payee: str
    cents: int
    paid: str = ""
    received: str = ""
    covered: str = ""
    is_missing: bool = False
    is_overdue: bool = False


class AckRecord(Struct, frozen=True):
    """A shop agreed to its position of an epoch: it can no longer dispute it."""

    at_s: int


class DisputeRecord(Struct, frozen=True):
    """A shop's objection to its position: `statement` is the hash of its reasons; `outcome` "" while open."""

    at_s: int
    statement: str
    outcome: str = ""
    decided_s: int = 0


class StandingRecord(Struct, frozen=True):
    """A shop in the coalition: may it give points, how many of its legs are overdue, what it pledged.

    `held_cents` is the attested reserve, `attested_s` when; `used_millicents` of it went to other shops since.
    `value_millicents` is the value of its points in circulation when the watch of epoch `counted` looked.
    """

    status: Status = "active"
    since_s: int = 0
    overdue: int = 0
    held_cents: int = 0
    attested_s: int = 0
    used_millicents: int = 0
    value_millicents: int = 0
    counted: int = 0


class WatchRecord(Struct, frozen=True):
    """What the law limits: value in circulation, and value spent in twelve months; millicents, at `at_s`.

    `scanned` is the last total counted by a watch that is under way, "" when none is.
    """

    at_s: int = 0
    circulation_millicents: int = 0
    year_millicents: int = 0
    is_alarmed: bool = False
    scanned: str = ""


EPOCHS: Final = Table(NAMESPACE, "epoch", EpochRecord)
POSITIONS: Final = Table(NAMESPACE, "position", PositionRecord)
DEBTS: Final = Table(NAMESPACE, "debt", DebtRecord)
CARRIES: Final = Table(NAMESPACE, "carry", CarryRecord)
BATCHES: Final = Table(NAMESPACE, "batch", BatchRecord)
LEGS: Final = Table(NAMESPACE, "leg", LegRecord)
ACKS: Final = Table(NAMESPACE, "ack", AckRecord)
DISPUTES: Final = Table(NAMESPACE, "dispute", DisputeRecord)
STANDINGS: Final = Table(NAMESPACE, "standing", StandingRecord)
WATCHES: Final = Table(NAMESPACE, "watch", WatchRecord)
CURRENT: Final = b"current"
"""Record id of the open epoch and of the newest finished watch."""
COUNTING: Final = b"counting"
"""Record id of the watch under way."""


def epoch_id(epoch: int) -> bytes:
    """Seven digits: records of epochs scan in order of time."""
    return b"%07d" % epoch


def of_epoch(epoch: int, *parts: str) -> bytes:
    """Record id of something within an epoch; slugs hold no slash, so no two lists give one id."""
    return "/".join((f"{epoch:07d}", *parts)).encode("ascii")


def leg_id(epoch: int, index: int) -> bytes:
    """Legs of an epoch, in the order of the batch."""
    return of_epoch(epoch, f"{index:06d}")


def epoch_range(epoch: int) -> tuple[bytes, bytes]:
    """Start and stop of a scan over what belongs to one epoch."""
    return of_epoch(epoch, ""), b"%07d0" % epoch
