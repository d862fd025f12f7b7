"""Second factors of agents: passkeys (WebAuthn level 2, user verified) and one-time codes (RFC 6238).

A role key that logs in gets no agent's scope until its session showed one of the key's factors. Factors are
enrolled with a code of one use that a supervisor (or the server's operator) gave, or within a session that
showed a factor less than STEP_UP_S ago. E-mail and SMS are no factor here. The factor opens the desk's
routes; what an agent attests is signed by the agent's own key, which no session holds.

Reads and writes: factors, enrolment codes, ceremonies.  Never: shows a secret twice.
"""

import hashlib
import hmac
import json
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

import pyotp
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from app.auth.models import CeremonyRow, FactorCode, FactorRow
from app.auth.sessions import Grant, elevate_session
from app.core import audit_log
from app.core.access import STEP_UP_S
from app.core.codes import (
    AUTH_FACTOR_CODE_INVALID,
    AUTH_FACTOR_INVALID,
    AUTH_FACTOR_UNAVAILABLE,
    AUTH_FACTORS_FULL,
    NOT_FOUND,
)
from app.core.context import Actor, get_clock, get_config
from app.core.database import find_row, write
from app.core.problems import Problem
from chain.codec.canonical import b64url_decode, b64url_encode

CODE_LIFE_S: Final = 24 * 3_600
CODE_BYTES: Final = 16
CEREMONY_LIFE_S: Final = 120
FACTORS_PER_KEY_MAX: Final = 4
"""Two passkeys, one app with codes, and one that replaces another."""
STEP_S: Final = 30
STEPS_AROUND: Final = 1
"""A code of the step before or after is taken: phones' clocks differ."""
CHALLENGE_BYTES: Final = 32
PASSKEY, ONE_TIME_CODE = "passkey", "otp"


# --- who may enrol ---------------------------------------------------------------------------


def make_factor_code(kid: str) -> tuple[str, int]:
    """A code of one use with which a role key enrols its first factor, and its expiry (unix seconds)."""
    now_s = get_clock().now_s()
    code, expires_at = secrets.token_urlsafe(CODE_BYTES), now_s + CODE_LIFE_S
    with write():
        FactorCode.delete().where(
            (FactorCode.kid == kid) | (FactorCode.expires_at <= now_s)
        ).execute()
        FactorCode.insert(code_hash=_hash(code), kid=kid, expires_at=expires_at).execute()
        audit_log.record("factor.code", target=kid)
    return code, expires_at


def _allow_enrolment(actor: Actor, code: str) -> None:
    """A fresh factor, or the code, which is used up; raises Problem."""
    now_s = get_clock().now_s()
    if not code and actor.proven_at and now_s - actor.proven_at < STEP_UP_S:
        return
    with write():
        mine = (FactorCode.code_hash == _hash(code)) & (FactorCode.kid == actor.kid)
        used = FactorCode.delete().where(mine & (FactorCode.expires_at > now_s)).execute()
    if used != 1:
        raise Problem(AUTH_FACTOR_CODE_INVALID)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --- passkeys --------------------------------------------------------------------------------


