"""Routes of days: files in, drafts to sign, what is published, own curves and rows, the grid operator's files."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

import msgspec
from flask import Response, request

from app.city.service import find_live_role
from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint
from app.core.codes import AUTH_SCOPE_MISSING, NOT_FOUND, REQUEST_INVALID
from app.core.context import get_clock, get_config, get_services, require_actor
from app.core.problems import Problem, choose_language
from app.core.proofs import build_record_proof
from app.core.town_status import read_town_status
from app.energy import charts, days, exporting, members, months, opening, readings
from app.energy.api import MANAGED
from app.energy.month import parse_day
from app.energy.routes import ADAPTER, MEMBER, PMO, WITNESS
from app.energy.schemas import (
    EnergyCoefficientsSchema,
    EnergyCurveQuerySchema,
    EnergyCurveSchema,
    EnergyDaySchema,
    EnergyDaysSchema,
    EnergyDraftSchema,
    EnergyEvidenceRequestSchema,
    EnergyImportedSchema,
    EnergyImportRequestSchema,
    EnergyMemberCurveQuerySchema,
    EnergyOpeningsSchema,
    EnergyOwnQuerySchema,
    EnergyProofQuerySchema,
    EnergyReconciledSchema,
    EnergyReconcileRequestSchema,
    EnergySealedDaySchema,
    EnergySpanQuerySchema,
)

METERED: Final = "operations that a body of the caller meters"
BODY_BYTES_MAX: Final = 8 * 1_024 * 1_024
"""A month of quarter hours of some twenty points, as JSON inside JSON; larger operations send several requests."""
SVG: Final = {"type": "string", "format": "binary"}
blp = TownBlueprint("energy-days", __name__, url_prefix="/v1/energy", description="Days of energy")
P = ParamSpec("P")
T = TypeVar("T")


def takes_files(view: Callable[P, T]) -> Callable[P, T]:
    """Let a request hold meter files; below `access`, so that only who may send them is read so far."""

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        request.max_content_length = BODY_BYTES_MAX
        return view(*args, **kwargs)

    return wrapper


def read_households_min() -> int:
    """How many households must hide each other, by the town's parameter."""
    return read_town_status(get_services().chain).params["energy_sums_min_consumers"]


def check_span(first: str, last: str) -> None:
    """Days of the calendar, in order, a month at most."""
    try:
        count = parse_day(last) - parse_day(first) + 1
    except ValueError as error:
        raise Problem(REQUEST_INVALID, "no day of the calendar") from error
    if not 1 <= count <= days.DAYS_MAX:
        raise Problem(REQUEST_INVALID, f"1 to {days.DAYS_MAX} days")


# --- files and drafts ------------------------------------------------------------------------------


