"""Routes of tills' invoices: a phone looks and pays, a till sees that it was paid. Pictures: `picture_api`."""

from typing import Any

from app.core.access import access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.loyalty import invoices
from app.loyalty.api import read_chain_id
from app.loyalty.value_schemas import (
    InvoicePreviewRequestSchema,
    InvoicePreviewSchema,
    InvoiceQuerySchema,
    InvoiceSchema,
)

blp = TownBlueprint(
    "invoices", __name__, url_prefix="/v1/loyalty/invoices", description="Invoices of tills"
)


@blp.post("/preview")
@access("citizen:loyalty", objects="capability", rule="the invoice that the till shows")
@blp.arguments(InvoicePreviewRequestSchema)
@blp.response(200, InvoicePreviewSchema)
def preview_invoice(args: dict[str, Any]) -> dict[str, Any]:
    """See whom an invoice would pay, by the registered name, without paying it."""
    return invoices.preview_invoice(
        get_services().chain,
        args["invoice"],
        account=require_actor().account,
        chain_id=read_chain_id(),
        now_s=get_clock().now_s(),
    )


@blp.post("/payments")
@access("citizen:loyalty", objects="signed", rule="the account of the signing key")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_payment(args: dict[str, Any]) -> Any:
    """Pay a till's invoice."""
    return submit(args["transaction"], types=("loyalty.invoice_pay",))


@blp.get("")
@access("till", "shop_owner", objects="self", rule="invoices of the own shop")
@blp.arguments(InvoiceQuerySchema, location="query")
@blp.response(200, InvoiceSchema)
def get_invoice(args: dict[str, Any]) -> dict[str, Any]:
    """See whether an own invoice is paid, and by which transaction; never by whom."""
    return invoices.describe_invoice(args["invoice"], require_actor().bodies)
