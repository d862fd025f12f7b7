"""The read model's database: SQLite (WAL) or PostgreSQL, one place to connect and one way to write.

`Row` is the base of every table, `write()` the only way to change one: on SQLite it begins IMMEDIATE,
because a deferred transaction that reads and then writes dies with "database is locked" under load.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar
from zlib import crc32

from peewee import Database, DatabaseProxy, Model
from playhouse.db_url import parse
from playhouse.migrations import Runner
from playhouse.pool import PooledPostgresqlDatabase, PooledSqliteDatabase

from app.core.onlyone import hold

MIGRATIONS_DIR: Final = Path(__file__).parents[2] / "migrations"
CONNECTIONS_MAX: Final = 64
"""Per process; more than the server's threads, so a request never waits for a connection."""
BUSY_TIMEOUT_MS: Final = 10_000
_WRITING: Final = ("INSERT", "UPDATE", "DELETE", "REPLACE")

database = DatabaseProxy()
"""The process's database; `open_database` gives it its real one."""


MIGRATION_WAIT_S: Final = 300.0
"""Longer than any migration of a town's rows."""
_opened: Final[list[str]] = []
"""Address of the process's database."""


class WriteOutsideTransaction(AssertionError):
    """A statement that changes rows ran outside `write()`: a defect of the caller."""


class Row(Model):
    """Base of all tables."""

    class Meta:
        """Bound to the process's database; table names are stated by each class."""

        database = database
        legacy_table_names = False


RowT = TypeVar("RowT", bound=Row)


class _GuardedWrites:
    """Refuses row changes outside a transaction."""

    def execute_sql(self, sql: str, params: Any = None, *args: Any, **kwargs: Any) -> Any:
        if sql.lstrip()[:7].upper().startswith(_WRITING) and not self.in_transaction():  # type: ignore[attr-defined]
            raise WriteOutsideTransaction(sql[:80])
        return super().execute_sql(sql, params, *args, **kwargs)  # type: ignore[misc]


class TownSqlite(_GuardedWrites, PooledSqliteDatabase):
    """SQLite in WAL mode; every outermost transaction begins IMMEDIATE."""

    def begin(self, lock_type: str | None = None) -> Any:
        return super().begin(lock_type or "IMMEDIATE")


class TownPostgres(_GuardedWrites, PooledPostgresqlDatabase):
    """PostgreSQL through psycopg 3."""


def open_database(url: str) -> Database:
    """Bind the process to the database of `url` (nothing is connected yet) and return it."""
    options: dict[str, Any] = {
        "autoconnect": False,
        "max_connections": CONNECTIONS_MAX,
        "timeout": None,
    }
    if url.startswith("sqlite:"):
        path = url.removeprefix("sqlite:///")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        pragmas = {
            "journal_mode": "wal",
            "synchronous": "normal",
            "foreign_keys": 1,
            "busy_timeout": BUSY_TIMEOUT_MS,
            "secure_delete": 1,  # what is deleted is overwritten: an erased row must not be read from a free page
        }
        # The pool lends a connection to one thread at a time, though not always the one that opened it.
        real: Database = TownSqlite(path, pragmas=pragmas, check_same_thread=False, **options)
    else:
        real = TownPostgres(**parse(url, unquote_password=True), prefer_psycopg3=True, **options)
    database.initialize(real)
    _opened[:] = [url]
    return real


def is_postgres() -> bool:
    """Whether the process's database is PostgreSQL."""
    return isinstance(database.obj, TownPostgres)


def run_sql(sql: str, *params: Any) -> Any:
    """Run plain SQL with `?` placeholders on either database; for the few statements of every request.

    Building such a query anew costs more than running it.
    """
    return database.execute_sql(sql.replace("?", "%s") if is_postgres() else sql, params)


def find_row(model: type[RowT], condition: str, *params: Any) -> RowT | None:
    """The first row that meets a plain SQL condition (`?` placeholders), or None; see `find_rows`."""
    found = find_rows(model, f"{condition} LIMIT 1", *params)
    return found[0] if found else None


def find_rows(model: type[RowT], condition: str, *params: Any) -> list[RowT]:
    """The rows that meet a plain SQL condition (`?` placeholders).

    For the look-ups of every request only: peewee builds such a query in 0.2 ms, SQLite answers it in 0.01.
    """
    sql, names = _selection(model)
    rows = run_sql(f"{sql} WHERE {condition}", *params).fetchall()
    return [model(**dict(zip(names, row, strict=True))) for row in rows]


def insert_row(model: type[Row], values: Mapping[str, Any], *, is_new: bool = True) -> bool:
    """Insert one row by plain SQL, with the model's defaults; `is_new` False leaves an existing one alone.

    Returns whether a row was added. For what projections write of every transaction.
    """
    filled = {**model._meta.get_default_dict(), **values}
    sql = _insertion(model, tuple(filled), is_new)
    done = run_sql(
        sql, *(model._meta.fields[name].db_value(value) for name, value in filled.items())
    )
    return bool(done.rowcount == 1)


@cache
def _insertion(model: type[Row], names: tuple[str, ...], is_new: bool) -> str:
    fields = [model._meta.fields[name] for name in names]
    columns = ", ".join(f'"{field.column_name}"' for field in fields)
    places = ", ".join("?" * len(fields))
    clash = "" if is_new else " ON CONFLICT DO NOTHING"
    return f'INSERT INTO "{model._meta.table_name}" ({columns}) VALUES ({places}){clash}'  # noqa: S608  # names of our own classes


@cache
def _selection(model: type[Row]) -> tuple[str, tuple[str, ...]]:
    """`SELECT … FROM …` of all columns of a table, and the fields they fill."""
    fields = model._meta.sorted_fields
    columns = ", ".join(f'"{field.column_name}"' for field in fields)
    names = tuple(field.name for field in fields)
    return f'SELECT {columns} FROM "{model._meta.table_name}"', names  # noqa: S608  # names of our own classes


@contextmanager
def connected() -> Iterator[None]:
    """A connection for a command or a background thread; nested use shares the outer one."""
    opened = database.connect(reuse_if_open=True)
    try:
        yield
    finally:
        if opened:
            database.close()


@contextmanager
def write() -> Iterator[None]:
    """One transaction; nested use is a savepoint. Everything inside is durable together or not at all."""
    with database.atomic():
        yield


def lock_until_commit(name: str) -> None:
    """Let one transaction at a time go past this line, by name; to be called inside `write()`.

    For a rule that looks at rows and then adds one. On SQLite every writing transaction is alone already.
    """
    assert database.in_transaction(), "a lock without a transaction ends at once"
    if isinstance(database.obj, TownPostgres):
        run_sql("SELECT pg_advisory_xact_lock(?)", crc32(name.encode()))


def forget_deleted(tables: Iterable[type[Row]]) -> None:
    """Drop the copies of deleted rows that the database still holds in its files; to be called outside `write()`.

    SQLite overwrites rows as it deletes them, and its write-ahead log is emptied here. PostgreSQL writes the given
    tables anew, which locks each for that long; its own log archive goes with the backups.
    """
    assert not database.in_transaction(), "a checkpoint inside a transaction does nothing"
    if isinstance(database.obj, TownPostgres):
        for table in tables:
            run_sql(f'VACUUM (FULL) "{table._meta.table_name}"')  # a name of our own classes
    else:
        run_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def migrate() -> list[str]:
    """Apply the pending files of `migrations/`; returns their names. Programs that start together take turns."""
    with hold(_opened[0], "migration", wait_s=MIGRATION_WAIT_S), connected():
        return list(Runner(database.obj, str(MIGRATIONS_DIR)).up())
