"""The audit log, and its anchors on the chain."""

from peewee import BigIntegerField, CharField, CompositeKey, Model


def _models(db):
    class AuditEntries(Model):
        seq = BigIntegerField(primary_key=True)
        at = BigIntegerField()
        who = CharField(max_length=64, index=True)
        action = CharField(max_length=40)
        target = CharField(max_length=64, index=True)
        place = CharField(max_length=120)
        reason = CharField(max_length=40)
        outcome = CharField(max_length=40)
        hash = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "audit_entries"

    class AuditAnchors(Model):
        body = CharField(max_length=40)
        count = BigIntegerField()
        head = CharField(max_length=43)
        time_s = BigIntegerField()
        height = BigIntegerField()
        payload_hash = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "audit_anchors"
            primary_key = CompositeKey("body", "height", "payload_hash")

    return (AuditEntries, AuditAnchors)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
