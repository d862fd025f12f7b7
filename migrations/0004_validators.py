"""City: validators and their proven misbehaviour."""

from peewee import BigIntegerField, CharField, CompositeKey, Model


def _models(db):
    class ValidatorRow(Model):
        pub_key = CharField(max_length=43, primary_key=True)
        body = CharField(max_length=32, index=True)
        power = BigIntegerField()
        status = CharField(max_length=12)
        since_height = BigIntegerField()

        class Meta:
            database = db
            table_name = "validators"

    class MisbehaviourRow(Model):
        height = BigIntegerField()
        pub_key = CharField(max_length=43)
        offence = CharField(max_length=24)
        body = CharField(max_length=32)
        time_s = BigIntegerField()
        power = BigIntegerField()
        total_power = BigIntegerField()
        committed_height = BigIntegerField(index=True)
        outcome = CharField(max_length=12)

        class Meta:
            database = db
            table_name = "misbehaviour"
            primary_key = CompositeKey("pub_key", "height", "offence")

    return (ValidatorRow, MisbehaviourRow)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
