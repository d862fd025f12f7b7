"""Monthly statements and invoices as values: the same lines on both sides, every correction a line of its own.

A statement is canonical JSON of integers, salted and hashed into the month's root; an invoice is the part of it
between one seller and one buyer. Rounding happens once per line and amount (`chain.town.energy.money`), and both
parties read the same lines: what buyers pay is what sellers get, to the cent, for net amount, VAT and accise each.
Reads: its arguments.  Never: a database, a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple

from msgspec import Meta, Struct

from app.energy.convention import MENTIONS, Convention
from app.energy.month import LineKey, MonthSum, format_day
from chain.codec.canonical import encode_canonical
from chain.codec.merkle import merkle_proofs
from chain.town.energy.money import Line, bill
from chain.types.block import Proof

PPM: Final = 1_000_000
SCHEMA: Final = 1
ENERGY: Final = "energy"
CORRECTION: Final = "correction"


class StatementLine(Struct, frozen=True, forbid_unknown_fields=True):
    """Energy that went from one point to another in a month; below zero when it corrects an earlier statement."""

    line: str
    kind: str
    month: str
    """Month of delivery: an earlier one on a correction."""
    buyer: str
    seller: str
    source: str
    energy_wh: int
    amount_nano_eur: int
    net_cents: int
    vat_cents: int
    accise_cents: int


class PointStatement(Struct, frozen=True, forbid_unknown_fields=True):
    """One own point; `days` holds [day, metered, shared] in Wh."""

    point: str
    side: str
    metered_wh: int
    shared_wh: int
    rest_wh: int
    share_ppm: int
    """Coverage of a consumer (shared / consumed), self-consumption of a producer (shared / produced)."""
    days: tuple[tuple[str, int, int], ...]


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """What one member received and gave in one month, what he pays and gets, and how the figure was reached."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)]
    operation: str
    month: str
    issue: int
    """1, then one more for each correction of the month, whose lines are deltas."""
    member: str
    convention_hash: str
    roots_hash: str
    """SHA-256 over the published roots of the month's allocations: ties the statement to the chain."""
    operation_produced_wh: int
    operation_shared_wh: int
    points: tuple[PointStatement, ...]
    lines: tuple[StatementLine, ...]
    pays_cents: int
    gets_cents: int
    saved_cents: int
    earned_more_cents: int
    co2_avoided_g: int
    co2_mg_per_kwh: int
    co2_source: str
    vat: str
    accise: str
    mention: str


class Invoice(NamedTuple):
    """One seller's claim on one buyer for one month."""

    number: str
    seller: str
    buyer: str
    month: str
    lines: tuple[StatementLine, ...]
    net_cents: int
    vat_cents: int
    accise_cents: int
    gross_cents: int


@dataclass(frozen=True, slots=True)
class Billed:
    """Energy and exact amount of a line that earlier statements already hold."""

    energy_wh: int
    amount_nano_eur: int


@dataclass(frozen=True, slots=True)
class MonthInputs:
    """What the statements of one month are made of."""

    convention: Convention
    month: str
    current: MonthSum
    owners: Mapping[str, str]
    """Point (roster name) to member."""
    roots_hash: str = ""
    issue: int = 1
    billed: Mapping[LineKey, Billed] | None = None
    """What earlier issues of this month hold: the lines are then deltas."""
    changes: Sequence[tuple[str, MonthSum, Mapping[LineKey, Billed]]] = ()
    """Earlier months that were computed again: (month, new sums, what was billed of it)."""


def build_lines(inputs: MonthInputs) -> tuple[StatementLine, ...]:
    """All lines of the month, of every pair of points: energy, then deltas of corrected months."""
    if inputs.billed is not None:
        drafts = _deltas(inputs.month, inputs.current, inputs.billed)
    else:
        drafts = [
            (ENERGY, inputs.month, key, line.energy_wh, line.amount_nano_eur)
            for key, line in sorted(inputs.current.lines.items())
            if line.energy_wh
        ]
    for month, again, billed in inputs.changes:
        drafts += _deltas(month, again, billed)
    named = [
        (
            f"{inputs.month}/{inputs.issue}/{kind}/{month}/{key.buyer}/{key.seller}/{key.source}",
            kind,
            month,
            key,
            wh,
            n,
        )
        for kind, month, key, wh, n in drafts
    ]
    return _round(inputs.convention, named)


