"""Node hashes of each step's tree, so that an own row has its path without the others' rows."""

from peewee import BlobField, CharField, CompositeKey, IntegerField, Model


def _model(db):
    class PathChunk(Model):
        operation = CharField(max_length=32)
        day = CharField(max_length=10)
        version = IntegerField()
        kind = CharField(max_length=10)
        place = CharField(max_length=24)
        nodes = BlobField()

        class Meta:
            database = db
            table_name = "energy_path_chunk"
            primary_key = CompositeKey("operation", "day", "version", "kind", "place")

    return PathChunk


def up(_migrator, db):
    db.create_tables((_model(db),), safe=False)


def down(_migrator, db):
    db.drop_tables((_model(db),))
