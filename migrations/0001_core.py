"""Core, login, accounts, city and audit tables of the first release."""

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
    class Transactions(Model):
        payload_hash = CharField(primary_key=True, max_length=64)
        height = BigIntegerField()
        position = IntegerField()
        time_s = BigIntegerField()
        type = CharField(max_length=48)
        sender = CharField(max_length=48)
        code = IntegerField()
        data = TextField()

        class Meta:
            database = db
            table_name = "transactions"
            indexes = ((("height", "position"), True), (("sender", "height"), False))

    class Projector(Model):
        id = IntegerField(primary_key=True)
        chain_id = CharField(max_length=50)
        town = CharField(max_length=43)
        height = BigIntegerField(default=0)
        header_hash = CharField(max_length=64, default="")
        next_validators_hash = CharField(max_length=64, default="")
        app_hash = CharField(max_length=64, default="")
        time_s = BigIntegerField(default=0)
        halted_code = CharField(max_length=48, default="")

        class Meta:
            database = db
            table_name = "projector"

    class Idempotency(Model):
        client = CharField(max_length=64)
        route = CharField(max_length=120)
        key = CharField(max_length=255)
        fingerprint = CharField(max_length=64)
        started_at = BigIntegerField(index=True)
        status = IntegerField(default=0)
        headers = TextField(default="")
        body = TextField(default="")

        class Meta:
            database = db
            table_name = "idempotency"
            primary_key = CompositeKey("client", "route", "key")

    class Outbox(Model):
        payload_hash = CharField(primary_key=True, max_length=64)
        type = CharField(max_length=48)
        expires_at = BigIntegerField(index=True)
        sent_at = BigIntegerField(index=True)
        attempts = IntegerField(default=1)
        refused_code = CharField(max_length=48, default="")
        node = CharField(max_length=200, default="")
        transaction = TextField()

        class Meta:
            database = db
            table_name = "outbox"

    class AuthChallenges(Model):
        challenge_hash = CharField(primary_key=True, max_length=64)
        kid = CharField(max_length=43)
        audience = CharField(max_length=200)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "auth_challenges"

    class AuthFailures(Model):
        who = CharField(max_length=80)
        window = BigIntegerField()
        count = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "auth_failures"
            primary_key = CompositeKey("who", "window")

    class Accounts(Model):
        id = CharField(primary_key=True, max_length=43)
        domain = CharField(max_length=16)
        kid = CharField(max_length=43, unique=True)
        jwk = TextField()
        status = CharField(max_length=16)
        opened_height = BigIntegerField()

        class Meta:
            database = db
            table_name = "accounts"

    class TicketCounts(Model):
        address = CharField(max_length=64)
        hour = BigIntegerField()
        count = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "ticket_counts"
            primary_key = CompositeKey("address", "hour")

    class Bodies(Model):
        body = CharField(primary_key=True, max_length=32)
        name = CharField(max_length=120)
        seat_kid = CharField(max_length=43, index=True)
        seat_jwk = TextField()
        joined_height = BigIntegerField()
        left_height = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "bodies"

    class Roles(Model):
        kid = CharField(primary_key=True, max_length=43)
        role = CharField(max_length=24, index=True)
        holder = CharField(max_length=40, index=True)
        jwk = TextField()
        expires = BigIntegerField()
        revoked_since = BigIntegerField(default=0)
        granted_height = BigIntegerField()

        class Meta:
            database = db
            table_name = "roles"

    class Acts(Model):
        payload_hash = CharField(max_length=64)
        position = IntegerField()
        act = CharField(max_length=24)
        content = TextField()
        decided_height = BigIntegerField()
        in_force_height = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "acts"
            primary_key = CompositeKey("payload_hash", "position")

    class Headers(Model):
        height = BigIntegerField(primary_key=True)
        header_hash = CharField(max_length=64, index=True)
        header = BlobField()
        commit_bytes = BlobField()
        validators_hash = CharField(max_length=64)
        tx_count = IntegerField()

        class Meta:
            database = db
            table_name = "headers"

    class ValidatorSets(Model):
        validators_hash = CharField(primary_key=True, max_length=64)
        validators = BlobField()

        class Meta:
            database = db
            table_name = "validator_sets"

    return (
        Transactions,
        Projector,
        Idempotency,
        Outbox,
        AuthChallenges,
        AuthFailures,
        Accounts,
        TicketCounts,
        Bodies,
        Roles,
        Acts,
        Headers,
        ValidatorSets,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
