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


class TicketCount(Row):
    """How many tickets one client address was given in one hour."""

    address = CharField(max_length=64)
    hour = BigIntegerField()
    count = IntegerField(default=0)

    class Meta:
        """Table `ticket_counts`."""

        table_name = "ticket_counts"
        primary_key = CompositeKey("address", "hour")


PROJECTED: Final = (AccountRow,)
TABLES: Final = (TicketCount,)
