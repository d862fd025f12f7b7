"""One way to write, connections that travel between threads, and migrations that match the models."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from playhouse.migrations import Runner

from app.accounts.models import TicketCount
from app.cli import projector as projector_command
from app.cli.main import main
from app.core.database import (
    MIGRATIONS_DIR,
    WriteOutsideTransaction,
    connected,
    database,
    migrate,
    open_database,
    write,
)
from app.core.onlyone import DatabaseHeld, hold
from app.wiring import all_tables
from chain.codec.cmtjson import to_json
from tests.api.conftest import close_database, fresh_postgres
from tests.api.lab import Lab

POSTGRES_URL = os.environ.get("TEST_POSTGRES_URL", "")


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "postgres",
            marks=[
                pytest.mark.postgres,
                pytest.mark.skipif(not POSTGRES_URL, reason="TEST_POSTGRES_URL is not set"),
            ],
        ),
    ]
)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of either kind, bound to the process."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'x.db'}" if is_sqlite else fresh_postgres()
    open_database(url)
    yield url
    close_database()


def test_migrations_go_up_once_and_all_the_way_down(fresh: str) -> None:
    applied = migrate()
    assert applied == sorted(path.stem for path in MIGRATIONS_DIR.glob("[0-9]*.py"))
    assert migrate() == []
    with connected():
        Runner(database.obj, str(MIGRATIONS_DIR)).down(applied[0])
        assert set(database.get_tables()) <= {"schema_migration", "sqlite_sequence"}


def test_the_migrated_tables_are_those_of_the_models(fresh: str) -> None:
    """Column names, types, null and keys; and indexes by their columns and uniqueness."""
    migrate()
    with connected():
        migrated = {
            table._meta.table_name: _shape(table._meta.table_name) for table in all_tables()
        }
        Runner(database.obj, str(MIGRATIONS_DIR)).down("0001_core")
        database.create_tables(all_tables())
        modelled = {
            table._meta.table_name: _shape(table._meta.table_name) for table in all_tables()
        }
    assert migrated == modelled


EMPTIED = {("20261123_tills_guesses", "till_guess")}
"""Tables that a migration empties on purpose: (migration, table)."""
NULLABLE = {"sealed_next"}
"""Added columns that say by NULL that there is nothing."""


def test_every_migration_keeps_the_rows_it_meets_and_fills_what_it_adds(fresh: str) -> None:
    """Each is applied to tables that hold a row, as in a town that was founded with the migration before."""
    with connected():
        runner, kept = Runner(database.obj, str(MIGRATIONS_DIR)), dict[str, tuple[object, ...]]()
        for name in sorted(path.stem for path in MIGRATIONS_DIR.glob("[0-9]*.py")):
            runner.up(name)
            for table in set(database.get_tables()) - {"schema_migration", "sqlite_sequence"}:
                columns = [column.name for column in database.get_columns(table)]
                rows = database.execute_sql(f'SELECT * FROM "{table}"').fetchall()
                if (name, table) in EMPTIED:
                    assert kept.pop(table), "it held a row"
                    assert rows == []
                if table in kept:
                    (row,) = rows
                    before = kept[table]
                    assert tuple(row[: len(before)]) == before, f"{name} changed {table}"
                    empty = {
                        name for name, value in zip(columns, row, strict=True) if value is None
                    }
                    assert empty <= NULLABLE, f"{name} left {table} without {empty}"
                else:
                    kept[table] = tuple(rows[0]) if rows else _put_row(table)
        assert migrate() == []
        assert len(kept) == len(all_tables())


def _put_row(table: str) -> tuple[object, ...]:
    """One row of the least that each column takes; returns it as the database gives it back."""
    samples = {
        "INT": 1,
        "CHAR": "a",
        "TEXT": "a",
        "BLOB": b"a",
        "BYTEA": b"a",
        "BOOL": True,
        "REAL": 1.0,
    }
    columns = database.get_columns(table)
    values = [
        next(value for part, value in samples.items() if part in column.data_type.upper())
        for column in columns
    ]
    names = ", ".join(f'"{column.name}"' for column in columns)
    places = ", ".join([database.param] * len(columns))
    with write():
        database.execute_sql(f'INSERT INTO "{table}" ({names}) VALUES ({places})', values)
    (row,) = database.execute_sql(f'SELECT * FROM "{table}"').fetchall()
    return tuple(row)


def _shape(table: str) -> object:
    columns = [
        (c.name, c.data_type.upper(), c.null, c.primary_key) for c in database.get_columns(table)
    ]
    indexes = sorted((tuple(index.columns), index.unique) for index in database.get_indexes(table))
    return columns, indexes


def test_programs_that_migrate_at_once_take_turns(fresh: str) -> None:
    """Projector, webhooks and job start together on a new town, and each would create the same tables."""
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(migrate) for _ in range(4)]
        applied = sorted(len(future.result(timeout=120)) for future in futures)
    assert applied == [0, 0, 0, len(list(MIGRATIONS_DIR.glob("[0-9]*.py")))]


def test_a_second_program_of_a_kind_is_kept_off_until_the_first_ends(fresh: str) -> None:
    with hold(fresh, "projector"):
        with pytest.raises(DatabaseHeld), hold(fresh, "projector", wait_s=0):
            pass
        with hold(fresh, "another purpose", wait_s=0):
            pass
    with hold(fresh, "projector", wait_s=0):
        pass


def test_a_second_projector_says_what_to_do_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two once wrote the same heights; a rebuild beside one that follows leaves rows out."""
    for name in ("BEFFROI_HOME", "BEFFROI_GENESIS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / ("genesis.json" if "FILE" in name else "")))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(projector_command, "hold", partial(hold, wait_s=0))
    # a process of its own keeps its loggers for ever; here they would outlive the test
    monkeypatch.setattr(projector_command, "configure_logging", lambda: None)
    lab = Lab()
    (tmp_path / "genesis.json").write_text(json.dumps(to_json(lab.genesis)))
    with hold(f"sqlite:///{tmp_path / 'town.db'}", "projector"):
        for command in (["projector"], ["projector", "rebuild"]):
            said = CliRunner().invoke(main, command)
            assert said.exit_code == 1
            assert "another projector is at work with this database" in said.output
    close_database()


def test_a_write_outside_a_transaction_is_a_defect_and_does_nothing(fresh: str) -> None:
    migrate()
    with connected():
        with pytest.raises(WriteOutsideTransaction):
            TicketCount.insert(address="a", hour=1).execute()
        assert TicketCount.select().count() == 0


def test_what_is_written_together_fails_together(fresh: str) -> None:
    migrate()
    with connected():
        with pytest.raises(ZeroDivisionError):
            _write_and_fail()
        assert TicketCount.select().count() == 0


def _write_and_fail() -> None:
    with write():
        TicketCount.insert(address="a", hour=1).execute()
        raise ZeroDivisionError


def test_four_threads_that_read_then_write_never_meet_a_locked_database(fresh: str) -> None:
    migrate()
    with connected(), write():
        TicketCount.insert(address="a", hour=1).execute()

    def add_hundred(_number: int) -> None:
        for _ in range(50):
            with connected(), write():
                row = (
                    TicketCount.select().for_update().get()
                    if fresh.startswith("postgres")
                    else TicketCount.get()
                )
                TicketCount.update(count=row.count + 1).execute()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_hundred, range(4), timeout=120))
    with connected():
        assert TicketCount.get().count == 200


def test_a_connection_may_be_lent_to_another_thread(fresh: str) -> None:
    migrate()

    def count() -> int:
        with connected():
            return TicketCount.select().count()

    with ThreadPoolExecutor(1) as first:
        assert first.submit(count).result(30) == 0
    with ThreadPoolExecutor(1) as second:
        assert second.submit(count).result(30) == 0


def test_sqlite_runs_in_wal_mode_with_foreign_keys(sql: str) -> None:
    assert database.execute_sql("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database.execute_sql("PRAGMA foreign_keys").fetchone()[0] == 1
