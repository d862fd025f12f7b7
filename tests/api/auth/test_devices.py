"""Tills log in by their owner's word (RFC 8628): letters, polling, approval, and what a till's session cannot do."""

import math
from typing import Any

import pytest

from app.auth.devices import INTERVAL_S, LETTERS, LIFE_S, SLOWER_S, USER_CODE_CHARS
from app.auth.service import FAILURES_PER_KEY_MAX, build_login_message
from app.cli.demo.http import make_proof
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from tests.api.conftest import PUBLIC_URL, Town
from tests.journeys.kit import Street
from tests.town.town_kit import key

PROOF_KEY = key("the terminal's proof key", "ES256")
TILL, OWNER, OTHER_OWNER = (
    key("till of boulangerie"),
    key("owner of boulangerie"),
    key("owner of librairie"),
)


@pytest.fixture
def shops(town: Town) -> Town:
    street = Street(town)
    street.open_shop("boulangerie")
    street.open_shop("librairie")
    return town


def begin(town: Town, signer: SigningKey = TILL) -> Any:
    jwk, path = jwk_of(signer.public_key), "/v1/auth/devices"
    opened = town.http.post("/v1/auth/challenges", json={"key": jwk}).json
    challenge = opened["challenge"]
    message = build_login_message(PUBLIC_URL, signer.kid, PROOF_KEY.kid, challenge)
    body = {"key": jwk, "challenge": challenge, "signature": b64url_encode(signer.sign(message))}
    proof = make_proof(PROOF_KEY, "POST", PUBLIC_URL + path, 0, nonce=challenge)
    return town.http.post(path, json=body, headers={"DPoP": proof})


def poll(town: Town, device_code: str, proof_key: SigningKey = PROOF_KEY) -> Any:
    path = "/v1/auth/devices/tokens"
    proof = make_proof(proof_key, "POST", PUBLIC_URL + path, town.clock.seconds)
    return town.http.post(path, json={"device_code": device_code}, headers={"DPoP": proof})


def decide(town: Town, user_code: str, signer: SigningKey = OWNER, **more: Any) -> Any:
    body = {"user_code": user_code, **more}
    return town.http.post("/v1/auth/devices/decisions", json=body, headers=town.login(signer))


def test_the_letters_have_34_bits_and_no_vowel() -> None:
    """Requirement 21."""
    assert USER_CODE_CHARS * math.log2(len(LETTERS)) >= 34
    assert not set("AEIOUY") & set(LETTERS)


def test_a_till_gets_its_session_once_its_owner_approved(shops: Town) -> None:
    asked = begin(shops)
    assert asked.status_code == 201
    assert (asked.json["expires_in"], asked.json["interval"]) == (LIFE_S, INTERVAL_S)
    shops.clock.seconds += INTERVAL_S
    waiting = poll(shops, asked.json["device_code"])
    assert (waiting.status_code, waiting.json["code"]) == (400, "authorization_pending")
    looked = shops.http.post(
        "/v1/auth/devices/lookups",
        json={"user_code": asked.json["user_code"]},
        headers=shops.login(OWNER),
    )
    assert (looked.json["till"], looked.json["shop"]) == (TILL.kid, "shop:boulangerie")
    assert decide(shops, asked.json["user_code"].lower().replace("-", " ")).status_code == 200
    granted = poll(shops, asked.json["device_code"])
    assert granted.status_code == 201
    assert granted.json["scope"] == "device till"
    again = poll(shops, asked.json["device_code"])
    assert (again.status_code, again.json["code"]) == (401, "auth_device_code_invalid")


def test_a_till_s_session_sees_no_balance(shops: Town) -> None:
    asked = begin(shops).json
    decide(shops, asked["user_code"])
    token = poll(shops, asked["device_code"]).json["access_token"]
    shops.prover.keys[token] = PROOF_KEY
    headers = {"Authorization": f"DPoP {token}"}
    for path in ("/v1/loyalty/accounts/me", "/v1/accounts/me"):
        assert shops.http.get(path, headers=headers).json["code"] == "auth_scope_missing"


def test_a_terminal_that_asks_too_often_is_told_to_wait_longer(shops: Town) -> None:
    asked = begin(shops).json
    hasty = poll(shops, asked["device_code"])
    assert (hasty.status_code, hasty.json["code"]) == (400, "slow_down")
    assert int(hasty.headers["Retry-After"]) == INTERVAL_S + SLOWER_S
    shops.clock.seconds += INTERVAL_S
    assert poll(shops, asked["device_code"]).json["code"] == "slow_down"
    shops.clock.seconds += INTERVAL_S + 2 * SLOWER_S
    assert poll(shops, asked["device_code"]).json["code"] == "authorization_pending"


def test_a_refused_till_gets_nothing(shops: Town) -> None:
    asked = begin(shops).json
    assert decide(shops, asked["user_code"], is_approved=False).status_code == 200
    answer = poll(shops, asked["device_code"])
    assert (answer.status_code, answer.json["code"]) == (403, "access_denied")
    assert poll(shops, asked["device_code"]).json["code"] == "auth_device_code_invalid"


def test_letters_live_ten_minutes(shops: Town) -> None:
    asked = begin(shops).json
    shops.clock.seconds += LIFE_S
    late = decide(shops, asked["user_code"])
    assert (late.status_code, late.json["code"]) == (404, "auth_device_code_unknown")
    assert poll(shops, asked["device_code"]).json["code"] == "auth_device_code_invalid"


def test_another_shop_s_owner_cannot_see_or_approve_the_till(shops: Town) -> None:
    asked = begin(shops).json
    answer = decide(shops, asked["user_code"], OTHER_OWNER)
    assert (answer.status_code, answer.json["code"]) == (404, "auth_device_code_unknown")


def test_a_stolen_device_code_is_worth_nothing_without_the_terminal_s_key(shops: Town) -> None:
    asked = begin(shops).json
    decide(shops, asked["user_code"])
    thief = poll(shops, asked["device_code"], key("a thief's proof key", "ES256"))
    assert (thief.status_code, thief.json["code"]) == (401, "auth_device_code_invalid")
    assert poll(shops, asked["device_code"]).status_code == 201


def test_guessing_letters_is_stopped(shops: Town) -> None:
    headers = shops.login(OWNER)
    for _ in range(FAILURES_PER_KEY_MAX):
        body = {"user_code": "BBBB-BBBB"}
        answer = shops.http.post("/v1/auth/devices/decisions", json=body, headers=headers)
        assert answer.status_code == 404
    asked = begin(shops).json
    stopped = shops.http.post(
        "/v1/auth/devices/decisions", json={"user_code": asked["user_code"]}, headers=headers
    )
    assert (stopped.status_code, stopped.json["code"]) == (429, "auth_too_many_attempts")


@pytest.mark.parametrize("name", ["owner of boulangerie", "clerk@mairie", "a stranger"])
def test_only_a_till_s_live_key_begins(shops: Town, name: str) -> None:
    answer = begin(shops, key(name))
    assert (answer.status_code, answer.json["code"]) == (403, "auth_scope_missing")
