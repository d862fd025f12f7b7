"""Purchases that a till wrote down and signed without a network, credited when they come in.

A note counts once (its receipt), for three days (a parameter), under the rule in force when it was made. A live
till's notes may be sent by any till of the shop. A revoked till's count only if they were made before `since`, and only
by the owner's hand: whoever has a stolen till dates notes as he likes, and it is the owner who owes the points.
Reads: tills, roles, versions, receipts.  Writes: what an earn writes.  Never: believes a date alone.
"""

from typing import Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_decode, b64url_encode, decode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import jws
from chain.limits import (
    LOYALTY_OFFLINE_CLOCK_S,
    LOYALTY_OFFLINE_NOTE_CHARS,
    LOYALTY_OFFLINE_VERSIONS,
)
from chain.town import params
from chain.town.accounts import find_account_by_ref, role_of
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.envelope import public_key
from chain.town.loyalty.earning import earn_purchase
from chain.town.loyalty.giving import get_rule_in_force
from chain.town.loyalty.offline.batches import run_batch
from chain.town.loyalty.records import (
    RECEIPTS,
    TILLS,
    VERSIONS,
    TillRecord,
    VersionRecord,
    joined_id,
    version_id,
)
from chain.town.loyalty.tills import shop_of
from chain.town.loyalty_offline_schemas import EarnNote, LoyaltyEarnBatch
from chain.town.schemas import LoyaltyEarn
from chain.types import codes

EARN_NOTE_TYP: Final = "beffroi-earn"
_OWNER_ROLE: Final = "shop_owner"


def apply_earn_batch(ctx: TxContext, body: LoyaltyEarnBatch) -> Outcome:
    """Credit each note that stands; the others are named with their reasons."""
    ran = run_batch(ctx, body.notes, _apply_note)
    if isinstance(ran, Refused):
        return ran
    earned, refused = ran
    return Accepted({"shop": shop_of(ctx), "earned": earned, "refused": refused})


def _apply_note(ctx: TxContext, text: str) -> Outcome:
    read = _read_note(ctx, text)
    if isinstance(read, Refused):
        return read
    note, till = read
    known = RECEIPTS.get(ctx.state, joined_id(till.shop, note.receipt))
    if known is not None:
        return Refused(codes.LOYALTY_RECEIPT_USED, known.ref)
    refused = _check_age(ctx, note) or _check_till(ctx, note, till)
    if refused is not None:
        return refused
    rule = find_rule_at(ctx.state, note.programme, note.made)
    if isinstance(rule, Refused):
        return rule
    account = find_account_by_ref(ctx.state, b64url_decode(note.key_ref))
    if account is None:
        return Refused(codes.ACCOUNT_UNKNOWN)
    earn = LoyaltyEarn(
        note.programme,
        account.id,
        note.purchase_cents,
        note.receipt,
        note.items,
        note.points_shown,
    )
    outcome = earn_purchase(ctx, earn, till=till, rule=rule, made_s=min(note.made, ctx.time_s))
    if isinstance(outcome, Refused):
        return outcome
    if _revoked_since_s(ctx.state, till):
        _keep_from_sweeps(ctx, till)
    return Accepted({**outcome.data, "ref": b64url_encode(ctx.tx_key), "made": note.made})


def _read_note(ctx: TxContext, text: str) -> tuple[EarnNote, TillRecord] | Refused:
    """The note and the till of the acting shop that signed it."""
    try:
        parsed = jws.parse(text.encode(), EARN_NOTE_TYP, LOYALTY_OFFLINE_NOTE_CHARS)
        note = decode_canonical(EarnNote, parsed.payload)
    except DecodeError as exc:
        return Refused(codes.LOYALTY_NOTE_INVALID, str(exc)[:80])
    entry = parsed.signatures[0]
    till = TILLS.get(ctx.state, entry.kid.encode())
    shop = shop_of(ctx)
    if till is None or till.shop != shop:
        return Refused(codes.LOYALTY_TILL_UNKNOWN)
    role = role_of(ctx.state, till.kid)
    assert role is not None, "every till has its role"
    is_here = (note.town, note.shop) == (ctx.town, shop)
    if not is_here or not jws.verify_signature(entry, public_key(role.jwk)):
        return Refused(codes.LOYALTY_NOTE_INVALID, "signature" if is_here else "town or shop")
    return note, till


def _check_age(ctx: TxContext, note: EarnNote) -> Refused | None:
    if note.made > ctx.time_s + LOYALTY_OFFLINE_CLOCK_S:
        return Refused(codes.LOYALTY_NOTE_EARLY, f"{note.made - ctx.time_s} s ahead")
    age_max_s = params.get_param(ctx.state, params.LOYALTY_OFFLINE_EARN_S)
    if note.made < ctx.time_s - age_max_s:
        return Refused(codes.LOYALTY_NOTE_OLD, f"at most {age_max_s} s")
    return None


def _check_till(ctx: TxContext, note: EarnNote, till: TillRecord) -> Refused | None:
    """In date when it signed; if revoked since, before `since`, and the owner says so."""
    if min(note.made, ctx.time_s) >= till.expires_s:  # its clock may be ahead
        return Refused(codes.TX_KEY_EXPIRED, "till out of date")
    since_s = _revoked_since_s(ctx.state, till)
    if not since_s:
        return None
    sender = role_of(ctx.state, ctx.signers[0].kid)
    is_owner = sender is not None and sender.role == _OWNER_ROLE
    if note.made >= since_s or not is_owner:
        return Refused(codes.LOYALTY_TILL_REVOKED, f"since {since_s}")
    return None


def _revoked_since_s(state: Reader, till: TillRecord) -> int:
    """Since when its key counts for nothing, by the owner's word or the council's; 0 while it lives."""
    role = role_of(state, till.kid)
    assert role is not None, "every till has its role"
    return role.revoked_since


def _keep_from_sweeps(ctx: TxContext, till: TillRecord) -> None:
    """What the owner vouched for is no longer the till's: revoking it again takes nothing of it back."""
    held = TILLS.get(ctx.state, till.kid.encode())
    assert held is not None, "the till that signed is on record"
    TILLS.put(ctx.state, till.kid.encode(), replace(held, last_earn=till.last_earn))


def find_rule_at(state: Reader, programme: str, made_s: int) -> VersionRecord | Refused:
    """The version in force at `made_s`; the first for a purchase before it, and none of a programme that is closed."""
    rule = get_rule_in_force(state, programme)
    if isinstance(rule, Refused):
        return rule
    for _ in range(LOYALTY_OFFLINE_VERSIONS):
        if rule.since_s <= made_s or rule.version == 1:
            break
        found = VERSIONS.get(state, version_id(programme, rule.version - 1))
        assert found is not None, "versions have no gap"
        rule = found
    return rule
