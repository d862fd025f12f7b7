"""Employees of shops, their shifts at tills, wrong PINs, and accounts of staff."""

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField, Model


def _models(db):
    class Employee(Model):
        id = CharField(max_length=22, primary_key=True)
        shop = CharField(max_length=32, index=True)
        name = CharField(max_length=40)
        salt = CharField(max_length=32)
        pin = CharField(max_length=64)
        since = BigIntegerField()
        ended_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "till_employee"

    class TillShift(Model):
        id = CharField(max_length=22, primary_key=True)
        till = CharField(max_length=43, index=True)
        shop = CharField(max_length=32, index=True)
        employee = CharField(max_length=22)
        opened_at = BigIntegerField()
        ends_at = BigIntegerField()
        closed_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "till_shift"

    class TillGuess(Model):
        till = CharField(max_length=43, primary_key=True)
        wrong = IntegerField(default=0)

        class Meta:
            database = db
            table_name = "till_guess"

    class StaffAccount(Model):
        shop = CharField(max_length=32)
        account = CharField(max_length=43)
        since = BigIntegerField()
        ended_at = BigIntegerField(default=0)

        class Meta:
            database = db
            table_name = "loyalty_staff"
            primary_key = CompositeKey("shop", "account", "since")

    return (Employee, TillShift, TillGuess, StaffAccount)


def up(_migrator, db):
    db.create_tables(_models(db), safe=False)


def down(_migrator, db):
    db.drop_tables(_models(db))
