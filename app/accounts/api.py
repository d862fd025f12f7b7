"""Routes of accounts."""

from typing import Any

from flask import request

from app.accounts.models import AccountRow
from app.accounts.schemas import AccountSchema, TicketRequestSchema, TicketSchema
from app.accounts.service import find_account, issue_ticket
from app.core.access import DEVICE, access
from app.core.blueprint import TownBlueprint
from app.core.codes import AUTH_SCOPE_MISSING, NODE_UNAVAILABLE
from app.core.context import get_clock, get_config, require_actor
from app.core.idempotency import idempotent
from app.core.problems import Problem
from app.core.projection import get_projector_state
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from chain.types.codes import ACCOUNT_UNKNOWN

blp = TownBlueprint("accounts", __name__, url_prefix="/v1/accounts", description="Accounts")


@blp.post("/tickets")
@access(DEVICE, objects="self", rule="a ticket names the key that logged in")
@blp.arguments(TicketRequestSchema)
@blp.response(201, TicketSchema)
def create_ticket(args: dict[str, Any]) -> dict[str, Any]:
    """Ask for leave to open an account with the device key."""
    actor = require_actor()
    if args.get("kid", actor.kid) != actor.kid:
        raise Problem(AUTH_SCOPE_MISSING, "log in with the key the ticket is for")
    state = get_projector_state()
    if state is None:
        raise Problem(NODE_UNAVAILABLE, "the town's genesis was not read yet")
    ticket, expires = issue_ticket(
        get_config(),
        town=state.town,
        domain=args["domain"],
        kid=actor.kid,
        address=str(request.remote_addr),
        now_s=get_clock().now_s(),
    )
    return {"ticket": ticket, "expires": expires}


@blp.post("")
@access(DEVICE, objects="signed", rule="the account of the key that signed the transaction")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def open_account(args: dict[str, Any]) -> Any:
    """Open an account, or replace its key."""
    return submit(args["transaction"], types=("account.open", "account.rotate"))


@blp.get("/me")
@access(
    "citizen:identity",
    "citizen:loyalty",
    "citizen:sel",
    "citizen:energy",
    objects="self",
    rule="the account of the key that logged in",
)
@blp.response(200, AccountSchema)
def get_own_account() -> AccountRow:
    """Show the own account."""
    account = find_account(require_actor().account)
    if account is None:
        raise Problem(ACCOUNT_UNKNOWN)
    return account
