"""Read model of elections, rebuilt by the projector; and what exists only here: drafts, rolls, complaints, incidents.

Everything projected is public on the chain. `vote_request` is the sign-off list: which random id asked for a
credential, never what became of it. No table joins a request to a credential or a ballot; nothing could.
"""

from typing import Final

from peewee import BigIntegerField, BooleanField, CharField, CompositeKey, IntegerField, TextField

from app.core.database import Row

ELECTION_CHARS: Final = 22
STATION_CHARS: Final = 8
HASH_CHARS: Final = 64
CID_CHARS: Final = 43
SLUG_CHARS: Final = 48


class ElectionRow(Row):
    """An election: what was published, where it stands, and its counts. Times are header time, unix seconds."""

    election = CharField(max_length=ELECTION_CHARS, primary_key=True)
    owner = CharField(max_length=SLUG_CHARS)
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
    """Canonical JSON of the transaction that published it: questions, contests, stations, places."""
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
    """JSON rows of the result, empty before."""
    events = IntegerField(default=0)
    head = CharField(max_length=HASH_CHARS, default="")
    reason = CharField(max_length=43, default="")
    """Hash of why it was last postponed or cancelled."""
    height = BigIntegerField()
    created_at = BigIntegerField()

    class Meta:
        """Table `vote_election`."""

        table_name = "vote_election"


class StationRow(Row):
    """A station and weight class with its counts; `signers` is JSON, empty before issuance ended."""

    election = CharField(max_length=ELECTION_CHARS)
    station = CharField(max_length=STATION_CHARS)
    weight_class = CharField(max_length=STATION_CHARS)
    weight = IntegerField()
    electors = IntegerField(default=0)
    root = CharField(max_length=43, default="")
    requests = IntegerField(default=0)
    served = IntegerField(default=0)
    registrations = IntegerField(default=0)
    voters = IntegerField(default=0)
    signers = TextField(default="")

    class Meta:
        """Table `vote_station`."""

        table_name = "vote_station"
        primary_key = CompositeKey("election", "station", "weight_class")


class DocumentRow(Row):
    """A record of Belenios: election, trustees, tally, sized, result; texts as the archive holds them."""

    election = CharField(max_length=ELECTION_CHARS)
    name = CharField(max_length=16)
    text = TextField()

    class Meta:
        """Table `vote_document`."""

        table_name = "vote_document"
        primary_key = CompositeKey("election", "name")


class EventRow(Row):
    """What happened to an election, in order: the page that tells it, and notifications."""

    election = CharField(max_length=ELECTION_CHARS)
    height = BigIntegerField()
    position = IntegerField()
    kind = CharField(max_length=32)
    time_s = BigIntegerField()
    facts = TextField()

    class Meta:
        """Table `vote_event`."""

        table_name = "vote_event"
        primary_key = CompositeKey("election", "height", "position", "kind")


class PlaceRow(Row):
    """A registrar's or trustee's place: its body, and the last step it took (0 for none)."""

    election = CharField(max_length=ELECTION_CHARS)
    office = CharField(max_length=9)
    rank = IntegerField()
    body = CharField(max_length=SLUG_CHARS)
    step = CharField(max_length=16, default="")
    height = BigIntegerField(default=0)

    class Meta:
        """Table `vote_place`."""

        table_name = "vote_place"
        primary_key = CompositeKey("election", "office", "rank")


class KeyRow(Row):
    """A registrar's RSA modulus for one station and weight class."""

    election = CharField(max_length=ELECTION_CHARS)
    station = CharField(max_length=STATION_CHARS)
    weight_class = CharField(max_length=STATION_CHARS)
    registrar = IntegerField()
    n = TextField()

    class Meta:
        """Table `vote_key`."""

        table_name = "vote_key"
        primary_key = CompositeKey("election", "station", "weight_class", "registrar")


class RequestRow(Row):
    """An identity that asked for a credential: a line of the sign-off list, until the purge."""

    election = CharField(max_length=ELECTION_CHARS)
    cid = CharField(max_length=CID_CHARS)
    station = CharField(max_length=STATION_CHARS)
    weight_class = CharField(max_length=STATION_CHARS)
    at = BigIntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `vote_request`."""

        table_name = "vote_request"
        primary_key = CompositeKey("election", "cid")


class SignatureRow(Row):
    """A registrar's blind signature for a request, for the citizen to fetch; until the purge."""

    election = CharField(max_length=ELECTION_CHARS)
    cid = CharField(max_length=CID_CHARS)
    registrar = IntegerField()
    signature = TextField()

    class Meta:
        """Table `vote_signature`."""

        table_name = "vote_signature"
        primary_key = CompositeKey("election", "cid", "registrar")


