"""Shapes of the identity routes."""

from marshmallow import fields, validate

from app.auth.schemas import JwkSchema
from app.core.blueprint import TownSchema
from app.identity.duplicates import LIKENESS_REASONS, RETURNED
from app.identity.reviews import CONFIRMED, REJECTED


class EnrolmentRequestSchema(TownSchema):
    """A phone announces its identity key and proves that it holds it."""

    key = fields.Nested(JwkSchema, required=True)
    issued_at = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0, max=253_402_300_799),
        metadata={"description": "unix seconds, at most 5 minutes off"},
    )
    signature = fields.String(
        required=True,
        validate=validate.Regexp("^[A-Za-z0-9_-]{86}$"),
        metadata={
            "description": "64-byte signature, base64url, over the UTF-8 text "
            "`beffroi-enrolment-1\\n{town}\\n{kid}\\n{issued_at}`"
        },
    )


class EnrolmentSchema(TownSchema):
    """Where an enrolment stands; the phone shows `qr` and computes `number` itself."""

    id = fields.String(required=True)
    status = fields.String(
        required=True, validate=validate.OneOf(["open", "drafted", "attested", "linked"])
    )
    number = fields.String(required=True, metadata={"description": "six digits to compare"})
    expires_at = fields.Integer(required=True, metadata={"description": "unix seconds"})
    qr = fields.String(required=True, metadata={"description": "text of the QR to show"})


class DeskEnrolmentSchema(EnrolmentSchema):
    """What the clerk sees: also the key that would be attested."""

    key = fields.Nested(JwkSchema, required=True)


class CivilSchema(TownSchema):
    """Civil record as read on the title."""

    family_name = fields.String(required=True, validate=validate.Length(min=1, max=100))
    given_names = fields.List(
        fields.String(validate=validate.Length(min=1, max=100)),
        required=True,
        validate=validate.Length(min=1, max=10),
    )
    birthdate = fields.String(
        required=True,
        validate=validate.Regexp(r"^[0-9]{4}-(0[0-9]|1[0-2])-([0-2][0-9]|3[01])\Z"),
        metadata={"description": "YYYY-MM-DD; unknown parts are 00"},
    )
    birthplace = fields.String(
        validate=validate.Regexp(r"^(([0-9]{2}|2[AB])[0-9]{3})?\Z"),
        metadata={"description": "INSEE commune code, empty when born abroad"},
    )
    birthcountry = fields.String(
        validate=validate.Regexp(r"^99[0-9]{3}\Z"),
        metadata={"description": "INSEE country code, 99100 for France"},
    )
    usage_name = fields.String(
        validate=validate.Length(max=100), metadata={"description": "name by marriage or usage"}
    )
    address = fields.String(validate=validate.Length(max=300))


class DraftRequestSchema(TownSchema):
    """What the clerk read and saw."""

    number = fields.String(
        required=True,
        validate=validate.Regexp(r"^\d{6}$"),
        metadata={"description": "as shown on the citizen's phone"},
    )
    civil = fields.Nested(CivilSchema, required=True)
    level_identity = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=0, max=3)
    )
    level_residence = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=0, max=3)
    )
    title_seen = fields.String(
        required=True,
        validate=validate.OneOf(
            ["national_identity_card", "passport", "residence_permit", "france_identite", "other"]
        ),
    )
    duplicate_reason = fields.String(
        load_default="",
        validate=validate.OneOf(["", *LIKENESS_REASONS, RETURNED]),
        metadata={
            "description": "why a similar file is another person, or why the same comes again"
        },
    )


class AttestationFieldsSchema(TownSchema):
    """What the agent signs as a JWS of type beffroi-attestation, in canonical JSON."""

    town = fields.String(required=True)
    cid = fields.String(required=True)
    key = fields.Nested(JwkSchema, required=True)
    blind = fields.String(required=True)
    commitment = fields.String(required=True)
    level_identity = fields.Integer(required=True)
    level_residence = fields.Integer(required=True)
    expires_month = fields.String(required=True)


class DraftSchema(TownSchema):
    """A sealed file and the attestation to sign."""

    cid = fields.String(required=True)
    attestation = fields.Nested(AttestationFieldsSchema, required=True)


class AttestationRequestSchema(TownSchema):
    """The agent's signature on the drafted attestation."""

    attestation = fields.String(
        required=True,
        validate=validate.Length(min=10, max=2_048),
        metadata={"description": "compact JWS of type beffroi-attestation"},
    )


class BatchSchema(TownSchema):
    """The attestations that wait for a batch; listed only when they may be written."""

    ready = fields.Boolean(required=True)
    reason = fields.String(
        required=True, validate=validate.OneOf(["ready", "empty", "too_few", "outside_hour"])
    )
    waiting = fields.Integer(required=True)
    minimum = fields.Integer(required=True)
    oldest_at = fields.Integer(required=True, metadata={"description": "0 when none waits"})
    hour_utc = fields.Integer(required=True, metadata={"description": "-1: any hour"})
    attestations = fields.List(fields.String(), required=True)


