"""All keys of an account as the chain told them: its own, second keys, the one a recovery waits for, and past ones.

Reads and writes: `account_keys`, from projections only.  Never: says whose device a key is in.
"""

from typing import Final

from app.accounts.models import AccountKeyRow
from app.core.projection import ProjectedTx
from chain.crypto.keys import public_key_from_jwk, thumbprint
from chain.town.schemas import Jwk

OWN: Final = "own"
DEVICE: Final = "device"
RESERVED: Final = "reserved"
PAST: Final = "past"


def kid_of(jwk: Jwk) -> str:
    """RFC 7638 thumbprint of a key that the chain accepted."""
    members = {"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x}
    return thumbprint(public_key_from_jwk(members | {"y": jwk.y} if jwk.y else members))


def find_key(kid: str) -> AccountKeyRow | None:
    """The key of that thumbprint in whatever state, or None."""
    return AccountKeyRow.get_or_none(AccountKeyRow.kid == kid)  # type: ignore[no-any-return]


def find_live_device(kid: str, now_s: int) -> AccountKeyRow | None:
    """A second key that may sign at `now_s`, or None."""
    key = find_key(kid)
    return key if key is not None and key.kind == DEVICE and now_s < key.expires_at else None


def list_live_keys(account: str, now_s: int) -> list[AccountKeyRow]:
    """The account's own key, then its second keys in date, the newest first."""
    kinds = AccountKeyRow.kind.in_([OWN, DEVICE])
    rows = AccountKeyRow.select().where((AccountKeyRow.account == account) & kinds)
    live = [row for row in rows if row.kind == OWN or now_s < row.expires_at]
    return sorted(live, key=lambda row: (row.kind != OWN, -row.since_height, row.kid))


# --- writing, from projections only ----------------------------------------------------------


def put_key(kid: str, account: str, kind: str, height: int, **more: str | int) -> None:
    """Record a key; one that was only reserved becomes what it now is."""
    AccountKeyRow.delete().where(AccountKeyRow.kid == kid).execute()
    AccountKeyRow.insert(kid=kid, account=account, kind=kind, since_height=height, **more).execute()


def replace_own_key(kid: str, account: str, height: int) -> None:
    """The account signs with another key from this block on."""
    own = (AccountKeyRow.account == account) & (AccountKeyRow.kind == OWN)
    AccountKeyRow.update(kind=PAST, until_height=height).where(own).execute()
    put_key(kid, account, OWN, height)


def end_devices(account: str, height: int) -> None:
    """All second keys end: a recovery was finished, or the account closed."""
    devices = (AccountKeyRow.account == account) & (AccountKeyRow.kind == DEVICE)
    AccountKeyRow.update(kind=PAST, until_height=height).where(devices).execute()


def drop_reserved(account: str) -> None:
    """A recovery was given up: its key is free."""
    reserved = (AccountKeyRow.account == account) & (AccountKeyRow.kind == RESERVED)
    AccountKeyRow.delete().where(reserved).execute()


def project_device_add(tx: ProjectedTx) -> None:
    """`account.device_add`."""
    scopes = " ".join(tx.body.scopes)
    account = tx.payload.sender
    put_key(
        kid_of(tx.body.key), account, DEVICE, tx.height, scopes=scopes, expires_at=tx.body.expires
    )


def project_device_remove(tx: ProjectedTx) -> None:
    """`account.device_remove`."""
    AccountKeyRow.update(kind=PAST, until_height=tx.height).where(
        AccountKeyRow.kid == tx.body.kid
    ).execute()
