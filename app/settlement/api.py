"""Routes of settlement: everybody sees totals, a shop its own legs, the association all of them."""

from typing import Any, Final

from flask import Response

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, require_actor
from app.core.idempotency import idempotent
from app.core.projection import get_projector_state
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.settlement import service
from app.settlement.schemas import (
    SettlementBankRequestSchema,
    SettlementBankSchema,
    SettlementBatchesSchema,
    SettlementBatchSchema,
    SettlementEpochQuerySchema,
    SettlementLegsQuerySchema,
    SettlementPartSchema,
    SettlementWatchSchema,
)

OWN: Final = "the legs of the own shop; for an operator all"
EPOCH: Final = "<int(min=1, max=1000000):epoch>"
MARKS: Final = (
    "settlement.ack",
    "settlement.dispute",
    "settlement.paid",
    "settlement.missing",
    "settlement.standing",
)
DECISIONS: Final = (
    "settlement.resolve",
    "settlement.cover",
    "settlement.reserve",
    "settlement.standing",
    "settlement.paid",
    "settlement.missing",
)
blp = TownBlueprint(
    "settlements", __name__, url_prefix="/v1/settlements", description="Settlement between shops"
)


def _names() -> tuple[tuple[str, ...], bool]:
    actor = require_actor()
    is_operator = "operator" in actor.scopes
    return service.own_names(actor.bodies, is_operator=is_operator), is_operator


@blp.get("")
@access(PUBLIC, objects="none", rule="totals of batches are public")
@blp.response(200, SettlementBatchesSchema)
def get_batches() -> dict[str, Any]:
    """List the newest batches: totals, roots, how much is paid."""
    return {"settlements": service.list_batches()}


@blp.get("/watch")
@access(PUBLIC, objects="none", rule="what circulates is public")
@blp.response(200, SettlementWatchSchema)
def get_watch() -> dict[str, Any]:
    """Show what circulates and what was spent in a year, and whether it nears the law's threshold."""
    return service.get_watch()


@blp.get(f"/{EPOCH}")
@access(PUBLIC, objects="none", rule="totals of batches are public")
@blp.response(200, SettlementBatchSchema)
def get_batch(epoch: int) -> dict[str, Any]:
    """Show the totals of one batch."""
    return service.get_batch(epoch)


@blp.get("/legs")
@access("shop_owner", "operator", objects="self", rule=OWN)
@blp.arguments(SettlementLegsQuerySchema, location="query")
@blp.response(200, SettlementPartSchema)
def get_legs(args: dict[str, Any]) -> dict[str, Any]:
    """Show the own position and payments of a batch, on demand with the QR codes that pay them."""
    names, is_operator = _names()
    return service.describe_part(
        args["epoch"], names, is_operator=is_operator, with_codes=bool(args["codes"])
    )


@blp.get("/pain001")
@access("shop_owner", "operator", objects="self", rule="legs that the own shop has to pay")
@blp.arguments(SettlementEpochQuerySchema, location="query")
@blp.response(200, content_type="application/xml")
def get_pain(args: dict[str, Any]) -> Response:
    """Download the own unpaid legs as an ISO 20022 pain.001 file."""
    epoch = args["epoch"]
    content = service.make_file(epoch, _names()[0], now_s=get_clock().now_s())
    response = Response(content, content_type="application/xml; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="settlement-{epoch}.xml"'
    return response


@blp.post("/marks")
@access("shop_owner", objects="signed", rule="positions and legs of the signing shop")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_mark(args: dict[str, Any]) -> Any:
    """Agree to a batch, dispute it, mark a leg paid, received or missing, or leave the coalition."""
    return submit(args["transaction"], types=MARKS)


@blp.post("/decisions")
@access("operator", objects="signed", rule="the body of the signing operator")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_decision(args: dict[str, Any]) -> Any:
    """Decide a dispute, cover a leg, attest a reserve, or change a shop's standing."""
    return submit(args["transaction"], types=DECISIONS)


@blp.get("/bank-account")
@access("shop_owner", objects="self", rule="the bank account of the own shop")
@blp.response(200, SettlementBankSchema)
def get_bank() -> dict[str, Any]:
    """Show where the own shop is paid."""
    return service.get_bank(_names()[0])


@blp.post("/bank-account")
@access("shop_owner", objects="self", rule="the bank account of the own shop")
@blp.arguments(SettlementBankRequestSchema)
@blp.response(200, SettlementBankSchema)
def put_bank(args: dict[str, Any]) -> dict[str, Any]:
    """Say where the own shop is paid; the owner's key signs it, the session alone does not do."""
    state = get_projector_state()
    return service.put_bank(
        _names()[0],
        args["statement"],
        kid=require_actor().kid,
        chain_id=state.chain_id if state is not None else "",
        now_s=get_clock().now_s(),
    )
