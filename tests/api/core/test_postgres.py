"""The same town on PostgreSQL: followed, rebuilt identically, and open to the API."""

import os
from pathlib import Path

import pytest

from app.core.database import connected
from app.core.projector import Projector
from app.wiring import build_projections
from tests.api.conftest import Town, close_database, fresh_postgres
from tests.api.core.test_projector import dump, live_a_little
from tests.journeys.kit import Street
from tests.town.town_kit import key

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        "TEST_POSTGRES_URL" not in os.environ, reason="TEST_POSTGRES_URL is not set"
    ),
]


def test_a_town_lives_on_postgresql_as_on_sqlite(tmp_path: Path) -> None:
    town = Town(tmp_path, database_url=fresh_postgres())
    live_a_little(town)
    on_postgres = dump()
    Projector(town.lab.client(), town.lab.genesis, build_projections()).rebuild()
    assert dump() == on_postgres
    tx = town.open_tx(key("dora"))
    first = town.post_tx("/v1/accounts", tx, key("dora"), Idempotency_Key="key-000001")
    again = town.post_tx("/v1/accounts", tx, key("dora"), Idempotency_Key="key-000001")
    assert (first.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    close_database()


def test_a_redemption_is_projected_on_postgresql_too(tmp_path: Path) -> None:
    """The plain SQL of every sale speaks both dialects."""
    street = Street(Town(tmp_path, database_url=fresh_postgres()))
    till = street.open_shop("boulangerie")
    phone = street.phone("Ana", cents=5_000, till=till)
    for points in (20, 5):
        code = phone.make_code(40, shop="boulangerie")
        assert till.redeem(code, points).status == 201
    assert street.balance(phone) == 25
    with connected():
        rows = dump()
        street.town.projector.rebuild()
        assert dump() == rows
    close_database()
