"""The chain's word on shared energy, copied into tables: operations, members, points, days, months, KWHC.

Reads: verified transactions and their results.  Writes: `energy_*` tables that the projector rebuilds.
Never: a clock, a reading (there is none in a block).
"""

import json
from typing import Any, Final

import msgspec

from app.core.database import insert_row, run_sql
from app.core.projection import ProjectedTx
from app.energy.keys import name_point
from app.energy.models import (
    Challenge,
    Consent,
    ContractRow,
    ContractStepRow,
    CreditLine,
    DayRow,
    DayVersion,
    Membership,
    MonthRow,
    Operation,
    OperationVersion,
    OrderRow,
    PointRow,
)
from chain.codec.canonical import b64url_encode
from chain.town.energy.batches import compute_day_root

_HOLD: Final = (
    "INSERT INTO energy_holding (account, operation, month, energy_wh) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account, operation, month) DO UPDATE SET"
    " energy_wh = energy_holding.energy_wh + excluded.energy_wh"
)


def _key_of(tx: ProjectedTx) -> str:
    """The transaction key as the chain's own records name it."""
    return b64url_encode(bytes.fromhex(tx.payload_hash))


# --- operations -----------------------------------------------------------------------------------


def project_operation(tx: ProjectedTx) -> None:
    """New terms, waiting or in force; the operation shows the newest it was given."""
    body, terms = tx.body, tx.body.terms
    facts = {
        "pmo": tx.payload.sender,
        "status": tx.data["status"],
        "version": body.version,
        "waiting": tx.data["proposed"],
        **{
            name: getattr(terms, name)
            for name in (
                "step_s",
                "zone",
                "regime",
                "territory",
                "adapter",
                "correction_days",
                "gate_s",
            )
        },
        "height": tx.height,
    }
    insert_row(Operation, {"operation": body.operation, **facts}, is_new=False)
    Operation.update(**facts).where(Operation.operation == body.operation).execute()
    insert_row(
        OperationVersion,
        {
            "operation": body.operation,
            "version": body.version,
            "from_day": body.from_day,
            "key_kind": terms.key_kind,
            "key_hash": terms.key_hash,
            "convention": terms.convention,
            "terms": msgspec.json.encode(terms, order="sorted").decode(),
        },
    )
    _put_in_force(body.operation, tx.data["schedule"])


def project_approve(tx: ProjectedTx) -> None:
    """The council put a version in force."""
    operation = tx.body.operation
    facts = {"status": tx.data["status"], "waiting": tx.data["proposed"]}
    Operation.update(**facts).where(Operation.operation == operation).execute()
    _put_in_force(operation, tx.data["schedule"])


def _put_in_force(operation: str, schedule: Any) -> None:
    versions = [version for _, version in schedule]
    mine = OperationVersion.operation == operation
    OperationVersion.update(is_in_force=False).where(mine).execute()
    OperationVersion.update(is_in_force=True).where(
        mine & OperationVersion.version.in_(versions)
    ).execute()


# --- members --------------------------------------------------------------------------------------


def project_join(tx: ProjectedTx) -> None:
    """A request with its points; they have no first day yet."""
    body = tx.body
    _put_membership(tx)
    Membership.update(version=body.version).where(
        _member(body.operation, tx.payload.sender)
    ).execute()
    for claim in body.points:
        plant = claim.plant
        insert_row(
            PointRow,
            {
                "operation": body.operation,
                "point": claim.point,
                "name": name_point(claim.point),
                "account": tx.payload.sender,
                "side": claim.side,
                "technology": plant.technology if plant else "",
                "peak_w": plant.peak_w if plant else 0,
            },
        )


def project_admit(tx: ProjectedTx) -> None:
    """The answer: points begin, or the request is gone."""
    body = tx.body
    _put_membership(tx)
    asked = (
        (PointRow.operation == body.operation)
        & (PointRow.account == body.account)
        & (PointRow.from_day == "")
    )
    if body.verdict == "admitted":
        PointRow.update(from_day=body.from_day).where(asked).execute()
    else:
        PointRow.delete().where(asked).execute()


def project_leave(tx: ProjectedTx) -> None:
    """A member's points end."""
    _put_membership(tx)
    Membership.update(reason=tx.body.reason).where(
        _member(tx.body.operation, tx.body.account)
    ).execute()
    _end_points(tx.body.operation, tx.body.account, tx.data["until_day"])


def _put_membership(tx: ProjectedTx) -> None:
    data = tx.data
    facts = {name: data[name] for name in ("status", "from_day", "until_day")}
    facts["asked"] = " ".join(data["asked"])
    where = {"operation": data["operation"], "account": data["account"]}
    insert_row(Membership, {**where, **facts, "version": 0}, is_new=False)
    Membership.update(**facts).where(_member(data["operation"], data["account"])).execute()


def _member(operation: str, account: str) -> Any:
    return (Membership.operation == operation) & (Membership.account == account)


