"""Days of an operation: what the adapter and the *PMO* are to sign, what a witness recomputes, what a member sees.

Nothing is signed here. A draft is what follows from sealed readings and the convention in force; once the chain
holds it, each member's own rows with their paths can be had, and a whole day, sealed to the witness that asks.
Reads: `energy_meter_day`, `energy_day`, orders.  Writes: `energy_shared_day`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from nacl.public import SealedBox
from nacl.signing import SigningKey, VerifyKey

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.problems import Problem
from app.energy import paths, rows
from app.energy.charts import DayCurve
from app.energy.convention import Convention
from app.energy.keys import MemberKeys, derive_day_key
from app.energy.members import find_convention, has_consent
from app.energy.models import (
    DayRow,
    DayVersion,
    Operation,
    OrderFile,
    OrderRow,
)
from app.energy.month import format_day, parse_day
from app.energy.paths import open_share
from app.energy.readings import (
    complete_day,
    list_columns,
    load_day,
    published_readings,
    zone_of,
)
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.town.energy import commitments, tables
from chain.town.energy.calendar import format_local, steps_of_day
from chain.town.energy.conventions import Contract
from chain.town.energy.market import Order
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import Allocation
from chain.town.energy_schemas import (
    AllocationStep,
    EnergyAllocate,
    EnergyCorrect,
    EnergyReadings,
    Sums,
)
from chain.types.codes import ENERGY_CONSENT_MISSING

DAYS_MAX: Final = 31
"""Days one request may list: a month."""


def find_day(operation: str, day: str) -> DayRow:
    """A day on the chain; raises Problem(not_found)."""
    row: DayRow | None = DayRow.get_or_none((DayRow.operation == operation) & (DayRow.day == day))
    if row is None:
        raise Problem(NOT_FOUND)
    return row


def list_days(operation: str, first: str, last: str) -> list[dict[str, Any]]:
    """Published days, oldest first: roots, states, witnesses, sums of many."""
    here = (DayRow.operation == operation) & (DayRow.day >= first) & (DayRow.day <= last)
    return [
        describe_day(row)
        for row in DayRow.select().where(here).order_by(DayRow.day).limit(DAYS_MAX)
    ]


def describe_day(row: DayRow) -> dict[str, Any]:
    """A day as the chain has it."""
    shown = {name: getattr(row, name) for name in row._meta.sorted_field_names}
    totals = json.loads(row.totals) if row.totals else None
    return {
        **shown,
        "totals": totals,
        "witnesses": row.witnesses.split(),
        **describe_transactions(row),
    }


def describe_transactions(row: DayRow) -> dict[str, str]:
    """Payload hashes of the transactions that carry the day's last steps: anybody can have them proved."""
    found = {}
    for kind, version in (("readings", row.readings_version), ("allocation", row.version)):
        published = DayVersion.get_or_none(
            (DayVersion.operation == row.operation)
            & (DayVersion.day == row.day)
            & (DayVersion.kind == kind)
            & (DayVersion.version == version)
        )
        found[f"{kind}_transaction"] = published.payload_hash if published else ""
    return found


# --- from sealed readings to a day ------------------------------------------------------------------


def read_input(
    config: Config, operation: Operation, day: str, revision: int
) -> tuple[rows.DayInput, Convention]:
    """A day's readings as of a revision, the keys of its rows, its opened orders, and the convention it is under."""
    convention, _ = find_convention(operation.operation, day)
    keys, salt_keys = MemberKeys(config), {}
    for _, account in list_columns(operation.operation, day):  # before readings: says who is erased
        if account not in salt_keys:
            salt_keys[account] = derive_day_key(keys.salt_key(account), operation.operation, day)
    table = load_day(config, operation, day, revision=revision)
    orders = open_orders(config, operation, day) if isinstance(convention.key, Contract) else {}
    return (
        rows.DayInput(
            operation.operation,
            day,
            table.readings,
            tuple(salt_keys[account] for account in table.accounts),
            table.estimated,
            orders,
        ),
        convention,
    )


def open_orders(config: Config, operation: Operation, day: str) -> dict[int, tuple[Order, ...]]:
    """Orders of a day that stood at their gate, were opened, and may meet others, by start of their step.

    Left out, so that no one member's order stops everybody's day: an order of a column that is not active that day
    or not of its side, and the later of two own orders that would meet each other.
    """
    keys, columns = MemberKeys(config), set(list_columns(operation.operation, day))
    steps = steps_of_day(zone_of(operation.zone), parse_day(day), operation.step_s)
    standing = OrderRow.select().where(
        (OrderRow.operation == operation.operation)
        & (OrderRow.start >= steps.start)
        & (OrderRow.start < steps.stop)
        & (OrderRow.is_standing == True)  # noqa: E712 - SQL
    )
    books: dict[int, list[Order]] = {}
    placed: dict[tuple[int, str], list[Order]] = {}
    for row in standing.order_by(OrderRow.start, OrderRow.seq):
        file = OrderFile.get_or_none(
            (OrderFile.operation == row.operation)
            & (OrderFile.start == row.start)
            & (OrderFile.commitment == row.commitment)
            & (OrderFile.account == row.account)
        )
        if file is None:
            continue
        raw = keys.open_readings(row.account, bytes(file.sealed))
        sealed = msgspec.json.decode(raw, type=commitments.SealedOrder)
        order = commitments.open_order(sealed, row.account, row.seq, row.commitment)
        is_active = (order.point, row.account) in columns and is_tradable(order.side, order.point)
        own = placed.setdefault((row.start, row.account), [])
        if is_active and not any(_meets_own(order, earlier) for earlier in own):
            own.append(order)
            books.setdefault(row.start, []).append(order)
    return {start_s: tuple(book) for start_s, book in books.items()}


