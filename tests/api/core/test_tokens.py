"""Access tokens: every class of forgery of ASVS 5.0 V9 is refused with the same code."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from app.core.keyfiles import RoleKey, new_role_key
from app.core.problems import Problem
from app.core.tokens import LIFE_S, SKEW_S, TokenIssuer
from tests.api.conftest import Town
from tests.town.town_kit import key

NOW = 1_790_000_000
AUDIENCE = "http://town.test"
SIGNER = new_role_key("token", seed=bytes(range(32)))
GOOD_HEADER = {"alg": "EdDSA", "kid": SIGNER.kid, "typ": "at+jwt"}
GOOD_CLAIMS: dict[str, Any] = {
    "iss": AUDIENCE,
    "aud": AUDIENCE,
    "sub": "someone",
    "scope": "citizen:loyalty device",
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + LIFE_S,
    "jti": "abc",
    "sid": "s" * 22,
    "cnf": {"jkt": "k" * 43},
}


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer([SIGNER], audience=AUDIENCE)


def b64(raw: bytes | str) -> str:
    raw = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(header: Any = None, claims: Any = None, signer: RoleKey = SIGNER) -> str:
    """A token with this header and these claims (dicts or raw JSON text), truly signed."""
    parts = [
        b64(part if isinstance(part, str) else json.dumps(part))
        for part in (GOOD_HEADER if header is None else header, claims or GOOD_CLAIMS)
    ]
    message = ".".join(parts)
    return message + "." + b64(signer.signer.sign(message.encode()))


def code_of(issuer: TokenIssuer, token: str, now_s: int = NOW) -> str:
    with pytest.raises(Problem) as caught:
        issuer.verify(token, now_s=now_s)
    assert caught.value.headers["WWW-Authenticate"].startswith('DPoP error="invalid_token"')
    return caught.value.code.name


def test_what_is_issued_is_accepted_and_says_all_required_claims(issuer: TokenIssuer) -> None:
    token = issuer.issue(
        subject="s", session="i" * 22, jkt="k" * 43, scopes={"till", "device"}, now_s=NOW
    )
    claims = issuer.verify(token, now_s=NOW)
    assert (claims.subject, claims.session, claims.jkt) == ("s", "i" * 22, "k" * 43)
    assert claims.scopes == {"till", "device"}
    assert claims.expires_at - NOW <= 600
    assert issuer.verify(forge(), now_s=NOW).subject == "someone"


def test_a_token_ends_to_the_second_and_starts_within_the_skew(issuer: TokenIssuer) -> None:
    assert issuer.verify(forge(), now_s=NOW + LIFE_S - 1)
    assert code_of(issuer, forge(), NOW + LIFE_S) == "auth_token_expired"
    assert issuer.verify(forge(), now_s=NOW - SKEW_S)
    assert code_of(issuer, forge(), NOW - SKEW_S - 1) == "auth_token_invalid"


@pytest.mark.parametrize(
    "header",
    [
        {**GOOD_HEADER, "alg": "none"},
        {**GOOD_HEADER, "alg": "NONE"},
        {**GOOD_HEADER, "alg": "ES256"},
        {**GOOD_HEADER, "alg": "eddsa"},
        {**GOOD_HEADER, "typ": "JWT"},
        {**GOOD_HEADER, "typ": "beffroi-tx"},
        {**GOOD_HEADER, "typ": "dpop+jwt"},
        {**GOOD_HEADER, "kid": "../../etc/passwd"},
        {**GOOD_HEADER, "kid": "' OR 1=1 --"},
        {**GOOD_HEADER, "kid": None},
        {**GOOD_HEADER, "kid": ["x"]},
        {**GOOD_HEADER, "jku": "https://evil.example/jwks"},
        {**GOOD_HEADER, "jwk": SIGNER.jwk()},
        {**GOOD_HEADER, "x5u": "https://evil.example/x"},
        {**GOOD_HEADER, "crit": ["exp"]},
        {"alg": "EdDSA", "kid": SIGNER.kid},
        "[]",
        '"text"',
        f'{{"alg":"none","alg":"EdDSA","kid":"{SIGNER.kid}","typ":"at+jwt"}}',
    ],
)
def test_any_other_header_is_refused(issuer: TokenIssuer, header: Any) -> None:
    assert code_of(issuer, forge(header)) == "auth_token_invalid"


@pytest.mark.parametrize("missing", list(GOOD_CLAIMS))
def test_a_missing_claim_is_refused(issuer: TokenIssuer, missing: str) -> None:
    claims = {name: value for name, value in GOOD_CLAIMS.items() if name != missing}
    assert code_of(issuer, forge(claims=claims)) == "auth_token_invalid"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "http://other.test"},
        {"iss": AUDIENCE.upper()},
        {"aud": "http://other.test"},
        {"aud": [AUDIENCE]},
        {"sub": ""},
        {"sub": 7},
        {"scope": ["till"]},
        {"exp": str(NOW + 60)},
        {"exp": True},
        {"exp": NOW + LIFE_S + 1},
        {"iat": NOW + SKEW_S + 1, "exp": NOW + 60},
        {"nbf": NOW + SKEW_S + 1},
        {"cnf": {}},
        {"cnf": {"jkt": "a", "jwk": {}}},
        {"cnf": "jkt"},
        {"jti": None},
    ],
)
def test_any_other_claim_is_refused(issuer: TokenIssuer, change: dict[str, Any]) -> None:
    assert code_of(issuer, forge(claims=GOOD_CLAIMS | change)) == "auth_token_invalid"


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(GOOD_CLAIMS)[:-1] + ',"sub":"other"}',
        json.dumps(GOOD_CLAIMS).replace(str(NOW + LIFE_S), f"{NOW + LIFE_S}.0"),
        json.dumps(GOOD_CLAIMS).replace(str(NOW + LIFE_S), "1e400"),
        json.dumps(GOOD_CLAIMS).replace(str(NOW + LIFE_S), "Infinity"),
        "null",
    ],
)
def test_claims_that_two_parsers_could_read_differently_are_refused(
    issuer: TokenIssuer, raw: str
) -> None:
    assert code_of(issuer, forge(claims=raw)) == "auth_token_invalid"


def test_signatures_are_refused_when_missing_cut_swapped_or_of_another_key(
    issuer: TokenIssuer,
) -> None:
    good = forge()
    head, body, signature = good.split(".")
    stranger = new_role_key("token", seed=bytes(32))
    secret = SIGNER.signer.public_key.raw
    mac = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    for bad in (
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature}=",
        f"{head}.{body}.{signature}.",
        f"{head}.{body}.{b64(mac)}",
        f"{head}=.{body}.{signature}",
        f" {good}",
        forge(signer=stranger),
        good.replace(body, b64(json.dumps(GOOD_CLAIMS | {"sub": "other"}))),
        "x" * 1_000_000,
        "",
        "..",
        "é.é.é",
    ):
        assert code_of(issuer, bad) == "auth_token_invalid", bad[:80]


def test_a_token_seen_before_vouches_for_nothing_but_its_own_bytes(issuer: TokenIssuer) -> None:
    good = forge()
    head, body, signature = good.split(".")
    assert issuer.verify(good, now_s=NOW).subject == issuer.verify(good, now_s=NOW).subject
    other = b64(json.dumps(GOOD_CLAIMS | {"sub": "other"}))
    for bad in (f"{head}.{other}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA"):
        assert code_of(issuer, bad) == "auth_token_invalid"
        assert code_of(issuer, bad) == "auth_token_invalid", "a refusal is not remembered as good"


def test_the_memory_of_good_tokens_is_bounded(
    issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.tokens.VERIFIED_TOKENS_KEPT", 3)
    for number in range(10):
        issuer.verify(forge(claims=GOOD_CLAIMS | {"jti": str(number)}), now_s=NOW)
    assert len(issuer._verified) == 3


def test_tokens_of_the_key_before_stay_valid_while_both_are_configured() -> None:
    fresh = new_role_key("token", seed=bytes(31) + b"\x01")
    both = TokenIssuer([fresh, SIGNER], audience=AUDIENCE)
    only_fresh = TokenIssuer([fresh], audience=AUDIENCE)
    assert both.verify(forge(), now_s=NOW)
    assert code_of(only_fresh, forge()) == "auth_token_invalid"
    assert [line["kid"] for line in both.jwks()["keys"]] == [fresh.kid, SIGNER.kid]
    assert all("d" not in line for line in both.jwks()["keys"])


def test_a_route_without_a_token_is_401_and_says_how(town: Town) -> None:
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "DPoP "}):
        answer = town.http.get("/v1/accounts/me", headers=headers)
        assert (answer.status_code, answer.json["code"]) == (401, "auth_token_required")
        assert answer.headers["WWW-Authenticate"] == 'DPoP algs="EdDSA ES256"'


def test_a_token_ends_with_the_town_s_clock(town: Town) -> None:
    alice = key("alice")
    town.open_account(alice)
    headers = town.login(alice)
    town.clock.seconds += LIFE_S
    answer = town.http.get("/v1/accounts/me", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (401, "auth_token_expired")
    assert "invalid_token" in answer.headers["WWW-Authenticate"]
