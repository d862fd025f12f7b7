"""Device grant (RFC 8628) for tills: a terminal without a keyboard gets its session by its shop's owner's word.

The terminal asks with its own keys (the role key that the shop put on the chain, and a fresh proof key), shows
eight letters, and polls; the owner, logged in on another device, types them, sees which till of the own shop asks,
and approves. What the terminal gets is a till's session: it reads no balance, and what it earns or redeems is
signed by its role key all the same.

Reads and writes: pending grants.  Never: keeps a code, only its hash.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from app.auth.models import DeviceGrant
from app.auth.sessions import Grant, start_session
from app.city.service import find_live_role
from app.core import audit_log
from app.core.codes import (
    AUTH_DEVICE_CODE_INVALID,
    AUTH_DEVICE_CODE_UNKNOWN,
    AUTH_DEVICE_DENIED,
    AUTH_DEVICE_PENDING,
    AUTH_DEVICE_SLOW_DOWN,
    AUTH_SCOPE_MISSING,
)
from app.core.context import Actor, get_clock
from app.core.database import find_row, write
from app.core.problems import Problem

LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"
"""Twenty consonants (RFC 8628 §6.1): no words come out, and nothing is read two ways."""
USER_CODE_CHARS: Final = 8
"""20^8 codes: 34.5 bits."""
LIFE_S: Final = 600
INTERVAL_S: Final = 5
SLOWER_S: Final = 5
"""What a terminal that asks too soon has to add (RFC 8628 §3.5)."""
CODE_BYTES: Final = 32
PENDING, APPROVED, DENIED = "pending", "approved", "denied"


@dataclass(frozen=True, slots=True)
class Pending:
    """What a terminal is told; it shows `user_code` as XXXX-XXXX."""

    device_code: str
    user_code: str
    expires_in: int = LIFE_S
    interval: int = INTERVAL_S


def start_grant(kid: str, jkt: str) -> Pending:
    """Begin for a till's live role key that has proved itself; raises Problem for any other key."""
    now_s = get_clock().now_s()
    role = find_live_role(kid, now_s)
    if role is None or role.role != "till":
        raise Problem(
            AUTH_SCOPE_MISSING, "the key is no till of a shop; its owner registers it first"
        )
    device_code = secrets.token_urlsafe(CODE_BYTES)
    user_code = "".join(secrets.choice(LETTERS) for _ in range(USER_CODE_CHARS))
    with write():
        DeviceGrant.delete().where(
            (DeviceGrant.expires_at <= now_s) | (DeviceGrant.kid == kid)
        ).execute()
        DeviceGrant.insert(
            code_hash=_hash(device_code),
            user_code_hash=_hash(user_code),
            kid=kid,
            jkt=jkt,
            holder=role.holder,
            status=PENDING,
            interval_s=INTERVAL_S,
            polled_at=now_s,
            expires_at=now_s + LIFE_S,
        ).execute()
    return Pending(device_code, f"{user_code[:4]}-{user_code[4:]}")


def find_asking(owner: Actor, user_code: str) -> DeviceGrant:
    """The till that shows these letters, if it is one of the owner's shop; raises Problem."""
    letters = user_code.upper().replace("-", "").replace(" ", "")
    row = find_row(
        DeviceGrant,
        "user_code_hash = ? AND status = ? AND expires_at > ?",
        _hash(letters),
        PENDING,
        get_clock().now_s(),
    )
    if row is None or row.holder not in owner.bodies:
        raise Problem(AUTH_DEVICE_CODE_UNKNOWN)
    return row


def decide_grant(owner: Actor, user_code: str, *, is_approved: bool) -> DeviceGrant:
    """The owner's word on a till of the own shop; raises Problem when no such till asks."""
    row = find_asking(owner, user_code)
    status = APPROVED if is_approved else DENIED
    with write():
        done = (
            DeviceGrant.update(status=status)
            .where((DeviceGrant.code_hash == row.code_hash) & (DeviceGrant.status == PENDING))
            .execute()
        )
        if done != 1:
            raise Problem(AUTH_DEVICE_CODE_UNKNOWN)
        audit_log.record("till.login", target=row.kid, outcome=status)
    return row


def poll_grant(device_code: str, jkt: str) -> Grant:
    """The session once the owner approved, given once; raises Problem while it is not (RFC 8628 §3.5)."""
    now_s, code_hash = get_clock().now_s(), _hash(device_code)
    row = find_row(DeviceGrant, "code_hash = ? AND expires_at > ?", code_hash, now_s)
    if row is None or row.jkt != jkt:
        raise Problem(AUTH_DEVICE_CODE_INVALID)
    if row.status == PENDING:
        _check_pace(row, now_s)
        raise Problem(AUTH_DEVICE_PENDING, headers={"Retry-After": str(row.interval_s)})
    with write():
        is_first = DeviceGrant.delete().where(DeviceGrant.code_hash == code_hash).execute() == 1
    if row.status == DENIED:
        raise Problem(AUTH_DEVICE_DENIED)
    if not is_first:
        raise Problem(AUTH_DEVICE_CODE_INVALID)
    return start_session(row.kid, jkt)


def _check_pace(row: DeviceGrant, now_s: int) -> None:
    """Note the poll; one that comes too soon makes the next ones wait longer."""
    is_early = now_s - row.polled_at < row.interval_s
    interval_s = row.interval_s + (SLOWER_S if is_early else 0)
    with write():
        DeviceGrant.update(polled_at=now_s, interval_s=interval_s).where(
            DeviceGrant.code_hash == row.code_hash
        ).execute()
    if is_early:
        raise Problem(AUTH_DEVICE_SLOW_DOWN, headers={"Retry-After": str(interval_s)})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
