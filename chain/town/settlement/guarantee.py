"""What happens to the debts of a shop that failed: its reserve pays first, then all issuers in proportion.

The published rule: points of a failed shop stay redeemable. Its debts of a batch are taken over by the reserve it
pledged, as far as that goes; the rest is shared by the active shops in proportion to the value of their own points
in circulation, so that whoever issues much carries much, and nobody who redeems is left alone with the loss.
Reads: standings, issuers' totals, programmes.  Writes: what was used of a reserve.  Never: another shop's reserve.
"""

from collections import defaultdict
from typing import Any

from msgspec.structs import replace

from chain.limits import SETTLEMENT_VERSIONS
from chain.town.context import Overlay, Reader
from chain.town.loyalty.records import (
    PROGRAMMES,
    TOTALS,
    VERSIONS,
    IssuerTotals,
    version_id,
)
from chain.town.settlement.netting import MILLICENTS_PER_CENT
from chain.town.settlement.records import RESERVE, STANDINGS, StandingRecord
from chain.town.settlement.standing import get_standing


def share_failed_debts(state: Overlay, net: dict[str, int]) -> list[dict[str, Any]]:
    """Move the debts of failed shops in `net` (millicents) as the rule says; returns what was moved."""
    moved = []
    failed = [s for s in sorted(net) if net[s] < 0 and get_standing(state, s).status == "failed"]
    weights = _weigh_active(state) if failed else {}
    for shop in failed:
        from_reserve = _take_reserve(state, shop, get_standing(state, shop), -net[shop])
        left = -net[shop] - from_reserve
        shares = split_by_weight(left, weights) if weights and left else {}
        net[RESERVE] = net.get(RESERVE, 0) - from_reserve
        for payer, part in shares.items():
            net[payer] = net.get(payer, 0) - part
        net[shop] += from_reserve + sum(shares.values())
        lines = [[payer, part] for payer, part in sorted(shares.items()) if part]
        moved.append({"shop": shop, "reserve_millicents": from_reserve, "shared": lines})
    return moved


def _take_reserve(state: Overlay, shop: str, standing: StandingRecord, owed: int) -> int:
    left = max(0, standing.held_cents * MILLICENTS_PER_CENT - standing.used_millicents)
    taken = min(left, owed)
    used = replace(standing, used_millicents=standing.used_millicents + taken)
    STANDINGS.put(state, shop.encode(), used)
    return taken


def _weigh_active(state: Reader) -> dict[str, int]:
    """Value in circulation of every active issuer; nobody to share among leaves a debt where it is."""
    return {
        shop: value
        for shop, value in circulation_by_issuer(state).items()
        if value > 0 and get_standing(state, shop).status == "active"
    }


def split_by_weight(amount: int, weights: dict[str, int]) -> dict[str, int]:
    """Whole parts that add up to `amount`, in proportion to positive weights; largest remainders, then names, first."""
    total = sum(weights.values())
    parts = {name: amount * weight // total for name, weight in weights.items()}
    by_rest = sorted(weights, key=lambda name: (-(amount * weights[name] % total), name))
    for name in by_rest[: amount - sum(parts.values())]:
        parts[name] += 1
    return parts


def circulation_by_issuer(state: Reader) -> dict[str, int]:
    """Value of every issuer's points that can still be spent, millicents, at each programme's highest value."""
    values: defaultdict[str, int] = defaultdict(int)
    highest: dict[str, int] = {}
    for record_id, totals in TOTALS.scan(state):
        programme, _, issuer = record_id.decode().partition("/")
        if programme not in highest:
            highest[programme] = get_highest_value(state, programme)
        values[issuer] += count_outstanding(totals) * highest[programme]
    return dict(values)


def count_outstanding(totals: IssuerTotals) -> int:
    """Points of an issuer that are neither spent, expired nor taken back; held and cooling ones are out there too."""
    return totals.minted - totals.redeemed - totals.expired - totals.reversed


def get_highest_value(state: Reader, programme: str) -> int:
    """The most a point of a programme was worth under its latest versions, millicents.

    What is in circulation is counted at it: a bound from above, and exact where the value never changed.
    """
    record = PROGRAMMES.get(state, programme.encode())
    assert record is not None, "points belong to a programme"
    first = max(0, record.version - SETTLEMENT_VERSIONS)
    stop = version_id(programme, record.version + 1)
    versions = VERSIONS.scan(state, version_id(programme, first), stop)
    return max((found.terms.value_millicents for _, found in versions), default=0)
