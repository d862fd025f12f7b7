"""Routes of the citizen's rights: copy, restriction, requests; and the desk's answers and corrections.

Nothing civil leaves through a route that keeps its answer for repetitions (`idempotent`).
"""

from typing import Any

from app.core.access import DEVICE, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.proofs import build_record_proof
from app.core.town_status import read_town_status
from app.identity import own, renewals, rights
from app.identity.api import find_agent_key, read_town
from app.identity.desk import DraftFacts
from app.identity.pivot import read_civil
from app.identity.register import Register
from app.identity.rights_schemas import (
    AnswerSchema,
    CorrectionSchema,
    CorrectionStateSchema,
    DeskRequestSchema,
    DeskRequestsSchema,
    ExportSchema,
    RenewalsSchema,
    RequestSchema,
    RequestsSchema,
    RestrictionSchema,
    RightsRequestSchema,
)
from app.identity.schemas import AttestationRequestSchema, DraftSchema

OWN_RULE = "the file of the key that logged in"
NOT_OWN_RULE = "any citizen's file but the agent's own; each reading is in the citizen's access log"
blp = TownBlueprint("rights", __name__, url_prefix="/v1", description="The citizen's rights")


# --- the citizen -------------------------------------------------------------------------------


@blp.get("/identity/me/export")
@access(DEVICE, objects="self", rule=OWN_RULE)
@blp.response(200, ExportSchema)
def get_export() -> dict[str, Any]:
    """Take a copy of everything the register holds, with the chain's proof."""
    row, person = own.find_own(require_actor().kid)
    own.check_open(row)
    export = rights.build_export(Register(get_config()), row, person, now_s=get_clock().now_s())
    record_id = b"identity/" + export["identity"]["cid"].encode()
    _, proof = build_record_proof(get_services().chain, "identity", record_id)
    return {**export, "proofs": {"record": proof}}


@blp.post("/identity/me/restriction")
@access(DEVICE, objects="self", rule=OWN_RULE)
@idempotent
@blp.arguments(RestrictionSchema)
@blp.response(201, RestrictionSchema)
def create_restriction(args: dict[str, Any]) -> dict[str, Any]:
    """Close the own file to agents, or open it again."""
    row, person = own.find_own(require_actor().kid)
    own.check_open(row)
    since = rights.set_restriction(
        person, is_restricted=args["restricted"], now_s=get_clock().now_s()
    )
    return {"restricted": since > 0, "since": since}


@blp.get("/identity/me/requests")
@access(DEVICE, objects="self", rule=OWN_RULE)
@blp.response(200, RequestsSchema)
def list_own_requests() -> dict[str, Any]:
    """See what became of the own requests."""
    row, person = own.find_own(require_actor().kid)
    own.check_open(row)
    cid = own.describe_own(row, person, None)["cid"]
    return {"requests": rights.list_requests(Register(get_config()), cid)}


@blp.post("/identity/me/requests")
@access(DEVICE, objects="self", rule=OWN_RULE)
@blp.arguments(RightsRequestSchema)
@blp.response(201, RequestSchema)
def create_request(args: dict[str, Any]) -> dict[str, Any]:
    """Ask for a correction, or for erasure; what waits for its first batch is erased at once."""
    row, person = own.find_own(require_actor().kid)
    own.check_open(row)
    return rights.ask(
        Register(get_config()),
        row,
        person,
        kind=args["kind"],
        wanted=args["wanted"],
        now_s=get_clock().now_s(),
    )


# --- the desk ----------------------------------------------------------------------------------


@blp.get("/desk/requests")
@access("clerk", objects="role", rule="open requests, without anything civil")
@blp.response(200, DeskRequestsSchema)
def list_desk_requests() -> dict[str, Any]:
    """See which requests wait for an answer, and until when."""
    return {"requests": rights.list_open_requests()}


@blp.get("/desk/requests/<token:request_id>")
@access("clerk", objects="role", rule=NOT_OWN_RULE)
@blp.response(200, DeskRequestSchema)
def get_desk_request(request_id: str) -> dict[str, Any]:
    """Open what a citizen asked; the citizen's access log shows it."""
    return rights.open_request(
        Register(get_config()), request_id, agent=require_actor(), now_s=get_clock().now_s()
    )


@blp.post("/desk/requests/<token:request_id>/answer")
@access("clerk", objects="role", rule=NOT_OWN_RULE)
@idempotent
@blp.arguments(AnswerSchema)
@blp.response(201, DeskRequestSchema)
def create_answer(args: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Close a citizen's request."""
    return rights.answer(
        Register(get_config()),
        request_id,
        agent=require_actor(),
        outcome=args["outcome"],
        now_s=get_clock().now_s(),
    )


@blp.post("/desk/persons/<key:cid>/correction")
@access("clerk", objects="role", rule=NOT_OWN_RULE)
@idempotent
@blp.arguments(CorrectionSchema)
@blp.response(201, DraftSchema)
def create_correction(args: dict[str, Any], cid: str) -> dict[str, Any]:
    """Seal a corrected or renewed record and get the attestation to sign."""
    now_s = get_clock().now_s()
    facts = DraftFacts(
        civil=read_civil(args["civil"], now_s=now_s),
        level_identity=args["level_identity"],
        level_residence=args["level_residence"],
        title_seen=args["title_seen"],
        duplicate_reason=args["duplicate_reason"],
    )
    attestation = renewals.draft_renewal(
        Register(get_config()), cid, facts, clerk=require_actor(), town=read_town(), now_s=now_s
    )
    return {"cid": cid, "attestation": attestation}


@blp.post("/desk/persons/<key:cid>/correction/attestation")
@access("clerk", objects="role", rule=NOT_OWN_RULE)
@idempotent
@blp.arguments(AttestationRequestSchema)
@blp.response(201, CorrectionStateSchema)
def create_correction_attestation(args: dict[str, Any], cid: str) -> dict[str, Any]:
    """Hand in the agent's signature: the correction goes out with the next batch."""
    clerk = require_actor()
    state = renewals.sign_renewal(
        Register(get_config()),
        cid,
        clerk=clerk,
        clerk_key=find_agent_key(clerk),
        text=args["attestation"],
        now_s=get_clock().now_s(),
    )
    return {"cid": cid, "state": state}


@blp.get("/desk/renewals")
@access("clerk", objects="role", rule="renewals that wait, without anything civil")
@blp.response(200, RenewalsSchema)
def list_renewals() -> dict[str, Any]:
    """See which corrections and renewals wait for `id.batch_renew`."""
    params = read_town_status(get_services().chain).params
    return {
        "attestations": renewals.list_renewals(),
        "minimum": params.get("identity_batch_min_entries", 0),
        "hour_utc": params.get("identity_batch_hour_utc", -1),
    }
