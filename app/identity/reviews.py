"""The second agent: before the batch where the rules say, afterwards for one enrolment in twenty.

`duplicate`: the first agent decided a likeness. `volume`: the agent attested very many at level 3 today.
`sample`: 5 % of the rest (PROTOCOL §6), chosen by a keyed digest of the person, so that neither agent nor
citizen can foresee or redraw it. The second agent opens the file (logged), and signs the outcome.
Reads and writes: `desk_review`, `person`.  Never: lets one key decide on its own enrolment.
"""

import hashlib
import hmac
import json
import secrets
from typing import Any, Final

from app.core.context import Actor
from app.core.database import lock_until_commit, write
from app.core.problems import Problem
from app.identity import codes
from app.identity.duplicates import DUPLICATE, log_desk
from app.identity.indexkeys import IndexKey
from app.identity.models import DeskReview, DuplicateIndex, IdentityRow, Person
from app.identity.register import REGISTER_LOCK, Register, is_signed_renewal
from app.identity.waiting import PENDING, claim_unsent
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.codec.errors import DecodeError
from chain.crypto.jws import parse, verify_signature
from chain.crypto.keys import PublicKey

SECOND: Final = "second"
"""Status of a person whose attestation waits for the second agent."""
VOLUME, SAMPLE = "volume", "sample"
BEFORE: Final = frozenset({DUPLICATE, VOLUME})
"""Reviews without which the attestation does not go to the chain."""
CONFIRMED, REJECTED = "confirmed", "rejected"
LEVEL3_PER_DAY: Final = 40
"""Enrolments at level 3 of one agent and day; beyond, a second agent signs each."""
SAMPLE_PER_10000: Final = 500
DAY_S: Final = 86_400
COUNTERSIGN_TYP: Final = "beffroi-countersign"
COUNTERSIGN_CHARS_MAX: Final = 1_024
_SAMPLE_LABEL: Final = b"beffroi-sample-1\x00"


def choose(key: IndexKey, person: Person, kid: str, now_s: int) -> str:
    """Kind of the review an enrolment needs, or empty."""
    if person.flag:
        return str(person.flag)
    level = json.loads(person.draft)["level_identity"]
    if level == 3 and _count_level3(kid, now_s) >= LEVEL3_PER_DAY:
        return VOLUME
    return SAMPLE if is_sampled(key, person.cid) else ""


def is_sampled(key: IndexKey, cid: str) -> bool:
    """Whether a second agent looks at this person afterwards: the same answer for every draft of one person."""
    row = DuplicateIndex.get_or_none(
        (DuplicateIndex.cid == cid)
        & (DuplicateIndex.kind == "strict")
        & (DuplicateIndex.version == key.version)
    )
    assert row is not None, "a drafted file is indexed"
    return _draw(key, row.digest)


def _draw(key: IndexKey, digest: str) -> bool:
    drawn = hmac.new(key.key, _SAMPLE_LABEL + digest.encode("ascii"), hashlib.sha256).digest()
    return int.from_bytes(drawn[:8], "big") % 10_000 < SAMPLE_PER_10000


def _count_level3(kid: str, now_s: int) -> int:
    recent = Person.select(Person.draft).where(
        (Person.attested_by == kid) & (Person.attested_at > now_s - DAY_S)
    )
    return sum(1 for person in recent if json.loads(person.draft)["level_identity"] == 3)


def open_review(cid: str, kind: str, clerk: Actor, now_s: int) -> None:
    """Ask a second agent to look; inside the caller's transaction."""
    DeskReview.insert(
        id=b64url_encode(secrets.token_bytes(16)),
        cid=cid,
        kind=kind,
        opened_at=now_s,
        opened_by=clerk.kid,
    ).execute()


