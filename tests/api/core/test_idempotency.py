"""A repeated request gets the first answer and has no second effect."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.core import idempotency
from app.core.database import connected, write
from app.core.idempotency import KEPT_S, LEASE_S, IdempotencyRecord
from tests.api.conftest import Town
from tests.town.town_kit import key

ALICE = key("alice")


def send(town: Town, tx: bytes, idempotency_key: str = "key-000001") -> Any:
    return town.post_tx("/v1/accounts", tx, ALICE, Idempotency_Key=idempotency_key)


def test_the_first_answer_is_replayed_and_says_so(town: Town) -> None:
    tx = town.open_tx(ALICE)
    first = send(town, tx)
    again = send(town, tx)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json == first.json
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert town.lab.broadcasts == 1


def test_a_refusal_is_replayed_too(town: Town) -> None:
    town.open_account(ALICE)
    tx = town.open_tx(ALICE)
    first, again = send(town, tx), send(town, tx)
    assert (first.json["code"], again.json["code"]) == ("account_exists", "account_exists")
    assert again.headers["Idempotent-Replayed"] == "true"


def test_the_same_key_with_another_body_is_422(town: Town) -> None:
    send(town, town.open_tx(ALICE))
    answer = send(town, town.open_tx(ALICE))
    assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("value", ["", "short", "with space here", "é" * 10, "x" * 256])
def test_a_missing_or_unusable_key_is_400(town: Town, value: str) -> None:
    answer = send(town, b"a.b.c", value)
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_required")


def test_a_quoted_key_as_in_the_draft_is_the_same_key(town: Town) -> None:
    tx = town.open_tx(ALICE)
    send(town, tx, "key-000001")
    assert send(town, tx, '"key-000001"').headers["Idempotent-Replayed"] == "true"


def test_two_clients_may_use_the_same_key(town: Town) -> None:
    bob = key("bob")
    assert send(town, town.open_tx(ALICE)).status_code == 201
    answer = town.post_tx("/v1/accounts", town.open_tx(bob), bob, Idempotency_Key="key-000001")
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_while_the_first_runs_the_second_is_409(town: Town) -> None:
    tx = town.open_tx(ALICE)
    seen: list[Any] = []
    follow = town.lab.on_block

    def in_the_middle() -> None:
        seen.append(send(town, tx))
        follow()

    town.lab.on_block = in_the_middle
    assert send(town, tx).status_code == 201
    assert (seen[0].status_code, seen[0].json["code"]) == (409, "idempotency_in_progress")
    assert seen[0].headers["Retry-After"] == "1"


def test_a_run_that_died_is_taken_over_after_its_lease(town: Town) -> None:
    tx = town.open_tx(ALICE)
    assert send(town, tx).status_code == 201
    with connected(), write():
        IdempotencyRecord.update(status=0).execute()
    assert send(town, tx).json["code"] == "idempotency_in_progress"
    with connected(), write():
        IdempotencyRecord.update(started_at=town.clock.seconds - LEASE_S - 1).execute()
    taken_over = send(town, tx)
    assert (taken_over.status_code, taken_over.json["state"]) == (201, "final")


def test_an_answer_that_promises_nothing_is_not_kept(town: Town) -> None:
    tx = town.open_tx(ALICE)
    town.lab.is_down = True
    assert send(town, tx).status_code == 503
    town.lab.is_down = False
    assert send(town, tx).status_code == 201


def test_records_are_dropped_after_a_day(town: Town) -> None:
    send(town, town.open_tx(ALICE))
    town.lab.now_s += KEPT_S + 1
    town.clock.seconds += KEPT_S + 1
    send(town, town.open_tx(ALICE), "key-000002")
    with connected():
        assert [record.key for record in IdempotencyRecord.select()] == ["key-000002"]


def test_more_old_records_than_one_purge_takes_go_with_the_next_requests(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "PURGE_BATCH", 2)
    for n in range(5):
        send(town, town.open_tx(ALICE), f"key-00001{n}")
    town.lab.now_s += KEPT_S + 1
    town.clock.seconds += KEPT_S + 1
    for n in range(3):  # within the same minute
        send(town, town.open_tx(ALICE), f"key-00002{n}")
    with connected():
        kept = {record.key for record in IdempotencyRecord.select()}
    assert kept == {"key-000020", "key-000021", "key-000022"}


def test_twenty_parallel_repetitions_have_one_effect(town: Town) -> None:
    tx = town.open_tx(ALICE)
    headers = {**town.login(ALICE), "Idempotency-Key": "key-000001", "Prefer": "wait=5"}

    def post(_number: int) -> Any:
        client = town.app.test_client()
        return client.post("/v1/accounts", json={"transaction": tx.decode()}, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(20)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {201, 409}
    assert 201 in statuses
    assert town.lab.broadcasts == 1
