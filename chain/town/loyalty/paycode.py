"""A pay code (`BF1:` kind 2) judged in one fixed order, each refusal with a code of its own.

Order: form, time, account, revocation, signature, counter, amount, shop. What is cheap and says nothing of
the holder comes first; the counter is looked at only for a code that its holder truly signed.
Reads: accounts, counter windows, parameters.  Writes: nothing; the spend that follows marks the counter.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chain.codec import bf1
from chain.codec.errors import DecodeError
from chain.crypto import ed25519
from chain.crypto.keys import public_key_from_jwk
from chain.limits import LOYALTY_VERIFIED_CODES
from chain.town import params
from chain.town.accounts import AccountRecord, find_account_by_ref, jwk_members
from chain.town.context import Reader, Refused, TxContext
from chain.town.loyalty.records import POINT_ASSET, WINDOWS, WindowRecord
from chain.types import codes

WINDOW_BITS: Final = 64
"""Counters a phone may have shown but not used yet, at most; the width in research/loyalty-sel.md §5.1."""


@dataclass(frozen=True, slots=True)
class PayOrder:
    """A code that may be spent: whose points, and the counter window to write once they are."""

    account: str
    kid: str
    counter: int
    window: WindowRecord


def check_pay_code(ctx: TxContext, text: str, *, shop: str, points: int) -> PayOrder | Refused:
    """Judge the code on the customer's phone for `points` at `shop` at header time."""
    try:
        code, body, signature = bf1.parse_text(text)
    except DecodeError as exc:
        return Refused(codes.QR_MALFORMED, str(exc)[:120])
    refused = _check_form(ctx.state, code)
    if refused is not None:
        return refused
    if not code.is_in_window(ctx.time_s):
        return Refused(codes.QR_EXPIRED)
    account = find_account_by_ref(ctx.state, code.key_ref)
    if account is None or account.domain != "loyalty":
        return Refused(codes.QR_UNKNOWN_KEY)
    if account.status != "open":
        return Refused(codes.QR_REVOKED, account.status)
    if not _is_signed(account, bf1.signed_bytes(ctx.chain_id, body), signature):
        return Refused(codes.QR_BAD_SIGNATURE)
    window = use_counter(WINDOWS.get(ctx.state, account.kid.encode()), code.ctr)
    if window is None:
        return Refused(codes.QR_REPLAYED)
    refused = _check_amount(ctx.state, code, points) or _check_shop(code, shop)
    return refused or PayOrder(account.id, account.kid, code.ctr, window)


def use_counter(window: WindowRecord | None, counter: int) -> WindowRecord | None:
    """The window once `counter` is used; None when it was used before or fell out of the window.

    Phones count upwards but tills may send late, so the 63 counters below the highest stay usable, once each.
    Source: the anti-replay window of RFC 4303 §3.4.3, with its least size.
    """
    if window is None:
        return WindowRecord(counter, _bits_text(1))
    seen = int(window.seen, 16)
    if counter > window.highest:
        shift = min(counter - window.highest, WINDOW_BITS)
        return WindowRecord(counter, _bits_text(seen << shift | 1))
    behind = window.highest - counter
    if behind >= WINDOW_BITS or seen >> behind & 1:
        return None
    return WindowRecord(window.highest, _bits_text(seen | 1 << behind))


def _bits_text(bits: int) -> str:
    return f"{bits % (1 << WINDOW_BITS):016x}"


def _check_form(state: Reader, code: bf1.PayCode) -> Refused | None:
    if code.kind is not bf1.Kind.PAY or code.asset != POINT_ASSET:
        return Refused(codes.QR_MALFORMED, "not a code to pay with points")
    shortest = params.get_param(state, params.QR_TTL_MIN_S)
    longest = params.get_param(state, params.QR_TTL_MAX_S)
    if not shortest <= code.ttl_s <= longest:
        return Refused(codes.QR_MALFORMED, f"ttl outside {shortest}..{longest} s")
    return None


def _is_signed(account: AccountRecord, message: bytes, signature: bytes) -> bool:
    """By the account's present key: a code of a rotated key fails here."""
    key = public_key_from_jwk(jwk_members(account.jwk))
    return key.alg == "EdDSA" and verify_code(key.raw, message, signature)


@lru_cache(maxsize=LOYALTY_VERIFIED_CODES)
def verify_code(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 key signed a code; a transaction is judged at the door and again in its block.

    A function of its arguments alone, so that a node that forgot the verdict comes to the same.
    """
    return ed25519.verify_strict(public_key, message, signature)


def _check_amount(state: Reader, code: bf1.PayCode, points: int) -> Refused | None:
    limit = code.max_amount
    if code.shop_ref == bf1.ANY_SHOP:
        limit = min(limit, params.get_param(state, params.QR_ANY_SHOP_MAX_POINTS))
    return Refused(codes.QR_OVER_MAX, f"at most {limit} points") if points > limit else None


def _check_shop(code: bf1.PayCode, shop: str) -> Refused | None:
    if code.shop_ref in (bf1.ANY_SHOP, bf1.shop_ref(shop)):
        return None
    return Refused(codes.QR_WRONG_SHOP)
