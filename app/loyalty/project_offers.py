"""Programmes, shops, tills, campaigns, rewards, voucher series and households, out of verified results into rows.

Reads and writes: this domain's tables; role keys of shops and tills through `app.city`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.city.service import put_role, revoke_role
from app.core.database import insert_row
from app.core.projection import ProjectedJournal, ProjectedTx
from app.loyalty import project_points
from app.loyalty.models import (
    Campaign,
    PoolMember,
    Programme,
    Reward,
    Series,
    Shop,
    StaffAccount,
    Terminal,
)
from app.loyalty.rows import record
from chain.codec.canonical import encode_canonical
from chain.town.schemas import Jwk


def project_programme(tx: ProjectedTx) -> None:
    """A draft, a version put in force, or the closing of one."""
    body = tx.body
    key = (Programme.programme == body.programme) & (Programme.version == body.version)
    if body.status == "closed":
        Programme.update(status="closed", height=tx.height).where(key).execute()
        return
    Programme.delete().where(key).execute()  # the draft it was, if any
    row = {
        "programme": body.programme,
        "version": body.version,
        "status": body.status,
        "points": body.earn.points,
        "per_cents": body.earn.per_cents,
        "min_purchase_cents": body.earn.min_purchase_cents,
        "lot_life_days": body.lot_life_days,
        "since": tx.time_s,
        "height": tx.height,
        "earn": encode_canonical(body.earn).decode(),
        "terms": encode_canonical(body.terms).decode(),
        "rule_hash": tx.data["rule_hash"],
    }
    insert_row(Programme, row)


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


def project_owner_key(tx: ProjectedTx) -> None:
    """An owner's next key that holds at once; one that waits is told by the journal on its day."""
    if tx.data["status"] == "done":
        _replace_owner(tx.data, tx.body.new_key, tx.height)


def project_owner_change(entry: ProjectedJournal) -> None:
    """A replacement that waited has taken effect, or was dropped with the role of who asked for it."""
    if entry.data["status"] == "done":
        _replace_owner(entry.data, Jwk(**entry.data["key"]), entry.height)


def _replace_owner(data: Mapping[str, Any], jwk: Jwk, height: int) -> None:
    revoke_role(data["ended_kid"], data["ended_since"])
    put_role(
        role="shop_owner",
        holder=f"shop:{data['shop']}",
        jwk=jwk,
        expires=data["owner_expires"],
        height=height,
    )
    Shop.update(owner_kid=data["owner_kid"], height=height).where(
        Shop.shop == data["shop"]
    ).execute()


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
    for line, swept in enumerate(tx.data["reversed"]):
        record(tx, project_points.REVERSAL, line=line, **project_points.take_back(swept))


def project_campaign(tx: ProjectedTx) -> None:
    """A multiplier opened, changed or ended."""
    body = tx.body
    Campaign.delete().where(Campaign.campaign == body.campaign).execute()
    row = {
        "campaign": body.campaign,
        "programme": body.programme,
        "owner": tx.data["owner"],
        "terms": encode_canonical(body).decode(),
        "height": tx.height,
    }
    insert_row(Campaign, row)


def project_reward(tx: ProjectedTx) -> None:
    """A reward put into the catalogue, changed or ended."""
    data = tx.data
    Reward.delete().where(Reward.reward == data["reward"]).execute()
    names = Reward._meta.fields
    insert_row(Reward, {k: v for k, v in data.items() if k in names} | {"height": tx.height})


def project_series(tx: ProjectedTx) -> None:
    """A series of vouchers opened, widened or ended."""
    body = tx.body
    Series.delete().where(Series.series == body.series).execute()
    row = {
        "series": body.series,
        "shop": tx.data["shop"],
        "programme": body.programme,
        "key": body.key,
        "value_points": body.value_points,
        "count_max": body.count_max,
        "expires": body.expires,
        "redeem_shop": body.redeem_shop,
        "status": body.status,
        "honoured": tx.data["honoured"],
        "height": tx.height,
    }
    insert_row(Series, row)


def project_pool(tx: ProjectedTx) -> None:
    """A household's members and invitations after a founding, an invitation, a joining or a leaving."""
    data, pool = tx.data, tx.data["pool"]
    if "members" in data:
        _put_members(pool, data["members"], is_member=1)
    if "invited" in data:
        _put_members(pool, data["invited"], is_member=0)
    if "left" in data:
        gone = (PoolMember.pool == pool) & (PoolMember.account == data["left"])
        PoolMember.delete().where(gone).execute()
        if not data["members"]:
            PoolMember.delete().where(PoolMember.pool == pool).execute()


def _put_members(pool: str, accounts: Iterable[str], *, is_member: int) -> None:
    listed = list(accounts)
    named = (PoolMember.is_member == is_member) | PoolMember.account.in_(listed)
    PoolMember.delete().where((PoolMember.pool == pool) & named).execute()
    for rank, account in enumerate(listed):
        row: dict[str, Any] = {
            "pool": pool,
            "account": account,
            "rank": rank,
            "is_member": is_member,
        }
        insert_row(PoolMember, row)


def project_staff(tx: ProjectedTx) -> None:
    """An account is staff from now on, or no longer; twice in one second is once."""
    shop, account = tx.data["shop"], tx.data["account"]
    mine = (StaffAccount.shop == shop) & (StaffAccount.account == account)
    if not tx.data["is_staff"]:
        StaffAccount.update(ended_at=tx.time_s).where(mine & (StaffAccount.ended_at == 0)).execute()
    elif not StaffAccount.select().where(mine & (StaffAccount.ended_at == 0)).exists():
        StaffAccount.delete().where(mine & (StaffAccount.since == tx.time_s)).execute()
        insert_row(StaffAccount, {"shop": shop, "account": account, "since": tx.time_s})


PROJECTIONS: Final = {
    "loyalty.staff": project_staff,
    "loyalty.programme": project_programme,
    "loyalty.shop": project_shop,
    "loyalty.owner_key": project_owner_key,
    "loyalty.till": project_till,
    "loyalty.till_revoke": project_till_revoke,
    "loyalty.campaign": project_campaign,
    "loyalty.reward": project_reward,
    "loyalty.voucher_series": project_series,
    "loyalty.pool_open": project_pool,
    "loyalty.pool_invite": project_pool,
    "loyalty.pool_join": project_pool,
    "loyalty.pool_leave": project_pool,
}
JOURNAL: Final = {"loyalty.owner_key": project_owner_change}
