"""Keys and notices of accounts; recoveries, waiting acts, mandates and the sealed list of a person's accounts."""

from peewee import (
    BigIntegerField,
    BlobField,
    CharField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)


def _models(db):
    class AccountKeyRow(Model):
        kid = CharField(primary_key=True, max_length=43)
        account = CharField(max_length=43, index=True)
        kind = CharField(max_length=8)
        scopes = CharField(max_length=64, default="")
        expires_at = BigIntegerField(default=0)
        since_height = BigIntegerField()
        until_height = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "account_keys"

    class NoticeRow(Model):
        height = BigIntegerField()
        position = IntegerField()
        account = CharField(max_length=43, index=True)
        kind = CharField(max_length=24)
        kid = CharField(max_length=43, default="")
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "notices"
            primary_key = CompositeKey("height", "position", "account")

    class RecoveryRow(Model):
        account = CharField(max_length=43, primary_key=True)
        cid = CharField(max_length=43)
        new_kid = CharField(max_length=43, unique=True)
        opened_at = BigIntegerField()
        ready_at = BigIntegerField()
        lapses_at = BigIntegerField()
        vetoed_at = BigIntegerField(default=0)
        override_from = BigIntegerField(default=0)
        overridden_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "recovery"

    class RecoveryMonthRow(Model):
        month = CharField(max_length=7, primary_key=True)
        opened = IntegerField(default=0)
        vetoed = IntegerField(default=0)
        overridden = IntegerField(default=0)
        cancelled = IntegerField(default=0)
        finished = IntegerField(default=0)
        lapsed = IntegerField(default=0)
        dropped = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "recovery_month"

    class RecoveryLetter(Model):
        account = CharField(max_length=43, primary_key=True)
        opened_at = BigIntegerField()
        printed_at = BigIntegerField()
        clerk = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "recovery_letter"

    class PendingAct(Model):
        id = CharField(max_length=22, primary_key=True)
        type = CharField(max_length=48)
        transaction = TextField()
        opened_by = CharField(max_length=43)
        opened_at = BigIntegerField()
        expires_at = BigIntegerField(index=True)
        sent = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "pending_act"

    class PersonLinks(Model):
        cid = CharField(max_length=43, primary_key=True)
        sealed = BlobField()

        class Meta:
            database = db
            table_name = "person_links"

    class Mandate(Model):
        id = CharField(max_length=22, primary_key=True)
        subject = CharField(max_length=43, index=True)
        holder = CharField(max_length=43, index=True)
        status = CharField(max_length=10)
        sealed = BlobField()
        opened_at = BigIntegerField()
        expires_at = BigIntegerField(index=True)
        ended_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "mandate"

    return (
        AccountKeyRow,
        NoticeRow,
        RecoveryRow,
        RecoveryMonthRow,
        RecoveryLetter,
        PendingAct,
        PersonLinks,
        Mandate,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)
    # Accounts that were opened before have their one key.
    db.execute_sql(
        "INSERT INTO account_keys (kid, account, kind, scopes, expires_at, since_height, until_height) "
        "SELECT kid, id, 'own', '', 0, opened_height, 0 FROM accounts"
    )


def down(_migrator, db):
    db.drop_tables(_models(db))
