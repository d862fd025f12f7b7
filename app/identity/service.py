"""Rules of the desk: enrol a phone, seal a person's file, queue attestations, follow identities on the chain.

Civil data is sealed under the person's own key before it touches SQL; the chain sees a random cid, a key
and a salted commitment. Identities wait *pending* until a batch is large enough to hide them.
Reads and writes: this domain's tables and the person-key folder.  Never: logs anything civil.
"""

import hmac
import json
import secrets
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec
from nacl.secret import SecretBox

from app.accounts.models import AccountRow
from app.accounts.service import put_account, rotate_account, set_account_status
from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.core.projection import ProjectedTx
from app.identity import codes
from app.identity.civil import (
    SALT_BYTES,
    Civil,
    compute_commitment,
    compute_duplicate_keys,
)
from app.identity.comparison import QR_PREFIX, compute_comparison_number, encode_possession
from app.identity.keystore import PersonKeyGone, PersonKeys
from app.identity.models import DeskEntry, DuplicateIndex, Enrolment, IdentityRow, Person
from chain.codec.canonical import b64url_decode, b64url_encode, decode_canonical, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto import ed25519, es256
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import PublicKey, jwk_of, public_key_from_jwk, thumbprint
from chain.town import schemas
from chain.town.envelope import ATTESTATION_TYP

ENROLMENT_LIFE_S: Final = 600
PROOF_SKEW_S: Final = 300
"""How far a phone's clock may be off when it proves its key."""
SEARCHES_PER_HOUR: Final = 30
"""Duplicate searches of one agent (PROTOCOL §6); each draft is one."""
HOUR_S: Final = 3_600
IDENTITY_LEVEL_YEARS: Final = 5
ATTESTATION_CHARS_MAX: Final = 2_048
BATCH_ENTRIES_MAX: Final = 40
"""Attestations that fit one request of 64 KiB, encoded twice, with room to spare."""
OPEN, DRAFTED, ATTESTED = "open", "drafted", "attested"
PENDING: Final = "pending"
_DUPLICATE_LABEL: Final = b"beffroi-duplicate-index-1"
_ACCOUNT_STATUS: Final = {"active": "open", "suspended": "frozen", "expired": "frozen"}


class SealedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person's key seals: the civil record, the commitment's salt, and what the agent saw."""

    civil: Civil
    salt: str
    title_seen: str


@dataclass(frozen=True, slots=True)
class BatchState:
    """Which attestations wait, and why they are or are not ready to be written."""

    ready: bool
    reason: str
    waiting: int
    minimum: int
    oldest_at: int
    attestations: tuple[str, ...]


# --- enrolment: the phone --------------------------------------------------------------------


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
    enrolment = Enrolment.get_or_none(Enrolment.id == enrolment_id)
    if enrolment is None:
        raise Problem(NOT_FOUND)
    if enrolment.status != ATTESTED and enrolment.expires_at <= now_s:
        raise Problem(codes.ENROLMENT_EXPIRED)
    return enrolment  # type: ignore[no-any-return]


def _is_key_taken(kid: str) -> bool:
    pending = Person.select().where((Person.kid == kid) & (Person.attested_at > 0)).exists()
    return bool(pending or IdentityRow.select().where(IdentityRow.kid == kid).exists())


def _purge_enrolments(now_s: int) -> None:
    """Forget enrolments a day past their time; their unsigned files went with `drop_stale_drafts`."""
    Enrolment.delete().where(Enrolment.expires_at < now_s - 24 * HOUR_S).execute()


# --- enrolment: the desk ---------------------------------------------------------------------


def describe_for_desk(enrolment: Enrolment) -> dict[str, Any]:
    """What the clerk sees before drafting."""
    return {**describe_for_phone(enrolment), "key": json.loads(enrolment.jwk)}


def read_civil(fields: dict[str, Any]) -> Civil:
    """The typed civil record; raises Problem naming the field, never its content."""
    try:
        civil = msgspec.convert(fields, Civil, strict=True)
    except msgspec.ValidationError as error:
        raise Problem(
            codes.CIVIL_INVALID, str(error).rpartition(" - at ")[2].strip("`$.")
        ) from error
    texts = (civil.family_name, *civil.given_names, civil.address)
    if any(not c.isprintable() for text in texts for c in text):
        raise Problem(codes.CIVIL_INVALID, "control or bidirectional characters")
    return civil


class Desk:
    """The clerk's half of enrolment: needs the master key, which only the desk's server holds."""

    def __init__(self, config: Config) -> None:
        if config.master_key is None:
            raise Problem(codes.PERSON_KEYS_ABSENT)
        self._keys = PersonKeys(config.person_keys, config.master_key)
        self._index_key = hmac.new(config.master_key, _DUPLICATE_LABEL, sha256).digest()

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
        self._check_duplicates(civil, clerk=clerk, reason=duplicate_reason, now_s=now_s)
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
            _log_desk(clerk, "attest", enrolment.cid, "", now_s)
        return get_enrolment(enrolment_id, now_s=now_s)

    def read_file(self, cid: str) -> SealedFile | None:
        """A person's own file, opened; None once it was erased."""
        person = Person.get_or_none(Person.cid == cid)
        if person is None:
            return None
        try:
            box = self._keys.load(cid)
        except PersonKeyGone:
            return None
        return decode_canonical(SealedFile, box.decrypt(bytes(person.sealed)))

    def erase(self, cid: str) -> None:
        """Make a person's file unreadable for good: the key first, so that backups die with it."""
        self._keys.destroy(cid)
        with write():
            Person.delete().where(Person.cid == cid).execute()
            DuplicateIndex.delete().where(DuplicateIndex.cid == cid).execute()
            Enrolment.delete().where(Enrolment.cid == cid).execute()
            DeskEntry.delete().where(DeskEntry.cid == cid).execute()

    def sweep_erased(self) -> int:
        """Erase the files of identities that the chain says are erased; returns how many."""
        erased = (
            Person.select(Person.cid)
            .join(IdentityRow, on=(IdentityRow.cid == Person.cid))
            .where(IdentityRow.status == "erased")
        )
        cids = [person.cid for person in erased]
        for cid in cids:
            self.erase(cid)
        return len(cids)

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

    def _check_duplicates(self, civil: Civil, *, clerk: Actor, reason: str, now_s: int) -> None:
        """Strict: the same person, refused. Loose or swap: the agent decides and says why."""
        digests = msgspec.to_builtins(compute_duplicate_keys(self._index_key, civil))
        _charge_search(clerk, reason, now_s)
        hits = {
            row.kind
            for row in DuplicateIndex.select().where(
                DuplicateIndex.digest.in_(list(digests.values()))
            )
        }
        if "strict" in hits:
            raise Problem(codes.IDENTITY_DUPLICATE)
        if hits and not reason:
            raise Problem(codes.IDENTITY_DUPLICATE_UNDECIDED, ", ".join(sorted(hits)))


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


