"""Transactions that were answered "pending": kept until final or out of date, and sent again meanwhile.

A request that waits to the end needs no row. The projector drops rows as it proves their transactions; the
relay's resender sends the others to another node every few seconds, which is safe because the chain takes a
transaction once.
"""

from typing import Final

from peewee import BigIntegerField, CharField, IntegerField, TextField

from app.core.database import Row, write
from app.core.transactions import ReadTransaction

ROWS_MAX: Final = 10_000
"""Beyond this the chain has been silent for long; clients are told to come back instead."""


class OutboxRow(Row):
    """One transaction on its way."""

    payload_hash = CharField(primary_key=True, max_length=64)
    type = CharField(max_length=48)
    expires_at = BigIntegerField(index=True)
    sent_at = BigIntegerField(index=True)
    attempts = IntegerField(default=1)
    refused_code = CharField(max_length=48, default="")
    """What the node said when it would no longer take it; kept until the transaction's own expiry."""
    node = CharField(max_length=200, default="")
    transaction = TextField()

    class Meta:
        """Table `outbox`."""

        table_name = "outbox"


def put_outbox(transaction: ReadTransaction, *, node: str, now_s: int) -> None:
    """Remember one sent transaction; the same one twice is one row."""
    with write():
        OutboxRow.insert(
            payload_hash=transaction.payload_hash,
            type=transaction.payload.type,
            expires_at=transaction.payload.exp,
            sent_at=now_s,
            node=node,
            transaction=transaction.raw.decode("utf-8"),
        ).on_conflict_ignore().execute()


def find_outbox(payload_hash: str) -> OutboxRow | None:
    """A transaction on its way, by payload hash (hex)."""
    return OutboxRow.get_or_none(OutboxRow.payload_hash == payload_hash)  # type: ignore[no-any-return]


def is_outbox_full() -> bool:
    """True when no more may be taken until the chain moves."""
    return int(OutboxRow.select().count()) >= ROWS_MAX


def take_unanswered(before_s: int, count_max: int) -> list[OutboxRow]:
    """The rows sent longest ago and before `before_s`."""
    query = OutboxRow.select().where(OutboxRow.sent_at < before_s, OutboxRow.refused_code == "")
    return list(query.order_by(OutboxRow.sent_at).limit(count_max))


def mark_sent(row: OutboxRow, *, node: str, now_s: int, refused_code: str = "") -> None:
    """Note another sending, and a refusal if there was one."""
    with write():
        OutboxRow.update(
            sent_at=now_s,
            node=node,
            attempts=OutboxRow.attempts + 1,
            refused_code=refused_code,
        ).where(OutboxRow.payload_hash == row.payload_hash).execute()


def drop_outbox(payload_hashes: list[str], *, chain_time_s: int) -> None:
    """Forget what is final, and what the chain can no longer take at its own time."""
    is_final = OutboxRow.payload_hash.in_(payload_hashes)
    with write():
        OutboxRow.delete().where(is_final | (OutboxRow.expires_at < chain_time_s)).execute()
