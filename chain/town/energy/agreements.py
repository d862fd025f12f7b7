"""Every clause of a contract held against the facts: what each party runs before signing, and an auditor after.

Each check names its clause. Facts come from proved records of the chain and from the operation's own files; a
contract that passes here and is offered with `terms_of` passes the chain's checks too.
Reads: its arguments.  Never: a state, a clock.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from chain.town.energy.calendar import (
    DAY_S,
    HOUR_S,
    Zone,
    format_day,
    local_of_utc,
    parse_day,
)
from chain.town.energy.contract_document import (
    CalendarPrice,
    ContractDocument,
    FixedPrice,
    IndexedPrice,
    Tariff,
)
from chain.town.energy.perimeter import check_declared
from chain.town.energy.records import PointRecord
from chain.town.energy.refusals import Refused
from chain.town.energy_schemas import Perimeter, Purpose, Territory
from chain.types import codes

SMALL_PLANT_W: Final = 3_000
"""Up to 3 kWc a private seller needs no SIREN and pays no VAT."""
EXCISE_FREE_BELOW_W: Final = 1_000_000
"""Loi de finances 2025, art. 75: zero excise for sites below 1 MW."""
HOUSEHOLD_NOTICE_MAX_DAYS: Final = 30
COOLING_OFF_DAYS: Final = 14
"""Consumers who sign at a distance may think again for a fortnight."""
CURVE_RETENTION_MAX_DAYS: Final = 731
"""Curves are kept two years at most: the time of disputes."""
_PERCENT: Final = 100
_HOURS: Final = 24
_DAYS: Final = 7
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01 was a Thursday; Monday is 0."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the clauses are held against, as of the signature.

    `points` by commitment, `consents` of the buyer, `indices` by name: (day, value) as published, sorted by day.
    """

    operation: str
    pmo: str
    key_kind: str
    regime: str
    territory: Territory
    perimeter: Perimeter
    peak_w: int
    correction_days: int
    points: Mapping[str, PointRecord]
    active_accounts: frozenset[str]
    consents: frozenset[Purpose]
    contracts: frozenset[str] = frozenset()
    indices: Mapping[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


def find_flaws(document: ContractDocument, facts: Facts) -> tuple[Refused, ...]:
    """Everything wrong with a contract, clause by clause; empty for one that may be signed."""
    return tuple(flaw for check in _CHECKS for flaw in check(document, facts))


def check_document(document: ContractDocument, facts: Facts) -> Refused | None:
    """The first flaw, or None."""
    return next(iter(find_flaws(document, facts)), None)


def is_siren(siren: str) -> bool:
    """Nine digits whose Luhn sum is a multiple of ten."""
    if len(siren) != 9 or not siren.isdecimal():
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(siren))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def compute_price_micro_eur(
    document: ContractDocument,
    zone: Zone,
    start_s: int,
    indices: Mapping[str, tuple[tuple[str, int], ...]],
) -> int | Refused:
    """Price of a Wh shared in the step that starts at `start_s`, within floor and cap, for anybody to compute again.

    Auction prices come from the step's book and token prices are no money: both are refused here.
    """
    tariff, clause = document.price.tariff, document.price
    if isinstance(tariff, FixedPrice):
        price = tariff.micro_eur
    elif isinstance(tariff, CalendarPrice):
        price = _calendar_price(tariff, local_of_utc(zone, start_s))
    elif isinstance(tariff, IndexedPrice):
        found = _indexed_price(tariff, _date_text(local_of_utc(zone, start_s)), indices)
        if isinstance(found, Refused):
            return found
        price = found
    elif _tag(tariff) == "gift":
        return 0
    else:
        return _flaw("price", f"{_tag(tariff)} has no price of its own")
    return max(clause.floor_micro_eur, min(clause.cap_micro_eur, price))


# --- prices --------------------------------------------------------------------------------


