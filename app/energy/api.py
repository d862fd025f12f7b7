"""Routes of operations and members: terms with their document, requests with what opens points, names, perimeter."""

from typing import Any, Final

import msgspec

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.context import get_clock, get_config, require_actor
from app.core.idempotency import idempotent
from app.core.problems import Problem
from app.core.submission import SubmissionSchema, submit
from app.core.transactions import check_type, read_body, read_transaction
from app.energy import erasing, members
from app.energy.keys import MemberKeys, encode_key
from app.energy.models import Membership, Operation
from app.energy.routes import MEMBER, OWN_ACCOUNT, OWN_BODY, PMO
from app.energy.schemas import (
    EnergyConventionSchema,
    EnergyErasedSchema,
    EnergyJoinRequestSchema,
    EnergyMembershipsSchema,
    EnergyOperationRequestSchema,
    EnergyOperationSchema,
    EnergyOperationsSchema,
    EnergyOwnKeySchema,
    EnergyPerimeterQuerySchema,
    EnergyPerimeterSchema,
)
from chain.types.codes import TX_BODY_INVALID

MANAGED: Final = "operations that a body of the caller manages"
INSIDE: Final = "operations the account is in, or a body of the caller manages, meters or witnesses"
blp = TownBlueprint("energy", __name__, url_prefix="/v1/energy", description="Shared energy")


# --- operations ------------------------------------------------------------------------------------


@blp.get("/operations")
@access(PUBLIC, objects="none", rule="operations and their terms are public")
@blp.response(200, EnergyOperationsSchema)
def get_operations() -> dict[str, Any]:
    """List the operations of the town."""
    rows = Operation.select().order_by(Operation.operation)
    return {"operations": [members.describe_operation(row) for row in rows]}


@blp.get("/operations/<slug:operation>")
@access(PUBLIC, objects="none", rule="operations and their terms are public")
@blp.response(200, EnergyOperationSchema)
def get_operation(operation: str) -> dict[str, Any]:
    """Show one operation: terms, how many take part, power."""
    return members.describe_operation(members.get_operation(operation))


@blp.post("/operations")
@access(*PMO, objects="signed", rule=OWN_BODY)
@idempotent
@blp.arguments(EnergyOperationRequestSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_operation(args: dict[str, Any]) -> Any:
    """Publish an operation's terms with the document they commit to."""
    body = read_typed(args["transaction"], "energy.operation")
    convention = members.check_convention(body, args["convention"], args["salt"])
    answer = submit(args["transaction"], types=("energy.operation",))
    members.keep_convention(convention, body.terms.convention, args["salt"])
    return answer


@blp.get("/operations/<slug:operation>/convention")
@access(*MEMBER, *PMO, "meter_adapter", "energy_witness", "auditor", objects="named", rule=INSIDE)
@blp.response(200, EnergyConventionSchema)
def get_convention(operation: str) -> dict[str, Any]:
    """Show the document in force: key, prices, taxes, CO2 factor."""
    members.check_inside(operation, require_actor())
    convention, version = members.find_convention(operation)
    row = members.find_convention_row(version.convention)
    assert convention.operation == operation, "a convention names its operation"
    return {
        "version": version.version,
        "from_day": version.from_day,
        "document": row.document,
        "salt": row.salt,
    }


def read_typed(text: str, kind: str) -> Any:
    """The typed body of a transaction of one type; raises Problem for another type or a wrong body."""
    transaction = read_transaction(text)
    check_type(transaction, (kind,))
    try:
        return read_body(transaction.payload)
    except msgspec.ValidationError as error:
        raise Problem(TX_BODY_INVALID, str(error)[:200]) from error


# --- members ---------------------------------------------------------------------------------------


@blp.post("/memberships")
@access(*MEMBER, objects="signed", rule=OWN_ACCOUNT)
@idempotent
@blp.arguments(EnergyJoinRequestSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema, success=True)
def create_membership(args: dict[str, Any]) -> Any:
    """Ask to join, with what opens each point's commitment."""
    body = read_typed(args["transaction"], "energy.join")
    account = read_transaction(args["transaction"]).payload.sender
    openings = members.check_openings(body, args["points"])
    members.check_sender(account, require_actor())
    config, now_s = get_config(), get_clock().now_s()
    members.check_free(config, body.operation, openings, now_s=now_s)
    answer = submit(args["transaction"], types=("energy.join",))
    members.keep_openings(
        config,
        body.operation,
        account,
        openings,
        name=args["name"],
        siren=args["siren"],
        now_s=now_s,
    )
    return answer


@blp.get("/memberships/me")
@access(*MEMBER, objects="self", rule="the account of the key that logged in")
@blp.response(200, EnergyMembershipsSchema)
def get_own_memberships() -> dict[str, Any]:
    """Show the own memberships, points, PRMs and consents."""
    mine = Membership.select().where(Membership.account == require_actor().account)
    config = get_config()
    return {
        "memberships": [
            members.describe_member(config, row, with_openings=True)
            for row in mine.order_by(Membership.operation)
        ]
    }


@blp.get("/memberships/me/key")
@access(*MEMBER, objects="self", rule="the account of the key that logged in")
@blp.response(200, EnergyOwnKeySchema)
def get_own_key() -> dict[str, Any]:
    """Hand out the key of the own salts: with it the own rows open, offline and for years."""
    key = MemberKeys(get_config()).salt_key(require_actor().account)
    return {"salt_key": encode_key(key)}


@blp.post("/memberships/me/erasure")
@access(*MEMBER, objects="self", rule="the account of the key that logged in")
@blp.response(200, EnergyErasedSchema)
def erase_own() -> dict[str, Any]:
    """Erase the own readings for ever, once every membership has ended; statements stay ten years."""
    return erasing.erase_account(get_config(), require_actor().account, now_s=get_clock().now_s())


@blp.get("/operations/<slug:operation>/members")
@access(*PMO, objects="named", rule=MANAGED)
@blp.response(200, EnergyMembershipsSchema)
def get_members(operation: str) -> dict[str, Any]:
    """List members and requests of an own operation, with PRMs and tags."""
    own = members.get_own_operation(operation, require_actor().bodies)
    return {"memberships": members.list_members(get_config(), own.operation, with_openings=True)}


@blp.get("/operations/<slug:operation>/perimeter")
@access(*PMO, objects="named", rule=MANAGED)
@blp.arguments(EnergyPerimeterQuerySchema, location="query")
@blp.response(200, EnergyPerimeterSchema)
def get_perimeter(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Work out distance and conditions of an own operation's points, requests included."""
    own = members.get_own_operation(operation, require_actor().bodies)
    found = members.declare_perimeter(
        get_config(),
        own,
        has_commune=bool(args["has_commune"]),
        derogation=args["derogation"],
    )
    return dict(msgspec.to_builtins(found))
