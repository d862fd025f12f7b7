"""Loyalty's read model: what the chain decided, row by row, and previews by the chain's own evaluator.

Projections take every figure from result data and journal and recompute nothing. Previews judge what SQL
shows, in the chain's order and with its codes, and promise nothing: the chain alone decides.
Reads and writes: this domain's tables; role keys of shops and tills through `app.city`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from peewee import SqliteDatabase

from app.accounts.models import AccountRow
from app.city.service import put_role, revoke_role
from app.core.codes import CURSOR_INVALID, NOT_FOUND
from app.core.database import database, insert_row, run_sql
from app.core.problems import Problem
from app.core.projection import ProjectedJournal, ProjectedTx, ProjectorState, get_projector_state
from app.loyalty.models import (
    Debt,
    LotRow,
    Operation,
    Programme,
    Shop,
    Terminal,
    UsedCounter,
)
from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519
from chain.town import params
from chain.town.loyalty_rules import compute_expiry, compute_points
from chain.town.schemas import EarnRule
from chain.types import codes

EARN, REDEEM, REVERSAL, EXPIRY = "earn", "redeem", "reversal", "expiry"
BLOCK_STRIDE: Final = 10**8
ENTRY_STRIDE: Final = 10**3
JOURNAL_OFFSET: Final = 9 * 10**7
"""Positions: block, then transactions by index, then the journal's entries, each with up to 1 000 lines."""
POINT_ASSET: Final = 1
"""Asset number of points in a QR code (chain.town.loyalty.records)."""
COUNTER_WINDOW: Final = 64
"""How far below the highest used counter a pay code may still be (research/loyalty-sel.md §5.1)."""
KEY_REF_CHARS: Final = 21
"""Characters of an account id that the 16 bytes of a code's reference fix wholly (21 x 6 = 126 bits)."""


# --- programmes, shops, tills ----------------------------------------------------------------


def list_programmes() -> list[Programme]:
    """The version in force of each programme, by name."""
    newest: dict[str, Programme] = {}
    for row in Programme.select().order_by(Programme.programme, Programme.version):
        newest[row.programme] = row
    return list(newest.values())


def list_shops() -> list[Shop]:
    """Shops of the coalition, by slug."""
    return list(Shop.select().order_by(Shop.shop))


def list_terminals(shop: str, *, bodies: Iterable[str]) -> list[Terminal]:
    """Tills of the caller's shop; a stranger's shop is not found."""
    check_own_shop(shop, bodies)
    return list(Terminal.select().where(Terminal.shop == shop).order_by(Terminal.kid))


def check_own_shop(shop: str, bodies: Iterable[str]) -> None:
    """Raise Problem(not_found) unless the caller acts for the shop."""
    if f"shop:{shop}" not in bodies:
        raise Problem(NOT_FOUND)


# --- previews --------------------------------------------------------------------------------


def preview_earn(programme: str, purchase_cents: int, *, now_s: int) -> dict[str, Any]:
    """What a purchase would earn now; raises Problem with the chain's codes."""
    rule = _get_rule(programme)
    if rule.status != "active":
        raise Problem(codes.LOYALTY_PROGRAMME_INACTIVE)
    earn = EarnRule(rule.points, rule.per_cents, rule.min_purchase_cents)
    return {
        "programme": programme,
        "version": rule.version,
        "points": compute_points(earn, purchase_cents),
        "expires_at": compute_expiry(now_s, rule.lot_life_days),
    }


