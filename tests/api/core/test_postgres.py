"""The same town on PostgreSQL: followed, rebuilt identically, and open to the API."""

import os
from pathlib import Path

import pytest

from app.core.database import connected, database, open_database
from app.core.projector import Projector
from app.wiring import build_projections
from tests.api.conftest import Town, close_database
from tests.api.core.test_projector import dump, live_a_little
from tests.town.town_kit import key

URL = os.environ.get("TEST_POSTGRES_URL", "")
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not URL, reason="TEST_POSTGRES_URL is not set"),
]


def test_a_town_lives_on_postgresql_as_on_sqlite(tmp_path: Path) -> None:
    open_database(URL)
    with connected():
        database.execute_sql("DROP SCHEMA public CASCADE")
        database.execute_sql("CREATE SCHEMA public")
    close_database()
    town = Town(tmp_path, database_url=URL)
    live_a_little(town)
    on_postgres = dump()
    Projector(town.lab.client(), town.lab.genesis, build_projections()).rebuild()
    assert dump() == on_postgres
    tx = town.open_tx(key("dora"))
    first = town.post_tx("/v1/accounts", tx, key("dora"), Idempotency_Key="key-000001")
    again = town.post_tx("/v1/accounts", tx, key("dora"), Idempotency_Key="key-000001")
    assert (first.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    close_database()