def is_tradable(side: str, column: str) -> bool:
    """Whether an order of this side may be of this column: consumers bid, plants and stores offer."""
    return column.partition("_")[0] in {"bid": ("cons",), "offer": ("prod", "discharge")}[side]


def _meets_own(order: Order, other: Order) -> bool:
    """Whether two orders of one member would trade with each other."""
    if order.side == other.side:
        return False
    bid, offer = (order, other) if order.side == "bid" else (other, order)
    return bid.price_micro_eur >= offer.price_micro_eur


def draft_readings(config: Config, operation: Operation, day: str) -> EnergyReadings:
    """What the meter adapter signs next for a day; raises Problem when readings are missing."""
    version = published_readings(operation.operation, day) + 1
    previous = ""
    if version > 1:
        previous = find_day(operation.operation, day).readings
    complete_day(config, operation, day, rule=find_convention(operation.operation, day)[0].missing)
    loaded, convention = read_input(config, operation, day, version)
    return rows.readings_message(loaded, version=version, previous=previous, key=convention.key)


def draft_allocation(
    config: Config, operation: Operation, day: str, *, evidence: str, households_min: int
) -> EnergyAllocate | EnergyCorrect:
    """What the *PMO* signs next for a day, over its last published readings; the result is kept, sealed."""
    row = find_day(operation.operation, day)
    version = row.version + 1
    loaded, convention = read_input(config, operation, day, row.readings_version)
    result = compute(loaded, convention, version, households_min)
    paths.keep_day(config, loaded, result, version=version, basis=row.readings_version)
    return rows.allocation_message(
        loaded,
        result,
        version=version,
        readings=row.readings,
        key=convention.key,
        previous=row.root,
        evidence=evidence,
    )


def compute(
    loaded: rows.DayInput, convention: Convention, version: int, households_min: int
) -> rows.DayResult:
    """Allocate a day; raises Problem with the refusal of the rules."""
    households = sum(column.side == "cons" for column in loaded.readings.columns)
    result = rows.allocate_day(
        loaded, convention.key, version, households_min=households_min, households=households
    )
    if isinstance(result, Refused):
        raise Problem(result.code, result.detail)
    return result


def columns_shared(
    readings: tables.Readings, allocations: Sequence[Allocation]
) -> list[tuple[str, tuple[int, ...]]]:
    """Wh that each column got or gave, step by step."""
    roster = tables.roster_of(readings)
    assert not isinstance(roster, Refused), "the day was allocated"
    found = []
    for names, shared in (
        (roster.consumers, [result.autocons_wh for result in allocations]),
        (roster.producers, [result.autoprod_wh for result in allocations]),
    ):
        for name, values in zip(names, zip(*shared, strict=True), strict=True):
            found.append((name, tuple(values)))
    return found


# --- what a member sees ----------------------------------------------------------------------------


def own_columns(operation: str, day: str, account: str) -> list[str]:
    """The account's own columns active on a day."""
    return [series for series, owner in list_columns(operation, day) if owner == account]


def own_curve(
    config: Config, operation: Operation, account: str, first: str, last: str, *, by_day: bool
) -> list[dict[str, Any]]:
    """An account's metered and shared Wh, per step or per day, as far as days are published."""
    keys, zone = MemberKeys(config), zone_of(operation.zone)
    found = []
    for number in range(parse_day(first), parse_day(last) + 1):
        day = format_day(number)
        row = DayRow.get_or_none((DayRow.operation == operation.operation) & (DayRow.day == day))
        if row is None or not row.version:
            continue
        starts = steps_of_day(zone, number, operation.step_s)
        for series in own_columns(operation.operation, day, account):
            share = open_share(keys, row, series, account)
            metered, shared = share.metered_wh, share.shared_wh
            base = {"day": day, "column": series, "version": row.version}
            if by_day:
                found.append(
                    {**base, "start": "", "metered_wh": sum(metered), "shared_wh": sum(shared)}
                )
                continue
            found += [
                {
                    **base,
                    "start": format_local(zone, start_s),
                    "metered_wh": metered_wh,
                    "shared_wh": shared_wh,
                }
                for start_s, metered_wh, shared_wh in zip(starts, metered, shared, strict=True)
            ]
    return found


