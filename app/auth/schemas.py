"""Shapes of login."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

COORDINATE = validate.Regexp(r"^[A-Za-z0-9_-]{43}$")


class JwkSchema(TownSchema):
    """A public key: OKP/Ed25519 with x, or EC/P-256 with x and y."""

    kty = fields.String(required=True, validate=validate.OneOf(["OKP", "EC"]))
    crv = fields.String(required=True, validate=validate.OneOf(["Ed25519", "P-256"]))
    x = fields.String(required=True, validate=COORDINATE)
    y = fields.String(validate=COORDINATE)


class ChallengeRequestSchema(TownSchema):
    """For which key."""

    key = fields.Nested(JwkSchema, required=True)


class ChallengeSchema(TownSchema):
    """Sign `beffroi-login-1\\n{audience}\\n{kid}\\n{challenge}\\n` with the key, within `expires_in` seconds."""

    challenge = fields.String(required=True)
    audience = fields.String(required=True)
    expires_in = fields.Integer(required=True)


class TokenRequestSchema(TownSchema):
    """The key, its challenge, and the signature in base64url."""

    key = fields.Nested(JwkSchema, required=True)
    challenge = fields.String(required=True, validate=COORDINATE)
    signature = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_-]{86}$"))


class TokenSchema(TownSchema):
    """An access token (RFC 6750); `scope` is what the key is on the chain now."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True)
    scope = fields.String(required=True)


class JwksSchema(TownSchema):
    """RFC 7517 key set."""

    keys = fields.List(fields.Dict(keys=fields.String(), values=fields.String()), required=True)
