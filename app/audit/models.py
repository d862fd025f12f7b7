"""Tables of the audit window: anchors of logs as the chain took them."""

from typing import Final

from peewee import BigIntegerField, CharField, CompositeKey

from app.core.database import Row


class AnchorRow(Row):
    """One accepted `audit.anchor`: a body's log had `count` entries and this head at that time."""

    body = CharField(max_length=40)
    count = BigIntegerField()
    head = CharField(max_length=43)
    time_s = BigIntegerField()
    height = BigIntegerField()
    payload_hash = CharField(max_length=64)

    class Meta:
        """Table `audit_anchors`."""

        table_name = "audit_anchors"
        primary_key = CompositeKey("body", "height", "payload_hash")


PROJECTED: Final = (AnchorRow,)
