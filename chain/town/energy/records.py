"""What the chain remembers of shared energy: operations, members, contracts, consents, days, orders, KWHC.

Every id is built by a function here, so that a client can ask for the record, with its proof, by name. New fields are
appended with a default: a record written today stays readable by every later release.
Reads: nothing.  Writes: nothing.  Never: a PRM, a reading, a price, or what one person got in one interval.
"""

from hashlib import sha256
from typing import Final, Literal

from msgspec import Struct

from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town.context import Table
from chain.town.energy_schemas import (
    ContractTerms,
    OperationTerms,
    PaymentWord,
    Perimeter,
    Plant,
    PointSide,
    Sums,
)

NAMESPACE: Final = "energy"

OperationStatus = Literal["proposed", "active"]
MemberStatus = Literal["asking", "refused", "member", "left"]
ContractState = Literal["offered", "accepted", "signed", "notice", "suspended", "ended", "void"]
DayState = Literal["metered", "allocated", "reported", "reconciled", "settled", "corrected"]
"""`open` is a day without a record."""


class ScheduledTerms(Struct, frozen=True, array_like=True):
    """Terms `version` hold from day number `from_day` (days since 1970, local) on."""

    from_day: int
    version: int


class OperationRecord(Struct, frozen=True):
    """An operation of the *PMO* `pmo` (`body:<slug>`); `proposed` is the version that waits for the council, or 0.

    `version` is the highest published. `schedule` is sorted by day; `first_day` is the day number the operation began.
    `metered_day` is the last day with readings (day number, 0 before the first): nothing that decides such a day
    changes any more. `perimeter` is as last declared.
    """

    operation: str
    pmo: str
    status: OperationStatus
    version: int
    proposed: int
    schedule: tuple[ScheduledTerms, ...]
    first_day: int = 0
    metered_day: int = 0
    perimeter: Perimeter | None = None


class TermsRecord(Struct, frozen=True):
    """One version of the terms, for ever."""

    from_day: str
    terms: OperationTerms
    terms_hash: str


class RosterChange(Struct, frozen=True, array_like=True):
    """Active columns from day number `from_day` on: on the consumers' side, on the producers', and W peak in all.

    A store has a column on either side. `households` counts consumer points alone: what sums of many rest on.
    """

    from_day: int
    consumers: int
    producers: int
    peak_w: int
    households: int


class RosterRecord(Struct, frozen=True):
    """How many columns were active when, sorted by day; each change holds until the next."""

    changes: tuple[RosterChange, ...] = ()


class MemberRecord(Struct, frozen=True):
    """An account in an operation: `version` of the terms it agreed to, points admitted, points that wait (`asked`).

    Active from `from_day` to the day before `until_day`, "" for no end; local days.
    """

    status: MemberStatus
    version: int
    asked: tuple[str, ...]
    points: tuple[str, ...] = ()
    from_day: str = ""
    until_day: str = ""
    reason: str = ""


class PointRecord(Struct, frozen=True):
    """A delivery point: whose, which side, active from `from_day` to the day before `until_day`; "" not yet or open."""

    account: str
    side: PointSide
    plant: Plant | None = None
    tag: str = ""
    from_day: str = ""
    until_day: str = ""


class TagRecord(Struct, frozen=True):
    """The operation and point that a PRM, by the adapter's keyed hash, is active in; until `until_day` if it left."""

    operation: str
    point: str
    until_day: str = ""


class ConsentRecord(Struct, frozen=True):
    """A member's present word on one purpose, and when it was given and taken back (header time; 0 never)."""

    act: Literal["given", "withdrawn"]
    commitment: str
    given_s: int
    withdrawn_s: int = 0


class ContractRecord(Struct, frozen=True):
    """A contract's state and last step: `last` is that step's transaction key, which the next one names.

    `effect_day` is the day a notice or an end takes effect. `steps` counts the steps so far.
    """

    operation: str
    terms: ContractTerms
    state: ContractState
    last: str
    steps: int
    since_s: int
    effect_day: str = ""


