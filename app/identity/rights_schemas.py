"""Shapes of the routes of the citizen's rights."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema
from app.identity.rights import ERASURE, OUTCOMES, RECTIFICATION
from app.identity.schemas import CivilSchema, DeskEntrySchema, DraftRequestSchema, OwnIdentitySchema


class WantedSchema(TownSchema):
    """Which fields should read how; empty for an erasure."""

    family_name = fields.String(validate=validate.Length(max=100))
    given_names = fields.List(
        fields.String(validate=validate.Length(min=1, max=100)), validate=validate.Length(max=10)
    )
    birthdate = fields.String(validate=validate.Length(max=10))
    birthplace = fields.String(validate=validate.Length(max=5))
    birthcountry = fields.String(validate=validate.Length(max=5))
    usage_name = fields.String(validate=validate.Length(max=100))
    address = fields.String(validate=validate.Length(max=300))


class RightsRequestSchema(TownSchema):
    """A right that is called upon."""

    kind = fields.String(required=True, validate=validate.OneOf([RECTIFICATION, ERASURE]))
    wanted = fields.Nested(WantedSchema, load_default=dict)


class RequestSchema(TownSchema):
    """Where a request stands."""

    id = fields.String(required=True, metadata={"description": "empty when it was done at once"})
    kind = fields.String(required=True)
    wanted = fields.Nested(WantedSchema, required=True)
    asked_at = fields.Integer(required=True)
    due_at = fields.Integer(required=True, metadata={"description": "the town answers by then"})
    outcome = fields.String(required=True, validate=validate.OneOf(["", *OUTCOMES]))
    closed_at = fields.Integer(required=True)
    complete_at = fields.Integer(
        required=True,
        metadata={"description": "when the last backup is gone; 0 unless it was an erasure"},
    )


class RequestsSchema(TownSchema):
    """The own requests."""

    requests = fields.List(fields.Nested(RequestSchema), required=True)


class DeskRequestSchema(RequestSchema):
    """A request as the desk sees it."""

    cid = fields.String(required=True)


class DeskRequestsSchema(TownSchema):
    """What the desk has to answer."""

    requests = fields.List(fields.Nested(DeskRequestSchema), required=True)


class AnswerSchema(TownSchema):
    """The desk's answer; free text would hold civil data."""

    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))


class RestrictionSchema(TownSchema):
    """Whether the own file is closed to agents."""

    restricted = fields.Boolean(required=True, truthy={True}, falsy={False})
    since = fields.Integer(dump_only=True, metadata={"description": "0 when it is open"})


class CorrectionSchema(DraftRequestSchema):
    """A corrected record, as read on the title."""

    class Meta(TownSchema.Meta):
        """No phone is at the desk, so there is no number to compare."""

        exclude = ("number",)


class CorrectionStateSchema(TownSchema):
    """Which batch the correction goes out with."""

    cid = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["pending", "renewal"]))


class RenewalsSchema(TownSchema):
    """Signed renewals, sorted by cid as `id.batch_renew` wants them."""

    attestations = fields.List(fields.String(), required=True)
    minimum = fields.Integer(required=True)
    hour_utc = fields.Integer(required=True, metadata={"description": "-1: any hour"})


class RetentionSchema(TownSchema):
    """One line of the retention table."""

    name = fields.String(required=True)
    what = fields.String(required=True)
    kept = fields.String(required=True)


class ExportSchema(TownSchema):
    """Everything the register holds of whoever asks (GDPR art. 15 and 20)."""

    made_at = fields.Integer(required=True)
    identity = fields.Nested(OwnIdentitySchema, required=True)
    title_seen = fields.String(required=True)
    attestation = fields.String(required=True, metadata={"description": "the agent's JWS"})
    restricted_at = fields.Integer(required=True)
    access_log = fields.List(fields.Nested(DeskEntrySchema), required=True)
    requests = fields.List(fields.Nested(RequestSchema), required=True)
    rows = fields.Dict(
        required=True, metadata={"description": "table name to rows; sealed columns in base64url"}
    )
    retention = fields.List(fields.Nested(RetentionSchema), required=True)
    elsewhere = fields.Dict(
        required=True,
        metadata={"description": "data of other domains, exported with their own keys"},
    )
    proofs = fields.Dict(required=True, metadata={"description": "bundles that verify offline"})


assert set(WantedSchema().fields) == set(CivilSchema().fields)
