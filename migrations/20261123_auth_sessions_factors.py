"""Login: agents' second factors, leave to enrol one, and passkey ceremonies."""

from peewee import BigIntegerField, BlobField, BooleanField, CharField, Model


def _models(db):
    class AuthFactors(Model):
        id = CharField(primary_key=True, max_length=22)
        kid = CharField(max_length=43, index=True)
        kind = CharField(max_length=10)
        credential_id = CharField(max_length=1_400)
        material = BlobField()
        counter = BigIntegerField()
        device_type = CharField(max_length=20)
        is_backed_up = BooleanField()
        created_at = BigIntegerField()
        used_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "auth_factors"

    class AuthFactorCodes(Model):
        code_hash = CharField(primary_key=True, max_length=64)
        kid = CharField(max_length=43, index=True)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "auth_factor_codes"

    class AuthCeremonies(Model):
        session = CharField(primary_key=True, max_length=22)
        purpose = CharField(max_length=10)
        challenge = CharField(max_length=43)
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "auth_ceremonies"

    return (AuthFactors, AuthFactorCodes, AuthCeremonies)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
