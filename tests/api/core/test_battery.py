"""The rest of the attack battery on tokens and on HTTP: each line is one thing somebody tries."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.cli.demo.http import make_proof
from app.cli.openapi import describe_api
from app.core.http import SECURITY_HEADERS
from app.core.keyfiles import new_role_key
from app.core.tokens import TokenIssuer
from tests.api.conftest import PUBLIC_URL, Town, close_database
from tests.api.core.test_tokens import (
    AUDIENCE,
    GOOD_CLAIMS,
    GOOD_HEADER,
    NOW,
    SIGNER,
    b64,
    code_of,
    forge,
)
from tests.api.places import fill
from tests.town.town_kit import key

ALICE = key("alice")


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer([SIGNER], audience=AUDIENCE)


# --- tokens ----------------------------------------------------------------------------------


ALGORITHMS = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "PS256",
    "ES256",
    "ES256K",
    "Ed25519",
    "Ed448",
    "EDDSA",
]
TYPES = [
    "JWT",
    "jwt",
    "AT+JWT",
    "application/at+jwt",
    "rt+jwt",
    "dpop+jwt",
    "logout+jwt",
    "id_token",
    "dc+sd-jwt",
    "beffroi-tx",
]


@pytest.mark.parametrize(
    "alg",
    [*ALGORITHMS, "", "EdDSA ", 7, None, ["EdDSA"]],
)
def test_no_algorithm_but_ours_signs_an_access_token(issuer: TokenIssuer, alg: Any) -> None:
    """Requirement 1."""
    assert code_of(issuer, forge({**GOOD_HEADER, "alg": alg})) == "auth_token_invalid"


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("form", ["raw", "pem", "jwk"])
def test_our_public_key_is_no_shared_secret(issuer: TokenIssuer, digest: str, form: str) -> None:
    """Requirement 1: HS… with the public key in each of the forms it is published or printed in."""
    raw = SIGNER.signer.public_key.raw
    der = bytes.fromhex("302a300506032b6570032100") + raw
    pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"
    secret = {"raw": raw, "pem": pem, "jwk": json.dumps(SIGNER.jwk()).encode()}[form]
    alg = {"sha256": "HS256", "sha384": "HS384", "sha512": "HS512"}[digest]
    message = f"{b64(json.dumps({**GOOD_HEADER, 'alg': alg}))}.{b64(json.dumps(GOOD_CLAIMS))}"
    mac = hmac.new(secret, message.encode(), getattr(hashlib, digest)).digest()
    assert code_of(issuer, f"{message}.{b64(mac)}") == "auth_token_invalid"


@pytest.mark.parametrize("member", ["jku", "jwk", "x5u", "x5c"])
def test_a_token_that_brings_its_own_key_is_refused_and_noted(
    issuer: TokenIssuer, member: str
) -> None:
    """Requirement 2: signed by the very key it brings."""
    thief = new_role_key("token", seed=bytes(32))
    brought = thief.jwk() if member == "jwk" else "https://evil.test/keys"
    header = {**GOOD_HEADER, "kid": thief.kid, member: brought}
    with capture_logs() as logs:
        assert code_of(issuer, forge(header, signer=thief)) == "auth_token_invalid"
    assert [(line["event"], line["members"]) for line in logs] == [
        ("token_brings_its_own_key", [member])
    ]


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/proc/self/environ",
        "' UNION SELECT 'x",
        "x\x00y",
        "",
        "k" * 1_500,
        SIGNER.kid.lower(),
        SIGNER.kid + "\n",
        {"kid": SIGNER.kid},
    ],
)
def test_a_key_is_found_by_its_exact_name_only(issuer: TokenIssuer, kid: Any) -> None:
    assert code_of(issuer, forge({**GOOD_HEADER, "kid": kid})) == "auth_token_invalid"


@pytest.mark.parametrize(
    "typ",
    [*TYPES, "beffroi-ticket", "beffroi-attestation", "", None],
)
def test_nothing_of_another_type_is_an_access_token(issuer: TokenIssuer, typ: Any) -> None:
    """Requirement 4."""
    assert code_of(issuer, forge({**GOOD_HEADER, "typ": typ})) == "auth_token_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"exp": {}},
        {"exp": [NOW + 60]},
        {"iat": str(NOW)},
        {"iat": None},
        {"nbf": "now"},
        {"nbf": False},
        {"aud": []},
        {"aud": None},
        {"aud": AUDIENCE + "/"},
        {"iss": None},
        {"iss": "https://staging.town.test"},
        {"sid": None},
        {"sid": ["s"]},
        {"jti": 7},
        {"sub": None},
        {"sub": {"id": "someone"}},
        {"cnf": {"jkt": None}},
        {"cnf": {"jwk": SIGNER.jwk()}},
        {"cnf": [{"jkt": "k" * 43}]},
    ],
)
def test_claims_of_another_kind_or_environment_are_refused(
    issuer: TokenIssuer, change: dict[str, Any]
) -> None:
    """Requirement 3."""
    assert code_of(issuer, forge(claims=GOOD_CLAIMS | change)) == "auth_token_invalid"


@pytest.mark.parametrize("subject", ["АLICE", "alice\u200b", "ａlice", "alice "])
def test_a_subject_that_only_looks_like_the_session_s_is_refused(town: Town, subject: str) -> None:
    """The session's own subject is compared, byte for byte."""
    answer = town.login_answer(ALICE)
    services = town.app.extensions["beffroi"]
    claims = services.tokens.verify(answer.json["access_token"], now_s=town.clock.seconds)
    forged = services.tokens.issue(
        subject=subject,
        session=claims.session,
        jkt=claims.jkt,
        scopes=claims.scopes,
        now_s=town.clock.seconds,
    )
    town.prover.keys[forged] = town.prover.keys[answer.json["access_token"]]
    refused = town.http.get("/v1/auth/sessions", headers={"Authorization": f"DPoP {forged}"})
    assert (refused.status_code, refused.json["code"]) == (401, "auth_token_invalid")


