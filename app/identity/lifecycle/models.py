"""Tables of an identity's life: recoveries as the chain tells them, and what exists only here.

`RecoveryRow` and `RecoveryMonthRow` are projected. Nothing civil stands in clear: what says something of a person
is sealed under the person's own key (`PersonLinks.sealed`, `Mandate.sealed`).
"""

from typing import Final

from peewee import BigIntegerField, BlobField, CharField, IntegerField, TextField

from app.core.database import Row


class RecoveryRow(Row):
    """A recovery under way; times are the chain's, 0 until it happens."""

    account = CharField(max_length=43, primary_key=True)
    cid = CharField(max_length=43)
    new_kid = CharField(max_length=43, unique=True)
    opened_at = BigIntegerField()
    ready_at = BigIntegerField()
    lapses_at = BigIntegerField()
    vetoed_at = BigIntegerField(default=0)
    override_from = BigIntegerField(default=0)
    overridden_at = BigIntegerField(default=0)

    class Meta:
        """Table `recovery`."""

        table_name = "recovery"


class RecoveryMonthRow(Row):
    """How many recoveries took each step in one month: published."""

    month = CharField(max_length=7, primary_key=True)
    opened = IntegerField(default=0)
    vetoed = IntegerField(default=0)
    overridden = IntegerField(default=0)
    cancelled = IntegerField(default=0)
    finished = IntegerField(default=0)
    lapsed = IntegerField(default=0)
    dropped = IntegerField(default=0)

    class Meta:
        """Table `recovery_month`."""

        table_name = "recovery_month"


class RecoveryLetter(Row):
    """That the letter of a recovery was printed; the address is read from the sealed file each time."""

    account = CharField(max_length=43, primary_key=True)
    opened_at = BigIntegerField()
    printed_at = BigIntegerField()
    clerk = CharField(max_length=43)

    class Meta:
        """Table `recovery_letter`."""

        table_name = "recovery_letter"


class PendingAct(Row):
    """A transaction that waits for signatures: agents of two bodies seldom sit at one desk."""

    id = CharField(max_length=22, primary_key=True)
    type = CharField(max_length=48)
    transaction = TextField()
    opened_by = CharField(max_length=43)
    opened_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)
    sent = IntegerField(default=0)

    class Meta:
        """Table `pending_act`."""

        table_name = "pending_act"


class PersonLinks(Row):
    """Which accounts of other domains a person has said to be theirs: the one place that joins them, sealed."""

    cid = CharField(max_length=43, primary_key=True)
    sealed = BlobField()

    class Meta:
        """Table `person_links`."""

        table_name = "person_links"


class Mandate(Row):
    """Who may act for whom until when; kind and scopes are sealed under the subject's key."""

    id = CharField(max_length=22, primary_key=True)
    subject = CharField(max_length=43, index=True)
    holder = CharField(max_length=43, index=True)
    status = CharField(max_length=10)
    sealed = BlobField()
    opened_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)
    ended_at = BigIntegerField(default=0)

    class Meta:
        """Table `mandate`."""

        table_name = "mandate"


PROJECTED: Final = (RecoveryRow, RecoveryMonthRow)
TABLES: Final = (RecoveryLetter, PendingAct, PersonLinks, Mandate)
