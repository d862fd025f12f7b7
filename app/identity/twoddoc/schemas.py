"""Shapes of 2D-Doc verification."""

from marshmallow import ValidationError, fields, validate, validates_schema

from app.core.blueprint import TownSchema
from app.identity.twoddoc.code import CODE_CHARS_MAX
from app.identity.twoddoc.picture import PICTURE_BYTES_MAX
from app.identity.twoddoc.residence import KINDS


class ResidenceRequestSchema(TownSchema):
    """A code as scanned, or a picture of it; and whose name it should carry."""

    text = fields.String(
        validate=validate.Length(min=1, max=CODE_CHARS_MAX),
        metadata={"description": "the Data Matrix's text with its control characters"},
    )
    picture = fields.String(
        validate=[
            validate.Length(min=1, max=PICTURE_BYTES_MAX * 4 // 3 + 4),
            validate.Regexp(r"^[A-Za-z0-9+/]+={0,2}$"),
        ],
        metadata={"description": "PNG or JPEG in base64, cropped to the code"},
    )
    family_names = fields.List(
        fields.String(validate=validate.Length(min=1, max=100)),
        required=True,
        validate=validate.Length(min=1, max=2),
        metadata={"description": "family name, and usage name where there is one"},
    )
    given_names = fields.List(
        fields.String(validate=validate.Length(min=1, max=100)),
        required=True,
        validate=validate.Length(min=1, max=10),
    )

    @validates_schema
    def check_one(self, data, **_more) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003
        """Exactly one of text and picture."""
        if ("text" in data) == ("picture" in data):
            raise ValidationError("either text or picture")


class ResidenceSchema(TownSchema):
    """A genuine, recent proof of residence of this town."""

    kind = fields.String(required=True, validate=validate.OneOf(sorted(KINDS.values())))
    issued_on = fields.Date(required=True)
    names = fields.List(fields.String(), required=True)
    address = fields.String(required=True)
    postcode = fields.String(required=True)
    city = fields.String(required=True)
    name_matches = fields.Boolean(
        required=True, metadata={"description": "false: compare by eye (married name, initials)"}
    )
    cut_short = fields.Boolean(required=True)
    level_residence = fields.Integer(
        required=True, metadata={"description": "2 when the name matches, else 0 until decided"}
    )
