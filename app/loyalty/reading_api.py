"""Routes of statements and statistics."""

from datetime import date
from typing import Any, Final

from flask import Response
from marshmallow import fields, validate

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint, TownSchema
from app.core.context import get_clock, get_services, require_actor
from app.core.problems import choose_language
from app.core.proofs import build_record_proof
from app.loyalty import service, statements, statistics
from app.loyalty.api import OWN_SHOP

blp = TownBlueprint(
    "loyalty-reading", __name__, url_prefix="/v1/loyalty", description="Statements, statistics"
)
MEDIA: Final = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
EPOCH: Final = date(1970, 1, 1)


class StatementQuerySchema(TownSchema):
    """A period in unix seconds, and how to write it down; `proof=0` leaves the chain's evidence out."""

    start = fields.Integer(required=True, validate=validate.Range(min=0, max=2**40))
    end = fields.Integer(required=True, validate=validate.Range(min=1, max=2**40))
    format = fields.String(load_default="json", validate=validate.OneOf(list(MEDIA)))
    proof = fields.Integer(load_default=1, validate=validate.OneOf([0, 1]))


class StatisticsQuerySchema(TownSchema):
    """Days in UTC, both included, at most 31."""

    first = fields.Date(required=True)
    last = fields.Date(required=True)


class CellSchema(TownSchema):
    """Operations of one kind in one programme on one day."""

    day = fields.String(required=True)
    programme = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(list(statistics.KINDS)))
    operations = fields.Integer(required=True)
    points = fields.Integer(required=True)
    accounts = fields.Integer(required=True)


class StatisticsSchema(TownSchema):
    """Cells with enough people behind them; `hidden` counts those without."""

    cells = fields.List(fields.Nested(CellSchema), required=True)
    hidden = fields.Integer(required=True)
    k_accounts = fields.Integer(required=True)
    k_shops = fields.Integer(required=True)


@blp.get("/statements/me")
@access("citizen:loyalty", objects="self", rule="the account of the key that logged in")
@blp.arguments(StatementQuerySchema, location="query")
@blp.response(200, {"type": "object"})
def get_own_statement(args: dict[str, Any]) -> Response:
    """Write the own statement as JSON, CSV or PDF, with the proof of the wallet."""
    account, now_s = require_actor().account, get_clock().now_s()
    statement = statements.build_statement(
        account, start_s=args["start"], end_s=args["end"], now_s=now_s
    )
    if args["format"] == "csv":
        return _answer(statements.format_csv(statement), "csv")
    if args["proof"]:
        record_id = b"wallet/" + account.encode()
        _, proof = build_record_proof(get_services().chain, "loyalty", record_id)
        statement = {**statement, "proof": proof}
    document = statements.format_json(statement)
    if args["format"] == "json":
        return _answer(document, "json")
    return _answer(statements.format_pdf(statement, document, language=choose_language()), "pdf")


def _answer(content: bytes, kind: str) -> Response:
    name = {"Content-Disposition": f'attachment; filename="statement.{kind}"'}
    return Response(content, content_type=MEDIA[kind], headers=name)


@blp.get("/statistics")
@access(PUBLIC, objects="none", rule="no figure of fewer than five accounts and three shops")
@blp.arguments(StatisticsQuerySchema, location="query")
@blp.response(200, StatisticsSchema)
def get_statistics(args: dict[str, Any]) -> dict[str, Any]:
    """Count the town's points, day by day, without pointing at anybody."""
    return statistics.count_town(**_days(args), now_s=get_clock().now_s())


@blp.get("/shops/<slug:shop>/statistics")
@access("shop_owner", objects="named", rule=OWN_SHOP)
@blp.arguments(StatisticsQuerySchema, location="query")
@blp.response(200, StatisticsSchema)
def get_shop_statistics(args: dict[str, Any], shop: str) -> dict[str, Any]:
    """Count the own shop's points, day by day."""
    service.check_own_shop(shop, require_actor().bodies)
    return statistics.count_shop(shop, **_days(args), now_s=get_clock().now_s())


def _days(args: dict[str, Any]) -> dict[str, int]:
    return {name: (args[name] - EPOCH).days for name in ("first", "last")}
