"""Routes of votes that everybody may read, and a citizen's own.

Registrations and ballots are not taken here: they go to a relay (`app.relay`). Pages by which a voter looks for the
own ballot refuse to be told who reads them.
"""

from hashlib import sha256
from typing import Any, Final

from flask import Response, request

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import ANONYMOUS_IDENTIFIED
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import Problem, choose_language
from app.core.proofs import build_record_proof
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.votes import board, complaints, results, rolls, service
from app.votes.schemas import (
    ElectionPageSchema,
    ElectionsSchema,
    VoteBallotsSchema,
    VoteComplaintReceiptSchema,
    VoteComplaintRequestSchema,
    VoteComplaintsSchema,
    VoteEventsSchema,
    VoteFileQuerySchema,
    VoteIncidentsSchema,
    VoteKeysSchema,
    VoteOwnElectionsSchema,
    VoteOwnPlaceSchema,
    VoteOwnQuerySchema,
    VoteOwnRequestSchema,
    VotePageQuerySchema,
    VoteProofQuerySchema,
    VoteTrackersQuerySchema,
    VoteTrackersSchema,
)

ELECTION: Final = "/elections/<election:election>"
CITIZEN: Final = "citizen:identity"
IDENTIFYING: Final = ("Authorization", "Cookie", "DPoP")
MEDIA: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
EVERYBODY: Final = "elections are public"
blp = TownBlueprint("votes", __name__, url_prefix="/v1/votes", description="Votes")


def _check_nameless() -> None:
    """Refuse to learn who looks for which ballot."""
    if any(name in request.headers for name in IDENTIFYING):
        raise Problem(ANONYMOUS_IDENTIFIED)


# --- elections -------------------------------------------------------------------------------


@blp.get("/elections")
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.response(200, ElectionsSchema)
def get_elections() -> dict[str, Any]:
    """List elections, newest first."""
    return {"elections": service.list_elections()}


@blp.get(ELECTION)
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.arguments(VoteProofQuerySchema, location="query")
@blp.response(200, ElectionPageSchema)
def get_election(args: dict[str, Any], election: str) -> dict[str, Any]:
    """Show an election: what is asked, who keeps what, where it stands, its counts."""
    described = service.describe_election(election)
    if args["proof"]:
        record_id = b"election/" + election.encode()
        _, described["proof"] = build_record_proof(get_services().chain, "votes", record_id)
    return described


@blp.get(f"{ELECTION}/regulation")
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.response(200, content_type="application/json")
def get_regulation(election: str) -> Response:
    """Download the regulation: the very bytes whose SHA-256 the election holds."""
    return Response(service.read_regulation_text(election), content_type="application/json")


@blp.get(f"{ELECTION}/events")
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.response(200, VoteEventsSchema)
def get_events(election: str) -> dict[str, Any]:
    """List what happened to an election."""
    return {"events": service.list_events(election)}


@blp.get(f"{ELECTION}/keys")
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.response(200, VoteKeysSchema)
def get_keys(election: str) -> dict[str, Any]:
    """List the registrars' keys."""
    return {"keys": board.list_keys(election)}


# --- the box ---------------------------------------------------------------------------------


@blp.get(f"{ELECTION}/trackers")
@access(PUBLIC, objects="none", rule="the whole list or a bucket of a hundred, asked by nobody")
@blp.arguments(VoteTrackersQuerySchema, location="query")
@blp.response(200, VoteTrackersSchema)
def get_trackers(args: dict[str, Any], election: str) -> dict[str, Any]:
    """List trackers, all or by the prefix that enough share."""
    _check_nameless()
    return board.list_trackers(election, args["prefix"])


@blp.get(f"{ELECTION}/ballots")
@access(PUBLIC, objects="none", rule="pages of fixed places, asked by nobody")
@blp.arguments(VotePageQuerySchema, location="query")
@blp.response(200, VoteBallotsSchema)
def get_ballots(args: dict[str, Any], election: str) -> dict[str, Any]:
    """Read a page of the ballot box, with every proof."""
    _check_nameless()
    return board.list_ballots(election, args["page"])


