"""Routes of QR pictures and of shops' printed codes."""

from typing import Any, Final

from flask import Response, redirect
from marshmallow import fields, validate

from app.core.access import PUBLIC, access
from app.core.blueprint import TownBlueprint, TownSchema
from app.core.codes import NOT_FOUND
from app.core.context import get_clock, get_config
from app.core.problems import Problem
from app.loyalty import service
from app.loyalty.api import read_chain_id
from app.loyalty.pictures import (
    LEVELS,
    compute_poster,
    day_text,
    draw,
    find_poster,
    poster_text,
)
from chain.codec.bf1 import MalformedCode
from chain.codec.bf1_any import parse_any
from chain.types.codes import QR_MALFORMED

blp = TownBlueprint("pictures", __name__, url_prefix="/v1/loyalty", description="QR pictures")
short = TownBlueprint("posters", __name__, url_prefix="/P", description="Links of printed codes")

MEDIA: Final = {"png": "image/png", "svg": "image/svg+xml"}
FORMATS: Final = list(MEDIA)
IMAGE: Final = {"type": "string", "format": "binary"}
SCALE_MAX: Final = 32


class PictureQuerySchema(TownSchema):
    """How to draw: PNG or SVG, and pixels per module."""

    format = fields.String(load_default="svg", validate=validate.OneOf(FORMATS))
    scale = fields.Integer(load_default=8, validate=validate.Range(min=1, max=SCALE_MAX))


class PictureRequestSchema(PictureQuerySchema):
    """A `BF1:` code of any kind and where it will be seen; nothing of it is kept."""

    text = fields.String(required=True, validate=validate.Length(min=10, max=400))
    use = fields.String(load_default="screen", validate=validate.OneOf(list(LEVELS)))


class PosterSchema(TownSchema):
    """The shop a printed code names, by its registered name."""

    shop = fields.String(required=True)
    name = fields.String(required=True)
    day = fields.String(required=True, metadata={"description": "the day the code is for, UTC"})


@blp.post("/pictures")
@access(
    "citizen:loyalty",
    "till",
    "shop_owner",
    "operator",
    objects="none",
    rule="draws what it is given and keeps nothing",
)
@blp.arguments(PictureRequestSchema)
@blp.response(200, IMAGE, content_type="image/svg+xml")
def create_picture(args: dict[str, Any]) -> Response:
    """Draw a code: level M for screens, Q for paper, H for posters."""
    try:
        parse_any(args["text"])
    except MalformedCode as error:
        raise Problem(QR_MALFORMED, str(error.flaw)) from error
    return _answer(args["text"], args["use"], args)


@blp.get("/shops/<slug:shop>/poster")
@access(PUBLIC, objects="none", rule="printed codes hang in public")
@blp.arguments(PictureQuerySchema, location="query")
@blp.response(200, IMAGE, content_type="image/svg+xml")
def get_poster(args: dict[str, Any], shop: str) -> Response:
    """Draw today's printed code of a shop."""
    if shop not in {row.shop for row in service.list_shops()}:
        raise Problem(NOT_FOUND)
    today = get_clock().now_s() // 86_400
    poster = compute_poster(read_chain_id(), shop, today)
    return _answer(poster_text(get_config().public_url, poster), "poster", args)


def _answer(text: str, use: str, args: dict[str, Any]) -> Response:
    picture = draw(text, use=use, kind=args["format"], scale=args["scale"])
    return Response(picture, mimetype=MEDIA[args["format"]])


@blp.get("/posters/<printed:poster>")
@access(PUBLIC, objects="none", rule="printed codes hang in public")
@blp.response(200, PosterSchema)
def resolve_poster(poster: str) -> dict[str, Any]:
    """Tell which shop a printed code names today."""
    names = {row.shop: row.name for row in service.list_shops()}
    found = find_poster(poster, read_chain_id(), names, now_s=get_clock().now_s())
    if found is None:
        raise Problem(NOT_FOUND, "unknown, or the code of another day")
    shop, day = found
    return {"shop": shop, "name": names[shop], "day": day_text(day)}


@short.get("/<printed:poster>")
@access(PUBLIC, objects="none", rule="printed codes hang in public")
@short.response(303)
def follow_poster(poster: str) -> Any:
    """Send a camera that read a printed code to what it names."""
    return redirect(f"/v1/loyalty/posters/{poster}", code=303)
