"""Proofs of possession (RFC 9449): every part of a proof is of this request, and a proof serves once."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from app.core.dpop import AGE_MAX_S, AHEAD_MAX_S, NONCE_STEP_S, ProofReader, ProvenRequest
from app.core.problems import Problem
from app.core.replays import FileReplays
from chain.crypto import es256
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from tests.town.town_kit import key

NOW = 1_790_000_000
TOKEN = "a.token.value"
URL = "https://town.test/v1/things"
WANTED = ProvenRequest("POST", URL, TOKEN)
PHONE = key("phone's proof key", "ES256")
ATH = base64.urlsafe_b64encode(hashlib.sha256(TOKEN.encode()).digest()).rstrip(b"=").decode()
GOOD_CLAIMS: dict[str, Any] = {
    "jti": "0123456789abcdef",
    "htm": "POST",
    "htu": URL,
    "iat": NOW,
    "ath": ATH,
}


@pytest.fixture
def reader(tmp_path: Path) -> ProofReader:
    return ProofReader(bytes(32), FileReplays(tmp_path / "names.db"))


def header_of(signer: SigningKey) -> dict[str, Any]:
    return {"typ": "dpop+jwt", "alg": signer.alg, "jwk": jwk_of(signer.public_key)}


def b64(raw: bytes | str) -> str:
    raw = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def proof(claims: Any = None, header: Any = None, signer: SigningKey = PHONE) -> str:
    parts = [
        b64(part if isinstance(part, str) else json.dumps(part))
        for part in (header_of(signer) if header is None else header, claims or GOOD_CLAIMS)
    ]
    message = ".".join(parts)
    return f"{message}.{b64(signer.sign(message.encode()))}"


def code_of(reader: ProofReader, text: str, wanted: ProvenRequest = WANTED, **more: Any) -> str:
    with pytest.raises(Problem) as caught:
        reader.check(text, wanted, now_s=more.pop("now_s", NOW), **more)
    assert caught.value.headers["WWW-Authenticate"].startswith("DPoP error=")
    return caught.value.code.name


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
def test_a_proof_names_the_key_that_made_it(reader: ProofReader, alg: str) -> None:
    signer = key("some device", alg)
    assert reader.check(proof(signer=signer), WANTED, now_s=NOW) == signer.kid


def test_a_proof_serves_once_also_for_another_reader_of_the_same_store(tmp_path: Path) -> None:
    first, second = (ProofReader(bytes(32), FileReplays(tmp_path / "n.db")) for _ in range(2))
    text = proof()
    assert first.check(text, WANTED, now_s=NOW)
    assert code_of(first, text) == "auth_proof_invalid"
    assert code_of(second, text) == "auth_proof_invalid"
    other = key("another phone", "ES256")
    assert second.check(proof(signer=other), WANTED, now_s=NOW), "a jti is a key's own"


@pytest.mark.parametrize(
    "change",
    [
        {"htm": "GET"},
        {"htm": "post"},
        {"htu": "https://town.test/v1/other"},
        {"htu": "http://town.test/v1/things"},
        {"htu": "https://evil.test/v1/things"},
        {"htu": "https://town.test:8443/v1/things"},
        {"htu": "https://town.test:99999/v1/things"},
        {"htu": "https://[/v1/things"},
        {"htu": 7},
        {"ath": None},
        {"ath": b64(hashlib.sha256(b"another token").digest())},
        {"jti": "short"},
        {"jti": "x" * 65},
        {"jti": 12345678},
        {"iat": str(NOW)},
        {"iat": True},
        {"iat": None},
    ],
)
def test_a_proof_of_anything_else_is_refused(reader: ProofReader, change: dict[str, Any]) -> None:
    assert code_of(reader, proof(GOOD_CLAIMS | change)) == "auth_proof_invalid"


@pytest.mark.parametrize("missing", list(GOOD_CLAIMS))
def test_a_proof_that_leaves_something_out_is_refused(reader: ProofReader, missing: str) -> None:
    claims = {name: value for name, value in GOOD_CLAIMS.items() if name != missing}
    assert code_of(reader, proof(claims)) == "auth_proof_invalid"


@pytest.mark.parametrize("url", [URL + "?a=1", URL + "#x", "HTTPS://TOWN.test:443/v1/things"])
def test_query_fragment_and_spelling_of_the_address_do_not_matter(
    reader: ProofReader, url: str
) -> None:
    assert reader.check(proof(GOOD_CLAIMS | {"htu": url}), WANTED, now_s=NOW)


def test_a_proof_for_a_request_without_a_token_carries_no_token_hash(reader: ProofReader) -> None:
    bare = ProvenRequest("POST", URL)
    assert code_of(reader, proof(), bare) == "auth_proof_invalid"
    claims = {name: value for name, value in GOOD_CLAIMS.items() if name != "ath"}
    assert reader.check(proof(claims), bare, now_s=NOW) == PHONE.kid


@pytest.mark.parametrize(
    "header",
    [
        {**header_of(PHONE), "alg": "none"},
        {**header_of(PHONE), "alg": "HS256"},
        {**header_of(PHONE), "alg": "EdDSA"},
        {**header_of(PHONE), "typ": "at+jwt"},
        {**header_of(PHONE), "typ": "JWT"},
        {**header_of(PHONE), "kid": "x"},
        {**header_of(PHONE), "jku": "https://evil.test"},
        {**header_of(PHONE), "crit": ["exp"]},
        {**header_of(PHONE), "jwk": {**jwk_of(PHONE.public_key), "d": "A" * 43}},
        {**header_of(PHONE), "jwk": {"kty": "oct", "k": "AAAA"}},
        {**header_of(PHONE), "jwk": {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "B" * 43}},
        {**header_of(PHONE), "jwk": "x"},
        {**header_of(PHONE), "jwk": jwk_of(key("somebody else", "ES256").public_key)},
        {"typ": "dpop+jwt", "alg": "ES256"},
        "[]",
        '{"typ":"dpop+jwt","typ":"dpop+jwt","alg":"ES256","jwk":{}}',
    ],
)
def test_any_other_header_of_a_proof_is_refused(reader: ProofReader, header: Any) -> None:
    assert code_of(reader, proof(header=header)) == "auth_proof_invalid"


def test_garbage_is_refused_before_it_is_parsed(reader: ProofReader) -> None:
    head, body, signature = proof().split(".")
    for text in (
        "",
        "..",
        "x" * 3_000,
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{signature}=",
        f"{head}.{b64('null')}.{signature}",
        f"{head}.{b64(chr(0))}.{signature}",
        "é.é.é",
        f"{proof()},{proof()}",
    ):
        assert code_of(reader, text) == "auth_proof_invalid", text[:60]


def test_hardware_that_signs_with_a_high_s_is_understood(reader: ProofReader) -> None:
    """Secure elements sign with either s; the proof's name, not its bytes, is what serves once."""
    head, body, signature = proof().split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    s = int.from_bytes(raw[32:], "big")
    high = raw[:32] + (es256.N - s).to_bytes(32, "big")
    assert reader.check(f"{head}.{body}.{b64(high)}", WANTED, now_s=NOW) == PHONE.kid
    assert code_of(reader, proof()) == "auth_proof_invalid"


