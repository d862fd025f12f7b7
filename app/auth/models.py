"""Tables of login; they exist only here: challenges and failures of minutes, sessions of days."""

from typing import Final

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
)

from app.core.database import Row


class ChallengeRow(Row):
    """An answered challenge, by the hash of its value, until it would have ended: it serves once."""

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


class FactorRow(Row):
    """A second factor of a role key: a passkey's public key, or the sealed secret of an app with codes.

    `counter` is the passkey's signature counter or the last code's time step.
    """

    id = CharField(primary_key=True, max_length=22)
    kid = CharField(max_length=43, index=True)
    kind = CharField(max_length=10)
    credential_id = CharField(max_length=1_400)
    material = BlobField()
    counter = BigIntegerField()
    device_type = CharField(max_length=20)
    is_backed_up = BooleanField()
    created_at = BigIntegerField()
    used_at = BigIntegerField(default=0)

    class Meta:
        """Table `auth_factors`."""

        table_name = "auth_factors"


class FactorCode(Row):
    """Leave for one key to enrol a factor, once; by the hash of the code."""

    code_hash = CharField(primary_key=True, max_length=64)
    kid = CharField(max_length=43, index=True)
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `auth_factor_codes`."""

        table_name = "auth_factor_codes"


class CeremonyRow(Row):
    """The challenge a session's passkey has to sign; one at a time, used up when answered."""

    session = CharField(primary_key=True, max_length=22)
    purpose = CharField(max_length=10)
    challenge = CharField(max_length=43)
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `auth_ceremonies`."""

        table_name = "auth_ceremonies"


class DeviceGrant(Row):
    """A till that waits for its owner's word; both codes by their hashes."""

    code_hash = CharField(primary_key=True, max_length=64)
    user_code_hash = CharField(max_length=64, unique=True)
    kid = CharField(max_length=43, index=True)
    jkt = CharField(max_length=43)
    holder = CharField(max_length=40)
    status = CharField(max_length=10)
    interval_s = IntegerField()
    polled_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `auth_device_grants`."""

        table_name = "auth_device_grants"


TABLES: Final = (
    ChallengeRow,
    FailureCount,
    SessionRow,
    FactorRow,
    FactorCode,
    CeremonyRow,
    DeviceGrant,
)