def preview_redeem(
    *,
    programme: str,
    shop: str,
    points: int,
    text: str,
    chain_id: str,
    limits: Mapping[str, int],
    now_s: int,
) -> dict[str, Any]:
    """Whether a code would pay `points` at `shop` now; raises Problem with the code the chain would give.

    `limits` are the town's parameters by name, empty when the node is silent: then the defaults hold.
    """
    _get_rule(programme)
    code, body, signature = _parse(text)
    if code.kind is not bf1.Kind.PAY or code.asset != POINT_ASSET:
        raise Problem(codes.QR_MALFORMED, "not a code to pay with points")
    account = _check_holder(code, body, signature, chain_id=chain_id, now_s=now_s)
    _check_counter(account.kid, code.ctr)
    _check_amount(code, points, limits)
    if code.shop_ref not in (bf1.ANY_SHOP, bf1.shop_ref(shop)):
        raise Problem(codes.QR_WRONG_SHOP)
    if _sum_points(account.id, programme, now_s) < points:
        raise Problem(codes.LOYALTY_OVERDRAW)
    return {
        "would_pay": True,
        "programme": programme,
        "points": points,
        "valid_until": code.iat + code.ttl_s + bf1.LATE_S,
    }


def resolve_code(text: str, *, chain_id: str, now_s: int) -> dict[str, Any]:
    """Whose account a customer's code names, so that a till can give points; raises Problem."""
    code, body, signature = _parse(text)
    account = _check_holder(code, body, signature, chain_id=chain_id, now_s=now_s)
    return {
        "account": account.id,
        "kind": int(code.kind),
        "valid_until": code.iat + code.ttl_s + bf1.LATE_S,
    }


def _parse(text: str) -> tuple[bf1.PayCode, bytes, bytes]:
    try:
        return bf1.parse_text(text)
    except DecodeError as error:
        raise Problem(codes.QR_MALFORMED, str(error)) from error


def _check_holder(
    code: bf1.PayCode, body: bytes, signature: bytes, *, chain_id: str, now_s: int
) -> AccountRow:
    """Time, account, revocation, signature: in that order, as everywhere a code is judged."""
    if not code.is_in_window(now_s):
        raise Problem(codes.QR_EXPIRED)
    account = _find_account_by_ref(code.key_ref)
    if account is None or account.domain != "loyalty":
        raise Problem(codes.QR_UNKNOWN_KEY)
    if account.status != "open":
        raise Problem(codes.QR_REVOKED, account.status)
    jwk = msgspec.json.decode(account.jwk)
    message = bf1.signed_bytes(chain_id, body)
    is_signed = jwk["crv"] == "Ed25519" and ed25519.verify_strict(
        b64url_decode(jwk["x"]), message, signature
    )
    if not is_signed:
        raise Problem(codes.QR_BAD_SIGNATURE)
    return account


def _check_counter(kid: str, counter: int) -> None:
    used = {row.counter for row in UsedCounter.select().where(UsedCounter.kid == kid)}
    if counter in used or max(used, default=counter) - counter >= COUNTER_WINDOW:
        raise Problem(codes.QR_REPLAYED)


def _check_amount(code: bf1.PayCode, points: int, limits: Mapping[str, int]) -> None:
    limit = code.max_amount
    if code.shop_ref == bf1.ANY_SHOP:
        any_shop = params.QR_ANY_SHOP_MAX_POINTS
        limit = min(limit, limits.get(any_shop.name, any_shop.default))
    if points > limit:
        raise Problem(codes.QR_OVER_MAX, f"at most {limit} points")


def _accounts_between(first: str, last: str) -> list[AccountRow]:
    """Accounts with first <= id < last in byte order, whatever the server's locale sorts by."""
    is_sqlite = isinstance(database.obj, SqliteDatabase)
    ident = AccountRow.id if is_sqlite else AccountRow.id.collate("C")
    return list(AccountRow.select().where((ident >= first) & (ident < last)))


def _find_account_by_ref(key_ref: bytes) -> AccountRow | None:
    start = b64url_encode(key_ref)[:KEY_REF_CHARS]
    for row in _accounts_between(start, start + "\x7f"):
        if b64url_decode(row.id)[: len(key_ref)] == key_ref:
            return row
    return None


