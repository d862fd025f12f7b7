"""Which tables speak of one person: those that only SQL holds and that name a `cid`.

Erasure empties all of them for a cid and the export shows all of them, so that a new table is neither forgotten
by the one nor by the other. `app.wiring` tells the list once (identity knows no other domain's tables).
Reads and writes: the tables it was told.
"""

from collections.abc import Iterable
from typing import Any

from app.core.database import Row, write
from chain.codec.canonical import b64url_encode

_tables: list[type[Row]] = []


def register_personal_tables(tables: Iterable[type[Row]]) -> None:
    """Told once by `app.wiring`: every table that no projector can fill again; those with a cid are kept."""
    _tables[:] = [table for table in tables if "cid" in table._meta.fields]


def list_personal_tables() -> tuple[type[Row], ...]:
    """The tables that hold rows of one person."""
    return tuple(_tables)


def delete_rows(cid: str) -> int:
    """Delete everything that only SQL holds of a person; returns how many rows went."""
    with write():
        return sum(table.delete().where(table.cid == cid).execute() for table in _tables)  # type: ignore[attr-defined]


def dump_rows(cid: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of a person, by table; sealed columns as base64url."""
    return {
        table._meta.table_name: [
            {name: _plain(value) for name, value in row.__data__.items()}
            for row in table.select().where(table.cid == cid)  # type: ignore[attr-defined]
        ]
        for table in _tables
    }


def _plain(value: Any) -> Any:
    return b64url_encode(bytes(value)) if isinstance(value, (bytes, memoryview)) else value
