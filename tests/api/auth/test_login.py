"""Login by device key: challenge, signature, token, and what the key may do."""

from typing import Any

import pytest

from app.auth.service import (
    CHALLENGE_LIFE_S,
    FAILURES_PER_ADDRESS_MAX,
    FAILURES_PER_KEY_MAX,
    PREFIX,
    WINDOW_S,
    build_login_message,
)
from app.cli.demo.http import make_proof
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.crypto.jws import SigningKey, sign_compact
from chain.crypto.keys import jwk_of
from chain.town.schemas import ActRoleRevoke, CouncilActs
from tests.api.conftest import PUBLIC_URL, Town
from tests.town.town_kit import BODIES, key

ALICE = key("alice")
JWS_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def challenge_for(town: Town, signer: SigningKey) -> str:
    answer = town.http.post("/v1/auth/challenges", json={"key": jwk_of(signer.public_key)})
    assert answer.status_code == 201
    text: str = answer.json["challenge"]
    return text


def trade(
    town: Town,
    signer: SigningKey,
    challenge: str,
    signature: bytes,
    place: dict[str, str] | None = None,
) -> Any:
    url = f"{PUBLIC_URL}/v1/auth/tokens"
    proof_key = key(f"proof key of {signer.kid}", "ES256")
    proof = make_proof(proof_key, "POST", url, town.clock.seconds, nonce=challenge)
    return town.http.post(
        "/v1/auth/tokens",
        json={
            "key": jwk_of(signer.public_key),
            "challenge": challenge,
            "signature": b64url_encode(signature),
        },
        headers={"DPoP": proof},
        environ_overrides=place or {},
    )


def signed(signer: SigningKey, challenge: str, audience: str = PUBLIC_URL) -> bytes:
    jkt = key(f"proof key of {signer.kid}", "ES256").kid
    return signer.sign(build_login_message(audience, signer.kid, jkt, challenge))


@pytest.mark.parametrize("alg", ["EdDSA", "ES256"])
def test_any_key_that_proves_itself_gets_a_token_of_scope_device(town: Town, alg: str) -> None:
    signer = key("new phone", alg)
    challenge = challenge_for(town, signer)
    answer = trade(town, signer, challenge, signed(signer, challenge))
    assert answer.status_code == 201
    assert answer.json["token_type"] == "DPoP"
    assert answer.json["expires_in"] <= 600
    assert answer.json["scope"] == "device"


def test_a_challenge_is_32_bytes_and_never_the_same(town: Town) -> None:
    seen = {challenge_for(town, ALICE) for _ in range(20)}
    assert len(seen) == 20
    assert {len(text) for text in seen} == {43}


def test_a_challenge_works_once(town: Town) -> None:
    challenge = challenge_for(town, ALICE)
    signature = signed(ALICE, challenge)
    assert trade(town, ALICE, challenge, signature).status_code == 201
    again = trade(town, ALICE, challenge, signature)
    assert (again.status_code, again.json["code"]) == (401, "auth_challenge_invalid")


def test_a_challenge_lives_sixty_seconds(town: Town) -> None:
    challenge = challenge_for(town, ALICE)
    town.clock.seconds += CHALLENGE_LIFE_S
    answer = trade(town, ALICE, challenge, signed(ALICE, challenge))
    assert (answer.status_code, answer.json["code"]) == (401, "auth_challenge_invalid")


def answer_of(town: Town, wrong: str) -> Any:
    """A login that is right but for one thing."""
    bob, challenge = key("bob"), challenge_for(town, ALICE)
    jkt = key(f"proof key of {ALICE.kid}", "ES256").kid
    message = build_login_message(PUBLIC_URL, ALICE.kid, jkt, challenge)
    signatures = {
        "by another key": bob.sign(message),
        "as another key": ALICE.sign(build_login_message(PUBLIC_URL, bob.kid, jkt, challenge)),
        "for another proof key": ALICE.sign(
            build_login_message(PUBLIC_URL, ALICE.kid, bob.kid, challenge)
        ),
        "for another town": signed(ALICE, challenge, "http://other.test"),
        "upon another challenge": signed(ALICE, challenge_for(town, ALICE)),
        "a bare challenge": ALICE.sign(challenge.encode()),
        "without the prefix": ALICE.sign(message.removeprefix(PREFIX)),
        "a transaction's signature": b64url_decode(
            sign_compact(message, "beffroi-tx", ALICE).rsplit(b".", 1)[1].decode()
        ),
    }
    if wrong == "with another's challenge":
        return trade(town, bob, challenge, signed(bob, challenge))
    if wrong == "with an unknown challenge":
        return trade(town, ALICE, "A" * 43, signed(ALICE, "A" * 43))
    return trade(town, ALICE, challenge, signatures.get(wrong, signed(ALICE, challenge)))


WRONG = (
    "by another key",
    "as another key",
    "for another proof key",
    "for another town",
    "upon another challenge",
    "a bare challenge",
    "without the prefix",
    "a transaction's signature",
    "with another's challenge",
    "with an unknown challenge",
)


def test_every_wrong_answer_looks_the_same(town: Town) -> None:
    """Requirements 13 to 15: each is wrong in one thing only, so that each thing is looked at."""
    assert answer_of(town, "nothing").status_code == 201
    bodies = []
    for wrong in WRONG:
        answer = answer_of(town, wrong)
        assert answer.status_code == 401, wrong
        bodies.append({k: v for k, v in answer.json.items() if k != "trace_id"})
    assert all(body == bodies[0] for body in bodies)


