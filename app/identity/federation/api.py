"""Routes of federated logins: the app begins, the browser goes and comes back, the app finishes.

One callback path per provider (RFC 9700 §4.4). The callback only hands the answer on to the app's own address;
what counts is the app's `completions` with the secret it got at the beginning.
"""

from typing import Any

from flask import Response, current_app, redirect, request

from app.core.access import DEVICE, PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import NOT_FOUND, REQUEST_MALFORMED
from app.core.context import get_clock, get_config, require_actor
from app.core.idempotency import idempotent
from app.core.problems import NodeUnavailable, Problem
from app.core.projection import get_projector_state
from app.identity.federation import agents, citizens, codes, logins
from app.identity.federation.oidc import OidcClient
from app.identity.federation.schemas import (
    AgentAccessSchema,
    AgentKeySchema,
    ClaimRequestSchema,
    ClaimSchema,
    CompletionRequestSchema,
    CompletionSchema,
    DoneSchema,
    EnrolmentLoginSchema,
    FederatedDraftsSchema,
    FederationLinksSchema,
    LoginSchema,
    LogoutSchema,
    SecretSchema,
)
from app.identity.federation.settings import CITIZEN_PROVIDERS, PROCONNECT, Provider
from app.identity.own import find_own

EXTENSION = "beffroi-federation"
ANSWER_CHARS_MAX = 2_048
PROVIDER = "<word:provider>"
OWN_LOGIN = "whoever holds the 256-bit secret that only the app was given"
blp = TownBlueprint(
    "federation", __name__, url_prefix="/v1/federation", description="FranceConnect and ProConnect"
)


def build_clients(providers: dict[str, Provider]) -> dict[str, OidcClient]:
    """One client per provider, kept by the application (its keys and endpoints are cached there)."""
    return {name: OidcClient(provider) for name, provider in providers.items()}


def _client(name: str, known: tuple[str, ...]) -> OidcClient:
    if name not in known:
        raise Problem(NOT_FOUND)
    client = current_app.extensions[EXTENSION].get(name)
    if client is None:
        raise Problem(codes.FEDERATION_ABSENT)
    return client  # type: ignore[no-any-return]


def _town() -> str:
    state = get_projector_state()
    if state is None:
        raise NodeUnavailable("the town's genesis was not read yet")
    return str(state.town)


def _own_cid() -> str:
    row, person = find_own(require_actor().kid)
    owner = row or person
    if owner is None:
        raise Problem(NOT_FOUND)
    return str(owner.cid)


# --- the app begins --------------------------------------------------------------------------


@blp.post(f"/{PROVIDER}/enrolments")
@access(PUBLIC, rule="whoever holds the 128-bit id of the enrolment", objects="capability")
@blp.arguments(EnrolmentLoginSchema)
@blp.response(201, LoginSchema)
def create_enrolment_login(args: dict[str, Any], provider: str) -> dict[str, Any]:
    """Begin a login that fills an open enrolment."""
    now_s = get_clock().now_s()
    client = _client(provider, CITIZEN_PROVIDERS)
    enrolment = citizens.Citizens(get_config()).check_enrolment(args["enrolment"], now_s=now_s)
    return logins.start_login(client, purpose=logins.ENROL, target=str(enrolment.id), now_s=now_s)


@blp.post(f"/{PROVIDER}/links")
@access(DEVICE, rule="the identity of the key that logged in", objects="self")
@blp.response(201, LoginSchema)
def create_link_login(provider: str) -> dict[str, Any]:
    """Begin a login that is linked to the own identity."""
    client = _client(provider, CITIZEN_PROVIDERS)
    return logins.start_login(
        client, purpose=logins.LINK, target=_own_cid(), now_s=get_clock().now_s()
    )


@blp.get("/links")
@access(DEVICE, rule="the identity of the key that logged in", objects="self")
@blp.response(200, FederationLinksSchema)
def get_links() -> dict[str, Any]:
    """Show which logins are linked to the own identity."""
    return {"links": citizens.list_links(_own_cid())}


@blp.post("/proconnect/agent-logins")
@access("clerk", rule="the agent's key that logged in", objects="self")
@blp.response(201, LoginSchema)
def create_agent_login() -> dict[str, Any]:
    """Begin an agent's professional login, as second factor of the agent's key."""
    client = _client(PROCONNECT, (PROCONNECT,))
    return logins.start_login(
        client, purpose=logins.AGENT, target=require_actor().kid, now_s=get_clock().now_s()
    )


# --- the browser comes back ------------------------------------------------------------------


@blp.get(f"/{PROVIDER}/callback")
@access(PUBLIC, rule="whoever holds the 256-bit state; nothing is used up", objects="capability")
@blp.response(303, description="To the app's own address, with the answer in the fragment")
def get_callback(provider: str) -> Response:
    """Hand the provider's answer on to the app."""
    client = _client(provider, (*CITIZEN_PROVIDERS, PROCONNECT))
    return _see_other(logins.return_url(client, _read_answer(), now_s=get_clock().now_s()))


