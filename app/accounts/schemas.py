"""Shapes of accounts."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

DOMAINS = ["loyalty", "sel", "energy"]
"""An identity's account enters by a batch of attestations, never by a ticket."""


class TicketRequestSchema(TownSchema):
    """For which service; the key is the one that logged in."""

    domain = fields.String(required=True, validate=validate.OneOf(DOMAINS))
    kid = fields.String(
        validate=validate.Regexp(r"^[A-Za-z0-9_-]{43}$"),
        metadata={"description": "if given, must be the thumbprint of the key that logged in"},
    )


class TicketSchema(TownSchema):
    """JWS of type beffroi-ticket, to be put into an `account.open` before it expires."""

    ticket = fields.String(required=True)
    expires = fields.Integer(required=True, metadata={"description": "unix seconds"})


class AccountSchema(TownSchema):
    """The holder's own account."""

    id = fields.String(required=True)
    domain = fields.String(required=True)
    kid = fields.String(required=True, metadata={"description": "thumbprint of the present key"})
    status = fields.String(required=True)
    opened_height = fields.Integer(required=True)
