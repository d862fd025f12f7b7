"""Shapes of an identity's life."""

from marshmallow import fields, validate

from app.auth.schemas import JwkSchema
from app.core.blueprint import TownSchema
from app.core.transactions import TRANSACTION_CHARS_MAX
from app.identity.lifecycle.mandates import BALLOT_SCOPE, SCOPES
from app.identity.lifecycle.texts import STATUSES

THUMBPRINT = validate.Regexp(r"^[A-Za-z0-9_-]{43}$")
UNIX_S = validate.Range(min=0, max=253_402_300_799)


class RecoverySchema(TownSchema):
    """A recovery under way; times are unix seconds, 0 until it happens."""

    account = fields.String(required=True)
    cid = fields.String(
        required=True, metadata={"description": "empty for an account of another domain"}
    )
    new_kid = fields.String(required=True)
    step = fields.String(
        required=True, validate=validate.OneOf(["waiting", "ready", "vetoed", "overridden"])
    )
    opened_at = fields.Integer(required=True)
    ready_at = fields.Integer(required=True)
    lapses_at = fields.Integer(required=True)
    vetoed_at = fields.Integer(required=True)
    override_from = fields.Integer(required=True)
    overridden_at = fields.Integer(required=True)


class OwnRecoverySchema(RecoverySchema):
    """The recovery that concerns the key which asks."""

    side = fields.String(required=True, validate=validate.OneOf(["old", "new"]))
    can = fields.List(fields.String(validate=validate.OneOf(["veto", "finish"])), required=True)
    next = fields.String(
        required=True, metadata={"description": "what to do now, in the reader's language"}
    )


class DeskRecoverySchema(RecoverySchema):
    """As the desk sees it."""

    letter_printed = fields.Boolean(required=True)


class DeskRecoveriesSchema(TownSchema):
    """Recoveries under way, oldest first."""

    recoveries = fields.List(fields.Nested(DeskRecoverySchema), required=True)


class RecoveryMonthSchema(TownSchema):
    """Steps of recoveries in one month."""

    month = fields.String(required=True)
    opened = fields.Integer(required=True)
    vetoed = fields.Integer(required=True)
    overridden = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)
    finished = fields.Integer(required=True)
    lapsed = fields.Integer(required=True)
    dropped = fields.Integer(required=True)


class RecoveryMonthsSchema(TownSchema):
    """Counts of every month, the newest first."""

    months = fields.List(fields.Nested(RecoveryMonthSchema), required=True)


class RecoveryPreviewRequestSchema(TownSchema):
    """Of which account."""

    account = fields.String(required=True, validate=THUMBPRINT)


class StatusPreviewRequestSchema(TownSchema):
    """Which identity, and where to."""

    cid = fields.String(required=True, validate=THUMBPRINT)
    status = fields.String(required=True, validate=validate.OneOf(sorted(STATUSES)))


class PreviewSchema(TownSchema):
    """What an act would do; `code` says why it would be refused."""

    allowed = fields.Boolean(required=True)
    code = fields.String(required=True)
    agents = fields.Integer(required=True, metadata={"description": "how many agents sign"})
    bodies = fields.Integer(required=True, metadata={"description": "of how many bodies"})
    from_s = fields.Integer(required=True, metadata={"description": "unix seconds it takes effect"})
    until_s = fields.Integer(
        required=True,
        metadata={"description": "unix seconds until it can be undone or lapses, 0: never"},
    )
    text = fields.String(required=True)


class LetterSchema(TownSchema):
    """The letter that tells of a recovery."""

    to = fields.String(required=True)
    address = fields.String(required=True)
    text_fr = fields.String(required=True)
    text_en = fields.String(required=True)


class SignedActSchema(TownSchema):
    """A transaction signed by one or more, which is kept and not sent yet."""

    transaction = fields.String(
        required=True,
        validate=validate.Length(min=10, max=TRANSACTION_CHARS_MAX),
        metadata={"description": "JWS of type beffroi-tx, compact or general JSON form"},
    )


class AddedSignatureSchema(SignedActSchema):
    """The payload that was opened, signed by the asking key alone; `key` is that key, so that the API can verify it."""

    key = fields.Nested(JwkSchema, required=True)


