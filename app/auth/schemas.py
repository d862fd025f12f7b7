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
    needs_factor = fields.Boolean(
        required=True, metadata={"description": "an agent's key: show a second factor next"}
    )


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


class PasskeyOptionsSchema(TownSchema):
    """What a browser's `navigator.credentials` takes, in its JSON form (WebAuthn level 3 §5.1.8)."""

    options = fields.Dict(required=True)


class AssertionRequestSchema(TownSchema):
    """A passkey's answer: the JSON of PublicKeyCredential."""

    credential = fields.Dict(keys=fields.String(), required=True)


class RegistrationRequestSchema(AssertionRequestSchema):
    """A new passkey: the JSON of PublicKeyCredential."""


class OneTimeCodeRequestSchema(TownSchema):
    """Six digits of RFC 6238."""

    code = fields.String(required=True, validate=validate.Regexp(r"^[0-9]{6}\Z"))


class FactorEnrolmentSchema(TownSchema):
    """The one-use code of the supervisor; empty within a session that has just shown a factor."""

    code = fields.String(load_default="", validate=validate.Length(max=64))


class FactorCodeSchema(TownSchema):
    """Leave to enrol one factor; give it from hand to hand."""

    code = fields.String(required=True)
    expires_at = fields.Integer(required=True, metadata={"description": "unix seconds"})


class FactorIdSchema(TownSchema):
    """An enrolled factor."""

    id = fields.String(required=True)


class OneTimeSecretSchema(TownSchema):
    """The secret of an app with one-time codes; never shown again."""

    id = fields.String(required=True)
    secret = fields.String(required=True)
    uri = fields.String(required=True, metadata={"description": "otpauth, to draw as a QR"})


class FactorSchema(TownSchema):
    """A second factor; times in unix seconds, 0 when not used yet."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["passkey", "otp"]))
    device_type = fields.String(required=True)
    is_backed_up = fields.Boolean(required=True)
    created_at = fields.Integer(required=True)
    used_at = fields.Integer(required=True)


class FactorsSchema(TownSchema):
    """The own factors."""

    factors = fields.List(fields.Nested(FactorSchema), required=True)


class DevicePendingSchema(TownSchema):
    """RFC 8628 §3.2: show `user_code`, poll with `device_code` every `interval` seconds."""

    device_code = fields.String(required=True)
    user_code = fields.String(required=True)
    expires_in = fields.Integer(required=True)
    interval = fields.Integer(required=True)


class DeviceCodeRequestSchema(TownSchema):
    """The code to poll with."""

    device_code = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_-]{43}\Z"))


class UserCodeRequestSchema(TownSchema):
    """The eight letters on the till's screen, and for a decision what it is."""

    user_code = fields.String(required=True, validate=validate.Length(min=8, max=12))
    is_approved = fields.Boolean(load_default=True, truthy={True}, falsy={False})


class AskingDeviceSchema(TownSchema):
    """Which till asks."""

    till = fields.String(required=True, metadata={"description": "thumbprint of its role key"})
    shop = fields.String(required=True)
    expires_at = fields.Integer(required=True, metadata={"description": "unix seconds"})


class JwksSchema(TownSchema):
    """RFC 7517 key set."""

    keys = fields.List(fields.Dict(keys=fields.String(), values=fields.String()), required=True)
