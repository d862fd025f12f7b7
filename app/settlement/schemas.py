"""Shapes of the settlement routes; cents, millicents and seconds are whole numbers."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema


class SettlementBatchSchema(TownSchema):
    """Totals of a batch; no figure of a single shop."""

    epoch = fields.Integer(required=True)
    from_height = fields.Integer(required=True)
    to_height = fields.Integer(required=True)
    closed_at = fields.Integer(required=True, metadata={"description": "unix seconds"})
    dispute_until = fields.Integer(required=True)
    pay_until = fields.Integer(required=True)
    shops = fields.Integer(required=True)
    legs = fields.Integer(required=True, metadata={"description": "payments, at most shops - 1"})
    legs_cents = fields.Integer(required=True)
    gross_millicents = fields.Integer(
        required=True, metadata={"description": "owed pair by pair, thousandths of a cent"}
    )
    redeemed_millicents = fields.Integer(required=True)
    root = fields.String(required=True, metadata={"description": "of positions and payments"})
    received_legs = fields.Integer(required=True)
    overdue_legs = fields.Integer(required=True)
    compression_percent = fields.Integer(required=True)


class SettlementBatchesSchema(TownSchema):
    """The newest batches."""

    settlements = fields.List(fields.Nested(SettlementBatchSchema), required=True)


class SettlementWatchSchema(TownSchema):
    """Value in circulation and spent in twelve months, against the limited-network threshold."""

    at = fields.Integer(required=True, metadata={"description": "unix seconds, 0 before any batch"})
    circulation_millicents = fields.Integer(required=True)
    year_millicents = fields.Integer(required=True)
    is_alarmed = fields.Boolean(required=True)


class SettlementPositionSchema(TownSchema):
    """A shop's net in a batch; positive is to receive."""

    shop = fields.String(required=True)
    net_millicents = fields.Integer(required=True)
    cents = fields.Integer(required=True)
    said = fields.String(
        required=True,
        validate=validate.OneOf(["", "agreed", "disputed", "upheld", "rejected"]),
    )


class SettlementLegSchema(TownSchema):
    """One payment; the bank account is shown to its payer only."""

    epoch = fields.Integer(required=True)
    leg = fields.Integer(required=True)
    payer = fields.String(required=True)
    payee = fields.String(required=True)
    cents = fields.Integer(required=True)
    paid = fields.String(required=True, metadata={"description": "hash of the bank's reference"})
    received = fields.String(required=True)
    covered = fields.String(required=True)
    is_missing = fields.Boolean(required=True)
    is_overdue = fields.Boolean(required=True)
    reference = fields.String(required=True)
    payee_holder = fields.String(required=True)
    payee_iban = fields.String(required=True)
    code_text = fields.String(metadata={"description": "EPC069-12 text of the payment's QR code"})
    code_svg = fields.String(metadata={"description": "the code as a picture"})


class SettlementPartSchema(TownSchema):
    """The caller's part of a batch; the association's is the whole."""

    epoch = fields.Integer(required=True)
    positions = fields.List(fields.Nested(SettlementPositionSchema), required=True)
    legs = fields.List(fields.Nested(SettlementLegSchema), required=True)


class SettlementEpochQuerySchema(TownSchema):
    """Which batch."""

    epoch = fields.Integer(required=True, validate=validate.Range(min=1, max=1_000_000))


class SettlementLegsQuerySchema(SettlementEpochQuerySchema):
    """Which batch; `codes=1` adds the QR codes of legs the caller pays."""

    codes = fields.Integer(load_default=0, validate=validate.OneOf([0, 1]))


class SettlementBankRequestSchema(TownSchema):
    """Where the shop is paid, signed by its owner's key (JWS `beffroi-bank-account`: chain, shop, holder, iban, at)."""

    statement = fields.String(required=True, validate=validate.Length(min=10, max=2_048))


class SettlementBankSchema(TownSchema):
    """The shop's own bank account."""

    shop = fields.String(required=True)
    holder = fields.String(required=True)
    iban = fields.String(required=True)
