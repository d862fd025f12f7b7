"""Transactions of shared energy: operations, members, contracts, consents, days of readings and allocations, KWHC.

As `chain.town.schemas`, whose types these use; who signs is said in each docstring. Nothing here is a reading, a PRM, a
name or one person's figure of one interval: days travel as salted Merkle roots with sums of many, contracts and orders
as hashes. docs/energy.md shows the messages side by side with the records they write and the data of their results.
Reads: nothing.  Writes: nothing.  Never: looks at state.
"""

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from chain.limits import (
    ENERGY_CREDITS_PER_TX_MAX,
    ENERGY_DAY_STEPS_MAX,
    ENERGY_MEMBERS_MAX,
    ENERGY_PARTS_PER_TRANSFER_MAX,
    ENERGY_PEAK_MAX_W,
    ENERGY_POINTS_PER_MEMBER_MAX,
)
from chain.town.schemas import (
    Bytes32,
    Count,
    Positive,
    Slug,
    Strict,
    Thumbprint,
    UnixSeconds,
)

Day: TypeAlias = Annotated[
    str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")
]
"""A day of the operation's local calendar, YYYY-MM-DD; the chain refuses days the calendar does not have."""
DayOrNone: TypeAlias = Annotated[
    str, Meta(pattern=r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?\Z")
]
"""A day, or empty for "no end"."""
Month: TypeAlias = Annotated[str, Meta(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])\Z")]
Bytes32OrNone: TypeAlias = Annotated[
    str, Meta(pattern=r"^([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])?\Z", max_length=43)
]
"""32 bytes, or empty where nothing precedes."""

KeyKind: TypeAlias = Literal[
    "static", "static_redistributed", "pro_rata", "cascade", "matrix", "contract"
]
RegimeName: TypeAlias = Literal["building", "standard", "derogation", "periurban", "rural", "epci"]
Territory: TypeAlias = Literal["mainland", "isolated"]
ZoneName: TypeAlias = Literal[
    "America/Cayenne",
    "America/Martinique",
    "Europe/Paris",
    "Indian/Mayotte",
    "Indian/Reunion",
    "UTC",
]
PointSide: TypeAlias = Literal["consumer", "producer", "storage"]
Technology: TypeAlias = Literal["biogas", "hydro", "photovoltaic", "storage", "wind"]
Condition: TypeAlias = Literal[
    "all_periurban", "all_public", "all_rural", "commune", "derogation", "one_building", "one_epci"
]
"""What a regime asks beside distance and power, as the *PMO* found it and a witness can find again."""
Purpose: TypeAlias = Literal[
    "allocation", "credits", "curve_display", "statistics", "third_party", "witness"
]
"""One consent each (CNIL): sharing by curve, KWHC on the public ledger, curves in the app, figures of many, a named
third party, recomputation by a witness."""
ContractStep: TypeAlias = Literal[
    "offer", "accept", "countersign", "notice", "suspend", "resume", "end", "void"
]

PaymentWord: TypeAlias = Literal["paid", "received"]


# --- operation -----------------------------------------------------------------------------


class OperationTerms(Strict, frozen=True, kw_only=True):
    """What members agree to. `key_hash` is `conventions.hash_key` of the key, `convention` of the text, salted.

    `adapter` is the body whose meter adapters sign readings, never the *PMO*'s. Orders close `gate_s` seconds before
    their step. Corrections of a day are taken for `correction_days` after it.
    """

    step_s: Literal[900, 1800]
    zone: ZoneName
    regime: RegimeName
    territory: Territory
    adapter: Slug
    key_kind: KeyKind
    key_hash: Bytes32
    missing: Literal["refuse", "zero", "estimate"]
    correction_days: Annotated[int, Meta(ge=1, le=430)]
    gate_s: Annotated[int, Meta(ge=0, le=86_400)]
    convention: Bytes32


class EnergyOperation(Strict, frozen=True):
    """Register an operation (`version` 1) or amend it (the next); signed by the *PMO* for its body.

    The terms hold from the local day `from_day` on. Registration, and a change of regime, adapter or correction time,
    wait for the council's `energy.approve`; a change of key or gate does not. Step, zone and territory never change.
    """

    TYPE: ClassVar[str] = "energy.operation"
    operation: Slug
    version: Annotated[int, Meta(ge=1, le=9_999)]
    from_day: Day
    terms: OperationTerms


class EnergyApprove(Strict, frozen=True):
    """The council approves terms as published; `terms_hash` is of the version that waits (`records.hash_terms`)."""

    TYPE: ClassVar[str] = "energy.approve"
    operation: Slug
    version: Annotated[int, Meta(ge=1, le=9_999)]
    terms_hash: Bytes32


# --- members -------------------------------------------------------------------------------


class Plant(Strict, frozen=True):
    """A plant behind a point: peak power in W counts against the cap of the regime; first day in service."""

    technology: Technology
    peak_w: Annotated[int, Meta(ge=1, le=ENERGY_PEAK_MAX_W)]
    commissioned: Day


class PointClaim(Strict, frozen=True, omit_defaults=True):
    """A delivery point as a salted commitment to its PRM (`points.commit_point`); producers and stores have a plant."""

    point: Bytes32
    side: PointSide
    plant: Plant | None = None


class EnergyJoin(Strict, frozen=True):
    """Ask to join with these points, agreeing to `version` of the terms; signed by the energy account (or a device)."""

    TYPE: ClassVar[str] = "energy.join"
    operation: Slug
    version: Annotated[int, Meta(ge=1, le=9_999)]
    points: Annotated[
        tuple[PointClaim, ...], Meta(min_length=1, max_length=ENERGY_POINTS_PER_MEMBER_MAX)
    ]


class Perimeter(Strict, frozen=True):
    """Distance between the two most distant points (metres, rounded up) and conditions met, with the new points in.

    `places` is a salted Merkle root over the points' places, which a witness can have opened; conditions are sorted.
    """

    extent_m: Annotated[int, Meta(ge=0, le=20_100_000)]
    places: Bytes32
    conditions: Annotated[tuple[Condition, ...], Meta(max_length=7)]


class EnergyAdmit(Strict, frozen=True):
    """Answer a request to join; signed by the *PMO*. Admitted points count from the local day `from_day` on.

    `tags`, one per point in the order of the request, are the adapter's keyed hashes of the PRMs: a point is active in
    one operation only. Both are ignored, and empty, when `verdict` is `refused`.
    """

    TYPE: ClassVar[str] = "energy.admit"
    operation: Slug
    account: Thumbprint
    verdict: Literal["admitted", "refused"]
    from_day: DayOrNone
    tags: Annotated[tuple[Bytes32, ...], Meta(max_length=ENERGY_POINTS_PER_MEMBER_MAX)]
    perimeter: Perimeter | None


class EnergyLeave(Strict, frozen=True):
    """A member's points end before the local day `until_day`; signed by the member's account, or by the *PMO*."""

    TYPE: ClassVar[str] = "energy.leave"
    operation: Slug
    account: Thumbprint
    until_day: Day
    reason: Literal["death", "exclusion", "moved", "opt_out", "operation_end"]


class EnergyConsent(Strict, frozen=True):
    """Give or withdraw consent for one purpose; signed by the member's account. `commitment` is salted, of the text."""

    TYPE: ClassVar[str] = "energy.consent"
    operation: Slug
    purpose: Purpose
    act: Literal["given", "withdrawn"]
    commitment: Bytes32


# --- contracts -----------------------------------------------------------------------------


class ContractTerms(Strict, frozen=True):
    """What the chain must know of a contract to keep its life in order; prices and tax stay in the document.

    Local days; `end_day` empty for an indefinite contract.
    """

    seller: Thumbprint
    buyer: Thumbprint
    seller_point: Bytes32
    buyer_point: Bytes32
    start_day: Day
    end_day: DayOrNone
    notice_days: Annotated[int, Meta(ge=0, le=366)]
    key_kind: KeyKind


class EnergyContract(Strict, frozen=True, omit_defaults=True):
    """One signed step of a contract; `contract` is the hash of its document (`agreements.hash_document`).

    `previous` is the transaction key (SHA-256 of the payload) of the step before, empty for the offer: so each
    signature covers the whole history. offer: seller, with `terms`. accept: buyer. countersign: *PMO*; the contract is
    then signed, and active from its first day. notice: either party, `effect_day` the day it ends. suspend, resume,
    end: *PMO*. void: either party, before the countersignature.
    """

    TYPE: ClassVar[str] = "energy.contract"
    operation: Slug
    contract: Bytes32
    step: ContractStep
    previous: Bytes32OrNone
    terms: ContractTerms | None = None
    effect_day: DayOrNone = ""


# --- days: readings, allocations, corrections ------------------------------------------------


class Sums(Strict, frozen=True, array_like=True):
    """Wh of one step or day, of all members together: produced, consumed, shared, surplus. An array on the wire."""

    prod_wh: Count
    cons_wh: Count
    autocons_wh: Count
    surplus_wh: Count


class ReadingStep(Strict, frozen=True, omit_defaults=True):
    """Root over the salted reading rows of one step; how many of them the convention had to estimate."""

    root: Bytes32
    estimated: Annotated[int, Meta(ge=0, le=2 * ENERGY_MEMBERS_MAX)] = 0


class AllocationStep(Strict, frozen=True, omit_defaults=True):
    """Root over the salted allocation rows of one step; its sums where at least five consumers hide each other.

    `orders` of the step's order book were opened to the *PMO* and the witness in time.
    """

    root: Bytes32
    sums: Sums | None = None
    orders: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


ReadingSteps: TypeAlias = Annotated[
    tuple[ReadingStep, ...], Meta(min_length=1, max_length=ENERGY_DAY_STEPS_MAX)
]
AllocationSteps: TypeAlias = Annotated[
    tuple[AllocationStep, ...], Meta(min_length=1, max_length=ENERGY_DAY_STEPS_MAX)
]


class EnergyReadings(Strict, frozen=True):
    """All readings of one local day, one root per step; signed by a meter adapter of the operation's adapter body.

    `count` rows under each root: the registered active columns of that day. `version` 1, then the next one for
    corrected readings; `previous` is the day's readings root before (`batches.compute_readings_root`), empty at first.
    """

    TYPE: ClassVar[str] = "energy.readings"
    operation: Slug
    day: Day
    version: Annotated[int, Meta(ge=1, le=9_999)]
    previous: Bytes32OrNone
    key_hash: Bytes32
    count: Positive
    steps: ReadingSteps


class EnergyAllocate(Strict, frozen=True, omit_defaults=True):
    """Version 1 of a day's allocation over readings `readings`; signed by the *PMO*, and at best by witnesses too.

    `totals` are the sums of the day, absent for an operation of fewer than five consumers.
    """

    TYPE: ClassVar[str] = "energy.allocate"
    operation: Slug
    day: Day
    readings: Bytes32
    key_hash: Bytes32
    engine: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    steps: AllocationSteps
    totals: Sums | None = None


class EnergyCorrect(Strict, frozen=True, omit_defaults=True):
    """The next version of a day, whole; names the root of the version before and the evidence (hash) for the change."""

    TYPE: ClassVar[str] = "energy.correct"
    operation: Slug
    day: Day
    version: Annotated[int, Meta(ge=2, le=9_999)]
    previous: Bytes32
    evidence: Bytes32
    readings: Bytes32
    key_hash: Bytes32
    engine: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    steps: AllocationSteps
    totals: Sums | None = None


class EnergyWitness(Strict, frozen=True):
    """A witness recomputed version `version` of the day from openings and found this very root."""

    TYPE: ClassVar[str] = "energy.witness"
    operation: Slug
    day: Day
    version: Annotated[int, Meta(ge=1, le=9_999)]
    root: Bytes32


class EnergyChallenge(Strict, frozen=True):
    """Object to a day's version within the window; signed by a member's account. `claim` is salted, of the reasons.

    Row and path go to the witness by a private channel; the chain keeps this and the verdict.
    """

    TYPE: ClassVar[str] = "energy.challenge"
    operation: Slug
    day: Day
    version: Annotated[int, Meta(ge=1, le=9_999)]
    claim: Bytes32


class EnergyVerdict(Strict, frozen=True):
    """Answer to a challenge (named by its transaction key); signed by a witness. Upheld asks for a correction."""

    TYPE: ClassVar[str] = "energy.verdict"
    operation: Slug
    day: Day
    challenge: Bytes32
    verdict: Literal["upheld", "rejected"]
    evidence: Bytes32


class EnergyReport(Strict, frozen=True):
    """Coefficients of the days `from_day` to `to_day` (both in) went to the grid operator; signed by the *PMO*."""

    TYPE: ClassVar[str] = "energy.report"
    operation: Slug
    from_day: Day
    to_day: Day
    coefficients: Bytes32


class EnergyReconcile(Strict, frozen=True):
    """The operator's result for these days is in, `difference_wh` off in all; signed by the *PMO*.

    `dso` is the hash of the operator's file. Beyond the tolerance the days must be corrected first.
    """

    TYPE: ClassVar[str] = "energy.reconcile"
    operation: Slug
    from_day: Day
    to_day: Day
    dso: Bytes32
    difference_wh: Count


# --- orders --------------------------------------------------------------------------------


class EnergyOrder(Strict, frozen=True):
    """Place an order for the step that starts at `start`, as a commitment (`orders.commit_order`), before the gate."""

    TYPE: ClassVar[str] = "energy.order"
    operation: Slug
    start: UnixSeconds
    commitment: Bytes32


class EnergyOrderCancel(Strict, frozen=True):
    """Take an own order back, before the gate."""

    TYPE: ClassVar[str] = "energy.order_cancel"
    operation: Slug
    start: UnixSeconds
    commitment: Bytes32


# --- statements and KWHC -------------------------------------------------------------------


class EnergyStatement(Strict, frozen=True, omit_defaults=True):
    """Monthly statements are out: salted root over `count` of them; signed by the *PMO*. Settles the month's days.

    `number` 1, then the next after corrections; `previous` is the statement root before. `totals` are those of the
    days, and needed even where days had none (fewer than five consumers).
    """

    TYPE: ClassVar[str] = "energy.statement"
    operation: Slug
    month: Month
    number: Annotated[int, Meta(ge=1, le=999)]
    previous: Bytes32OrNone
    root: Bytes32
    count: Annotated[int, Meta(ge=1, le=ENERGY_MEMBERS_MAX)]
    totals: Sums


class CreditEntry(Strict, frozen=True):
    """KWHC of one account for one month."""

    account: Thumbprint
    energy_wh: Positive


class EnergyCredit(Strict, frozen=True):
    """Credit KWHC of a settled month, entries sorted by account; signed by the *PMO*. Once per account and month.

    Only members who consented to the purpose `credits`; in all never more than was shared that month.
    """

    TYPE: ClassVar[str] = "energy.credit"
    operation: Slug
    month: Month
    entries: Annotated[
        tuple[CreditEntry, ...], Meta(min_length=1, max_length=ENERGY_CREDITS_PER_TX_MAX)
    ]


class LotPart(Strict, frozen=True):
    """Wh of the lot of one operation and month."""

    operation: Slug
    month: Month
    energy_wh: Positive


class EnergyTransfer(Strict, frozen=True):
    """Give KWHC to another energy account; parts sorted by (operation, month). `reference` is a hash, or empty."""

    TYPE: ClassVar[str] = "energy.transfer"
    to: Thumbprint
    parts: Annotated[
        tuple[LotPart, ...], Meta(min_length=1, max_length=ENERGY_PARTS_PER_TRANSFER_MAX)
    ]
    reference: Bytes32OrNone


class EnergyRetire(Strict, frozen=True):
    """Use up KWHC for a claim of origin, once and for ever; `claim` is the hash of the claim, used once in the town."""

    TYPE: ClassVar[str] = "energy.retire"
    operation: Slug
    month: Month
    energy_wh: Positive
    claim: Bytes32


class EnergyPaid(Strict, frozen=True):
    """A party's word on one invoice line of a month: hashes of the line and of the payment's reference, no amount.

    One word an account: the buyer's `paid`, the seller's `received`.
    """

    TYPE: ClassVar[str] = "energy.paid"
    operation: Slug
    month: Month
    line: Bytes32
    reference: Bytes32
    word: PaymentWord


EnergyBody: TypeAlias = (
    EnergyOperation
    | EnergyApprove
    | EnergyJoin
    | EnergyAdmit
    | EnergyLeave
    | EnergyConsent
    | EnergyContract
    | EnergyReadings
    | EnergyAllocate
    | EnergyCorrect
    | EnergyWitness
    | EnergyChallenge
    | EnergyVerdict
    | EnergyReport
    | EnergyReconcile
    | EnergyOrder
    | EnergyOrderCancel
    | EnergyStatement
    | EnergyCredit
    | EnergyTransfer
    | EnergyRetire
    | EnergyPaid
)