class DayRecord(Struct, frozen=True):
    """One local day of an operation. Roots are of `batches`; `count` rows stand under each step's root.

    `version` is the latest allocation's number, 0 before the first; `witnesses` the bodies that found its very root.
    `challenges` counts all, `open_challenges` those without a verdict, `is_faulted` an upheld one not yet corrected.
    """

    state: DayState
    key_hash: str
    steps: int
    count: int
    readings: str
    readings_version: int
    terms_version: int
    estimated: int = 0
    version: int = 0
    root: str = ""
    totals: Sums | None = None
    allocated_readings: str = ""
    allocated_s: int = 0
    witnesses: tuple[str, ...] = ()
    challenges: int = 0
    open_challenges: int = 0
    is_faulted: bool = False
    coefficients: str = ""
    dso: str = ""
    difference_wh: int = 0
    statement: int = 0


class VersionRecord(Struct, frozen=True):
    """One version of a day's allocation for ever: what it follows, over which readings, by which engine."""

    previous: str
    root: str
    readings: str
    key_hash: str
    engine: str
    allocated_s: int
    totals: Sums | None = None
    evidence: str = ""


class ChallengeRecord(Struct, frozen=True):
    """An objection to a day's version and its verdict, "" while it waits; nothing of the row."""

    account: str
    version: int
    claim: str
    at_s: int
    verdict: str = ""
    evidence: str = ""
    witness: str = ""


class ChallengerRecord(Struct, frozen=True):
    """The last version of a day that an account challenged: once each."""

    version: int


class BookRecord(Struct, frozen=True):
    """Orders of one step: `seq` numbers given so far, `standing` not cancelled."""

    seq: int = 0
    standing: int = 0


class PlacedRecord(Struct, frozen=True):
    """How many orders one account has standing for one step."""

    standing: int


class OrderRecord(Struct, frozen=True):
    """An order's commitment with its arrival number; who placed it, never what it says."""

    account: str
    seq: int


class StatementRecord(Struct, frozen=True):
    """One issue of a month's statements: the salted root over `count` of them, and the month's sums."""

    number: int
    previous: str
    root: str
    count: int
    totals: Sums
    at_s: int


class LotRecord(Struct, frozen=True):
    """KWHC of one operation and month: at most `shared_wh` are credited and at most so many retired."""

    shared_wh: int
    credited_wh: int = 0
    retired_wh: int = 0


class HoldingRecord(Struct, frozen=True):
    """What an account holds of one lot; `credited_wh` is what the month gave it itself, once."""

    held_wh: int
    credited_wh: int = 0


class ClaimRecord(Struct, frozen=True):
    """A retirement: KWHC used up for one claim of origin, for ever."""

    account: str
    operation: str
    month: str
    energy_wh: int
    at_s: int


class PaymentRecord(Struct, frozen=True):
    """What one account said of one invoice line: paid or received, and the hash of the payment's reference."""

    word: PaymentWord
    reference: str


OPERATIONS: Final = Table(NAMESPACE, "operation", OperationRecord)
TERMS: Final = Table(NAMESPACE, "terms", TermsRecord)
ROSTERS: Final = Table(NAMESPACE, "roster", RosterRecord)
MEMBERS: Final = Table(NAMESPACE, "member", MemberRecord)
POINTS: Final = Table(NAMESPACE, "point", PointRecord)
TAGS: Final = Table(NAMESPACE, "tag", TagRecord)
CONSENTS: Final = Table(NAMESPACE, "consent", ConsentRecord)
CONTRACTS: Final = Table(NAMESPACE, "contract", ContractRecord)
DAYS: Final = Table(NAMESPACE, "day", DayRecord)
VERSIONS: Final = Table(NAMESPACE, "version", VersionRecord)
CHALLENGES: Final = Table(NAMESPACE, "challenge", ChallengeRecord)
CHALLENGERS: Final = Table(NAMESPACE, "challenger", ChallengerRecord)
BOOKS: Final = Table(NAMESPACE, "book", BookRecord)
PLACED: Final = Table(NAMESPACE, "placed", PlacedRecord)
ORDERS: Final = Table(NAMESPACE, "order", OrderRecord)
STATEMENTS: Final = Table(NAMESPACE, "statement", StatementRecord)
LOTS: Final = Table(NAMESPACE, "lot", LotRecord)
HOLDINGS: Final = Table(NAMESPACE, "holding", HoldingRecord)
CLAIMS: Final = Table(NAMESPACE, "claim", ClaimRecord)
PAYMENTS: Final = Table(NAMESPACE, "payment", PaymentRecord)


