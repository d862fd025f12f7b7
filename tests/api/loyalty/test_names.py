"""Names that shops give: what no database could hold is on no chain, or one shop would stop the whole town's rows."""

import os
from pathlib import Path

import pytest

from app.core.database import connected
from chain.town.loyalty_schemas import LoyaltyReward
from tests.api.conftest import Town, close_database, fresh_postgres
from tests.api.loyalty.test_bad_input import by_owner
from tests.journeys.kit import PROGRAMME, Street


@pytest.mark.postgres
@pytest.mark.skipif("TEST_POSTGRES_URL" not in os.environ, reason="TEST_POSTGRES_URL is not set")
def test_a_reward_named_by_a_nul_stops_no_projector(tmp_path: Path) -> None:
    street = Street(Town(tmp_path, database_url=fresh_postgres()))
    street.open_shop("boulangerie")
    owner, now_s = street.owner("boulangerie"), street.clock()
    terms = LoyaltyReward(
        "mug", PROGRAMME, "boulangerie", "Un\x00mug", 20, 5, 2, now_s, now_s + 60, "active"
    )
    height = street.town.lab.produce(owner.sign(terms, sender="shop:boulangerie").encode())
    street.town.lab.produce()
    with connected():
        assert street.town.projector.catch_up() == height
    assert by_owner(owner, "rewards", terms).code == "tx_body_invalid"
    close_database()
