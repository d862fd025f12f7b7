"""Tables of the city, all projected from the chain."""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, TextField

from app.core.database import Row


class BodyRow(Row):
    """A body with its council seat; `left_height` 0 while it takes part."""

    body = CharField(primary_key=True, max_length=32)
    name = CharField(max_length=120)
    seat_kid = CharField(max_length=43, index=True)
    seat_jwk = TextField()
    joined_height = BigIntegerField()
    left_height = BigIntegerField(default=0)

    class Meta:
        """Table `bodies`."""

        table_name = "bodies"


class RoleRow(Row):
    """A role key of a body (`body:<slug>`) or shop (`shop:<slug>`); `revoked_since` 0 while it lives."""

    kid = CharField(primary_key=True, max_length=43)
    role = CharField(max_length=24, index=True)
    holder = CharField(max_length=40, index=True)
    jwk = TextField()
    expires = BigIntegerField()
    revoked_since = BigIntegerField(default=0)
    granted_height = BigIntegerField()

    class Meta:
        """Table `roles`."""

        table_name = "roles"


class ActRow(Row):
    """One act of the council: decided in a transaction, in force at a later block (0 until then)."""

    payload_hash = CharField(max_length=64)
    position = IntegerField()
    act = CharField(max_length=24)
    content = TextField()
    decided_height = BigIntegerField()
    in_force_height = BigIntegerField(default=0)

    class Meta:
        """Table `acts`."""

        table_name = "acts"
        primary_key = CompositeKey("payload_hash", "position")


class ValidatorRow(Row):
    """A validator key, present or past: `power` 0 once it left or was punished."""

    pub_key = CharField(primary_key=True, max_length=43)
    body = CharField(max_length=32, index=True)
    power = BigIntegerField()
    status = CharField(max_length=12)
    since_height = BigIntegerField()

    class Meta:
        """Table `validators`."""

        table_name = "validators"


class MisbehaviourRow(Row):
    """One proven offence of a validator, with what became of it."""

    height = BigIntegerField()
    pub_key = CharField(max_length=43)
    offence = CharField(max_length=24)
    body = CharField(max_length=32)
    time_s = BigIntegerField()
    power = BigIntegerField()
    total_power = BigIntegerField()
    committed_height = BigIntegerField(index=True)
    outcome = CharField(max_length=12)

    class Meta:
        """Table `misbehaviour`."""

        table_name = "misbehaviour"
        primary_key = CompositeKey("pub_key", "height", "offence")


PROJECTED: Final = (BodyRow, RoleRow, ActRow, ValidatorRow, MisbehaviourRow)
