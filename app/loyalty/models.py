"""Read model of loyalty, all of it rebuilt by the projector: nothing here is true before the chain says so.

Points are integers; times are unix seconds of block headers.
"""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField

from app.core.database import Row

SLUG_CHARS: Final = 32
KID_CHARS: Final = 43
HASH_CHARS: Final = 64


class Programme(Row):
    """One version of a programme; the highest version is in force."""

    programme = CharField(max_length=SLUG_CHARS)
    version = IntegerField()
    status = CharField(max_length=8)
    points = IntegerField()
    per_cents = IntegerField()
    min_purchase_cents = IntegerField()
    lot_life_days = IntegerField()
    since = BigIntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_programme`."""

        table_name = "loyalty_programme"
        primary_key = CompositeKey("programme", "version")


class Shop(Row):
    """A shop of the coalition."""

    shop = CharField(max_length=SLUG_CHARS, primary_key=True)
    name = CharField(max_length=120)
    owner_kid = CharField(max_length=KID_CHARS, index=True)
    since = BigIntegerField()
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_shop`."""

        table_name = "loyalty_shop"


class Terminal(Row):
    """A till's key; `revoked_since` 0 while it lives."""

    kid = CharField(max_length=KID_CHARS, primary_key=True)
    shop = CharField(max_length=SLUG_CHARS, index=True)
    expires = BigIntegerField()
    cap_per_tx_points = IntegerField()
    cap_per_day_points = IntegerField()
    revoked_since = BigIntegerField(default=0)
    height = BigIntegerField()

    class Meta:
        """Table `loyalty_terminal`."""

        table_name = "loyalty_terminal"


class LotRow(Row):
    """Points of one gift that are still there: who owes them and until when."""

    lot = CharField(max_length=22, primary_key=True)
    account = CharField(max_length=KID_CHARS, index=True)
    programme = CharField(max_length=SLUG_CHARS)
    version = IntegerField()
    issuer = CharField(max_length=SLUG_CHARS)
    points = IntegerField()
    left = IntegerField()
    earned_at = BigIntegerField()
    expires_at = BigIntegerField(index=True)
    ref = CharField(max_length=KID_CHARS)

    class Meta:
        """Table `loyalty_lot`."""

        table_name = "loyalty_lot"


class Debt(Row):
    """Points an issuer took back too late: its own next gifts to the account pay them."""

    account = CharField(max_length=KID_CHARS)
    programme = CharField(max_length=SLUG_CHARS)
    issuer = CharField(max_length=SLUG_CHARS)
    points = BigIntegerField()

    class Meta:
        """Table `loyalty_debt`."""

        table_name = "loyalty_debt"
        primary_key = CompositeKey("account", "programme", "issuer")


class UsedCounter(Row):
    """A counter of pay codes that one key has used; those that fell out of the window are dropped."""

    kid = CharField(max_length=KID_CHARS)
    counter = BigIntegerField()

    class Meta:
        """Table `loyalty_used_counter`."""

        table_name = "loyalty_used_counter"
        primary_key = CompositeKey("kid", "counter")


class Operation(Row):
    """One earn, redemption, reversal or expiry; `points` is what the account gained or (negative) lost.

    `position` orders all of them as the chain did; it is computed, so that a rebuild gives the same rows.
    """

    position = BigIntegerField(primary_key=True)
    payload_hash = CharField(max_length=HASH_CHARS, index=True)
    kind = CharField(max_length=10)
    account = CharField(max_length=KID_CHARS)
    shop = CharField(max_length=SLUG_CHARS)
    till = CharField(max_length=KID_CHARS)
    programme = CharField(max_length=SLUG_CHARS)
    points = IntegerField()
    purchase_cents = IntegerField(default=0)
    ref = CharField(max_length=HASH_CHARS, default="")
    height = BigIntegerField()
    time = BigIntegerField()

    class Meta:
        """Table `loyalty_operation`."""

        table_name = "loyalty_operation"
        indexes = ((("account", "position"), False), (("shop", "position"), False))


PROJECTED: Final = (Programme, Shop, Terminal, LotRow, Debt, UsedCounter, Operation)
