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


class ValidatorSchema(TownSchema):
    """A validator: the key that signs blocks, who runs it, with what power."""

    body = fields.String(required=True)
    pub_key = fields.String(required=True, metadata={"description": "raw Ed25519 key, base64url"})
    power = fields.Integer(required=True, metadata={"description": "0 once it left"})
    status = fields.String(
        required=True,
        metadata={
            "description": "active; marked: punished, works until the council replaces it; "
            "tombstoned: punished for ever; left"
        },
    )
    since_height = fields.Integer(required=True)


class ValidatorsSchema(TownSchema):
    """All validators, present and past."""

    validators = fields.List(fields.Nested(ValidatorSchema), required=True)


class MisbehaviourSchema(TownSchema):
    """A proven offence: a validator signed two different things."""

    body = fields.String(required=True)
    pub_key = fields.String(required=True)
    offence = fields.String(
        required=True, validate=validate.OneOf(("duplicate_vote", "light_client_attack"))
    )
    height = fields.Integer(required=True, metadata={"description": "at which it happened"})
    time_s = fields.Integer(required=True, metadata={"description": "unix seconds of that block"})
    power = fields.Integer(required=True)
    total_power = fields.Integer(required=True)
    committed_height = fields.Integer(
        required=True, metadata={"description": "of the block that carries the proof"}
    )
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(("removed", "marked", "barred")),
        metadata={
            "description": "removed: its power ends two heights later; marked: too few would "
            "remain, the council replaces it; barred: it had left, its key never comes back"
        },
    )


class MisbehavioursSchema(TownSchema):
    """The newest proven offences, newest first."""

    misbehaviour = fields.List(fields.Nested(MisbehaviourSchema), required=True)


class ActSchema(TownSchema):
    """One act of the council."""

    transaction = fields.String(required=True)
    act = fields.String(required=True)
    content = fields.Dict(required=True)
    decided_height = fields.Integer(required=True)
    in_force_height = fields.Integer(required=True, metadata={"description": "0 until in force"})
