"""Routes of login. No password, no cookie: the device key signs a challenge."""

from typing import Any

from flask import request

from app.auth.schemas import (
    ChallengeRequestSchema,
    ChallengeSchema,
    JwksSchema,
    TokenRequestSchema,
    TokenSchema,
)
from app.auth.service import (
    CHALLENGE_LIFE_S,
    check_answer,
    find_standing,
    open_challenge,
    read_key,
)
from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_config, get_services
from app.core.tokens import LIFE_S
from chain.crypto.keys import thumbprint

blp = TownBlueprint("auth", __name__, url_prefix="/v1/auth", description="Device-key login")


@blp.post("/challenges")
@access(PUBLIC, objects="none", rule="a challenge serves only the key it was made for")
@blp.arguments(ChallengeRequestSchema)
@blp.response(201, ChallengeSchema)
def create_challenge(args: dict[str, Any]) -> dict[str, Any]:
    """Ask for a challenge to sign with the device key."""
    key = read_key(args["key"])
    audience = get_config().public_url
    challenge = open_challenge(key, audience=audience, address=str(request.remote_addr))
    return {"challenge": challenge, "audience": audience, "expires_in": CHALLENGE_LIFE_S}


@blp.post("/tokens")
@access(PUBLIC, objects="self", rule="a token speaks for the key that signed the challenge")
@blp.arguments(TokenRequestSchema)
@blp.response(201, TokenSchema)
def create_token(args: dict[str, Any]) -> dict[str, Any]:
    """Trade a signed challenge for an access token."""
    key = read_key(args["key"])
    check_answer(
        key,
        challenge=args["challenge"],
        signature=args["signature"],
        audience=get_config().public_url,
        address=str(request.remote_addr),
    )
    services = get_services()
    actor = find_standing(thumbprint(key))
    token = services.tokens.issue(
        subject=actor.subject, kid=actor.kid, scopes=actor.scopes, now_s=services.clock.now_s()
    )
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFE_S,
        "scope": " ".join(sorted(actor.scopes)),
    }


@blp.get("/jwks")
@access(PUBLIC, objects="none", rule="public keys only")
@blp.response(200, JwksSchema)
def get_jwks() -> dict[str, Any]:
    """The public keys that verify access tokens."""
    return get_services().tokens.jwks()
