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


class KeySchema(TownSchema):
    """A key of the account: its own one, or a second key with what it may sign and until when."""

    kid = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["own", "device"]))
    scopes = fields.List(fields.String(), required=True)
    expires_at = fields.Integer(required=True, metadata={"description": "unix seconds; 0: no end"})
    since_height = fields.Integer(required=True)


class KeysSchema(TownSchema):
    """The own key first, then the newest."""

    keys = fields.List(fields.Nested(KeySchema), required=True)


class NoticeQuerySchema(TownSchema):
    """From where on."""

    after = fields.Integer(
        load_default=0,
        validate=validate.Range(min=0, max=2**53 - 1),
        metadata={"description": "height of the last notice seen"},
    )


class NoticeSchema(TownSchema):
    """Something that every device of the account is told."""

    height = fields.Integer(required=True)
    at = fields.Integer(required=True, metadata={"description": "unix seconds"})
    kind = fields.String(required=True)
    kid = fields.String(required=True, metadata={"description": "the key concerned, or empty"})
    text = fields.String(required=True, metadata={"description": "in the reader's language"})


class NoticesSchema(TownSchema):
    """Oldest first; ask again from the last height while there are 50."""

    notices = fields.List(fields.Nested(NoticeSchema), required=True)


class DevicePreviewRequestSchema(TownSchema):
    """What a second key would be given."""

    scopes = fields.List(
        fields.String(validate=validate.OneOf(["contract", "pay", "trade", "veto"])),
        required=True,
        validate=validate.Length(min=1, max=4),
    )
    expires_at = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=0, max=253_402_300_799)
    )


class DevicePreviewSchema(TownSchema):
    """Whether the chain would take it, and what it means."""

    allowed = fields.Boolean(required=True)
    code = fields.String(required=True)
    latest_expiry = fields.Integer(required=True, metadata={"description": "unix seconds"})
    text = fields.String(required=True)
