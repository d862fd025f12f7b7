"""The clerk's half of enrolment: seal the person's file, draft what the agent signs, take the signature.

One agent enrols; a second one looks first where a likeness was decided or an agent enrols very many, and
afterwards at one in twenty (PROTOCOL §6; `reviews`).
Reads and writes: the register.  Never: logs anything civil.
"""

import hmac
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.core.config import Config
from app.core.context import Actor
from app.core.database import lock_until_commit, write
from app.core.problems import Problem
from app.identity import codes, reviews
from app.identity.civil import SALT_BYTES, Civil, compute_commitment
from app.identity.duplicates import (
    Candidate,
    charge_search,
    find_candidates,
    judge,
    log_desk,
    log_matches,
)
from app.identity.enrolment import ATTESTED, DRAFTED, LINKED, get_enrolment
from app.identity.models import DuplicateIndex, Enrolment, IdentityRow, Person
from app.identity.register import REGISTER_LOCK, Register, SealedFile
from app.identity.tombstones import block_open_ballots
from app.identity.waiting import PENDING
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import PublicKey
from chain.town import schemas
from chain.town.envelope import ATTESTATION_TYP

IDENTITY_LEVEL_YEARS: Final = 5
ATTESTATION_CHARS_MAX: Final = 2_048


@dataclass(frozen=True, slots=True)
class DraftFacts:
    """What the clerk read on the title and saw."""

    civil: Civil
    level_identity: int
    level_residence: int
    title_seen: str
    duplicate_reason: str = ""


class Desk:
    """The clerk's half of enrolment: needs the master key, which only the desk's server holds."""

    def __init__(self, config: Config) -> None:
        self._register = Register(config)

    def draft(
        self,
        enrolment_id: str,
        *,
        clerk: Actor,
        town: str,
        number: str,
        facts: DraftFacts,
        now_s: int,
    ) -> tuple[str, dict[str, Any]]:
        """Seal the file and prepare what the agent will sign; returns (cid, attestation fields).

        A second draft replaces the first. Raises Problem for a wrong number and for duplicates.
        """
        enrolment = _open_at_desk(enrolment_id, clerk=clerk, number=number, now_s=now_s)
        self.drop_stale_drafts(now_s)
        charge_search(clerk, facts.duplicate_reason, now_s)
        cid, salt = b64url_encode(secrets.token_bytes(32)), secrets.token_bytes(SALT_BYTES)
        attestation = build_attestation(
            facts, town=town, cid=cid, jwk=json.loads(enrolment.jwk), salt=salt, now_s=now_s
        )
        sealed = SealedFile(facts.civil, b64url_encode(salt), facts.title_seen)
        before = enrolment.cid
        self._register.keys.create(cid)
        try:
            self._save_draft(enrolment_id, attestation, sealed, clerk, facts, now_s)
        except BaseException as error:
            self._register.keys.destroy(cid)
            if isinstance(error, Problem):
                log_matches(clerk, _candidates_of(error), facts.duplicate_reason, now_s)
            raise
        if before:
            self._register.keys.destroy(before)
        return cid, msgspec.to_builtins(attestation)

    def _save_draft(
        self,
        enrolment_id: str,
        attestation: schemas.Attestation,
        sealed: SealedFile,
        clerk: Actor,
        facts: DraftFacts,
        now_s: int,
    ) -> None:
        """Look for duplicates and add the file, with nobody between the two."""
        with write():
            lock_until_commit(REGISTER_LOCK)
            enrolment = get_enrolment(enrolment_id, now_s=now_s)
            _check_step(enrolment, clerk)
            candidates = self._find(facts.civil, besides=(enrolment.cid,))
            flag = judge(candidates, reason=facts.duplicate_reason)
            _forget_rows(enrolment.cid)
            Person.delete().where(
                (Person.kid == enrolment.kid) & (Person.attested_at == 0)
            ).execute()
            Person.insert(
                cid=attestation.cid,
                kid=enrolment.kid,
                status=DRAFTED,
                sealed=self._register.seal(attestation.cid, sealed),
                draft=encode_canonical(attestation).decode(),
                flag=flag,
            ).execute()
            self._register.put_index(attestation.cid, facts.civil)
            block_open_ballots(
                self._register.index.all(), attestation.cid, facts.civil, now_s=now_s
            )
            Enrolment.update(status=DRAFTED, clerk=clerk.kid, cid=attestation.cid).where(
                Enrolment.id == enrolment.id
            ).execute()

    def attest(
        self, enrolment_id: str, *, clerk: Actor, clerk_key: PublicKey, text: str, now_s: int
    ) -> Enrolment:
        """Take the agent's signed attestation: pending from now on, or waiting for the second agent; raises Problem."""
        enrolment = get_enrolment(enrolment_id, now_s=now_s)
        if enrolment.status == ATTESTED and _is_same_attestation(enrolment.cid, text):
            return enrolment
        if enrolment.status != DRAFTED or enrolment.clerk != clerk.kid:
            raise Problem(codes.ENROLMENT_WRONG_STATE, enrolment.status)
        person = Person.get_by_id(enrolment.cid)
        check_attestation(text, draft=person.draft, clerk_key=clerk_key)
        with write():
            kind = reviews.choose(self._register.index.current(), person, clerk.kid, now_s)
            signed = Person.update(
                status=reviews.SECOND if kind in reviews.BEFORE else PENDING,
                attestation=text,
                attested_by=clerk.kid,
                attested_at=now_s,
            ).where((Person.cid == enrolment.cid) & (Person.attested_at == 0))
            if signed.execute() != 1:
                raise Problem(codes.ENROLMENT_WRONG_STATE, "another request was first")
            if kind:
                reviews.open_review(enrolment.cid, kind, clerk, now_s)
            Enrolment.update(status=ATTESTED).where(Enrolment.id == enrolment.id).execute()
            log_desk(clerk, "attest", enrolment.cid, "", now_s)
        return get_enrolment(enrolment_id, now_s=now_s)

    def search(self, civil: Civil, *, clerk: Actor, reason: str, now_s: int) -> dict[str, Any]:
        """Files that may be this person's, without opening any; thirty an hour, logged on both sides."""
        left = charge_search(clerk, reason, now_s)
        candidates = self._find(civil)
        log_matches(clerk, (candidate.cid for candidate in candidates), reason, now_s)
        return {"candidates": [candidate.describe() for candidate in candidates], "left": left}

    def link(
        self,
        enrolment_id: str,
        *,
        clerk: Actor,
        number: str,
        civil: Civil,
        cid: str,
        now_s: int,
    ) -> dict[str, Any]:
        """Tie the phone at the desk to the identity its holder already has; the agents then open a recovery.

        Raises Problem unless the title's names meet that very file strictly and it stands on the chain.
        """
        enrolment = _open_at_desk(enrolment_id, clerk=clerk, number=number, now_s=now_s)
        charge_search(clerk, "link", now_s)
        self._register.check_not_own(clerk.kid, cid)
        same = [c for c in self._find(civil, besides=(enrolment.cid,)) if c.is_same]
        row = IdentityRow.get_or_none(IdentityRow.cid == cid)
        if row is None or cid not in [candidate.cid for candidate in same]:
            raise Problem(codes.IDENTITY_LINK_DIFFERS)
        with write():
            _forget_rows(enrolment.cid)
            Enrolment.update(status=LINKED, clerk=clerk.kid, cid=cid).where(
                Enrolment.id == enrolment.id
            ).execute()
            log_desk(clerk, "link", cid, "recovery", now_s)
        if enrolment.cid:
            self._register.keys.destroy(enrolment.cid)
        return {
            "cid": cid,
            "account": row.account,
            "status": row.status,
            "key": json.loads(enrolment.jwk),
        }

    def drop_stale_drafts(self, now_s: int) -> int:
        """Erase files that no agent signed before their enrolment ran out; returns how many."""
        stale = Enrolment.select().where(
            (Enrolment.status == DRAFTED) & (Enrolment.expires_at <= now_s)
        )
        dropped = 0
        for enrolment in list(stale):
            dropped += self.withdraw(enrolment.cid)
            with write():
                enrolment.delete_instance()
        return dropped

    def withdraw(self, cid: str) -> bool:
        """Forget a draft nobody signed; False when there is none."""
        if Person.select().where((Person.cid == cid) & (Person.attested_at > 0)).exists():
            return False
        with write():
            _forget_rows(cid)
        return self._register.keys.destroy(cid) if cid else False

    def _find(self, civil: Civil, *, besides: Iterable[str] = ()) -> tuple[Candidate, ...]:
        return find_candidates(self._register.index.all(), civil, besides=besides)


