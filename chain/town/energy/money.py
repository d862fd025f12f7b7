"""Money of shared energy: exact in nano-euros, rounded to cents once per invoice line, the same line on both sides.

Wh x µ€/kWh = n€ exactly, so nothing is rounded before the invoice. The total of a set of lines is rounded half to
even, each line to the cent below or above by largest remainder: the lines sum to the rounded total, and
because buyer and seller read the same lines, what buyers pay is what sellers get.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from chain.town.energy.rounding import pick_largest

NANO_EUR_PER_CENT: Final = 10_000_000
_DOMAIN: Final = b"beffroi-energy-line\x00"


class Line(NamedTuple):
    """One contract of one billing month: who owes whom for how much energy; negative for a correction."""

    line_id: str
    buyer: str
    seller: str
    energy_wh: int
    amount_nano_eur: int


class BilledLine(NamedTuple):
    """The line as both invoices show it."""

    line_id: str
    buyer: str
    seller: str
    energy_wh: int
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Invoices:
    """Lines in the order given, and totals by party in cents; both sides sum to `total_cents`."""

    lines: tuple[BilledLine, ...]
    total_cents: int
    buyers_cents: tuple[tuple[str, int], ...]
    sellers_cents: tuple[tuple[str, int], ...]


def compute_amount_nano_eur(energy_wh: int, price_micro_eur: int) -> int:
    """Price of an energy: Wh x µ€/kWh is exactly nano-euros."""
    return energy_wh * price_micro_eur


def round_to_cents(amount_nano_eur: int) -> int:
    """Nearest cent, halves to the even one; also for amounts below zero."""
    cents, rest = divmod(amount_nano_eur, NANO_EUR_PER_CENT)
    if 2 * rest == NANO_EUR_PER_CENT:
        return cents + (cents & 1)
    return cents + (2 * rest > NANO_EUR_PER_CENT)


def bill(lines: Sequence[Line]) -> Invoices:
    """Round a set of lines once; every line is within one cent of its exact amount.

    The result does not depend on the order of the lines: equal remainders go to the smaller SHA-256 of the line id.
    """
    assert len({line.line_id for line in lines}) == len(lines), "a line is billed once"
    total = round_to_cents(sum(line.amount_nano_eur for line in lines))
    cents = [line.amount_nano_eur // NANO_EUR_PER_CENT for line in lines]
    rests = [line.amount_nano_eur % NANO_EUR_PER_CENT for line in lines]
    for index in pick_largest(rests, total - sum(cents), lambda i: _rank(lines[i])):
        cents[index] += 1
    billed = tuple(
        BilledLine(line.line_id, line.buyer, line.seller, line.energy_wh, amount)
        for line, amount in zip(lines, cents, strict=True)
    )
    buyers = _totals((line.buyer, line.amount_cents) for line in billed)
    sellers = _totals((line.seller, line.amount_cents) for line in billed)
    return Invoices(billed, total, buyers, sellers)


def _rank(line: Line) -> bytes:
    return sha256(_DOMAIN + line.line_id.encode()).digest()


def _totals(amounts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    totals: dict[str, int] = {}
    for party, cents in amounts:
        totals[party] = totals.get(party, 0) + cents
    return tuple(sorted(totals.items()))
