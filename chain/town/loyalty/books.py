"""Double entry: every transaction's entries sum to zero per issuer, and what shops owe each other falls out.

Holders: `ISS` the issuer (minus what it minted), `USR` an account or pool, `PND` cooling off, `HLD` held, `RED` the
shop where points were spent, `EXP` expired, `REV` taken back.
A repaid debt is minted and reversed at once: a smaller mint would not close.
Reads: issuers' totals, obligations, versions' values.  Writes: totals, obligations.  Never: wallets.
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
    VERSIONS,
    IssuerTotals,
    Leg,
    ObligationRecord,
    joined_id,
    version_id,
)
from chain.town.settlement.obligations import book_spent

HolderKind = Literal["ISS", "USR", "PND", "HLD", "RED", "EXP", "REV"]


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
    totals = get_totals(state, programme, issuer)
    fresh = replace(
        totals,
        minted=totals.minted - moved["ISS"],
        redeemed=totals.redeemed + moved["RED"],
        expired=totals.expired + moved["EXP"],
        reversed=totals.reversed + moved["REV"],
        held=totals.held + moved["HLD"],
        pending=totals.pending + moved["PND"],
    )
    assert min(fresh.redeemed, fresh.held, fresh.pending) >= 0, "no more comes back than went"
    TOTALS.put(state, joined_id(programme, issuer), fresh)


# --- between shops -------------------------------------------------------------------------


def add_spent(
    state: Overlay, programme: str, redeemer: str, legs: Iterable[Leg], *, sign: int = 1
) -> None:
    """Book what issuers owe the shop where their points were spent, or (sign -1) no longer owe after a refund."""
    owed: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for leg in legs:
        owed[leg.lot.issuer][0] += leg.points
        owed[leg.lot.issuer][1] += leg.points * get_value(state, programme, leg.lot.version)
    for issuer in sorted(owed):
        points, value = owed[issuer]
        add_obligation(
            state, programme, issuer, redeemer, points=sign * points, value_millicents=sign * value
        )


def get_value(state: Reader, programme: str, version: int) -> int:
    """What a point of one version is worth between shops, in thousandths of a euro cent."""
    found = VERSIONS.get(state, version_id(programme, version))
    assert found is not None, "points are given under a version on record"
    return found.terms.value_millicents


def add_obligation(
    state: Overlay,
    programme: str,
    issuer: str,
    redeemer: str,
    *,
    points: int,
    value_millicents: int,
) -> None:
    """Move what one shop owes another, ever and in this week's settlement; nobody owes itself."""
    book_spent(state, issuer=issuer, redeemer=redeemer, millicents=value_millicents)
    if issuer == redeemer:
        return
    record_id = joined_id(programme, issuer, redeemer)
    held = OBLIGATIONS.get(state, record_id) or ObligationRecord()
    fresh = ObligationRecord(held.points + points, held.value_millicents + value_millicents)
    OBLIGATIONS.put(state, record_id, fresh)


def move_legs(
    legs: Iterable[Leg], source: HolderKind, target: HolderKind, *, target_name: str = ""
) -> list[Entry]:
    """Entries that move legs off a holder (`USR` is the leg's wallet) onto another."""
    entries = []
    for leg in legs:
        issuer, wallet = leg.lot.issuer, leg.wallet
        entries.append(Entry(issuer, source, wallet if source == "USR" else "", -leg.points))
        name = wallet if target == "USR" else target_name
        entries.append(Entry(issuer, target, name, leg.points))
    return entries