def _end_points(operation: str, account: str, until_day: str) -> None:
    mine = (
        (PointRow.operation == operation)
        & (PointRow.account == account)
        & (PointRow.from_day != "")
        & ((PointRow.until_day == "") | (PointRow.until_day > until_day))
    )
    for point in list(PointRow.select().where(mine)):
        PointRow.update(until_day=max(until_day, point.from_day)).where(
            (PointRow.operation == operation) & (PointRow.point == point.point)
        ).execute()


def project_consent(tx: ProjectedTx) -> None:
    """A member's word on one purpose; withdrawing the allocation ends the membership."""
    body, account = tx.body, tx.payload.sender
    where = {"operation": body.operation, "account": account, "purpose": body.purpose}
    insert_row(Consent, {**where, "act": body.act, "given_at": tx.time_s}, is_new=False)
    facts: dict[str, Any] = {"act": body.act}
    if body.act == "given":
        facts |= {"given_at": tx.time_s, "withdrawn_at": 0}
    else:
        facts["withdrawn_at"] = tx.time_s
    Consent.update(**facts).where(
        (Consent.operation == body.operation)
        & (Consent.account == account)
        & (Consent.purpose == body.purpose)
    ).execute()
    until = tx.data["member_until"]
    if until:
        left = {"status": "left", "until_day": until, "reason": "opt_out"}
        Membership.update(**left).where(_member(body.operation, account)).execute()
        _end_points(body.operation, account, until)


# --- contracts ------------------------------------------------------------------------------------


def project_contract(tx: ProjectedTx) -> None:
    """One step; the offer opens the row."""
    body, data, key = tx.body, tx.data, _key_of(tx)
    if body.step == "offer":
        insert_row(
            ContractRow,
            {
                "contract": body.contract,
                "operation": body.operation,
                "seller": data["seller"],
                "buyer": data["buyer"],
                "state": data["state"],
                "last": key,
                "start_day": body.terms.start_day,
                "end_day": body.terms.end_day,
            },
        )
    facts = {"state": data["state"], "last": key, "effect_day": data["effect_day"]}
    ContractRow.update(**facts).where(ContractRow.contract == body.contract).execute()
    insert_row(
        ContractStepRow,
        {
            "contract": body.contract,
            "number": data["steps"],
            "step": body.step,
            "transaction": key,
            "previous": body.previous,
            "effect_day": body.effect_day,
            "height": tx.height,
            "time": tx.time_s,
        },
    )


# --- days -----------------------------------------------------------------------------------------


def project_readings(tx: ProjectedTx) -> None:
    """A day's readings, first or corrected."""
    body = tx.body
    root = compute_day_root(body.steps)
    facts = {
        "state": tx.data["state"],
        "count": body.count,
        "steps": len(body.steps),
        "readings": root,
        "readings_version": body.version,
        "height": tx.height,
    }
    where = {"operation": body.operation, "day": body.day}
    insert_row(DayRow, {**where, **facts}, is_new=False)
    DayRow.update(**facts).where(_day(body)).execute()
    _put_version(tx, "readings", body.version, root, body.previous, body.version)


def project_allocate(tx: ProjectedTx) -> None:
    """A version of a day's allocation, the first or a correction."""
    body, data = tx.body, tx.data
    known = DayVersion.get(
        (DayVersion.operation == body.operation)
        & (DayVersion.day == body.day)
        & (DayVersion.kind == "readings")
        & (DayVersion.root == body.readings)
    )
    facts = {
        "state": data["state"],
        "version": data["version"],
        "root": data["root"],
        "totals": json.dumps(msgspec.to_builtins(body.totals)) if body.totals else "",
        "witnesses": " ".join(data["witnesses"]),
        "allocated_at": tx.time_s,
        "height": tx.height,
    }
    DayRow.update(**facts).where(_day(body)).execute()
    previous = getattr(body, "previous", "")
    _put_version(tx, "allocation", data["version"], data["root"], previous, known.version)


def _put_version(
    tx: ProjectedTx, kind: str, version: int, root: str, previous: str, readings_version: int
) -> None:
    insert_row(
        DayVersion,
        {
            "operation": tx.body.operation,
            "day": tx.body.day,
            "kind": kind,
            "version": version,
            "root": root,
            "previous": previous,
            "readings_version": readings_version,
            "roots": msgspec.json.encode(tx.body.steps).decode(),
            "payload_hash": tx.payload_hash,
            "height": tx.height,
        },
    )


def _day(body: Any) -> Any:
    return (DayRow.operation == body.operation) & (DayRow.day == body.day)


def project_witness(tx: ProjectedTx) -> None:
    """A body recomputed the day and found its root."""
    facts = {"witnesses": " ".join(tx.data["witnesses"]), "state": tx.data["state"]}
    DayRow.update(**facts).where(_day(tx.body)).execute()