def start_passkey(actor: Actor, code: str) -> dict[str, Any]:
    """Options of a registration, as browsers take them; uses the enrolment code up."""
    _check_room(actor.kid)
    _allow_enrolment(actor, code)
    options = generate_registration_options(
        rp_id=_rp_id(),
        rp_name="Beffroi",
        user_name=f"agent {actor.kid[:8]}",
        user_id=hashlib.sha256(actor.kid.encode()).digest(),
        challenge=_open_ceremony(actor.session, "register"),
        authenticator_selection=AuthenticatorSelectionCriteria(
            user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(actor.kid),
    )
    return _plain(options)


def finish_passkey(actor: Actor, credential: dict[str, Any]) -> str:
    """Take a new passkey in; returns its id. Raises Problem(auth_factor_invalid)."""
    challenge = _use_ceremony(actor.session, "register")
    try:
        verified = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_rp_id(),
            expected_origin=get_config().public_url,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Problem(AUTH_FACTOR_INVALID) from error
    with write():
        factor_id = put_passkey(
            actor.kid,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            now_s=get_clock().now_s(),
            sign_count=verified.sign_count,
            device_type=verified.credential_device_type.value,
            is_backed_up=verified.credential_backed_up,
        )
        if find_row(FactorRow, "id = ? AND kid = ?", factor_id, actor.kid) is None:
            raise Problem(AUTH_FACTOR_INVALID, "the passkey is another key's")
        audit_log.record("factor.enrol", target=factor_id, reason=PASSKEY)
    return factor_id


def put_passkey(
    kid: str,
    *,
    credential_id: bytes,
    public_key: bytes,
    now_s: int,
    sign_count: int = 0,
    device_type: str = "single_device",
    is_backed_up: bool = False,
) -> str:
    """Record a passkey of a role key (`public_key` as COSE_Key bytes); one that is there stays as it is."""
    factor_id = b64url_encode(hashlib.sha256(credential_id).digest()[:16])
    with write():
        FactorRow.insert(
            id=factor_id,
            kid=kid,
            kind=PASSKEY,
            credential_id=b64url_encode(credential_id),
            material=public_key,
            counter=sign_count,
            device_type=device_type,
            is_backed_up=is_backed_up,
            created_at=now_s,
        ).on_conflict_ignore().execute()
    return factor_id


def start_assertion(actor: Actor) -> dict[str, Any]:
    """Options of an assertion by one of the key's passkeys."""
    options = generate_authentication_options(
        rp_id=_rp_id(),
        challenge=_open_ceremony(actor.session, "assert"),
        allow_credentials=_descriptors(actor.kid),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _plain(options)


def finish_assertion(actor: Actor, credential: dict[str, Any]) -> Grant:
    """Raise the session to what the role may do; raises Problem(auth_factor_invalid)."""
    challenge = _use_ceremony(actor.session, "assert")
    row = find_row(
        FactorRow,
        "kid = ? AND kind = ? AND credential_id = ?",
        actor.kid,
        PASSKEY,
        str(credential.get("id", "")),
    )
    if row is None:
        raise Problem(AUTH_FACTOR_INVALID)
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=_rp_id(),
            expected_origin=get_config().public_url,
            credential_public_key=bytes(row.material),
            credential_current_sign_count=row.counter,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise Problem(AUTH_FACTOR_INVALID) from error
    with write():
        FactorRow.update(
            counter=verified.new_sign_count,
            is_backed_up=verified.credential_backed_up,
            used_at=get_clock().now_s(),
        ).where(FactorRow.id == row.id).execute()
    return elevate_session(actor.session, PASSKEY)


def _descriptors(kid: str) -> list[PublicKeyCredentialDescriptor]:
    rows = FactorRow.select().where((FactorRow.kid == kid) & (FactorRow.kind == PASSKEY))
    return [PublicKeyCredentialDescriptor(id=b64url_decode(row.credential_id)) for row in rows]


def _rp_id() -> str:
    return urlsplit(get_config().public_url).hostname or ""


def _plain(options: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(options_to_json(options))
    return plain


def _open_ceremony(session: str, purpose: str) -> bytes:
    """A challenge of one use for one session and purpose; a new one replaces the one before."""
    now_s, challenge = get_clock().now_s(), secrets.token_bytes(CHALLENGE_BYTES)
    with write():
        CeremonyRow.delete().where(
            (CeremonyRow.session == session) | (CeremonyRow.expires_at <= now_s)
        ).execute()
        CeremonyRow.insert(
            session=session,
            purpose=purpose,
            challenge=b64url_encode(challenge),
            expires_at=now_s + CEREMONY_LIFE_S,
        ).execute()
    return challenge


def _use_ceremony(session: str, purpose: str) -> bytes:
    now_s = get_clock().now_s()
    with write():
        row = find_row(CeremonyRow, "session = ?", session)
        used = CeremonyRow.delete().where(CeremonyRow.session == session).execute()
    if row is None or used != 1 or row.purpose != purpose or row.expires_at <= now_s:
        raise Problem(AUTH_FACTOR_INVALID, "no ceremony is open")
    return b64url_decode(row.challenge)


# --- one-time codes --------------------------------------------------------------------------


def start_one_time_codes(actor: Actor, code: str) -> dict[str, str]:
    """A fresh secret, shown this once; it counts from the first code on. Uses the enrolment code up."""
    _check_room(actor.kid)
    _allow_enrolment(actor, code)
    secret = pyotp.random_base32()
    factor_id = b64url_encode(secrets.token_bytes(16))
    with write():
        FactorRow.insert(
            id=factor_id,
            kid=actor.kid,
            kind=ONE_TIME_CODE,
            credential_id="",
            material=_box().encrypt(secret.encode()),
            counter=0,
            device_type="",
            is_backed_up=False,
            created_at=get_clock().now_s(),
        ).execute()
        audit_log.record("factor.enrol", target=factor_id, reason=ONE_TIME_CODE)
    uri = pyotp.TOTP(secret).provisioning_uri(name=f"agent {actor.kid[:8]}", issuer_name="Beffroi")
    return {"id": factor_id, "secret": secret, "uri": uri}


def check_one_time_code(actor: Actor, code: str) -> Grant:
    """Raise the session by a code of one of the key's apps; a code serves once."""
    now_s = get_clock().now_s()
    rows = FactorRow.select().where(
        (FactorRow.kid == actor.kid) & (FactorRow.kind == ONE_TIME_CODE)
    )
    for row in list(rows):
        step = _find_step(pyotp.TOTP(_open_secret(row)), code, now_s)
        if step is not None and _use_step(row, step, now_s):
            return elevate_session(actor.session, ONE_TIME_CODE)
    raise Problem(AUTH_FACTOR_INVALID)


def _find_step(app: pyotp.TOTP, code: str, now_s: int) -> int | None:
    """Which step around now a code is of; every step is compared, so that time tells nothing."""
    found = None
    for step in range(now_s // STEP_S - STEPS_AROUND, now_s // STEP_S + STEPS_AROUND + 1):
        if hmac.compare_digest(app.at(step * STEP_S).encode(), code.encode()):
            found = step
    return found


def _use_step(row: FactorRow, step: int, now_s: int) -> bool:
    """Move the app's counter on; False when this step or a later one was used."""
    is_later = (FactorRow.id == row.id) & (FactorRow.counter < step)
    with write():
        return bool(FactorRow.update(counter=step, used_at=now_s).where(is_later).execute() == 1)


def _box() -> SecretBox:
    master = get_config().master_key
    if master is None:
        raise Problem(AUTH_FACTOR_UNAVAILABLE)
    return SecretBox(hmac.digest(master, b"beffroi-one-time-code-1", "sha256"))


def _open_secret(row: FactorRow) -> str:
    try:
        return _box().decrypt(bytes(row.material)).decode()
    except CryptoError as error:
        raise Problem(AUTH_FACTOR_UNAVAILABLE) from error


# --- looking and ending ----------------------------------------------------------------------


def list_factors(kid: str) -> list[dict[str, Any]]:
    """The key's factors without what is secret in them."""
    shown = ("id", "kind", "device_type", "is_backed_up", "created_at", "used_at")
    rows = FactorRow.select().where(FactorRow.kid == kid).order_by(FactorRow.created_at)
    return [{name: row.__data__[name] for name in shown} for row in rows]


def end_factor(factor_id: str, kid: str) -> None:
    """Forget one of the key's own factors; raises Problem(not_found) for anybody else's."""
    with write():
        mine = (FactorRow.id == factor_id) & (FactorRow.kid == kid)
        if FactorRow.delete().where(mine).execute() != 1:
            raise Problem(NOT_FOUND)
        audit_log.record("factor.end", target=factor_id)


def _check_room(kid: str) -> None:
    if FactorRow.select().where(FactorRow.kid == kid).count() >= FACTORS_PER_KEY_MAX:
        raise Problem(AUTH_FACTORS_FULL)
