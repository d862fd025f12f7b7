"""The same town on PostgreSQL: followed, rebuilt identically, and open to the API."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.auth.factors import _open_ceremony, _use_ceremony
from app.core.context import Actor
from app.core.database import connected
from app.core.problems import Problem
from app.core.projector import Projector
from app.identity.duplicates import SEARCHES_PER_HOUR, charge_search
from app.webhooks.service import WEBHOOKS_MAX, create_webhook
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


def test_an_agent_who_searches_forty_times_at_once_is_counted_forty_times(tmp_path: Path) -> None:
    """PostgreSQL lets transactions run side by side, and each would count what was there before all of them."""
    town = Town(tmp_path, database_url=fresh_postgres())
    clerk = Actor(kid=key("clerk@mairie").kid, subject="", scopes=frozenset({"clerk"}))

    def search(_number: int) -> int | str:
        with town.app.app_context(), connected():
            try:
                return charge_search(clerk, "recovery", town.clock.seconds)
            except Problem as problem:
                return problem.code.name

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(search, range(40), timeout=60))
    assert sorted(left for left in answers if isinstance(left, int)) == [*range(SEARCHES_PER_HOUR)]
    close_database()


def at_once(town: Town, act: Callable[[], object], count: int) -> list[object]:
    """What so many threads were answered: the result, or the code of the refusal."""

    def one(_number: int) -> object:
        with town.app.app_context(), connected():
            try:
                return act()
            except Problem as problem:
                return problem.code.name

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(count), timeout=60))


def test_thirty_endpoints_asked_for_at_once_are_ten(tmp_path: Path) -> None:
    town = Town(tmp_path, database_url=fresh_postgres())

    def register() -> object:
        made = create_webhook(
            "boulangerie",
            url="https://example.org/hook",
            scheme="hmac",
            kinds=(),
            master_key=bytes(32),
            now_s=town.clock.seconds,
        )
        return bool(made["id"])

    answers = at_once(town, register, 30)
    assert answers.count(True) == WEBHOOKS_MAX
    assert answers.count("webhook_limit") == 30 - WEBHOOKS_MAX
    close_database()


def test_a_passkey_s_challenge_used_by_eight_at_once_serves_one(tmp_path: Path) -> None:
    town = Town(tmp_path, database_url=fresh_postgres())
    for _ in range(5):
        with town.app.app_context(), connected():
            challenge = _open_ceremony("A" * 22, "assert")
        answers = at_once(town, lambda: _use_ceremony("A" * 22, "assert"), 8)
        assert answers.count(challenge) == 1
        assert answers.count("auth_factor_invalid") == 7
    close_database()
