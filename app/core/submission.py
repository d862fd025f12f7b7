"""What a route that takes a transaction needs: the request's shape, `Prefer: wait`, and the two answers.

@blp.post("/earn")
@access("till", rule="the shop of the signing till")
@idempotent
@blp.arguments(TransactionSchema)
@blp.response(201, SubmissionSchema)
@blp.alt_response(202, schema=SubmissionSchema)
def earn(args):
    \"\"\"Give points for a purchase.\"\"\"
    return submit(args["transaction"], types=("loyalty.earn",))
"""

import re
from dataclasses import asdict
from typing import Any, Final

from flask import request
from marshmallow import fields, validate

from app.core.access import check_signers
from app.core.blueprint import TownSchema
from app.core.context import get_services
from app.core.relay import STATE_PENDING, Submission
from app.core.transactions import TRANSACTION_CHARS_MAX, read_transaction

WAIT_MAX_S: Final = 10
_WAIT = re.compile(r"(?:^|[,;]\s*)wait=(\d{1,4})\b")


class TransactionSchema(TownSchema):
    """A body that carries one signed transaction."""

    transaction = fields.String(
        required=True,
        validate=validate.Length(min=10, max=TRANSACTION_CHARS_MAX),
        metadata={"description": "JWS of type beffroi-tx, compact or general JSON form"},
    )


class SubmissionSchema(TownSchema):
    """Where a transaction stands: final with its result, or pending."""

    transaction = fields.String(required=True, metadata={"description": "payload hash, hex"})
    state = fields.String(required=True, validate=validate.OneOf(["pending", "final", "refused"]))
    type = fields.String(required=True)
    height = fields.Integer(required=True, metadata={"description": "block height, 0 if pending"})
    index = fields.Integer(required=True, metadata={"description": "place in the block"})
    time = fields.Integer(required=True, metadata={"description": "header time, unix seconds"})
    code = fields.String(required=True, metadata={"description": "ok, a refusal, or empty"})
    data = fields.Dict(required=True, metadata={"description": "what the rule gave back"})


def read_wait_s() -> float:
    """Seconds of `Prefer: wait=N` (RFC 7240 §4.3), at most WAIT_MAX_S; 0 without it."""
    match = _WAIT.search(request.headers.get("Prefer", ""))
    return float(min(int(match[1]), WAIT_MAX_S)) if match else 0.0


def submit(text: str, *, types: tuple[str, ...]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Relay and answer 201 with the result, or 202 with where to ask; refusals are raised as Problem."""
    wait_s = read_wait_s()
    transaction = read_transaction(text)
    check_signers(transaction.kids)
    relay = get_services().relay
    return answer_submission(relay.pass_on(transaction, types=types, wait_s=wait_s), wait_s)


def answer_submission(
    submission: Submission, wait_s: float
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Body, status and headers for a submission."""
    headers = {"Location": f"/v1/transactions/{submission.transaction}"}
    if wait_s:
        headers["Preference-Applied"] = f"wait={int(wait_s)}"
    if submission.state == STATE_PENDING:
        headers["Retry-After"] = "1"
        return asdict(submission), 202, headers
    return asdict(submission), 201, headers
