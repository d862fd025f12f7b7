"""Points that come, go, wait and come back, out of verified results and block-end effects into rows.

Reads and writes: this domain's tables.  Never: recomputes a figure of the chain.
"""

from collections.abc import Mapping
from typing import Any, Final

from peewee import fn

from app.core.database import insert_row, run_sql
from app.core.projection import ProjectedJournal, ProjectedTx
from app.loyalty.models import (
    Hold,
    Operation,
    PaidInvoice,
    Pending,
    Reward,
    Series,
    VoucherUse,
)
from app.loyalty.rows import (
    create_lots,
    find_pool,
    put_legs,
    record,
    record_effect,
    set_debt,
    sum_legs,
    take_legs,
    use_counter,
)
from chain.codec.canonical import b64url_decode, b64url_encode

EARN, REDEEM, REVERSAL, EXPIRY = "earn", "redeem", "reversal", "expiry"


# --- points come -----------------------------------------------------------------------------


def project_earn(tx: ProjectedTx) -> None:
    """A gift for a purchase or an event: its lot, or what cools off, and what it paid of a debt."""
    data = tx.data
    of = data.get("event") or data.get("campaign") or ""
    kind = "event" if "event" in data else EARN
    project_gift(tx, data, kind=kind, ref=b64url_encode(bytes.fromhex(tx.payload_hash)), of=of)


def project_referral(tx: ProjectedTx) -> None:
    """Welcome points: a gift to the newcomer, and one to whoever brought it."""
    for line, gift in enumerate(tx.data["gifts"]):
        project_gift(tx, tx.data | gift, kind=gift["kind"], ref=gift["ref"], line=line)


def project_gift(
    tx: ProjectedTx,
    data: Mapping[str, Any],
    *,
    kind: str,
    ref: str,
    line: int = 0,
    of: str = "",
    own_ref: str = "",
) -> None:
    """A gift: its lot, or what cools off, what it paid of a debt, and its line.

    `own_ref` (hex) names it where its transaction holds several.
    """
    pending = data.get("pending", 0)
    if pending:
        row = {
            "ref": ref,
            "account": data["account"],
            "programme": data["programme"],
            "issuer": data["shop"],
            "points": pending,
            "due_at": data["pending_until"],
        }
        insert_row(Pending, row)
    create_lots(data["account"], data["created"])
    if data["debt_repaid"]:
        set_debt(data, issuer=data["shop"])
    record(
        tx,
        kind,
        line=line,
        account=data["account"],
        points=data["points"] - pending,
        pending=pending,
        purchase_cents=data.get("purchase_cents", 0),
        of=of,
        ref=own_ref,
        **{name: data[name] for name in ("programme", "shop", "till") if name in data},
    )


def project_activate(tx: ProjectedTx) -> None:
    """The owner ended a cool-off early."""
    _activate(tx.data)
    points = tx.data["points"]
    record(tx, "activation", points=points, pending=-points, ref=read_hex(tx.data["ref"]))


def project_activation(entry: ProjectedJournal) -> None:
    """A cool-off ended by time."""
    _activate(entry.data)
    points = entry.data["points"]
    record_effect(
        entry, "activation", points=points, pending=-points, ref=read_hex(entry.data["ref"])
    )


def _activate(data: Mapping[str, Any]) -> None:
    Pending.delete().where(Pending.ref == data["ref"]).execute()
    create_lots(data["account"], data["created"])
    if data["debt_repaid"]:
        set_debt(data, issuer=data["shop"])


# --- points go -------------------------------------------------------------------------------


def project_redeem(tx: ProjectedTx) -> None:
    """A spend: its legs, the code's counter, and the line in the list."""
    _spend(tx, REDEEM)


def project_reward_take(tx: ProjectedTx) -> None:
    """A reward handed over for its price."""
    data = tx.data
    Reward.update(stock=data["stock"], taken=Reward.taken + 1).where(
        Reward.reward == data["reward"]
    ).execute()
    _spend(tx, "reward", of=data["reward"])


def project_invoice(tx: ProjectedTx) -> None:
    """An invoice paid by the phone."""
    data = tx.data
    where = {"shop": data["shop"], "invoice": data["invoice"]}
    run_sql("DELETE FROM loyalty_invoice WHERE shop = ? AND invoice = ?", *where.values())
    row = {
        **where,
        "payload_hash": tx.payload_hash,
        "till": data["till"],
        "programme": data["programme"],
        "points": data["points"],
        "height": tx.height,
        "paid_at": tx.time_s,
    }
    insert_row(PaidInvoice, row)
    _spend(tx, "invoice", of=data["invoice"])