class ActSchema(TownSchema):
    """A transaction that waits for signatures."""

    id = fields.String(required=True)
    type = fields.String(required=True)
    opened_at = fields.Integer(required=True)
    expires_at = fields.Integer(required=True)
    signers = fields.List(fields.String(), required=True, metadata={"description": "thumbprints"})
    transaction = fields.String(required=True, metadata={"description": "JWS signed so far"})
    sent = fields.Boolean(required=True)


class ActsSchema(TownSchema):
    """The second agents' queue."""

    acts = fields.List(fields.Nested(ActSchema), required=True)


class AccountLinkRequestSchema(TownSchema):
    """An account, and its own key's word that it belongs to the identity that asks."""

    account = fields.String(required=True, validate=THUMBPRINT)
    signature = fields.String(
        required=True,
        validate=validate.Regexp("^[A-Za-z0-9_-]{86}$"),
        metadata={
            "description": "base64url, over the text `beffroi-link-1\\n{town}\\n{cid}\\n{account}\\n`"
        },
    )


class AccountLinkRemovalSchema(TownSchema):
    """Which account is taken off."""

    account = fields.String(required=True, validate=THUMBPRINT)


class AccountLinkCountSchema(TownSchema):
    """How many accounts the sealed list holds; never which, in an answer that is stored."""

    count = fields.Integer(required=True)


class LinkedAccountSchema(TownSchema):
    """One account of a person."""

    account = fields.String(required=True)
    domain = fields.String(required=True)


class LinkedAccountsSchema(TownSchema):
    """The opened list."""

    accounts = fields.List(fields.Nested(LinkedAccountSchema), required=True)


class AccountLinkOpeningSchema(TownSchema):
    """Why an agent opens a person's list; the citizen reads it."""

    cid = fields.String(required=True, validate=THUMBPRINT)
    reason = fields.String(
        required=True,
        validate=validate.OneOf(["recovery", "erasure", "estate", "move", "rights_request"]),
    )


class MandateOfferSchema(TownSchema):
    """Whom a citizen asks for help, with what, until when."""

    holder = fields.String(
        required=True, validate=THUMBPRINT, metadata={"description": "the helper's cid, from a QR"}
    )
    scopes = fields.List(
        fields.String(validate=validate.OneOf([*SCOPES, BALLOT_SCOPE])),
        required=True,
        validate=validate.Length(min=1, max=6),
    )
    expires_at = fields.Integer(required=True, strict=True, validate=UNIX_S)


class DeskMandateSchema(MandateOfferSchema):
    """A parent's or guardian's mandate, as the agent saw it."""

    subject = fields.String(required=True, validate=THUMBPRINT)
    kind = fields.String(required=True, validate=validate.OneOf(["guardian", "helper", "parent"]))


class MandateEndSchema(TownSchema):
    """Why the desk ends a mandate."""

    reason = fields.String(
        required=True, validate=validate.OneOf(["court_decision", "complaint", "error", "end"])
    )


class MandateSchema(TownSchema):
    """A mandate, for its two sides."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    subject = fields.String(required=True)
    holder = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["offered", "active", "ended"]))
    opened_at = fields.Integer(required=True)
    expires_at = fields.Integer(required=True)
    ended_at = fields.Integer(required=True)


class MandatesSchema(TownSchema):
    """Mandates given and held."""

    mandates = fields.List(fields.Nested(MandateSchema), required=True)


class SubjectSchema(TownSchema):
    """What a holder may see of the subject."""

    status = fields.String(required=True)
    level_identity = fields.Integer(required=True)
    level_residence = fields.Integer(required=True)
    name = fields.String(required=True, metadata={"description": "only with the scope identity"})
    scopes = fields.List(fields.String(), required=True)


class AllowedSchema(TownSchema):
    """What the own age allows today; the age itself is not shown."""

    band = fields.String(
        required=True, validate=validate.OneOf(["under_15", "from_15", "from_16", "adult"])
    )
    own_key = fields.Boolean(required=True)
    domains = fields.List(fields.String(), required=True)
    consultations = fields.Boolean(required=True)
    votes = fields.Boolean(required=True)
