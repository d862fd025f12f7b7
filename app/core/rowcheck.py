"""Are the rows in SQL those that the chain gives? What `beffroi audit rows` compares, table by table.

A copy of the projected tables is taken at one height, the chain is projected again into an empty database up to that
height, and both are compared row by row. Rows are named by their primary key, which says nothing personal.
Reads: the projected tables and the state row of the process's database.  Writes: nothing.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from peewee import PeeweeException

from app.core.database import Row, connected, is_postgres, run_sql
from app.core.projection import ProjectorState, get_projector_state


class Unreadable(Exception):
    """Why nothing can be said of the rows."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Digests of all rows at one height: by table, then by primary key as JSON; hashes are hex."""

    chain_id: str
    height: int
    header_hash: str
    app_hash: str
    tables: Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not as the chain gives it; `kind` is `changed`, `missing` or `invented`."""

    table: str
    row: str
    kind: str


def copy_rows(tables: Iterable[type[Row]]) -> Copy | None:
    """The tables as they stand, all at the same height; None before anything was projected. Raises Unreadable."""
    try:
        return _copy(tables)
    except PeeweeException as error:
        raise Unreadable(f"the database does not answer as the town's: {error}") from error


def _copy(tables: Iterable[type[Row]]) -> Copy | None:
    with connected(), _one_moment():
        state = get_projector_state()
        if state is None:
            return None
        return Copy(
            state.chain_id,
            state.height,
            state.header_hash,
            state.app_hash,
            {table._meta.table_name: _digest_rows(table) for table in tables},
        )


def find_differences(found: Copy, recomputed: Copy) -> list[Difference]:
    """What SQL holds otherwise than the chain gives it, by table and row; empty when all agree."""
    differences = []
    if (found.header_hash, found.app_hash) != (recomputed.header_hash, recomputed.app_hash):
        differences.append(
            Difference(ProjectorState._meta.table_name, str(found.height), "changed")
        )
    for table, right in recomputed.tables.items():
        here = found.tables[table]
        for row in sorted(here.keys() | right.keys()):
            if here.get(row) != right.get(row):
                kind = "missing" if row not in here else "changed" if row in right else "invented"
                differences.append(Difference(table, row, kind))
    return differences


@contextmanager
def _one_moment() -> Iterator[None]:
    """All that is read inside is of one moment, whatever a projector writes meanwhile; nothing is written."""
    if is_postgres():
        run_sql("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    else:
        run_sql("BEGIN DEFERRED")
    try:
        yield
    finally:
        run_sql("ROLLBACK")


def _digest_rows(table: type[Row]) -> dict[str, bytes]:
    keys = [field.name for field in table._meta.get_primary_keys()]
    names = [field.name for field in table._meta.sorted_fields]
    places = [names.index(key) for key in keys]
    digests = {}
    for values in table.select().tuples().iterator():
        name = _spell([values[place] for place in places])
        digests[name] = hashlib.sha256(_spell(values).encode()).digest()
    return digests


def _spell(values: Iterable[Any]) -> str:
    """The same text from SQLite and PostgreSQL."""
    return json.dumps(list(values), default=lambda value: bytes(value).hex(), ensure_ascii=False)
