"""What was signed without a network, out of verified results and block-end effects into rows.

Reads and writes: this domain's tables, the status of an account whose phone was caught.
Never: recomputes a figure of the chain.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.accounts.notices import put_notice
from app.accounts.service import find_account, set_account_status
from app.core.database import insert_row
from app.core.projection import ProjectedJournal, ProjectedTx
from app.loyalty.models import AllowanceRow, ClaimRow, OfflineKey
from app.loyalty.project_points import EARN, EXPIRY, project_gift, read_hex
from app.loyalty.rows import put_legs, record, record_effect, sum_legs, take_legs

ALLOWANCE, OFFLINE = "allowance", "offline"


def project_earn_batch(tx: ProjectedTx) -> None:
    """Late purchases: each a gift with a line and a name of its own; refused notes leave no row."""
    for line, earned in enumerate(tx.data["earned"]):
        project_gift(
            tx,
            earned,
            kind=EARN,
            ref=earned["ref"],
            line=line,
            of=earned["campaign"],
            own_ref=read_hex(earned["ref"]),
        )


# --- payments --------------------------------------------------------------------------------


def project_key(tx: ProjectedTx) -> None:
    """A programme's key for allowances; the newest counts."""
    data = tx.data
    OfflineKey.delete().where(OfflineKey.programme == data["programme"]).execute()
    row = {**{name: data[name] for name in ("programme", "key", "since")}, "height": tx.height}
    insert_row(OfflineKey, row)


def project_allowance(tx: ProjectedTx) -> None:
    """Points set aside for the phone: they left the wallet and nobody has them yet."""
    data = tx.data
    names = ("allowance", "account", "programme", "device_key", "issuer_key", "points")
    row = {
        **{name: data[name] for name in (*names, "per_tx_points", "shop_points")},
        "issued_at": data["iat"],
        "expires_at": data["expires"],
        "closes_at": data["closes"],
        "status": "open",
        "height": tx.height,
    }
    insert_row(AllowanceRow, row)
    take_legs(data["account"], data["taken"])
    record(tx, ALLOWANCE, points=-data["points"], of=data["allowance"])


def project_claims(tx: ProjectedTx) -> None:
    """Payments a shop claimed; nothing moves yet, so there is no line either."""
    for claimed in tx.data["claimed"]:
        row = {
            "payment": claimed["payment"],
            "allowance": claimed["allowance"],
            "shop": tx.data["shop"],
            "programme": claimed["programme"],
            "counter": claimed["counter"],
            "points": claimed["points"],
            "spent_at": claimed["spent"],
            "claimed_at": tx.time_s,
            "paid_at": claimed["paid_at"],
            "status": "waiting",
            "height": tx.height,
        }
        insert_row(ClaimRow, row)
        AllowanceRow.update(claimed=AllowanceRow.claimed + claimed["points"]).where(
            AllowanceRow.allowance == claimed["allowance"]
        ).execute()
    for allowance, kind in tx.data["frauds"]:
        _put_fraud(tx, allowance, kind, is_frozen=True)


def project_fraud(tx: ProjectedTx) -> None:
    """Somebody handed in codes that no honest phone signs together."""
    _put_fraud(tx, tx.data["allowance"], tx.data["fraud"], is_frozen=tx.data["frozen"])


def _put_fraud(tx: ProjectedTx, allowance: str, kind: str, *, is_frozen: bool) -> None:
    row = AllowanceRow.get(AllowanceRow.allowance == allowance)
    AllowanceRow.update(fraud=kind).where(AllowanceRow.allowance == allowance).execute()
    account = find_account(row.account)
    if is_frozen and account is not None and account.status == "open":
        set_account_status(row.account, "frozen", tx.height)
        put_notice(tx, row.account, "status_changed")


def project_end(entry: ProjectedJournal) -> None:
    """The end of an allowance: all of it back on one line, what ran out and what each shop got on the next."""
    data, name = entry.data, entry.data["allowance"]
    paid = sum(line["points"] for line in data["paid"])
    AllowanceRow.update(status="closed", paid=paid).where(AllowanceRow.allowance == name).execute()
    put_legs(data["account"], data["returned"])
    record_effect(entry, "release", points=data["points"], of=name)
    over = sum_legs(data["expired"])
    if over:
        record_effect(entry, EXPIRY, line=1, points=-over, of=name)
    for line, shop in enumerate(data["paid"], 2):
        _pay_shop(entry, line, shop, name)


def _pay_shop(entry: ProjectedJournal, line: int, paid: Mapping[str, Any], name: str) -> None:
    ref = read_hex(paid["ref"])
    status = "paid" if paid["points"] == paid["claimed"] else "short"
    mine = (ClaimRow.allowance == name) & (ClaimRow.shop == paid["shop"])
    ClaimRow.update(status=status, ref=ref).where(mine).execute()
    record_effect(
        entry, OFFLINE, line=line, shop=paid["shop"], points=-paid["points"], ref=ref, of=name
    )


PROJECTIONS: Final = {
    "loyalty.earn_batch": project_earn_batch,
    "loyalty.offline_key": project_key,
    "loyalty.allowance": project_allowance,
    "loyalty.offline_claim": project_claims,
    "loyalty.equivocation": project_fraud,
}
JOURNAL: Final = {"loyalty.allowance": project_end}
