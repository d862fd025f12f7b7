"""Shapes of the electoral axis, the three axes and the policies."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema


class StationSchema(TownSchema):
    """A polling station of the newest import."""

    station = fields.String(required=True)
    imported = fields.Integer(required=True, metadata={"description": "electors in the extract"})
    enrolled = fields.Integer(
        required=True, metadata={"description": "identities found, at most as many"}
    )


class RegisterSchema(TownSchema):
    """The newest import of the electoral register; serial 0 before the first."""

    serial = fields.Integer(required=True)
    body = fields.String(required=True)
    root = fields.String(
        required=True, metadata={"description": "salted commitment to the extract"}
    )
    expires_month = fields.String(required=True)
    stations = fields.List(fields.Nested(StationSchema), required=True)


class AxisSchema(TownSchema):
    """One axis now: 0 when nothing counts; `expires_month` is the last month that counts."""

    level = fields.Integer(required=True)
    method = fields.String(required=True)
    expires_month = fields.String(required=True)


class ElectoralAxisSchema(AxisSchema):
    """The electoral axis also names the station."""

    station = fields.String(required=True)


class VerdictSchema(TownSchema):
    """Whether a policy lets this person in, else on which axes it asks for more."""

    name = fields.String(required=True)
    allowed = fields.Boolean(required=True)
    unmet = fields.List(
        fields.String(validate=validate.OneOf(["identity", "residence", "electoral", "age_years"])),
        required=True,
    )


class AxesSchema(TownSchema):
    """The own three axes, and what they open."""

    identity = fields.Nested(AxisSchema, required=True)
    residence = fields.Nested(AxisSchema, required=True)
    electoral = fields.Nested(ElectoralAxisSchema, required=True)
    policies = fields.List(fields.Nested(VerdictSchema), required=True)


class PolicySchema(TownSchema):
    """What one use of the town asks: least levels and age; 0 asks nothing."""

    name = fields.String(required=True)
    identity = fields.Integer(required=True)
    residence = fields.Integer(required=True)
    electoral = fields.Integer(required=True)
    age_years = fields.Integer(required=True)


class PoliciesSchema(TownSchema):
    """All policies of the town."""

    policies = fields.List(fields.Nested(PolicySchema), required=True)
