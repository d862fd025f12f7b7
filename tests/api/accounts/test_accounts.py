"""Tickets, opening, rotation, and the own account."""

from typing import Any

from chain.town.schemas import AccountRotate
from tests.api.conftest import Town
from tests.town.town_kit import jwk, key

ALICE = key("alice")


def ticket(town: Town, body: dict[str, Any]) -> Any:
    return town.http.post("/v1/accounts/tickets", json=body, headers=town.login(ALICE))


def test_an_account_opens_with_a_ticket_and_shows_itself(town: Town) -> None:
    town.open_account(ALICE)
    shown = town.http.get("/v1/accounts/me", headers=town.login(ALICE)).json
    assert (shown["id"], shown["kid"], shown["status"]) == (ALICE.kid, ALICE.kid, "open")


def test_a_new_device_has_no_account_to_show(town: Town) -> None:
    answer = town.http.get("/v1/accounts/me", headers=town.login(ALICE))
    assert (answer.status_code, answer.json["code"]) == (403, "auth_scope_missing")


def test_a_ticket_is_only_for_the_key_that_logged_in(town: Town) -> None:
    answer = ticket(town, {"domain": "loyalty", "kid": key("bob").kid})
    assert (answer.status_code, answer.json["code"]) == (403, "auth_scope_missing")
    assert ticket(town, {"domain": "loyalty", "kid": ALICE.kid}).status_code == 201


def test_an_identity_is_never_opened_by_ticket(town: Town) -> None:
    assert ticket(town, {"domain": "identity"}).json["code"] == "request_invalid"


def test_without_a_gateway_key_there_are_no_tickets(tmp_path: Any) -> None:
    made = Town(tmp_path, gateway_key=None)
    assert ticket(made, {"domain": "loyalty"}).json["code"] == "gateway_absent"


def test_tickets_are_limited_per_address_and_hour(tmp_path: Any) -> None:
    made = Town(tmp_path, tickets_per_hour=2)
    assert [ticket(made, {"domain": "loyalty"}).status_code for _ in range(3)] == [201, 201, 429]
    refused = ticket(made, {"domain": "loyalty"})
    made.clock.seconds += int(refused.headers["Retry-After"])
    assert ticket(made, {"domain": "loyalty"}).status_code == 201


def test_after_a_rotation_only_the_new_key_is_the_account(town: Town) -> None:
    town.open_account(ALICE)
    before, fresh = town.login(ALICE), key("alice 2")
    tx = town.tx(AccountRotate(jwk(fresh)), ALICE.kid, ALICE, fresh)
    assert town.post_tx("/v1/accounts", tx, ALICE).status_code == 201
    shown = town.http.get("/v1/accounts/me", headers=town.login(fresh)).json
    assert (shown["id"], shown["kid"]) == (ALICE.kid, fresh.kid)
    old = town.http.get("/v1/accounts/me", headers=before)
    assert old.status_code in (401, 403)