def test_a_login_signature_can_never_be_a_transaction() -> None:
    """The prefix alone has what no signing input of a JWS has, so no login message is one."""
    message = build_login_message(PUBLIC_URL, ALICE.kid, "A" * 43, "A" * 43)
    assert message.startswith(PREFIX)
    signing_input = sign_compact(b"{}", "beffroi-tx", ALICE).rsplit(b".", 1)[0]
    assert set(signing_input) <= JWS_BYTES
    assert set(PREFIX) - JWS_BYTES == set(b"\n")


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43},
        {"kty": "OKP", "crv": "P-256", "x": "A" * 43},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43},
    ],
)
def test_a_key_that_could_never_sign_well_is_refused(town: Town, jwk: dict[str, str]) -> None:
    answer = town.http.post("/v1/auth/challenges", json={"key": jwk})
    assert (answer.status_code, answer.json["code"]) == (422, "auth_key_invalid")


def test_a_private_key_is_never_taken(town: Town) -> None:
    jwk = {**jwk_of(ALICE.public_key), "d": "A" * 43}
    answer = town.http.post("/v1/auth/challenges", json={"key": jwk})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "json.key.d")


def test_ten_failures_stop_a_key_for_the_window_but_not_another(town: Town) -> None:
    for _ in range(FAILURES_PER_KEY_MAX):
        assert trade(town, ALICE, "A" * 43, bytes(64)).status_code == 401
    answer = town.http.post("/v1/auth/challenges", json={"key": jwk_of(ALICE.public_key)})
    assert (answer.status_code, answer.json["code"]) == (429, "auth_too_many_attempts")
    assert 0 < int(answer.headers["Retry-After"]) <= WINDOW_S
    assert town.login_answer(key("bob")).status_code == 201
    town.clock.seconds += WINDOW_S
    assert town.login_answer(ALICE).status_code == 201


def test_a_hundred_failures_from_an_address_stop_it_and_no_other(town: Town) -> None:
    """Requirement 16: whoever tries a fresh key each time is stopped by the address."""
    signers = [key(f"guess {number}") for number in range(FAILURES_PER_ADDRESS_MAX // 5)]
    for signer in signers * 5:
        assert trade(town, signer, "A" * 43, bytes(64)).status_code == 401
    body, path = {"key": jwk_of(ALICE.public_key)}, "/v1/auth/challenges"
    stopped = town.http.post(path, json=body)
    assert (stopped.status_code, stopped.json["code"]) == (429, "auth_too_many_attempts")
    assert 0 < int(stopped.headers["Retry-After"]) <= WINDOW_S
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert town.http.post(path, json=body, environ_overrides=elsewhere).status_code == 201


def test_nobody_at_another_address_locks_an_agent_out(town: Town) -> None:
    """Role keys stand on the chain: whoever names one and signs nonsense stops only themselves."""
    clerk, elsewhere = key("clerk@mairie"), {"REMOTE_ADDR": "192.0.2.7"}
    path, body = "/v1/auth/challenges", {"key": jwk_of(clerk.public_key)}
    mine = challenge_for(town, clerk)
    for _ in range(FAILURES_PER_KEY_MAX):
        trade(town, clerk, "A" * 43, bytes(64), elsewhere)
    stopped = town.http.post(path, json=body, environ_overrides=elsewhere)
    assert (stopped.status_code, stopped.json["code"]) == (429, "auth_too_many_attempts")
    assert trade(town, clerk, mine, signed(clerk, mine)).status_code == 201
    assert town.http.post(path, json=body).status_code == 201


def test_nobody_pushes_anothers_challenge_out(town: Town) -> None:
    mine = challenge_for(town, ALICE)
    for _ in range(50):
        challenge_for(town, ALICE)
    assert trade(town, ALICE, mine, signed(ALICE, mine)).status_code == 201


def test_a_challenge_that_was_altered_is_none(town: Town) -> None:
    """Its end, its random part, or its mac: none can be made by whoever asks."""
    raw = b64url_decode(challenge_for(town, ALICE))
    for place in (0, 4, 5, 15, 16, 31):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        text = b64url_encode(changed)
        answer = trade(town, ALICE, text, signed(ALICE, text))
        assert (answer.status_code, answer.json["code"]) == (401, "auth_challenge_invalid"), place


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("clerk@mairie", "clerk device"),
        ("agent_supervisor@commerces", "clerk device supervisor"),
        ("loyalty_operator@commerces", "device operator"),
        ("auditor@dehors", "auditor device"),
        ("gateway@mairie", "device"),
        ("seat@coop", "council device"),
        ("nobody", "device"),
    ],
)
def test_scope_is_what_the_key_is_on_the_chain(town: Town, name: str, scope: str) -> None:
    assert town.login_answer(key(name)).json["scope"] == scope


def test_an_account_s_key_gets_its_service_s_scope(town: Town) -> None:
    town.open_account(ALICE)
    assert town.login_answer(ALICE).json["scope"] == "citizen:loyalty device"


def test_a_token_is_refused_one_request_after_its_role_ended_on_chain(town: Town) -> None:
    clerk, seats = key("clerk@mairie"), [key(f"seat@{body}") for body in BODIES[:3]]
    headers = town.login(clerk)
    assert town.http.get("/v1/desk/batch", headers=headers).status_code == 200
    tx = town.tx(CouncilActs((ActRoleRevoke(clerk.kid),)), "council", *seats)
    assert town.post_tx("/v1/city/acts", tx, seats[0]).status_code == 201
    refused = town.http.get("/v1/desk/batch", headers=headers)
    assert (refused.status_code, refused.json["code"]) == (403, "auth_scope_missing")
    assert town.login_answer(clerk).json["scope"] == "device"


def test_the_verification_keys_are_public(town: Town) -> None:
    keys = town.http.get("/v1/auth/jwks").json["keys"]
    assert [set(line) for line in keys] == [{"kty", "crv", "x", "kid", "alg", "use"}]
