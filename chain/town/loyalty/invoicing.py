"""Invoices (`BF1:` kind 4): a till asks, the phone that reads it signs the spend, once.

The other way round than a pay code: what the customer agrees to is fixed by the till's signature, so there is no limit
for any shop, no counter and nothing to steal from a screen. What makes an invoice single is its record, kept until
nobody could pay it any more; the spend stays and is refunded as any other.
Reads: tills, their role keys, programmes, accounts.  Writes: invoices, wallets, spends, tills, books, the due queue.
Never: takes another amount, programme or shop than the till signed, or takes it twice.
"""

from typing import Final

from chain.codec import bf1
from chain.codec.bf1_orders import Invoice, parse_invoice, points_asset
from chain.codec.canonical import b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto.keys import public_key_from_jwk
from chain.town.accounts import jwk_members, role_of
from chain.town.context import Accepted, BlockContext, Outcome, Reader, Refused, TxContext
from chain.town.due import schedule_due
from chain.town.loyalty.giving import check_not_staff
from chain.town.loyalty.paycode import verify_code
from chain.town.loyalty.records import (
    INVOICES,
    PROGRAMMES,
    TILLS,
    InvoiceRecord,
    TillRecord,
    joined_id,
)
from chain.town.loyalty.spending import Taken, book_spend, own_first, take_from_account
from chain.town.loyalty.tills import charge_till
from chain.town.loyalty_schemas import LoyaltyInvoicePay
from chain.town.settlement.standing import check_may_take
from chain.types import codes

INVOICE_KIND: Final = "loyalty.invoice"


def apply_invoice_pay(ctx: TxContext, body: LoyaltyInvoicePay) -> Outcome:
    """Pay a till's invoice out of the signer's wallet (and household), all of it or nothing."""
    programme = PROGRAMMES.get(ctx.state, body.programme.encode())
    if programme is None or not programme.version:
        return Refused(codes.LOYALTY_UNKNOWN_PROGRAMME)
    found = check_invoice(ctx, body)
    if isinstance(found, Refused):
        return found
    invoice, till = found
    refused = check_may_take(ctx.state, till.shop) or check_not_staff(
        ctx.state, till.shop, ctx.sender
    )
    if refused is not None:
        return refused
    charged = charge_till(till, points=invoice.amount, time_s=ctx.time_s)
    if isinstance(charged, Refused):
        return charged
    legs = take_from_account(
        ctx,
        ctx.sender,
        programme=body.programme,
        points=invoice.amount,
        first_issuer=own_first(ctx.state, programme, till.shop),
    )
    if isinstance(legs, Refused):
        return legs
    TILLS.put(ctx.state, till.kid.encode(), charged)
    number = _remember(ctx, invoice, till.shop)
    taken = Taken(charged, ctx.sender, body.programme, legs)
    spent = book_spend(ctx, taken, kind="invoice", of=number)
    return Accepted({**spent.data, "invoice": number})


def check_invoice(ctx: TxContext, body: LoyaltyInvoicePay) -> tuple[Invoice, TillRecord] | Refused:
    """Judge an invoice in the order of all codes: form, time, key, revocation, signature, use, shop."""
    try:
        invoice, signed, signature = parse_invoice(body.invoice)
    except DecodeError as exc:
        return Refused(codes.QR_MALFORMED, str(exc)[:120])
    if invoice.asset != points_asset(body.programme):
        return Refused(codes.QR_MALFORMED, "not an invoice in points of this programme")
    if not invoice.is_in_window(ctx.time_s):
        return Refused(codes.QR_EXPIRED)
    till = TILLS.get(ctx.state, body.till.encode())
    role = role_of(ctx.state, body.till)
    if till is None or role is None:
        return Refused(codes.QR_UNKNOWN_KEY)
    if not role.is_live(ctx.time_s):
        return Refused(codes.QR_REVOKED, "till revoked or out of date")
    key = public_key_from_jwk(jwk_members(role.jwk))
    message = bf1.signed_bytes(ctx.chain_id, signed)
    if key.alg != "EdDSA" or not verify_code(key.raw, message, signature):
        return Refused(codes.QR_BAD_SIGNATURE)
    if find_invoice(ctx.state, till.shop, invoice.invoice_id) is not None:
        return Refused(codes.QR_REPLAYED)
    if invoice.shop_ref != bf1.shop_ref(till.shop):
        return Refused(codes.QR_WRONG_SHOP)
    return invoice, till


def find_invoice(state: Reader, shop: str, invoice_id: bytes) -> InvoiceRecord | None:
    """The payment of an invoice, while it could still be shown again; None for one not paid."""
    return INVOICES.get(state, joined_id(shop, b64url_encode(invoice_id)))


def _remember(ctx: TxContext, invoice: Invoice, shop: str) -> str:
    """Keep that an invoice is paid until no block's time could accept it; returns its number as text."""
    number = b64url_encode(invoice.invoice_id)
    record = InvoiceRecord(b64url_encode(ctx.tx_key), invoice.expires_s)
    INVOICES.put(ctx.state, joined_id(shop, number), record)
    over_s = invoice.expires_s + bf1.LATE_S + 1
    schedule_due(ctx.state, over_s, INVOICE_KIND, f"{shop}/{number}")
    return number


def forget_invoice(ctx: BlockContext, text: str) -> None:
    """Due work: a paid invoice is too old to be paid again, so its record may go."""
    assert INVOICES.get(ctx.state, text.encode()) is not None, "only paid invoices are forgotten"
    INVOICES.delete(ctx.state, text.encode())
