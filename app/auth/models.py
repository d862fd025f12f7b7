"""Tables of login; they exist only here and hold nothing that outlives a quarter of an hour."""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField

from app.core.database import Row


class ChallengeRow(Row):
    """An open challenge, by the hash of its value; deleted when used."""

    challenge_hash = CharField(primary_key=True, max_length=64)
    kid = CharField(max_length=43)
    audience = CharField(max_length=200)
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `auth_challenges`."""

        table_name = "auth_challenges"


class FailureCount(Row):
    """Failed logins of one key or address in one window."""

    who = CharField(max_length=80)
    window = BigIntegerField()
    count = IntegerField(default=0)

    class Meta:
        """Table `auth_failures`."""

        table_name = "auth_failures"
        primary_key = CompositeKey("who", "window")


TABLES: Final = (ChallengeRow, FailureCount)
