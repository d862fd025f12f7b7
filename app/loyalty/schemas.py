"""Shapes of the loyalty routes; points, cents and seconds are whole numbers."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

SLUG = "^[a-z][a-z0-9-]{1,31}$"
PAGE_MAX = 100


class ProgrammeSchema(TownSchema):
    """A version of a programme; `points` and its neighbours are copied out of `earn`, the whole rule."""

    programme = fields.String(required=True)
    version = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["draft", "active", "closed"]))
    points = fields.Integer(required=True, metadata={"description": "points per step"})
    per_cents = fields.Integer(required=True, metadata={"description": "cents of one step"})
    min_purchase_cents = fields.Integer(required=True)
    lot_life_days = fields.Integer(required=True)
    since = fields.Integer(required=True, metadata={"description": "header time, unix seconds"})
    height = fields.Integer(required=True)
    rule_hash = fields.String(
        required=True, metadata={"description": "SHA-256 of the rule, as on the chain"}
    )
    earn = fields.Dict(required=True, metadata={"description": "what gives points, whole"})
    terms = fields.Dict(
        required=True, metadata={"description": "cool-off, transfers, value; empty: defaults"}
    )


class ProgrammesSchema(TownSchema):
    """All programmes."""

    programmes = fields.List(fields.Nested(ProgrammeSchema), required=True)


class ShopSchema(TownSchema):
    """A shop by its registered name, which the phone shows before it pays."""

    shop = fields.String(required=True)
    name = fields.String(required=True)
    since = fields.Integer(required=True)
    height = fields.Integer(required=True)


class ShopsSchema(TownSchema):
    """All shops of the coalition."""

    shops = fields.List(fields.Nested(ShopSchema), required=True)


class TerminalSchema(TownSchema):
    """A till of the shop."""

    kid = fields.String(required=True)
    expires = fields.Integer(required=True)
    cap_per_tx_points = fields.Integer(required=True)
    cap_per_day_points = fields.Integer(required=True)
    revoked_since = fields.Integer(required=True, metadata={"description": "0 while it lives"})
    height = fields.Integer(required=True)


class TerminalsSchema(TownSchema):
    """All tills of the shop."""

    terminals = fields.List(fields.Nested(TerminalSchema), required=True)


class ItemCountSchema(TownSchema):
    """How many units of an item class the purchase holds."""

    item = fields.String(required=True, validate=validate.Regexp(SLUG))
    count = fields.Integer(required=True, strict=True, validate=validate.Range(min=1, max=1_000))


class EarnPreviewRequestSchema(TownSchema):
    """A purchase that has not happened yet."""

    programme = fields.String(required=True, validate=validate.Regexp(SLUG))
    purchase_cents = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=1, max=100_000_000)
    )
    items = fields.List(
        fields.Nested(ItemCountSchema), load_default=list, validate=validate.Length(max=64)
    )
    account = fields.String(
        load_default="",
        validate=validate.Regexp("^([A-Za-z0-9_-]{43})?$"),
        metadata={"description": "adds first visit, tier and the account's share of campaigns"},
    )


class EarnPreviewSchema(TownSchema):
    """What the purchase would earn if it were final now."""

    programme = fields.String(required=True)
    version = fields.Integer(required=True)
    points = fields.Integer(required=True)
    base = fields.Integer(required=True, metadata={"description": "of cents, visit and items"})
    tier = fields.String(required=True)
    tier_bonus = fields.Integer(required=True)
    campaign = fields.String(required=True)
    campaign_bonus = fields.Integer(required=True)
    pending_until = fields.Integer(required=True, metadata={"description": "0: spendable at once"})
    expires_at = fields.Integer(required=True, metadata={"description": "unix seconds"})


class RedeemPreviewRequestSchema(TownSchema):
    """A code and the amount a till would take."""

    programme = fields.String(required=True, validate=validate.Regexp(SLUG))
    shop = fields.String(required=True, validate=validate.Regexp(SLUG))
    points = fields.Integer(
        required=True, strict=True, validate=validate.Range(min=1, max=1_000_000)
    )
    qr = fields.String(required=True, validate=validate.Length(min=1, max=400))


class RedeemPreviewSchema(TownSchema):
    """The code would pay; a refusal is a problem document. No balance: tills never see one."""

    would_pay = fields.Boolean(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    valid_until = fields.Integer(required=True, metadata={"description": "unix seconds"})


class CodeRequestSchema(TownSchema):
    """A code the customer shows to earn (BF1 kind 1, or a pay code)."""

    qr = fields.String(required=True, validate=validate.Length(min=1, max=400))


class CodeSchema(TownSchema):
    """Whose account a code names."""

    account = fields.String(required=True)
    kind = fields.Integer(required=True)
    valid_until = fields.Integer(required=True)


class ProofQuerySchema(TownSchema):
    """`?proof=1` adds a bundle that anybody can verify offline."""

    proof = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))


class LotSchema(TownSchema):
    """Points of one gift that are left: who owes them and until when."""

    lot = fields.String(required=True)
    programme = fields.String(required=True)
    issuer = fields.String(required=True)
    version = fields.Integer(required=True)
    points = fields.Integer(required=True)
    left = fields.Integer(required=True)
    earned_at = fields.Integer(required=True)
    expires_at = fields.Integer(required=True)
    ref = fields.String(required=True, metadata={"description": "payload hash of the earn"})


class ProgrammeBalanceSchema(TownSchema):
    """Points that can be spent now, and the next of them to expire."""

    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    next_expiry_at = fields.Integer(required=True, metadata={"description": "0 when none"})


class PendingSchema(TownSchema):
    """Points of one gift that still cool off."""

    ref = fields.String(required=True)
    programme = fields.String(required=True)
    issuer = fields.String(required=True)
    points = fields.Integer(required=True)
    due_at = fields.Integer(required=True)


class LoyaltyAccountSchema(TownSchema):
    """Own loyalty account as of `height`."""

    account = fields.String(required=True)
    height = fields.Integer(required=True)
    time = fields.Integer(required=True)
    app_hash = fields.String(required=True)
    balances = fields.List(fields.Nested(ProgrammeBalanceSchema), required=True)
    lots = fields.List(fields.Nested(LotSchema), required=True)
    debts = fields.List(fields.Dict(), required=True)
    pending = fields.List(fields.Nested(PendingSchema), required=True)
    pool = fields.String(required=True, metadata={"description": "household pool, or empty"})
    proof = fields.Dict(metadata={"description": "proof bundle of the wallet's record"})


class OperationsQuerySchema(TownSchema):
    """A page of operations, newest first."""

    limit = fields.Integer(load_default=20, validate=validate.Range(min=1, max=PAGE_MAX))
    cursor = fields.String(load_default="", validate=validate.Length(max=64))


class OperationSchema(TownSchema):
    """One line; `points` is what the account gained (or lost), `pool_points` of them its household's."""

    transaction = fields.String(required=True)
    kind = fields.String(required=True)
    shop = fields.String(required=True)
    till = fields.String(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    purchase_cents = fields.Integer(required=True)
    ref = fields.String(required=True, metadata={"description": "payload hash it reverses"})
    of = fields.String(
        required=True, metadata={"description": "hold, reward, voucher, event or campaign"}
    )
    height = fields.Integer(required=True)
    time = fields.Integer(required=True)
    pending = fields.Integer(metadata={"description": "began (or ceased) to cool off"})
    pool_points = fields.Integer()
    other = fields.String(metadata={"description": "the other side of a transfer"})
    account = fields.String(metadata={"description": "the customer; shown to the customer only"})


class OperationsSchema(TownSchema):
    """A page; `next_cursor` is empty on the last one."""

    operations = fields.List(fields.Nested(OperationSchema), required=True)
    next_cursor = fields.String(required=True)
