"""Orders as commitments: what a member wants to buy or sell of a step, sealed until the gate of that step closes.

After the gate, members open their orders to the *PMO* and the witness; the auction is part of the allocation that both
recompute. The chain knows how many orders stood, and their arrival numbers, which decide between equals.
Reads: operations, terms, members.  Writes: orders, books, the due queue.  Never: a side, a price, a quantity.
"""

from itertools import islice
from typing import Final

from msgspec.structs import replace

from chain.limits import (
    ENERGY_ORDER_AHEAD_S,
    ENERGY_ORDERS_DROPPED_PER_STEP,
    ENERGY_ORDERS_KEPT_S,
    ENERGY_ORDERS_PER_ACCOUNT_MAX,
    ENERGY_ORDERS_PER_STEP_MAX,
)
from chain.town.context import Accepted, BlockContext, Outcome, Refused, TxContext
from chain.town.due import schedule_due
from chain.town.energy.calendar import local_day
from chain.town.energy.market import check_gate
from chain.town.energy.onchain.standing import (
    find_operation,
    is_member_on,
    terms_on,
    zone_of,
)
from chain.town.energy.records import (
    BOOKS,
    ORDERS,
    PLACED,
    BookRecord,
    OrderRecord,
    PlacedRecord,
    book_id,
    order_id,
    placed_id,
)
from chain.town.energy_schemas import EnergyOrder, EnergyOrderCancel
from chain.types import codes

DROP_KIND: Final = "energy.orders_drop"


def apply_order(ctx: TxContext, body: EnergyOrder) -> Outcome:
    """Take a sealed order into the book of its step."""
    refused = _check_step(ctx, body)
    if refused is not None:
        return refused
    record_id = order_id(body.operation, body.start, body.commitment)
    if ORDERS.get(ctx.state, record_id) is not None:
        return Refused(codes.ENERGY_ORDER_INVALID, "the same commitment stands already")
    book = BOOKS.get(ctx.state, book_id(body.operation, body.start))
    held = book or BookRecord()
    account_id = placed_id(body.operation, body.start, ctx.sender)
    placed = PLACED.get(ctx.state, account_id) or PlacedRecord(0)
    # What stands fills a book, not arrival numbers: placing and cancelling would let one account close it.
    is_full = held.standing >= ENERGY_ORDERS_PER_STEP_MAX
    if is_full or placed.standing >= ENERGY_ORDERS_PER_ACCOUNT_MAX:
        return Refused(codes.ENERGY_BOOK_FULL)
    if book is None:
        text = f"{body.operation}/{body.start}"
        schedule_due(ctx.state, body.start + ENERGY_ORDERS_KEPT_S, DROP_KIND, text)
    ORDERS.put(ctx.state, record_id, OrderRecord(ctx.sender, held.seq))
    PLACED.put(ctx.state, account_id, PlacedRecord(placed.standing + 1))
    fresh = BookRecord(held.seq + 1, held.standing + 1)
    BOOKS.put(ctx.state, book_id(body.operation, body.start), fresh)
    return Accepted(_describe(body, held.seq, fresh))


def apply_order_cancel(ctx: TxContext, body: EnergyOrderCancel) -> Outcome:
    """Take an own order out, before the gate; its arrival number is not given again."""
    refused = _check_step(ctx, body)
    if refused is not None:
        return refused
    record_id = order_id(body.operation, body.start, body.commitment)
    found = ORDERS.get(ctx.state, record_id)
    if found is None or found.account != ctx.sender:
        return Refused(codes.ENERGY_ORDER_UNKNOWN)
    ORDERS.delete(ctx.state, record_id)
    account_id = placed_id(body.operation, body.start, ctx.sender)
    placed, book = (
        PLACED.get(ctx.state, account_id),
        BOOKS.get(ctx.state, book_id(body.operation, body.start)),
    )
    assert placed is not None, "a standing order was counted"
    assert book is not None, "a standing order is in a book"
    PLACED.put(ctx.state, account_id, PlacedRecord(placed.standing - 1))
    fresh = replace(book, standing=book.standing - 1)
    BOOKS.put(ctx.state, book_id(body.operation, body.start), fresh)
    return Accepted(_describe(body, found.seq, fresh))


def drop_orders(ctx: BlockContext, text: str) -> None:
    """Due work: forget a step's orders, a bounded number at a time, and its book last."""
    operation, start = text.split("/")
    first = order_id(operation, int(start), "")
    left = ENERGY_ORDERS_DROPPED_PER_STEP
    for table in (ORDERS, PLACED):
        stale = [rid for rid, _ in islice(table.scan(ctx.state, first, first[:-1] + b"0"), left)]
        for record_id in stale:
            table.delete(ctx.state, record_id)
        left -= len(stale)
    if left == 0:
        schedule_due(ctx.state, ctx.time_s, DROP_KIND, text)
        return
    BOOKS.delete(ctx.state, book_id(operation, int(start)))
    ctx.note(DROP_KIND, operation=operation, start=int(start))


def _check_step(ctx: TxContext, body: EnergyOrder | EnergyOrderCancel) -> Refused | None:
    """A step of a market day of the operation, still before its gate, and the sender's to trade in."""
    found = find_operation(ctx.state, body.operation)
    if isinstance(found, Refused):
        return found
    day = local_day(zone_of(ctx.state, found), body.start)
    in_force = terms_on(ctx.state, found, day)
    if in_force is None:
        return Refused(codes.ENERGY_OPERATION_INACTIVE)
    terms = in_force[1]
    if terms.key_kind != "contract":
        return Refused(codes.ENERGY_ORDER_INVALID, f"the key of that day is {terms.key_kind}")
    if body.start % terms.step_s:
        return Refused(codes.ENERGY_TIME_OFF_GRID, f"{body.start}")
    if body.start > ctx.time_s + ENERGY_ORDER_AHEAD_S:
        return Refused(codes.ENERGY_ORDER_INVALID, f"{ENERGY_ORDER_AHEAD_S} s ahead at most")
    if not is_member_on(ctx.state, body.operation, ctx.sender, day):
        return Refused(codes.ENERGY_NOT_MEMBER)
    return check_gate(put_s=ctx.time_s, start_s=body.start, gate_s=terms.gate_s)


def _describe(
    body: EnergyOrder | EnergyOrderCancel, seq: int, book: BookRecord
) -> dict[str, object]:
    return {
        "operation": body.operation,
        "start": body.start,
        "seq": seq,
        "standing": book.standing,
    }