def _spend(tx: ProjectedTx, kind: str, of: str = "") -> None:
    data = tx.data
    take_legs(data["account"], data["taken"])
    if "counter" in data:
        use_counter(data["account"], data["counter"])
    pool, pool_points = find_pool(data["account"], data["taken"])
    record(tx, kind, points=-data["points"], pool=pool, pool_points=-pool_points, of=of)


def project_voucher_redeem(tx: ProjectedTx) -> None:
    """Points taken off a voucher: nobody's account moves."""
    data = tx.data
    _use_voucher(data["nullifier"], data["points"], series=data["series"])
    record(tx, "voucher", points=-data["points"], of=data["nullifier"])


def _use_voucher(nullifier: str, points: int, *, series: int | None = None) -> None:
    if series is not None:
        row = {"nullifier": nullifier, "series": series, "used": 0}
        insert_row(VoucherUse, row, is_new=False)
    run_sql("UPDATE loyalty_voucher_use SET used = used + ? WHERE nullifier = ?", points, nullifier)
    of = VoucherUse.get(VoucherUse.nullifier == nullifier).series
    Series.update(honoured=Series.honoured + points).where(Series.series == of).execute()


# --- holds -----------------------------------------------------------------------------------


def project_hold(tx: ProjectedTx) -> None:
    """Points set aside: they left the wallet and nobody has them yet."""
    data, hold = tx.data, b64url_encode(bytes.fromhex(tx.payload_hash))
    row = {
        "hold": hold,
        "account": data["account"],
        "programme": data["programme"],
        "shop": data["shop"],
        "till": data["till"],
        "points": data["points"],
        "held_at": tx.time_s,
        "expires_at": data["expires"],
        "status": "open",
    }
    insert_row(Hold, row)
    _spend(tx, "hold", of=hold)


def project_capture(tx: ProjectedTx) -> None:
    """The end of a hold: all of it back on one line, what was spent on the next."""
    data = tx.data
    _end_hold(data, "captured", captured=data["points"])
    back = [*data["taken"], *data["returned"], *data["expired"]]
    _record_return(tx, None, data, back, of=data["hold"])
    pool, pool_points = find_pool(data["account"], data["taken"])
    record(
        tx,
        "capture",
        line=2,
        points=-data["points"],
        pool=pool,
        pool_points=-pool_points,
        of=data["hold"],
    )


def project_release(tx: ProjectedTx) -> None:
    """A hold given back by word."""
    _end_hold(tx.data, "released")
    back = [*tx.data["returned"], *tx.data["expired"]]
    _record_return(tx, None, tx.data, back, of=tx.data["hold"])


def project_hold_end(entry: ProjectedJournal) -> None:
    """A hold given back by time."""
    _end_hold(entry.data, "timeout")
    back = [*entry.data["returned"], *entry.data["expired"]]
    _record_return(None, entry, entry.data, back, of=entry.data["hold"])


def _end_hold(data: Mapping[str, Any], status: str, captured: int = 0) -> None:
    Hold.update(status=status, captured=captured).where(Hold.hold == data["hold"]).execute()
    put_legs(data["account"], data["returned"])


def _record_return(
    tx: ProjectedTx | None,
    entry: ProjectedJournal | None,
    data: Mapping[str, Any],
    back: list[Mapping[str, Any]],
    *,
    of: str,
) -> None:
    """Held points on their way back (line 0), and those of them that ran out meanwhile (line 1)."""
    for line, (kind, sign, legs) in enumerate(
        (("release", 1, back), (EXPIRY, -1, data["expired"]))
    ):
        if not legs:
            continue
        pool, pool_points = find_pool(data["account"], legs)
        columns = {
            "line": line,
            "points": sign * sum_legs(legs),
            "pool": pool,
            "pool_points": sign * pool_points,
            "of": of,
        }
        if tx is not None:
            record(tx, kind, **columns)
        elif entry is not None:
            record_effect(entry, kind, **columns)


# --- points come back ------------------------------------------------------------------------


def project_reverse(tx: ProjectedTx) -> None:
    """A refund of a spend, or points of an earn taken back."""
    if tx.data["kind"] == EARN:
        _reverse_earn(tx)
    else:
        _refund(tx)


def _reverse_earn(tx: ProjectedTx) -> None:
    data, account = tx.data, tx.data["account"]
    cooled = data["cancelled"]
    _cancel_pending(data["ref"], cooled)
    take_legs(account, data["taken"])
    set_debt(data, issuer=data["shop"])
    pool, pool_points = find_pool(account, data["taken"])
    record(
        tx,
        REVERSAL,
        points=-(sum_legs(data["taken"]) + data["debt_added"]),
        pending=-cooled,
        pool=pool,
        pool_points=-pool_points,
        ref=read_hex(data["ref"]),
    )


