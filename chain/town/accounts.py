"""Who may act: accounts, role keys, seat keys, and the one use each public key has in a town.

A key is registered once, for one use, for ever: a rotated or revoked key never comes back under another.
Hence nobody may register a key that is not theirs: it signs too, or somebody who answers for it vouches
(ADR 0005). A key named by an act that waits is reserved for that act until it takes effect or fails.
Reads and writes: namespace account (tables account, kid) and namespace city (tables role, body_role, seat).
Never: verifies a signature; the envelope does.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.keys import public_key_from_jwk, thumbprint
from chain.town import params
from chain.town.context import Overlay, Reader, Refused, Table
from chain.town.schemas import (
    Bytes16,
    DeviceScope,
    Domain,
    Jwk,
    Role,
    Slug,
    Thumbprint,
    UnixSeconds,
)
from chain.types import codes

AccountStatus = Literal["open", "frozen", "closed"]
KeyUse = Literal["account", "device", "role", "seat", "validator", "node", "reserved", "retired"]
KEY_REF_BYTES: Final = 16
"""How much of an account id a QR code carries (PROTOCOL §7)."""
_REF_WHOLE_CHARS: Final = 21
"""Base64url characters of a 16-byte reference that are wholly fixed by it (21 x 6 = 126 of 128 bits)."""
Holder = Annotated[str, Meta(pattern=r"^(body|shop):[a-z][a-z0-9-]{1,31}\Z")]
"""Who a role key acts for: `body:<slug>` or `shop:<slug>`."""


class AccountRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One account; `id` names it for ever, `jwk` and `kid` are its present key.

    `blind` (16 random bytes) keeps the record's hash from being guessed out of public values.
    """

    id: Thumbprint
    domain: Domain
    jwk: Jwk
    kid: Thumbprint
    blind: Bytes16
    status: AccountStatus
    opened_height: int


class DeviceRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A second key of an account: what it may sign and until when. A helper's mandate looks like a tablet."""

    kid: Thumbprint
    account: Thumbprint
    jwk: Jwk
    scopes: tuple[DeviceScope, ...]
    expires: UnixSeconds

    def may_sign(self, scope: str, now_s: int) -> bool:
        """Whether the key may sign acts of that scope at `now_s`."""
        return scope in self.scopes and now_s < self.expires


class PastKeyRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A key the account had before block `until_height`: what it signed earlier stays verifiable."""

    kid: Thumbprint
    jwk: Jwk
    until_height: int


class KidRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The one use of a key; `ref` is the account id, the role's holder, the body, or the waiting act."""

    use: KeyUse
    ref: str


class RoleRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A role key: what it may do, for whom, until when; `revoked_since` 0 while it lives."""

    kid: Thumbprint
    jwk: Jwk
    role: Role
    body: Holder
    granted_by: str
    expires: UnixSeconds
    revoked_since: UnixSeconds = 0

    def is_live(self, now_s: int) -> bool:
        """Whether the key may sign at `now_s`."""
        return self.revoked_since == 0 and now_s < self.expires


class BodyRoleRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the list of a body's roles, so that its leaving need not read every till of the town."""

    kid: Thumbprint


class SeatRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """A council seat's key and its body."""

    body: Slug
    jwk: Jwk


ACCOUNTS: Final = Table("account", "account", AccountRecord)
KIDS: Final = Table("account", "kid", KidRecord)
DEVICES: Final = Table("account", "device", DeviceRecord)
"""Under `<account>/<kid>`."""
PAST_KEYS: Final = Table("account", "past_key", PastKeyRecord)
"""Under `<account>/<until_height, 8 bytes><place, 4 bytes>`: keys retired in one block in the order they had."""
ROLES: Final = Table("city", "role", RoleRecord)
BODY_ROLES: Final = Table("city", "body_role", BodyRoleRecord)
"""Under `<holder>/<kid>`, for roles of bodies only."""
SEATS: Final = Table("city", "seat", SeatRecord)


def kid_of(jwk: Jwk) -> str:
    """RFC 7638 thumbprint; raises ValueError when the members are not a public key."""
    return thumbprint(public_key_from_jwk(jwk_members(jwk)))


