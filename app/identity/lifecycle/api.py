"""Routes of an identity's life: lost phones, acts of two agents, domain accounts, mandates, what an age allows."""

from dataclasses import asdict
from typing import Any

from app.auth.service import read_key
from app.core.access import DEVICE, PUBLIC, access, check_fresh
from app.core.blueprint import TownBlueprint
from app.core.codes import NOT_FOUND
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import NodeUnavailable, Problem, choose_language
from app.core.projection import get_projector_state
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
from app.identity.api import find_agent_key
from app.identity.lifecycle import acts, ages, links, mandates, recoveries, statuses
from app.identity.lifecycle.schemas import (
    AccountLinkCountSchema,
    AccountLinkOpeningSchema,
    AccountLinkRemovalSchema,
    AccountLinkRequestSchema,
    ActSchema,
    ActsSchema,
    AddedSignatureSchema,
    AllowedSchema,
    DeskMandateSchema,
    DeskRecoveriesSchema,
    LetterSchema,
    LinkedAccountsSchema,
    MandateEndSchema,
    MandateOfferSchema,
    MandateSchema,
    MandatesSchema,
    OwnRecoverySchema,
    PreviewSchema,
    RecoveryMonthsSchema,
    RecoveryPreviewRequestSchema,
    SignedActSchema,
    StatusPreviewRequestSchema,
    SubjectSchema,
)
from app.identity.own import find_own
from app.identity.register import Register

blp = TownBlueprint(
    "lifecycle", __name__, url_prefix="/v1", description="Lost phones, mandates, minors"
)
CITIZEN = "citizen:identity"


def _params() -> dict[str, int]:
    status = read_town_status(get_services().chain)
    if not status.params:
        raise NodeUnavailable
    return status.params


def _own_cid() -> str:
    row, person = find_own(require_actor().kid)
    if row is None and person is None:
        raise Problem(NOT_FOUND)
    return str(row.cid if row is not None else person.cid)


def _register() -> Register:
    return Register(get_config())


# --- lost phones -----------------------------------------------------------------------------


@blp.get("/recoveries/months")
@access(PUBLIC, objects="none", rule="counts, the same for everybody")
@blp.response(200, RecoveryMonthsSchema)
def list_recovery_months() -> dict[str, Any]:
    """How many recoveries were opened, stopped, overridden and finished, month by month."""
    return {"months": recoveries.list_months()}


@blp.get("/recoveries/me")
@access(DEVICE, objects="self", rule="the recovery of the account of the key that logged in")
@blp.response(200, OwnRecoverySchema)
def get_own_recovery() -> dict[str, Any]:
    """Where the recovery of the own account stands, for the old phone, another device, or the new phone."""
    return recoveries.describe_for_key(
        require_actor().kid, now_s=get_clock().now_s(), language=choose_language()
    )


@blp.post("/recoveries/answers")
@access(DEVICE, objects="signed", rule="the account whose old key stops, or whose new key finishes")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def answer_recovery(args: dict[str, Any]) -> Any:
    """Stop the recovery with the old key, or finish it with the new one."""
    return submit(args["transaction"], types=("id.recover_veto", "id.recover_finish"))


@blp.get("/desk/recoveries")
@access("clerk", objects="role", rule="recoveries under way, without anything civil")
@blp.response(200, DeskRecoveriesSchema)
def list_recoveries() -> dict[str, Any]:
    """See the recoveries under way, and which letters are still to be printed."""
    return {"recoveries": recoveries.list_open(now_s=get_clock().now_s())}


@blp.post("/desk/recoveries")
@access("clerk", objects="signed", rule="the chain asks for two agents of two bodies", step_up=True)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_recovery(args: dict[str, Any]) -> Any:
    """Open a recovery, override its veto, or give it up."""
    types = ("id.recover_open", "id.recover_override", "id.recover_cancel")
    return submit(args["transaction"], types=types)


@blp.post("/desk/recoveries/previews")
@access("clerk", objects="role", rule="what opening would do; nothing civil is shown")
@blp.arguments(RecoveryPreviewRequestSchema)
@blp.response(200, PreviewSchema)
def preview_recovery(args: dict[str, Any]) -> dict[str, Any]:
    """What opening a recovery of an account would do, before anybody signs."""
    preview = recoveries.preview_opening(
        args["account"],
        params=_params(),
        now_s=get_clock().now_s(),
        language=choose_language(),
    )
    return asdict(preview)


@blp.post("/desk/recoveries/<key:account>/letter")
@access("clerk", objects="role", rule="the address of somebody whose recovery runs; logged")
@blp.response(200, LetterSchema)
def print_recovery_letter(account: str) -> dict[str, Any]:
    """Read the letter to the address on file, which tells of the recovery; the reading is logged."""
    return recoveries.print_letter(
        _register(), account, clerk=require_actor(), now_s=get_clock().now_s()
    )


# --- standing at the desk --------------------------------------------------------------------


