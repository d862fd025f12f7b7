"""Shapes of the federated login routes."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema
from app.identity.duplicates import LIKENESS_REASONS, RETURNED
from app.identity.schemas import AttestationFieldsSchema

RANDOM = validate.Regexp(r"^[A-Za-z0-9_-]{43}$")
VISIBLE = r"^[\x21-\x7e]{1,%d}$"


class EnrolmentLoginSchema(TownSchema):
    """Which open enrolment the login is to fill."""

    enrolment = fields.String(required=True, validate=validate.Regexp(r"^[A-Za-z0-9_-]{22}$"))


class LoginSchema(TownSchema):
    """A login begun: the secret stays in the app, the browser goes to the address."""

    secret = fields.String(
        required=True, metadata={"description": "32 bytes; never leaves the app"}
    )
    authorization_url = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})


class CompletionRequestSchema(TownSchema):
    """The provider's answer as the browser brought it to the app, and the app's secret."""

    secret = fields.String(required=True, validate=RANDOM)
    state = fields.String(required=True, validate=RANDOM)
    code = fields.String(validate=validate.Regexp(VISIBLE % 2_048))
    iss = fields.String(validate=validate.Regexp(VISIBLE % 512))
    error = fields.String(validate=validate.Regexp(r"^[a-z_]{1,64}$"))


class CompletionSchema(TownSchema):
    """What the login led to: `drafted` waits for an agent's signature."""

    outcome = fields.String(
        required=True, validate=validate.OneOf(["drafted", "linked", "agent_admitted"])
    )
    level_identity = fields.Integer(required=True)
    valid_until = fields.Integer(
        required=True, metadata={"description": "unix seconds; 0 where nothing runs out"}
    )


class SecretSchema(TownSchema):
    """The secret of a finished login."""

    secret = fields.String(required=True, validate=RANDOM)


class LogoutSchema(TownSchema):
    """Where the browser ends the provider's session."""

    logout_url = fields.String(required=True)


class FederationLinkSchema(TownSchema):
    """A login linked to the own identity."""

    provider = fields.String(required=True)
    acr = fields.String(required=True)
    linked_at = fields.Integer(required=True)


class FederationLinksSchema(TownSchema):
    """All logins linked to the own identity."""

    links = fields.List(fields.Nested(FederationLinkSchema), required=True)


class FederatedDraftSchema(TownSchema):
    """A vouched-for enrolment that waits for an agent; nothing civil."""

    enrolment = fields.String(required=True)
    provider = fields.String(required=True)
    acr = fields.String(required=True)
    at = fields.Integer(required=True)
    similar = fields.List(
        fields.String(), required=True, metadata={"description": "indices that met: loose, swap"}
    )


class FederatedDraftsSchema(TownSchema):
    """What waits, oldest first."""

    drafts = fields.List(fields.Nested(FederatedDraftSchema), required=True)


class ClaimRequestSchema(TownSchema):
    """The agent's decision where a similar file exists."""

    duplicate_reason = fields.String(
        load_default="",
        validate=validate.OneOf(["", *LIKENESS_REASONS, RETURNED]),
    )


class ClaimSchema(TownSchema):
    """The attestation to sign, as from the desk."""

    cid = fields.String(required=True)
    attestation = fields.Nested(AttestationFieldsSchema, required=True)


class AgentAccessSchema(TownSchema):
    """Which professional account may speak for which agent's key."""

    kid = fields.String(required=True, validate=RANDOM)
    idp_id = fields.String(required=True, validate=validate.Length(min=1, max=200))
    uid = fields.String(required=True, validate=validate.Length(min=1, max=200))


class AgentKeySchema(TownSchema):
    """An agent's key."""

    kid = fields.String(required=True, validate=RANDOM)


class DoneSchema(TownSchema):
    """It is done."""

    done = fields.Boolean(required=True)
