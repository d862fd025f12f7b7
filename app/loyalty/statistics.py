"""Daily figures that point at nobody: a cell is shown once enough accounts, and enough shops, stand behind it.

A day is shown when it is over, cell by cell of a fixed grid, and no total is given beside hidden cells; so no two
answers can be subtracted to see fewer people than `K_ACCOUNTS`.
Reads: operations.  Writes: nothing.  Never: a figure of fewer than five accounts.
"""

from typing import Any, Final

from app.core.codes import REQUEST_INVALID
from app.core.database import run_sql
from app.core.problems import Problem
from app.loyalty.pictures import SECONDS_PER_DAY, day_text

K_ACCOUNTS: Final = 5
"""research/loyalty-sel.md §3.1 and §7."""
K_SHOPS: Final = 3
"""Of two shops each could take its own figure off the town's and see the other's."""
KINDS: Final = ("earn", "redeem", "capture", "reward", "offline")
DAYS_MAX: Final = 31
_CELLS: Final = (
    "SELECT time / ?, programme, kind, COUNT(*), SUM(points), COUNT(DISTINCT account),"
    " COUNT(DISTINCT shop) FROM loyalty_operation"
    " WHERE kind IN ('earn', 'redeem', 'capture', 'reward', 'offline') AND time >= ? AND time < ?"
)
_GROUPED: Final = " GROUP BY time / ?, programme, kind ORDER BY 1, 2, 3"


def count_town(*, first: int, last: int, now_s: int) -> dict[str, Any]:
    """Cells (day, programme, kind) of the whole town, days `first` to `last` since 1970 (UTC), both included."""
    return _count("", first=first, last=last, now_s=now_s)


def count_shop(shop: str, *, first: int, last: int, now_s: int) -> dict[str, Any]:
    """The same of one shop, for its owner."""
    return _count(shop, first=first, last=last, now_s=now_s)


def _count(shop: str, *, first: int, last: int, now_s: int) -> dict[str, Any]:
    if not 0 <= last - first < DAYS_MAX:
        raise Problem(REQUEST_INVALID, f"at most {DAYS_MAX} days, the last not before the first")
    end_s = min((last + 1), now_s // SECONDS_PER_DAY) * SECONDS_PER_DAY
    sql, values = _CELLS, [SECONDS_PER_DAY, first * SECONDS_PER_DAY, end_s]
    if shop:
        sql, values = sql + " AND shop = ?", [*values, shop]
    cells, hidden = [], 0
    for day, programme, kind, count, points, accounts, shops in run_sql(
        sql + _GROUPED, *values, SECONDS_PER_DAY
    ).fetchall():
        if accounts < K_ACCOUNTS or (not shop and shops < K_SHOPS):
            hidden += 1
            continue
        cells.append(
            {
                "day": day_text(int(day)),
                "programme": programme,
                "kind": kind,
                "operations": int(count),
                "points": abs(int(points)),
                "accounts": int(accounts),
            }
        )
    return {"cells": cells, "hidden": hidden, "k_accounts": K_ACCOUNTS, "k_shops": K_SHOPS}
