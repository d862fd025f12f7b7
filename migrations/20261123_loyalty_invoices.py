"""Invoices of tills that were paid."""

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, Model


def _models(db):
    class PaidInvoice(Model):
        shop = CharField(max_length=32)
        invoice = CharField(max_length=22)
        payload_hash = CharField(max_length=64, index=True)
        till = CharField(max_length=43)
        programme = CharField(max_length=32)
        points = IntegerField()
        refunded = IntegerField(default=0)
        height = BigIntegerField()
        paid_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_invoice"
            primary_key = CompositeKey("shop", "invoice")

    return (PaidInvoice,)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
