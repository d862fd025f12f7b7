"""Shapes of webhooks; times are unix seconds."""

from marshmallow import fields, validate

from app.core.blueprint import TownSchema

KINDS = [
    *("earn", "event", "welcome", "referral", "activation", "redeem", "hold", "release"),
    *("capture", "reward", "voucher", "reversal", "expiry"),
]
STATUSES = ["", "pending", "done", "dead"]


class WebhookRequestSchema(TownSchema):
    """An endpoint of the own shop; no kinds means all."""

    shop = fields.String(required=True, validate=validate.Length(min=2, max=32))
    url = fields.String(required=True, validate=validate.Length(min=10, max=400))
    scheme = fields.String(load_default="ed25519", validate=validate.OneOf(["hmac", "ed25519"]))
    kinds = fields.List(
        fields.String(validate=validate.OneOf(KINDS)),
        load_default=list,
        validate=validate.Length(max=20),
    )


class WebhookSchema(TownSchema):
    """An endpoint; `key` (`whsec_` or `whpk_`) is shown when it is made, and never again."""

    id = fields.String(required=True)
    shop = fields.String(required=True)
    url = fields.String(required=True)
    scheme = fields.String(required=True)
    kinds = fields.List(fields.String(), required=True)
    created_at = fields.Integer(required=True)
    ended_at = fields.Integer(required=True, metadata={"description": "0 while it lives"})
    end_reason = fields.String(required=True)
    key = fields.String()


class WebhooksSchema(TownSchema):
    """Living endpoints of a shop."""

    webhooks = fields.List(fields.Nested(WebhookSchema), required=True)


class DeliveriesQuerySchema(TownSchema):
    """Of one status, or of all."""

    status = fields.String(load_default="", validate=validate.OneOf(STATUSES))


class DeliverySchema(TownSchema):
    """One message: `answer` is the last HTTP status, 0 when there was none."""

    id = fields.String(required=True)
    occurred_at = fields.Integer(required=True)
    status = fields.String(required=True)
    attempts = fields.Integer(required=True)
    next_at = fields.Integer(required=True)
    answer = fields.Integer(required=True)


class DeliveriesSchema(TownSchema):
    """The newest messages."""

    deliveries = fields.List(fields.Nested(DeliverySchema), required=True)


class ReplayRequestSchema(TownSchema):
    """From when on to tell again."""

    since = fields.Integer(required=True, strict=True, validate=validate.Range(min=0, max=2**40))


class ReplaySchema(TownSchema):
    """How many messages wait again."""

    queued = fields.Integer(required=True)
