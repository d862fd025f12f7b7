"""Routes of login and sessions. No password, no cookie: a key signs a challenge, another proves each request."""

from typing import Any

from app.auth.schemas import (
    ChallengeRequestSchema,
    ChallengeSchema,
    EndedSchema,
    JwksSchema,
    RefreshRequestSchema,
    SessionsSchema,
    TokenRequestSchema,
    TokenSchema,
)
from app.auth.service import CHALLENGE_LIFE_S, check_answer, open_challenge, read_key
from app.auth.sessions import (
    Grant,
    end_own_session,
    end_session,
    end_sessions_of_key,
    list_sessions,
    refresh_session,
    start_session,
)
from app.core.access import DEVICE, PUBLIC, access, check_proof
from app.core.addresses import read_network
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.tokens import LIFE_S
from chain.crypto.keys import thumbprint

blp = TownBlueprint("auth", __name__, url_prefix="/v1/auth", description="Login and sessions")


def describe_grant(grant: Grant) -> dict[str, Any]:
    """A pair of tokens as `TokenSchema` shows it."""
    return {
        "access_token": grant.access_token,
        "token_type": "DPoP",
        "expires_in": LIFE_S,
        "refresh_token": grant.refresh_token,
        "session": grant.session,
        "session_expires_at": grant.expires_at,
        "scope": " ".join(sorted(grant.scopes)),
        "needs_factor": grant.needs_factor,
    }


@blp.post("/challenges")
@access(PUBLIC, objects="none", rule="a challenge serves only the key it was made for")
@blp.arguments(ChallengeRequestSchema)
@blp.response(201, ChallengeSchema)
def create_challenge(args: dict[str, Any]) -> dict[str, Any]:
    """Ask for a challenge to sign with the key to log in."""
    key = read_key(args["key"])
    audience = get_config().public_url
    challenge = open_challenge(key, audience=audience, address=read_network())
    return {"challenge": challenge, "audience": audience, "expires_in": CHALLENGE_LIFE_S}


@blp.post("/tokens")
@access(PUBLIC, objects="self", rule="a session speaks for the key that signed the challenge")
@blp.arguments(TokenRequestSchema)
@blp.response(201, TokenSchema)
def create_token(args: dict[str, Any]) -> dict[str, Any]:
    """Trade a signed challenge and a proof for a session's first tokens."""
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
    return describe_grant(start_session(thumbprint(key), jkt))


@blp.post("/refreshes")
@access(PUBLIC, objects="self", rule="the session of the refresh token and of the proof's key")
@blp.arguments(RefreshRequestSchema)
@blp.response(201, TokenSchema)
def create_refresh(args: dict[str, Any]) -> dict[str, Any]:
    """Trade a refresh token for the next pair."""
    return describe_grant(refresh_session(args["refresh_token"], check_proof()))


@blp.get("/jwks")
@access(PUBLIC, objects="none", rule="public keys only")
@blp.response(200, JwksSchema)
def get_jwks() -> dict[str, Any]:
    """The public keys that verify access tokens."""
    return get_services().tokens.jwks()


# --- sessions --------------------------------------------------------------------------------


@blp.get("/sessions")
@access(DEVICE, objects="self", rule="sessions of the account or role of the key that logged in")
@blp.response(200, SessionsSchema)
def get_sessions() -> dict[str, Any]:
    """List where the own account or role is logged in."""
    actor = require_actor()
    rows = list_sessions(actor.subject, get_clock().now_s())
    return {"sessions": [{**row.__data__, "is_current": row.id == actor.session} for row in rows]}


@blp.post("/sessions/<token:session_id>/end")
@access(DEVICE, objects="named", rule="sessions of the account or role of the key that logged in")
@blp.response(200, EndedSchema)
def create_session_end(session_id: str) -> dict[str, int]:
    """Close one of the own sessions."""
    end_own_session(session_id, require_actor().subject)
    return {"ended": 1}


@blp.post("/logout")
@access(DEVICE, objects="self", rule="the session of the request")
@blp.response(200, EndedSchema)
def create_logout() -> dict[str, int]:
    """Close the session this request belongs to."""
    end_session(require_actor().session, "logout")
    return {"ended": 1}


@blp.post("/keys/<key:kid>/sessions/end")
@access(
    "supervisor",
    objects="role",
    rule="a supervisor may throw any key out; it moves nothing",
    step_up=True,
)
@blp.response(200, EndedSchema)
def create_key_end(kid: str) -> dict[str, int]:
    """Close every session of a key that was lost or stolen."""
    return {"ended": end_sessions_of_key(kid, "closed by a supervisor")}
