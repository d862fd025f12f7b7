"""Routes of the device grant (RFC 8628): a till asks, its shop's owner approves, the till gets its session."""

from dataclasses import asdict
from typing import Any

from app.auth import devices
from app.auth.api import describe_grant
from app.auth.schemas import (
    AskingDeviceSchema,
    DeviceCodeRequestSchema,
    DevicePendingSchema,
    TokenRequestSchema,
    TokenSchema,
    UserCodeRequestSchema,
)
from app.auth.service import check_answer, count_attempt, read_key
from app.core.access import PUBLIC, access, check_proof
from app.core.addresses import read_network
from app.core.blueprint import TownBlueprint
from app.core.context import get_config, require_actor
from chain.crypto.keys import thumbprint

RULE = "tills of the shop of the key that logged in, while they show their letters"
blp = TownBlueprint("devices", __name__, url_prefix="/v1/auth/devices", description="Tills log in")


@blp.post("")
@access(PUBLIC, objects="self", rule="the till whose role key signed the challenge")
@blp.arguments(TokenRequestSchema)
@blp.response(201, DevicePendingSchema)
def create_device_grant(args: dict[str, Any]) -> dict[str, Any]:
    """Begin a till's login: letters to show, and a code to poll with."""
    key = read_key(args["key"])
    jkt = check_proof(nonce=args["challenge"])
    check_answer(
        key,
        jkt=jkt,
        challenge=args["challenge"],
        signature=args["signature"],
        audience=get_config().public_url,
        address=read_network(),
    )
    return asdict(devices.start_grant(thumbprint(key), jkt))


@blp.post("/tokens")
@access(
    PUBLIC, objects="capability", rule="whoever holds the 256-bit device code and its proof key"
)
@blp.arguments(DeviceCodeRequestSchema)
@blp.response(201, TokenSchema)
def create_device_token(args: dict[str, Any]) -> dict[str, Any]:
    """Ask whether the owner has approved; the session comes once."""
    return describe_grant(devices.poll_grant(args["device_code"], check_proof()))


@blp.post("/lookups")
@access("shop_owner", objects="capability", rule=RULE)
@blp.arguments(UserCodeRequestSchema)
@blp.response(200, AskingDeviceSchema)
def create_device_lookup(args: dict[str, Any]) -> dict[str, Any]:
    """See which till shows these letters, before approving."""
    owner = require_actor()
    with count_attempt(owner.kid, read_network()):
        row = devices.find_asking(owner, args["user_code"])
    return {"till": row.kid, "shop": row.holder, "expires_at": row.expires_at}


@blp.post("/decisions")
@access("shop_owner", objects="capability", rule=RULE)
@blp.arguments(UserCodeRequestSchema)
@blp.response(200, AskingDeviceSchema)
def create_device_decision(args: dict[str, Any]) -> dict[str, Any]:
    """Approve or refuse the till that shows these letters."""
    owner = require_actor()
    with count_attempt(owner.kid, read_network()):
        row = devices.decide_grant(owner, args["user_code"], is_approved=args["is_approved"])
    return {"till": row.kid, "shop": row.holder, "expires_at": row.expires_at}
