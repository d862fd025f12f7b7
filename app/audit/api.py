"""Routes of the audit window: headers, commits, validators and roots that this town verified and kept.

Never: block bodies, or anything by account (PROTOCOL §5).
"""

from typing import Any

from app.audit.schemas import (
    CheckpointSchema,
    CommitAnswerSchema,
    HeaderAnswerSchema,
    RootsQuerySchema,
    RootsSchema,
    ValidatorsAnswerSchema,
)
from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import HEIGHT_UNKNOWN
from app.core.headers import (
    HeaderRow,
    find_commit,
    find_header,
    find_validators,
    list_headers,
    read_checkpoint,
)
from app.core.problems import Problem
from chain.codec.cmtjson import to_json
from chain.codec.hashing import hash_header
from chain.codec.proto import decode
from chain.light.bundle import Checkpoint
from chain.types.block import Header

HEIGHT = "<int(min=1, max=9007199254740991):height>"
RULE = "public: anybody may check the town"

blp = TownBlueprint("audit", __name__, url_prefix="/v1/audit", description="What anybody may check")


@blp.get(f"/headers/{HEIGHT}")
@access(PUBLIC, objects="none", rule=RULE)
@blp.response(200, HeaderAnswerSchema)
def get_header(height: int) -> dict[str, Any]:
    """Show a verified header."""
    header = _known(find_header(height))
    return {"height": height, "hash": hash_header(header).hex(), "header": to_json(header)}


@blp.get(f"/commits/{HEIGHT}")
@access(PUBLIC, objects="none", rule=RULE)
@blp.response(200, CommitAnswerSchema)
def get_commit(height: int) -> dict[str, Any]:
    """Show who signed a block."""
    return {"height": height, "commit": to_json(_known(find_commit(height)))}


@blp.get(f"/validators/{HEIGHT}")
@access(PUBLIC, objects="none", rule=RULE)
@blp.response(200, ValidatorsAnswerSchema)
def get_validators(height: int) -> dict[str, Any]:
    """Show the validators that decided a block."""
    header, found = _known(find_header(height)), _known(find_validators(height))
    return {
        "height": height,
        "hash": header.validators_hash.hex(),
        "validators": [to_json(validator) for validator in found.validators],
    }


@blp.get("/checkpoint")
@access(PUBLIC, objects="none", rule=RULE)
@blp.response(200, CheckpointSchema)
def get_checkpoint() -> Checkpoint:
    """Show the newest verified checkpoint, ready to be kept as a file."""
    checkpoint: Checkpoint = _known(read_checkpoint())
    return checkpoint


@blp.get("/roots")
@access(PUBLIC, objects="none", rule=RULE)
@blp.arguments(RootsQuerySchema, location="query")
@blp.response(200, RootsSchema)
def get_roots(args: dict[str, Any]) -> dict[str, Any]:
    """List the roots of verified headers, newest first."""
    rows = list_headers(below=args["below"], count_max=args["limit"] + 1)
    page = rows[: args["limit"]]
    return {
        "roots": [_describe(row) for row in page],
        "next_below": page[-1].height if len(rows) > len(page) else 0,
    }


def _describe(row: HeaderRow) -> dict[str, Any]:
    header = decode(Header, bytes(row.header))
    return {
        "height": header.height,
        "time": header.time.seconds,
        "header_hash": row.header_hash,
        "app_hash": header.app_hash.hex(),
        "data_hash": header.data_hash.hex(),
        "last_results_hash": header.last_results_hash.hex(),
        "transactions": row.tx_count,
    }


def _known(found: Any) -> Any:
    if found is None:
        raise Problem(HEIGHT_UNKNOWN)
    return found
