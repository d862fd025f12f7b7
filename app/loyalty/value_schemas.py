"""Shapes of holds, rewards, vouchers, campaigns, households; points and seconds are whole numbers."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema
from app.loyalty.schemas import SLUG, LotSchema, ProgrammeBalanceSchema, ProgrammeSchema

QR_CHARS_MAX = 400
INVOICE_NUMBER = r"^[A-Za-z0-9_-]{21}[AQgw]\Z"
"""16 bytes, as everywhere one spelling."""


class VersionsSchema(TownSchema):
    """Versions of a programme, newest first."""

    versions = fields.List(fields.Nested(ProgrammeSchema), required=True)


class ChangeSchema(TownSchema):
    """A field of the rule that a version changed; null where it was not said."""

    field = fields.String(required=True)
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class VersionChangesSchema(TownSchema):
    """What one version changed against the one before it."""

    version = fields.Integer(required=True)
    status = fields.String(required=True)
    rule_hash = fields.String(required=True)
    changes = fields.List(fields.Nested(ChangeSchema), required=True)


class ChangesSchema(TownSchema):
    """Public difference of the versions of a programme, newest first."""

    versions = fields.List(fields.Nested(VersionChangesSchema), required=True)


class CampaignSchema(TownSchema):
    """A multiplier that is open now or later."""

    campaign = fields.String(required=True)
    programme = fields.String(required=True)
    shop = fields.String(required=True, metadata={"description": "empty: all shops"})
    multiplier_percent = fields.Integer(required=True)
    starts = fields.Integer(required=True)
    ends = fields.Integer(required=True)
    budget_points = fields.Integer(required=True)
    account_max_points = fields.Integer(required=True, metadata={"description": "0: no limit"})
    weekdays = fields.Integer(required=True, metadata={"description": "bit 0 Monday, UTC"})
    hour_from = fields.Integer(required=True)
    hour_to = fields.Integer(required=True)
    status = fields.String(required=True)
    owner = fields.String(required=True)


class CampaignsSchema(TownSchema):
    """Campaigns of a programme that are not over."""

    campaigns = fields.List(fields.Nested(CampaignSchema), required=True)


class RewardSchema(TownSchema):
    """A reward of the catalogue."""

    reward = fields.String(required=True)
    programme = fields.String(required=True)
    shop = fields.String(required=True, metadata={"description": "empty: all shops"})
    name = fields.String(required=True)
    price_points = fields.Integer(required=True)
    stock = fields.Integer(required=True)
    per_account_max = fields.Integer(required=True)
    starts = fields.Integer(required=True)
    ends = fields.Integer(required=True)
    height = fields.Integer(required=True)


class RewardsSchema(TownSchema):
    """The catalogue of a programme."""

    rewards = fields.List(fields.Nested(RewardSchema), required=True)


class SeriesSchema(TownSchema):
    """A series of vouchers of the own shop."""

    series = fields.Integer(required=True)
    programme = fields.String(required=True)
    key = fields.String(required=True)
    value_points = fields.Integer(required=True)
    count_max = fields.Integer(required=True)
    expires = fields.Integer(required=True)
    redeem_shop = fields.String(required=True)
    status = fields.String(required=True)
    honoured = fields.Integer(required=True, metadata={"description": "points redeemed"})
    height = fields.Integer(required=True)


class SeriesListSchema(TownSchema):
    """All voucher series of the shop."""

    series = fields.List(fields.Nested(SeriesSchema), required=True)


class HoldSchema(TownSchema):
    """Points set aside until captured, released or out of time."""

    hold = fields.String(required=True)
    programme = fields.String(required=True)
    shop = fields.String(required=True)
    points = fields.Integer(required=True)
    held_at = fields.Integer(required=True)
    expires_at = fields.Integer(required=True)
    status = fields.String(required=True)
    account = fields.String(metadata={"description": "shown to the customer only"})


class HoldsSchema(TownSchema):
    """Open holds, soonest to end first."""

    holds = fields.List(fields.Nested(HoldSchema), required=True)


class PoolSchema(TownSchema):
    """The own household; all empty outside one."""

    pool = fields.String(required=True)
    members = fields.List(fields.String(), required=True)
    invited = fields.List(fields.String(), required=True)
    invitations = fields.List(
        fields.String(), required=True, metadata={"description": "pools that invite this account"}
    )
    balances = fields.List(fields.Nested(ProgrammeBalanceSchema), required=True)
    lots = fields.List(fields.Nested(LotSchema), required=True)


class RewardPreviewRequestSchema(TownSchema):
    """A code and the reward it would pay for."""

    reward = fields.String(required=True, validate=validate.Regexp(SLUG))
    shop = fields.String(required=True, validate=validate.Regexp(SLUG))
    qr = fields.String(required=True, validate=validate.Length(min=1, max=QR_CHARS_MAX))


class RewardPreviewSchema(TownSchema):
    """The code would pay for the reward; a refusal is a problem document."""

    would_pay = fields.Boolean(required=True)
    reward = fields.String(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    valid_until = fields.Integer(required=True)


class InvoicePreviewRequestSchema(TownSchema):
    """An invoice that a till shows."""

    invoice = fields.String(required=True, validate=validate.Length(min=1, max=QR_CHARS_MAX))


class InvoicePreviewSchema(TownSchema):
    """Whom an invoice would pay, and all that the paying transaction names; a refusal is a problem document."""

    would_pay = fields.Boolean(required=True)
    invoice = fields.String(required=True, metadata={"description": "its number"})
    shop = fields.String(required=True)
    name = fields.String(required=True, metadata={"description": "the shop's registered name"})
    till = fields.String(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    valid_until = fields.Integer(required=True)


class InvoiceQuerySchema(TownSchema):
    """The number of an own invoice, base64url."""

    invoice = fields.String(required=True, validate=validate.Regexp(INVOICE_NUMBER))


class InvoiceSchema(TownSchema):
    """Whether an own invoice is paid; all but `is_paid` and `invoice` are empty or 0 before."""

    invoice = fields.String(required=True)
    is_paid = fields.Boolean(required=True)
    transaction = fields.String(required=True)
    till = fields.String(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    refunded = fields.Integer(required=True)
    height = fields.Integer(required=True)
    paid_at = fields.Integer(required=True)


class VoucherPreviewRequestSchema(TownSchema):
    """A voucher somebody shows at a shop."""

    shop = fields.String(required=True, validate=validate.Regexp(SLUG))
    voucher = fields.String(required=True, validate=validate.Length(min=1, max=QR_CHARS_MAX))


class VoucherPreviewSchema(TownSchema):
    """What a voucher is still worth here."""

    series = fields.Integer(required=True)
    programme = fields.String(required=True)
    issuer = fields.String(required=True)
    left = fields.Integer(required=True, metadata={"description": "points"})
    valid_until = fields.Integer(required=True)