@blp.post("/desk/statuses/previews")
@access("clerk", objects="role", rule="what moving would do; nothing civil is shown")
@blp.arguments(StatusPreviewRequestSchema)
@blp.response(200, PreviewSchema)
def preview_status(args: dict[str, Any]) -> dict[str, Any]:
    """What moving an identity to another status would do, before anybody signs."""
    preview = statuses.preview_status(
        args["cid"],
        args["status"],
        params=_params(),
        now_s=get_clock().now_s(),
        language=choose_language(),
    )
    return asdict(preview)


@blp.post("/desk/accounts/statuses")
@access(
    "clerk",
    objects="signed",
    rule="accounts that are no identity's; closing takes two agents",
    step_up=True,
)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_account_status(args: dict[str, Any]) -> Any:
    """Freeze, reopen or close an account: an estate, a move, a lost phone."""
    return submit(args["transaction"], types=("account.status",))


@blp.post("/identity/renewals")
@access("clerk", objects="signed", rule="identities that agents attested again")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_renewals(args: dict[str, Any]) -> Any:
    """Write a batch of renewed attestations to the chain."""
    return submit(args["transaction"], types=("id.batch_renew",))


# --- acts that wait for signatures -----------------------------------------------------------


@blp.post("/desk/acts")
@access("clerk", objects="self", rule="an act the caller signed", step_up=True)
@idempotent
@blp.arguments(SignedActSchema)
@blp.response(201, ActSchema)
def create_act(args: dict[str, Any]) -> dict[str, Any]:
    """Open an act that others must sign too."""
    agent = require_actor()
    act = acts.open_act(
        args["transaction"], key=find_agent_key(agent), actor=agent, now_s=get_clock().now_s()
    )
    return acts.describe_act(act)


@blp.get("/desk/acts")
@access("clerk", objects="role", rule="acts that wait for a second agent")
@blp.response(200, ActsSchema)
def list_acts() -> dict[str, Any]:
    """The second agents' queue."""
    return {"acts": acts.list_acts(now_s=get_clock().now_s())}


@blp.get("/acts/<token:act_id>")
@access(DEVICE, objects="capability", rule="whoever was given the act's 128-bit id")
@blp.response(200, ActSchema)
def get_act(act_id: str) -> dict[str, Any]:
    """Read an act before signing it."""
    return acts.describe_act(acts.get_act(act_id, now_s=get_clock().now_s()))


@blp.post("/acts/<token:act_id>/signatures")
@access(DEVICE, objects="capability", rule="whoever was given the act's 128-bit id")
@idempotent
@blp.arguments(AddedSignatureSchema)
@blp.response(201, ActSchema)
def add_signature(args: dict[str, Any], act_id: str) -> dict[str, Any]:
    """Add one's signature over the same payload; an agent shows a second factor first."""
    actor = require_actor()
    if "clerk" in actor.scopes:
        check_fresh(actor)
    key = read_key(args["key"])
    act = acts.sign_act(
        act_id, args["transaction"], key=key, actor=actor, now_s=get_clock().now_s()
    )
    return acts.describe_act(act)


@blp.post("/acts/<token:act_id>/submission")
@access(DEVICE, objects="capability", rule="whoever was given the act's 128-bit id")
@idempotent
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def submit_act(act_id: str) -> Any:
    """Send the act to the chain once all have signed."""
    act = acts.get_act(act_id, now_s=get_clock().now_s())
    answer = submit(act.transaction, types=acts.TYPES)
    acts.note_sent(act_id)
    if get_config().master_key is not None:
        _register().sweep_erased(now_s=get_clock().now_s())
    return answer


# --- accounts of other domains ---------------------------------------------------------------


@blp.get("/identity/me/accounts")
@access(CITIZEN, objects="self", rule="the sealed list of the identity that logged in")
@blp.response(200, LinkedAccountsSchema)
def list_links() -> dict[str, Any]:
    """The accounts one has said to be one's own."""
    found = links.read_links(_register(), _own_cid())
    return {"accounts": [{"account": link.account, "domain": link.domain} for link in found]}


@blp.put("/identity/me/accounts")
@access(CITIZEN, objects="self", rule="an account whose own key signed for this identity")
@blp.arguments(AccountLinkRequestSchema)
@blp.response(200, AccountLinkCountSchema)
def add_link(args: dict[str, Any]) -> dict[str, int]:
    """Put an account on the sealed list, so that it can be recovered with the identity."""
    state = get_projector_state()
    if state is None:
        raise NodeUnavailable("the town's genesis was not read yet")
    count = links.add_link(
        _register(),
        town=state.town,
        cid=_own_cid(),
        account_id=args["account"],
        signature=args["signature"],
        now_s=get_clock().now_s(),
    )
    return {"count": count}


@blp.delete("/identity/me/accounts")
@access(CITIZEN, objects="self", rule="the sealed list of the identity that logged in")
@blp.arguments(AccountLinkRemovalSchema)
@blp.response(200, AccountLinkCountSchema)
def remove_link(args: dict[str, Any]) -> dict[str, int]:
    """Take an account off the sealed list."""
    return {"count": links.remove_link(_register(), cid=_own_cid(), account_id=args["account"])}


