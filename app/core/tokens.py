"""Access tokens: EdDSA JWTs of type at+jwt (RFC 9068) of at most ten minutes, and their strict reading.

PyJWT checks the signature and the times; what it leaves open is closed in front of it: duplicate header
or claim keys, `typ`, `alg`, unknown header members (jku, jwk, x5u, crit), missing claims, wrong types.
A token opens routes; it never moves anything on the chain, which asks for the phone's own signature.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import jwt
import structlog

from app.core.codes import AUTH_TOKEN_EXPIRED, AUTH_TOKEN_INVALID
from app.core.keyfiles import RoleKey
from app.core.problems import Problem
from app.core.strictjson import parse_strict
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError

LIFE_S: Final = 600
SKEW_S: Final = 30
"""Clock difference between two API servers; not for clients, who never issue tokens."""
TOKEN_CHARS_MAX: Final = 2_048
VERIFIED_TOKENS_KEPT: Final = 2_048
"""Tokens whose signature was found good lately: about one per phone and till of a busy quarter of an hour."""
HEADER_MEMBERS: Final = frozenset({"alg", "kid", "typ"})
KEYS_OF_OTHERS: Final = frozenset({"jku", "jwk", "x5u", "x5c"})
"""Members by which a token would have us verify it with its own key: never read, only noted."""
CLAIMS: Final = ("iss", "aud", "sub", "scope", "iat", "nbf", "exp", "jti", "sid", "cnf")


_log = structlog.get_logger("app.tokens")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says; `jkt` is the key whose proof must come with it (`cnf.jkt`, RFC 9449 §6.1)."""

    subject: str
    session: str
    jkt: str
    scopes: frozenset[str]
    expires_at: int
    token_id: str


class TokenIssuer:
    """Signs with the first key, verifies with all: two keys overlap while one is being replaced."""

    def __init__(self, keys: Iterable[RoleKey], *, audience: str) -> None:
        self._keys = {key.kid: key for key in keys}
        self._current = next(iter(self._keys.values()), None)
        self._audience = audience
        self._public = {kid: _public_key(key) for kid, key in self._keys.items()}
        self._verified: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        """Claims of tokens whose form and signature were found good, by the token's hash; oldest leave first."""

    def derive_secret(self, label: bytes) -> bytes:
        """32 bytes of the signing key's own, for a purpose that `label` names (HKDF would add nothing here)."""
        return self.derive_secrets(label)[0]

    def derive_secrets(self, label: bytes) -> list[bytes]:
        """The same of every configured key, the signing one first."""
        assert self._keys, "load_config requires a token key"
        return [
            hmac.digest(key.seed, b"beffroi-token-secret-1 " + label, "sha256")
            for key in self._keys.values()
        ]

    def issue(
        self,
        *,
        subject: str,
        session: str,
        jkt: str,
        scopes: Iterable[str],
        now_s: int,
        token_id: str = "",
    ) -> str:
        """A token of LIFE_S seconds of one session, for requests proved by the key `jkt`."""
        assert self._current is not None, "load_config requires a token key"
        claims = {
            "iss": self._audience,
            "aud": self._audience,
            "sub": subject,
            "scope": " ".join(sorted(scopes)),
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + LIFE_S,
            "jti": token_id or secrets.token_urlsafe(16),
            "sid": session,
            "cnf": {"jkt": jkt},
        }
        return jwt.encode(
            claims,
            _private_pem(self._current),
            algorithm="EdDSA",
            headers={"typ": "at+jwt", "kid": self._current.kid},
        )

    def verify(self, token: str, *, now_s: int) -> Claims:
        """Read one token; raises Problem(auth_token_invalid) or (auth_token_expired).

        A till sends the same token with every sale: its form and signature are judged once, its times each time.
        """
        claims = self._read_signed(token)
        _check_claims(claims, self._audience, now_s)
        return Claims(
            subject=claims["sub"],
            session=claims["sid"],
            jkt=claims["cnf"]["jkt"],
            scopes=frozenset(claims["scope"].split()),
            expires_at=claims["exp"],
            token_id=claims["jti"],
        )

    def _read_signed(self, token: str) -> dict[str, Any]:
        """The claims of a token that one of our keys signed, not judged yet."""
        if len(token) > TOKEN_CHARS_MAX:
            raise _invalid("not a signed token")
        name = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._verified.get(name)
        if known is not None:
            return known
        public = self._public.get(_read_kid(token))
        if public is None:
            raise _invalid("unknown key")
        claims = _read_part(token, 1)
        _check_signature(token, public)
        self._verified[name] = claims
        while len(self._verified) > VERIFIED_TOKENS_KEPT:
            # Another thread may have dropped it already, or be adding one: both are harmless.
            with suppress(KeyError):
                self._verified.popitem(last=False)
        return claims

    def jwks(self) -> dict[str, Any]:
        """Public keys (RFC 7517 §5), current first."""
        return {
            "keys": [
                {**key.jwk(), "kid": key.kid, "alg": "EdDSA", "use": "sig"}
                for key in self._keys.values()
            ]
        }


