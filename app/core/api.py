"""Routes about the town itself: is it alive, where does it stand, what became of a transaction."""

from dataclasses import asdict
from typing import Any, Final

from marshmallow import fields, validate

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint, TownSchema
from app.core.codes import TRANSACTION_UNKNOWN
from app.core.context import get_services
from app.core.problems import Problem
from app.core.proofs import build_transaction_proof
from app.core.relay import find_submission
from app.core.submission import SubmissionSchema
from app.core.town_status import read_town_status

VERSION: Final = "0.1.0"
HASH_PATTERN: Final = "^[0-9a-f]{64}$"

blp = TownBlueprint("town", __name__, url_prefix="/v1", description="The town itself")


class HealthSchema(TownSchema):
    """The API process answers."""

    status = fields.String(required=True, validate=validate.OneOf(["ok"]))
    version = fields.String(required=True)


class StatusSchema(TownSchema):
    """Where the town stands; `height` is the last block whose results are proved and shown."""

    town = fields.String(required=True, metadata={"description": "hash of the first genesis"})
    chain_id = fields.String(required=True)
    height = fields.Integer(required=True)
    app_hash = fields.String(required=True, metadata={"description": "state after height, hex"})
    time = fields.Integer(required=True, metadata={"description": "header time of height"})
    insecure = fields.Boolean(
        required=True, metadata={"description": "a parameter lies below its production floor"}
    )
    params = fields.Dict(required=True, keys=fields.String(), values=fields.Integer())
    node = fields.String(required=True, validate=validate.OneOf(["up", "down"]))
    node_height = fields.Integer(required=True, metadata={"description": "0 when down"})
    halted = fields.String(
        required=True, metadata={"description": "why following the chain stopped, else empty"}
    )


class ReceiptQuerySchema(TownSchema):
    """Options of a receipt."""

    proof = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))


class ReceiptSchema(SubmissionSchema):
    """A transaction's standing, and with `?proof=1` the bundle anybody can verify offline."""

    proof = fields.Dict(metadata={"description": "proof bundle, see `beffroi proof verify`"})


@blp.get("/health")
@access(PUBLIC, objects="none", rule="nothing personal")
@blp.response(200, HealthSchema)
def get_health() -> dict[str, str]:
    """Say that the API answers."""
    return {"status": "ok", "version": VERSION}


@blp.get("/status")
@access(PUBLIC, objects="none", rule="nothing personal")
@blp.response(200, StatusSchema)
def get_status() -> dict[str, Any]:
    """Tell where the town and its chain stand."""
    return asdict(read_town_status(get_services().chain))


@blp.get("/transactions/<hash:payload_hash>")
@access(
    PUBLIC,
    objects="capability",
    rule="whoever knows the 256-bit payload hash, which only its author was told",
)
@blp.arguments(ReceiptQuerySchema, location="query")
@blp.response(200, ReceiptSchema)
def get_transaction(args: dict[str, Any], payload_hash: str) -> dict[str, Any]:
    """Tell what became of a transaction, with its proof on demand."""
    found = find_submission(payload_hash)
    if found is None:
        raise Problem(TRANSACTION_UNKNOWN)
    if not args["proof"]:
        return asdict(found)
    return {**asdict(found), "proof": build_transaction_proof(get_services().chain, found)}