@blp.get(f"/{PROVIDER}/logged-out")
@access(PUBLIC, rule="whoever holds the 256-bit logout state", objects="capability")
@blp.response(303, description="To the app's own address")
def get_logged_out(provider: str) -> Response:
    """Come back from the provider's logout; the login is forgotten."""
    client = _client(provider, (*CITIZEN_PROVIDERS, PROCONNECT))
    return _see_other(logins.finish_logout(client, _read_answer().get("state", "")))


def _read_answer() -> dict[str, str]:
    """Query members by name; a doubled or overlong one is refused (RFC 6749 §3.1)."""
    answer = {}
    for name, values in request.args.lists():
        if len(values) != 1 or len(values[0]) > ANSWER_CHARS_MAX:
            raise Problem(REQUEST_MALFORMED, "query")
        answer[name] = values[0]
    return answer


def _see_other(url: str) -> Response:
    return redirect(url, 303)  # type: ignore[return-value]  # always an address of the town's settings


# --- the app finishes ------------------------------------------------------------------------


@blp.post(f"/{PROVIDER}/completions")
@access(PUBLIC, rule=OWN_LOGIN, objects="capability")
@blp.arguments(CompletionRequestSchema)
@blp.response(201, CompletionSchema)
def create_completion(args: dict[str, Any], provider: str) -> dict[str, Any]:
    """Finish a login with the provider's answer; it serves once."""
    client = _client(provider, (*CITIZEN_PROVIDERS, PROCONNECT))
    answer = {name: args[name] for name in ("state", "code", "iss", "error") if name in args}
    now_s = get_clock().now_s()
    login, verified = logins.finish_login(client, args["secret"], answer, now_s=now_s)
    if login.purpose == logins.AGENT:
        until_s = agents.admit_agent(
            get_config(), client.provider, verified, kid=login.target, now_s=now_s
        )
        return {"outcome": "agent_admitted", "level_identity": 0, "valid_until": until_s}
    register = citizens.Citizens(get_config())
    if login.purpose == logins.LINK:
        level = register.link(client.provider, verified, cid=login.target, now_s=now_s)
        return {"outcome": "linked", "level_identity": level, "valid_until": 0}
    register.draft(client.provider, verified, enrolment_id=login.target, town=_town(), now_s=now_s)
    level = citizens.LEVEL_OF_ACR.get(verified.acr, 0)
    return {
        "outcome": "drafted",
        "level_identity": level,
        "valid_until": now_s + citizens.DRAFT_LIFE_S,
    }


@blp.post(f"/{PROVIDER}/logouts")
@access(PUBLIC, rule=OWN_LOGIN, objects="capability")
@blp.arguments(SecretSchema)
@blp.response(201, LogoutSchema)
def create_logout(args: dict[str, Any], provider: str) -> dict[str, Any]:
    """Ask where the browser ends the provider's session."""
    client = _client(provider, (*CITIZEN_PROVIDERS, PROCONNECT))
    return {"logout_url": logins.start_logout(client, args["secret"], now_s=get_clock().now_s())}


# --- the desk --------------------------------------------------------------------------------


@blp.get("/drafts")
@access("clerk", rule="vouched-for enrolments that wait, without anything civil", objects="role")
@blp.response(200, FederatedDraftsSchema)
def get_drafts() -> dict[str, Any]:
    """List the enrolments that a provider vouched for and no agent has signed."""
    return {"drafts": citizens.list_drafts(get_clock().now_s())}


@blp.post("/drafts/<token:enrolment_id>/claims")
@access("clerk", rule="a vouched-for enrolment that no other agent took", objects="role")
@idempotent
@blp.arguments(ClaimRequestSchema)
@blp.response(201, ClaimSchema)
def create_claim(args: dict[str, Any], enrolment_id: str) -> dict[str, Any]:
    """Take one of them and get the attestation to sign; it is handed in at the desk's route."""
    return citizens.claim_draft(
        get_config(),
        enrolment_id,
        clerk=require_actor(),
        reason=args["duplicate_reason"],
        now_s=get_clock().now_s(),
    )


@blp.post("/proconnect/agents")
@access("supervisor", rule="the accounts of other agents", objects="role")
@idempotent
@blp.arguments(AgentAccessSchema)
@blp.response(201, DoneSchema)
def create_agent_access(args: dict[str, Any]) -> dict[str, bool]:
    """Authorise a professional account for an agent's key."""
    agents.authorise_agent(
        get_config(), by_kid=require_actor().kid, now_s=get_clock().now_s(), **args
    )
    return {"done": True}


@blp.post("/proconnect/agents/revocations")
@access("supervisor", rule="the accounts of agents", objects="role")
@blp.arguments(AgentKeySchema)
@blp.response(201, DoneSchema)
def create_agent_revocation(args: dict[str, Any]) -> dict[str, bool]:
    """End an agent's professional login."""
    agents.revoke_agent(args["kid"])
    return {"done": True}
