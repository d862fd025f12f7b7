"""What the chain tells of recoveries, written into SQL; and the notices that every device of the account is owed.

Reads: verified transactions and journal lines.  Writes: `recovery`, `recovery_month`, `account_keys`, `notices`, and
the account's and identity's rows.
"""

import json
import time
from typing import Any, Final

from app.accounts import keys
from app.accounts.notices import put_journal_notice, put_notice
from app.accounts.service import rotate_account, set_account_status
from app.core.projection import ProjectedJournal, ProjectedTx
from app.identity.lifecycle.models import RecoveryMonthRow, RecoveryRow
from app.identity.models import IdentityRow


def count_step(step: str, time_s: int) -> None:
    """One step more in the month of header time, UTC."""
    month = time.strftime("%Y-%m", time.gmtime(time_s))
    RecoveryMonthRow.insert(month=month).on_conflict_ignore().execute()
    column = getattr(RecoveryMonthRow, step)
    RecoveryMonthRow.update({column: column + 1}).where(RecoveryMonthRow.month == month).execute()


def drop_recovery(account: str, time_s: int) -> None:
    """The account or its identity ended: so does a recovery under way."""
    if _forget(account):
        count_step("dropped", time_s)


def _forget(account: str) -> bool:
    keys.drop_reserved(account)
    return bool(RecoveryRow.delete().where(RecoveryRow.account == account).execute())


def project_open(tx: ProjectedTx) -> None:
    """`id.recover_open`."""
    data = tx.data
    RecoveryRow.insert(
        account=tx.body.account,
        cid=tx.body.cid,
        new_kid=data["new_kid"],
        opened_at=tx.time_s,
        ready_at=data["ready_from"],
        lapses_at=data["lapses"],
    ).execute()
    keys.put_key(str(data["new_kid"]), tx.body.account, keys.RESERVED, tx.height)
    _set_standing(tx.body.account, "frozen", tx.body.cid, "suspended", tx.height)
    count_step("opened", tx.time_s)
    put_notice(tx, tx.body.account, "recovery_opened", str(data["new_kid"]))


def project_veto(tx: ProjectedTx) -> None:
    """`id.recover_veto`."""
    account = tx.payload.sender
    _update(
        account,
        vetoed_at=tx.time_s,
        lapses_at=tx.data["lapses"],
        override_from=tx.data["override_from"],
    )
    count_step("vetoed", tx.time_s)
    put_notice(tx, account, "recovery_vetoed")


def project_override(tx: ProjectedTx) -> None:
    """`id.recover_override`."""
    data = tx.data
    _update(
        tx.body.account,
        overridden_at=tx.time_s,
        ready_at=data["ready_from"],
        lapses_at=data["lapses"],
    )
    count_step("overridden", tx.time_s)
    put_notice(tx, tx.body.account, "recovery_overridden")


def project_cancel(tx: ProjectedTx) -> None:
    """`id.recover_cancel`."""
    _give_back(tx.body.account, tx.data, tx.height)
    count_step("cancelled", tx.time_s)
    put_notice(tx, tx.body.account, "recovery_cancelled")


def project_lapse(line: ProjectedJournal) -> None:
    """The chain gave the account back to its old key."""
    account = str(line.data["account"])
    _give_back(account, line.data, line.height)
    count_step("lapsed", line.time_s)
    put_journal_notice(line, account, "recovery_lapsed")


def project_finish(tx: ProjectedTx) -> None:
    """`id.recover_finish`: the new key in, the old one and every second key out."""
    account, data = tx.payload.sender, tx.data
    RecoveryRow.delete().where(RecoveryRow.account == account).execute()
    keys.end_devices(account, tx.height)
    key = tx.body.new_key
    jwk = {"crv": key.crv, "kty": key.kty, "x": key.x}
    rotate_account(account, jwk, tx.height)
    status = str(data["status"])
    standing = "open" if status in ("", "active") else "frozen"
    _set_standing(account, standing, str(data["cid"]), status, tx.height)
    if data["cid"]:
        IdentityRow.update(
            kid=data["kid"],
            jwk=json.dumps(jwk),
            height=tx.height,
            payload_hash=tx.payload_hash,
        ).where(IdentityRow.cid == data["cid"]).execute()
    count_step("finished", tx.time_s)
    put_notice(tx, account, "recovery_finished", str(data["kid"]))


def project_account_status(tx: ProjectedTx) -> None:
    """`account.status`: what the desk did to an account that is no identity's."""
    set_account_status(tx.body.account, tx.body.status, tx.height)
    if tx.body.status == "closed":
        drop_recovery(tx.body.account, tx.time_s)
    put_notice(tx, tx.body.account, "status_changed")


def _give_back(account: str, data: Any, height: int) -> None:
    _forget(account)
    standing, status = str(data["account_status"]), str(data["status"])
    _set_standing(account, standing, str(data["cid"]), status, height)


def _set_standing(account: str, standing: str, cid: str, status: str, height: int) -> None:
    set_account_status(account, standing, height)
    if cid:
        IdentityRow.update(status=status).where(IdentityRow.cid == cid).execute()


def _update(account: str, **columns: Any) -> None:
    RecoveryRow.update(columns).where(RecoveryRow.account == account).execute()


PROJECTIONS: Final = {
    "account.status": project_account_status,
    "id.recover_open": project_open,
    "id.recover_veto": project_veto,
    "id.recover_override": project_override,
    "id.recover_cancel": project_cancel,
    "id.recover_finish": project_finish,
}
JOURNAL: Final = {"identity.recovery_lapse": project_lapse}