def project_challenge(tx: ProjectedTx) -> None:
    """A member objects."""
    body = tx.body
    insert_row(
        Challenge,
        {
            "challenge": _key_of(tx),
            "operation": body.operation,
            "day": body.day,
            "version": body.version,
            "account": tx.payload.sender,
            "at": tx.time_s,
        },
    )
    DayRow.update(open_challenges=DayRow.open_challenges + 1).where(_day(body)).execute()


def project_verdict(tx: ProjectedTx) -> None:
    """A witness answered."""
    body = tx.body
    Challenge.update(verdict=body.verdict).where(Challenge.challenge == body.challenge).execute()
    DayRow.update(open_challenges=DayRow.open_challenges - 1).where(_day(body)).execute()


def project_days_state(tx: ProjectedTx) -> None:
    """Days that were reported to the grid operator, or reconciled with his result."""
    state = "reported" if tx.payload.type == "energy.report" else "reconciled"
    DayRow.update(state=state).where(
        (DayRow.operation == tx.body.operation)
        & (DayRow.day >= tx.body.from_day)
        & (DayRow.day <= tx.body.to_day)
    ).execute()


# --- market, months, KWHC -------------------------------------------------------------------------


def project_order(tx: ProjectedTx) -> None:
    """An order was placed, or taken back."""
    body = tx.body
    if tx.payload.type == "energy.order_cancel":
        OrderRow.update(is_standing=False).where(
            (OrderRow.operation == body.operation)
            & (OrderRow.start == body.start)
            & (OrderRow.commitment == body.commitment)
        ).execute()
        return
    # A commitment that was taken back may be placed again, with a new number and perhaps by another account.
    facts = {"account": tx.payload.sender, "seq": tx.data["seq"], "is_standing": True}
    where = {"operation": body.operation, "start": body.start, "commitment": body.commitment}
    insert_row(OrderRow, {**where, **facts}, is_new=False)
    OrderRow.update(**facts).where(
        (OrderRow.operation == body.operation)
        & (OrderRow.start == body.start)
        & (OrderRow.commitment == body.commitment)
    ).execute()


def project_statement(tx: ProjectedTx) -> None:
    """A month's statements are out, and its days settled."""
    body = tx.body
    insert_row(
        MonthRow,
        {
            "operation": body.operation,
            "month": body.month,
            "number": body.number,
            "root": body.root,
            "previous": body.previous,
            "count": body.count,
            "totals": json.dumps(msgspec.to_builtins(body.totals)),
            "payload_hash": tx.payload_hash,
            "height": tx.height,
            "time": tx.time_s,
        },
    )
    DayRow.update(state="settled").where(
        (DayRow.operation == body.operation)
        & (DayRow.day >= f"{body.month}-01")
        & (DayRow.day <= f"{body.month}-31")
    ).execute()


def project_credit(tx: ProjectedTx) -> None:
    """KWHC of a settled month."""
    for place, entry in enumerate(tx.body.entries):
        lot = (tx.body.operation, tx.body.month)
        _move(tx, place, entry.account, "", "credit", lot, entry.energy_wh)


def project_transfer(tx: ProjectedTx) -> None:
    """KWHC from one account to another, lot by lot."""
    sender, receiver = tx.payload.sender, tx.body.to
    for place, part in enumerate(tx.body.parts):
        lot = (part.operation, part.month)
        _move(tx, 2 * place, sender, receiver, "sent", lot, -part.energy_wh)
        _move(tx, 2 * place + 1, receiver, sender, "received", lot, part.energy_wh)


def project_retire(tx: ProjectedTx) -> None:
    """KWHC used up for a claim of origin."""
    lot = (tx.body.operation, tx.body.month)
    _move(tx, 0, tx.payload.sender, "", "retired", lot, -tx.body.energy_wh)


def _move(
    tx: ProjectedTx,
    place: int,
    account: str,
    other: str,
    kind: str,
    lot: tuple[str, str],
    energy_wh: int,
) -> None:
    run_sql(_HOLD, account, *lot, energy_wh)
    insert_row(
        CreditLine,
        {
            "id": f"{tx.payload_hash}-{place}",
            "account": account,
            "other": other,
            "kind": kind,
            "operation": lot[0],
            "month": lot[1],
            "energy_wh": energy_wh,
            "height": tx.height,
            "time": tx.time_s,
        },
    )


PROJECTIONS: Final = {
    "energy.operation": project_operation,
    "energy.approve": project_approve,
    "energy.join": project_join,
    "energy.admit": project_admit,
    "energy.leave": project_leave,
    "energy.consent": project_consent,
    "energy.contract": project_contract,
    "energy.readings": project_readings,
    "energy.allocate": project_allocate,
    "energy.correct": project_allocate,
    "energy.witness": project_witness,
    "energy.challenge": project_challenge,
    "energy.verdict": project_verdict,
    "energy.report": project_days_state,
    "energy.reconcile": project_days_state,
    "energy.order": project_order,
    "energy.order_cancel": project_order,
    "energy.statement": project_statement,
    "energy.credit": project_credit,
    "energy.transfer": project_transfer,
    "energy.retire": project_retire,
}
