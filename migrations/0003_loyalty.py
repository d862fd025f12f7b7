"""Loyalty: programmes, shops, tills, lots, debts, used counters and operations."""

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, Model


def _models(db):
    class Programme(Model):
        programme = CharField(max_length=32)
        version = IntegerField()
        status = CharField(max_length=8)
        points = IntegerField()
        per_cents = IntegerField()
        min_purchase_cents = IntegerField()
        lot_life_days = IntegerField()
        since = BigIntegerField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_programme"
            primary_key = CompositeKey("programme", "version")

    class Shop(Model):
        shop = CharField(max_length=32, primary_key=True)
        name = CharField(max_length=120)
        owner_kid = CharField(max_length=43, index=True)
        since = BigIntegerField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_shop"

    class Terminal(Model):
        kid = CharField(max_length=43, primary_key=True)
        shop = CharField(max_length=32, index=True)
        expires = BigIntegerField()
        cap_per_tx_points = IntegerField()
        cap_per_day_points = IntegerField()
        revoked_since = BigIntegerField(default=0)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_terminal"

    class LotRow(Model):
        lot = CharField(max_length=22, primary_key=True)
        account = CharField(max_length=43, index=True)
        programme = CharField(max_length=32)
        version = IntegerField()
        issuer = CharField(max_length=32)
        points = IntegerField()
        left = IntegerField()
        earned_at = BigIntegerField()
        expires_at = BigIntegerField(index=True)
        ref = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "loyalty_lot"

    class Debt(Model):
        account = CharField(max_length=43)
        programme = CharField(max_length=32)
        issuer = CharField(max_length=32)
        points = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_debt"
            primary_key = CompositeKey("account", "programme", "issuer")

    class UsedCounter(Model):
        kid = CharField(max_length=43)
        counter = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_used_counter"
            primary_key = CompositeKey("kid", "counter")

    class Operation(Model):
        position = BigIntegerField(primary_key=True)
        payload_hash = CharField(max_length=64, index=True)
        kind = CharField(max_length=10)
        account = CharField(max_length=43)
        shop = CharField(max_length=32)
        till = CharField(max_length=43)
        programme = CharField(max_length=32)
        points = IntegerField()
        purchase_cents = IntegerField(default=0)
        ref = CharField(max_length=64, default="")
        height = BigIntegerField()
        time = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_operation"
            indexes = ((("account", "position"), False), (("shop", "position"), False))

    return (
        Programme,
        Shop,
        Terminal,
        LotRow,
        Debt,
        UsedCounter,
        Operation,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
