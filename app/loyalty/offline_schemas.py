"""Shapes of payments without a network; points and seconds are whole numbers."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema


class OfflineTermsSchema(TownSchema):
    """What a till pins before it is alone, and the key an operator would name."""

    programme = fields.String(required=True)
    is_on = fields.Boolean(required=True, metadata={"description": "allowances are given now"})
    key = fields.String(
        required=True, metadata={"description": "Ed25519 key on the chain, base64url, or empty"}
    )
    server_key = fields.String(
        required=True, metadata={"description": "key this server would sign with"}
    )
    points = fields.Integer(required=True, metadata={"description": "A: most of one allowance"})
    per_tx_points = fields.Integer(required=True)
    per_shop_points = fields.Integer(
        required=True, metadata={"description": "c: most of one allowance at one shop"}
    )
    life_s = fields.Integer(required=True)
    claim_s = fields.Integer(required=True)
    earn_s = fields.Integer(required=True, metadata={"description": "how old a note may be"})
    proof = fields.Dict(metadata={"description": "proof bundle of the key's record"})


class AllowanceSchema(TownSchema):
    """Own points locked for payments without a network."""

    allowance = fields.String(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    per_tx_points = fields.Integer(required=True)
    shop_points = fields.Integer(required=True)
    issued_at = fields.Integer(required=True)
    expires_at = fields.Integer(required=True)
    closes_at = fields.Integer(
        required=True, metadata={"description": "the rest comes back in the first block from then"}
    )
    status = fields.String(required=True, validate=validate.OneOf(["open", "closed"]))
    claimed = fields.Integer(required=True)
    paid = fields.Integer(required=True)
    fraud = fields.String(required=True, validate=validate.OneOf(["", "counter", "sum"]))
    certificate = fields.String(
        required=True,
        metadata={"description": "`BF1:` kind 9; empty when closed, or when another server signs"},
    )


class AllowancesSchema(TownSchema):
    """Own allowances, newest first."""

    allowances = fields.List(fields.Nested(AllowanceSchema), required=True)


class OfflineClaimSchema(TownSchema):
    """A payment the own shop claimed; "short": the phone cheated, all shops share what was locked."""

    payment = fields.String(required=True)
    allowance = fields.String(required=True)
    shop = fields.String(required=True)
    programme = fields.String(required=True)
    points = fields.Integer(required=True)
    spent_at = fields.Integer(required=True)
    claimed_at = fields.Integer(required=True)
    paid_at = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(["waiting", "paid", "short"]))
    ref = fields.String(required=True, metadata={"description": "name of the spend, hex, or empty"})


class OfflineClaimsSchema(TownSchema):
    """Claims of the own shop, newest first."""

    claims = fields.List(fields.Nested(OfflineClaimSchema), required=True)