@blp.get(f"{ELECTION}/archive")
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.response(200, content_type="application/x-tar")
def get_archive(election: str) -> Response:
    """Download the archive as far as the election went; `beffroi votes verify` and `belenios-tool` read it."""
    _check_nameless()
    content = board.build_archive(election)
    response = Response(content, content_type="application/x-tar")
    response.headers["Content-Disposition"] = f'attachment; filename="{election}.bel"'
    response.headers["ETag"] = f'"{sha256(content).hexdigest()}"'
    return response


@blp.get(f"{ELECTION}/result")
@access(PUBLIC, objects="none", rule=EVERYBODY)
@blp.arguments(VoteFileQuerySchema, location="query")
@blp.response(200, content_type="application/json")
def get_result(args: dict[str, Any], election: str) -> Response:
    """Show the result: JSON (VoteResult), CSV, or the minutes as PDF."""
    result = results.build_result(election)
    kind = args["format"]
    if kind == "pdf":
        now_s = get_clock().now_s()
        content = results.format_minutes(result, language=choose_language(), at_s=now_s)
    else:
        content = results.format_csv(result) if kind == "csv" else results.format_json(result)
    name = {"Content-Disposition": f'attachment; filename="{election}.{kind}"'}
    return Response(content, content_type=MEDIA[kind], headers=name if kind != "json" else None)


# --- complaints and incidents ----------------------------------------------------------------


@blp.get(f"{ELECTION}/complaints")
@access(PUBLIC, objects="none", rule="hashes, dates and answers are public, texts are not")
@blp.response(200, VoteComplaintsSchema)
def get_complaints(election: str) -> dict[str, Any]:
    """List the register of complaints."""
    return {"complaints": complaints.list_public(election)}


@blp.post(f"{ELECTION}/complaints")
@access(PUBLIC, objects="none", rule="anybody may complain, with or without a name")
@blp.arguments(VoteComplaintRequestSchema)
@blp.response(201, VoteComplaintReceiptSchema)
def create_complaint(args: dict[str, Any], election: str) -> dict[str, Any]:
    """Complain about a vote; the answer holds what shows later that one did."""
    config, now_s = get_config(), get_clock().now_s()
    receipt = complaints.receive(
        config, election, text=args["text"], contact=args["contact"], now_s=now_s
    )
    complaints.anchor_quietly(config, get_services().relay, now_s)
    return receipt


@blp.get(f"{ELECTION}/incidents")
@access(PUBLIC, objects="none", rule="the incident page is public")
@blp.response(200, VoteIncidentsSchema)
def get_incidents(election: str) -> dict[str, Any]:
    """Read the incident page, newest first."""
    return {"incidents": complaints.list_incidents(election)}


# --- a citizen -------------------------------------------------------------------------------


@blp.get("/me")
@access(CITIZEN, objects="self", rule="elections of the identity that logged in")
@blp.response(200, VoteOwnElectionsSchema)
def get_own_elections() -> dict[str, Any]:
    """List the elections one may vote in, and what to do now."""
    return {"elections": service.list_own(require_actor().account)}


@blp.get("/me/roll")
@access(CITIZEN, objects="self", rule="the own place on a roll")
@blp.arguments(VoteOwnQuerySchema, location="query")
@blp.response(200, VoteOwnPlaceSchema)
def get_own_place(args: dict[str, Any]) -> dict[str, Any]:
    """Show what proves that one is on the roll."""
    cid = service.find_cid(require_actor().account)
    return rolls.open_place(args["election"], cid)


@blp.get("/me/request")
@access(CITIZEN, objects="self", rule="the own request and its blind signatures")
@blp.arguments(VoteOwnQuerySchema, location="query")
@blp.response(200, VoteOwnRequestSchema)
def get_own_request(args: dict[str, Any]) -> dict[str, Any]:
    """Show the own request and the blind signatures that came for it."""
    return service.describe_own_request(args["election"], require_actor().account)


@blp.post("/requests")
@access(CITIZEN, objects="signed", rule="the identity that signs")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_request(args: dict[str, Any]) -> Any:
    """Ask for a voting credential; once per election."""
    return submit(args["transaction"], types=("issue.request",))