@blp.post("/operations/<slug:operation>/imports")
@access(*ADAPTER, objects="named", rule=METERED)
@takes_files
@blp.arguments(EnergyImportRequestSchema)
@blp.response(200, EnergyImportedSchema)
def import_files(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Take meter files into the operation, all of them or none."""
    actor = require_actor()
    own = members.get_metered_operation(operation, actor.bodies)
    convention, _ = members.find_convention(operation)
    return readings.import_files(
        get_config(),
        own,
        [readings.Upload(**file) for file in args["files"]],
        rule=convention.missing,
        is_correction=args["is_correction"],
        by=actor.kid,
        now_s=get_clock().now_s(),
    )


@blp.post("/operations/<slug:operation>/days/<day:day>/readings-drafts")
@access(*ADAPTER, objects="named", rule=METERED)
@blp.response(200, EnergyDraftSchema)
def draft_readings(operation: str, day: str) -> dict[str, Any]:
    """Work out the roots of a day's readings, for the meter adapter to sign."""
    own = members.get_metered_operation(operation, require_actor().bodies)
    check_span(day, day)
    return describe_draft(days.draft_readings(get_config(), own, day), {})


@blp.post("/operations/<slug:operation>/days/<day:day>/allocation-drafts")
@access(*PMO, objects="named", rule=MANAGED)
@blp.arguments(EnergyEvidenceRequestSchema)
@blp.response(200, EnergyDraftSchema)
def draft_allocation(args: dict[str, Any], operation: str, day: str) -> dict[str, Any]:
    """Share a day by the key in force, for the operation's manager to sign."""
    own = members.get_own_operation(operation, require_actor().bodies)
    check_span(day, day)
    message = days.draft_allocation(
        get_config(),
        own,
        day,
        evidence=args["evidence"],
        households_min=read_households_min(),
    )
    return describe_draft(message, {})


def describe_draft(message: Any, said: dict[str, Any]) -> dict[str, Any]:
    """A message as it is signed; defaults are left out where its canonical form leaves them out."""
    return {"type": message.TYPE, "body": msgspec.to_builtins(message), "said": said}


@blp.get("/operations/<slug:operation>/days/<day:day>/sealed")
@access(
    *WITNESS,
    *PMO,
    objects="named",
    rule="the own operation; for a witness any other body's, by members' consent",
)
@blp.response(200, EnergySealedDaySchema)
def get_sealed_day(operation: str, day: str) -> dict[str, Any]:
    """Hand a whole day to a witness or the own manager, sealed to the key that asks."""
    actor = require_actor()
    found = members.get_operation(operation)
    if "energy_witness" not in actor.scopes and found.pmo not in actor.bodies:
        raise Problem(NOT_FOUND)
    check_span(day, day)
    role = find_live_role(actor.kid, get_clock().now_s())
    if role is None:
        raise Problem(AUTH_SCOPE_MISSING)
    return days.seal_day(get_config(), found, day, jwk=json.loads(role.jwk), bodies=actor.bodies)


# --- what is published -------------------------------------------------------------------------------


@blp.get("/operations/<slug:operation>/days")
@access(PUBLIC, objects="none", rule="roots, and sums of enough households")
@blp.arguments(EnergySpanQuerySchema, location="query")
@blp.response(200, EnergyDaysSchema)
def get_days(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """List published days."""
    check_span(args["first"], args["last"])
    return {"days": days.list_days(operation, args["first"], args["last"])}


@blp.get("/operations/<slug:operation>/days/<day:day>")
@access(PUBLIC, objects="none", rule="roots, and sums of enough households")
@blp.arguments(EnergyProofQuerySchema, location="query")
@blp.response(200, EnergyDaySchema)
def get_day(args: dict[str, Any], operation: str, day: str) -> dict[str, Any]:
    """Show a published day, on demand with the chain's proof of its record."""
    described = days.describe_day(days.find_day(operation, day))
    if args["proof"]:
        record_id = f"day/{operation}/{day}".encode()
        _, described["proof"] = build_record_proof(get_services().chain, "energy", record_id)
    return described


@blp.get("/operations/<slug:operation>/days/<day:day>/chart")
@access(PUBLIC, objects="none", rule="published sums of enough households alone")
@blp.response(200, SVG, content_type="image/svg+xml")
def get_day_chart(operation: str, day: str) -> Response:
    """Draw a published day from its published sums."""
    own = members.get_operation(operation)
    check_span(day, day)
    curve = days.draw_published(own, day)
    return svg(charts.draw_day(curve, choose_language()))


def svg(text: str) -> Response:
    """A picture on its way."""
    return Response(text, content_type="image/svg+xml; charset=utf-8")


# --- own rows and curves -----------------------------------------------------------------------------


@blp.get("/days/me")
@access(*MEMBER, objects="self", rule="rows of the account of the key that logged in")
@blp.arguments(EnergyOwnQuerySchema, location="query")
@blp.response(200, EnergyOpeningsSchema)
def get_own_rows(args: dict[str, Any]) -> dict[str, Any]:
    """Open the own rows of a published day: each with salt and path under its step's root."""
    found = members.get_operation(args["operation"])
    check_span(args["day"], args["day"])
    return opening.own_openings(
        get_config(), found, args["day"], require_actor().account, read_households_min()
    )


@blp.get("/curves/me")
@access(*MEMBER, objects="self", rule="curves of the account of the key that logged in")
@blp.arguments(EnergyCurveQuerySchema, location="query")
@blp.response(200, EnergyCurveSchema)
def get_own_curve(args: dict[str, Any]) -> dict[str, Any]:
    """Show what the own points metered and shared, by step or by day."""
    found = members.get_operation(args["operation"])
    check_span(args["first"], args["last"])
    rows = days.own_curve(
        get_config(),
        found,
        require_actor().account,
        args["first"],
        args["last"],
        by_day=args["by"] == "day",
    )
    return {"by": args["by"], "rows": rows}


@blp.get("/curves/me/chart")
@access(*MEMBER, objects="self", rule="curves of the account of the key that logged in")
@blp.arguments(EnergyOwnQuerySchema, location="query")
@blp.response(200, SVG, content_type="image/svg+xml")
def get_own_chart(args: dict[str, Any]) -> Response:
    """Draw the own day."""
    found = members.get_operation(args["operation"])
    check_span(args["day"], args["day"])
    curve = days.draw_own(get_config(), found, require_actor().account, args["day"])
    return svg(charts.draw_day(curve, choose_language()))


@blp.get("/savings/me/chart")
@access(*MEMBER, objects="self", rule="statements of the account of the key that logged in")
@blp.arguments(EnergyOwnQuerySchema(only=("operation",)), location="query")
@blp.response(200, SVG, content_type="image/svg+xml")
def get_savings_chart(args: dict[str, Any]) -> Response:
    """Draw what sharing saved or earned, month by month."""
    found = months.list_savings(get_config(), args["operation"], require_actor().account)
    return svg(charts.draw_savings(found, choose_language()))


@blp.get("/operations/<slug:operation>/curves")
@access(*PMO, objects="named", rule=MANAGED)
@blp.arguments(EnergyMemberCurveQuerySchema, location="query")
@blp.response(200, EnergyCurveSchema)
def get_member_curve(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Show a member's curve by step with the member's consent, else sums of days."""
    own = members.get_own_operation(operation, require_actor().bodies)
    check_span(args["first"], args["last"])
    by_day = not days.may_see_steps(operation, args["account"])
    rows = days.own_curve(
        get_config(), own, args["account"], args["first"], args["last"], by_day=by_day
    )
    return {"by": "day" if by_day else "step", "rows": rows}


# --- the grid operator -------------------------------------------------------------------------------


@blp.post("/operations/<slug:operation>/coefficients")
@access(*PMO, objects="named", rule=MANAGED)
@blp.arguments(EnergySpanQuerySchema)
@blp.response(200, EnergyCoefficientsSchema)
def export_coefficients(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Write the coefficients of published days, one file per producer, and predict the operator's result."""
    own = members.get_own_operation(operation, require_actor().bodies)
    check_span(args["first"], args["last"])
    return exporting.export_coefficients(
        get_config(), own, args["first"], args["last"], households_min=read_households_min()
    )


@blp.post("/operations/<slug:operation>/reconciliations")
@access(*PMO, objects="named", rule=MANAGED)
@takes_files
@blp.arguments(EnergyReconcileRequestSchema)
@blp.response(200, EnergyReconciledSchema)
def reconcile(args: dict[str, Any], operation: str) -> dict[str, Any]:
    """Compare the grid operator's result with published days; his figures prevail beyond the tolerance."""
    own = members.get_own_operation(operation, require_actor().bodies)
    check_span(args["first"], args["last"])
    return exporting.reconcile(get_config(), own, args, now_s=get_clock().now_s())
