"""Routes of the desk: enrolment, searches, links, files opened with a reason, the second agent, batches.

Nothing civil leaves through a route that keeps its answer for repetitions (`idempotent`).
"""

from dataclasses import asdict
from typing import Any

import msgspec

from app.core.access import access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import NodeUnavailable, Problem
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
from app.core.transactions import read_body, read_transaction
from app.identity import batches, enrolment, reviews
from app.identity.api import find_agent_key, read_town
from app.identity.desk import Desk, DraftFacts
from app.identity.pivot import read_civil
from app.identity.register import Register
from app.identity.schemas import (
    AgentPersonSchema,
    AttestationRequestSchema,
    BatchSchema,
    DeskEnrolmentSchema,
    DraftRequestSchema,
    DraftSchema,
    EnrolmentSchema,
    FileSchema,
    LinkRequestSchema,
    LinkSchema,
    ReasonSchema,
    ReviewDecisionSchema,
    ReviewOutcomeSchema,
    ReviewsSchema,
    SearchRequestSchema,
    SearchSchema,
)
from app.identity.waiting import mark_sent
from chain.types.codes import TX_BODY_INVALID

DESK_RULE = "an enrolment opened by nobody else at the desk"
NOT_OWN_RULE = "any citizen's file but the agent's own; each reading is in the citizen's access log"
blp = TownBlueprint("desk", __name__, url_prefix="/v1", description="The enrolment desk")


@blp.get("/desk/enrolments/<token:enrolment_id>")
@access("clerk", objects="capability", rule=DESK_RULE)
@blp.response(200, DeskEnrolmentSchema)
def get_desk_enrolment(enrolment_id: str) -> dict[str, Any]:
    """Open the enrolment whose QR the citizen shows."""
    return enrolment.describe_for_desk(
        enrolment.get_enrolment(enrolment_id, now_s=get_clock().now_s())
    )


@blp.post("/desk/enrolments/<token:enrolment_id>/draft")
@access("clerk", objects="capability", rule=DESK_RULE)
@idempotent
@blp.arguments(DraftRequestSchema)
@blp.response(201, DraftSchema)
def create_draft(args: dict[str, Any], enrolment_id: str) -> dict[str, Any]:
    """Seal the civil record and get the attestation to sign."""
    now_s = get_clock().now_s()
    facts = DraftFacts(
        civil=read_civil(args["civil"], now_s=now_s),
        level_identity=args["level_identity"],
        level_residence=args["level_residence"],
        title_seen=args["title_seen"],
        duplicate_reason=args["duplicate_reason"],
    )
    cid, attestation = Desk(get_config()).draft(
        enrolment_id,
        clerk=require_actor(),
        town=read_town(),
        number=args["number"],
        facts=facts,
        now_s=now_s,
    )
    return {"cid": cid, "attestation": attestation}


@blp.post("/desk/enrolments/<token:enrolment_id>/attestation")
@access("clerk", objects="named", rule="the draft of the same agent")
@idempotent
@blp.arguments(AttestationRequestSchema)
@blp.response(201, EnrolmentSchema)
def create_attestation(args: dict[str, Any], enrolment_id: str) -> dict[str, Any]:
    """Hand in the agent's signature: the identity is pending from now on."""
    clerk = require_actor()
    attested = Desk(get_config()).attest(
        enrolment_id,
        clerk=clerk,
        clerk_key=find_agent_key(clerk),
        text=args["attestation"],
        now_s=get_clock().now_s(),
    )
    return enrolment.describe_for_phone(attested)


# --- files of persons --------------------------------------------------------------------------


@blp.post("/desk/enrolments/<token:enrolment_id>/link")
@access("clerk", objects="capability", rule=DESK_RULE)
@idempotent
@blp.arguments(LinkRequestSchema)
@blp.response(201, LinkSchema)
def create_link(args: dict[str, Any], enrolment_id: str) -> dict[str, Any]:
    """Tie the phone at the desk to the identity its holder already has."""
    now_s = get_clock().now_s()
    return Desk(get_config()).link(
        enrolment_id,
        clerk=require_actor(),
        number=args["number"],
        civil=read_civil(args["civil"], now_s=now_s),
        cid=args["cid"],
        now_s=now_s,
    )


