"""Routes of identity: the phone enrols, the desk attests, a batch goes to the chain, a citizen looks."""

import json
from typing import Any

from app.auth.service import read_key
from app.city.service import find_live_role
from app.core.access import DEVICE, PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import AUTH_SCOPE_MISSING
from app.core.context import Actor, get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import NodeUnavailable, Problem
from app.core.projection import get_projector_state
from app.core.proofs import build_record_proof
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.identity import enrolment, own, register
from app.identity.schemas import (
    AccessLogSchema,
    EnrolmentRequestSchema,
    EnrolmentSchema,
    OwnIdentitySchema,
    ProofQuerySchema,
)
from chain.crypto.keys import PublicKey

DESK_RULE = "an enrolment opened by nobody else at the desk"
blp = TownBlueprint("identity", __name__, url_prefix="/v1", description="Identity and enrolment")


def read_town() -> str:
    """Hash of the town's first genesis; raises NodeUnavailable before it was read."""
    state = get_projector_state()
    if state is None:
        raise NodeUnavailable("the town's genesis was not read yet")
    return state.town


def find_agent_key(clerk: Actor) -> PublicKey:
    """Signing key of an agent in office; raises Problem."""
    role = find_live_role(clerk.kid, get_clock().now_s())
    if role is None:
        raise Problem(AUTH_SCOPE_MISSING)
    return read_key(json.loads(role.jwk))


# --- the phone -------------------------------------------------------------------------------


@blp.post("/enrolments")
@access(PUBLIC, objects="self", rule="an enrolment names only the key that proved itself")
@idempotent
@blp.arguments(EnrolmentRequestSchema)
@blp.response(201, EnrolmentSchema)
def create_enrolment(args: dict[str, Any]) -> dict[str, Any]:
    """Announce a phone's identity key to the desk."""
    opened = enrolment.start_enrolment(
        town=read_town(),
        jwk=args["key"],
        issued_at=args["issued_at"],
        signature=args["signature"],
        now_s=get_clock().now_s(),
    )
    return enrolment.describe_for_phone(opened)


@blp.get("/enrolments/<token:enrolment_id>")
@access(
    PUBLIC, objects="capability", rule="whoever holds the 128-bit id, which only the phone shows"
)
@blp.response(200, EnrolmentSchema)
def get_enrolment(enrolment_id: str) -> dict[str, Any]:
    """Ask what the desk has done so far."""
    return enrolment.describe_for_phone(
        enrolment.get_enrolment(enrolment_id, now_s=get_clock().now_s())
    )


# --- the citizen -----------------------------------------------------------------------------


@blp.post("/identity/rotations")
@access("citizen:identity", objects="signed", rule="the identity of the key that logged in")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_rotation(args: dict[str, Any]) -> Any:
    """Replace the identity's key, signed by the old and the new one."""
    return submit(args["transaction"], types=("id.rotate",))


@blp.get("/identity/me")
@access(DEVICE, objects="self", rule="the identity of the key that logged in")
@blp.arguments(ProofQuerySchema, location="query")
@blp.response(200, OwnIdentitySchema)
def get_own_identity(args: dict[str, Any]) -> dict[str, Any]:
    """Show the own identity, the opening of its commitment, and on demand its proof."""
    row, person = own.find_own(require_actor().kid)
    sealed = None
    if person is not None and not own.is_closed(row) and get_config().master_key is not None:
        sealed = register.Register(get_config()).read_file(person.cid)
    described = own.describe_own(row, person, sealed)
    if args["proof"]:
        record_id = b"identity/" + described["cid"].encode()
        _, described["proof"] = build_record_proof(get_services().chain, "identity", record_id)
    return described


@blp.get("/identity/me/access-log")
@access(DEVICE, objects="self", rule="the file of the key that logged in")
@blp.response(200, AccessLogSchema)
def get_own_access_log() -> dict[str, Any]:
    """Show who at the desk touched the own file."""
    row, person = own.find_own(require_actor().kid)
    described = own.describe_own(row, person, None)
    return {"entries": own.list_desk_entries(described["cid"])}
