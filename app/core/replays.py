"""Names that may be used once for a while: of proofs of possession, codes and the like.

One store for all processes of the API. On PostgreSQL it is a table; beside SQLite it is a small file of its
own that is not synchronised, because every request writes one name and the read model has one writer at a
time. Losing it in a power cut forgets proofs that are too old a minute later.
"""

import sqlite3
import threading
from pathlib import Path
from typing import Final, Protocol

from peewee import BigIntegerField, CharField

from app.core.database import Row, run_sql, write

PURGE_EVERY_S: Final = 60
BUSY_TIMEOUT_S: Final = 5


class Replays(Protocol):
    """Remembers names until they expire."""

    def remember(self, name: bytes, *, expires_at: int, now_s: int) -> bool:
        """True when the name is new; False when it was used and has not expired."""
        ...


class UsedName(Row):
    """A name in use, by its hash."""

    name = CharField(primary_key=True, max_length=64)
    expires_at = BigIntegerField(index=True)

    class Meta:
        """Table `used_names`."""

        table_name = "used_names"


class SharedReplays:
    """Names in the town's database."""

    def __init__(self) -> None:
        self._purged_at_s = 0

    def remember(self, name: bytes, *, expires_at: int, now_s: int) -> bool:
        """See `Replays`; durable with the database."""
        with write():
            if abs(now_s - self._purged_at_s) >= PURGE_EVERY_S:
                self._purged_at_s = now_s
                run_sql("DELETE FROM used_names WHERE expires_at <= ?", now_s)
            done = run_sql(
                "INSERT INTO used_names (name, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                name.hex(),
                expires_at,
            )
            return bool(done.rowcount == 1)


class FileReplays:
    """Names in a SQLite file of their own, shared by the processes of one machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._purged_at_s = 0

    def remember(self, name: bytes, *, expires_at: int, now_s: int) -> bool:
        """See `Replays`; survives a process, not a power cut."""
        with self._lock:
            connection = self._connection or self._open()
            if abs(now_s - self._purged_at_s) >= PURGE_EVERY_S:
                self._purged_at_s = now_s
                connection.execute("DELETE FROM used_names WHERE expires_at <= ?", (now_s,))
            done = connection.execute(
                "INSERT INTO used_names (name, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, expires_at),
            )
            return done.rowcount == 1

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        """Opened at first use, that is after the server has forked its workers."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = off")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS used_names"
            " (name BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._connection = connection
        return connection


def open_replays(database_url: str, home: Path) -> Replays:
    """The store that fits the read model."""
    if database_url.startswith("sqlite:"):
        return FileReplays(home / "used-names.db")
    return SharedReplays()
