"""Routes of the city: who takes part, which keys hold which role, who validates, and the council's acts."""

from typing import Any

from app.city.schemas import (
    BodiesSchema,
    MisbehavioursSchema,
    PageQuerySchema,
    RolesSchema,
    ValidatorsSchema,
)
from app.city.service import list_bodies, list_misbehaviour, list_roles, list_validators
from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.idempotency import idempotent
from app.core.submission import SubmissionSchema, TransactionSchema, submit

blp = TownBlueprint("city", __name__, url_prefix="/v1/city", description="Bodies, roles, council")


@blp.get("/bodies")
@access(PUBLIC, objects="none", rule="public by the town's charter")
@blp.response(200, BodiesSchema)
def get_bodies() -> dict[str, Any]:
    """List the bodies that take part."""
    return {"bodies": list_bodies()}


@blp.get("/roles")
@access(
    PUBLIC,
    objects="none",
    rule="role keys of bodies, without persons; tills and shops are not listed",
)
@blp.arguments(PageQuerySchema, location="query")
@blp.response(200, RolesSchema)
def get_roles(args: dict[str, Any]) -> dict[str, Any]:
    """List the role keys of bodies."""
    rows = list_roles(after_kid=args["cursor"], count_max=args["limit"] + 1)
    page = rows[: args["limit"]]
    return {"roles": page, "next_cursor": page[-1].kid if len(rows) > len(page) else ""}


@blp.get("/validators")
@access(PUBLIC, objects="none", rule="who decides blocks, and with what weight, is public")
@blp.response(200, ValidatorsSchema)
def get_validators() -> dict[str, Any]:
    """List the validators, present and past."""
    return {"validators": list_validators()}


@blp.get("/misbehaviour")
@access(
    PUBLIC,
    objects="none",
    rule="what a validator was proved to have done is public; it names no person",
)
@blp.response(200, MisbehavioursSchema)
def get_misbehaviour() -> dict[str, Any]:
    """List the newest proven offences of validators."""
    return {"misbehaviour": list_misbehaviour()}


@blp.post("/acts")
@access(
    "council",
    objects="signed",
    rule="the council: more than two thirds of the seats sign the transaction",
)
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_acts(args: dict[str, Any]) -> Any:
    """Hand in acts that the council signed."""
    return submit(args["transaction"], types=("council.act",))
