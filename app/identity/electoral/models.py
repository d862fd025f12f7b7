"""Tables of the electoral axis, all projected from the chain."""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey, IntegerField

from app.core.database import Row


class RegisterImport(Row):
    """One import of the electoral register; the one with the highest serial counts."""

    serial = IntegerField(primary_key=True)
    body = CharField(max_length=48)
    root = CharField(max_length=43)
    expires_month = CharField(max_length=7)
    height = BigIntegerField()

    class Meta:
        """Table `electoral_register`."""

        table_name = "electoral_register"


class StationRow(Row):
    """Electors of a station by one import, and identities found among them."""

    serial = IntegerField()
    station = CharField(max_length=8)
    imported = IntegerField()
    enrolled = IntegerField(default=0)

    class Meta:
        """Table `electoral_station`."""

        table_name = "electoral_station"
        primary_key = CompositeKey("serial", "station")


class ElectorRow(Row):
    """An identity found in an import, and its station."""

    cid = CharField(max_length=43, primary_key=True)
    serial = IntegerField()
    station = CharField(max_length=8)
    height = BigIntegerField()

    class Meta:
        """Table `elector`."""

        table_name = "elector"


class ResidenceRow(Row):
    """The last month in which a shown residence counts."""

    cid = CharField(max_length=43, primary_key=True)
    expires_month = CharField(max_length=7)

    class Meta:
        """Table `residence`."""

        table_name = "residence"


PROJECTED: Final = (RegisterImport, StationRow, ElectorRow, ResidenceRow)
