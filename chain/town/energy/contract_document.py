"""The contract between seller, buyer and *PMO*, schema v1: what the parties sign the hash of, and keep to themselves.

Canonical JSON, whole numbers; prices in µ€/kWh, powers in W, days in the operation's local calendar. `blind` makes the
hash say nothing. Which clauses hold is judged by `agreements`; the chain keeps the hash and the signed steps.
Reads: nothing.  Writes: nothing.  Never: a PRM, which stays in the commitment's opening.
"""

from hashlib import sha256
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from chain.codec.canonical import b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.limits import ENERGY_CONTRACT_MAX_BYTES, ENERGY_PRICE_MAX_MICRO_EUR
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import (
    Bytes32OrNone,
    ContractTerms,
    Day,
    DayOrNone,
    KeyKind,
    Plant,
    Purpose,
)
from chain.town.schemas import Bytes16, Bytes32, Slug, Strict, Thumbprint
from chain.types.codes import ENERGY_CONTRACT_INVALID

Price: TypeAlias = Annotated[
    int, Meta(ge=-ENERGY_PRICE_MAX_MICRO_EUR, le=ENERGY_PRICE_MAX_MICRO_EUR)
]
"""µ€/kWh, without tax."""
Siren: TypeAlias = Annotated[str, Meta(pattern=r"^([0-9]{9})?\Z")]
"""Nine digits with their check digit (Luhn), or empty for who has none."""
ShortText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
TextOrNone: TypeAlias = Annotated[str, Meta(max_length=200)]


class Party(Strict, frozen=True):
    """A side of the contract: the energy account it signs with, person or organisation."""

    account: Thumbprint
    kind: Literal["person", "organisation"]
    siren: Siren


class Term(Strict, frozen=True):
    """From the first second of `start_day` to that of `end_day`, empty for an indefinite contract."""

    start_day: Day
    end_day: DayOrNone
    renewal: Literal["none", "tacit"]
    notice_days: Annotated[int, Meta(ge=0, le=366)]
    is_at_distance: bool
    cooling_off_days: Annotated[int, Meta(ge=0, le=60)]


class _Tariff(Struct, frozen=True, forbid_unknown_fields=True, tag_field="price"):
    """Base of the ways to say a price."""


class FixedPrice(_Tariff, frozen=True, tag="fixed"):
    """One price for every Wh."""

    micro_eur: Price


class CalendarRow(Strict, frozen=True):
    """A price for hours `hour_from` to before `hour_to` (local clock) of the weekdays in a bit mask, bit 0 Monday."""

    weekdays: Annotated[int, Meta(ge=1, le=127)]
    hour_from: Annotated[int, Meta(ge=0, le=23)]
    hour_to: Annotated[int, Meta(ge=1, le=24)]
    micro_eur: Price


class CalendarPrice(_Tariff, frozen=True, tag="calendar"):
    """A price for each hour of the week, said once."""

    rows: Annotated[tuple[CalendarRow, ...], Meta(min_length=1, max_length=168)]


class IndexedPrice(_Tariff, frozen=True, tag="indexed"):
    """`base_micro_eur` x index / `base_value`, the index as last published on or before each `month_day` of a year.

    Linear is the only formula; one adjustment moves the price by at most `change_max_percent` either way.
    """

    base_micro_eur: Price
    index: ShortText
    base_value: Annotated[int, Meta(ge=1, le=10**12)]
    month_day: Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])\Z")]
    change_max_percent: Annotated[int, Meta(ge=0, le=100)]


class AuctionPrice(_Tariff, frozen=True, tag="auction"):
    """The uniform price of each step's auction."""

    k_halves: Literal[0, 1, 2]


class GiftPrice(_Tariff, frozen=True, tag="gift"):
    """Nothing is paid."""


class TokenPrice(_Tariff, frozen=True, tag="token"):
    """Paid in SEL minutes per kWh; never converted by the town."""

    minutes_per_kwh: Annotated[int, Meta(ge=1, le=10_000)]


Tariff: TypeAlias = (
    FixedPrice | CalendarPrice | IndexedPrice | AuctionPrice | GiftPrice | TokenPrice
)


class PriceClause(Strict, frozen=True):
    """The tariff within a floor and a cap, µ€/kWh; below zero only if said so."""

    tariff: Tariff
    floor_micro_eur: Price
    cap_micro_eur: Price
    may_be_negative: bool


