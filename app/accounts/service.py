"""Accounts: tickets for new keys, and the read model of open ones."""

import json
from typing import Any, Final

from app.accounts import keys
from app.accounts.keys import OWN, end_devices, put_key, replace_own_key
from app.accounts.models import AccountRow, TicketCount
from app.accounts.notices import put_notice
from app.core.codes import AUTH_TOO_MANY_ATTEMPTS, GATEWAY_ABSENT
from app.core.config import Config
from app.core.database import find_row, write
from app.core.problems import Problem
from app.core.projection import ProjectedTx
from chain.codec.canonical import encode_canonical
from chain.crypto.jws import sign_compact
from chain.crypto.keys import jwk_of, public_key_from_jwk, thumbprint
from chain.town.envelope import TICKET_TYP
from chain.town.schemas import Ticket

TICKET_LIFE_S: Final = 600
HOUR_S: Final = 3_600

# --- tickets ---------------------------------------------------------------------------------


def issue_ticket(
    config: Config, *, town: str, domain: str, kid: str, address: str, now_s: int
) -> tuple[str, int]:
    """A ticket for one key and domain, and its expiry; raises Problem when there are too many."""
    if config.gateway_key is None:
        raise Problem(GATEWAY_ABSENT)
    _count_ticket(address, now_s, config.tickets_per_hour)
    expires = now_s + TICKET_LIFE_S
    ticket = Ticket(town=town, domain=domain, kid=kid, exp=expires)  # type: ignore[arg-type]
    signed = sign_compact(encode_canonical(ticket), TICKET_TYP, config.gateway_key.signer)
    return signed.decode("ascii"), expires


def _count_ticket(address: str, now_s: int, count_max: int) -> None:
    hour = now_s // HOUR_S
    with write():
        TicketCount.delete().where(TicketCount.hour < hour).execute()
        TicketCount.insert(address=address, hour=hour).on_conflict_ignore().execute()
        mine = (TicketCount.address == address) & (TicketCount.hour == hour)
        TicketCount.update(count=TicketCount.count + 1).where(mine).execute()
        count = TicketCount.select(TicketCount.count).where(mine).scalar()
    if count > count_max:
        retry_s = HOUR_S - now_s % HOUR_S
        raise Problem(AUTH_TOO_MANY_ATTEMPTS, headers={"Retry-After": str(retry_s)})


# --- reading ---------------------------------------------------------------------------------


def find_account(account_id: str) -> AccountRow | None:
    """The account of that id, or None."""
    return AccountRow.get_or_none(AccountRow.id == account_id)  # type: ignore[no-any-return]


def find_account_by_kid(kid: str) -> AccountRow | None:
    """The account whose present key has that thumbprint, or None."""
    return find_row(AccountRow, "kid = ?", kid)


# --- writing, from projections only ----------------------------------------------------------


def put_account(*, domain: str, jwk: Any, height: int) -> str:
    """Record an opened account (also one that an identity batch opened); returns its id."""
    key = public_key_from_jwk(jwk)
    kid = thumbprint(key)
    AccountRow.insert(
        id=kid,
        domain=domain,
        kid=kid,
        jwk=json.dumps(jwk_of(key)),
        status="open",
        opened_height=height,
    ).execute()
    put_key(kid, kid, OWN, height)
    return kid


def rotate_account(account_id: str, jwk: Any, height: int) -> None:
    """Record an account's new key."""
    key = public_key_from_jwk(jwk)
    AccountRow.update(kid=thumbprint(key), jwk=json.dumps(jwk_of(key))).where(
        AccountRow.id == account_id
    ).execute()
    replace_own_key(thumbprint(key), account_id, height)


def set_account_status(account_id: str, status: str, height: int) -> None:
    """Record `open`, `frozen` or `closed`; a closed account has no second keys."""
    AccountRow.update(status=status).where(AccountRow.id == account_id).execute()
    if status == "closed":
        end_devices(account_id, height)


def project_open(tx: ProjectedTx) -> None:
    """`account.open`."""
    put_account(domain=tx.body.domain, jwk=tx.body.key, height=tx.height)


def project_rotate(tx: ProjectedTx) -> None:
    """`account.rotate`."""
    rotate_account(tx.payload.sender, tx.body.new_key, tx.height)
    put_notice(tx, tx.payload.sender, "key_rotated", keys.kid_of(tx.body.new_key))


def project_device_add(tx: ProjectedTx) -> None:
    """`account.device_add`."""
    keys.project_device_add(tx)
    put_notice(tx, tx.payload.sender, "device_added", keys.kid_of(tx.body.key))


def project_device_remove(tx: ProjectedTx) -> None:
    """`account.device_remove`."""
    keys.project_device_remove(tx)
    put_notice(tx, tx.payload.sender, "device_removed", tx.body.kid)


PROJECTIONS: Final = {
    "account.open": project_open,
    "account.rotate": project_rotate,
    "account.device_add": project_device_add,
    "account.device_remove": project_device_remove,
}
