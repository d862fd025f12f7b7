"""Double entry: every transaction's entries sum to zero per issuer, and what shops owe each other falls out.

Holders: `ISS` the issuer (minus what it minted), `USR` an account, `RED` the shop where points were spent,
`EXP` expired, `REV` taken back. A repaid debt is minted and reversed at once: a smaller mint would not close.
Reads: issuers' totals, obligations.  Writes: the same.  Never: wallets.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from chain.town.context import Overlay, Reader
from chain.town.loyalty.records import (
    OBLIGATIONS,
    TOTALS,
    IssuerTotals,
    ObligationRecord,
    joined_id,
)

HolderKind = Literal["ISS", "USR", "RED", "EXP", "REV"]


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """`points` of `issuer` move onto (or, negative, off) one holder; `name` is a shop, an account or ""."""

    issuer: str
    kind: HolderKind
    name: str
    points: int

    @property
    def holder(self) -> str:
        """Text of the holder in result data: `USR:<account>`, `RED:<shop>`, `EXP`…"""
        return f"{self.kind}:{self.name}" if self.name else self.kind


def merge_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """One entry per issuer and holder, sorted, empty ones dropped."""
    sums: defaultdict[tuple[str, HolderKind, str], int] = defaultdict(int)
    for entry in entries:
        sums[entry.issuer, entry.kind, entry.name] += entry.points
    return tuple(Entry(*holder, points) for holder, points in sorted(sums.items()) if points)


def post_entries(state: Overlay, programme: str, entries: Iterable[Entry]) -> list[list[str | int]]:
    """Book one operation; returns the merged entries as `[holder, issuer, points]` for its result data."""
    merged = merge_entries(entries)
    by_issuer: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in merged:
        by_issuer[entry.issuer].append(entry)
    for issuer in sorted(by_issuer):
        assert sum(entry.points for entry in by_issuer[issuer]) == 0, "entries must sum to zero"
        _add_to_totals(state, programme, issuer, by_issuer[issuer])
    return [[entry.holder, entry.issuer, entry.points] for entry in merged]


def get_totals(state: Reader, programme: str, issuer: str) -> IssuerTotals:
    """An issuer's totals in a programme, zero before its first gift."""
    return TOTALS.get(state, joined_id(programme, issuer)) or IssuerTotals()


def add_owed(state: Overlay, programme: str, issuer: str, points: int) -> None:
    """Move the memorandum of debts to one issuer by `points`."""
    totals = get_totals(state, programme, issuer)
    assert totals.owed + points >= 0, "debts to an issuer are never negative"
    TOTALS.put(state, joined_id(programme, issuer), replace(totals, owed=totals.owed + points))


def _add_to_totals(state: Overlay, programme: str, issuer: str, entries: list[Entry]) -> None:
    moved: defaultdict[HolderKind, int] = defaultdict(int)
    for entry in entries:
        moved[entry.kind] += entry.points
        if entry.kind == "RED" and entry.name != issuer:
            _add_obligation(state, joined_id(programme, issuer, entry.name), entry.points)
    totals = get_totals(state, programme, issuer)
    fresh = replace(
        totals,
        minted=totals.minted - moved["ISS"],
        redeemed=totals.redeemed + moved["RED"],
        expired=totals.expired + moved["EXP"],
        reversed=totals.reversed + moved["REV"],
    )
    assert fresh.redeemed >= 0, "no more is refunded than was redeemed"
    TOTALS.put(state, joined_id(programme, issuer), fresh)


def _add_obligation(state: Overlay, record_id: bytes, points: int) -> None:
    held = OBLIGATIONS.get(state, record_id) or ObligationRecord()
    OBLIGATIONS.put(state, record_id, ObligationRecord(held.points + points))
