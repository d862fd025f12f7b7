"""Register: versions of index keys, a second agent's reviews, agents' own files, rights asked for, tombstones."""

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
    class DeskReview(Model):
        id = CharField(max_length=22, primary_key=True)
        cid = CharField(max_length=43, index=True)
        kind = CharField(max_length=10)
        opened_at = BigIntegerField(index=True)
        opened_by = CharField(max_length=43)
        decided_at = BigIntegerField(default=0)
        decided_by = CharField(max_length=43, default="")
        outcome = CharField(max_length=10, default="")
        signature = TextField(default="")

        class Meta:
            database = db
            table_name = "desk_review"

    class AgentPerson(Model):
        kid = CharField(max_length=43, primary_key=True)
        digest = CharField(max_length=64)
        recorded_by = CharField(max_length=43)
        recorded_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "agent_person"

    class RightsRequest(Model):
        id = CharField(max_length=22, primary_key=True)
        cid = CharField(max_length=43, index=True)
        kind = CharField(max_length=13)
        sealed = BlobField()
        asked_at = BigIntegerField(index=True)
        closed_at = BigIntegerField(default=0)
        closed_by = CharField(max_length=43, default="")
        outcome = CharField(max_length=16, default="")

        class Meta:
            database = db
            table_name = "rights_request"

    class Tombstone(Model):
        ballot = CharField(max_length=64)
        digest = CharField(max_length=64)
        version = IntegerField()
        until = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "tombstone"
            primary_key = CompositeKey("ballot", "digest")

    class BallotBlock(Model):
        cid = CharField(max_length=43)
        ballot = CharField(max_length=64)
        until = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "ballot_block"
            primary_key = CompositeKey("cid", "ballot")

    return (DeskReview, AgentPerson, RightsRequest, Tombstone, BallotBlock)


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("duplicate_index", "version", IntegerField(default=1)),
        migrator.add_column("person", "flag", CharField(max_length=10, default="")),
        migrator.add_column("person", "restricted_at", BigIntegerField(default=0)),
        migrator.add_column("person", "renewal", TextField(default="")),
        migrator.add_column("person", "sealed_next", BlobField(null=True)),
    )
    db.create_tables(_models(db), safe=False)


def down(migrator, db):
    db.drop_tables(_models(db))
    migrator.migrate(
        migrator.drop_column("person", "sealed_next"),
        migrator.drop_column("person", "renewal"),
        migrator.drop_column("person", "restricted_at"),
        migrator.drop_column("person", "flag"),
        migrator.drop_column("duplicate_index", "version"),
    )