# --- HTTP ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b'{"key": "\\u0000"}', "json_bad_text"),
        (b'{"key": "a\x00b"}', "json_malformed"),
        (b'{"key": "\\ud800"}', "json_bad_text"),
        (b'{"key": "\xed\xa0\x80"}', "json_malformed"),
        (b'{"key": ' * 1_000 + b"1" + b"}" * 1_000, "json_too_deep"),
        (b'{"key": 1e400}', "json_bad_number"),
        (b'{"key": -0}', "json_bad_number"),
        (b'{"key": NaN}', "json_bad_number"),
        (b'{"key": {}, "key": {}}', "json_duplicate_key"),
        (b"x" * 10_000_000, "request_too_large"),
    ],
)
def test_a_body_that_means_two_things_or_too_much_never_reaches_a_rule(
    town: Town, raw: bytes, code: str
) -> None:
    """Requirement 36."""
    answer = town.http.post("/v1/auth/challenges", data=raw, content_type="application/json")
    assert answer.json["code"] == code


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "unknown"])
def test_an_encoded_body_is_415(town: Town, encoding: str) -> None:
    answer = town.http.post(
        "/v1/auth/challenges",
        data=b"{}",
        content_type="application/json",
        headers={"Content-Encoding": encoding},
    )
    assert (answer.status_code, answer.json["code"]) == (415, "media_type_unsupported")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_every_route_with_a_body_takes_json_only(town: Town, content_type: str) -> None:
    """Requirement 35, also where no field is required."""
    headers = {**town.login(key("clerk@mairie")), "Idempotency-Key": "battery-000001"}
    for path, item in describe_api()["paths"].items():
        operation = item.get("post", {})
        if "requestBody" not in operation or "{" in path:
            continue
        if not {"public", "device", "clerk"} & set(operation["x-scope"]):
            continue
        answer = town.http.post(path, data=b"{}", content_type=content_type, headers=headers)
        assert answer.status_code in (401, 415), (path, answer.status_code)
        if answer.status_code == 401:
            assert answer.json["code"] in ("auth_proof_invalid", "auth_step_up_required"), path


