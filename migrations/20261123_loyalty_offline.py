"""Payments without a network: keys of programmes, allowances, claims of shops."""

from peewee import BigIntegerField, CharField, IntegerField, Model


def _models(db):
    class OfflineKey(Model):
        programme = CharField(max_length=32, primary_key=True)
        key = CharField(max_length=43)
        since = BigIntegerField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_offline_key"

    class AllowanceRow(Model):
        allowance = CharField(max_length=43, primary_key=True)
        account = CharField(max_length=43, index=True)
        programme = CharField(max_length=32)
        device_key = CharField(max_length=43)
        issuer_key = CharField(max_length=43)
        points = IntegerField()
        per_tx_points = IntegerField()
        shop_points = IntegerField()
        issued_at = BigIntegerField()
        expires_at = BigIntegerField()
        closes_at = BigIntegerField()
        status = CharField(max_length=8)
        claimed = IntegerField(default=0)
        paid = IntegerField(default=0)
        fraud = CharField(max_length=8, default="")
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_allowance"

    class ClaimRow(Model):
        payment = CharField(max_length=43, primary_key=True)
        allowance = CharField(max_length=43, index=True)
        shop = CharField(max_length=32, index=True)
        programme = CharField(max_length=32)
        counter = BigIntegerField()
        points = IntegerField()
        spent_at = BigIntegerField()
        claimed_at = BigIntegerField()
        paid_at = BigIntegerField()
        status = CharField(max_length=8)
        ref = CharField(max_length=64, default="")
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_claim"

    return (OfflineKey, AllowanceRow, ClaimRow)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