@pytest.mark.parametrize("off", [-AGE_MAX_S - 1, AHEAD_MAX_S + 1])
def test_a_clock_that_is_wrong_is_told_a_nonce_and_then_gets_through(
    reader: ProofReader, off: int
) -> None:
    stale = GOOD_CLAIMS | {"iat": NOW + off}
    with pytest.raises(Problem) as caught:
        reader.check(proof(stale), WANTED, now_s=NOW)
    assert caught.value.code.name == "use_dpop_nonce"
    assert caught.value.headers["WWW-Authenticate"] == 'DPoP error="use_dpop_nonce"'
    nonce = caught.value.headers["DPoP-Nonce"]
    again = stale | {"nonce": nonce, "jti": "another-name"}
    assert reader.check(proof(again), WANTED, now_s=NOW) == PHONE.kid
    late = again | {"jti": "a-third-name"}
    assert code_of(reader, proof(late), now_s=NOW + 2 * NONCE_STEP_S) == "use_dpop_nonce"


@pytest.mark.parametrize("off", [-AGE_MAX_S, AHEAD_MAX_S])
def test_a_minute_old_and_half_a_minute_ahead_are_still_good(reader: ProofReader, off: int) -> None:
    assert reader.check(proof(GOOD_CLAIMS | {"iat": NOW + off}), WANTED, now_s=NOW)


def test_a_nonce_that_is_not_ours_is_answered_with_one_that_is(reader: ProofReader) -> None:
    assert code_of(reader, proof(GOOD_CLAIMS | {"nonce": "A" * 43})) == "use_dpop_nonce"


def test_a_login_s_proof_carries_the_challenge(reader: ProofReader) -> None:
    assert code_of(reader, proof(), nonce="challenge") == "auth_proof_invalid"
    good = proof(GOOD_CLAIMS | {"nonce": "challenge", "jti": "another-name"})
    assert reader.check(good, WANTED, now_s=NOW, nonce="challenge")


def test_used_names_are_forgotten_once_they_could_not_serve_any_more(tmp_path: Path) -> None:
    replays = FileReplays(tmp_path / "names.db")
    assert replays.remember(b"a", expires_at=NOW + 10, now_s=NOW)
    assert not replays.remember(b"a", expires_at=NOW + 10, now_s=NOW + 9)
    assert replays.remember(b"a", expires_at=NOW + 100, now_s=NOW + 90)
    replays.close()
    assert not replays.remember(b"a", expires_at=NOW + 200, now_s=NOW + 91), "survives a restart"
