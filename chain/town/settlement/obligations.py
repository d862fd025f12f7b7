"""Debts between shops as a by-product of every spend and refund; the first one of a week opens its epoch.

Reads and writes: the epoch, debts, positions, one due item.  Never: a debt of a shop to itself.
"""

from typing import Final

from msgspec.structs import replace

from chain.town import params
from chain.town.context import BlockContext, Overlay
from chain.town.due import cancel_due, schedule_due
from chain.town.settlement.records import (
    CURRENT,
    DEBTS,
    EPOCHS,
    POSITIONS,
    DebtRecord,
    EpochRecord,
    PositionRecord,
    of_epoch,
)

OPEN_KIND: Final = "settlement.open"
CLOSE_KIND: Final = "settlement.close"
MONDAY_S: Final = 4 * params.DAY_S
"""The first Monday of unix time: 1970-01-01 was a Thursday. A week ends on Monday at 00:00 UTC."""


def book_spent(state: Overlay, *, issuer: str, redeemer: str, millicents: int) -> None:
    """The issuer of spent points owes the redeemer their value; below zero, a refund takes it back.

    It counts in the epoch that is open now, because a closed batch is never changed. Points spent at their own
    issuer count as spent, and nobody owes anybody.
    """
    epoch = get_epoch(state)
    epoch = replace(epoch, redeemed_millicents=epoch.redeemed_millicents + millicents)
    if issuer != redeemer and millicents:
        epoch = add_debt(state, epoch, issuer=issuer, redeemer=redeemer, millicents=millicents)
    EPOCHS.put(state, CURRENT, epoch)


def get_epoch(state: Overlay) -> EpochRecord:
    """The epoch that takes debts now. The first debt has it opened at this block's end, where its time is known."""
    epoch = EPOCHS.get(state, CURRENT) or EpochRecord()
    if not epoch.opened_s:
        schedule_due(state, 0, OPEN_KIND, str(epoch.number))
    return epoch


def add_debt(
    state: Overlay, epoch: EpochRecord, *, issuer: str, redeemer: str, millicents: int
) -> EpochRecord:
    """Move the pair's debt and both positions; returns the open epoch with its sums, to be written."""
    assert issuer != redeemer, "no shop owes itself"
    pair = of_epoch(epoch.number, issuer, redeemer)
    known = DEBTS.get(state, pair)
    before = known.millicents if known is not None else 0
    DEBTS.put(state, pair, DebtRecord(before + millicents))
    _move(state, epoch.number, issuer, -millicents)
    _move(state, epoch.number, redeemer, millicents)
    gross = epoch.gross_millicents + abs(before + millicents) - abs(before)
    return replace(epoch, gross_millicents=gross, pairs=epoch.pairs + (known is None))


def _move(state: Overlay, epoch: int, shop: str, millicents: int) -> None:
    record_id = of_epoch(epoch, shop)
    held = POSITIONS.get(state, record_id) or PositionRecord()
    POSITIONS.put(state, record_id, PositionRecord(held.net_millicents + millicents))


def open_epoch(ctx: BlockContext, text: str) -> None:
    """Due work at the end of the block of an epoch's first debt: note where it began and when it will close."""
    epoch = EPOCHS.get(ctx.state, CURRENT)
    assert epoch is not None, "a debt was booked"
    assert (str(epoch.number), epoch.opened_s) == (text, 0), "an epoch opens once"
    period_s = params.get_param(ctx.state, params.SETTLEMENT_PERIOD_S)
    closes_s = compute_close(ctx.time_s, period_s)
    opened = replace(epoch, opened_s=ctx.time_s, closes_s=closes_s, from_height=ctx.height)
    EPOCHS.put(ctx.state, CURRENT, opened)
    schedule_due(ctx.state, closes_s, CLOSE_KIND, text)


def open_for_due_work(ctx: BlockContext) -> None:
    """Before block end books debts by itself: open the epoch here, because an item put off waits for the next block.

    An epoch that began a block late would not cover its own first debts, and no auditor could recount it.
    """
    epoch = EPOCHS.get(ctx.state, CURRENT) or EpochRecord()
    if epoch.opened_s:
        return
    EPOCHS.put(ctx.state, CURRENT, epoch)
    cancel_due(ctx.state, 0, OPEN_KIND, str(epoch.number))
    open_epoch(ctx, str(epoch.number))


def compute_close(time_s: int, period_s: int) -> int:
    """The first end of a period after `time_s`: with a period of a week, the next Monday at 00:00 UTC."""
    return MONDAY_S + ((time_s - MONDAY_S) // period_s + 1) * period_s
