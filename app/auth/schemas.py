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
    """Sign `beffroi-login-2\\n{audience}\\n{kid}\\n{jkt}\\n{challenge}\\n` within `expires_in` seconds.

    `jkt` is the thumbprint of the key of the DPoP proof that goes with the answer; its nonce is the challenge.
    """

    challenge = fields.String(required=True)
    audience = fields.String(required=True)
    expires_in = fields.Integer(required=True)


class TokenRequestSchema(TownSchema):
    """The key, its challenge, and the signature in base64url."""

    key = fields.Nested(JwkSchema, required=True)
    challenge = fields.String(required=True, validate=COORDINATE)
    signature = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_-]{86}$"))


class TokenSchema(TownSchema):
    """A pair of tokens (RFC 6749, 9449); `scope` is what the key is on the chain now."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, validate=validate.OneOf(["DPoP"]))
    expires_in = fields.Integer(required=True, metadata={"description": "of the access token, s"})
    refresh_token = fields.String(required=True)
    session = fields.String(required=True)
    session_expires_at = fields.Integer(required=True, metadata={"description": "unix seconds"})
    scope = fields.String(required=True)


class RefreshRequestSchema(TownSchema):
    """The newest refresh token of a session; it serves once."""

    refresh_token = fields.String(required=True, validate=validate.Length(min=1, max=100))


class SessionSchema(TownSchema):
    """An open session; times in unix seconds."""

    id = fields.String(required=True)
    started_at = fields.Integer(required=True)
    rotated_at = fields.Integer(required=True, metadata={"description": "last renewal"})
    expires_at = fields.Integer(required=True)
    scope = fields.String(required=True)
    is_current = fields.Boolean(required=True)


class SessionsSchema(TownSchema):
    """Where the own account or role is logged in."""

    sessions = fields.List(fields.Nested(SessionSchema), required=True)


class EndedSchema(TownSchema):
    """How many sessions were closed."""

    ended = fields.Integer(required=True)


class JwksSchema(TownSchema):
    """RFC 7517 key set."""

    keys = fields.List(fields.Dict(keys=fields.String(), values=fields.String()), required=True)