def _charge_search(clerk: Actor, reason: str, now_s: int) -> None:
    """Count and log one search for duplicates; raises Problem beyond the hour's number."""
    with write():
        done = (
            DeskEntry.select()
            .where(
                (DeskEntry.clerk == clerk.kid)
                & (DeskEntry.action == "search")
                & (DeskEntry.at > now_s - HOUR_S)
            )
            .count()
        )
        if done >= SEARCHES_PER_HOUR:
            raise Problem(codes.IDENTITY_SEARCHES_EXCEEDED, headers={"Retry-After": "600"})
        _log_desk(clerk, "search", "", reason, now_s)


def _log_desk(clerk: Actor, action: str, cid: str, reason: str, now_s: int) -> None:
    DeskEntry.insert(at=now_s, clerk=clerk.kid, action=action, cid=cid, reason=reason).execute()


# --- batches ---------------------------------------------------------------------------------


def read_batch(*, minimum: int, max_wait_s: int, hour_utc: int, now_s: int) -> BatchState:
    """The attestations that wait, and whether the town's rules let them be written now.

    A key that was put to another use after its attestation is left out: the chain refuses a batch whole, so
    its holder would keep everybody waiting. That person comes to the desk again with a fresh key.
    """
    waiting = list(
        Person.select(Person.cid, Person.attestation, Person.attested_at)
        .where(Person.status == PENDING)
        .where(Person.cid.not_in(IdentityRow.select(IdentityRow.cid)))
        .where(Person.kid.not_in(AccountRow.select(AccountRow.id)))  # else one blocks everybody
        .order_by(Person.attested_at, Person.cid)
        .limit(BATCH_ENTRIES_MAX)
    )
    oldest_at = waiting[0].attested_at if waiting else 0
    reason = _why_not_ready(
        len(waiting),
        minimum=minimum,
        waited_s=now_s - oldest_at,
        max_wait_s=max_wait_s,
        is_hour=hour_utc in (-1, time.gmtime(now_s).tm_hour),
    )
    attestations = tuple(p.attestation for p in sorted(waiting, key=lambda p: p.cid))
    return BatchState(
        ready=not reason,
        reason=reason or "ready",
        waiting=len(waiting),
        minimum=minimum,
        oldest_at=oldest_at,
        attestations=() if reason else attestations,
    )


