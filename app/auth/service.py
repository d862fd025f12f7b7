"""Login by device key: a challenge of 32 bytes, once, for a minute; and what the key may do now.

The signed message starts with a prefix and holds line feeds, which the signing input of a JWS never does:
a login signature is never a transaction, and a transaction's never a login.
"""

import hashlib
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
from app.core.context import get_clock
from app.core.database import write
from app.core.problems import Problem
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.keys import PublicKey, public_key_from_jwk, thumbprint

PREFIX: Final = b"beffroi-login-2\n"
CHALLENGE_BYTES: Final = 32
CHALLENGE_LIFE_S: Final = 60
OPEN_CHALLENGES_MAX: Final = 8
"""Per key: a phone that resumes several screens at once needs a few."""
FAILURES_PER_KEY_MAX: Final = 10
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
    """A fresh challenge for one key, as base64url."""
    now_s = get_clock().now_s()
    kid = thumbprint(key)
    _check_failures(kid, address, now_s)
    challenge = b64url_encode(secrets.token_bytes(CHALLENGE_BYTES))
    with write():
        ChallengeRow.delete().where(ChallengeRow.expires_at <= now_s).execute()
        _keep_newest(kid)
        ChallengeRow.insert(
            challenge_hash=_hash(challenge),
            kid=kid,
            audience=audience,
            expires_at=now_s + CHALLENGE_LIFE_S,
        ).execute()
    return challenge


def _keep_newest(kid: str) -> None:
    mine = ChallengeRow.select().where(ChallengeRow.kid == kid)
    for row in list(mine.order_by(ChallengeRow.expires_at.desc()).offset(OPEN_CHALLENGES_MAX - 1)):
        row.delete_instance()


def check_answer(
    key: PublicKey, *, jkt: str, challenge: str, signature: str, audience: str, address: str
) -> None:
    """Use a challenge up; raises Problem(auth_challenge_invalid), the same for every cause."""
    now_s = get_clock().now_s()
    kid = thumbprint(key)
    _check_failures(kid, address, now_s)
    message = build_login_message(audience, kid, jkt, challenge)
    is_signed = _is_signed(key, message, signature)
    with write():
        mine = (
            (ChallengeRow.challenge_hash == _hash(challenge))
            & (ChallengeRow.kid == kid)
            & (ChallengeRow.audience == audience)
            & (ChallengeRow.expires_at > now_s)
        )
        is_open = ChallengeRow.delete().where(mine).execute() == 1
        if not (is_open and is_signed):
            _count_failure(kid, address, now_s)
    if not (is_open and is_signed):
        raise Problem(AUTH_CHALLENGE_INVALID)


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
    _check_failures(kid, address, now_s)
    try:
        yield
    except Problem as problem:
        if problem.code.name in GUESSES:
            with write():
                _count_failure(kid, address, now_s)
        raise


def _check_failures(kid: str, address: str, now_s: int) -> None:
    window = now_s // WINDOW_S
    for who, count_max in _counted(kid, address):
        row = FailureCount.get_or_none(FailureCount.who == who, FailureCount.window == window)
        if row is not None and row.count >= count_max:
            retry_s = WINDOW_S - now_s % WINDOW_S
            raise Problem(AUTH_TOO_MANY_ATTEMPTS, headers={"Retry-After": str(retry_s)})


def _count_failure(kid: str, address: str, now_s: int) -> None:
    window = now_s // WINDOW_S
    FailureCount.delete().where(FailureCount.window < window).execute()
    for who, _ in _counted(kid, address):
        FailureCount.insert(who=who, window=window).on_conflict_ignore().execute()
        FailureCount.update(count=FailureCount.count + 1).where(
            FailureCount.who == who, FailureCount.window == window
        ).execute()


def _counted(kid: str, address: str) -> tuple[tuple[str, int], ...]:
    return (f"key:{kid}", FAILURES_PER_KEY_MAX), (f"ip:{address}"[:80], FAILURES_PER_ADDRESS_MAX)