def joined_id(*parts: str) -> bytes:
    """Parts joined by slashes: slugs, thumbprints, hashes and days hold none, so no two lists give one id."""
    return "/".join(parts).encode("ascii")


def terms_id(operation: str, version: int) -> bytes:
    """`<operation>/<version, 4 digits>`."""
    return joined_id(operation, f"{version:04d}")


def member_id(operation: str, account: str) -> bytes:
    """`<operation>/<account>`."""
    return joined_id(operation, account)


def point_id(operation: str, point: str) -> bytes:
    """`<operation>/<commitment>`."""
    return joined_id(operation, point)


def consent_id(operation: str, account: str, purpose: str) -> bytes:
    """`<operation>/<account>/<purpose>`."""
    return joined_id(operation, account, purpose)


def contract_id(contract: str) -> bytes:
    """The hash of its document."""
    return contract.encode("ascii")


def day_id(operation: str, day: str) -> bytes:
    """`<operation>/<YYYY-MM-DD>`: days of an operation scan in order."""
    return joined_id(operation, day)


def version_id(operation: str, day: str, version: int) -> bytes:
    """`<operation>/<day>/<version, 4 digits>`."""
    return joined_id(operation, day, f"{version:04d}")


def challenge_id(operation: str, day: str, challenge: str) -> bytes:
    """`<operation>/<day>/<transaction key>`."""
    return joined_id(operation, day, challenge)


def challenger_id(operation: str, day: str, account: str) -> bytes:
    """`<operation>/<day>/<account>`."""
    return joined_id(operation, day, account)


def book_id(operation: str, start_s: int) -> bytes:
    """`<operation>/<start, 11 digits>`: steps scan in order of time."""
    return joined_id(operation, f"{start_s:011d}")


def placed_id(operation: str, start_s: int, account: str) -> bytes:
    """`<operation>/<start, 11 digits>/<account>`."""
    return joined_id(operation, f"{start_s:011d}", account)


def order_id(operation: str, start_s: int, commitment: str) -> bytes:
    """`<operation>/<start, 11 digits>/<commitment>`."""
    return joined_id(operation, f"{start_s:011d}", commitment)


def statement_id(operation: str, month: str, number: int) -> bytes:
    """`<operation>/<YYYY-MM>/<number, 3 digits>`."""
    return joined_id(operation, month, f"{number:03d}")


def lot_id(operation: str, month: str) -> bytes:
    """`<operation>/<YYYY-MM>`."""
    return joined_id(operation, month)


def holding_id(account: str, operation: str, month: str) -> bytes:
    """`<account>/<operation>/<YYYY-MM>`: what an account holds scans in order of operation and month."""
    return joined_id(account, operation, month)


def payment_id(operation: str, month: str, line: str, account: str) -> bytes:
    """`<operation>/<YYYY-MM>/<hash of the line>/<account>`."""
    return joined_id(operation, month, line, account)


def hash_terms(operation: str, version: int, from_day: str, terms: OperationTerms) -> str:
    """SHA-256, base64url, of canonical {"from_day","operation","terms","version"}: what the council approves."""
    said = {"from_day": from_day, "operation": operation, "terms": terms, "version": version}
    return b64url_encode(sha256(encode_canonical(said)).digest())