def jwk_members(jwk: Jwk) -> dict[str, str]:
    """The key as a JWK mapping."""
    members = {"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x}
    return members | {"y": jwk.y} if jwk.y else members


# --- keys ----------------------------------------------------------------------------------


def get_key_use(state: Reader, kid: str) -> KidRecord | None:
    """What a key is registered for, or None."""
    return KIDS.get(state, kid.encode())


def find_key(state: Reader, kid: str) -> Jwk | None:
    """The public key of a thumbprint that may sign; None for unknown, reserved, retired, validator and node keys."""
    use = get_key_use(state, kid)
    if use is None or use.use in ("reserved", "retired", "validator", "node"):
        return None
    if use.use == "account":
        account = get_account(state, use.ref)
        return None if account is None else account.jwk
    if use.use == "device":
        device = DEVICES.get(state, f"{use.ref}/{kid}".encode())
        return None if device is None else device.jwk
    if use.use == "role":
        role = role_of(state, kid)
        return None if role is None else role.jwk
    seat = SEATS.get(state, kid.encode())
    return None if seat is None else seat.jwk


def register_key(state: Overlay, jwk: Jwk, *, use: KeyUse, ref: str) -> str | Refused:
    """Bind a key to its one use; returns its thumbprint."""
    try:
        kid = kid_of(jwk)
    except ValueError:
        return Refused(codes.TX_BODY_INVALID, "not a public key")
    if get_key_use(state, kid) is not None:
        return Refused(codes.CITY_KEY_IN_USE)
    KIDS.put(state, kid.encode(), KidRecord(use, ref))
    return kid


def free_reserved_key(state: Overlay, jwk: Jwk, ref: str) -> None:
    """Make a key fresh again if it is reserved for `ref`; any other use stays."""
    kid = kid_of(jwk)
    if get_key_use(state, kid) == KidRecord("reserved", ref):
        KIDS.delete(state, kid.encode())


def retire_key(state: Overlay, kid: str) -> None:
    """End a key's use for ever; its thumbprint stays taken."""
    record = get_key_use(state, kid)
    assert record is not None, "only registered keys are retired"
    KIDS.put(state, kid.encode(), KidRecord("retired", record.ref))


# --- accounts ------------------------------------------------------------------------------


def get_account(state: Reader, account_id: str) -> AccountRecord | None:
    """The account of that id, or None."""
    return ACCOUNTS.get(state, account_id.encode())


def find_account_by_kid(state: Reader, kid: str) -> AccountRecord | None:
    """The account whose present key has that thumbprint, or None."""
    use = get_key_use(state, kid)
    return get_account(state, use.ref) if use is not None and use.use == "account" else None


def find_account_by_ref(state: Reader, key_ref: bytes) -> AccountRecord | None:
    """The account whose id starts with these 16 bytes (the `key_ref` of QR codes), or None."""
    assert len(key_ref) == KEY_REF_BYTES, "a key reference has 16 bytes"
    start = b64url_encode(key_ref)[:_REF_WHOLE_CHARS].encode()
    for account_id, record in ACCOUNTS.scan(state, start, start + b"\x7f"):
        if b64url_decode(account_id.decode())[:KEY_REF_BYTES] == key_ref:
            return record
    return None


def open_account(
    state: Overlay, *, domain: Domain, jwk: Jwk, blind: str, height: int
) -> AccountRecord | Refused:
    """Open the account named by the key's thumbprint."""
    kid = register_key(state, jwk, use="account", ref="")
    if isinstance(kid, Refused):
        is_account = kid.code is codes.CITY_KEY_IN_USE and get_account(state, kid_of(jwk))
        return Refused(codes.ACCOUNT_EXISTS) if is_account else kid
    KIDS.put(state, kid.encode(), KidRecord("account", kid))
    account = AccountRecord(kid, domain, jwk, kid, blind, "open", height)
    ACCOUNTS.put(state, kid.encode(), account)
    return account


def rotate_account_key(
    state: Overlay, account: AccountRecord, new_jwk: Jwk, height: int
) -> AccountRecord | Refused:
    """Give the account a fresh key from block `height` on; the old one is retired and stays in the history."""
    new_kid = register_key(state, new_jwk, use="account", ref=account.id)
    if isinstance(new_kid, Refused):
        return new_kid
    retire_key(state, account.kid)
    until = account.id.encode() + b"/" + height.to_bytes(8, "big")
    earlier = sum(1 for _ in PAST_KEYS.scan(state, until, until + b"\xff"))
    past_id = until + earlier.to_bytes(4, "big")
    PAST_KEYS.put(state, past_id, PastKeyRecord(account.kid, account.jwk, height))
    rotated = replace(account, jwk=new_jwk, kid=new_kid)
    ACCOUNTS.put(state, account.id.encode(), rotated)
    return rotated


def key_at(state: Reader, account: AccountRecord, height: int) -> Jwk:
    """The key that signed for the account in block `height`, at or after its opening."""
    start = account.id.encode() + b"/"
    for _, past in PAST_KEYS.scan(state, start, start[:-1] + b"0"):
        if height < past.until_height:
            return past.jwk
    return account.jwk


def set_account_status(state: Overlay, account: AccountRecord, status: AccountStatus) -> None:
    """Open, freeze or close an account; a closed one loses its second keys."""
    ACCOUNTS.put(state, account.id.encode(), replace(account, status=status))
    if status == "closed":
        remove_devices(state, account.id)


# --- second keys ---------------------------------------------------------------------------


def find_device(state: Reader, kid: str) -> DeviceRecord | None:
    """The second key of that thumbprint, in date or not; None when there is none."""
    use = get_key_use(state, kid)
    if use is None or use.use != "device":
        return None
    return DEVICES.get(state, f"{use.ref}/{kid}".encode())


def list_devices(state: Reader, account_id: str) -> tuple[DeviceRecord, ...]:
    """All second keys of an account, in date or not, by thumbprint."""
    start = f"{account_id}/".encode()
    return tuple(record for _, record in DEVICES.scan(state, start, start[:-1] + b"0"))


def remove_device(state: Overlay, device: DeviceRecord) -> None:
    """End a second key for ever."""
    retire_key(state, device.kid)
    DEVICES.delete(state, f"{device.account}/{device.kid}".encode())


def remove_devices(state: Overlay, account_id: str) -> None:
    """End every second key of an account."""
    for device in list_devices(state, account_id):
        remove_device(state, device)


# --- roles ---------------------------------------------------------------------------------


def role_of(state: Reader, kid: str) -> RoleRecord | None:
    """The role record of a key, live or not; None when it never had one."""
    return ROLES.get(state, kid.encode())


def live_role(state: Reader, kid: str, now_s: int) -> RoleRecord | None:
    """The role record of a key that may sign at `now_s`, or None."""
    record = role_of(state, kid)
    return record if record is not None and record.is_live(now_s) else None


def grant_role(
    state: Overlay,
    *,
    role: Role,
    holder: str,
    jwk: Jwk,
    granted_by: str,
    expires: int,
    now_s: int,
) -> RoleRecord | Refused:
    """Register a role key for `body:<slug>` or `shop:<slug>` until `expires`.

    Refuses a key that has a use already, and an expiry that is past or beyond the role's longest life.
    """
    longest = params.TILL_ROLE_MAX_S if role == "till" else params.AGENT_ROLE_MAX_S
    if not now_s < expires <= now_s + params.get_param(state, longest):
        return Refused(codes.CITY_PARAM_OUT_OF_RANGE, "expires")
    kid = register_key(state, jwk, use="role", ref=holder)
    if isinstance(kid, Refused):
        return kid
    record = RoleRecord(kid, jwk, role, holder, granted_by, expires)
    ROLES.put(state, kid.encode(), record)
    if holder.startswith("body:"):
        BODY_ROLES.put(state, f"{holder}/{kid}".encode(), BodyRoleRecord(kid))
    return record


def revoke_roles_of_body(state: Overlay, body: str, since_s: int) -> None:
    """End every role key of a body that leaves; those that ended before keep their date."""
    listed = list(BODY_ROLES.scan(state, f"body:{body}/".encode(), f"body:{body}0".encode()))
    for line_id, line in listed:
        record = role_of(state, line.kid)
        if record is not None and record.revoked_since == 0:
            revoke_role(state, line.kid, since_s)
        BODY_ROLES.delete(state, line_id)


def revoke_role(state: Overlay, kid: str, since_s: int) -> RoleRecord | Refused:
    """End a role key, as of `since_s` (1 or later); a second revocation may only go further back."""
    record = role_of(state, kid)
    if record is None:
        return Refused(codes.CITY_UNKNOWN_ROLE)
    since = max(since_s, 1)
    if record.revoked_since:
        since = min(since, record.revoked_since)
    revoked = RoleRecord(
        record.kid,
        record.jwk,
        record.role,
        record.body,
        record.granted_by,
        record.expires,
        since,
    )
    ROLES.put(state, kid.encode(), revoked)
    return revoked
