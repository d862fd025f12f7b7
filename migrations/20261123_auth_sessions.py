"""Login: sessions bound to a proof key, and names that serve once."""

from peewee import BigIntegerField, CharField, IntegerField, Model


def _models(db):
    class AuthSessions(Model):
        id = CharField(primary_key=True, max_length=22)
        kid = CharField(max_length=43, index=True)
        subject = CharField(max_length=43, index=True)
        jkt = CharField(max_length=43, index=True)
        scope = CharField(max_length=200)
        generation = IntegerField()
        started_at = BigIntegerField()
        rotated_at = BigIntegerField()
        expires_at = BigIntegerField(index=True)
        ended_at = BigIntegerField(default=0)
        end_reason = CharField(max_length=40, default="")
        factor = CharField(max_length=10, default="")
        factor_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "auth_sessions"

    class UsedNames(Model):
        name = CharField(primary_key=True, max_length=64)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "used_names"

    return (AuthSessions, UsedNames)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