@pytest.mark.parametrize("name", ["X-Request-Id", "traceparent", "Accept-Language"])
def test_a_header_with_line_feeds_in_it_splits_no_answer(town: Town, name: str) -> None:
    environ = {"HTTP_" + name.upper().replace("-", "_"): "a\r\nSet-Cookie: x=1"}
    answer = town.http.get("/v1/health", environ_overrides=environ)
    assert "Set-Cookie" not in answer.headers
    assert all("\n" not in value for _, value in answer.headers)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "PROPFIND", "X"])
def test_a_method_nobody_declared_is_405_on_every_route(town: Town, method: str) -> None:
    """Requirement 42: no cross-origin reading is offered, so OPTIONS serves nothing."""
    declared = describe_api()["paths"]
    assert len(declared) > 100
    for path in (path for path, item in declared.items() if method.lower() not in item):
        answer = town.http.open(fill(path), method=method)
        assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed"), path
        assert answer.headers["Allow"], path


def test_head_is_get_without_a_body(town: Town) -> None:
    answer = town.http.head("/v1/health")
    assert (answer.status_code, answer.data) == (200, b"")


def test_every_answer_carries_the_headers_and_offers_no_other_origin_anything(town: Town) -> None:
    """Requirement 41."""
    origin = {"Origin": "https://evil.test", "Access-Control-Request-Method": "GET"}
    personal = {**town.login(ALICE), **origin}
    for path, headers in (("/v1/health", origin), ("/v1/auth/sessions", personal), ("/x", origin)):
        answer = town.http.get(path, headers=headers)
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert answer.headers["Cache-Control"] == "no-store"
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert "Set-Cookie" not in answer.headers


@pytest.fixture
def https_town(tmp_path: Path) -> Iterator[Town]:
    yield Town(tmp_path, public_url="https://town.test", trusted_proxies=1)
    close_database()


def test_plain_http_is_refused_and_never_redirected(https_town: Town) -> None:
    """Requirement 40: a redirect would come after the token went out in clear."""
    plain = https_town.http.get("/v1/health")
    assert (plain.status_code, plain.json["code"]) == (403, "plain_http_refused")
    assert "Location" not in plain.headers
    secure = https_town.http.get("/v1/health", headers={"X-Forwarded-Proto": "https"})
    assert secure.status_code == 200


def test_a_forwarding_header_counts_only_behind_a_configured_proxy(tmp_path: Path) -> None:
    town = Town(tmp_path, public_url="https://town.test")
    try:
        forged = town.http.get("/v1/health", headers={"X-Forwarded-Proto": "https"})
        assert forged.json["code"] == "plain_http_refused"
    finally:
        close_database()


def test_a_proof_is_of_the_public_address_whatever_host_the_request_names(town: Town) -> None:
    token = town.login_answer(ALICE).json["access_token"]
    proof_key = town.prover.keys[token]
    url = "http://evil.test/v1/auth/sessions"
    proof = make_proof(proof_key, "GET", url, town.clock.seconds, token=token)
    answer = town.http.get(
        "/v1/auth/sessions",
        headers={"Authorization": f"DPoP {token}", "DPoP": proof, "Host": "evil.test"},
    )
    assert answer.json["code"] == "auth_proof_invalid"
    assert PUBLIC_URL not in answer.text


def test_logs_hold_no_token_no_proof_and_no_query(town: Town) -> None:
    """Requirement 45's last half, for the server's log."""
    with capture_logs() as logs:
        session = town.login_answer(ALICE).json
        headers = {"Authorization": f"DPoP {session['access_token']}"}
        town.http.get("/v1/auth/sessions?secret=hunter2", headers=headers)
        town.http.get("/v1/auth/sessions", headers={"Authorization": "DPoP wrong"})
    assert logs
    said = json.dumps(logs, default=str)
    for secret in (session["access_token"], session["refresh_token"], "hunter2", "eyJ", "wrong"):
        assert secret not in said