@blp.post("/desk/persons/accounts")
@access(
    "clerk", objects="role", rule="the list of somebody at the desk, with a reason they will read"
)
@blp.arguments(AccountLinkOpeningSchema)
@blp.response(200, LinkedAccountsSchema)
def open_links(args: dict[str, Any]) -> dict[str, Any]:
    """Open a person's list of accounts, with a reason; the citizen sees it in the access log."""
    found = links.open_at_desk(
        _register(),
        args["cid"],
        clerk=require_actor(),
        reason=args["reason"],
        now_s=get_clock().now_s(),
    )
    return {"accounts": found}


# --- mandates --------------------------------------------------------------------------------


@blp.get("/identity/me/mandates")
@access(CITIZEN, objects="self", rule="mandates of which the caller is one side")
@blp.response(200, MandatesSchema)
def list_mandates() -> dict[str, Any]:
    """Mandates given and held."""
    found = mandates.list_of(_register(), _own_cid(), now_s=get_clock().now_s())
    return {"mandates": found}


@blp.post("/identity/me/mandates")
@access(CITIZEN, objects="self", rule="a mandate given by the caller")
@idempotent
@blp.arguments(MandateOfferSchema)
@blp.response(201, MandateSchema)
def offer_mandate(args: dict[str, Any]) -> dict[str, Any]:
    """Ask somebody for help with some services; never with a ballot."""
    return mandates.offer(
        _register(),
        subject=_own_cid(),
        holder=args["holder"],
        scopes=args["scopes"],
        expires_at=args["expires_at"],
        now_s=get_clock().now_s(),
    )


@blp.post("/mandates/<token:mandate_id>/acceptance")
@access(CITIZEN, objects="named", rule="a mandate offered to the caller")
@idempotent
@blp.response(201, MandateSchema)
def accept_mandate(mandate_id: str) -> dict[str, Any]:
    """Agree to help."""
    return mandates.accept(_register(), mandate_id, cid=_own_cid(), now_s=get_clock().now_s())


@blp.post("/mandates/<token:mandate_id>/end")
@access(CITIZEN, objects="named", rule="a mandate of which the caller is one side")
@idempotent
@blp.response(201, MandateSchema)
def end_mandate(mandate_id: str) -> dict[str, Any]:
    """End a mandate: either side, at any time, without a reason."""
    return mandates.end(_register(), mandate_id, cid=_own_cid(), now_s=get_clock().now_s())


@blp.get("/mandates/<token:mandate_id>/subject")
@access(
    CITIZEN, objects="named", rule="the subject of a mandate the caller holds; logged with both ids"
)
@blp.response(200, SubjectSchema)
def get_subject(mandate_id: str) -> dict[str, Any]:
    """What a holder may see of the person helped; the reading is in that person's access log."""
    return mandates.read_subject(
        _register(),
        mandate_id,
        actor=require_actor(),
        cid=_own_cid(),
        now_s=get_clock().now_s(),
    )


@blp.post("/desk/mandates")
@access("clerk", objects="role", rule="mandates an agent saw the papers of; logged for both sides")
@idempotent
@blp.arguments(DeskMandateSchema)
@blp.response(201, MandateSchema)
def record_mandate(args: dict[str, Any]) -> dict[str, Any]:
    """Record a parent's or guardian's mandate."""
    return mandates.record_at_desk(
        _register(),
        clerk=require_actor(),
        kind=args["kind"],
        subject=args["subject"],
        holder=args["holder"],
        scopes=args["scopes"],
        expires_at=args["expires_at"],
        now_s=get_clock().now_s(),
    )


@blp.post("/desk/mandates/<token:mandate_id>/end")
@access("clerk", objects="role", rule="any mandate, with a reason both sides can read")
@idempotent
@blp.arguments(MandateEndSchema)
@blp.response(201, MandateSchema)
def end_mandate_at_desk(args: dict[str, Any], mandate_id: str) -> dict[str, Any]:
    """End a mandate by a judge's decision, a complaint or an error."""
    return mandates.end_at_desk(
        _register(),
        mandate_id,
        clerk=require_actor(),
        reason=args["reason"],
        now_s=get_clock().now_s(),
    )


# --- ages ------------------------------------------------------------------------------------


@blp.get("/identity/me/allowed")
@access(CITIZEN, objects="self", rule="what the own age allows")
@blp.response(200, AllowedSchema)
def get_allowed() -> dict[str, Any]:
    """What the own age allows today; a birthday changes it by itself."""
    sealed = _register().read_file(_own_cid())
    if sealed is None:
        raise Problem(NOT_FOUND)
    allowed = ages.allowed_at(sealed.civil.birthdate, get_clock().now_s())
    return {**asdict(allowed), "domains": sorted(allowed.domains)}
