"""A citizen changes the identity's key: the old one and the new one sign together.

Reads: namespace account.  Writes: namespace identity, the identity's account.
"""

from msgspec.structs import replace

from chain.town.accounts import kid_of, rotate_account_key
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.identity.records import (
    CITIZEN_CURVE,
    IDENTITIES,
    account_of,
    get_identity,
    is_current,
)
from chain.town.schemas import IdRotate, Jwk
from chain.types import codes


def apply_rotate(ctx: TxContext, body: IdRotate) -> Outcome:
    """Replace the identity's key, signed by the old key and by the new one (which proves its possession)."""
    record = get_identity(ctx.state, body.cid)
    if record is None or record.account != ctx.sender:
        return Refused(codes.IDENTITY_UNKNOWN)  # not telling whose cid it is
    if not is_current(record, ctx.time_s):
        return Refused(codes.IDENTITY_NOT_ACTIVE)
    if body.new_key.crv != CITIZEN_CURVE:
        return Refused(codes.TX_BODY_INVALID, "new_key: a citizen's key is Ed25519")
    account = account_of(ctx.state, record)
    try:
        new_kid = kid_of(body.new_key)
    except ValueError:
        return Refused(codes.TX_BODY_INVALID, "new_key")
    signed = {signer.kid for signer in ctx.signers}
    if not {account.kid, new_kid} <= signed:
        return Refused(codes.TX_MISSING_SIGNATURE, "old and new key")
    rotated = rotate_account_key(ctx.state, account, body.new_key, ctx.height)
    if isinstance(rotated, Refused):
        return rotated
    IDENTITIES.put(ctx.state, body.cid.encode(), replace(record, key=body.new_key))
    return Accepted(
        {
            "cid": record.cid,
            "account": record.account,
            "previous_kid": account.kid,
            "kid": rotated.kid,
        }
    )


def rotated_keys(body: IdRotate) -> tuple[Jwk, ...]:
    """The key that must sign although it is not registered yet."""
    return (body.new_key,)
