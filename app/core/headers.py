"""Verified headers, kept: what receipts are checked against and what the audit window shows.

Protobuf bytes as they were hashed and signed. Written by the projector alone.
"""

from typing import Final

from peewee import BigIntegerField, BlobField, CharField, IntegerField

from app.core.database import Row, find_row, insert_row
from app.core.projection import ProjectedBlock
from chain.codec.proto import decode, encode
from chain.light.bundle import Checkpoint, checkpoint_of
from chain.types.block import Commit, Header
from chain.types.validator import ValidatorSet


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


def project_block(block: ProjectedBlock) -> None:
    """Keep one verified header, its commit and its validators."""
    validators_hash = block.header.validators_hash.hex()
    row = {
        "height": block.header.height,
        "header_hash": block.header_hash.hex(),
        "header": encode(block.header),
        "commit_bytes": encode(block.commit),
        "validators_hash": validators_hash,
        "tx_count": block.tx_count,
    }
    insert_row(HeaderRow, row)
    if find_row(ValidatorsRow, "validators_hash = ?", validators_hash) is None:
        ValidatorsRow.insert(
            validators_hash=validators_hash, validators=encode(block.validators)
        ).execute()


BLOCKS: Final = (project_block,)


def find_header(height: int) -> Header | None:
    """The verified header of a height, or None."""
    row = HeaderRow.get_or_none(HeaderRow.height == height)
    return None if row is None else decode(Header, bytes(row.header))


def find_commit(height: int) -> Commit | None:
    """The commit of a verified height, or None."""
    row = HeaderRow.get_or_none(HeaderRow.height == height)
    return None if row is None else decode(Commit, bytes(row.commit_bytes))


def find_validators(height: int) -> ValidatorSet | None:
    """The validators that decided a verified height, or None."""
    row = HeaderRow.get_or_none(HeaderRow.height == height)
    if row is None:
        return None
    found = ValidatorsRow.get_by_id(row.validators_hash)
    return decode(ValidatorSet, bytes(found.validators))


def list_headers(*, below: int, count_max: int) -> list[HeaderRow]:
    """Verified headers under a height, newest first."""
    query = HeaderRow.select().where(HeaderRow.height < below)
    return list(query.order_by(HeaderRow.height.desc()).limit(count_max))


def read_checkpoint() -> Checkpoint | None:
    """The newest verified header as a checkpoint, or None before the first block."""
    row = HeaderRow.select().order_by(HeaderRow.height.desc()).first()
    return None if row is None else checkpoint_of(decode(Header, bytes(row.header)))
