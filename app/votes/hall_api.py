"""Routes of those who run a vote: city hall, the electoral commission, the council, registrars and trustees."""

from typing import Any, Final

from app.core.access import DEVICE, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
from app.core.transactions import check_type, read_transaction
from app.identity.electoral.service import list_policies
from app.votes import complaints, drafts, rolls, service
from app.votes.api import ELECTION
from app.votes.board import find_election
from app.votes.schemas import (
    VoteAnswerSchema,
    VoteComplaintSchema,
    VoteComplaintsSchema,
    VoteDraftRequestSchema,
    VoteDraftSchema,
    VoteDraftsSchema,
    VoteIncidentRequestSchema,
    VoteIncidentSchema,
    VoteRemindersSchema,
    VoteRollRequestSchema,
    VoteRollsSchema,
    VoteSignOffSchema,
)

DECISIONS: Final = (
    "election.restart",
    "election.open_issuance",
    "election.postpone",
    "election.cancel",
    "election.archive",
    "election.purge",
    "election.complaint",
    "roll.freeze",
)
OFFICES: Final = (
    "registrar.keys",
    "issue.sign",
    "trustee.key",
    "trustee.cert",
    "trustee.commit",
    "trustee.reveal",
    "trustee.verify",
    "tally.share",
)
HALL: Final = ("supervisor", "electoral")
blp = TownBlueprint("votes-hall", __name__, url_prefix="/v1/votes", description="Running a vote")


# --- preparing -------------------------------------------------------------------------------


@blp.get("/drafts")
@access("supervisor", objects="role", rule="elections being prepared")
@blp.response(200, VoteDraftsSchema)
def get_drafts() -> dict[str, Any]:
    """List elections that are being prepared."""
    return {"drafts": drafts.list_drafts()}


@blp.post("/drafts")
@access("supervisor", objects="role", rule="elections of the agent's body")
@blp.arguments(VoteDraftRequestSchema)
@blp.response(201, VoteDraftSchema)
def create_draft(args: dict[str, Any]) -> dict[str, Any]:
    """Prepare an election: rulebook, regulation and the body to sign."""
    actor = require_actor()
    owner = next((body for body in actor.bodies if body.startswith("body:")), "")
    return drafts.make_draft(args, owner=owner, kid=actor.kid, now_s=get_clock().now_s())


@blp.post("/drafts/<election:election>/end")
@access("supervisor", objects="role", rule="elections that were not published")
@blp.response(204)
def end_draft(election: str) -> None:
    """Forget a draft that was not published."""
    drafts.end_draft(election)


@blp.post("/elections")
@access("supervisor", objects="signed", rule="the body of the signing agent")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_election(args: dict[str, Any]) -> Any:
    """Publish an election whose regulation is kept here, and counts what the election asks."""
    transaction = read_transaction(args["transaction"])
    check_type(transaction, ("election.create",))
    body = transaction.payload.body
    names = (str(body.get("election", "")), str(body.get("regulation", "")))
    drafts.read_kept_rules(*names, body.get("questions"))
    return submit(args["transaction"], types=("election.create",))


@blp.post(f"{ELECTION}/rolls")
@access(*HALL, objects="role", rule="rolls of elections whose issuance has not opened")
@blp.arguments(VoteRollRequestSchema)
@blp.response(200, VoteRollsSchema)
def draw_up_rolls(args: dict[str, Any], election: str) -> dict[str, Any]:
    """Draw the rolls up from the register, anew each time until they are fixed on the chain."""
    row = find_election(election)
    params = read_town_status(get_services().chain).params
    policy = next(line for line in list_policies(params) if line["name"] == row.policy)
    return {
        "rolls": rolls.draw_up(
            election,
            stations=args["stations"],
            default=args["default"],
            classes=args["classes"],
            policy=policy,
            now_s=get_clock().now_s(),
        )
    }


@blp.get(f"{ELECTION}/rolls")
@access(*HALL, objects="role", rule="roots and counts of the rolls")
@blp.response(200, VoteRollsSchema)
def get_rolls(election: str) -> dict[str, Any]:
    """Show the rolls to sign."""
    find_election(election)
    return {"rolls": rolls.list_rolls(election)}


# --- running ---------------------------------------------------------------------------------


@blp.post("/decisions")
@access(
    "supervisor",
    "electoral",
    "council",
    "auditor",
    objects="signed",
    rule="what the signers' offices decide",
)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_decision(args: dict[str, Any]) -> Any:
    """Open issuance, close the list, postpone, cancel, file an archive, purge."""
    return submit(args["transaction"], types=DECISIONS)


@blp.post("/offices")
@access(DEVICE, objects="signed", rule="the registrar's or trustee's place the signer holds")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_office_act(args: dict[str, Any]) -> Any:
    """Take a registrar's or trustee's step."""
    return submit(args["transaction"], types=OFFICES)


@blp.get(f"{ELECTION}/sign-off")
@access(*HALL, objects="role", rule="who was issued voting material; nobody knows who voted")
@blp.response(200, VoteSignOffSchema)
def get_sign_off(election: str) -> dict[str, Any]:
    """Show the sign-off list for the polling stations' paper."""
    return {"lines": service.list_sign_off(election)}


@blp.get(f"{ELECTION}/reminders")
@access(*HALL, objects="role", rule="those who have not asked yet, later all who asked")
@blp.response(200, VoteRemindersSchema)
def get_reminders(election: str) -> dict[str, Any]:
    """Say whom to remind now, and with which words."""
    return service.list_reminders(election)


# --- complaints and incidents ----------------------------------------------------------------


@blp.get(f"{ELECTION}/complaints/texts")
@access("electoral", objects="role", rule="complaints with their texts")
@blp.response(200, VoteComplaintsSchema)
def get_complaint_texts(election: str) -> dict[str, Any]:
    """Read the complaints."""
    return {"complaints": complaints.list_read(get_config(), election)}


@blp.post("/complaints/answers")
@access("electoral", objects="role", rule="complaints of any election")
@blp.arguments(VoteAnswerSchema)
@blp.response(200, VoteComplaintSchema)
def answer_complaint(args: dict[str, Any]) -> dict[str, Any]:
    """Answer a complaint; the answer is public."""
    return complaints.answer(
        args["complaint"],
        status=args["status"],
        text=args["answer"],
        kid=require_actor().kid,
        now_s=get_clock().now_s(),
    )


@blp.post(f"{ELECTION}/incidents")
@access(*HALL, objects="role", rule="the incident page of any election")
@blp.arguments(VoteIncidentRequestSchema)
@blp.response(201, VoteIncidentSchema)
def create_incident(args: dict[str, Any], election: str) -> dict[str, Any]:
    """Put a line on the incident page."""
    return complaints.publish_incident(
        election,
        level=args["level"],
        text_fr=args["text_fr"],
        text_en=args["text_en"],
        kid=require_actor().kid,
        now_s=get_clock().now_s(),
    )
