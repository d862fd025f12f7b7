"""The clerk's half of enrolment: seal the person's file, draft what the agent signs, take the signature.

Reads and writes: the register.  Never: logs anything civil.
"""

import hmac
import json
import secrets
import time
from typing import Any, Final

import msgspec
from nacl.secret import SecretBox

from app.core.config import Config
from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.identity import codes
from app.identity.civil import SALT_BYTES, Civil, compute_commitment, compute_duplicate_keys
from app.identity.duplicates import check_duplicates, log_desk
from app.identity.enrolment import ATTESTED, DRAFTED, get_enrolment
from app.identity.models import DuplicateIndex, Enrolment, Person
from app.identity.register import Register, SealedFile
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import PublicKey
from chain.town import schemas
from chain.town.envelope import ATTESTATION_TYP

IDENTITY_LEVEL_YEARS: Final = 5
ATTESTATION_CHARS_MAX: Final = 2_048
PENDING: Final = "pending"


class Desk:
    """The clerk's half of enrolment: needs the master key, which only the desk's server holds."""

    def __init__(self, config: Config) -> None:
        self._register = Register(config)
        self._keys = self._register.keys
        self._index_key = self._register.index_key

    def draft(
        self,
        enrolment_id: str,
        *,
        clerk: Actor,
        town: str,
        number: str,
        civil: Civil,
        level_identity: int,
        level_residence: int,
        title_seen: str,
        duplicate_reason: str,
        now_s: int,
    ) -> tuple[str, dict[str, Any]]:
        """Seal the file and prepare what the agent will sign; returns (cid, attestation fields).

        A second draft replaces the first. Raises Problem for a wrong number and for duplicates.
        """
        enrolment = get_enrolment(enrolment_id, now_s=now_s)
        if enrolment.status == ATTESTED or enrolment.clerk not in ("", clerk.kid):
            raise Problem(codes.ENROLMENT_WRONG_STATE, enrolment.status)
        if not hmac.compare_digest(enrolment.number, number):
            raise Problem(codes.ENROLMENT_NUMBER_DIFFERS)
        self.drop_stale_drafts(now_s)
        self._drop(enrolment.cid)
        check_duplicates(self._index_key, civil, clerk=clerk, reason=duplicate_reason, now_s=now_s)
        cid, salt = b64url_encode(secrets.token_bytes(32)), secrets.token_bytes(SALT_BYTES)
        attestation = schemas.Attestation(
            town=town,
            cid=cid,
            key=schemas.Jwk(**json.loads(enrolment.jwk)),
            blind=b64url_encode(secrets.token_bytes(16)),
            commitment=b64url_encode(compute_commitment(civil, salt)),
            level_identity=level_identity,
            level_residence=level_residence,
            expires_month=add_years(now_s, IDENTITY_LEVEL_YEARS),
        )
        sealed = SealedFile(civil, b64url_encode(salt), title_seen)
        self._save_draft(enrolment, attestation, sealed, clerk=clerk, now_s=now_s)
        return cid, msgspec.to_builtins(attestation)

    def attest(
        self, enrolment_id: str, *, clerk: Actor, clerk_key: PublicKey, text: str, now_s: int
    ) -> Enrolment:
        """Take the agent's signed attestation: the identity is pending from now on; raises Problem."""
        enrolment = get_enrolment(enrolment_id, now_s=now_s)
        if enrolment.status == ATTESTED and _is_same_attestation(enrolment.cid, text):
            return enrolment
        if enrolment.status != DRAFTED or enrolment.clerk != clerk.kid:
            raise Problem(codes.ENROLMENT_WRONG_STATE, enrolment.status)
        person = Person.get_by_id(enrolment.cid)
        check_attestation(text, draft=person.draft, clerk_key=clerk_key)
        with write():
            Person.update(
                status=PENDING, attestation=text, attested_by=clerk.kid, attested_at=now_s
            ).where(Person.cid == enrolment.cid).execute()
            Enrolment.update(status=ATTESTED).where(Enrolment.id == enrolment.id).execute()
            log_desk(clerk, "attest", enrolment.cid, "", now_s)
        return get_enrolment(enrolment_id, now_s=now_s)

    def drop_stale_drafts(self, now_s: int) -> None:
        """Erase files that no agent signed before their enrolment ran out."""
        stale = Enrolment.select().where(
            (Enrolment.status == DRAFTED) & (Enrolment.expires_at <= now_s)
        )
        for enrolment in list(stale):
            self._drop(enrolment.cid)
            with write():
                enrolment.delete_instance()

    def _save_draft(
        self,
        enrolment: Enrolment,
        attestation: schemas.Attestation,
        sealed: SealedFile,
        *,
        clerk: Actor,
        now_s: int,
    ) -> None:
        box: SecretBox = self._keys.create(attestation.cid)
        digests = msgspec.to_builtins(compute_duplicate_keys(self._index_key, sealed.civil))
        with write():
            Person.delete().where(
                (Person.kid == enrolment.kid) & (Person.attested_at == 0)
            ).execute()
            Person.insert(
                cid=attestation.cid,
                kid=enrolment.kid,
                status=DRAFTED,
                sealed=bytes(box.encrypt(encode_canonical(sealed))),
                draft=encode_canonical(attestation).decode(),
            ).execute()
            for kind, digest in digests.items():
                DuplicateIndex.insert(cid=attestation.cid, kind=kind, digest=digest).execute()
            Enrolment.update(status=DRAFTED, clerk=clerk.kid, cid=attestation.cid).where(
                Enrolment.id == enrolment.id
            ).execute()

    def _drop(self, cid: str) -> None:
        """Forget a draft nobody signed."""
        if (
            not cid
            or Person.select().where((Person.cid == cid) & (Person.attested_at > 0)).exists()
        ):
            return
        self._keys.destroy(cid)
        with write():
            Person.delete().where(Person.cid == cid).execute()
            DuplicateIndex.delete().where(DuplicateIndex.cid == cid).execute()


def check_attestation(text: str, *, draft: str, clerk_key: PublicKey) -> None:
    """Raise Problem unless `text` is the drafted attestation signed by this agent alone."""
    try:
        parsed = parse(text.encode("utf-8", "replace"), ATTESTATION_TYP, ATTESTATION_CHARS_MAX)
    except DecodeError as error:
        raise Problem(codes.IDENTITY_ATTESTATION_DIFFERS, str(error)) from error
    if parsed.payload != draft.encode():
        raise Problem(codes.IDENTITY_ATTESTATION_DIFFERS, "another content than the draft")
    if len(parsed.signatures) != 1 or not verify_signature(parsed.signatures[0], clerk_key):
        raise Problem(codes.IDENTITY_ATTESTATION_DIFFERS, "signature")


def add_years(now_s: int, years: int) -> str:
    """Month, `YYYY-MM`, that lies so many years after a time: dates are rounded to the month."""
    today = time.gmtime(now_s)
    return f"{today.tm_year + years:04d}-{today.tm_mon:02d}"


def _is_same_attestation(cid: str, text: str) -> bool:
    return bool(Person.select().where((Person.cid == cid) & (Person.attestation == text)).exists())
