"""Shapes of the city."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

PAGE_MAX = 200


class BodySchema(TownSchema):
    """A body of the town with its council seat."""

    body = fields.String(required=True)
    name = fields.String(required=True)
    seat_kid = fields.String(required=True)
    joined_height = fields.Integer(required=True)


class BodiesSchema(TownSchema):
    """All bodies."""

    bodies = fields.List(fields.Nested(BodySchema), required=True)


class RoleSchema(TownSchema):
    """A role key of a body; keys, not people."""

    kid = fields.String(required=True)
    role = fields.String(required=True)
    holder = fields.String(required=True)
    expires = fields.Integer(required=True)
    revoked_since = fields.Integer(required=True, metadata={"description": "0 while it lives"})


class PageQuerySchema(TownSchema):
    """A page of a list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=PAGE_MAX))
    cursor = fields.String(load_default="", validate=validate.Regexp(r"^[A-Za-z0-9_-]{0,43}$"))


class RolesSchema(TownSchema):
    """A page of role keys."""

    roles = fields.List(fields.Nested(RoleSchema), required=True)
    next_cursor = fields.String(required=True, metadata={"description": "empty at the end"})


class ActSchema(TownSchema):
    """One act of the council."""

    transaction = fields.String(required=True)
    act = fields.String(required=True)
    content = fields.Dict(required=True)
    decided_height = fields.Integer(required=True)
    in_force_height = fields.Integer(required=True, metadata={"description": "0 until in force"})
