"""The phone's half of enrolment: a key that proves itself, a QR for ten minutes, and what the desk did.

Reads and writes: table `enrolment`.  Never: anything civil.
"""

import json
import secrets
from typing import Any, Final

from app.core.codes import NOT_FOUND
from app.core.database import find_row, write
from app.core.problems import Problem
from app.identity import codes
from app.identity.comparison import QR_PREFIX, compute_comparison_number, encode_possession
from app.identity.models import Enrolment, IdentityRow, Person
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.keys import PublicKey, jwk_of, public_key_from_jwk, thumbprint

ENROLMENT_LIFE_S: Final = 600
PROOF_SKEW_S: Final = 300
"""How far a phone's clock may be off when it proves its key."""
DAY_S: Final = 86_400
OPEN, DRAFTED, ATTESTED, LINKED = "open", "drafted", "attested", "linked"


def start_enrolment(
    *, town: str, jwk: dict[str, str], issued_at: int, signature: str, now_s: int
) -> Enrolment:
    """Open an enrolment for a key that proves itself; raises Problem."""
    key = check_possession(
        town=town, jwk=jwk, issued_at=issued_at, signature=signature, now_s=now_s
    )
    kid = thumbprint(key)
    enrolment_id = b64url_encode(secrets.token_bytes(16))  # drawn after the key: see comparison.py
    with write():
        _purge_enrolments(now_s)
        if _is_key_taken(kid):
            raise Problem(codes.IDENTITY_KEY_TAKEN)
        return Enrolment.create(
            id=enrolment_id,
            kid=kid,
            jwk=json.dumps(jwk_of(key)),
            status=OPEN,
            number=compute_comparison_number(enrolment_id, kid),
            created_at=now_s,
            expires_at=now_s + ENROLMENT_LIFE_S,
        )


def check_possession(
    *, town: str, jwk: dict[str, str], issued_at: int, signature: str, now_s: int
) -> PublicKey:
    """The key, if its holder signed the possession text for this town just now; raises Problem."""
    try:
        key = public_key_from_jwk(jwk)
        raw = b64url_decode(signature)
    except DecodeError as error:
        raise Problem(codes.ENROLMENT_PROOF_INVALID, "key or signature") from error
    if abs(now_s - issued_at) > PROOF_SKEW_S:
        raise Problem(codes.ENROLMENT_PROOF_INVALID, "issued_at is too far from the town's time")
    message = encode_possession(town, thumbprint(key), issued_at)
    verify = ed25519.verify_strict if key.alg == "EdDSA" else es256.verify
    if len(raw) != 64 or not verify(key.raw, message, raw):
        raise Problem(codes.ENROLMENT_PROOF_INVALID, "signature")
    return key


def describe_for_phone(enrolment: Enrolment) -> dict[str, Any]:
    """What whoever holds the enrolment's id may know: nothing civil, no key."""
    return {
        "id": enrolment.id,
        "status": enrolment.status,
        "number": enrolment.number,
        "expires_at": enrolment.expires_at,
        "qr": QR_PREFIX + enrolment.id,
    }


def get_enrolment(enrolment_id: str, *, now_s: int) -> Enrolment:
    """A live enrolment, or one that was attested; raises Problem when unknown or out of date."""
    enrolment = find_row(Enrolment, "id = ?", enrolment_id)
    if enrolment is None:
        raise Problem(NOT_FOUND)
    if enrolment.status not in (ATTESTED, LINKED) and enrolment.expires_at <= now_s:
        raise Problem(codes.ENROLMENT_EXPIRED)
    return enrolment


def _is_key_taken(kid: str) -> bool:
    pending = Person.select().where((Person.kid == kid) & (Person.attested_at > 0)).exists()
    return bool(pending or IdentityRow.select().where(IdentityRow.kid == kid).exists())


def _purge_enrolments(now_s: int) -> None:
    """Forget enrolments a day past their time; their unsigned files went with `drop_stale_drafts`."""
    Enrolment.delete().where(Enrolment.expires_at < now_s - DAY_S).execute()


def describe_for_desk(enrolment: Enrolment) -> dict[str, Any]:
    """What the clerk sees before drafting."""
    return {**describe_for_phone(enrolment), "key": json.loads(enrolment.jwk)}
