"""Corrected or renewed facts of a known person: a new commitment, signed by an agent, written by `id.batch_renew`.

The corrected file waits beside the old one, both sealed, until the chain holds the new commitment; then the old
one and its salt are gone, and the old commitment opens to nobody. A correction into somebody's likeness waits for
a second agent first, who can refuse it. A person who still waits for the first batch is simply attested again.
Reads and writes: `person`, `duplicate_index`, `desk_review`.
"""

import json
import secrets
from typing import Any

import msgspec

from app.core.context import Actor
from app.core.database import lock_until_commit, write
from app.core.problems import Problem
from app.identity import codes, reviews
from app.identity.batches import BATCH_ENTRIES_MAX
from app.identity.civil import SALT_BYTES, Civil
from app.identity.desk import (
    DraftFacts,
    build_attestation,
    check_attestation,
)
from app.identity.duplicates import DUPLICATE, charge_search, find_candidates, judge, log_desk
from app.identity.models import DeskReview, IdentityRow, Person
from app.identity.register import REGISTER_LOCK, Register, SealedFile, is_signed_renewal
from app.identity.waiting import PENDING, SENT
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto.keys import PublicKey

RENEWABLE = frozenset({"active", "expired"})
"""As the chain renews (`id.batch_renew`)."""


def draft_renewal(
    register: Register, cid: str, facts: DraftFacts, *, clerk: Actor, town: str, now_s: int
) -> dict[str, Any]:
    """Seal the corrected file beside the old one and prepare what the agent signs; raises Problem."""
    person, row = _find(cid)
    register.check_not_own(clerk.kid, cid)
    if person.restricted_at:
        raise Problem(codes.IDENTITY_RESTRICTED)
    charge_search(clerk, "rectification", now_s)
    salt = secrets.token_bytes(SALT_BYTES)
    jwk = json.loads(row.jwk) if row is not None else json.loads(person.draft)["key"]
    attestation = build_attestation(facts, town=town, cid=cid, jwk=jwk, salt=salt, now_s=now_s)
    sealed = SealedFile(facts.civil, b64url_encode(salt), facts.title_seen)
    with write():
        lock_until_commit(REGISTER_LOCK)
        judge(
            find_candidates(register.index.all(), facts.civil, besides=(cid,)),
            reason=facts.duplicate_reason,
        )
        Person.update(
            sealed_next=register.seal(cid, sealed),
            renewal=encode_canonical(attestation).decode(),
        ).where(Person.cid == cid).execute()
        log_desk(clerk, "correct", cid, "rectification", now_s)
    fields: dict[str, Any] = msgspec.to_builtins(attestation)
    return fields


def sign_renewal(
    register: Register, cid: str, *, clerk: Actor, clerk_key: PublicKey, text: str, now_s: int
) -> str:
    """Take the agent's signature; returns `pending` (first batch) or `renewal` (waits for a renewal batch)."""
    person, row = _find(cid)
    register.check_not_own(clerk.kid, cid)
    if not person.renewal or is_signed_renewal(person.renewal):
        raise Problem(codes.ENROLMENT_WRONG_STATE, "no correction was drafted")
    check_attestation(text, draft=person.renewal, clerk_key=clerk_key)
    opened = register.unseal(cid, person.sealed_next)
    civil = msgspec.json.decode(opened, type=SealedFile).civil
    values: dict[str, Any] = {"renewal": text}
    if row is None:
        values = {
            "draft": person.renewal,
            "attestation": text,
            "sealed": person.sealed_next,
            "sealed_next": None,
            "renewal": "",
            "attested_by": clerk.kid,  # who signs the facts is not the second agent of them
        }
    with write():
        lock_until_commit(REGISTER_LOCK)
        same = (Person.cid == cid) & (Person.renewal == person.renewal)
        if row is None:
            same &= Person.status != SENT  # the chain may hold the facts as they were
        if Person.update(**values).where(same).execute() != 1:
            raise Problem(
                codes.ENROLMENT_WRONG_STATE, "sent to the chain or drafted again meanwhile"
            )
        register.index_again(cid)
        if row is None:
            _review_again(register, cid, civil, clerk, now_s)
        elif find_candidates(register.index.all(), civil, besides=(cid,)):
            reviews.open_review(cid, DUPLICATE, clerk, now_s)
        log_desk(clerk, "attest", cid, "rectification", now_s)
    return PENDING if row is None else "renewal"


def _review_again(register: Register, cid: str, civil: Civil, clerk: Actor, now_s: int) -> None:
    """Corrected facts need a second agent wherever the same facts would at an enrolment, also after one looked."""
    person = Person.get_by_id(cid)
    if find_candidates(register.index.all(), civil, besides=(cid,)):
        person.flag = DUPLICATE
    kind = reviews.choose(register.index.current(), person, clerk.kid, now_s)
    if kind in reviews.BEFORE:
        Person.update(status=reviews.SECOND, flag=person.flag).where(Person.cid == cid).execute()
    waits = (DeskReview.cid == cid) & (DeskReview.outcome == "")
    if kind and not DeskReview.select().where(waits).exists():
        reviews.open_review(cid, kind, clerk, now_s)


def list_renewals() -> tuple[str, ...]:
    """Signed renewals that wait for the chain and for no second agent, sorted by cid as a batch wants them."""
    undecided = DeskReview.select(DeskReview.cid).where(
        (DeskReview.outcome == "") & DeskReview.kind.in_(sorted(reviews.BEFORE))
    )
    waiting = (
        Person.select(Person.cid, Person.renewal)
        .join(IdentityRow, on=(IdentityRow.cid == Person.cid))
        .where(IdentityRow.status.in_(sorted(RENEWABLE)) & (Person.restricted_at == 0))
        .where(Person.sealed_next.is_null(False) & Person.cid.not_in(undecided))
        .order_by(Person.cid)
        .limit(BATCH_ENTRIES_MAX)
    )
    return tuple(person.renewal for person in waiting if is_signed_renewal(person.renewal))


def _find(cid: str) -> tuple[Person, IdentityRow | None]:
    person = Person.get_or_none((Person.cid == cid) & (Person.attested_at > 0))
    row = IdentityRow.get_or_none(IdentityRow.cid == cid)
    if person is None:
        raise Problem(codes.IDENTITY_FILE_ABSENT)
    if row is not None and row.status not in RENEWABLE:
        raise Problem(codes.ENROLMENT_WRONG_STATE, row.status)
    return person, row