@blp.post("/desk/searches")
@access("clerk", objects="role", rule="whether a person has a file; thirty an hour, logged")
@blp.arguments(SearchRequestSchema)
@blp.response(200, SearchSchema)
def create_search(args: dict[str, Any]) -> dict[str, Any]:
    """Look for a person's file, without opening one."""
    now_s = get_clock().now_s()
    civil = read_civil(args["civil"], now_s=now_s)
    return Desk(get_config()).search(
        civil, clerk=require_actor(), reason=args["reason"], now_s=now_s
    )


@blp.post("/desk/persons/<key:cid>/readings")
@access("clerk", objects="role", rule=NOT_OWN_RULE)
@blp.arguments(ReasonSchema)
@blp.response(200, FileSchema)
def create_reading(args: dict[str, Any], cid: str) -> dict[str, Any]:
    """Open a citizen's file, with a reason that the citizen sees."""
    opened = Register(get_config()).open_for(
        cid, agent=require_actor(), reason=args["reason"], now_s=get_clock().now_s()
    )
    civil = msgspec.to_builtins(opened.civil)
    return {"cid": cid, "civil": civil, "title_seen": opened.title_seen}


@blp.post("/desk/agents/<key:kid>/person")
@access("supervisor", objects="role", rule="agents other than the one who asks")
@idempotent
@blp.arguments(AgentPersonSchema)
@blp.response(204)
def create_agent_person(args: dict[str, Any], kid: str) -> None:
    """Note which file is an agent's own, so that they cannot act on it."""
    Register(get_config()).record_agent(
        kid, args["cid"], by=require_actor(), now_s=get_clock().now_s()
    )


# --- the second agent --------------------------------------------------------------------------


@blp.get("/desk/reviews")
@access("clerk", objects="role", rule="enrolments of other agents, without anything civil")
@blp.response(200, ReviewsSchema)
def list_reviews() -> dict[str, Any]:
    """See which enrolments wait for a second agent."""
    return {"reviews": reviews.list_reviews(kid=require_actor().kid)}


@blp.post("/desk/reviews/<token:review_id>/decision")
@access(
    "clerk", objects="role", rule="enrolments of other agents, never the own file", step_up=True
)
@idempotent
@blp.arguments(ReviewDecisionSchema)
@blp.response(201, ReviewOutcomeSchema)
def create_review_decision(args: dict[str, Any], review_id: str) -> dict[str, Any]:
    """Confirm or reject an enrolment as the second agent, with the agent's own signature."""
    agent = require_actor()
    return reviews.decide(
        Register(get_config()),
        review_id,
        agent=agent,
        agent_key=find_agent_key(agent),
        town=read_town(),
        outcome=args["outcome"],
        signature=args["signature"],
        now_s=get_clock().now_s(),
    )


# --- batches -----------------------------------------------------------------------------------


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
        mark_sent(_read_members(transaction.payload))
    return submit(args["transaction"], types=("id.batch_attest",))


def _read_members(payload: Any) -> tuple[str, ...]:
    try:
        body: Any = read_body(payload)
    except msgspec.ValidationError as error:
        raise Problem(TX_BODY_INVALID, str(error)) from error
    return tuple(body.attestations)


@blp.post("/identity/statuses")
@access(
    "clerk",
    objects="signed",
    rule="the chain asks for two agents where the act is terminal",
    step_up=True,
)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_status(args: dict[str, Any]) -> Any:
    """Move an identity to another status; `erased` also destroys its file."""
    answer = submit(args["transaction"], types=("id.status",))
    if get_config().master_key is not None:
        Register(get_config()).sweep_erased(now_s=get_clock().now_s())
    return answer
