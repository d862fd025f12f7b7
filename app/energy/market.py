"""Orders: what they say, sealed beside the chain's commitments, and opened to the auction once their gate closed.

Reads and writes: `energy_order_file`.
"""

from typing import Any

import msgspec

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.database import insert_row, write
from app.core.problems import Problem
from app.energy.codes import ENERGY_OPENING_DIFFERS
from app.energy.days import (
    compute,
    is_tradable,
    open_orders,
    own_columns,
    read_basis,
    read_input,
)
from app.energy.keys import MemberKeys
from app.energy.members import find_convention, get_operation
from app.energy.models import (
    DayRow,
    Operation,
    OrderFile,
    OrderRow,
)
from app.energy.month import format_day, parse_day
from app.energy.readings import zone_of
from chain.codec.canonical import b64url_decode, encode_canonical
from chain.town.energy import commitments
from chain.town.energy.calendar import local_day, steps_of_day
from chain.town.energy.market import check_gate
from chain.town.energy_schemas import EnergyOrder, OperationTerms
from chain.types.codes import ENERGY_ORDER_INVALID


def _sealed(body: EnergyOrder, opening: dict[str, Any]) -> commitments.SealedOrder:
    return commitments.SealedOrder(
        body.operation,
        body.start,
        opening["point"],
        opening["side"],
        opening["price_micro_eur"],
        opening["energy_wh"],
    )


def check_order(account: str, body: EnergyOrder, opening: dict[str, Any], *, now_s: int) -> None:
    """Raise Problem when what an order says does not open its commitment, comes late, or is not of an own column.

    What is opened after the gate would be opened by who knows the weather already, and would change a day that the
    *PMO* may have shared: the book closes for both at once.
    """
    sealed = _sealed(body, opening)
    if commitments.commit_order(sealed, b64url_decode(opening["salt"])) != body.commitment:
        raise Problem(ENERGY_OPENING_DIFFERS)
    zone = zone_of(get_operation(body.operation).zone)
    day = format_day(local_day(zone, body.start))
    terms = msgspec.json.decode(find_convention(body.operation, day)[1].terms, type=OperationTerms)
    late = check_gate(put_s=now_s, start_s=body.start, gate_s=terms.gate_s)
    if late is not None:
        raise Problem(late.code, late.detail)
    if sealed.point not in own_columns(body.operation, day, account):
        raise Problem(ENERGY_OPENING_DIFFERS, "the point is not your own")
    if not is_tradable(sealed.side, sealed.point):
        raise Problem(ENERGY_ORDER_INVALID, f"a {sealed.side} of {sealed.point}")


def keep_order(config: Config, account: str, body: EnergyOrder, opening: dict[str, Any]) -> None:
    """Seal what an order says."""
    content = encode_canonical(_sealed(body, opening))
    row = {
        "operation": body.operation,
        "start": body.start,
        "commitment": body.commitment,
        "account": account,
        "sealed": MemberKeys(config).seal_readings(account, content),
    }
    with write():
        insert_row(OrderFile, row, is_new=False)


def list_own_orders(
    config: Config, operation: Operation, account: str, day: str
) -> list[dict[str, Any]]:
    """An account's orders for the steps of a day."""
    steps = steps_of_day(zone_of(operation.zone), parse_day(day), operation.step_s)
    keys = MemberKeys(config)
    mine = (
        (OrderRow.operation == operation.operation)
        & (OrderRow.account == account)
        & (OrderRow.start >= steps.start)
        & (OrderRow.start < steps.stop)
    )
    found = []
    for row in OrderRow.select().where(mine).order_by(OrderRow.start, OrderRow.seq):
        file = OrderFile.get_or_none(
            (OrderFile.operation == row.operation)
            & (OrderFile.start == row.start)
            & (OrderFile.commitment == row.commitment)
            & (OrderFile.account == row.account)
        )
        if file is None:
            continue
        raw = keys.open_readings(account, bytes(file.sealed))
        sealed = msgspec.json.decode(raw, type=commitments.SealedOrder)
        found.append(
            {
                "operation": row.operation,
                "start": row.start,
                "commitment": row.commitment,
                "seq": row.seq,
                "is_standing": row.is_standing,
                "side": sealed.side,
                "point": sealed.point,
                "limit_micro_eur": sealed.price_micro_eur,
                "energy_wh": sealed.energy_wh,
            }
        )
    return found


def describe_book(operation: str, start_s: int) -> dict[str, int]:
    """How many orders were placed for a step, and how many stand."""
    here = (OrderRow.operation == operation) & (OrderRow.start == start_s)
    rows = list(OrderRow.select().where(here))
    return {
        "start": start_s,
        "orders": len(rows),
        "standing": sum(row.is_standing for row in rows),
    }


def describe_clearing(
    config: Config, operation: Operation, start_s: int, *, now_s: int, households_min: int
) -> dict[str, Any]:
    """The auction of a step within its day's published allocation; nothing before its gate closed."""
    if now_s <= start_s - operation.gate_s:
        raise Problem(NOT_FOUND, "the gate is open")
    day = format_day(local_day(zone_of(operation.zone), start_s))
    row = DayRow.get_or_none((DayRow.operation == operation.operation) & (DayRow.day == day))
    if row is None or not row.version:
        raise Problem(NOT_FOUND)
    loaded, convention = read_input(config, operation, day, read_basis(row))
    result = compute(loaded, convention, row.version, households_min)
    trades = []
    for step, shared in zip(result.steps, result.allocations, strict=True):
        if step.start_s != start_s:
            continue
        for delivery in shared.deliveries:
            if delivery.source.startswith("order:"):
                bid, _, offer = delivery.source.removeprefix("order:").partition("/")
                trades.append(
                    {
                        "bid": bid,
                        "offer": offer,
                        "energy_wh": delivery.energy_wh,
                        "price_micro_eur": delivery.price_micro_eur or 0,
                    }
                )
    return {
        "start": start_s,
        "orders": len(open_orders(config, operation, day).get(start_s, ())),
        "volume_wh": sum(trade["energy_wh"] for trade in trades),
        "trades": trades,
    }