def read_basis(row: DayRow) -> int:
    """Version of the readings that the day's last allocation was made over."""
    return int(_last_allocation(row).readings_version)


def is_published_result(row: DayRow, result: rows.DayResult) -> bool:
    """Whether a day computed again has the very rows that were published and witnessed, step by step.

    Roots alone: how many households hide each other is the town's to change, and changes no row.
    """
    published = msgspec.json.decode(_last_allocation(row).roots, type=tuple[AllocationStep, ...])
    return [step.root for step in published] == [step.root for step in result.published]


def find_version(row: DayRow, kind: str, version: int) -> DayVersion:
    """One published version of a day's readings or allocation."""
    found: DayVersion = DayVersion.get(
        (DayVersion.operation == row.operation)
        & (DayVersion.day == row.day)
        & (DayVersion.kind == kind)
        & (DayVersion.version == version)
    )
    return found


def _last_allocation(row: DayRow) -> DayVersion:
    return find_version(row, "allocation", row.version)


def may_see_steps(operation: str, account: str) -> bool:
    """Whether the *PMO* may look at a member's curve: by consent alone; sums of days otherwise."""
    return has_consent(operation, account, "curve_display")


# --- what a witness and an auditor are given ---------------------------------------------------------


def seal_day(
    config: Config,
    operation: Operation,
    day: str,
    *,
    jwk: Mapping[str, str],
    bodies: Sequence[str],
) -> dict[str, Any]:
    """The whole day, sealed to the Ed25519 key that asks: whoever carries it can read nothing.

    X25519 sealed box (libsodium) to the key's Montgomery form. A body other than the *PMO* needs all members' consent.
    """
    row = find_day(operation.operation, day)
    if operation.pmo not in bodies:
        for account in sorted({owner for _, owner in list_columns(operation.operation, day)}):
            if not has_consent(operation.operation, account, "witness"):
                raise Problem(ENERGY_CONSENT_MISSING, "witness")
    loaded, convention = read_input(config, operation, day, row.readings_version)
    content = json.dumps(
        {
            "day": rows.dump_day(loaded),
            "convention": msgspec.to_builtins(convention),
            "readings_version": row.readings_version,
            "version": row.version,
        }
    ).encode()
    public = VerifyKey(b64url_decode(jwk["x"])).to_curve25519_public_key()
    return {
        "operation": operation.operation,
        "day": day,
        "version": row.version,
        "readings_version": row.readings_version,
        "sealed": b64url_encode(bytes(SealedBox(public).encrypt(content))),
    }


def open_sealed_day(sealed: str, seed: bytes) -> dict[str, Any]:
    """What `seal_day` closed, by the witness's own signing seed; raises nacl's CryptoError for another's."""
    private = SigningKey(seed).to_curve25519_private_key()
    shown: dict[str, Any] = json.loads(SealedBox(private).decrypt(b64url_decode(sealed)))
    return shown


# --- pictures ---------------------------------------------------------------------------------------


def draw_published(operation: Operation, day: str) -> DayCurve:
    """A day's curve from the sums on the chain alone; steps whose sums are hidden are left out."""
    row = find_day(operation.operation, day)
    if not row.version or not row.totals:
        raise Problem(NOT_FOUND, "no sums of this day are published")
    steps = msgspec.json.decode(_last_allocation(row).roots, type=tuple[AllocationStep, ...])
    if all(step.sums is None for step in steps):  # a corrected day, or few at home all day
        raise Problem(NOT_FOUND, "no sums of this day's steps are published")
    sums = [step.sums or Sums(0, 0, 0, 0) for step in steps]
    return DayCurve(
        day,
        _clocks(operation, day),
        [one.prod_wh for one in sums],
        [one.cons_wh for one in sums],
        [one.autocons_wh for one in sums],
        frozenset(at for at, step in enumerate(steps) if step.sums is None),
    )


def draw_own(config: Config, operation: Operation, account: str, day: str) -> DayCurve:
    """The own day: what own plants made, what own homes used, what was shared with either."""
    rows_of_day = own_curve(config, operation, account, day, day, by_day=False)
    clocks = _clocks(operation, day)
    made, used, shared = ([0] * len(clocks) for _ in range(3))
    if not rows_of_day:
        raise Problem(NOT_FOUND)
    for at, line in enumerate(rows_of_day):
        side = line["column"].partition("_")[0]
        into = used if side in ("cons", "charge") else made
        into[at % len(clocks)] += line["metered_wh"]
        shared[at % len(clocks)] += line["shared_wh"]
    return DayCurve(day, clocks, made, used, shared)


def _clocks(operation: Operation, day: str) -> list[str]:
    """`HH:MM` of each step of a day."""
    zone = zone_of(operation.zone)
    steps = steps_of_day(zone, parse_day(day), operation.step_s)
    return [format_local(zone, start_s)[11:16] for start_s in steps]