def _read_kid(token: str) -> str:
    """Strict header: exactly alg, kid and typ, each once."""
    if len(token) > TOKEN_CHARS_MAX or token.count(".") != 2:
        raise _invalid("not a signed token")
    header = _read_part(token, 0)
    if offered := sorted(KEYS_OF_OTHERS & frozenset(header)):
        _log.warning("token_brings_its_own_key", members=offered)
    if frozenset(header) != HEADER_MEMBERS or not isinstance(header["kid"], str):
        raise _invalid("header members")
    if header["alg"] != "EdDSA" or header["typ"] != "at+jwt":
        raise _invalid("algorithm or type")
    return header["kid"]


def _read_part(token: str, index: int) -> dict[str, Any]:
    try:
        value = parse_strict(b64url_decode(token.split(".")[index]))
    except (DecodeError, Problem) as error:
        raise _invalid("encoding") from error
    if not isinstance(value, dict):
        raise _invalid("encoding")
    return value


def _check_claims(claims: dict[str, Any], audience: str, now_s: int) -> None:
    if any(name not in claims for name in CLAIMS):
        raise _invalid("a required claim is missing")
    texts = [claims[name] for name in ("iss", "aud", "sub", "scope", "jti", "sid")]
    times = [claims[name] for name in ("iat", "nbf", "exp")]
    cnf = claims["cnf"]
    if not all(isinstance(text, str) for text in texts) or not claims["sub"]:
        raise _invalid("claim types")
    if not all(type(time) is int for time in times):
        raise _invalid("claim types")
    if not isinstance(cnf, dict) or set(cnf) != {"jkt"} or not isinstance(cnf["jkt"], str):
        raise _invalid("confirmation key")
    if claims["iss"] != audience or claims["aud"] != audience:
        raise _invalid("issuer or audience")
    if max(claims["iat"], claims["nbf"]) > now_s + SKEW_S or claims["exp"] > claims["iat"] + LIFE_S:
        raise _invalid("times")
    if claims["exp"] <= now_s:
        raise Problem(AUTH_TOKEN_EXPIRED, headers=_challenge("expired"))


def _check_signature(token: str, public: Any) -> None:
    """PyJWT verifies; the times are judged apart by the town's clock, which tests may move."""
    try:
        jwt.decode(
            token,
            public,
            algorithms=["EdDSA"],
            options={
                "verify_aud": False,
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError as error:
        raise _invalid("signature") from error


def _invalid(detail: str) -> Problem:
    return Problem(AUTH_TOKEN_INVALID, detail, headers=_challenge("invalid"))


def _challenge(what: str) -> dict[str, str]:
    """RFC 9449 §7.1."""
    return {
        "WWW-Authenticate": f'DPoP error="invalid_token", error_description="the token is {what}"'
    }


def _private_pem(key: RoleKey) -> Any:
    return jwt.PyJWK({**key.jwk(), "d": b64url_encode(key.seed)}, algorithm="EdDSA").key


def _public_key(key: RoleKey) -> Any:
    return jwt.PyJWK(key.jwk(), algorithm="EdDSA").key
