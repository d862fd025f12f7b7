"""Routes of identity: the phone enrols, the desk attests, a batch goes to the chain, a citizen looks."""

import json
from dataclasses import asdict
from typing import Any

import msgspec

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
from app.core.town_status import read_town_status
from app.core.transactions import read_body, read_transaction
from app.identity import batches, desk, enrolment, own, register
from app.identity.schemas import (
    AccessLogSchema,
    AttestationRequestSchema,
    BatchSchema,
    DeskEnrolmentSchema,
    DraftRequestSchema,
    DraftSchema,
    EnrolmentRequestSchema,
    EnrolmentSchema,
    OwnIdentitySchema,
    ProofQuerySchema,
)
from chain.crypto.keys import PublicKey
from chain.types.codes import TX_BODY_INVALID

DESK_RULE = "an enrolment opened by nobody else at the desk"
blp = TownBlueprint("identity", __name__, url_prefix="/v1", description="Identity and enrolment")


def _town() -> str:
    state = get_projector_state()
    if state is None:
        raise NodeUnavailable("the town's genesis was not read yet")
    return state.town


def _clerk_key(clerk: Actor) -> PublicKey:
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
        town=_town(),
        jwk=args["key"],
        issued_at=args["issued_at"],
        signature=args["signature"],
        now_s=get_clock().now_s(),
    )
    return enrolment.describe_for_phone(opened)


@blp.get("/enrolments/<string(length=22):enrolment_id>")
@access(
    PUBLIC, objects="capability", rule="whoever holds the 128-bit id, which only the phone shows"
)
@blp.response(200, EnrolmentSchema)
def get_enrolment(enrolment_id: str) -> dict[str, Any]:
    """Ask what the desk has done so far."""
    return enrolment.describe_for_phone(
        enrolment.get_enrolment(enrolment_id, now_s=get_clock().now_s())
    )


# --- the desk --------------------------------------------------------------------------------


@blp.get("/desk/enrolments/<string(length=22):enrolment_id>")
@access("clerk", objects="capability", rule=DESK_RULE)
@blp.response(200, DeskEnrolmentSchema)
def get_desk_enrolment(enrolment_id: str) -> dict[str, Any]:
    """Open the enrolment whose QR the citizen shows."""
    return enrolment.describe_for_desk(
        enrolment.get_enrolment(enrolment_id, now_s=get_clock().now_s())
    )


@blp.post("/desk/enrolments/<string(length=22):enrolment_id>/draft")
@access("clerk", objects="capability", rule=DESK_RULE)
@idempotent
@blp.arguments(DraftRequestSchema)
@blp.response(201, DraftSchema)
def create_draft(args: dict[str, Any], enrolment_id: str) -> dict[str, Any]:
    """Seal the civil record and get the attestation to sign."""
    cid, attestation = desk.Desk(get_config()).draft(
        enrolment_id,
        clerk=require_actor(),
        town=_town(),
        number=args["number"],
        civil=register.read_civil(args["civil"]),
        level_identity=args["level_identity"],
        level_residence=args["level_residence"],
        title_seen=args["title_seen"],
        duplicate_reason=args["duplicate_reason"],
        now_s=get_clock().now_s(),
    )
    return {"cid": cid, "attestation": attestation}


@blp.post("/desk/enrolments/<string(length=22):enrolment_id>/attestation")
@access("clerk", objects="named", rule="the draft of the same agent")
@idempotent
@blp.arguments(AttestationRequestSchema)
@blp.response(201, EnrolmentSchema)
def create_attestation(args: dict[str, Any], enrolment_id: str) -> dict[str, Any]:
    """Hand in the agent's signature: the identity is pending from now on."""
    clerk = require_actor()
    attested = desk.Desk(get_config()).attest(
        enrolment_id,
        clerk=clerk,
        clerk_key=_clerk_key(clerk),
        text=args["attestation"],
        now_s=get_clock().now_s(),
    )
    return enrolment.describe_for_phone(attested)


@blp.get("/desk/batch")
@access("clerk", objects="role", rule="attestations that wait, without anything civil")
@blp.response(200, BatchSchema)
def get_batch() -> dict[str, Any]:
    """See whether enough attestations wait to be written."""
    status = read_town_status(get_services().chain)
    if not status.params:
        raise NodeUnavailable
    hour_utc = status.params["identity_batch_hour_utc"]
    batch = batches.read_batch(
        minimum=status.params["identity_batch_min_entries"],
        max_wait_s=status.params["identity_batch_max_wait_s"],
        hour_utc=hour_utc,
        now_s=get_clock().now_s(),
    )
    return {**asdict(batch), "hour_utc": hour_utc}


@blp.post("/identity/batches")
@access("clerk", objects="signed", rule="attestations that wait at this desk")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_batch(args: dict[str, Any]) -> Any:
    """Write a batch of attested identities to the chain."""
    transaction = read_transaction(args["transaction"])
    if transaction.payload.type == "id.batch_attest":
        batches.check_batch_members(_read_members(transaction.payload))
    return submit(args["transaction"], types=("id.batch_attest",))


def _read_members(payload: Any) -> tuple[str, ...]:
    try:
        body: Any = read_body(payload)
    except msgspec.ValidationError as error:
        raise Problem(TX_BODY_INVALID, str(error)) from error
    return tuple(body.attestations)


@blp.post("/identity/statuses")
@access("clerk", objects="signed", rule="the chain asks for two agents where the act is terminal")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_status(args: dict[str, Any]) -> Any:
    """Move an identity to another status; `erased` also destroys its file."""
    answer = submit(args["transaction"], types=("id.status",))
    if get_config().master_key is not None:
        register.Register(get_config()).sweep_erased()
    return answer


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
    if person is not None and get_config().master_key is not None:
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