def _get_rule(programme: str) -> Programme:
    row = (
        Programme.select()
        .where(Programme.programme == programme)
        .order_by(Programme.version.desc())
        .first()
    )
    if row is None:
        raise Problem(codes.LOYALTY_UNKNOWN_PROGRAMME)
    return row  # type: ignore[no-any-return]


# --- the citizen's account -------------------------------------------------------------------


def describe_account(account: str, *, now_s: int) -> dict[str, Any]:
    """Balances, live lots in spending order, and debts, as of the last proved block.

    A lot past its expiry is shown as gone at once; the chain's books follow at its next block.
    """
    state = get_projector_state() or ProjectorState()
    time_s = max(now_s, state.time_s)
    lots = list(
        LotRow.select()
        .where((LotRow.account == account) & (LotRow.left > 0) & (LotRow.expires_at > time_s))
        .order_by(LotRow.expires_at, LotRow.earned_at, LotRow.lot)
    )
    debts = Debt.select().where((Debt.account == account) & (Debt.points > 0))
    return {
        "account": account,
        "height": state.height,
        "time": state.time_s,
        "app_hash": state.app_hash,
        "balances": _sum_balances(lots),
        "lots": lots,
        "debts": [
            {"programme": d.programme, "issuer": d.issuer, "points": d.points}
            for d in debts.order_by(Debt.programme, Debt.issuer)
        ],
    }


def _sum_balances(lots: list[LotRow]) -> list[dict[str, Any]]:
    """One line per programme; lots come in order of expiry."""
    lines: dict[str, dict[str, Any]] = {}
    for lot in lots:
        line = lines.setdefault(
            lot.programme,
            {"programme": lot.programme, "points": 0, "next_expiry_at": lot.expires_at},
        )
        line["points"] += lot.left
    return [lines[name] for name in sorted(lines)]


def _sum_points(account: str, programme: str, now_s: int) -> int:
    return sum(
        lot.left
        for lot in LotRow.select().where(
            (LotRow.account == account)
            & (LotRow.programme == programme)
            & (LotRow.expires_at > now_s)
        )
    )


def list_operations(
    *, account: str, bodies: Iterable[str], cursor: str, count: int
) -> tuple[list[dict[str, Any]], str]:
    """A page, newest first, of one account's operations, or of one's shops (then without accounts)."""
    shops = [body.removeprefix("shop:") for body in bodies if body.startswith("shop:")]
    mine = (Operation.account == account) if account else Operation.shop.in_(shops)
    rows = list(
        Operation.select()
        .where(mine & (Operation.position < _read_cursor(cursor)))
        .order_by(Operation.position.desc())
        .limit(count + 1)
    )
    page = rows[:count]
    following = format(page[-1].position, "x") if len(rows) > count else ""
    return [_describe_operation(row, is_own=bool(account)) for row in page], following


def _read_cursor(cursor: str) -> int:
    if not cursor:
        return 2**62
    try:
        return int(cursor, 16)
    except ValueError as error:
        raise Problem(CURSOR_INVALID) from error


def _describe_operation(row: Operation, *, is_own: bool) -> dict[str, Any]:
    described = {
        "transaction": row.payload_hash,
        "kind": row.kind,
        "shop": row.shop,
        "till": row.till,
        "programme": row.programme,
        "points": row.points,
        "purchase_cents": row.purchase_cents,
        "ref": row.ref,
        "height": row.height,
        "time": row.time,
    }
    return described | {"account": row.account} if is_own else described


# --- projections -----------------------------------------------------------------------------


def project_programme(tx: ProjectedTx) -> None:
    """A version in force, or the closing of one."""
    body = tx.body
    if body.status == "draft":
        return
    key = (Programme.programme == body.programme) & (Programme.version == body.version)
    if Programme.update(status=body.status, height=tx.height).where(key).execute():
        return
    Programme.insert(
        programme=body.programme,
        version=body.version,
        status=body.status,
        points=body.earn.points,
        per_cents=body.earn.per_cents,
        min_purchase_cents=body.earn.min_purchase_cents,
        lot_life_days=body.lot_life_days,
        since=tx.time_s,
        height=tx.height,
    ).execute()


