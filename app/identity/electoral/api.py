"""Routes of the electoral axis, the three axes and the policies."""

from typing import Any

from app.core.access import DEVICE, PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import NOT_FOUND
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.idempotency import idempotent
from app.core.problems import Problem
from app.core.submission import SubmissionSchema, TransactionSchema, submit
from app.core.town_status import read_town_status
from app.identity.electoral import service
from app.identity.electoral.schemas import AxesSchema, PoliciesSchema, RegisterSchema
from app.identity.own import find_own
from app.identity.register import Register

DESK = "desk"
ACTS = ("electoral.import", "electoral.enrol", "electoral.strike")
blp = TownBlueprint(
    "electoral", __name__, url_prefix="/v1", description="Electoral axis, axes and policies"
)


@blp.get("/electoral/register")
@access(PUBLIC, rule="counts per polling station, nobody's", objects="none")
@blp.response(200, RegisterSchema)
def get_register() -> dict[str, Any]:
    """Show the newest import of the electoral register, and how many were found per station."""
    return service.describe_register()


@blp.post("/electoral/acts")
@access("electoral", rule="the chain asks for a commission's own import", objects="signed")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_electoral_act(args: dict[str, Any]) -> Any:
    """Import the register's counts, enrol whom it names, or strike whom it names no more."""
    return submit(args["transaction"], types=ACTS)


@blp.get("/identity/policies")
@access(PUBLIC, rule="the town's rules, nobody's", objects="none")
@blp.response(200, PoliciesSchema)
def get_policies() -> dict[str, Any]:
    """Say who may vote, trade, sell energy or get a certificate."""
    return {"policies": service.list_policies(read_town_status(get_services().chain).params)}


@blp.get("/identity/me/axes")
@access(DEVICE, rule="the identity of the key that logged in", objects="self")
@blp.response(200, AxesSchema)
def get_own_axes() -> dict[str, Any]:
    """Show the own three axes, how long each lasts, and what they open."""
    row, _ = find_own(require_actor().kid)
    if row is None:
        raise Problem(NOT_FOUND)
    now_s = get_clock().now_s()
    file = Register(get_config()).read_file(row.cid) if get_config().master_key else None
    axes = service.describe_axes(row, method=file.title_seen if file else DESK, now_s=now_s)
    age = service.compute_age_years(file.civil.birthdate, now_s) if file else 0
    policies = service.list_policies(read_town_status(get_services().chain).params)
    return {**axes, "policies": service.judge_policies(policies, axes, age)}
