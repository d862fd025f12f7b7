"""Routes of months, statements, invoices, KWHC, orders and contracts."""

from typing import Any, Final

import msgspec
from flask import Response

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import choose_language
from app.core.submission import SubmissionSchema, submit
from app.core.transactions import read_transaction
from app.energy import agreeing, charts, documents, market, members, months
from app.energy.api import MANAGED, read_typed
from app.energy.day_api import SVG, check_span, describe_draft, read_households_min, svg
from app.energy.models import CreditLine, Holding
from app.energy.routes import MEMBER, OWN_ACCOUNT, PMO
from app.energy.schemas import (
    EnergyBookSchema,
    EnergyClearingSchema,
    EnergyContractRequestSchema,
    EnergyContractSchema,
    EnergyContractsSchema,
    EnergyCreditsSchema,
    EnergyDraftSchema,
    EnergyInvoiceQuerySchema,
    EnergyInvoicesSchema,
    EnergyMonthsSchema,
    EnergyOrderRequestSchema,
    EnergyOrdersSchema,
    EnergyOwnQuerySchema,
    EnergyStatementQuerySchema,
    EnergyStepQuerySchema,
)
from app.energy.statements import encode_statement

blp = TownBlueprint(
    "energy-months", __name__, url_prefix="/v1/energy", description="Statements, KWHC, market"
)
MEDIA: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
CREDIT_LINES_MAX: Final = 500
PARTY: Final = (
    "contracts the account is a party of, or of operations that a body of the caller manages"
)


