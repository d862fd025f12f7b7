"""Shapes of the audit window; headers, commits and validators are spelled as CometBFT's RPC spells them."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

PAGE_MAX = 100
HEIGHT_MAX = 2**53 - 1


class HeaderAnswerSchema(TownSchema):
    """A verified header and its hash."""

    height = fields.Integer(required=True)
    hash = fields.String(required=True, metadata={"description": "hex"})
    header = fields.Dict(required=True, keys=fields.String())


class CommitAnswerSchema(TownSchema):
    """The commit that the next block carries for a height."""

    height = fields.Integer(required=True)
    commit = fields.Dict(required=True, keys=fields.String())


class ValidatorsAnswerSchema(TownSchema):
    """The validators that decided a height."""

    height = fields.Integer(required=True)
    hash = fields.String(required=True, metadata={"description": "hex"})
    validators = fields.List(fields.Dict(keys=fields.String()), required=True)


class CheckpointSchema(TownSchema):
    """What a verifier may start from; compare it with other bodies' before trusting it. Hashes are base64url."""

    format = fields.String(required=True, validate=validate.OneOf(["beffroi-checkpoint-1"]))
    chain_id = fields.String(required=True)
    height = fields.Integer(required=True)
    time = fields.String(required=True, metadata={"description": "RFC 3339, UTC"})
    header_hash = fields.String(required=True)
    validators_hash = fields.String(required=True)
    next_validators_hash = fields.String(required=True)


class RootsQuerySchema(TownSchema):
    """A page, newest first."""

    below = fields.Integer(load_default=HEIGHT_MAX, validate=validate.Range(min=1, max=HEIGHT_MAX))
    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=PAGE_MAX))


class RootSchema(TownSchema):
    """The roots one verified header carries; `app_hash` is the state after the height before."""

    height = fields.Integer(required=True)
    time = fields.Integer(required=True, metadata={"description": "unix seconds"})
    header_hash = fields.String(required=True)
    app_hash = fields.String(required=True)
    data_hash = fields.String(required=True)
    last_results_hash = fields.String(required=True)
    transactions = fields.Integer(required=True)


class RootsSchema(TownSchema):
    """A page of roots."""

    roots = fields.List(fields.Nested(RootSchema), required=True)
    next_below = fields.Integer(required=True, metadata={"description": "0 at the end"})
