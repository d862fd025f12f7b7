"""What the relay holds until it leaves: transactions by name, with the round they leave in. Nothing else.

A file of its own, because a crash must not lose a vote. Rows lie in the order of these hashes (no row id tells who
came first), what is deleted is overwritten, and the journal is gone after each write.
Reads and writes: one SQLite file.  Never: an address, a user agent, the time something came in.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROWS_MAX: Final = 200_000
"""Twice the credentials of the largest election: registrations wait for days, one row a credential."""
BYTES_MAX: Final = 2 * 1_024**3
HELD_PER_VOTER: Final = 20
"""As many as the chain takes of one credential in all: whoever sends a voter's published ballots once more does not
keep the next one out."""
REFUSALS_MAX: Final = 10_000
"""Refusals shown as one list; the oldest round goes first."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS held (
    key TEXT PRIMARY KEY, leaves_s INTEGER NOT NULL, rounds INTEGER NOT NULL, raw BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS held_leaves ON held (leaves_s);
CREATE TABLE IF NOT EXISTS refused (
    key TEXT PRIMARY KEY, code TEXT NOT NULL, round_s INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Held:
    """One transaction that waits; `rounds` counts how often a node has taken it."""

    key: str
    raw: bytes
    rounds: int


class Holders:
    """Which credential holds what, in memory only: a voter has a place on the shelf, not the shelf."""

    def __init__(self) -> None:
        self._keys: dict[bytes, set[str]] = {}
        self._holder: dict[str, bytes] = {}

    def add(self, holder: bytes, key: str) -> bool:
        """Note it; False when the holder has its part."""
        keys = self._keys.setdefault(holder, set())
        if key not in keys and len(keys) >= HELD_PER_VOTER:
            return False
        keys.add(key)
        self._holder[key] = holder
        return True

    def drop(self, key: str) -> None:
        """It left; nothing happens when nobody is noted for it."""
        holder = self._holder.pop(key, None)
        if holder is None:
            return
        self._keys[holder].discard(key)
        if not self._keys[holder]:
            del self._keys[holder]


class Shelf:
    """The relay's file, one connection behind a lock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._holders = Holders()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db.execute("PRAGMA journal_mode=DELETE")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.executescript(_SCHEMA)
        self._measure()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def put(self, key: str, raw: bytes, leaves_s: int, holder: bytes = b"") -> bool:
        """Hold one transaction; the same one twice is one. False when the shelf, or the holder's part of it, is full.

        `holder` names a credential; who holds what is not written, and forgotten with the process.
        """
        with self._writing() as db:
            if self._rows >= ROWS_MAX or self._bytes + len(raw) > BYTES_MAX:
                return False
            if holder and not self._holders.add(holder, key):
                return False
            added = db.execute(
                "INSERT OR IGNORE INTO held VALUES (?, ?, 0, ?)", (key, leaves_s, raw)
            ).rowcount
            self._rows, self._bytes = self._rows + added, self._bytes + added * len(raw)
            return True

    def take_due(self, now_s: int) -> Iterator[Held]:
        """What may leave now, in the order of the names, which are hashes; it stays held until `drop` or `refuse`.

        Read one at a time: a whole round may be as large as the shelf.
        """
        with self._lock:
            query = "SELECT key FROM held WHERE leaves_s <= ? ORDER BY key"
            keys = [key for (key,) in self._db.execute(query, (now_s,)).fetchall()]
        for key in keys:
            with self._lock:
                query = "SELECT key, raw, rounds FROM held WHERE key = ?"
                row = self._db.execute(query, (key,)).fetchone()
            if row is not None:
                yield Held(*row)

    def send_again(self, key: str, leaves_s: int) -> None:
        """A node took it: hand it over once more at another round, lest that node lost it."""
        with self._writing() as db:
            db.execute(
                "UPDATE held SET leaves_s = ?, rounds = rounds + 1 WHERE key = ?", (leaves_s, key)
            )

    def put_off(self, key: str, leaves_s: int) -> None:
        """No node took it or judged it: it leaves at another round, as if it had not been tried."""
        with self._writing() as db:
            db.execute("UPDATE held SET leaves_s = ? WHERE key = ?", (leaves_s, key))

    def drop(self, key: str) -> None:
        """It is with the nodes."""
        with self._writing() as db:
            self._delete(db, key)

    def refuse(self, key: str, transaction: str, code: str, round_s: int) -> None:
        """The chain will not take it: forget it, and keep why, by its bytes' hash, for whoever asks for the list."""
        with self._writing() as db:
            self._delete(db, key)
            db.execute(
                "INSERT OR REPLACE INTO refused VALUES (?, ?, ?)", (transaction, code, round_s)
            )
            db.execute(
                "DELETE FROM refused WHERE key IN "
                "(SELECT key FROM refused ORDER BY round_s DESC, key LIMIT -1 OFFSET ?)",
                (REFUSALS_MAX,),
            )

    def list_refused(self) -> dict[str, str]:
        """Every refusal that is kept, by hash."""
        with self._lock:
            return dict(self._db.execute("SELECT key, code FROM refused ORDER BY key").fetchall())

    def _measure(self) -> None:
        """Count what is held, once: adding it all up for each visitor would cost more with each visitor."""
        count, size = self._db.execute("SELECT count(*), total(length(raw)) FROM held").fetchone()
        self._rows, self._bytes = int(count), int(size)

    def _delete(self, db: sqlite3.Connection, key: str) -> None:
        self._holders.drop(key)
        gone = db.execute("DELETE FROM held WHERE key = ? RETURNING length(raw)", (key,)).fetchall()
        self._rows, self._bytes = self._rows - len(gone), self._bytes - sum(n for (n,) in gone)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                self._measure()
                raise
            self._db.execute("COMMIT")