def project_shop(tx: ProjectedTx) -> None:
    """A shop, and its owner's key."""
    body = tx.body
    Shop.insert(
        shop=body.shop,
        name=body.name,
        owner_kid=tx.data["owner_kid"],
        since=tx.time_s,
        height=tx.height,
    ).execute()
    put_role(
        role="shop_owner",
        holder=f"shop:{body.shop}",
        jwk=body.owner_key,
        expires=tx.data["owner_expires"],
        height=tx.height,
    )


def project_till(tx: ProjectedTx) -> None:
    """A till's key and caps."""
    body, shop = tx.body, tx.data["shop"]
    kid = put_role(
        role="till", holder=f"shop:{shop}", jwk=body.key, expires=body.expires, height=tx.height
    )
    Terminal.insert(
        kid=kid,
        shop=shop,
        expires=body.expires,
        cap_per_tx_points=body.cap_per_tx_points,
        cap_per_day_points=body.cap_per_day_points,
        height=tx.height,
    ).execute()


def project_till_revoke(tx: ProjectedTx) -> None:
    """The end of a till, and what was taken back at once."""
    revoke_role(tx.body.kid, tx.body.since)
    Terminal.update(revoked_since=max(tx.body.since, 1), height=tx.height).where(
        Terminal.kid == tx.body.kid
    ).execute()
    base = _tx_position(tx)
    for line, swept in enumerate(tx.data["reversed"]):
        _take_back(
            swept,
            shop=tx.data["shop"],
            payload_hash=tx.payload_hash,
            position=base + line,
            height=tx.height,
            time_s=tx.time_s,
        )


def project_earn(tx: ProjectedTx) -> None:
    """A gift: its lot, what it paid of a debt, and the line in the list."""
    data = tx.data
    _create_lots(data["account"], data["created"])
    if data["debt_repaid"]:
        _set_debt(data, issuer=data["shop"])
    _record(tx, EARN, points=data["points"], purchase_cents=data["purchase_cents"])


def project_redeem(tx: ProjectedTx) -> None:
    """A spend: its legs, the code's counter, and the line in the list."""
    data = tx.data
    _take_legs(data["taken"])
    _use_counter(data["account"], data["counter"])
    _record(tx, REDEEM, points=-data["points"])


def project_reverse(tx: ProjectedTx) -> None:
    """A refund of a spend, or points of an earn taken back."""
    data = tx.data
    ref = b64url_decode(data["ref"]).hex()
    if data["kind"] == REDEEM:
        for leg in data["returned"]:
            LotRow.update(left=LotRow.left + leg["points"]).where(
                LotRow.lot == leg["lot"]
            ).execute()
        _create_lots(data["account"], data["created"])
        _record(tx, REVERSAL, points=data["points"], ref=ref)
    else:
        _take_legs(data["taken"])
        _set_debt(data, issuer=data["shop"])
        _record(tx, REVERSAL, points=-data["points"], ref=ref)


def project_expiry(entry: ProjectedJournal) -> None:
    """Lots that expired at a block's end."""
    base = _journal_position(entry)
    for line, (lot, programme, issuer, left) in enumerate(entry.data["lots"]):
        LotRow.update(left=0).where(LotRow.lot == lot).execute()
        Operation.insert(
            position=base + line,
            payload_hash="",
            kind=EXPIRY,
            account=entry.data["account"],
            shop=issuer,
            till="",
            programme=programme,
            points=-left,
            height=entry.height,
            time=entry.time_s,
        ).execute()


