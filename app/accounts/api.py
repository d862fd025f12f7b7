"""Routes of accounts."""

from typing import Any

from app.accounts import keys, notices
from app.accounts.devices import preview_device
from app.accounts.models import AccountRow
from app.accounts.schemas import (
    AccountSchema,
    DevicePreviewRequestSchema,
    DevicePreviewSchema,
    KeysSchema,
    NoticeQuerySchema,
    NoticesSchema,
    TicketRequestSchema,
    TicketSchema,
)
from app.accounts.service import find_account, issue_ticket
from app.core.access import DEVICE, access
from app.core.addresses import read_network
from app.core.blueprint import TownBlueprint
from app.core.codes import AUTH_SCOPE_MISSING, NODE_UNAVAILABLE, NOT_FOUND
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import NodeUnavailable, Problem, choose_language
from app.core.projection import get_projector_state
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
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
        address=read_network(),
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


# --- keys and notices ------------------------------------------------------------------------


def _account_of_caller() -> str:
    """The account whose own key or second key asks; raises Problem for any other key."""
    key = keys.find_key(require_actor().kid)
    if key is None or key.kind not in (keys.OWN, keys.DEVICE):
        raise Problem(NOT_FOUND)
    if key.kind == keys.DEVICE and key.expires_at <= get_clock().now_s():
        raise Problem(NOT_FOUND)
    return str(key.account)


@blp.get("/me/devices")
@access(DEVICE, objects="self", rule="keys of the account that the caller's key signs for")
@blp.response(200, KeysSchema)
def list_devices() -> dict[str, Any]:
    """The account's own key and its second keys: devices and helpers."""
    found = keys.list_live_keys(_account_of_caller(), get_clock().now_s())
    return {"keys": [{**row.__data__, "scopes": row.scopes.split()} for row in found]}


@blp.post("/devices")
@access(DEVICE, objects="signed", rule="second keys of the account that signs")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def change_devices(args: dict[str, Any]) -> Any:
    """Let a second key sign for the account, or end one."""
    return submit(args["transaction"], types=("account.device_add", "account.device_remove"))


@blp.post("/devices/previews")
@access(DEVICE, objects="self", rule="a second key of the account that the caller's key signs for")
@blp.arguments(DevicePreviewRequestSchema)
@blp.response(200, DevicePreviewSchema)
def preview_devices(args: dict[str, Any]) -> dict[str, Any]:
    """What a second key could do, before anybody signs."""
    params = read_town_status(get_services().chain).params
    if not params:
        raise NodeUnavailable
    return preview_device(
        _account_of_caller(),
        scopes=args["scopes"],
        expires_at=args["expires_at"],
        longest_s=params["device_key_max_s"],
        now_s=get_clock().now_s(),
        language=choose_language(),
    )


@blp.get("/me/notices")
@access(
    DEVICE, objects="self", rule="what concerns the account of the caller's key, while it was one"
)
@blp.arguments(NoticeQuerySchema, location="query")
@blp.response(200, NoticesSchema)
def list_notices(args: dict[str, Any]) -> dict[str, Any]:
    """New devices, rotations, recoveries: what each device of the account is told."""
    found = notices.list_notices(
        require_actor().kid, after_height=args["after"], language=choose_language()
    )
    return {"notices": found}
