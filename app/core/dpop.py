"""Proofs of possession (RFC 9449): a stolen token is worth nothing without the key it was issued to.

A proof is a JWS of type dpop+jwt that the device signs for one request: method, address, time, a random name,
and the hash of the token it accompanies. Read as strictly as a token: one spelling, known members, EdDSA or
ES256 only. A proof serves once. One made by a wrong clock is asked for again with a nonce of ours, which then
stands for the time.

Reads: one request's method, address and headers.  Writes: the names of used proofs.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from app.core.codes import AUTH_PROOF_INVALID, AUTH_PROOF_NONCE, AppCode
from app.core.problems import Problem
from app.core.replays import Replays
from app.core.strictjson import parse_strict
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.keys import PublicKey, public_key_from_jwk, thumbprint

PROOF_CHARS_MAX: Final = 2_048
AGE_MAX_S: Final = 60
AHEAD_MAX_S: Final = 30
NONCE_STEP_S: Final = 120
"""A nonce serves in the step it was made in and in the next one: two to four minutes."""
KEPT_S: Final = 3 * NONCE_STEP_S
"""Longer than any proof can be of use, with a fresh clock or with a nonce."""
JTI_CHARS: Final = range(8, 65)
HEADER_MEMBERS: Final = frozenset({"alg", "jwk", "typ"})
ALGORITHMS: Final = ("EdDSA", "ES256")


@dataclass(frozen=True, slots=True)
class ProvenRequest:
    """What a proof must speak of: the request as it came, and the token beside it ("" when there is none)."""

    method: str
    url: str
    token: str = ""


class ProofReader:
    """Checks proofs; `secret` keys the nonces, `replays` remembers which proofs were used."""

    def __init__(self, secret: bytes, replays: Replays) -> None:
        self._secret = secret
        self._replays = replays

    def make_nonce(self, now_s: int) -> str:
        """A nonce for proofs of the next minutes; not bound to a client, and nothing is stored."""
        step = now_s // NONCE_STEP_S
        return b64url_encode(
            hmac.digest(self._secret, b"beffroi-dpop-nonce-1" + step.to_bytes(8, "big"), "sha256")
        )

    def check(self, text: str, wanted: ProvenRequest, *, now_s: int, nonce: str = "") -> str:
        """Thumbprint of the key that made this proof for this request.

        `nonce` is one that the proof must carry (the challenge of a login). Raises Problem(auth_proof_invalid),
        or Problem(use_dpop_nonce) with a fresh nonce when only the time is wrong.
        """
        key, claims = _read(text)
        _check_request(claims, wanted)
        if nonce and claims.get("nonce") != nonce:
            raise _refused("the nonce is not the challenge")
        if not nonce:
            self._check_time(claims, now_s)
        jkt = thumbprint(key)
        name = hashlib.sha256(f"{jkt} {claims['jti']}".encode("utf-8", "surrogatepass")).digest()
        if not self._replays.remember(name, expires_at=now_s + KEPT_S, now_s=now_s):
            raise _refused("used before")
        return jkt

    def _check_time(self, claims: dict[str, Any], now_s: int) -> None:
        offered = claims.get("nonce")
        if isinstance(offered, str):
            good = (self.make_nonce(now_s), self.make_nonce(now_s - NONCE_STEP_S))
            if any(secrets.compare_digest(offered.encode(), nonce.encode()) for nonce in good):
                return
            raise self._ask_nonce(now_s, "the nonce is not one of ours, or too old")
        if not now_s - AGE_MAX_S <= claims["iat"] <= now_s + AHEAD_MAX_S:
            raise self._ask_nonce(now_s, "the time is too far from ours")

    def _ask_nonce(self, now_s: int, detail: str) -> Problem:
        return Problem(
            AUTH_PROOF_NONCE,
            detail,
            headers={
                "DPoP-Nonce": self.make_nonce(now_s),
                "WWW-Authenticate": 'DPoP error="use_dpop_nonce"',
            },
        )


def _read(text: str) -> tuple[PublicKey, dict[str, Any]]:
    """The key and the claims of a proof whose signature is good."""
    parts = text.split(".")
    if len(text) > PROOF_CHARS_MAX or len(parts) != 3 or not text.isascii():
        raise _refused("one JWS in compact form")
    try:
        header, claims = (parse_strict(b64url_decode(part)) for part in parts[:2])
        signature = b64url_decode(parts[2])
    except (DecodeError, Problem) as error:
        raise _refused("encoding") from error
    key = _read_header(header)
    if not isinstance(claims, dict):
        raise _refused("encoding")
    if not _is_signed(key, f"{parts[0]}.{parts[1]}".encode(), signature):
        raise _refused("signature")
    _check_types(claims)
    return key, claims


def _read_header(header: Any) -> PublicKey:
    if not isinstance(header, dict) or frozenset(header) != HEADER_MEMBERS:
        raise _refused("header members")
    if header["typ"] != "dpop+jwt" or header["alg"] not in ALGORITHMS:
        raise _refused("algorithm or type")
    try:
        key = public_key_from_jwk(header["jwk"] if isinstance(header["jwk"], dict) else {})
    except DecodeError as error:
        raise _refused("not a usable public key") from error
    if key.alg != header["alg"]:
        raise _refused("algorithm or type")
    return key


def _is_signed(key: PublicKey, message: bytes, signature: bytes) -> bool:
    if len(signature) != es256.SIGNATURE_BYTES:
        return False
    if key.alg == "EdDSA":
        return ed25519.verify_strict(key.raw, message, signature)
    return es256.verify(key.raw, message, es256_low_s(signature))


def es256_low_s(signature: bytes) -> bytes:
    """The low-s spelling of a P-256 signature: phones' hardware signs with either, and a proof is used once."""
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, es256.N - s).to_bytes(32, "big") if s < es256.N else signature


def _check_types(claims: dict[str, Any]) -> None:
    texts = [claims.get(name) for name in ("jti", "htm", "htu")]
    if not all(isinstance(text, str) for text in texts) or len(claims["jti"]) not in JTI_CHARS:
        raise _refused("claims")
    if type(claims.get("iat")) is not int:
        raise _refused("claims")


def _check_request(claims: dict[str, Any], wanted: ProvenRequest) -> None:
    if claims["htm"] != wanted.method:
        raise _refused("for another method")
    if _normalise(claims["htu"]) != _normalise(wanted.url):
        raise _refused("for another address")
    digest = b64url_encode(hashlib.sha256(wanted.token.encode()).digest()) if wanted.token else None
    if claims.get("ath") != digest:
        raise _refused("for another token")


def _normalise(url: str) -> tuple[str, str, str]:
    """Scheme, authority and path without query and fragment (RFC 9449 §4.3, RFC 3986 §6.2)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "", url
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = (parts.hostname or "") + ("" if port in (None, default) else f":{port}")
    return parts.scheme, host, unquote(parts.path) or "/"


def _refused(detail: str, code: AppCode = AUTH_PROOF_INVALID) -> Problem:
    return Problem(
        code,
        detail,
        headers={"WWW-Authenticate": 'DPoP error="invalid_dpop_proof", algs="EdDSA ES256"'},
    )
