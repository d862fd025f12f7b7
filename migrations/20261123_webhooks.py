"""Webhooks: endpoints of shops and what was sent to them."""

from peewee import BigIntegerField, CharField, IntegerField, Model


def _models(db):
    class Webhook(Model):
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
            database = db
            table_name = "webhook"

    class Delivery(Model):
        id = CharField(max_length=27, primary_key=True)
        webhook = CharField(max_length=22, index=True)
        position = BigIntegerField()
        occurred_at = BigIntegerField()
        status = CharField(max_length=7)
        attempts = IntegerField(default=0)
        next_at = BigIntegerField()
        answer = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "webhook_delivery"
            indexes = ((("status", "next_at"), False), (("webhook", "position"), True))

    return (Webhook, Delivery)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
