"""Loyalty's whole ledger: rules in full, lots per wallet, cool-off, holds, offers, vouchers, households.

A lot may lie in several wallets now, so its table gets another key; `beffroi projector rebuild` fills what the
older release did not project.
"""

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, Model, TextField


def _lot(db):
    class LotRow(Model):
        lot = CharField(max_length=22)
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
            primary_key = CompositeKey("account", "lot")

    return LotRow


def _models(db):
    class Pending(Model):
        ref = CharField(max_length=43, primary_key=True)
        account = CharField(max_length=43, index=True)
        programme = CharField(max_length=32)
        issuer = CharField(max_length=32)
        points = IntegerField()
        due_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_pending"

    class Hold(Model):
        hold = CharField(max_length=43, primary_key=True)
        account = CharField(max_length=43, index=True)
        programme = CharField(max_length=32)
        shop = CharField(max_length=32, index=True)
        till = CharField(max_length=43)
        points = IntegerField()
        captured = IntegerField(default=0)
        held_at = BigIntegerField()
        expires_at = BigIntegerField()
        status = CharField(max_length=8)

        class Meta:
            database = db
            table_name = "loyalty_hold"

    class Campaign(Model):
        campaign = CharField(max_length=32, primary_key=True)
        programme = CharField(max_length=32, index=True)
        owner = CharField(max_length=48)
        terms = TextField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_campaign"

    class Reward(Model):
        reward = CharField(max_length=32, primary_key=True)
        programme = CharField(max_length=32, index=True)
        shop = CharField(max_length=32)
        name = CharField(max_length=120)
        price_points = IntegerField()
        stock = IntegerField()
        taken = IntegerField(default=0)
        per_account_max = IntegerField()
        starts = BigIntegerField()
        ends = BigIntegerField()
        status = CharField(max_length=8)
        owner = CharField(max_length=48)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_reward"

    class Series(Model):
        series = BigIntegerField(primary_key=True)
        shop = CharField(max_length=32, index=True)
        programme = CharField(max_length=32)
        key = CharField(max_length=43)
        value_points = IntegerField()
        count_max = IntegerField()
        expires = BigIntegerField()
        redeem_shop = CharField(max_length=32)
        status = CharField(max_length=8)
        honoured = BigIntegerField(default=0)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "loyalty_series"

    class VoucherUse(Model):
        nullifier = CharField(max_length=43, primary_key=True)
        series = BigIntegerField(index=True)
        used = IntegerField()

        class Meta:
            database = db
            table_name = "loyalty_voucher_use"

    class PoolMember(Model):
        pool = CharField(max_length=43)
        account = CharField(max_length=43, index=True)
        rank = IntegerField()
        is_member = IntegerField()

        class Meta:
            database = db
            table_name = "loyalty_pool_member"
            primary_key = CompositeKey("pool", "account")

    return (Pending, Hold, Campaign, Reward, Series, VoucherUse, PoolMember)


ADDED = (
    ("loyalty_programme", "earn", TextField(default="{}")),
    ("loyalty_programme", "terms", TextField(default="{}")),
    ("loyalty_programme", "rule_hash", CharField(max_length=43, default="")),
    ("loyalty_operation", "pool", CharField(max_length=43, default="", index=True)),
    ("loyalty_operation", "pool_points", IntegerField(default=0)),
    ("loyalty_operation", "pending", IntegerField(default=0)),
    ("loyalty_operation", "other", CharField(max_length=43, default="")),
    ("loyalty_operation", "of", CharField(max_length=43, default="")),
)
COLUMNS = 'lot, account, programme, version, issuer, points, "left", earned_at, expires_at, ref'


def up(migrator, db):
    migrator.migrate(*(migrator.add_column(*column) for column in ADDED))
    db.execute_sql(f"CREATE TABLE loyalty_lot_kept AS SELECT {COLUMNS} FROM loyalty_lot")  # noqa: S608
    db.execute_sql("DROP TABLE loyalty_lot")
    db.create_tables([_lot(db)], safe=False)
    copied = f"INSERT INTO loyalty_lot ({COLUMNS}) SELECT {COLUMNS} FROM loyalty_lot_kept"  # noqa: S608
    db.execute_sql(copied)
    db.execute_sql("DROP TABLE loyalty_lot_kept")
    db.create_tables(_models(db), safe=False)


def down(migrator, db):
    db.drop_tables(_models(db))
    migrator.migrate(migrator.drop_index("loyalty_operation", "loyalty_operation_pool"))
    migrator.migrate(*(migrator.drop_column(table, name) for table, name, _ in reversed(ADDED)))
