"""Identity: the projected rows, and the desk's erasable files."""

from peewee import BigIntegerField, BlobField, CharField, IntegerField, Model, TextField


def _models(db):
    class IdentityRow(Model):
        cid = CharField(max_length=43, primary_key=True)
        account = CharField(max_length=43, index=True)
        kid = CharField(max_length=43, unique=True)
        jwk = TextField()
        status = CharField(max_length=16)
        level_identity = IntegerField()
        level_residence = IntegerField()
        commitment = CharField(max_length=43)
        expires_month = CharField(max_length=7)
        height = BigIntegerField()
        payload_hash = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "identity"

    class Enrolment(Model):
        id = CharField(max_length=22, primary_key=True)
        kid = CharField(max_length=43, index=True)
        jwk = TextField()
        status = CharField(max_length=10)
        number = CharField(max_length=6)
        clerk = CharField(max_length=43, default="")
        cid = CharField(max_length=43, default="", index=True)
        created_at = BigIntegerField()
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "enrolment"

    class Person(Model):
        cid = CharField(max_length=43, primary_key=True)
        kid = CharField(max_length=43, unique=True)
        status = CharField(max_length=10)
        sealed = BlobField()
        draft = TextField()
        attestation = TextField(default="")
        attested_by = CharField(max_length=43, default="", index=True)
        attested_at = BigIntegerField(default=0, index=True)

        class Meta:
            database = db
            table_name = "person"

    class DuplicateIndex(Model):
        cid = CharField(max_length=43, index=True)
        kind = CharField(max_length=6)
        digest = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "duplicate_index"
            indexes = ((("kind", "digest"), False),)

    class DeskEntry(Model):
        at = BigIntegerField(index=True)
        clerk = CharField(max_length=43, index=True)
        action = CharField(max_length=24)
        cid = CharField(max_length=43, index=True)
        reason = CharField(max_length=24)

        class Meta:
            database = db
            table_name = "desk_entry"

    return (
        IdentityRow,
        Enrolment,
        Person,
        DuplicateIndex,
        DeskEntry,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
