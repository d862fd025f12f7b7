"""Multilateral netting: many debts between shops become at most n-1 payments, the same on every machine.

The chain, the auditor's command and the tests of both call these functions. Integers only.
Reads: positions.  Writes: nothing.  Never: looks at state or at a clock.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

from chain.codec.canonical import b64url_encode, encode_canonical

MILLICENTS_PER_CENT: Final = 1_000

Matrix: TypeAlias = Mapping[tuple[str, str], int]
"""(issuer, redeemer) to what the issuer owes the redeemer, millicents; below zero after late refunds."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One leg of a batch: `payer` pays `payee` that many cents, more than 0."""

    payer: str
    payee: str
    cents: int


@dataclass(frozen=True, slots=True)
class Rounded:
    """Whole cents to settle now and what stays for the next batch, both summing to zero over all shops."""

    cents: dict[str, int]
    """Positive: to receive."""
    carried_millicents: dict[str, int]
    """Less than a cent either way; shops without any are left out."""


def compute_positions(matrix: Matrix) -> dict[str, int]:
    """Net of every shop that stands in the matrix, millicents: what it is owed minus what it owes."""
    net: dict[str, int] = {}
    for (issuer, redeemer), owed in matrix.items():
        net[issuer] = net.get(issuer, 0) - owed
        net[redeemer] = net.get(redeemer, 0) + owed
    return net


def round_positions(net_millicents: Mapping[str, int]) -> Rounded:
    """Round to cents so that the sum stays zero: floor, then one cent each to the largest remainders.

    Ties go to the lower name. The method is that of the largest remainder (Hamilton), here on residues of a cent.
    """
    assert sum(net_millicents.values()) == 0, "positions sum to zero"
    cents = {shop: net // MILLICENTS_PER_CENT for shop, net in net_millicents.items()}
    by_rest = sorted(
        net_millicents, key=lambda shop: (-(net_millicents[shop] % MILLICENTS_PER_CENT), shop)
    )
    for shop in by_rest[: -sum(cents.values())]:
        cents[shop] += 1
    carried = {
        shop: net - cents[shop] * MILLICENTS_PER_CENT
        for shop, net in net_millicents.items()
        if net != cents[shop] * MILLICENTS_PER_CENT
    }
    return Rounded(cents, carried)


def compute_payments(cents: Mapping[str, int]) -> tuple[Payment, ...]:
    """Match the largest debtor with the largest creditor until nothing is left; ties go to the lower name.

    Every payment clears at least one shop and the last one two, so n shops need at most n-1; a shop is a debtor
    or a creditor, never both.
    """
    assert sum(cents.values()) == 0, "positions sum to zero"
    owing = [(-owed, shop) for shop, net in cents.items() if (owed := -net) > 0]
    due = [(-net, shop) for shop, net in cents.items() if net > 0]
    heapify(owing)
    heapify(due)
    payments: list[Payment] = []
    while owing:
        debt, payer = heappop(owing)
        claim, payee = heappop(due)
        paid = min(-debt, -claim)
        payments.append(Payment(payer, payee, paid))
        if -debt > paid:
            heappush(owing, (debt + paid, payer))
        if -claim > paid:
            heappush(due, (claim + paid, payee))
    assert not due, "every claim found its debtors"
    return tuple(payments)


def compute_batch_root(epoch: int, cents: Mapping[str, int], payments: Iterable[Payment]) -> str:
    """SHA-256, base64url, of the canonical batch: every shop's position by name, then the payments in order."""
    batch = {
        "epoch": epoch,
        "positions": [[shop, cents[shop]] for shop in sorted(cents)],
        "legs": [[leg.payer, leg.payee, leg.cents] for leg in payments],
    }
    return b64url_encode(sha256(encode_canonical(batch)).digest())


def compute_gross(matrix: Matrix) -> int:
    """What would have to be paid pair by pair, millicents: the two directions of a pair are not yet netted."""
    return sum(abs(owed) for owed in matrix.values())
