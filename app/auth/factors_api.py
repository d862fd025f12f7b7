"""Routes of agents' second factors: passkeys and one-time codes, shown at login and enrolled with a code."""

from typing import Any

from app.auth import factors
from app.auth.api import describe_grant
from app.auth.schemas import (
    AssertionRequestSchema,
    EndedSchema,
    FactorCodeSchema,
    FactorEnrolmentSchema,
    FactorIdSchema,
    FactorsSchema,
    OneTimeCodeRequestSchema,
    OneTimeSecretSchema,
    PasskeyOptionsSchema,
    RegistrationRequestSchema,
    TokenSchema,
)
from app.auth.service import count_attempt
from app.core.access import DEVICE, access
from app.core.addresses import read_network
from app.core.blueprint import TownBlueprint
from app.core.context import require_actor

OWN = "factors of the key that logged in"
blp = TownBlueprint("factors", __name__, url_prefix="/v1/auth", description="Agents' second factor")


@blp.post("/passkeys/challenges")
@access(DEVICE, objects="self", rule=OWN)
@blp.response(201, PasskeyOptionsSchema)
def create_passkey_challenge() -> dict[str, Any]:
    """Ask what one of the own passkeys has to sign."""
    return {"options": factors.start_assertion(require_actor())}


@blp.post("/passkeys/assertions")
@access(DEVICE, objects="self", rule=OWN)
@blp.arguments(AssertionRequestSchema)
@blp.response(201, TokenSchema)
def create_assertion(args: dict[str, Any]) -> dict[str, Any]:
    """Show a passkey: the session may now do what the role may."""
    actor = require_actor()
    with count_attempt(actor.kid, read_network()):
        return describe_grant(factors.finish_assertion(actor, args["credential"]))


@blp.post("/one-time-codes")
@access(DEVICE, objects="self", rule=OWN)
@blp.arguments(OneTimeCodeRequestSchema)
@blp.response(201, TokenSchema)
def create_one_time_code(args: dict[str, Any]) -> dict[str, Any]:
    """Show a one-time code: the session may now do what the role may."""
    actor = require_actor()
    with count_attempt(actor.kid, read_network()):
        return describe_grant(factors.check_one_time_code(actor, args["code"]))


# --- enrolling -------------------------------------------------------------------------------


@blp.post("/keys/<key:kid>/factor-codes")
@access("supervisor", objects="role", rule="a supervisor lets any key enrol a factor", step_up=True)
@blp.response(201, FactorCodeSchema)
def create_factor_code(kid: str) -> dict[str, Any]:
    """Let an agent's key enrol a factor, by a code given from hand to hand."""
    code, expires_at = factors.make_factor_code(kid)
    return {"code": code, "expires_at": expires_at}


@blp.post("/factors/passkeys/options")
@access(DEVICE, objects="self", rule=OWN)
@blp.arguments(FactorEnrolmentSchema)
@blp.response(201, PasskeyOptionsSchema)
def create_passkey_options(args: dict[str, Any]) -> dict[str, Any]:
    """Begin to enrol a passkey."""
    return {"options": factors.start_passkey(require_actor(), args["code"])}


@blp.post("/factors/passkeys")
@access(DEVICE, objects="self", rule=OWN)
@blp.arguments(RegistrationRequestSchema)
@blp.response(201, FactorIdSchema)
def create_passkey(args: dict[str, Any]) -> dict[str, str]:
    """Enrol a passkey."""
    return {"id": factors.finish_passkey(require_actor(), args["credential"])}


@blp.post("/factors/one-time-codes")
@access(DEVICE, objects="self", rule=OWN)
@blp.arguments(FactorEnrolmentSchema)
@blp.response(201, OneTimeSecretSchema)
def create_one_time_secret(args: dict[str, Any]) -> dict[str, str]:
    """Enrol an app that makes one-time codes; its secret is shown this once."""
    return factors.start_one_time_codes(require_actor(), args["code"])


@blp.get("/factors")
@access(DEVICE, objects="self", rule=OWN)
@blp.response(200, FactorsSchema)
def get_factors() -> dict[str, Any]:
    """List the own factors."""
    return {"factors": factors.list_factors(require_actor().kid)}


@blp.post("/factors/<token:factor_id>/end")
@access(DEVICE, objects="named", rule=OWN, step_up=True)
@blp.response(200, EndedSchema)
def create_factor_end(factor_id: str) -> dict[str, int]:
    """Forget one of the own factors."""
    factors.end_factor(factor_id, require_actor().kid)
    return {"ended": 1}
