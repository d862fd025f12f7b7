"""Vouchers: signed off line by a shop's key, worth points of that shop, honoured once each, in parts if need be.

A voucher is no lot: its points are minted and redeemed at the moment it is used. What makes it single is the
nullifier, a hash of its number, under which the chain keeps how much of it is used. Nobody can tell when one was
signed, so it is a gift of the day it is used: a shop that may not give points has none honoured.
Reads and writes: series, nullifiers, till, spends, totals, obligations.  Never: honours more than its series allows.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from msgspec.structs import replace

from chain.codec import bf1
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.loyalty.books import Entry, add_obligation, get_value, post_entries
from chain.town.loyalty.paycode import verify_code
from chain.town.loyalty.records import (
    NULLIFIERS,
    PROGRAMMES,
    SERIES,
    SPENDS,
    TILLS,
    NullifierRecord,
    SeriesRecord,
    SpendRecord,
)
from chain.town.loyalty.tills import charge_till, get_taking_till, shop_of
from chain.town.loyalty_schemas import LoyaltyVoucherRedeem, LoyaltyVoucherSeries
from chain.town.settlement.standing import check_may_give
from chain.types import codes

_LABEL: Final = b"beffroi-voucher\x00"


def compute_nullifier(voucher_id: bytes, series: bytes = b"") -> str:
    """Name under which a voucher's use is kept: SHA-256 of a label, its 16 random bytes and a series, base64url."""
    return b64url_encode(sha256(_LABEL + voucher_id + series).digest())


def find_nullifier(state: Reader, voucher: bf1.Voucher) -> str:
    """A voucher's name, whatever number another series signed: who saw a voucher could use its number up first."""
    name = compute_nullifier(voucher.voucher_id)
    used = NULLIFIERS.get(state, name.encode())
    if used is None or used.series == voucher.series:
        return name
    return compute_nullifier(voucher.voucher_id, series_id(voucher.series))


def series_id(series: int) -> bytes:
    """Ten digits, so that series scan in order."""
    return f"{series:010d}".encode()


def apply_voucher_series(ctx: TxContext, body: LoyaltyVoucherSeries) -> Outcome:
    """Open a series of vouchers the acting shop owes, end it, or allow more; value and key never change."""
    programme = PROGRAMMES.get(ctx.state, body.programme.encode())
    shop = shop_of(ctx)
    held = SERIES.get(ctx.state, series_id(body.series))
    is_end = held is not None and body.status == "ended"
    if programme is None or (programme.status != "active" and not is_end):
        return Refused(codes.LOYALTY_PROGRAMME_INACTIVE)
    refused = None if is_end else check_may_give(ctx.state, shop)
    if refused is not None:
        return refused
    if held is None:
        record = SeriesRecord(body, shop, programme.version)
    elif held.shop != shop:
        return Refused(codes.TX_NOT_ENTITLED, "a series of another shop")
    else:
        fixed = replace(
            held.terms, count_max=body.count_max, expires=body.expires, status=body.status
        )
        if fixed != body:
            return Refused(codes.TX_BODY_INVALID, "programme, key, value and shop stay")
        if body.count_max * body.value_points < held.honoured:
            return Refused(codes.LOYALTY_BUDGET_BELOW, f"{held.honoured} points honoured")
        record = replace(held, terms=body)
    SERIES.put(ctx.state, series_id(body.series), record)
    return Accepted({"shop": shop, "series": body.series, "honoured": record.honoured})


