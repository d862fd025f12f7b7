"""Loyalty's read model: programmes, shops, tills, what is offered, the citizen's account, and lists.

Projections (`project_points`, `project_offers`) take every figure from result data and journal and recompute nothing.
Reads: this domain's tables.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from app.core.codes import CURSOR_INVALID, NOT_FOUND
from app.core.problems import Problem
from app.core.projection import ProjectorState, get_projector_state
from app.loyalty import project_offers, project_offline, project_points
from app.loyalty.models import (
    Campaign,
    Debt,
    Hold,
    LotRow,
    Operation,
    Pending,
    PoolMember,
    Programme,
    Reward,
    Series,
    Shop,
    StaffAccount,
    Terminal,
)

PROJECTIONS: Final = {
    **project_offers.PROJECTIONS,
    **project_points.PROJECTIONS,
    **project_offline.PROJECTIONS,
}
JOURNAL: Final = {
    **project_offers.JOURNAL,
    **project_points.JOURNAL,
    **project_offline.JOURNAL,
}


# --- programmes, shops, tills ----------------------------------------------------------------


def list_programmes() -> list[dict[str, Any]]:
    """The version in force of each programme, by name; of one that never was in force, its draft."""
    newest: dict[str, Programme] = {}
    for row in Programme.select().order_by(Programme.programme, Programme.version):
        if row.status != "draft" or row.programme not in newest:
            newest[row.programme] = row
    return [describe_version(row) for row in newest.values()]


def list_versions(programme: str) -> list[dict[str, Any]]:
    """Every version and the draft waiting, newest first; raises Problem(not_found)."""
    rows = Programme.select().where(Programme.programme == programme)
    found = [describe_version(row) for row in rows.order_by(Programme.version.desc())]
    if not found:
        raise Problem(NOT_FOUND)
    return found


def describe_version(row: Programme) -> dict[str, Any]:
    """A version with its whole rule."""
    names = ("programme", "version", "status", "points", "per_cents", "min_purchase_cents")
    return {
        **{name: getattr(row, name) for name in (*names, "lot_life_days", "since", "height")},
        "rule_hash": row.rule_hash,
        "earn": msgspec.json.decode(row.earn),
        "terms": msgspec.json.decode(row.terms),
    }


def diff_versions(programme: str) -> list[dict[str, Any]]:
    """What each version changed against the one before it, newest first: field, before, after."""
    found = list_versions(programme)
    changes = []
    for new, old in zip(found, [*found[1:], None], strict=True):
        changes.append(
            {
                "version": new["version"],
                "status": new["status"],
                "rule_hash": new["rule_hash"],
                "changes": _diff(_rule_of(old) if old else {}, _rule_of(new)),
            }
        )
    return changes


def _rule_of(version: Mapping[str, Any]) -> dict[str, Any]:
    terms = {f"terms.{name}": value for name, value in version["terms"].items()}
    return {**version["earn"], **terms, "lot_life_days": version["lot_life_days"]}


def _diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"field": name, "before": old.get(name), "after": new.get(name)}
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def list_campaigns(programme: str, *, now_s: int) -> list[dict[str, Any]]:
    """Campaigns of a programme that are not over, by name, with their terms."""
    rows = Campaign.select().where(Campaign.programme == programme).order_by(Campaign.campaign)
    described = [{**msgspec.json.decode(row.terms), "owner": row.owner} for row in rows]
    return [
        {"account_max_points": 0, "weekdays": 127, "hour_from": 0, "hour_to": 24, **terms}
        for terms in described
        if terms["ends"] > now_s and terms["status"] == "active"
    ]


def list_rewards(programme: str, *, now_s: int) -> list[Reward]:
    """The catalogue: rewards that can be taken now or later, by name."""
    rows = Reward.select().where((Reward.programme == programme) & (Reward.ends > now_s))
    return list(rows.where(Reward.status == "active").order_by(Reward.reward))


def list_series(shop: str, *, bodies: Iterable[str]) -> list[Series]:
    """Voucher series of the caller's shop; a stranger's shop is not found."""
    check_own_shop(shop, bodies)
    return list(Series.select().where(Series.shop == shop).order_by(Series.series))


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


def list_staff(shop: str) -> list[dict[str, Any]]:
    """Accounts that are or were staff of a shop, in the order they were named."""
    rows = StaffAccount.select().where(StaffAccount.shop == shop)
    return [
        {"account": row.account, "since": row.since, "ended_at": row.ended_at}
        for row in rows.order_by(StaffAccount.since, StaffAccount.account)
    ]


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
        "pending": list(
            Pending.select().where(Pending.account == account).order_by(Pending.due_at)
        ),
        "pool": _find_pool(account),
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


def _find_pool(account: str) -> str:
    """The household pool the account is in, or empty."""
    row = PoolMember.get_or_none((PoolMember.account == account) & (PoolMember.is_member == 1))
    return str(row.pool) if row else ""


def describe_pool(account: str, *, now_s: int) -> dict[str, Any]:
    """The household the account is in: members, invitations, what lies in it; and invitations it got itself."""
    pool = _find_pool(account)
    rows = list(PoolMember.select().where(PoolMember.pool == pool).order_by(PoolMember.rank))
    asked = PoolMember.select().where((PoolMember.account == account) & (PoolMember.is_member == 0))
    held = describe_account(pool, now_s=now_s) if pool else {"balances": [], "lots": []}
    return {
        "pool": pool,
        "members": [row.account for row in rows if row.is_member],
        "invited": [row.account for row in rows if not row.is_member],
        "invitations": [row.pool for row in asked],
        "balances": held["balances"],
        "lots": held["lots"],
    }


def list_holds(*, account: str, bodies: Iterable[str]) -> list[dict[str, Any]]:
    """Open holds of an account, or of one's shops (then without accounts), soonest to end first."""
    shops = [body.removeprefix("shop:") for body in bodies if body.startswith("shop:")]
    mine = (Hold.account == account) if account else Hold.shop.in_(shops)
    rows = Hold.select().where(mine & (Hold.status == "open")).order_by(Hold.expires_at)
    return [_describe_hold(row, is_own=bool(account)) for row in rows]


def _describe_hold(row: Hold, *, is_own: bool) -> dict[str, Any]:
    names = ("hold", "programme", "shop", "points", "held_at", "expires_at", "status")
    described = {name: getattr(row, name) for name in names}
    return described | {"account": row.account} if is_own else described


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
    return [describe_operation(row, is_own=bool(account)) for row in page], following


def _read_cursor(cursor: str) -> int:
    if not cursor:
        return 2**62
    if not re.fullmatch(
        "[0-9a-f]{1,15}", cursor
    ):  # what this list gave; more would not fit a column
        raise Problem(CURSOR_INVALID)
    return int(cursor, 16)


def describe_operation(row: Operation, *, is_own: bool) -> dict[str, Any]:
    """A line as routes show it; the customer's side only to the customer."""
    described = {
        "transaction": row.payload_hash,
        "kind": row.kind,
        "shop": row.shop,
        "till": row.till,
        "programme": row.programme,
        "points": row.points,
        "purchase_cents": row.purchase_cents,
        "ref": row.ref,
        "of": row.of,
        "height": row.height,
        "time": row.time,
    }
    if not is_own:
        return described
    names = ("account", "pending", "pool_points", "other")
    return described | {name: getattr(row, name) for name in names}
