"""Invoices of tills: what one would take, judged in the chain's order, and whether it is paid.

Reads: this domain's tables, a node's role records.  Writes: nothing.  Never: shows a shop who paid.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from app.core.chain_client import ChainClient
from app.core.problems import Problem
from app.loyalty.models import PaidInvoice, Programme, Shop, Terminal
from app.loyalty.previews import sum_spendable
from chain.codec import bf1
from chain.codec.bf1_orders import Invoice, parse_invoice, points_asset
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519
from chain.types import codes

TILLS_MAX: Final = 64
"""Tills of one shop whose keys a preview tries, the newest first."""


def preview_invoice(
    chain: ChainClient, text: str, *, account: str, chain_id: str, now_s: int
) -> dict[str, Any]:
    """Whether an account could pay an invoice now, and what the payment must name; raises Problem.

    The text names no key, so the till is found among those of the shop. The chain judges the same in the same order,
    but is told the till and the programme.
    """
    try:
        invoice, body, signature = parse_invoice(text)
    except DecodeError as error:
        raise Problem(codes.QR_MALFORMED, str(error)) from error
    programme = _find_programme(invoice)
    if not invoice.is_in_window(now_s):
        raise Problem(codes.QR_EXPIRED)
    shop = _find_shop(invoice)
    message = bf1.signed_bytes(chain_id, body)
    till = _find_till(chain, shop.shop, message, signature, now_s=now_s)
    number = b64url_encode(invoice.invoice_id)
    if _find_paid([shop.shop], number) is not None:
        raise Problem(codes.QR_REPLAYED)
    if sum_spendable(account, programme, now_s) < invoice.amount:
        raise Problem(codes.LOYALTY_OVERDRAW)
    return {
        "would_pay": True,
        "invoice": number,
        "shop": shop.shop,
        "name": shop.name,
        "till": till,
        "programme": programme,
        "points": invoice.amount,
        "valid_until": invoice.expires_s + bf1.LATE_S,
    }


def _find_programme(invoice: Invoice) -> str:
    for row in Programme.select(Programme.programme).distinct():
        if points_asset(row.programme) == invoice.asset:
            return str(row.programme)
    raise Problem(codes.QR_MALFORMED, "not an invoice in points of this town")


def _find_shop(invoice: Invoice) -> Shop:
    for row in Shop.select():
        if bf1.shop_ref(row.shop) == invoice.shop_ref:
            return row  # type: ignore[no-any-return]
    raise Problem(codes.QR_UNKNOWN_KEY)


def _find_till(
    chain: ChainClient, shop: str, message: bytes, signature: bytes, *, now_s: int
) -> str:
    """The till of the shop that signed; whether it may still act is said by its name, revoked or not."""
    rows = Terminal.select().where(Terminal.shop == shop).order_by(Terminal.height.desc())
    for row in rows.limit(TILLS_MAX):
        answer = chain.query("/record/city", b"role/" + row.kid.encode())
        jwk = msgspec.json.decode(answer.value)["jwk"] if answer.value else {}
        if jwk.get("crv") != "Ed25519":
            continue
        if ed25519.verify_strict(b64url_decode(jwk["x"]), message, signature):
            if row.revoked_since or row.expires <= now_s:
                raise Problem(codes.QR_REVOKED)
            return str(row.kid)
    raise Problem(codes.QR_BAD_SIGNATURE)


def describe_invoice(number: str, bodies: Iterable[str]) -> dict[str, Any]:
    """Whether an invoice of the caller's shops is paid, without who paid it."""
    shops = [body.removeprefix("shop:") for body in bodies if body.startswith("shop:")]
    row = _find_paid(shops, number)
    names = ("till", "programme", "points", "refunded", "height", "paid_at")
    if row is None:
        empty: dict[str, Any] = dict.fromkeys(names, 0) | {"till": "", "programme": ""}
        return {"invoice": number, "is_paid": False, "transaction": "", **empty}
    return {
        "invoice": number,
        "is_paid": True,
        "transaction": row.payload_hash,
        **{name: getattr(row, name) for name in names},
    }


def _find_paid(shops: list[str], number: str) -> PaidInvoice | None:
    mine = PaidInvoice.shop.in_(shops) & (PaidInvoice.invoice == number)
    found: PaidInvoice | None = PaidInvoice.select().where(mine).first()
    return found