def _deltas(
    month: str, again: MonthSum, billed: Mapping[LineKey, Billed]
) -> list[tuple[str, str, LineKey, int, int]]:
    """What a new version of a month changes of each line; lines that stay as they were are left out."""
    found = []
    for key in sorted(billed.keys() | again.lines.keys()):
        was = billed.get(key, Billed(0, 0))
        now = again.lines.get(key)
        energy_wh = (now.energy_wh if now else 0) - was.energy_wh
        amount = (now.amount_nano_eur if now else 0) - was.amount_nano_eur
        if energy_wh or amount:
            found.append((CORRECTION, month, key, energy_wh, amount))
    return found


def _round(
    convention: Convention, drafts: Iterable[tuple[str, str, str, LineKey, int, int]]
) -> tuple[StatementLine, ...]:
    """Cents of each line: net, VAT and accise rounded each as a set, so that each column's total is exact."""
    kept = list(drafts)
    net = _cents([(line, key, wh, n) for line, _, _, key, wh, n in kept])
    vat = _cents(
        [
            (f"{line}/vat", key, wh, n * convention.taxes.vat_ppm // PPM)
            for line, _, _, key, wh, n in kept
        ]
    )
    accise = _cents(
        [
            (f"{line}/accise", key, wh, wh * convention.taxes.accise_micro_eur)
            for line, _, _, key, wh, _ in kept
        ]
    )
    return tuple(
        StatementLine(line, kind, month, *key, wh, n, net[at], vat[at], accise[at])
        for at, (line, kind, month, key, wh, n) in enumerate(kept)
    )


def _cents(drafts: Sequence[tuple[str, LineKey, int, int]]) -> list[int]:
    lines = [Line(name, key.buyer, key.seller, wh, amount) for name, key, wh, amount in drafts]
    return [line.amount_cents for line in bill(lines).lines]


def build_statements(
    inputs: MonthInputs, lines: Sequence[StatementLine], convention_hash: str
) -> dict[str, Statement]:
    """Every member's statement, by member; members without any point have none."""
    owned: dict[str, list[str]] = {}
    for point, member in inputs.owners.items():
        owned.setdefault(member, []).append(point)
    return {
        member: _statement(inputs, member, frozenset(points), lines, convention_hash)
        for member, points in sorted(owned.items())
    }


def _statement(
    inputs: MonthInputs,
    member: str,
    points: frozenset[str],
    lines: Sequence[StatementLine],
    convention_hash: str,
) -> Statement:
    convention, current = inputs.convention, inputs.current
    own = tuple(line for line in lines if line.buyer in points or line.seller in points)
    bought = [line for line in own if line.buyer in points]
    sold = [line for line in own if line.seller in points]
    consumed_wh = sum(line.energy_wh for line in bought)
    return Statement(
        schema=SCHEMA,
        operation=convention.operation,
        month=inputs.month,
        issue=inputs.issue,
        member=member,
        convention_hash=convention_hash,
        roots_hash=inputs.roots_hash,
        operation_produced_wh=current.produced_wh,
        operation_shared_wh=current.shared_wh,
        points=_points(current, points),
        lines=own,
        pays_cents=sum(gross_cents(line) for line in bought),
        gets_cents=sum(gross_cents(line) for line in sold),
        saved_cents=_saved_cents(
            sum(
                line.energy_wh * convention.outside_price_micro_eur - line.amount_nano_eur
                for line in bought
            )
        ),
        earned_more_cents=_saved_cents(
            sum(
                line.amount_nano_eur - line.energy_wh * convention.surplus_price_micro_eur
                for line in sold
            )
        ),
        co2_avoided_g=consumed_wh * convention.carbon.avoided_mg_per_kwh // PPM,
        co2_mg_per_kwh=convention.carbon.avoided_mg_per_kwh,
        co2_source=convention.carbon.source,
        vat=convention.taxes.vat,
        accise=convention.taxes.accise,
        mention=MENTIONS[convention.taxes.vat],
    )


def _points(current: MonthSum, points: frozenset[str]) -> tuple[PointStatement, ...]:
    found = []
    for side, sums in (("consumer", current.consumers), ("producer", current.producers)):
        for name in sorted(sums.keys() & points):
            total = sums[name]
            found.append(
                PointStatement(
                    name,
                    side,
                    total.metered_wh,
                    total.shared_wh,
                    total.rest_wh,
                    ratio_ppm(total.shared_wh, total.metered_wh),
                    tuple((format_day(day), *pair) for day, pair in sorted(total.days.items())),
                )
            )
    return tuple(found)


def count_credits(statement: Statement) -> int:
    """Wh of KWHC that a month gives a member: what own homes got.

    What a store took in is credited when it comes out, to who gets it: else one Wh of sun would be claimed twice.
    """
    return sum(
        point.shared_wh
        for point in statement.points
        if point.side == "consumer" and not point.point.startswith("charge_")
    )


def _saved_cents(amount_nano_eur: int) -> int:
    """Nearest cent, halves to even: information, no claim on anybody."""
    return bill([Line("saved", "", "", 0, amount_nano_eur)]).total_cents


def gross_cents(line: StatementLine) -> int:
    """What a line costs with taxes."""
    return line.net_cents + line.vat_cents + line.accise_cents


def ratio_ppm(part: int, whole: int) -> int:
    """Parts per million, floored; 0 of nothing."""
    return part * PPM // whole if whole else 0


# --- invoices -------------------------------------------------------------------------------------


def build_invoices(inputs: MonthInputs, lines: Sequence[StatementLine]) -> tuple[Invoice, ...]:
    """One invoice per seller and buyer who owe each other anything, numbered without a hole per seller and month.

    A member who buys of his own plant is on no invoice: nobody bills himself.
    """
    pairs: dict[tuple[str, str], list[StatementLine]] = {}
    for line in lines:
        seller, buyer = inputs.owners[line.seller], inputs.owners[line.buyer]
        if seller != buyer:
            pairs.setdefault((seller, buyer), []).append(line)
    sellers = sorted({seller for seller, _ in pairs})
    numbers = dict.fromkeys(sellers, 0)
    invoices = []
    for (seller, buyer), own in sorted(pairs.items()):
        numbers[seller] += 1
        series = f"{inputs.convention.operation}-{inputs.month}-{inputs.issue}-{sellers.index(seller) + 1:03}"
        invoices.append(
            Invoice(
                f"{series}-{numbers[seller]:04}",
                seller,
                buyer,
                inputs.month,
                tuple(own),
                sum(line.net_cents for line in own),
                sum(line.vat_cents for line in own),
                sum(line.accise_cents for line in own),
                sum(map(gross_cents, own)),
            )
        )
    return tuple(invoices)


def check_invoices(
    statements: Iterable[Statement], lines: Iterable[StatementLine], invoices: Iterable[Invoice]
) -> None:
    """Stop when buyers' and sellers' totals part, or an invoice is not made of the lines (a broken invariant)."""
    known, drawn = list(statements), list(invoices)
    pays = sum(statement.pays_cents for statement in known)
    gets = sum(statement.gets_cents for statement in known)
    total = sum(map(gross_cents, lines))
    assert pays == gets == total, f"buyers pay {pays}, sellers get {gets}, lines say {total} cents"
    assert all(i.gross_cents == sum(map(gross_cents, i.lines)) for i in drawn), (
        "an invoice is wrong"
    )


# --- what goes on the chain -----------------------------------------------------------------------


def encode_statement(statement: Statement) -> bytes:
    """The canonical bytes that are salted and hashed."""
    return encode_canonical(statement)


def compute_statement_root(
    salted: Sequence[tuple[bytes, bytes]],
) -> tuple[bytes, tuple[Proof, ...]]:
    """Root over (salt, statement bytes), leaves sorted by their salts; and each one's path, in the order given."""
    leaves = sorted(salt + raw for salt, raw in salted)
    root, proofs = merkle_proofs(leaves)
    place = {leaf: index for index, leaf in enumerate(leaves)}
    return root, tuple(proofs[place[salt + raw]] for salt, raw in salted)


def describe_line(line: StatementLine) -> dict[str, Any]:
    """A line as JSON, with what is paid."""
    shown = {name: getattr(line, name) for name in line.__struct_fields__}
    return {**shown, "gross_cents": gross_cents(line)}
