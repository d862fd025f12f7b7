"""Tables of identity: what the chain says (rebuilt by the projector), and what must stay erasable (only here).

`IdentityRow` is projected. `Enrolment`, `Person`, `DuplicateIndex` and `DeskEntry` exist nowhere else; civil
strings sit in `Person.sealed` alone, under the person's own key.
"""

from typing import Final

from peewee import BigIntegerField, BlobField, CharField, IntegerField, TextField

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

    class Meta:
        """Table `person`."""

        table_name = "person"


class DuplicateIndex(Row):
    """A keyed digest under which a second file of one person would meet the first."""

    cid = CharField(max_length=CID_CHARS, index=True)
    kind = CharField(max_length=6)
    digest = CharField(max_length=64)

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


PROJECTED: Final = (IdentityRow,)
"""Emptied and filled again by a rebuild; the other tables are the only copy of what they hold."""
TABLES: Final = (Enrolment, Person, DuplicateIndex, DeskEntry)
