"""Electoral axis: imports, stations, electors, and how long a residence counts; all projected."""

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, Model


def _models(db):
    class RegisterImport(Model):
        serial = IntegerField(primary_key=True)
        body = CharField(max_length=48)
        root = CharField(max_length=43)
        expires_month = CharField(max_length=7)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "electoral_register"

    class StationRow(Model):
        serial = IntegerField()
        station = CharField(max_length=8)
        imported = IntegerField()
        enrolled = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "electoral_station"
            primary_key = CompositeKey("serial", "station")

    class ElectorRow(Model):
        cid = CharField(max_length=43, primary_key=True)
        serial = IntegerField()
        station = CharField(max_length=8)
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "elector"

    class ResidenceRow(Model):
        cid = CharField(max_length=43, primary_key=True)
        expires_month = CharField(max_length=7)

        class Meta:
            database = db
            table_name = "residence"

    return RegisterImport, StationRow, ElectorRow, ResidenceRow


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
