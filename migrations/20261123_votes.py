"""Votes: elections, stations, the public box, requests and signatures; drafts, rolls, complaints, incidents."""

from peewee import (
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
    Model,
    TextField,
)


def _models(db):
    class ElectionRow(Model):
        election = CharField(max_length=22, primary_key=True)
        owner = CharField(max_length=48)
        name = TextField()
        description = TextField()
        legal_kind = CharField(max_length=32)
        policy = CharField(max_length=16)
        group_name = CharField(max_length=16)
        regulation = CharField(max_length=43)
        phase = CharField(max_length=16)
        issuance_opens = BigIntegerField()
        issuance_closes = BigIntegerField()
        registration_closes = BigIntegerField()
        voting_opens = BigIntegerField()
        voting_closes = BigIntegerField()
        appeals_close = BigIntegerField()
        setup = TextField()
        ceremony = CharField(max_length=12)
        trustees = TextField()
        trustees_threshold = IntegerField()
        fingerprint = CharField(max_length=43, default="")
        electors = IntegerField(default=0)
        requests = IntegerField(default=0)
        served = IntegerField(default=0)
        registrations = IntegerField(default=0)
        ballots = IntegerField(default=0)
        voters = IntegerField(default=0)
        revotes = IntegerField(default=0)
        spoiled = IntegerField(default=0)
        weight = IntegerField(default=0)
        votes = TextField(default="")
        events = IntegerField(default=0)
        head = CharField(max_length=64, default="")
        reason = CharField(max_length=43, default="")
        height = BigIntegerField()
        created_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "vote_election"

    class StationRow(Model):
        election = CharField(max_length=22)
        station = CharField(max_length=8)
        weight_class = CharField(max_length=8)
        weight = IntegerField()
        electors = IntegerField(default=0)
        root = CharField(max_length=43, default="")
        requests = IntegerField(default=0)
        served = IntegerField(default=0)
        registrations = IntegerField(default=0)
        voters = IntegerField(default=0)
        signers = TextField(default="")

        class Meta:
            database = db
            table_name = "vote_station"
            primary_key = CompositeKey("election", "station", "weight_class")

    class DocumentRow(Model):
        election = CharField(max_length=22)
        name = CharField(max_length=16)
        text = TextField()

        class Meta:
            database = db
            table_name = "vote_document"
            primary_key = CompositeKey("election", "name")

    class EventRow(Model):
        election = CharField(max_length=22)
        height = BigIntegerField()
        position = IntegerField()
        kind = CharField(max_length=32)
        time_s = BigIntegerField()
        facts = TextField()

        class Meta:
            database = db
            table_name = "vote_event"
            primary_key = CompositeKey("election", "height", "position", "kind")

    class PlaceRow(Model):
        election = CharField(max_length=22)
        office = CharField(max_length=9)
        rank = IntegerField()
        body = CharField(max_length=48)
        step = CharField(max_length=16, default="")
        height = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "vote_place"
            primary_key = CompositeKey("election", "office", "rank")

    class KeyRow(Model):
        election = CharField(max_length=22)
        station = CharField(max_length=8)
        weight_class = CharField(max_length=8)
        registrar = IntegerField()
        n = TextField()

        class Meta:
            database = db
            table_name = "vote_key"
            primary_key = CompositeKey("election", "station", "weight_class", "registrar")

    class RequestRow(Model):
        election = CharField(max_length=22)
        cid = CharField(max_length=43)
        station = CharField(max_length=8)
        weight_class = CharField(max_length=8)
        at = BigIntegerField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "vote_request"
            primary_key = CompositeKey("election", "cid")

    class SignatureRow(Model):
        election = CharField(max_length=22)
        cid = CharField(max_length=43)
        registrar = IntegerField()
        signature = TextField()

        class Meta:
            database = db
            table_name = "vote_signature"
            primary_key = CompositeKey("election", "cid", "registrar")

    class CredentialRow(Model):
        election = CharField(max_length=22)
        digest = CharField(max_length=64)
        credential = TextField()
        station = CharField(max_length=8)
        weight_class = CharField(max_length=8)
        weight = IntegerField()
        ballots = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "vote_credential"
            primary_key = CompositeKey("election", "digest")

    class BallotRow(Model):
        election = CharField(max_length=22)
        place = IntegerField()
        tracker = CharField(max_length=43)
        is_revote = BooleanField()
        height = BigIntegerField()
        text = TextField()

        class Meta:
            database = db
            table_name = "vote_ballot"
            primary_key = CompositeKey("election", "place")

    class ShareRow(Model):
        election = CharField(max_length=22)
        place = IntegerField()
        trustee = IntegerField()
        text = TextField()

        class Meta:
            database = db
            table_name = "vote_share"
            primary_key = CompositeKey("election", "place")

    class CopyRow(Model):
        election = CharField(max_length=22)
        body = CharField(max_length=48)
        file = CharField(max_length=64)
        size_bytes = BigIntegerField()
        height = BigIntegerField()

        class Meta:
            database = db
            table_name = "vote_copy"
            primary_key = CompositeKey("election", "body")

    class AnchorRow(Model):
        election = CharField(max_length=22)
        digest = CharField(max_length=43)
        place = IntegerField()
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "vote_anchor"
            primary_key = CompositeKey("election", "digest")

    class DraftRow(Model):
        election = CharField(max_length=22, primary_key=True)
        owner = CharField(max_length=48)
        body = TextField()
        regulation = TextField()
        drafted_by = CharField(max_length=43)
        drafted_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "vote_draft"

    class RollRow(Model):
        election = CharField(max_length=22)
        cid = CharField(max_length=43)
        station = CharField(max_length=8)
        weight_class = CharField(max_length=8)
        salt = CharField(max_length=22)
        place = IntegerField()

        class Meta:
            database = db
            table_name = "vote_roll"
            primary_key = CompositeKey("election", "cid")

    class ComplaintRow(Model):
        digest = CharField(max_length=43, primary_key=True)
        election = CharField(max_length=22, index=True)
        sealed = TextField()
        received_at = BigIntegerField()
        status = CharField(max_length=10, default="open")
        answer = TextField(default="")
        answered_by = CharField(max_length=43, default="")
        answered_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "vote_complaint"

    class IncidentRow(Model):
        id = CharField(max_length=22, primary_key=True)
        election = CharField(max_length=22, index=True)
        at = BigIntegerField()
        level = CharField(max_length=8)
        text_fr = TextField()
        text_en = TextField()
        published_by = CharField(max_length=43)

        class Meta:
            database = db
            table_name = "vote_incident"

    return (
        ElectionRow,
        StationRow,
        DocumentRow,
        EventRow,
        PlaceRow,
        KeyRow,
        RequestRow,
        SignatureRow,
        CredentialRow,
        BallotRow,
        ShareRow,
        CopyRow,
        AnchorRow,
        DraftRow,
        RollRow,
        ComplaintRow,
        IncidentRow,
    )


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