def _cancel_pending(ref: str, points: int) -> None:
    if points:
        Pending.update(points=Pending.points - points).where(Pending.ref == ref).execute()
        Pending.delete().where((Pending.ref == ref) & (Pending.points <= 0)).execute()


def _refund(tx: ProjectedTx) -> None:
    data, kind = tx.data, tx.data["kind"]
    if kind == "voucher":
        _use_voucher(data["nullifier"], -data["points"])
        record(tx, REVERSAL, points=data["points"], ref=read_hex(data["ref"]), of=data["nullifier"])
        return
    if kind == "reward":
        taken = Operation.get(Operation.payload_hash == read_hex(data["ref"]))
        Reward.update(stock=Reward.stock + 1, taken=Reward.taken - 1).where(
            Reward.reward == taken.of
        ).execute()
    if kind == "invoice":
        PaidInvoice.update(refunded=PaidInvoice.refunded + data["points"]).where(
            PaidInvoice.payload_hash == read_hex(data["ref"])
        ).execute()
    account = data["account"]
    put_legs(account, data["returned"])
    create_lots(account, data["created"])
    pool, pool_points = find_pool(account, [*data["returned"], *data["created"]])
    record(
        tx,
        REVERSAL,
        points=data["points"],
        pool=pool,
        pool_points=pool_points,
        ref=read_hex(data["ref"]),
    )


def take_back(data: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of one gift of a revoked till that was taken back; returns the columns of its line."""
    legs = data["taken"]
    cooled = data["points"] - sum_legs(legs)
    _cancel_pending(data["ref"], cooled)
    take_legs(data["account"], legs)
    pool, pool_points = find_pool(data["account"], legs)
    return {
        "account": data["account"],
        "programme": data["programme"],
        "points": -sum_legs(legs),
        "pending": -cooled,
        "pool": pool,
        "pool_points": -pool_points,
        "ref": read_hex(data["ref"]),
    }


def project_sweep(entry: ProjectedJournal) -> None:
    """More gifts of a revoked till, taken back at a block's end."""
    for line, swept in enumerate(entry.data["reversed"]):
        record_effect(entry, REVERSAL, line=line, shop=swept["shop"], **take_back(swept))


# --- from hand to hand, and gone -------------------------------------------------------------


def project_transfer(tx: ProjectedTx) -> None:
    """Points from one wallet into another: a line for each side."""
    data = tx.data
    source, to, points = data["from"], data["to"], data["points"]
    take_legs(data["account"], data["taken"])
    put_legs(to, [{**leg, "wallet": to} for leg in data["taken"]])
    record(tx, "transfer", account=source, points=-points, other=to)
    record(tx, "received", line=1, account=to, points=points, other=source)


def project_expiry(entry: ProjectedJournal) -> None:
    """Lots that expired at a block's end."""
    account = entry.data["account"]
    for line, (lot, programme, issuer, left) in enumerate(entry.data["lots"]):
        take_legs(account, [{"lot": lot, "points": left}])
        record_effect(entry, EXPIRY, line=line, shop=issuer, programme=programme, points=-left)


def sum_lines(wallet: str, programme: str) -> int:
    """All lines of a wallet, its part of pooled ones included: its points less its debts."""
    own = Operation.select(fn.COALESCE(fn.SUM(Operation.points - Operation.pool_points), 0)).where(
        (Operation.account == wallet) & (Operation.programme == programme)
    )
    pooled = Operation.select(fn.COALESCE(fn.SUM(Operation.pool_points), 0)).where(
        (Operation.pool == wallet) & (Operation.programme == programme)
    )
    return int(own.scalar()) + int(pooled.scalar())


def read_hex(ref: str) -> str:
    """A name of result data (base64url) as rows spell it."""
    return b64url_decode(ref).hex()


PROJECTIONS: Final = {
    "loyalty.earn": project_earn,
    "loyalty.event": project_earn,
    "loyalty.referral": project_referral,
    "loyalty.activate": project_activate,
    "loyalty.redeem": project_redeem,
    "loyalty.reward_take": project_reward_take,
    "loyalty.invoice_pay": project_invoice,
    "loyalty.voucher_redeem": project_voucher_redeem,
    "loyalty.hold": project_hold,
    "loyalty.capture": project_capture,
    "loyalty.release": project_release,
    "loyalty.reverse": project_reverse,
    "loyalty.transfer": project_transfer,
    "loyalty.pool_withdraw": project_transfer,
}
JOURNAL: Final = {
    "loyalty.expire": project_expiry,
    "loyalty.till_sweep": project_sweep,
    "loyalty.activate": project_activation,
    "loyalty.hold": project_hold_end,
}