class CredentialRow(Row):
    """A registered credential: an anonymous public key, its station, and how often it voted."""

    election = CharField(max_length=ELECTION_CHARS)
    digest = CharField(max_length=HASH_CHARS)
    """SHA-256 of the credential's text: an element of the larger group is too long for an index."""
    credential = TextField()
    station = CharField(max_length=STATION_CHARS)
    weight_class = CharField(max_length=STATION_CHARS)
    weight = IntegerField()
    ballots = IntegerField(default=0)

    class Meta:
        """Table `vote_credential`."""

        table_name = "vote_credential"
        primary_key = CompositeKey("election", "digest")


class BallotRow(Row):
    """A ballot in the box, by its place; `text` is emptied by the purge, the tracker stays."""

    election = CharField(max_length=ELECTION_CHARS)
    place = IntegerField()
    tracker = CharField(max_length=43)
    is_revote = BooleanField()
    height = BigIntegerField()
    text = TextField()

    class Meta:
        """Table `vote_ballot`."""

        table_name = "vote_ballot"
        primary_key = CompositeKey("election", "place")


class ShareRow(Row):
    """A trustee's partial decryption, in order of arrival."""

    election = CharField(max_length=ELECTION_CHARS)
    place = IntegerField()
    trustee = IntegerField()
    text = TextField()

    class Meta:
        """Table `vote_share`."""

        table_name = "vote_share"
        primary_key = CompositeKey("election", "place")


class CopyRow(Row):
    """An archive file that a body says it holds."""

    election = CharField(max_length=ELECTION_CHARS)
    body = CharField(max_length=SLUG_CHARS)
    file = CharField(max_length=HASH_CHARS)
    size_bytes = BigIntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `vote_copy`."""

        table_name = "vote_copy"
        primary_key = CompositeKey("election", "body")


class AnchorRow(Row):
    """A complaint's hash on the chain: it cannot be lost."""

    election = CharField(max_length=ELECTION_CHARS)
    digest = CharField(max_length=43)
    place = IntegerField()
    at = BigIntegerField()

    class Meta:
        """Table `vote_anchor`."""

        table_name = "vote_anchor"
        primary_key = CompositeKey("election", "digest")


# --- only here -----------------------------------------------------------------------------------


class DraftRow(Row):
    """An election being prepared: the transaction to sign, and the regulation whose hash it holds."""

    election = CharField(max_length=ELECTION_CHARS, primary_key=True)
    owner = CharField(max_length=SLUG_CHARS)
    body = TextField()
    regulation = TextField()
    drafted_by = CharField(max_length=CID_CHARS)
    drafted_at = BigIntegerField()

    class Meta:
        """Table `vote_draft`."""

        table_name = "vote_draft"


class RollRow(Row):
    """A citizen on an election's roll: the salt and place that open the chain's root for them, and for nobody else."""

    election = CharField(max_length=ELECTION_CHARS)
    cid = CharField(max_length=CID_CHARS)
    station = CharField(max_length=STATION_CHARS)
    weight_class = CharField(max_length=STATION_CHARS)
    salt = CharField(max_length=22)
    place = IntegerField()

    class Meta:
        """Table `vote_roll`."""

        table_name = "vote_roll"
        primary_key = CompositeKey("election", "cid")


class ComplaintRow(Row):
    """A complaint: its sealed text, and what the commission answered. The text goes when appeals are over."""

    digest = CharField(max_length=43, primary_key=True)
    election = CharField(max_length=ELECTION_CHARS, index=True)
    sealed = TextField()
    received_at = BigIntegerField()
    status = CharField(max_length=10, default="open")
    answer = TextField(default="")
    answered_by = CharField(max_length=CID_CHARS, default="")
    answered_at = BigIntegerField(default=0)

    class Meta:
        """Table `vote_complaint`."""

        table_name = "vote_complaint"


class IncidentRow(Row):
    """A line of the public incident page."""

    id = CharField(max_length=22, primary_key=True)
    election = CharField(max_length=ELECTION_CHARS, index=True)
    at = BigIntegerField()
    level = CharField(max_length=8)
    text_fr = TextField()
    text_en = TextField()
    published_by = CharField(max_length=CID_CHARS)

    class Meta:
        """Table `vote_incident`."""

        table_name = "vote_incident"


PROJECTED: Final = (
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
)
TABLES: Final = (DraftRow, RollRow, ComplaintRow, IncidentRow)
