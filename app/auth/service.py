"""Login by device key: a challenge of 32 bytes, once, for a minute; and what the key may do now.

The signed message starts with a prefix and holds line feeds, which the signing input of a JWS never does:
a login signature is never a transaction, and a transaction's never a login.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.auth.models import ChallengeRow, FailureCount
from app.core.codes import (
    AUTH_CHALLENGE_INVALID,
    AUTH_KEY_INVALID,
    AUTH_TOO_MANY_ATTEMPTS,
)
from app.core.context import get_clock, get_services
from app.core.database import insert_row, write
from app.core.problems import Problem
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.keys import PublicKey, public_key_from_jwk, thumbprint

PREFIX: Final = b"beffroi-login-2\n"
CHALLENGE_BYTES: Final = 32
CHALLENGE_LIFE_S: Final = 60
EXPIRY_BYTES: Final = 5
MAC_BYTES: Final = 16
FAILURES_PER_KEY_MAX: Final = 10
"""Of logins: per key and address. Everybody knows an agent's public key and could lock its holder out from afar."""
FAILURES_PER_ADDRESS_MAX: Final = 100
"""A shop or a library shares one address."""
WINDOW_S: Final = 900
SIGNATURE_BYTES: Final = 64
GUESSES: Final = frozenset({"auth_factor_invalid", "auth_device_code_unknown"})
"""Refusals of something a person types, which somebody else might try to guess."""


def build_login_message(audience: str, kid: str, jkt: str, challenge: str) -> bytes:
    """What the key signs: for which town, as whom, for requests proved by which key, upon which challenge.

    All four are printable and hold no line feed.
    """
    return PREFIX + f"{audience}\n{kid}\n{jkt}\n{challenge}\n".encode()


def read_key(jwk: Any) -> PublicKey:
    """A public key from its JWK members; raises Problem(auth_key_invalid)."""
    try:
        return public_key_from_jwk(jwk)
    except DecodeError as error:
        raise Problem(AUTH_KEY_INVALID, str(error)) from error


# --- challenge and answer --------------------------------------------------------------------


def open_challenge(key: PublicKey, *, audience: str, address: str) -> str:
    """A fresh challenge for one key, as base64url: expiry, a random part, and a mac of both for this key and town.

    Nothing is stored: public keys are public, and whoever knows one could push its holder's challenges out of a table.
    """
    now_s = get_clock().now_s()
    kid = thumbprint(key)
    _check_failures(_at(kid, address), address, now_s)
    expires_at = (now_s + CHALLENGE_LIFE_S).to_bytes(EXPIRY_BYTES, "big")
    head = expires_at + secrets.token_bytes(CHALLENGE_BYTES - EXPIRY_BYTES - MAC_BYTES)
    return b64url_encode(head + _mac(_secrets()[0], head, kid, audience))


def check_answer(
    key: PublicKey, *, jkt: str, challenge: str, signature: str, audience: str, address: str
) -> None:
    """Use a challenge up; raises Problem(auth_challenge_invalid), the same for every cause."""
    now_s = get_clock().now_s()
    kid = thumbprint(key)
    _check_failures(_at(kid, address), address, now_s)
    message = build_login_message(audience, kid, jkt, challenge)
    is_signed = _is_signed(key, message, signature)
    expires_at = _read_expiry(challenge, kid, audience)
    is_good = is_signed and now_s < expires_at
    with write():
        if not is_good or not _use_up(challenge, kid, audience, expires_at, now_s):
            is_good = False
            _count_failure(_at(kid, address), address, now_s)
    if not is_good:
        raise Problem(AUTH_CHALLENGE_INVALID)


def _read_expiry(challenge: str, kid: str, audience: str) -> int:
    """When a challenge of ours for this key ends, unix seconds; 0 when it is none."""
    try:
        raw = b64url_decode(challenge)
    except DecodeError:
        return 0
    head, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    ours = [hmac.compare_digest(_mac(key, head, kid, audience), mac) for key in _secrets()]
    return int.from_bytes(head[:EXPIRY_BYTES], "big") if any(ours) else 0


def _use_up(challenge: str, kid: str, audience: str, expires_at: int, now_s: int) -> bool:
    """Note an answered challenge until it ends; False when it was answered before."""
    ChallengeRow.delete().where(ChallengeRow.expires_at <= now_s).execute()
    values = {"kid": kid, "audience": audience, "expires_at": expires_at}
    row = {"challenge_hash": _hash(challenge), **values}
    return insert_row(ChallengeRow, row, is_new=False)


def _secrets() -> list[bytes]:
    return get_services().tokens.derive_secrets(b"challenge")


def _mac(key: bytes, head: bytes, kid: str, audience: str) -> bytes:
    message = head + f"{kid}\n{audience}".encode()
    return hmac.digest(key, message, "sha256")[:MAC_BYTES]


def _is_signed(key: PublicKey, message: bytes, signature: str) -> bool:
    try:
        raw = b64url_decode(signature)
    except DecodeError:
        return False
    if len(raw) != SIGNATURE_BYTES:
        return False
    if key.alg == "EdDSA":
        return ed25519.verify_strict(key.raw, message, raw)
    return es256.verify(key.raw, message, raw)


def _hash(challenge: str) -> str:
    return hashlib.sha256(challenge.encode("utf-8", "surrogatepass")).hexdigest()


# --- failures --------------------------------------------------------------------------------


@contextmanager
def count_attempt(kid: str, address: str) -> Iterator[None]:
    """Around a guessable answer: refused after too many failures, and a failure counts."""
    now_s = get_clock().now_s()
    _check_failures(f"key:{kid}", address, now_s)
    try:
        yield
    except Problem as problem:
        if problem.code.name in GUESSES:
            with write():
                _count_failure(f"key:{kid}", address, now_s)
        raise


def _at(kid: str, address: str) -> str:
    """A key at an address, as failed logins count it; a hash, so that it fits and tells no address."""
    return "at:" + _hash(f"{kid} {address}")


def _check_failures(who: str, address: str, now_s: int) -> None:
    window = now_s // WINDOW_S
    for counted, count_max in _counted(who, address):
        row = FailureCount.get_or_none(FailureCount.who == counted, FailureCount.window == window)
        if row is not None and row.count >= count_max:
            retry_s = WINDOW_S - now_s % WINDOW_S
            raise Problem(AUTH_TOO_MANY_ATTEMPTS, headers={"Retry-After": str(retry_s)})


def _count_failure(who: str, address: str, now_s: int) -> None:
    window = now_s // WINDOW_S
    FailureCount.delete().where(FailureCount.window < window).execute()
    for counted, _ in _counted(who, address):
        FailureCount.insert(who=counted, window=window).on_conflict_ignore().execute()
        FailureCount.update(count=FailureCount.count + 1).where(
            FailureCount.who == counted, FailureCount.window == window
        ).execute()


def _counted(who: str, address: str) -> tuple[tuple[str, int], ...]:
    return (who, FAILURES_PER_KEY_MAX), (f"ip:{address}"[:80], FAILURES_PER_ADDRESS_MAX)