def build_attestation(
    facts: DraftFacts, *, town: str, cid: str, jwk: dict[str, str], salt: bytes, now_s: int
) -> schemas.Attestation:
    """What the agent signs of a person: nothing civil, and the commitment that hides it."""
    return schemas.Attestation(
        town=town,
        cid=cid,
        key=schemas.Jwk(**jwk),
        blind=b64url_encode(secrets.token_bytes(16)),
        commitment=b64url_encode(compute_commitment(facts.civil, salt)),
        level_identity=facts.level_identity,
        level_residence=facts.level_residence,
        expires_month=add_years(now_s, IDENTITY_LEVEL_YEARS),
    )


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


def _open_at_desk(enrolment_id: str, *, clerk: Actor, number: str, now_s: int) -> Enrolment:
    """The enrolment whose phone stands at this clerk's desk; raises Problem."""
    enrolment = get_enrolment(enrolment_id, now_s=now_s)
    _check_step(enrolment, clerk)
    if enrolment.kid == clerk.kid:
        raise Problem(codes.AGENT_OWN_RECORD)
    if not hmac.compare_digest(enrolment.number, number):
        raise Problem(codes.ENROLMENT_NUMBER_DIFFERS)
    return enrolment


def _check_step(enrolment: Enrolment, clerk: Actor) -> None:
    if enrolment.status in (ATTESTED, LINKED) or enrolment.clerk not in ("", clerk.kid):
        raise Problem(codes.ENROLMENT_WRONG_STATE, enrolment.status)


def _forget_rows(cid: str) -> None:
    """Drop an unsigned draft's rows; its key goes once that is durable."""
    if not cid:
        return
    Person.delete().where((Person.cid == cid) & (Person.attested_at == 0)).execute()
    DuplicateIndex.delete().where(DuplicateIndex.cid == cid).execute()


def _candidates_of(problem: Problem) -> list[str]:
    return [candidate["cid"] for candidate in problem.extra.get("candidates", ())]


def _is_same_attestation(cid: str, text: str) -> bool:
    return bool(Person.select().where((Person.cid == cid) & (Person.attestation == text)).exists())