def _why_not_ready(
    waiting: int, *, minimum: int, waited_s: int, max_wait_s: int, is_hour: bool
) -> str:
    if waiting == 0:
        return "empty"
    if waiting < minimum and waited_s < max_wait_s:
        return "too_few"
    return "" if is_hour else "outside_hour"


def check_batch_members(attestations: tuple[str, ...]) -> None:
    """Raise Problem unless every attestation of a batch waits at this desk."""
    known = Person.select().where(Person.attestation.in_(list(attestations))).count()
    if known != len(set(attestations)):
        raise Problem(codes.IDENTITY_BATCH_UNKNOWN)


# --- the citizen's own view ------------------------------------------------------------------


def find_own(kid: str) -> tuple[IdentityRow | None, Person | None]:
    """The chain's row and the file of whoever holds this key; (None, None) for strangers."""
    row = IdentityRow.get_or_none(IdentityRow.kid == kid)
    if row is not None:
        return row, Person.get_or_none(Person.cid == row.cid)
    person = Person.get_or_none((Person.kid == kid) & (Person.attested_at > 0))
    if person is not None and IdentityRow.get_or_none(IdentityRow.cid == person.cid) is not None:
        return None, None  # the identity moved on to another key
    return None, person


def describe_own(
    row: IdentityRow | None, person: Person | None, sealed: SealedFile | None
) -> dict[str, Any]:
    """Own identity: what the chain says, and the opening of its commitment while it is not erased."""
    if row is None and person is None:
        raise Problem(NOT_FOUND)
    draft = json.loads(person.draft) if person is not None else {}
    opening = None
    if sealed is not None:
        opening = {
            "civil": msgspec.to_builtins(sealed.civil),
            "salt": sealed.salt,
            "blind": draft.get("blind", ""),
        }
    source = row.__data__ if row is not None else draft
    return {
        "cid": source["cid"],
        "status": row.status if row is not None else PENDING,
        "level_identity": source["level_identity"],
        "level_residence": source["level_residence"],
        "commitment": source["commitment"],
        "expires_month": source["expires_month"],
        "height": row.height if row is not None else 0,
        "transaction": row.payload_hash if row is not None else "",
        "opening": opening,
    }


def list_desk_entries(cid: str) -> list[dict[str, Any]]:
    """Who at the desk touched this file: the citizen's right to know."""
    rows = DeskEntry.select().where(DeskEntry.cid == cid).order_by(DeskEntry.at, DeskEntry.id)
    return [{"at": r.at, "agent": r.clerk, "action": r.action, "reason": r.reason} for r in rows]


# --- projection ------------------------------------------------------------------------------


def project_batch(tx: ProjectedTx) -> None:
    """Identities of an accepted batch, from the attestations the agents signed."""
    for text in tx.body.attestations:
        parsed = parse(text.encode(), ATTESTATION_TYP, ATTESTATION_CHARS_MAX)
        attestation = decode_canonical(schemas.Attestation, parsed.payload)
        jwk = _jwk_members(attestation.key)
        kid = put_account(domain="identity", jwk=jwk, height=tx.height)
        IdentityRow.insert(
            cid=attestation.cid,
            account=kid,
            kid=kid,
            jwk=json.dumps(jwk),
            status="active",
            level_identity=attestation.level_identity,
            level_residence=attestation.level_residence,
            commitment=attestation.commitment,
            expires_month=attestation.expires_month,
            height=tx.height,
            payload_hash=tx.payload_hash,
        ).execute()


def project_status(tx: ProjectedTx) -> None:
    """An identity's new status; its account freezes or closes with it, as on the chain."""
    account = str(tx.data["account"])
    set_account_status(account, _ACCOUNT_STATUS.get(tx.body.status, "closed"))
    IdentityRow.update(status=tx.body.status, height=tx.height, payload_hash=tx.payload_hash).where(
        IdentityRow.cid == tx.body.cid
    ).execute()


def project_rotation(tx: ProjectedTx) -> None:
    """An identity's new key."""
    jwk = _jwk_members(tx.body.new_key)
    rotate_account(str(tx.data["account"]), jwk)
    IdentityRow.update(
        kid=tx.data["kid"], jwk=json.dumps(jwk), height=tx.height, payload_hash=tx.payload_hash
    ).where(IdentityRow.cid == tx.body.cid).execute()


def _jwk_members(key: schemas.Jwk) -> dict[str, str]:
    members = {"crv": key.crv, "kty": key.kty, "x": key.x}
    return members | {"y": key.y} if key.y else members


PROJECTIONS: Final = {
    "id.batch_attest": project_batch,
    "id.status": project_status,
    "id.rotate": project_rotation,
}
