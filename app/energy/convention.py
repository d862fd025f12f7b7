"""What an operation agreed on beside its key, as one document: prices, taxes, missing readings, a CO2 factor.

The document is canonical JSON and travels whole: a participant who recomputes a month needs it, the key in it and the
readings, and nothing else. No figure here has a default that would pass for a fact: prices and the CO2 factor
are the operation's own statement, with the factor's source beside it.
Reads: its arguments.  Never: a clock, a database.
"""

from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chain.codec.canonical import decode_canonical, encode_canonical
from chain.limits import ENERGY_COEFFICIENT_DECIMALS_MAX, ENERGY_PRICE_MAX_MICRO_EUR
from chain.town.energy.conventions import Key
from chain.town.energy.intervals import MissingRule
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import Day
from chain.types.codes import ENERGY_KEY_INVALID

Price: TypeAlias = Annotated[int, Meta(ge=0, le=ENERGY_PRICE_MAX_MICRO_EUR)]
Ppm: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000)]
VatMode: TypeAlias = Literal["exempt_3kwc", "franchise_293b", "standard"]
IndexValue: TypeAlias = Annotated[int, Meta(ge=1, le=10**12)]
AcciseMode: TypeAlias = Literal["zero_acc_below_1mw", "standard"]

SMALL_SELLER_PEAK_W: Final = 3_000
"""Private sellers up to 3 kWc need no SIREN and charge no VAT (research energy.md §1.4, legifiscal)."""
ZERO_ACCISE_BELOW_W: Final = 1_000_000
"""Zero rate of the accise for sites below 1 MW (loi de finances 2025, art. 75; BOFiP)."""
MENTIONS: Final = {
    "exempt_3kwc": "Vente par un particulier, installation de 3 kWc au plus : hors champ de la TVA",
    "franchise_293b": "TVA non applicable, art. 293 B du CGI",
    "standard": "",
}
"""What an invoice must say; in French because the law says it in French."""


class Taxes(Struct, frozen=True, forbid_unknown_fields=True):
    """How the operation's sales are taxed; amounts per kWh in millionths of a euro."""

    vat: VatMode
    vat_ppm: Ppm
    accise: AcciseMode
    accise_micro_eur: Price


class Carbon(Struct, frozen=True, forbid_unknown_fields=True):
    """CO2 said to be avoided per kWh shared, and where that figure comes from: never given without its source."""

    avoided_mg_per_kwh: Annotated[int, Meta(ge=0, le=2_000_000)]
    source: Annotated[str, Meta(min_length=8, max_length=200)]


class IndexSeries(Struct, frozen=True, forbid_unknown_fields=True):
    """A published index that contracts may follow: (day of publication, value), in the order of days."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    values: Annotated[tuple[tuple[Day, IndexValue], ...], Meta(min_length=1, max_length=500)]


class Convention(Struct, frozen=True, forbid_unknown_fields=True):
    """The operation's document. Prices are in µ€/kWh without tax."""

    schema: Literal[1]
    operation: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9-]{1,31}\Z")]
    step_s: Literal[900, 1800]
    key: Key
    pool_price_micro_eur: Price
    """Price of what no contract and no order priced."""
    outside_price_micro_eur: Price
    """What a consumer's own supplier would have charged: the yardstick of savings."""
    surplus_price_micro_eur: Price
    """What a producer gets elsewhere: the yardstick of his gain."""
    taxes: Taxes
    carbon: Carbon
    missing: MissingRule
    tolerance_wh_per_step: Annotated[int, Meta(ge=0, le=1_000)]
    decimals: Annotated[int, Meta(ge=0, le=ENERGY_COEFFICIENT_DECIMALS_MAX)]
    """Of coefficients sent to the grid operator."""
    due_days: Annotated[int, Meta(ge=1, le=90)] = 30
    indices: Annotated[tuple[IndexSeries, ...], Meta(max_length=16)] | UnsetType = UNSET
    """Series of indexed contracts, committed to with the document: whoever recomputes a price has the figures."""

    @property
    def series(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """Published values by name of their index; empty for an operation without indexed contracts."""
        listed = () if isinstance(self.indices, UnsetType) else self.indices
        return {index.name: index.values for index in listed}


def read_convention(raw: bytes) -> Convention | Refused:
    """The document from any JSON spelling; refused when a field is wrong or taxes contradict each other."""
    try:
        convention = msgspec.json.decode(raw, type=Convention)
    except (msgspec.MsgspecError, UnicodeError) as error:
        return Refused(ENERGY_KEY_INVALID, str(error))
    return check_taxes(convention.taxes) or _check_series(convention) or convention


def load_convention(canonical: bytes) -> Convention:
    """The document as it was stored; raises DecodeError when it is not canonical."""
    return decode_canonical(Convention, canonical)


def check_taxes(taxes: Taxes) -> Refused | None:
    """A rate stands exactly where its mode charges one."""
    if (taxes.vat == "standard") != (taxes.vat_ppm > 0):
        return Refused(ENERGY_KEY_INVALID, "taxes: a VAT rate goes with the mode standard alone")
    if (taxes.accise == "standard") != (taxes.accise_micro_eur > 0):
        return Refused(
            ENERGY_KEY_INVALID, "taxes: an accise rate goes with the mode standard alone"
        )
    return None


def _check_series(convention: Convention) -> Refused | None:
    """Each index once, its values in the order of the days they were published on."""
    listed = () if isinstance(convention.indices, UnsetType) else convention.indices
    if len({index.name for index in listed}) < len(listed):
        return Refused(ENERGY_KEY_INVALID, "indices: a name stands twice")
    for index in listed:
        if any(before[0] >= after[0] for before, after in pairwise(index.values)):
            return Refused(ENERGY_KEY_INVALID, f"indices: {index.name} is not in order of days")
    return None


def check_plants(taxes: Taxes, peaks_w: dict[str, int]) -> Refused | None:
    """Whether each seller's plants (peak W by seller) may use these modes."""
    largest = max(peaks_w.values(), default=0)
    if taxes.vat == "exempt_3kwc" and largest > SMALL_SELLER_PEAK_W:
        return Refused(ENERGY_KEY_INVALID, f"taxes: {largest} W are more than 3 kWc")
    if taxes.accise == "zero_acc_below_1mw" and largest >= ZERO_ACCISE_BELOW_W:
        return Refused(ENERGY_KEY_INVALID, f"taxes: {largest} W are not below 1 MW")
    return None


def encode_convention(convention: Convention) -> bytes:
    """The canonical spelling."""
    return encode_canonical(convention)


def hash_convention(convention: Convention) -> bytes:
    """SHA-256 of the canonical spelling; the key in it has a hash of its own (`hash_key`)."""
    return sha256(encode_canonical(convention)).digest()