def _calendar_price(tariff: CalendarPrice, local_s: int) -> int:
    weekday = (local_s // DAY_S + _EPOCH_WEEKDAY) % _DAYS
    hour = local_s % DAY_S // HOUR_S
    return next(
        row.micro_eur
        for row in tariff.rows
        if row.weekdays >> weekday & 1 and row.hour_from <= hour < row.hour_to
    )


def _indexed_price(
    tariff: IndexedPrice, day: str, indices: Mapping[str, tuple[tuple[str, int], ...]]
) -> int | Refused:
    """The price as adjusted on the last date of adjustment; floored to a whole µ€/kWh."""
    year = int(day[:4])
    adjusted = f"{year if day[5:] >= tariff.month_day else year - 1}-{tariff.month_day}"
    published = [value for at, value in indices.get(tariff.index, ()) if at <= adjusted]
    if not published:
        return _flaw("indexation", f"{tariff.index} was not published by {adjusted}")
    base, limit = tariff.base_micro_eur, tariff.change_max_percent
    price = base * published[-1] // tariff.base_value
    bounds = sorted((base * (_PERCENT - limit) // _PERCENT, base * (_PERCENT + limit) // _PERCENT))
    return max(bounds[0], min(bounds[1], price))


def _date_text(local_s: int) -> str:
    return format_day(local_s // DAY_S)


def _tag(tariff: Tariff) -> str:
    return str(tariff.__struct_config__.tag)


# --- clauses -------------------------------------------------------------------------------


def _flaw(clause: str, detail: str) -> Refused:
    return Refused(codes.ENERGY_CONTRACT_INVALID, f"{clause}: {detail}")


def _check_identity(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    if document.operation != facts.operation or document.pmo != facts.pmo:
        yield _flaw("identity", "another operation or manager")
    if document.previous and document.previous not in facts.contracts:
        yield Refused(codes.ENERGY_CONTRACT_UNKNOWN, "previous")


def _check_parties(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    seller, buyer = document.seller, document.buyer
    if seller.account == buyer.account:
        yield _flaw("parties", "seller and buyer are one")
    for name, party in (("seller", seller), ("buyer", buyer)):
        if party.account not in facts.active_accounts:
            yield _flaw("parties", f"{name}: the account is not active")
        if party.siren and not is_siren(party.siren):
            yield _flaw("parties", f"{name}: no such SIREN")
        if party.kind == "organisation" and not party.siren:
            yield _flaw("parties", f"{name}: an organisation has a SIREN")
    if document.plant.peak_w > SMALL_PLANT_W and not seller.siren:
        yield _flaw("parties", f"seller: a SIREN above {SMALL_PLANT_W} W")


def _check_points(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    if document.seller_point == document.buyer_point:
        yield Refused(codes.ENERGY_POINT_REPEATED, "points")
    sides = (
        ("seller_point", document.seller_point, document.seller.account, "consumer"),
        ("buyer_point", document.buyer_point, document.buyer.account, "producer"),
    )
    for name, point, account, other_side in sides:
        found = facts.points.get(point)
        if found is None or found.account != account or not _runs_from(found, document):
            yield Refused(codes.ENERGY_POINT_UNKNOWN, name)
        elif found.side == other_side:
            yield _flaw("points", f"{name} is a {found.side}")


def _runs_from(point: PointRecord, document: ContractDocument) -> bool:
    """Whether a point takes part from the contract's first day on, with no end in sight."""
    return (
        bool(point.from_day) and point.from_day <= document.term.start_day and not point.until_day
    )


def _check_plant(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    found = facts.points.get(document.seller_point)
    if found is not None and found.plant != document.plant:
        yield _flaw("plant", "not the plant that was registered")
    if document.plant.commissioned > document.term.start_day:
        yield _flaw("plant", f"in service from {document.plant.commissioned} on only")
    broken = check_declared(
        facts.perimeter,
        regime=facts.regime,
        territory=facts.territory,
        peak_w=facts.peak_w,
        day=document.term.start_day,
    )
    if broken is not None:
        yield broken


def _check_term(document: ContractDocument, _facts: Facts) -> Iterator[Refused]:
    """A local day begins at local midnight, so a start told as a day is aligned."""
    term = document.term
    start = parse_day(term.start_day)
    end = parse_day(term.end_day) if term.end_day else None
    if start is None or (term.end_day and end is None):
        yield Refused(codes.ENERGY_DAY_REFUSED, "term")
    elif end is not None and end <= start:
        yield _flaw("term", "ends before it begins")
    if term.renewal == "tacit" and not term.end_day:
        yield _flaw("term", "an indefinite contract is not renewed")
    if document.buyer.kind == "person":
        if term.notice_days > HOUSEHOLD_NOTICE_MAX_DAYS:
            yield _flaw("term", f"notice: at most {HOUSEHOLD_NOTICE_MAX_DAYS} days for a household")
        if term.is_at_distance and term.cooling_off_days < COOLING_OFF_DAYS:
            yield _flaw("term", f"cooling off: {COOLING_OFF_DAYS} days for a consumer at distance")


def _check_price(document: ContractDocument, _facts: Facts) -> Iterator[Refused]:
    clause = document.price
    if clause.floor_micro_eur > clause.cap_micro_eur:
        yield _flaw("price", "the floor is above the cap")
    prices = [clause.floor_micro_eur]
    tariff = clause.tariff
    if isinstance(tariff, FixedPrice):
        prices.append(tariff.micro_eur)
    elif isinstance(tariff, IndexedPrice):
        prices.append(tariff.base_micro_eur)
    elif isinstance(tariff, CalendarPrice):
        prices += [row.micro_eur for row in tariff.rows]
        if not _is_whole_week(tariff):
            yield _flaw("price", "every hour of the week has one price")
    if min(prices) < 0 and not clause.may_be_negative:
        yield _flaw("price", "below zero without saying so")


def _is_whole_week(tariff: CalendarPrice) -> bool:
    hours = sorted(
        weekday * _HOURS + hour
        for row in tariff.rows
        for weekday in range(_DAYS)
        if row.weekdays >> weekday & 1
        for hour in range(row.hour_from, row.hour_to)
    )
    return hours == list(range(_DAYS * _HOURS))


def _check_indexation(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    """The series is anchored and the base value is one of it, so that anybody computes the same price."""
    tariff = document.price.tariff
    if not isinstance(tariff, IndexedPrice):
        return
    series = facts.indices.get(tariff.index, ())
    before = [value for day, value in series if day <= document.term.start_day]
    if not series:
        yield _flaw("indexation", f"no series {tariff.index}")
    elif any(a[0] >= b[0] for a, b in pairwise(series)):
        yield _flaw("indexation", f"{tariff.index} is not in order of days")
    elif not before or before[-1] != tariff.base_value:
        yield _flaw("indexation", "the base value is not the last published one")


def _check_key(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    clause = document.key
    if clause.kind != facts.key_kind:
        yield _flaw("key", f"the operation shares by {facts.key_kind}")
    is_volume = clause.quantity_kind != "none"
    if is_volume and clause.kind != "contract":
        yield _flaw("key", "a volume needs the contract key")
    if is_volume != (clause.quantity > 0):
        yield _flaw("key", "quantity")
    if clause.quantity_kind == "share_ppm" and clause.quantity > 1_000_000:
        yield _flaw("key", "above 100 %")


def _check_tax(document: ContractDocument, _facts: Facts) -> Iterator[Refused]:
    tax, seller, peak_w = document.tax, document.seller, document.plant.peak_w
    is_exempt = tax.vat == "exempt_3kwc"
    if is_exempt and (peak_w > SMALL_PLANT_W or seller.siren or seller.kind != "person"):
        yield _flaw("tax", "exempt: a private seller up to 3 kWc without SIREN")
    if not is_exempt and not seller.siren:
        yield _flaw("tax", f"{tax.vat}: the seller has a SIREN")
    if (tax.mention == "art_293b_cgi") != (tax.vat == "franchise_293b"):
        yield _flaw("tax", "the mention of article 293 B goes with the franchise")
    if tax.excise == "zero_acc_lt_1mw" and peak_w >= EXCISE_FREE_BELOW_W:
        yield _flaw("tax", "zero excise below 1 MW only")


def _check_billing(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    clause = document.billing
    if clause.is_billed_by_pmo != bool(clause.mandate):
        yield _flaw("billing", "a mandate exactly when the manager bills")
    if clause.correction_months * 31 < facts.correction_days:
        yield _flaw("billing", f"corrections come for {facts.correction_days} days")


def _check_data(document: ContractDocument, facts: Facts) -> Iterator[Refused]:
    purposes = [clause.purpose for clause in document.data]
    if len(set(purposes)) < len(purposes):
        yield _flaw("data", "one consent per purpose")
    if "allocation" not in purposes:
        yield _flaw("data", "sharing needs the purpose allocation")
    for clause in document.data:
        if clause.purpose not in facts.consents:
            yield Refused(codes.ENERGY_CONSENT_MISSING, clause.purpose)
        if clause.step == "curve" and clause.retention_days > CURVE_RETENTION_MAX_DAYS:
            yield _flaw("data", f"curves are kept {CURVE_RETENTION_MAX_DAYS} days at most")
        if (clause.purpose == "third_party") != bool(clause.third_party):
            yield _flaw("data", "a third party is named exactly for that purpose")


def _check_origin(document: ContractDocument, _facts: Facts) -> Iterator[Refused]:
    """A claim of local origin is the buyer's only when the guarantee is cancelled for him: else it is made twice."""
    if bool(document.origin.claim) != (document.origin.handling == "cancelled"):
        yield _flaw("origin", "a claim exactly when the guarantee of origin is cancelled")


def _check_end(document: ContractDocument, _facts: Facts) -> Iterator[Refused]:
    reasons = document.end.reasons
    if list(reasons) != sorted(set(reasons)):
        yield _flaw("end", "reasons are sorted, each once")
    if "exit" not in reasons:
        yield _flaw("end", "whoever leaves the operation leaves the contract")


def _check_law(document: ContractDocument, _facts: Facts) -> Iterator[Refused]:
    start = document.term.start_day
    for reference in document.law.references:
        is_over = bool(reference.until_day) and reference.until_day <= start
        if reference.from_day > start or is_over:
            yield _flaw("law", f"{reference.text} is not in force on {start}")
    if document.buyer.kind == "person" and not document.law.mediator:
        yield _flaw("law", "a household is told its mediator")


_CHECKS: Final[tuple[Callable[[ContractDocument, Facts], Iterator[Refused]], ...]] = (
    _check_identity,
    _check_parties,
    _check_points,
    _check_plant,
    _check_term,
    _check_price,
    _check_indexation,
    _check_key,
    _check_tax,
    _check_billing,
    _check_data,
    _check_origin,
    _check_end,
    _check_law,
)
