"""The blueprint every domain uses: strict JSON bodies, problem documents, and documented refusals.

A route reads, from the outside in: `@blp.get|post(path)`, `@access(...)`, `@idempotent` if it creates value,
`@blp.arguments(...)`, `@blp.response(...)`, then the view with a one-line docstring (the summary).
"""

from typing import Any, Final

from flask import Request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, fields
from webargs import core
from webargs.flaskparser import FlaskParser

from app.core.codes import JSON_MALFORMED, MEDIA_TYPE_UNSUPPORTED
from app.core.problems import Problem
from app.core.strictjson import parse_strict

PROBLEM_CONTENT_TYPE: Final = "application/problem+json"


class TownSchema(Schema):
    """Base of request and response shapes: unknown fields are refused, keys keep their order."""

    class Meta:
        """Applies to every shape."""

        unknown = RAISE


class FieldErrorSchema(TownSchema):
    """One field that does not have the required form."""

    field = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(TownSchema):
    """RFC 9457 problem document; `code` is stable, `title` is in the reader's language."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    code = fields.String(required=True)
    errors = fields.List(fields.Nested(FieldErrorSchema), required=True)
    trace_id = fields.String(required=True)
    retryable = fields.Boolean(required=True)
    transaction = fields.String(metadata={"description": "payload hash, when one was judged"})
    height = fields.Integer(metadata={"description": "block of the refused transaction"})

    class Meta:
        """Problems may grow members (RFC 9457 §3.2)."""

        unknown = "include"


class TownParser(FlaskParser):
    """Bodies through `parse_strict`; anything but application/json is 415, even when nothing is required."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012 - webargs declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": RAISE,
        "query": RAISE,
    }

    def _raw_load_json(self, req: Request) -> Any:
        if req.mimetype != "application/json" or req.headers.get("Content-Encoding"):
            raise Problem(MEDIA_TYPE_UNSUPPORTED)
        raw = req.get_data(cache=True)
        if not raw:
            raise Problem(JSON_MALFORMED, "the body is empty")
        value = parse_strict(raw)
        return value if value is not None else core.missing


class TownBlueprint(Blueprint):
    """Blueprint of one resource; mounted under /v1 by the factory."""

    ARGUMENTS_PARSER = TownParser()

    def get(self, rule: str, **options: Any) -> Any:
        """Route of a GET."""
        return self.route(rule, methods=["GET"], **options)

    def post(self, rule: str, **options: Any) -> Any:
        """Route of a POST."""
        return self.route(rule, methods=["POST"], **options)
