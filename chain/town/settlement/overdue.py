"""Legs unpaid past the pay date: their payer gives no points until they are settled; its points stay good.

Reads and writes: legs, standings.  Writes: the journal.  Never: blocks a shop whose dispute is still open.
"""

from itertools import islice

from msgspec.structs import replace

from chain.limits import SETTLEMENT_LEGS_PER_STEP
from chain.town.context import BlockContext, Overlay, Reader
from chain.town.due import schedule_due
from chain.town.settlement.closing import OVERDUE_KIND
from chain.town.settlement.records import (
    DISPUTES,
    LEGS,
    RESERVE,
    STANDINGS,
    LegRecord,
    epoch_range,
    leg_id,
    of_epoch,
)
from chain.town.settlement.standing import get_standing


def judge_overdue(ctx: BlockContext, text: str) -> None:
    """Due work at the pay date: mark the next legs that nobody vouches for; those marked before are left alone."""
    epoch, start = (int(part) for part in text.split("/"))
    page = list(
        islice(
            LEGS.scan(ctx.state, leg_id(epoch, start), epoch_range(epoch)[1]),
            SETTLEMENT_LEGS_PER_STEP,
        )
    )
    late: list[list[str | int]] = []
    for index, (record_id, leg) in enumerate(page, start):
        if _is_late(ctx.state, epoch, leg):
            LEGS.put(ctx.state, record_id, mark_overdue(ctx.state, leg))
            late.append([index, leg.payer, leg.payee, leg.cents])
    if late:
        ctx.note(OVERDUE_KIND, epoch=epoch, legs=late)
    if len(page) == SETTLEMENT_LEGS_PER_STEP:
        following = f"{epoch}/{start + SETTLEMENT_LEGS_PER_STEP}"
        schedule_due(ctx.state, ctx.time_s, OVERDUE_KIND, following)


def _is_late(state: Reader, epoch: int, leg: LegRecord) -> bool:
    if leg.payer == RESERVE or leg.received or leg.is_overdue or (leg.paid and not leg.is_missing):
        return False
    dispute = DISPUTES.get(state, of_epoch(epoch, leg.payer))
    return dispute is None or bool(dispute.outcome)


def mark_overdue(state: Overlay, leg: LegRecord) -> LegRecord:
    """The leg as overdue, counted against its payer; the reserve is not a shop that could be stopped."""
    if leg.is_overdue or leg.payer == RESERVE:
        return leg
    _count(state, leg.payer, 1)
    return replace(leg, is_overdue=True)


def clear_overdue(state: Overlay, leg: LegRecord) -> LegRecord:
    """The leg once it was received: its payer may give points again, unless it is late with another."""
    if not leg.is_overdue:
        return leg
    _count(state, leg.payer, -1)
    return replace(leg, is_overdue=False)


def _count(state: Overlay, shop: str, change: int) -> None:
    standing = get_standing(state, shop)
    assert standing.overdue + change >= 0, "a leg is overdue once"
    STANDINGS.put(state, shop.encode(), replace(standing, overdue=standing.overdue + change))