class KeyClause(Strict, frozen=True):
    """Which key the operation shares by, and for a contract key this contract's rank and quantity."""

    kind: KeyKind
    rank: Annotated[int, Meta(ge=0, le=200_000)]
    quantity_kind: Literal["none", "fixed_wh", "share_ppm"]
    quantity: Annotated[int, Meta(ge=0, le=5_000_000)]


class TaxClause(Strict, frozen=True):
    """VAT and excise as the seller's situation has them, and the mention the invoice must carry."""

    vat: Literal["exempt_3kwc", "franchise_293b", "standard"]
    excise: Literal["zero_acc_lt_1mw", "standard"]
    mention: Literal["none", "art_293b_cgi"]


class BillingClause(Strict, frozen=True):
    """Monthly; `mandate` is the hash of the seller's mandate when the *PMO* bills in his name, empty otherwise."""

    period: Literal["month"]
    due_days: Annotated[int, Meta(ge=1, le=60)]
    is_billed_by_pmo: bool
    mandate: Bytes32OrNone
    correction_months: Annotated[int, Meta(ge=1, le=14)]


class DataClause(Strict, frozen=True):
    """One purpose, one consent: the step at which data are used, how long they are kept, who else sees them."""

    purpose: Purpose
    step: Literal["curve", "day", "month"]
    retention_days: Annotated[int, Meta(ge=1, le=3_660)]
    third_party: TextOrNone


class OriginClause(Strict, frozen=True):
    """What becomes of the guarantee of origin, and the buyer's claim; none unless it is cancelled for him."""

    handling: Literal["retained", "cancelled", "none"]
    claim: TextOrNone


class EndClause(Strict, frozen=True):
    """Why the contract may end before its time; always at the end of a month."""

    reasons: Annotated[
        tuple[Literal["death", "exit", "moved", "non_payment", "tenant_change"], ...],
        Meta(min_length=1, max_length=5),
    ]
    effect: Literal["month_end"]


class LegalRef(Strict, frozen=True):
    """A text the contract rests on, in force from `from_day` to the day before `until_day` (empty: no end known)."""

    text: ShortText
    from_day: Day
    until_day: DayOrNone


class LawClause(Strict, frozen=True):
    """Texts, and whom to call in a dispute."""

    references: Annotated[tuple[LegalRef, ...], Meta(min_length=1, max_length=32)]
    mediator: TextOrNone
    court: ShortText


class ContractDocument(Strict, frozen=True, kw_only=True):
    """The whole contract; `previous` is the hash of the contract it replaces, or empty."""

    schema: Literal["beffroi-energy-contract/1"]
    blind: Bytes16
    operation: Slug
    previous: Bytes32OrNone
    language: Literal["en", "fr"]
    seller: Party
    buyer: Party
    pmo: Slug
    seller_point: Bytes32
    buyer_point: Bytes32
    plant: Plant
    term: Term
    price: PriceClause
    key: KeyClause
    tax: TaxClause
    billing: BillingClause
    data: Annotated[tuple[DataClause, ...], Meta(min_length=1, max_length=6)]
    origin: OriginClause
    end: EndClause
    law: LawClause


def hash_document(document: ContractDocument) -> str:
    """SHA-256 of the canonical JSON, base64url: the contract's name on the chain."""
    return b64url_encode(sha256(encode_canonical(document)).digest())


def decode_document(raw: bytes) -> ContractDocument | Refused:
    """Read a contract; only its canonical form is taken, because its hash is what was signed."""
    if len(raw) > ENERGY_CONTRACT_MAX_BYTES:
        return Refused(ENERGY_CONTRACT_INVALID, f"{len(raw)} bytes")
    try:
        return decode_canonical(ContractDocument, raw)
    except DecodeError as error:
        return Refused(ENERGY_CONTRACT_INVALID, str(error))


def terms_of(document: ContractDocument) -> ContractTerms:
    """What the offer tells the chain of a document."""
    return ContractTerms(
        document.seller.account,
        document.buyer.account,
        document.seller_point,
        document.buyer_point,
        document.term.start_day,
        document.term.end_day,
        document.term.notice_days,
        document.key.kind,
    )
