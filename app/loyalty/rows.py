"""The rows that several projections of points write: lots of a wallet, debts, used counters, lines of the list.

Every figure comes from result data or journal; nothing is recomputed.
Reads and writes: this domain's tables.  Never: a clock, a network.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.core.database import insert_row, run_sql
from app.core.projection import ProjectedJournal, ProjectedTx
from app.loyalty.models import Debt, LotRow, Operation, UsedCounter

BLOCK_STRIDE: Final = 10**8
ENTRY_STRIDE: Final = 10**3
JOURNAL_OFFSET: Final = 9 * 10**7
"""Positions: block, then transactions by index, then the journal's entries, each with up to 1 000 lines."""
COUNTER_WINDOW: Final = 64
"""How far below the highest used counter a pay code may still be (research/loyalty-sel.md §5.1)."""
_LOT_COLUMNS: Final = (
    'lot, account, programme, version, issuer, points, "left", earned_at, expires_at, ref'
)
_ADD_TO_LOT: Final = 'UPDATE loyalty_lot SET "left" = "left" + ? WHERE account = ? AND lot = ?'
_COPY_LOT: Final = (
    f"INSERT INTO loyalty_lot ({_LOT_COLUMNS})"  # noqa: S608  # names of our own columns
    " SELECT lot, ?, programme, version, issuer, ?, ?, earned_at, expires_at, ref"
    " FROM loyalty_lot WHERE lot = ? LIMIT 1"
)
_DROP_COUNTERS: Final = (
    "DELETE FROM loyalty_used_counter WHERE kid = ? AND counter <="
    " (SELECT MAX(counter) FROM loyalty_used_counter WHERE kid = ?) - ?"
)


# --- lots ------------------------------------------------------------------------------------


def create_lots(account: str, lots: Iterable[Mapping[str, Any]]) -> None:
    """New lots in the account's wallet, or in the one a lot names."""
    for lot in lots:
        row = {
            "lot": lot["lot"],
            "account": lot.get("wallet", account),
            "programme": lot["programme"],
            "version": lot["version"],
            "issuer": lot["issuer"],
            "points": lot["points"],
            "left": lot["points"],
            "earned_at": lot["earned"],
            "expires_at": lot["expires"],
            "ref": lot["ref"],
        }
        insert_row(LotRow, row)


def take_legs(account: str, legs: Iterable[Mapping[str, Any]]) -> None:
    """Points that left the lots of a wallet."""
    for leg in legs:
        run_sql(_ADD_TO_LOT, -leg["points"], leg.get("wallet", account), leg["lot"])


def put_legs(account: str, legs: Iterable[Mapping[str, Any]]) -> None:
    """Points that came (back) into a wallet; a lot that was never there is copied from where it was."""
    for leg in legs:
        wallet, points = leg.get("wallet", account), leg["points"]
        if not run_sql(_ADD_TO_LOT, points, wallet, leg["lot"]).rowcount:
            run_sql(_COPY_LOT, wallet, points, points, leg["lot"])


def sum_legs(legs: Iterable[Mapping[str, Any]]) -> int:
    """All points of these legs."""
    return sum(leg["points"] for leg in legs)


def find_pool(account: str, legs: Iterable[Mapping[str, Any]]) -> tuple[str, int]:
    """The household whose points are among these legs, and how many; ("", 0) when all are the account's own."""
    foreign = [leg for leg in legs if leg.get("wallet", account) != account]
    return (foreign[0]["wallet"], sum_legs(foreign)) if foreign else ("", 0)


# --- debts, counters -------------------------------------------------------------------------


def set_debt(data: Mapping[str, Any], *, issuer: str) -> None:
    """What the account owes the issuer from now on."""
    key = {"account": data["account"], "programme": data["programme"], "issuer": issuer}
    run_sql(
        "DELETE FROM loyalty_debt WHERE account = ? AND programme = ? AND issuer = ?",
        *key.values(),
    )
    if data["debt"]:
        insert_row(Debt, {**key, "points": data["debt"]})


def use_counter(account: str, counter: int) -> None:
    """Note a used counter under the account's present key; drop those out of the window."""
    (kid,) = run_sql("SELECT kid FROM accounts WHERE id = ?", account).fetchone()
    insert_row(UsedCounter, {"kid": kid, "counter": counter})
    run_sql(_DROP_COUNTERS, kid, kid, COUNTER_WINDOW)


# --- lines -----------------------------------------------------------------------------------


def record(tx: ProjectedTx, kind: str, *, line: int = 0, **columns: Any) -> None:
    """A line of a transaction; account, shop, till and programme are its result's unless `columns` say else."""
    row = {
        "position": tx.height * BLOCK_STRIDE + tx.index * ENTRY_STRIDE + line,
        "payload_hash": tx.payload_hash,
        "kind": kind,
        "height": tx.height,
        "time": tx.time_s,
        **{name: tx.data.get(name, "") for name in ("account", "shop", "till", "programme")},
    }
    insert_row(Operation, row | columns)


def record_effect(entry: ProjectedJournal, kind: str, *, line: int = 0, **columns: Any) -> None:
    """A line of a block-end effect."""
    base = entry.height * BLOCK_STRIDE + JOURNAL_OFFSET + entry.position * ENTRY_STRIDE
    row = {
        "position": base + line,
        "payload_hash": "",
        "kind": kind,
        "height": entry.height,
        "time": entry.time_s,
        "till": "",
        **{name: entry.data.get(name, "") for name in ("account", "shop", "programme")},
    }
    insert_row(Operation, row | columns)
