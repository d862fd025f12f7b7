"""Employees of shops, when each had which till, and wrong PINs; none of it on the chain. Times are unix seconds."""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField

from app.core.database import Row


class Employee(Row):
    """Somebody whom a shop's owner lets open tills; `name` is what the owner calls them, empty a year after the end.

    `pin` is scrypt of the PIN keyed by a secret outside the database, `salt` random; `ended_at` 0 while employed.
    The row stays, so that a shop that once asked for PINs goes on asking.
    """

    id = CharField(max_length=22, primary_key=True)
    shop = CharField(max_length=32, index=True)
    name = CharField(max_length=40)
    salt = CharField(max_length=32)
    pin = CharField(max_length=64)
    since = BigIntegerField()
    ended_at = BigIntegerField(default=0)

    class Meta:
        """Table `till_employee`."""

        table_name = "till_employee"


class TillShift(Row):
    """An employee at a till from `opened_at` until `closed_at` (0: not yet), or `ends_at` at the latest."""

    id = CharField(max_length=22, primary_key=True)
    till = CharField(max_length=43, index=True)
    shop = CharField(max_length=32, index=True)
    employee = CharField(max_length=22)
    opened_at = BigIntegerField()
    ends_at = BigIntegerField()
    closed_at = BigIntegerField(default=0)

    class Meta:
        """Table `till_shift`."""

        table_name = "till_shift"


class TillGuess(Row):
    """Wrong PINs of an employee at a till since the last right one of theirs there."""

    till = CharField(max_length=43)
    employee = CharField(max_length=22)
    wrong = IntegerField(default=0)

    class Meta:
        """Table `till_guess`."""

        table_name = "till_guess"
        primary_key = CompositeKey("till", "employee")


TABLES: Final = (Employee, TillShift, TillGuess)
