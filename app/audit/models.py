"""Tables of the audit window, projected from verified blocks: protobuf bytes, as they were hashed and signed."""

from typing import Final

from peewee import BigIntegerField, BlobField, CharField, IntegerField

from app.core.database import Row


class HeaderRow(Row):
    """A verified header and the commit that the next block carries for it."""

    height = BigIntegerField(primary_key=True)
    header_hash = CharField(max_length=64, index=True)
    header = BlobField()
    commit_bytes = BlobField()
    validators_hash = CharField(max_length=64)
    tx_count = IntegerField()

    class Meta:
        """Table `headers`."""

        table_name = "headers"


class ValidatorsRow(Row):
    """A validator set by its hash; most heights share one."""

    validators_hash = CharField(primary_key=True, max_length=64)
    validators = BlobField()

    class Meta:
        """Table `validator_sets`."""

        table_name = "validator_sets"


PROJECTED: Final = (HeaderRow, ValidatorsRow)
