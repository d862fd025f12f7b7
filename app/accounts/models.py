"""Tables of accounts: the projected one, and the count of tickets that exists only here."""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, TextField

from app.core.database import Row


class AccountRow(Row):
    """An account: `id` for ever, `kid` and `jwk` its present key. Nothing civil."""

    id = CharField(primary_key=True, max_length=43)
    domain = CharField(max_length=16)
    kid = CharField(max_length=43, unique=True)
    jwk = TextField()
    status = CharField(max_length=16)
    opened_height = BigIntegerField()

    class Meta:
        """Table `accounts`."""

        table_name = "accounts"


class AccountKeyRow(Row):
    """Every key an account has, had, or is about to have; a helper's and a tablet's look the same.

    `kind`: own, device (a second key), reserved (of a recovery), past. `until_height` 0 while it may sign.
    """

    kid = CharField(primary_key=True, max_length=43)
    account = CharField(max_length=43, index=True)
    kind = CharField(max_length=8)
    scopes = CharField(max_length=64, default="")
    expires_at = BigIntegerField(default=0)
    since_height = BigIntegerField()
    until_height = BigIntegerField(default=0)

    class Meta:
        """Table `account_keys`."""

        table_name = "account_keys"


class NoticeRow(Row):
    """What happened to an account that each of its devices must be told."""

    height = BigIntegerField()
    position = IntegerField()
    account = CharField(max_length=43, index=True)
    kind = CharField(max_length=24)
    kid = CharField(max_length=43, default="")
    at = BigIntegerField()

    class Meta:
        """Table `notices`."""

        table_name = "notices"
        primary_key = CompositeKey("height", "position", "account")


class TicketCount(Row):
    """How many tickets one client address was given in one hour."""

    address = CharField(max_length=64)
    hour = BigIntegerField()
    count = IntegerField(default=0)

    class Meta:
        """Table `ticket_counts`."""

        table_name = "ticket_counts"
        primary_key = CompositeKey("address", "hour")


PROJECTED: Final = (AccountRow, AccountKeyRow, NoticeRow)
TABLES: Final = (TicketCount,)