def list_reviews(*, kid: str) -> list[dict[str, Any]]:
    """Undecided reviews that this agent may decide, oldest first; nothing civil."""
    rows = (
        DeskReview.select()
        .where((DeskReview.outcome == "") & (DeskReview.opened_by != kid))
        .order_by(DeskReview.opened_at, DeskReview.id)
    )
    attestation = {
        person.cid: _newest_attestation(person)
        for person in Person.select(Person.cid, Person.attestation, Person.renewal).where(
            Person.cid.in_([row.cid for row in rows])
        )
    }
    return [
        {
            "id": row.id,
            "cid": row.cid,
            "kind": row.kind,
            "opened_at": row.opened_at,
            "opened_by": row.opened_by,
            "attestation": digest_attestation(attestation.get(row.cid, "")),
        }
        for row in rows
    ]


def _newest_attestation(person: Person) -> str:
    """What an agent signed last of this person: a correction that waits for the chain, or the facts as they are."""
    return str(person.renewal if is_signed_renewal(person.renewal) else person.attestation)


def digest_attestation(text: str) -> str:
    """What the second agent signs of the first one's attestation."""
    return b64url_encode(hashlib.sha256(text.encode("ascii")).digest())


def encode_decision(*, town: str, cid: str, attestation: str, outcome: str) -> bytes:
    """Payload of the second agent's JWS (`typ` beffroi-countersign)."""
    return encode_canonical(
        {"attestation": attestation, "cid": cid, "outcome": outcome, "town": town}
    )


def decide(
    register: Register,
    review_id: str,
    *,
    agent: Actor,
    agent_key: PublicKey,
    town: str,
    outcome: str,
    signature: str,
    now_s: int,
) -> dict[str, Any]:
    """Take the second agent's signed outcome; a rejected file that is not on the chain yet is erased.

    Of a person on the chain a rejected correction is forgotten.
    Raises Problem for the first agent, for the own file, and for another signature.
    """
    review = DeskReview.get_or_none(DeskReview.id == review_id)
    person = review and Person.get_or_none(Person.cid == review.cid)
    if review is None or person is None:
        raise Problem(codes.IDENTITY_FILE_ABSENT)
    if agent.kid in (review.opened_by, person.attested_by):
        raise Problem(codes.SECOND_AGENT_SAME)
    register.check_not_own(agent.kid, review.cid)
    attestation = digest_attestation(_newest_attestation(person))
    payload = encode_decision(town=town, cid=review.cid, attestation=attestation, outcome=outcome)
    _check_signature(signature, payload, agent_key)
    with write():
        lock_until_commit(REGISTER_LOCK)
        mine = (DeskReview.id == review_id) & (DeskReview.outcome == "")
        changed = DeskReview.update(
            decided_at=now_s, decided_by=agent.kid, outcome=outcome, signature=signature
        ).where(mine)
        if changed.execute() != 1:
            raise Problem(codes.ENROLMENT_WRONG_STATE, "decided already")
        if outcome == CONFIRMED:
            Person.update(status=PENDING).where(
                (Person.cid == review.cid) & (Person.status == SECOND)
            ).execute()
        if outcome == REJECTED and is_signed_renewal(person.renewal):
            Person.update(sealed_next=None, renewal="").where(
                (Person.cid == review.cid) & (Person.renewal == person.renewal)
            ).execute()
            register.index_again(review.cid)
        log_desk(agent, "review", review.cid, outcome, now_s)
    is_on_chain = IdentityRow.select().where(IdentityRow.cid == review.cid).exists()
    if outcome == REJECTED and not is_on_chain:
        is_on_chain = not claim_unsent(review.cid)
        if not is_on_chain:
            register.erase(review.cid, now_s=now_s)
    return {"cid": review.cid, "outcome": outcome, "on_chain": bool(is_on_chain)}


def _check_signature(text: str, payload: bytes, key: PublicKey) -> None:
    try:
        parsed = parse(text.encode("utf-8", "replace"), COUNTERSIGN_TYP, COUNTERSIGN_CHARS_MAX)
    except DecodeError as error:
        raise Problem(codes.IDENTITY_ATTESTATION_DIFFERS, str(error)) from error
    is_mine = len(parsed.signatures) == 1 and verify_signature(parsed.signatures[0], key)
    if parsed.payload != payload or not is_mine:
        raise Problem(codes.IDENTITY_ATTESTATION_DIFFERS, "countersignature")
