"""account.open and account.rotate: how keys of citizens come in and change.

A new key needs a ticket co-signed by a live gateway or till key; the ticket is checked before anything is
recorded, so nobody without one can make the chain work. Identity accounts come with `id.batch_attest` and
turn their key by `id.rotate`, never here.
Reads and writes: namespace account.
"""

from typing import Final

from chain.codec.canonical import decode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import jws
from chain.town import params
from chain.town.accounts import get_account, kid_of, live_role, open_account, rotate_account_key
from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.envelope import TICKET_TYP, public_key
from chain.town.rules import ACCOUNT, Rule, Rules
from chain.town.schemas import AccountOpen, AccountRotate, Jwk, Ticket
from chain.types import codes

TICKET_MAX_BYTES: Final = 2_048
TICKET_ROLES: Final = frozenset({"gateway", "till"})


def admit_open(ctx: TxContext, body: AccountOpen) -> Refused | tuple[str, ...]:
    """The ticket names this town, domain and key, is in date, and a gateway or till signed it."""
    try:
        parsed = jws.parse(body.ticket.encode(), TICKET_TYP, TICKET_MAX_BYTES)
        ticket = decode_canonical(Ticket, parsed.payload)
    except DecodeError as error:
        return Refused(codes.ACCOUNT_BAD_TICKET, str(error))
    expected = (ctx.town, body.domain, kid_of(body.key))
    if (ticket.town, ticket.domain, ticket.kid) != expected:
        return Refused(codes.ACCOUNT_BAD_TICKET, "made for another town, service or key")
    longest_s = params.get_param(ctx.state, params.TX_EXPIRY_MAX_S)
    if not ctx.time_s < ticket.exp <= ctx.time_s + longest_s:
        return Refused(codes.ACCOUNT_BAD_TICKET, "out of date")
    entry = parsed.signatures[0]
    role = live_role(ctx.state, entry.kid, ctx.time_s)
    if role is None or role.role not in TICKET_ROLES:
        return Refused(codes.ACCOUNT_BAD_TICKET, "not signed by a gateway or till in office")
    if not jws.verify_signature(entry, public_key(role.jwk)):
        return Refused(codes.ACCOUNT_BAD_TICKET, "bad signature")
    return (entry.kid,)


def apply_open(ctx: TxContext, body: AccountOpen) -> Outcome:
    """Open the account named by its first key."""
    if body.domain == "identity":
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, "identities are attested at the desk")
    if body.key.crv != "Ed25519":
        return Refused(codes.TX_BODY_INVALID, "a citizen's key is Ed25519")
    account = open_account(
        ctx.state, domain=body.domain, jwk=body.key, blind=body.blind, height=ctx.height
    )
    if isinstance(account, Refused):
        return account
    return Accepted({"account": account.id, "domain": account.domain})


def apply_rotate(ctx: TxContext, body: AccountRotate) -> Outcome:
    """Replace the account's key by one that signed too."""
    account = get_account(ctx.state, ctx.sender)
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    if account.domain == "identity":
        return Refused(codes.ACCOUNT_WRONG_DOMAIN, "use id.rotate")
    if body.new_key.crv != "Ed25519":
        return Refused(codes.TX_BODY_INVALID, "a citizen's key is Ed25519")
    rotated = rotate_account_key(ctx.state, account, body.new_key, ctx.height)
    if isinstance(rotated, Refused):
        return rotated
    return Accepted({"account": rotated.id, "kid": rotated.kid})


def _opening_key(body: AccountOpen) -> tuple[Jwk, ...]:
    return (body.key,)


def _rotated_key(body: AccountRotate) -> tuple[Jwk, ...]:
    return (body.new_key,)


RULES: Final[Rules] = {
    AccountOpen: Rule(
        apply_open,
        gas_us=600,
        senders=ACCOUNT,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
        new_keys=_opening_key,
        admit=admit_open,
        opens_account=True,
    ),
    AccountRotate: Rule(
        apply_rotate,
        gas_us=600,
        senders=ACCOUNT,
        quota=params.QUOTA_ACCOUNT_PER_MINUTE,
        signatures_max=2,
        new_keys=_rotated_key,
    ),
}
