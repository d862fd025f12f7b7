"""Erasure of one person where the read model is PostgreSQL: its dump and its files tell no more than SQLite's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from app.core.database import connected
from app.identity.models import DuplicateIndex, Person
from app.identity.register import Register
from app.identity.retention import purge
from tests.api.conftest import Town, close_database, fresh_postgres
from tests.api.identity import desk_kit as kit
from tests.api.identity.test_rights import end, me
from tests.api.identity.thief import chain_bytes
from tests.canary import canary, civil_of, guess_with_key, search, tokens
from tests.journeys.kit import Street

PG_DUMP = shutil.which("pg_dump")
DUMP_S = 60
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.skipif(
        "TEST_POSTGRES_URL" not in os.environ, reason="TEST_POSTGRES_URL is not set"
    ),
    pytest.mark.skipif(PG_DUMP is None, reason="pg_dump is not installed"),
]


def dump(url: str) -> dict[str, bytes]:
    """What `pg_dump` writes, and every binary column of it as the bytes it stands for."""
    done = subprocess.run(
        [str(PG_DUMP), "--dbname", url], capture_output=True, check=True, timeout=DUMP_S
    )
    text = done.stdout
    assert b"COPY public.person " in text
    binary = b"\n".join(
        bytes.fromhex(found.decode()) for found in re.findall(rb"\\\\x((?:[0-9a-f]{2})+)", text)
    )
    return {"pg_dump": text, "pg_dump, binary columns": binary}


def files(url: str) -> dict[str, bytes]:
    """Every table, index and overflow as it lies on the server's disk, dead rows included."""
    with psycopg.connect(url, autocommit=True, connect_timeout=DUMP_S) as connection:
        connection.execute("CHECKPOINT")
        names = connection.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'i', 't') AND relpersistence = 'p'"
            " AND relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace)"
        ).fetchall()
        read = "SELECT pg_read_binary_file(pg_relation_filepath(%s::regclass))"
        return {name: bytes(connection.execute(read, (name,)).fetchone()[0]) for (name,) in names}  # type: ignore[index]


def test_after_erasure_neither_a_dump_nor_the_files_tell_of_the_person(tmp_path: Path) -> None:
    url = fresh_postgres()
    street = Street(Town(tmp_path, database_url=url))
    phone, cid = kit.written(street, **canary(0))
    _, other = kit.written(street, **canary(1))
    me(street, phone, "requests", {"kind": "rectification", "wanted": canary(0)})
    kit.read(street.clerk, cid)
    with connected():
        sealed = bytes(Person.get_by_id(cid).sealed)
        digests = [row.digest for row in DuplicateIndex.select().where(DuplicateIndex.cid == cid)]
    before = dump(url) | files(url)
    assert search(before, [canary(0), canary(1)]) == []
    assert sealed in before["pg_dump, binary columns"], "the search finds what is there"
    assert any(digest.encode() in before["duplicate_index"] for digest in digests)

    end(street, cid)
    register = Register(street.town.config)
    with connected():
        purge(register, now_s=street.clock())
    after = dump(url) | files(url)
    assert search(after, [canary(0)]) == []
    assert [place for place, content in after.items() if sealed in content] == []
    left = [place for place, content in after.items() for d in digests if d.encode() in content]
    assert left == []
    people = [civil_of(canary(0)), civil_of(canary(1))]
    stolen = tokens(after | chain_bytes(street))
    found = guess_with_key(stolen, people, register.index.current().key)
    assert [person.family_name for person in found] == [canary(1)["family_name"]]
    with connected():
        assert register.read_file(other) is not None
    close_database()
