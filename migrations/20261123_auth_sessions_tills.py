"""Login of tills by their owner's word (RFC 8628)."""

from peewee import BigIntegerField, CharField, IntegerField, Model


def _models(db):
    class AuthDeviceGrants(Model):
        code_hash = CharField(primary_key=True, max_length=64)
        user_code_hash = CharField(max_length=64, unique=True)
        kid = CharField(max_length=43, index=True)
        jkt = CharField(max_length=43)
        holder = CharField(max_length=40)
        status = CharField(max_length=10)
        interval_s = IntegerField()
        polled_at = BigIntegerField()
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "auth_device_grants"

    return (AuthDeviceGrants,)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
