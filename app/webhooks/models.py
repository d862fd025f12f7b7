"""Endpoints that are told, and what was sent to them; nothing of it is on the chain. Times are unix seconds."""

from typing import Final

from peewee import BigIntegerField, CharField, IntegerField

from app.core.database import Row


class Webhook(Row):
    """An endpoint of a shop; `cursor` is the last line of the shop's list that it was (to be) told of.

    Its secret is derived from the town's master key and `id`, and kept nowhere. `ended_at` 0 while it lives.
    """

    id = CharField(max_length=22, primary_key=True)
    shop = CharField(max_length=32, index=True)
    url = CharField(max_length=400)
    scheme = CharField(max_length=7)
    kinds = CharField(max_length=200)
    cursor = BigIntegerField()
    created_at = BigIntegerField()
    ended_at = BigIntegerField(default=0)
    end_reason = CharField(max_length=10, default="")

    class Meta:
        """Table `webhook`."""

        table_name = "webhook"


class Delivery(Row):
    """One line on its way to one endpoint; `status` pending, done or dead, `answer` the last HTTP status (0: none)."""

    id = CharField(max_length=27, primary_key=True)
    webhook = CharField(max_length=22, index=True)
    position = BigIntegerField()
    occurred_at = BigIntegerField()
    status = CharField(max_length=7)
    attempts = IntegerField(default=0)
    next_at = BigIntegerField()
    answer = IntegerField(default=0)

    class Meta:
        """Table `webhook_delivery`."""

        table_name = "webhook_delivery"
        indexes = ((("status", "next_at"), False), (("webhook", "position"), True))


TABLES: Final = (Webhook, Delivery)
