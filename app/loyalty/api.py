"""Routes of loyalty: the association opens, the owner registers tills, tills act, the citizen looks."""

from typing import Any

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import TRANSACTION_WRONG_ROUTE
from app.core.context import get_clock, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import Problem
from app.core.projection import get_projector_state
from app.core.proofs import build_record_proof
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
from app.core.transactions import read_transaction
from app.loyalty import previews, service
from app.loyalty.schemas import (
    CodeRequestSchema,
    CodeSchema,
    EarnPreviewRequestSchema,
    EarnPreviewSchema,
    LoyaltyAccountSchema,
    OperationsQuerySchema,
    OperationsSchema,
    ProgrammesSchema,
    ProofQuerySchema,
    RedeemPreviewRequestSchema,
    RedeemPreviewSchema,
    ShopsSchema,
    TerminalsSchema,
)

OWN_SHOP = "the shop of the key that logged in"
blp = TownBlueprint("loyalty", __name__, url_prefix="/v1/loyalty", description="Loyalty points")


# --- programmes and shops --------------------------------------------------------------------


@blp.get("/programmes")
@access(PUBLIC, objects="none", rule="programmes are public")
@blp.response(200, ProgrammesSchema)
def get_programmes() -> dict[str, Any]:
    """List the programmes and their rules in force."""
    return {"programmes": service.list_programmes()}


@blp.post("/programmes")
@access("operator", objects="signed", rule="the body of the signing operator")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_programme(args: dict[str, Any]) -> Any:
    """Open a programme, put its next version in force, or close it."""
    return submit(args["transaction"], types=("loyalty.programme",))


@blp.get("/shops")
@access(PUBLIC, objects="none", rule="shops of the coalition are public")
@blp.response(200, ShopsSchema)
def get_shops() -> dict[str, Any]:
    """List the shops of the coalition by their registered names."""
    return {"shops": service.list_shops()}


@blp.post("/shops")
@access("operator", objects="signed", rule="the body of the signing operator")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_shop(args: dict[str, Any]) -> Any:
    """Admit a shop; the operator and the owner's new key both sign."""
    return submit(args["transaction"], types=("loyalty.shop",))


@blp.post("/owner-keys")
@access("shop_owner", "operator", objects="signed", rule="the own shop; for an operator any")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_owner_key(args: dict[str, Any]) -> Any:
    """Renew a shop owner's key; an operator replaces a lost one, after a delay while the old one lives."""
    return submit(args["transaction"], types=("loyalty.owner_key",))


@blp.get("/shops/<slug:shop>/terminals")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.response(200, TerminalsSchema)
def get_terminals(shop: str) -> dict[str, Any]:
    """List the tills of the own shop."""
    return {"terminals": service.list_terminals(shop, bodies=require_actor().bodies)}


@blp.post("/shops/<slug:shop>/terminals")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_terminal(args: dict[str, Any], shop: str) -> Any:
    """Register a till of the own shop; the owner and the till's new key both sign."""
    return _submit_for_shop(shop, args["transaction"], "loyalty.till")


@blp.post("/shops/<slug:shop>/terminals/revocations")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_revocation(args: dict[str, Any], shop: str) -> Any:
    """Revoke a till and take back what it gave since."""
    return _submit_for_shop(shop, args["transaction"], "loyalty.till_revoke")


def _submit_for_shop(shop: str, text: str, kind: str) -> Any:
    service.check_own_shop(shop, require_actor().bodies)
    if read_transaction(text).payload.sender != f"shop:{shop}":
        raise Problem(TRANSACTION_WRONG_ROUTE, f"from must be shop:{shop}")
    return submit(text, types=(kind,))


# --- tills -----------------------------------------------------------------------------------


@blp.post("/codes")
@access("till", objects="capability", rule="the code the customer shows")
@blp.arguments(CodeRequestSchema)
@blp.response(200, CodeSchema)
def resolve_code(args: dict[str, Any]) -> dict[str, Any]:
    """Find the account a customer's code names, to give points to it."""
    return previews.resolve_code(args["qr"], chain_id=read_chain_id(), now_s=get_clock().now_s())


def read_chain_id() -> str:
    """Chain that codes must be signed for."""
    state = get_projector_state()
    return state.chain_id if state is not None else ""


@blp.post("/earn/preview")
@access(
    "till",
    "shop_owner",
    objects="self",
    rule="the rule in force at the own shop, applied to a figure",
)
@blp.arguments(EarnPreviewRequestSchema)
@blp.response(200, EarnPreviewSchema)
def preview_earn(args: dict[str, Any]) -> dict[str, Any]:
    """See what a purchase would earn."""
    shops = [body for body in require_actor().bodies if body.startswith("shop:")]
    return previews.preview_earn(
        get_services().chain,
        args,
        shop=shops[0].removeprefix("shop:"),
        now_s=get_clock().now_s(),
    )


@blp.post("/earn")
@access("till", objects="signed", rule="the shop of the signing till")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_earn(args: dict[str, Any]) -> Any:
    """Give points for a purchase."""
    return submit(args["transaction"], types=("loyalty.earn",))


@blp.post("/redemptions/preview")
@access("till", objects="named", rule=OWN_SHOP)
@blp.arguments(RedeemPreviewRequestSchema)
@blp.response(200, RedeemPreviewSchema)
def preview_redemption(args: dict[str, Any]) -> dict[str, Any]:
    """See whether a code would pay, without using it."""
    service.check_own_shop(args["shop"], require_actor().bodies)
    return previews.preview_redeem(
        programme=args["programme"],
        shop=args["shop"],
        points=args["points"],
        text=args["qr"],
        chain_id=read_chain_id(),
        limits=read_town_status(get_services().chain).params,
        now_s=get_clock().now_s(),
    )


@blp.post("/redemptions")
@access("till", objects="signed", rule="the shop of the signing till")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_redemption(args: dict[str, Any]) -> Any:
    """Take points by the code on the customer's phone."""
    return submit(args["transaction"], types=("loyalty.redeem",))


@blp.post("/reversals")
@access("till", "shop_owner", objects="signed", rule="operations of the signer's shop")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_reversal(args: dict[str, Any]) -> Any:
    """Undo or refund (part of) an earn or a redemption."""
    return submit(args["transaction"], types=("loyalty.reverse",))


# --- looking ---------------------------------------------------------------------------------


@blp.get("/accounts/me")
@access("citizen:loyalty", objects="self", rule="the account of the key that logged in")
@blp.arguments(ProofQuerySchema, location="query")
@blp.response(200, LoyaltyAccountSchema)
def get_own_account(args: dict[str, Any]) -> dict[str, Any]:
    """Show the own balance by lot, and on demand the proof of the wallet's record."""
    account = require_actor().account
    described = service.describe_account(account, now_s=get_clock().now_s())
    if args["proof"]:
        record_id = b"wallet/" + account.encode()
        _, described["proof"] = build_record_proof(get_services().chain, "loyalty", record_id)
    return described


@blp.get("/operations")
@access(
    "citizen:loyalty", "till", "shop_owner", objects="self", rule="the own account, or the own shop"
)
@blp.arguments(OperationsQuerySchema, location="query")
@blp.response(200, OperationsSchema)
def get_operations(args: dict[str, Any]) -> dict[str, Any]:
    """List operations, newest first."""
    actor = require_actor()
    rows, following = service.list_operations(
        account=actor.account, bodies=actor.bodies, cursor=args["cursor"], count=args["limit"]
    )
    return {"operations": rows, "next_cursor": following}
