"""Tables of identity: what the chain says (rebuilt by the projector), and what must stay erasable (only here).

`IdentityRow` is projected. The others exist nowhere else; civil
strings sit in `Person.sealed` alone, under the person's own key.
"""

from typing import Final

from peewee import BigIntegerField, BlobField, CharField, CompositeKey, IntegerField, TextField

from app.core.database import Row

CID_CHARS: Final = 43
KID_CHARS: Final = 43


class IdentityRow(Row):
    """An identity as the chain holds it."""

    cid = CharField(max_length=CID_CHARS, primary_key=True)
    account = CharField(max_length=KID_CHARS, index=True)
    kid = CharField(max_length=KID_CHARS, unique=True)
    jwk = TextField()
    status = CharField(max_length=16)
    level_identity = IntegerField()
    level_residence = IntegerField()
    commitment = CharField(max_length=43)
    expires_month = CharField(max_length=7)
    height = BigIntegerField()
    payload_hash = CharField(max_length=64)

    class Meta:
        """Table `identity`."""

        table_name = "identity"


class Enrolment(Row):
    """A phone at the desk: open for minutes, then drafted, then attested."""

    id = CharField(max_length=22, primary_key=True)
    kid = CharField(max_length=KID_CHARS, index=True)
    jwk = TextField()
    status = CharField(max_length=10)
    number = CharField(max_length=6)
    clerk = CharField(max_length=KID_CHARS, default="")
    cid = CharField(max_length=CID_CHARS, default="", index=True)
    created_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `enrolment`."""

        table_name = "enrolment"


class Person(Row):
    """The erasable half of an identity; `sealed` holds the civil record and the commitment's salt."""

    cid = CharField(max_length=CID_CHARS, primary_key=True)
    kid = CharField(max_length=KID_CHARS, unique=True)
    status = CharField(max_length=10)
    sealed = BlobField()
    draft = TextField()
    attestation = TextField(default="")
    attested_by = CharField(max_length=KID_CHARS, default="", index=True)
    attested_at = BigIntegerField(default=0, index=True)
    flag = CharField(max_length=10, default="")
    """Why a second agent must sign, found while drafting: `duplicate`, or empty."""
    restricted_at = BigIntegerField(default=0)
    """Since when the citizen restricts the file (GDPR art. 18); 0 while it may be processed."""
    renewal = TextField(default="")
    """An attestation of corrected or renewed facts, signed and waiting for the chain."""
    sealed_next = BlobField(null=True)
    """The file that replaces `sealed` when the chain holds the renewal's commitment."""

    class Meta:
        """Table `person`."""

        table_name = "person"


class DuplicateIndex(Row):
    """A keyed digest under which a second file of one person would meet the first."""

    cid = CharField(max_length=CID_CHARS, index=True)
    kind = CharField(max_length=6)
    digest = CharField(max_length=64)
    version = IntegerField(default=1)
    """Of the index key that made the digest."""

    class Meta:
        """Table `duplicate_index`."""

        table_name = "duplicate_index"
        indexes = ((("kind", "digest"), False),)


class DeskEntry(Row):
    """Who at the desk touched whose file, when and why; the citizen can read the lines of their own file."""

    at = BigIntegerField(index=True)
    clerk = CharField(max_length=KID_CHARS, index=True)
    action = CharField(max_length=24)
    cid = CharField(max_length=CID_CHARS, index=True)
    reason = CharField(max_length=24)

    class Meta:
        """Table `desk_entry`."""

        table_name = "desk_entry"


class DeskReview(Row):
    """What a second agent looks at: before the batch (`duplicate`, `volume`) or afterwards (`sample`)."""

    id = CharField(max_length=22, primary_key=True)
    cid = CharField(max_length=CID_CHARS, index=True)
    kind = CharField(max_length=10)
    opened_at = BigIntegerField(index=True)
    opened_by = CharField(max_length=KID_CHARS)
    decided_at = BigIntegerField(default=0)
    decided_by = CharField(max_length=KID_CHARS, default="")
    outcome = CharField(max_length=10, default="")
    signature = TextField(default="")
    """The second agent's JWS over the attestation and the outcome."""

    class Meta:
        """Table `desk_review`."""

        table_name = "desk_review"


class AgentPerson(Row):
    """Which file is an agent's own, as a keyed digest of both: nobody acts on the own record."""

    kid = CharField(max_length=KID_CHARS, primary_key=True)
    digest = CharField(max_length=64)
    recorded_by = CharField(max_length=KID_CHARS)
    recorded_at = BigIntegerField()

    class Meta:
        """Table `agent_person`."""

        table_name = "agent_person"


class RightsRequest(Row):
    """A right that a citizen called upon and the desk must answer; what was asked is sealed."""

    id = CharField(max_length=22, primary_key=True)
    cid = CharField(max_length=CID_CHARS, index=True)
    kind = CharField(max_length=13)
    sealed = BlobField()
    asked_at = BigIntegerField(index=True)
    closed_at = BigIntegerField(default=0)
    closed_by = CharField(max_length=KID_CHARS, default="")
    outcome = CharField(max_length=16, default="")

    class Meta:
        """Table `rights_request`."""

        table_name = "rights_request"


class Tombstone(Row):
    """That somebody was erased while a ballot was open: a keyed digest per ballot, until it ends."""

    ballot = CharField(max_length=64)
    digest = CharField(max_length=64)
    version = IntegerField()
    until = BigIntegerField(index=True)

    class Meta:
        """Table `tombstone`."""

        table_name = "tombstone"
        primary_key = CompositeKey("ballot", "digest")


class BallotBlock(Row):
    """An identity that may not enter the roll of a ballot: its person was erased while it was open."""

    cid = CharField(max_length=CID_CHARS)
    ballot = CharField(max_length=64)
    until = BigIntegerField(index=True)

    class Meta:
        """Table `ballot_block`."""

        table_name = "ballot_block"
        primary_key = CompositeKey("cid", "ballot")


PROJECTED: Final = (IdentityRow,)
"""Emptied and filled again by a rebuild; the other tables are the only copy of what they hold."""
TABLES: Final = (
    Enrolment,
    Person,
    DuplicateIndex,
    DeskEntry,
    DeskReview,
    AgentPerson,
    RightsRequest,
    Tombstone,
    BallotBlock,
)
