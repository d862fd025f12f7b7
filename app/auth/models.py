"""Tables of login; they exist only here: challenges and failures of minutes, sessions of days."""

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


class SessionRow(Row):
    """One login; `jkt` is the key that proves its requests, `factor` the second one an agent showed."""

    id = CharField(primary_key=True, max_length=22)
    kid = CharField(max_length=43, index=True)
    subject = CharField(max_length=43, index=True)
    jkt = CharField(max_length=43, index=True)
    scope = CharField(max_length=200)
    generation = IntegerField()
    started_at = BigIntegerField()
    rotated_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)
    ended_at = BigIntegerField(default=0)
    end_reason = CharField(max_length=40, default="")
    factor = CharField(max_length=10, default="")
    factor_at = BigIntegerField(default=0)

    class Meta:
        """Table `auth_sessions`."""

        table_name = "auth_sessions"


TABLES: Final = (ChallengeRow, FailureCount, SessionRow)