def _file(content: bytes, name: str, kind: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"'}
    return Response(content, content_type=MEDIA[kind], headers=headers)


# --- months ------------------------------------------------------------------------------------------


@blp.get("/operations/<slug:operation>/months")
@access(PUBLIC, objects="none", rule="roots and sums of months are public")
@blp.response(200, EnergyMonthsSchema)
def get_months(operation: str) -> dict[str, Any]:
    """List published issues of statements."""
    return {"months": months.list_months(members.get_operation(operation).operation)}


@blp.post("/operations/<slug:operation>/months/<month:month>/drafts")
@access(*PMO, objects="named", rule=MANAGED)
@blp.response(200, EnergyDraftSchema)
def draft_month(operation: str, month: str) -> dict[str, Any]:
    """Draw up a month's statements and invoices, for the operation's manager to sign their root."""
    own = members.get_own_operation(operation, require_actor().bodies)
    message, said = months.draft_month(
        get_config(),
        own,
        month,
        households_min=read_households_min(),
        now_s=get_clock().now_s(),
    )
    return describe_draft(message, said)


@blp.post("/operations/<slug:operation>/months/<month:month>/credit-drafts")
@access(*PMO, objects="named", rule=MANAGED)
@blp.response(200, EnergyDraftSchema)
def draft_credits(operation: str, month: str) -> dict[str, Any]:
    """Work out a stated month's KWHC for members who consented, for the operation's manager to sign."""
    own = members.get_own_operation(operation, require_actor().bodies)
    return describe_draft(months.draft_credits(get_config(), own, month), {})


@blp.get("/operations/<slug:operation>/months/<month:month>/chart")
@access(*PMO, objects="named", rule=MANAGED)
@blp.response(200, SVG, content_type="image/svg+xml")
def get_share_chart(operation: str, month: str) -> Response:
    """Draw who received a month's shared energy, by point."""
    own = members.get_own_operation(operation, require_actor().bodies)
    shares = months.list_shares(get_config(), own.operation, month)
    return svg(charts.draw_shares(month, shares, choose_language()))


@blp.get("/statements/me")
@access(*MEMBER, objects="self", rule="statements of the account of the key that logged in")
@blp.arguments(EnergyStatementQuerySchema, location="query")
@blp.response(200, {"type": "object"})
def get_own_statement(args: dict[str, Any]) -> Response:
    """Write the own monthly statement as JSON, CSV or PDF, with its salt and path under the published root."""
    config, account = get_config(), require_actor().account
    statement, proof, row = months.find_statement(
        config, args["operation"], args["month"], args["issue"], account
    )
    name = f"{args['operation']}-{args['month']}-{row.number}"
    if args["format"] == "csv":
        return _file(documents.format_csv(statement), name, "csv")
    raw = encode_statement(statement)
    shown = {"statement": msgspec.json.decode(raw), "canonical": raw.decode(), "proof": proof}
    document = documents.format_json(shown)
    if args["format"] == "json":
        return _file(document, name, "json")
    opening = members.find_member(config, args["operation"], account)
    page = documents.format_statement_pdf(
        statement,
        root=row.root,
        attached=document,
        language=choose_language(),
        name=opening.name if opening else "",
        made_s=row.time,
    )
    return _file(page, name, "pdf")


@blp.get("/invoices/me")
@access(*MEMBER, objects="self", rule="invoices the own account is a party of")
@blp.response(200, EnergyInvoicesSchema)
def get_own_invoices() -> dict[str, Any]:
    """List own invoices, as seller and as buyer."""
    return {"invoices": months.list_invoices(get_config(), [require_actor().account])}


@blp.get("/invoices/<invoice:number>")
@access(*MEMBER, objects="named", rule="invoices the own account is a party of")
@blp.arguments(EnergyInvoiceQuerySchema, location="query")
@blp.response(200, {"type": "object"})
def get_invoice(args: dict[str, Any], number: str) -> Response:
    """Write one own invoice as JSON or PDF."""
    kept = months.get_invoice(get_config(), number, require_actor().account)
    if args["format"] == "pdf":
        return _file(months.format_invoice(kept, choose_language()), number, "pdf")
    return _file(documents.format_json(months.describe_invoice(kept)), number, "json")


@blp.get("/credits/me")
@access(*MEMBER, objects="self", rule="KWHC of the account of the key that logged in")
@blp.response(200, EnergyCreditsSchema)
def get_own_credits() -> dict[str, Any]:
    """Show own KWHC by operation and month, and how they moved."""
    account = require_actor().account
    lots = list(
        Holding.select()
        .where((Holding.account == account) & (Holding.energy_wh > 0))
        .order_by(Holding.operation, Holding.month)
    )
    lines = (
        CreditLine.select()
        .where(CreditLine.account == account)
        .order_by(CreditLine.height.desc(), CreditLine.id)
        .limit(CREDIT_LINES_MAX)
    )
    return {"energy_wh": sum(lot.energy_wh for lot in lots), "lots": lots, "lines": list(lines)}


# --- orders ------------------------------------------------------------------------------------------


@blp.post("/orders")
@access(*MEMBER, objects="signed", rule=OWN_ACCOUNT)
@idempotent
@blp.arguments(EnergyOrderRequestSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_order(args: dict[str, Any]) -> Any:
    """Place a sealed order before the gate of its step."""
    body = read_typed(args["transaction"], "energy.order")
    account = read_transaction(args["transaction"]).payload.sender
    members.check_sender(account, require_actor())
    market.check_order(account, body, args["opening"], now_s=get_clock().now_s())
    answer = submit(args["transaction"], types=("energy.order",))
    market.keep_order(get_config(), account, body, args["opening"])
    return answer


@blp.get("/orders/me")
@access(*MEMBER, objects="self", rule="orders of the account of the key that logged in")
@blp.arguments(EnergyOwnQuerySchema, location="query")
@blp.response(200, EnergyOrdersSchema)
def get_own_orders(args: dict[str, Any]) -> dict[str, Any]:
    """List own orders for the steps of a day."""
    found = members.get_operation(args["operation"])
    check_span(args["day"], args["day"])
    orders = market.list_own_orders(get_config(), found, require_actor().account, args["day"])
    return {"orders": orders}


@blp.get("/operations/<slug:operation>/book")
@access(PUBLIC, objects="none", rule="how many orders stand is public, what they say is not")
@blp.arguments(EnergyStepQuerySchema, location="query")
@blp.response(200, EnergyBookSchema)
def get_book(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Show how many orders stand for a step."""
    return market.describe_book(members.get_operation(operation).operation, args["start"])


@blp.get("/operations/<slug:operation>/clearing")
@access(*PMO, objects="named", rule=MANAGED)
@blp.arguments(EnergyStepQuerySchema, location="query")
@blp.response(200, EnergyClearingSchema)
def get_clearing(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Show the auction of a step of a published day."""
    own = members.get_own_operation(operation, require_actor().bodies)
    return market.describe_clearing(
        get_config(),
        own,
        args["start"],
        now_s=get_clock().now_s(),
        households_min=read_households_min(),
    )


# --- contracts ---------------------------------------------------------------------------------------


@blp.post("/contracts")
@access(*MEMBER, *PMO, objects="signed", rule="the signing party, or the managing body")
@idempotent
@blp.arguments(EnergyContractRequestSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_contract_step(args: dict[str, Any]) -> Any:
    """Sign a contract's next step; the offer brings its document, and every clause must hold while parties bind."""
    body = read_typed(args["transaction"], "energy.contract")
    account = read_transaction(args["transaction"]).payload.sender
    actor = require_actor()
    if account not in actor.bodies:  # a body's own agents sign for it; everybody else for himself
        members.check_sender(account, actor)
    agreeing.check_step(get_config(), get_services().chain, account, body, args["document"])
    answer = submit(args["transaction"], types=("energy.contract",))
    agreeing.keep_document(get_config(), body, account, args["document"], get_clock().now_s())
    return answer


@blp.get("/contracts/me")
@access(*MEMBER, objects="self", rule="contracts the own account is a party of")
@blp.response(200, EnergyContractsSchema)
def get_own_contracts() -> dict[str, Any]:
    """List own contracts with their chain of steps."""
    return {"contracts": agreeing.list_contracts(get_config(), require_actor().account)}


@blp.get("/contracts/<key:contract>")
@access(*MEMBER, *PMO, objects="named", rule=PARTY)
@blp.response(200, EnergyContractSchema)
def get_contract(contract: str) -> dict[str, Any]:
    """Show a contract with its document and steps."""
    actor = require_actor()
    return agreeing.get_contract(get_config(), contract, actor.account, actor.bodies)
