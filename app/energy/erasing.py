"""The end of readings: by the member's own word once no membership runs, and by age.

Days that were shared are billed first: without one member's readings no statement of a whole neighbourhood's month can
be drawn up, and whoever owed something would leave in time.
A curve is kept as long as it can be disputed, twenty-four months; statements and invoices ten years, under a key of
their own. Erasure destroys the readings key first: from that moment every copy is unreadable, backups included. Salted
hashes of the rows stay: they open to nobody without the key, and the neighbours' paths go through them.
Reads and writes: the energy tables that only this database holds, the key store.
"""

from typing import Any, Final

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.database import forget_deleted, write
from app.core.problems import Problem
from app.energy.codes import ENERGY_DAYS_UNBILLED, ENERGY_MEMBERSHIP_RUNS
from app.energy.keys import MemberKeys
from app.energy.models import (
    DayRow,
    InvoiceFile,
    Membership,
    MeterDay,
    MeterFile,
    OrderFile,
    PathChunk,
    SharedDay,
    StatementFile,
)
from app.energy.month import format_day, parse_day

DAY_S: Final = 86_400
READINGS_DAYS: Final = 731
"""Twenty-four months: disputes and corrections of up to fourteen months, and a margin (CNIL; research energy.md §6)."""
BOOKS_DAYS: Final = 3_653
"""Ten years from the end of the month (Code de commerce, L123-22)."""
BACKUP_DAYS: Final = 30
UNBILLED_DAYS: Final = 92
"""How long after his last day a member waits for a statement that does not come: the operator's monthly file and ten
days for challenges fit twice (GDPR art. 17(3)(e))."""
_READINGS: Final = (MeterDay, SharedDay, OrderFile)


def erase_account(config: Config, account: str, *, now_s: int) -> dict[str, Any]:
    """Destroy an account's readings; raises Problem while a membership runs or when there is nothing."""
    mine = list(Membership.select().where(Membership.account == account))
    if not mine:
        raise Problem(NOT_FOUND)
    today = format_day(now_s // DAY_S)
    if any(row.status == "asking" or _runs(row, today) for row in mine):
        raise Problem(ENERGY_MEMBERSHIP_RUNS)
    if any(_is_unbilled(row, now_s) for row in mine):
        raise Problem(ENERGY_DAYS_UNBILLED)
    erased = MemberKeys(config).erase_readings(account)
    with write():
        for table in _READINGS:
            table.delete().where(table.account == account).execute()  # type: ignore[attr-defined]
    forget_deleted(_READINGS)
    return {"erased": erased, "complete_at": now_s + BACKUP_DAYS * DAY_S}


def _runs(row: Membership, today: str) -> bool:
    return row.status == "member" or (row.status == "left" and row.until_day > today)


def _is_unbilled(row: Membership, now_s: int) -> bool:
    """Whether a day of an ended membership waits for its statement, or is not even measured."""
    if not row.from_day or row.from_day >= row.until_day:
        return False
    last = parse_day(row.until_day) - 1
    if now_s // DAY_S > last + UNBILLED_DAYS:
        return False
    here = (DayRow.operation == row.operation) & (DayRow.day >= row.from_day)
    days = DayRow.select().where(here & (DayRow.day < row.until_day))
    is_measured = days.where(DayRow.day == format_day(last)).exists()
    return not is_measured or days.where(DayRow.state != "settled").exists()


def purge_energy(config: Config, *, now_s: int) -> int:
    """Delete readings and books whose time is over; returns how many rows went."""
    oldest = format_day(now_s // DAY_S - READINGS_DAYS)
    books_month = format_day(now_s // DAY_S - BOOKS_DAYS)[:7]
    with write():
        gone = MeterDay.delete().where(MeterDay.day < oldest).execute()
        gone += SharedDay.delete().where(SharedDay.day < oldest).execute()
        gone += PathChunk.delete().where(PathChunk.day < oldest).execute()
        gone += MeterFile.delete().where(MeterFile.last_day < oldest).execute()
        gone += OrderFile.delete().where(OrderFile.start < now_s - READINGS_DAYS * DAY_S).execute()
        ended = _accounts_of_old_books(books_month)
        gone += StatementFile.delete().where(StatementFile.month < books_month).execute()
        gone += InvoiceFile.delete().where(InvoiceFile.month < books_month).execute()
    if ended:
        keys = MemberKeys(config)
        for account in ended:
            if not keys.has_readings(account):
                keys.erase_books(account)
    return int(gone)


def _accounts_of_old_books(books_month: str) -> list[str]:
    """Accounts whose every statement is about to go."""
    old = {
        row.account
        for row in StatementFile.select(StatementFile.account).where(
            StatementFile.month < books_month
        )
    }
    kept = {
        row.account
        for row in StatementFile.select(StatementFile.account).where(
            StatementFile.month >= books_month
        )
    }
    return sorted(old - kept)
