"""Settlement between shops: batches, positions, legs, standings, watches, bank accounts."""

from peewee import BigIntegerField, BooleanField, CharField, CompositeKey, IntegerField, Model


def _models(db):
    class SettlementBatch(Model):
        epoch = IntegerField(primary_key=True)
        from_height = BigIntegerField()
        to_height = BigIntegerField()
        closed_at = BigIntegerField()
        dispute_until = BigIntegerField()
        pay_until = BigIntegerField()
        shops = IntegerField()
        legs = IntegerField()
        legs_cents = BigIntegerField()
        gross_millicents = BigIntegerField()
        redeemed_millicents = BigIntegerField()
        root = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "settlement_batch"

    class SettlementPosition(Model):
        epoch = IntegerField()
        shop = CharField(max_length=32)
        net_millicents = BigIntegerField()
        cents = BigIntegerField()
        said = CharField(max_length=10, default="")

        class Meta:
            database = db
            table_name = "settlement_position"
            primary_key = CompositeKey("epoch", "shop")

    class SettlementLeg(Model):
        epoch = IntegerField()
        leg = IntegerField()
        payer = CharField(max_length=32, index=True)
        payee = CharField(max_length=32, index=True)
        cents = BigIntegerField()
        paid = CharField(max_length=43, default="")
        received = CharField(max_length=43, default="")
        covered = CharField(max_length=43, default="")
        is_missing = BooleanField(default=False)
        is_overdue = BooleanField(default=False)

        class Meta:
            database = db
            table_name = "settlement_leg"
            primary_key = CompositeKey("epoch", "leg")

    class SettlementStanding(Model):
        shop = CharField(max_length=32, primary_key=True)
        status = CharField(max_length=8, default="active")
        since = BigIntegerField(default=0)
        held_cents = BigIntegerField(default=0)
        attested_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "settlement_standing"

    class SettlementWatch(Model):
        at = BigIntegerField(primary_key=True)
        circulation_millicents = BigIntegerField()
        year_millicents = BigIntegerField()
        is_alarmed = BooleanField()

        class Meta:
            database = db
            table_name = "settlement_watch"

    class SettlementBank(Model):
        shop = CharField(max_length=32, primary_key=True)
        holder = CharField(max_length=70)
        iban = CharField(max_length=34)
        changed_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "settlement_bank"

    return (
        SettlementBatch,
        SettlementPosition,
        SettlementLeg,
        SettlementStanding,
        SettlementWatch,
        SettlementBank,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