class ProofQuerySchema(TownSchema):
    """`?proof=1` adds a bundle that anybody can verify offline."""

    proof = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))


class OpeningSchema(TownSchema):
    """What opens the commitment: SHA-256("beffroi-civil-1" ‖ salt ‖ canonical civil record)."""

    civil = fields.Nested(CivilSchema, required=True)
    salt = fields.String(required=True)
    blind = fields.String(required=True)


class OwnIdentitySchema(TownSchema):
    """Own identity; `pending` until a batch wrote it; no opening once erased."""

    cid = fields.String(required=True)
    status = fields.String(required=True)
    level_identity = fields.Integer(required=True)
    level_residence = fields.Integer(required=True)
    commitment = fields.String(required=True)
    expires_month = fields.String(required=True)
    height = fields.Integer(required=True)
    transaction = fields.String(required=True)
    opening = fields.Nested(OpeningSchema, required=True, allow_none=True)
    proof = fields.Dict(metadata={"description": "proof bundle of the identity's record"})


class DeskEntrySchema(TownSchema):
    """One touch of the file at the desk."""

    at = fields.Integer(required=True)
    agent = fields.String(required=True)
    action = fields.String(required=True)
    reason = fields.String(required=True)


class AccessLogSchema(TownSchema):
    """Who at the desk touched one's file."""

    entries = fields.List(fields.Nested(DeskEntrySchema), required=True)


# --- the desk's other acts ---------------------------------------------------------------------

READ_REASONS = (
    "enrolment",
    "recovery",
    "rectification",
    "rights_request",
    "review",
    "estate",
    "court_order",
    "citizen_asked",
)
"""Why an agent may open a file; the citizen sees which."""
THUMBPRINT = "^[A-Za-z0-9_-]{43}$"


class CandidateSchema(TownSchema):
    """A file that may be the same person's; nothing of it is opened."""

    cid = fields.String(required=True)
    kinds = fields.List(
        fields.String(validate=validate.OneOf(["strict", "loose", "swap"])), required=True
    )
    status = fields.String(required=True)


class SearchRequestSchema(TownSchema):
    """Look for a person's file."""

    civil = fields.Nested(CivilSchema, required=True)
    reason = fields.String(required=True, validate=validate.OneOf(READ_REASONS))


class SearchSchema(TownSchema):
    """What the indices say, and how many searches this agent has left this hour."""

    candidates = fields.List(fields.Nested(CandidateSchema), required=True)
    left = fields.Integer(required=True)


class LinkRequestSchema(TownSchema):
    """Tie the phone at the desk to the identity its holder has."""

    number = fields.String(required=True, validate=validate.Regexp(r"^[0-9]{6}\Z"))
    cid = fields.String(required=True, validate=validate.Regexp(THUMBPRINT))
    civil = fields.Nested(CivilSchema, required=True)


class LinkSchema(TownSchema):
    """What a recovery needs: the identity, its account, and the new phone's key."""

    cid = fields.String(required=True)
    account = fields.String(required=True)
    status = fields.String(required=True)
    key = fields.Nested(JwkSchema, required=True)


class ReasonSchema(TownSchema):
    """Why a file is opened."""

    reason = fields.String(required=True, validate=validate.OneOf(READ_REASONS))


class FileSchema(TownSchema):
    """A citizen's file, opened for an agent with a reason."""

    cid = fields.String(required=True)
    civil = fields.Nested(CivilSchema, required=True)
    title_seen = fields.String(required=True)


class ReviewSchema(TownSchema):
    """An enrolment that a second agent looks at."""

    id = fields.String(required=True)
    cid = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["duplicate", "volume", "sample"]))
    opened_at = fields.Integer(required=True)
    opened_by = fields.String(required=True)
    attestation = fields.String(
        required=True, metadata={"description": "SHA-256 of the first agent's JWS, base64url"}
    )


class ReviewsSchema(TownSchema):
    """What waits for this agent as the second one."""

    reviews = fields.List(fields.Nested(ReviewSchema), required=True)


class ReviewDecisionSchema(TownSchema):
    """The second agent's signed outcome."""

    outcome = fields.String(required=True, validate=validate.OneOf([CONFIRMED, REJECTED]))
    signature = fields.String(
        required=True,
        validate=validate.Length(min=10, max=1_024),
        metadata={
            "description": "compact JWS of type beffroi-countersign over the canonical JSON "
            "{attestation, cid, outcome, town}"
        },
    )


class ReviewOutcomeSchema(TownSchema):
    """What became of the enrolment."""

    cid = fields.String(required=True)
    outcome = fields.String(required=True)
    on_chain = fields.Boolean(
        required=True,
        metadata={"description": "written already: a rejection then needs id.status by two agents"},
    )


class AgentPersonSchema(TownSchema):
    """Which file is an agent's own."""

    cid = fields.String(required=True, validate=validate.Regexp(THUMBPRINT))