def project_sweep(entry: ProjectedJournal) -> None:
    """More gifts of a revoked till, taken back at a block's end."""
    base = _journal_position(entry)
    for line, swept in enumerate(entry.data["reversed"]):
        lot = LotRow.get(LotRow.ref == swept["ref"])
        _take_back(
            swept,
            shop=lot.issuer,
            payload_hash="",
            position=base + line,
            height=entry.height,
            time_s=entry.time_s,
        )


def _take_back(
    swept: Mapping[str, Any],
    *,
    shop: str,
    payload_hash: str,
    position: int,
    height: int,
    time_s: int,
) -> None:
    _take_legs(swept["taken"])
    Operation.insert(
        position=position,
        payload_hash=payload_hash,
        kind=REVERSAL,
        account=swept["account"],
        shop=shop,
        till="",
        programme=swept["programme"],
        points=-swept["points"],
        ref=b64url_decode(swept["ref"]).hex(),
        height=height,
        time=time_s,
    ).execute()


def _create_lots(account: str, lots: Iterable[Mapping[str, Any]]) -> None:
    for lot in lots:
        LotRow.insert(
            lot=lot["lot"],
            account=account,
            programme=lot["programme"],
            version=lot["version"],
            issuer=lot["issuer"],
            points=lot["points"],
            left=lot["points"],
            earned_at=lot["earned"],
            expires_at=lot["expires"],
            ref=lot["ref"],
        ).execute()


def _take_legs(legs: Iterable[Mapping[str, Any]]) -> None:
    for leg in legs:
        run_sql(
            'UPDATE loyalty_lot SET "left" = "left" - ? WHERE lot = ?', leg["points"], leg["lot"]
        )


def _set_debt(data: Mapping[str, Any], *, issuer: str) -> None:
    Debt.delete().where(
        (Debt.account == data["account"])
        & (Debt.programme == data["programme"])
        & (Debt.issuer == issuer)
    ).execute()
    if data["debt"]:
        Debt.insert(
            account=data["account"],
            programme=data["programme"],
            issuer=issuer,
            points=data["debt"],
        ).execute()


_DROP_COUNTERS: Final = (
    "DELETE FROM loyalty_used_counter WHERE kid = ? AND counter <="
    " (SELECT MAX(counter) FROM loyalty_used_counter WHERE kid = ?) - ?"
)


def _use_counter(account: str, counter: int) -> None:
    """Note a used counter under the account's present key; drop those out of the window."""
    (kid,) = run_sql("SELECT kid FROM accounts WHERE id = ?", account).fetchone()
    insert_row(UsedCounter, {"kid": kid, "counter": counter})
    run_sql(_DROP_COUNTERS, kid, kid, COUNTER_WINDOW)


def _record(
    tx: ProjectedTx, kind: str, *, points: int, purchase_cents: int = 0, ref: str = ""
) -> None:
    row = {
        "position": _tx_position(tx),
        "payload_hash": tx.payload_hash,
        "kind": kind,
        "account": tx.data["account"],
        "shop": tx.data["shop"],
        "till": tx.data.get("till", ""),
        "programme": tx.data["programme"],
        "points": points,
        "purchase_cents": purchase_cents,
        "ref": ref,
        "height": tx.height,
        "time": tx.time_s,
    }
    insert_row(Operation, row)


def _tx_position(tx: ProjectedTx) -> int:
    return tx.height * BLOCK_STRIDE + tx.index * ENTRY_STRIDE


def _journal_position(entry: ProjectedJournal) -> int:
    return entry.height * BLOCK_STRIDE + JOURNAL_OFFSET + entry.position * ENTRY_STRIDE


PROJECTIONS: Final = {
    "loyalty.programme": project_programme,
    "loyalty.shop": project_shop,
    "loyalty.till": project_till,
    "loyalty.till_revoke": project_till_revoke,
    "loyalty.earn": project_earn,
    "loyalty.redeem": project_redeem,
    "loyalty.reverse": project_reverse,
}
JOURNAL: Final = {"loyalty.expire": project_expiry, "loyalty.till_sweep": project_sweep}