def apply_voucher_redeem(ctx: TxContext, body: LoyaltyVoucherRedeem) -> Outcome:
    """Take points off a voucher at the acting till's shop."""
    till = get_taking_till(ctx)
    if isinstance(till, Refused):
        return till
    found = check_voucher(
        ctx.state,
        body.voucher,
        chain_id=ctx.chain_id,
        shop=till.shop,
        points=body.points,
        time_s=ctx.time_s,
    )
    if isinstance(found, Refused):
        return found
    refused = check_may_give(ctx.state, found.record.shop)
    if refused is not None:
        return refused
    charged = charge_till(till, points=body.points, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    TILLS.put(ctx.state, till.kid.encode(), charged)
    series, left = found.record, found.left - body.points
    _use(ctx.state, found.nullifier, series, body.points)
    record = SpendRecord(
        account="",
        programme=series.terms.programme,
        shop=till.shop,
        till=till.kid,
        points=body.points,
        spent_s=ctx.time_s,
        legs=(),
        kind="voucher",
        of=found.nullifier,
    )
    SPENDS.put(ctx.state, b64url_encode(ctx.tx_key).encode(), record)
    entries = [
        Entry(series.shop, "ISS", series.shop, -body.points),
        Entry(series.shop, "RED", till.shop, body.points),
    ]
    return Accepted(
        {
            "series": series.terms.series,
            "nullifier": found.nullifier,
            "programme": record.programme,
            "issuer": series.shop,
            "shop": till.shop,
            "till": till.kid,
            "points": body.points,
            "left": left,
            "entries": _book(ctx.state, record, series, entries, body.points),
        }
    )


@dataclass(frozen=True, slots=True)
class FoundVoucher:
    """A voucher that may pay: its series, its nullifier, and what is left of it."""

    record: SeriesRecord
    nullifier: str
    left: int


def check_voucher(
    state: Reader, text: str, *, chain_id: str, shop: str, points: int, time_s: int
) -> FoundVoucher | Refused:
    """Judge a voucher in the order of all codes: form, time, key, revocation, signature, use, amount, shop."""
    try:
        voucher, body, signature = bf1.parse_voucher(text)
    except DecodeError as exc:
        return Refused(codes.QR_MALFORMED, str(exc)[:120])
    series = SERIES.get(state, series_id(voucher.series))
    expires_s = min(voucher.expires_s, series.terms.expires if series else voucher.expires_s)
    if expires_s <= time_s:
        return Refused(codes.QR_EXPIRED)
    if series is None:
        return Refused(codes.QR_UNKNOWN_KEY)
    if series.terms.status != "active":
        return Refused(codes.QR_REVOKED, series.terms.status)
    message = bf1.signed_bytes(chain_id, body)
    is_signed = verify_code(b64url_decode(series.terms.key), message, signature)
    if not is_signed or voucher.value != series.terms.value_points:
        return Refused(codes.QR_BAD_SIGNATURE)
    return _check_use(state, series, voucher, shop=shop, points=points)


def _check_use(
    state: Reader, series: SeriesRecord, voucher: bf1.Voucher, *, shop: str, points: int
) -> FoundVoucher | Refused:
    nullifier = find_nullifier(state, voucher)
    used = NULLIFIERS.get(state, nullifier.encode())
    left = voucher.value - (used.used if used else 0)
    if not left:
        return Refused(codes.QR_REPLAYED)
    if points > left:
        return Refused(codes.QR_OVER_MAX, f"{left} points left")
    if series.honoured + points > series.terms.count_max * series.terms.value_points:
        return Refused(codes.LOYALTY_BUDGET_SPENT)
    ref = bf1.shop_ref(shop)
    is_here = voucher.restriction in (bf1.ANY_SHOP, ref) and series.terms.redeem_shop in ("", shop)
    return FoundVoucher(series, nullifier, left) if is_here else Refused(codes.QR_WRONG_SHOP)


def refund_voucher(state: Overlay, spend: SpendRecord, points: int) -> dict[str, Any]:
    """Give a voucher back what was taken off it; what was minted for it is taken back."""
    used = NULLIFIERS.get(state, spend.of.encode())
    assert used is not None, "a voucher spent has a nullifier"
    series = SERIES.get(state, series_id(used.series))
    assert series is not None, "a voucher spent has a series"
    _use(state, spend.of, series, -points)
    entries = [
        Entry(series.shop, "RED", spend.shop, -points),
        Entry(series.shop, "REV", "", points),
    ]
    return {
        "nullifier": spend.of,
        "issuer": series.shop,
        "entries": _book(state, spend, series, entries, -points),
    }


def _use(state: Overlay, nullifier: str, series: SeriesRecord, points: int) -> None:
    held = NULLIFIERS.get(state, nullifier.encode()) or NullifierRecord(series.terms.series, 0)
    used = held.used + points
    assert 0 <= used <= series.terms.value_points, "no voucher is used beyond its value"
    NULLIFIERS.put(state, nullifier.encode(), NullifierRecord(held.series, used))
    fresh = replace(series, honoured=series.honoured + points)
    SERIES.put(state, series_id(series.terms.series), fresh)


def _book(
    state: Overlay, spend: SpendRecord, series: SeriesRecord, entries: list[Entry], points: int
) -> list[list[str | int]]:
    value = points * get_value(state, spend.programme, series.version)
    add_obligation(
        state, spend.programme, series.shop, spend.shop, points=points, value_millicents=value
    )
    return post_entries(state, spend.programme, entries)
