"""The weekly batch: at the end of the first block past the epoch, positions become payments; later, old pairs go.

A debt booked in the closing block itself belongs to the closing epoch: blocks, not seconds, divide epochs, so that
whoever holds the blocks from `from_height` to `to_height` can recompute the batch.
Reads and writes: namespace settlement, the due queue.  Never: changes a batch once closed.
"""

from itertools import islice
from typing import Any, Final

from msgspec.structs import asdict, replace

from chain.limits import (
    SETTLEMENT_DROPPED_PER_STEP,
    SETTLEMENT_KEPT_S,
    SETTLEMENT_LEGS_PER_STEP,
)
from chain.town import params
from chain.town.context import BlockContext, Overlay, Reader
from chain.town.due import schedule_due
from chain.town.settlement.guarantee import share_failed_debts
from chain.town.settlement.netting import (
    Payment,
    Rounded,
    compute_batch_root,
    compute_payments,
    round_positions,
)
from chain.town.settlement.obligations import CLOSE_KIND
from chain.town.settlement.records import (
    BATCHES,
    CARRIES,
    CURRENT,
    DEBTS,
    EPOCHS,
    LEGS,
    POSITIONS,
    BatchRecord,
    CarryRecord,
    EpochRecord,
    LegRecord,
    PositionRecord,
    epoch_id,
    epoch_range,
    leg_id,
    of_epoch,
)

WRITE_KIND: Final = "settlement.legs"
OVERDUE_KIND: Final = "settlement.overdue"
DROP_KIND: Final = "settlement.drop"
WATCH_KIND: Final = "settlement.watch"


def close_epoch(ctx: BlockContext, text: str) -> None:
    """Due work: net the open epoch into a batch, write its first legs, and open the next epoch's books."""
    epoch = EPOCHS.get(ctx.state, CURRENT)
    assert epoch is not None, "debts open an epoch"
    assert str(epoch.number) == text, "only the open epoch is closed"
    net = _collect_positions(ctx.state, epoch.number)
    shared = share_failed_debts(ctx.state, net)
    rounded = round_positions(net)
    payments = compute_payments(rounded.cents)
    _keep_positions(ctx.state, epoch.number, net, rounded)
    EPOCHS.put(ctx.state, CURRENT, EpochRecord(epoch.number + 1))
    batch = _make_batch(ctx, epoch, rounded, payments)
    facts = {name: value for name, value in asdict(batch).items() if name != "written"}
    positions = [[shop, net[shop], rounded.cents[shop]] for shop in sorted(net)]
    ctx.note(CLOSE_KIND, **facts, positions=positions, guarantee=shared)
    _write_legs(ctx, batch, payments, start=0)
    schedule_due(ctx.state, batch.pay_until_s, OVERDUE_KIND, f"{epoch.number}/0")
    schedule_due(ctx.state, batch.pay_until_s + SETTLEMENT_KEPT_S, DROP_KIND, text)
    schedule_due(ctx.state, ctx.time_s, WATCH_KIND, text)


def _collect_positions(state: Overlay, epoch: int) -> dict[str, int]:
    """Net of every shop in millicents, with what the last batch carried over."""
    net = {
        record_id.decode().partition("/")[2]: position.net_millicents
        for record_id, position in POSITIONS.scan(state, *epoch_range(epoch))
    }
    for record_id, carried in list(CARRIES.scan(state)):
        shop = record_id.decode()
        net[shop] = net.get(shop, 0) + carried.millicents
        CARRIES.delete(state, record_id)
    return net


def _keep_positions(state: Overlay, epoch: int, net: dict[str, int], rounded: Rounded) -> None:
    for shop, millicents in net.items():
        record = PositionRecord(millicents, rounded.cents[shop])
        POSITIONS.put(state, of_epoch(epoch, shop), record)
    for shop, millicents in rounded.carried_millicents.items():
        CARRIES.put(state, shop.encode(), CarryRecord(millicents))


def _make_batch(
    ctx: BlockContext, epoch: EpochRecord, rounded: Rounded, payments: tuple[Payment, ...]
) -> BatchRecord:
    """The batch's figures; nothing has to be paid while it may still be disputed."""
    dispute_s = params.get_param(ctx.state, params.SETTLEMENT_DISPUTE_S)
    pay_s = max(dispute_s, params.get_param(ctx.state, params.SETTLEMENT_PAY_S))
    return BatchRecord(
        epoch=epoch.number,
        from_height=epoch.from_height,
        to_height=ctx.height,
        closed_s=ctx.time_s,
        dispute_until_s=ctx.time_s + dispute_s,
        pay_until_s=ctx.time_s + pay_s,
        shops=len(rounded.cents),
        legs=len(payments),
        legs_cents=sum(leg.cents for leg in payments),
        gross_millicents=epoch.gross_millicents,
        pairs=epoch.pairs,
        redeemed_millicents=epoch.redeemed_millicents,
        root=compute_batch_root(epoch.number, rounded.cents, payments),
    )


def write_legs(ctx: BlockContext, text: str) -> None:
    """Due work: the next legs of a large batch, computed again from the positions that were kept."""
    epoch, start = (int(part) for part in text.split("/"))
    batch = BATCHES.get(ctx.state, epoch_id(epoch))
    assert batch is not None, "only a closed epoch has legs"
    positions = POSITIONS.scan(ctx.state, *epoch_range(epoch))
    cents = {rid.decode().partition("/")[2]: position.cents for rid, position in positions}
    _write_legs(ctx, batch, compute_payments(cents), start=start)


def _write_legs(
    ctx: BlockContext, batch: BatchRecord, payments: tuple[Payment, ...], *, start: int
) -> None:
    stop = min(start + SETTLEMENT_LEGS_PER_STEP, len(payments))
    lines: list[list[Any]] = []
    for index, leg in enumerate(payments[start:stop], start):
        LEGS.put(ctx.state, leg_id(batch.epoch, index), LegRecord(leg.payer, leg.payee, leg.cents))
        lines.append([leg.payer, leg.payee, leg.cents])
    BATCHES.put(ctx.state, epoch_id(batch.epoch), replace(batch, written=stop))
    ctx.note(WRITE_KIND, epoch=batch.epoch, start=start, legs=lines)
    if stop < len(payments):
        schedule_due(ctx.state, ctx.time_s, WRITE_KIND, f"{batch.epoch}/{stop}")


def drop_epoch(ctx: BlockContext, text: str) -> None:
    """Due work: forget pairs and positions of an epoch long settled; batch and legs stay."""
    epoch = int(text)
    left = SETTLEMENT_DROPPED_PER_STEP
    left -= _drop(ctx.state, DEBTS, epoch, left)
    left -= _drop(ctx.state, POSITIONS, epoch, left)
    if left == 0:
        schedule_due(ctx.state, ctx.time_s, DROP_KIND, text)


def _drop(state: Overlay, table: Any, epoch: int, count_max: int) -> int:
    found = [rid for rid, _ in islice(table.scan(state, *epoch_range(epoch)), count_max)]
    for record_id in found:
        table.delete(state, record_id)
    return len(found)


def find_batch(state: Reader, epoch: int) -> BatchRecord | None:
    """A closed batch, or None."""
    return BATCHES.get(state, epoch_id(epoch))
