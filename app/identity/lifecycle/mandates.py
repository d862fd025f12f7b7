"""Mandates: a helper whom a citizen chose, a parent, a guardian of a protected adult. Nobody votes for anybody.

    helper    offered by the citizen, accepted by the helper, a year at most (Aidants Connect's own limit)
    parent    recorded at the desk, until the child's 18th birthday
    guardian  recorded at the desk from the judge's decision, five years at most (Code civil, art. 441)

Either side ends one at any time, except that a parent's or guardian's ends at the desk or by its date. Kind and
scopes are sealed under the subject's key: SQL tells a helper from a guardian as little as the chain does. Whatever
the holder reads under it is logged with both ids, and the subject sees it. On the chain the holder's key is a
second key of the account concerned.
Reads and writes: `mandate`, the desk's log, the person-key folder.
"""

import secrets
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from app.core.codes import NOT_FOUND
from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.identity.duplicates import log_desk
from app.identity.keystore import PersonKeyGone
from app.identity.lifecycle import ages, codes
from app.identity.lifecycle.models import Mandate
from app.identity.models import DeskEntry, IdentityRow, Person
from app.identity.register import Register
from chain.codec.canonical import b64url_encode, decode_canonical, encode_canonical

DAY_S: Final = 86_400
HELPER_MAX_S: Final = 366 * DAY_S
GUARDIAN_MAX_S: Final = 5 * 366 * DAY_S
SCOPES: Final = ("documents", "energy", "identity", "loyalty", "sel")
BALLOT_SCOPE: Final = "votes"
"""Asked for by mistake often enough to deserve its own answer."""
OFFERED, ACTIVE, ENDED = "offered", "active", "ended"
SEALED_BYTES: Final = 256
Kind = Literal["guardian", "helper", "parent"]


class Terms(Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed of a mandate."""

    kind: Kind
    scopes: Annotated[tuple[str, ...], Meta(max_length=8)]


# --- opening ---------------------------------------------------------------------------------


def offer(
    register: Register,
    *,
    subject: str,
    holder: str,
    scopes: list[str],
    expires_at: int,
    now_s: int,
) -> dict[str, Any]:
    """A citizen asks somebody for help; it begins when the helper accepts. Raises Problem.

    A child under 15 chooses no helper: a parent or guardian is recorded at the desk.
    """
    sealed = register.read_file(subject)
    if sealed is not None and not ages.allowed_at(sealed.civil.birthdate, now_s).own_key:
        raise Problem(codes.AGE_GUARDIAN_NEEDED)
    terms = Terms("helper", _checked_scopes(scopes))
    _check_length(expires_at, now_s, HELPER_MAX_S)
    row = _create(register, subject, holder, terms, OFFERED, expires_at, now_s)
    return describe(register, row)


def record_at_desk(
    register: Register,
    *,
    clerk: Actor,
    kind: Kind,
    subject: str,
    holder: str,
    scopes: list[str],
    expires_at: int,
    now_s: int,
) -> dict[str, Any]:
    """An agent saw the family book or the judge's decision; the mandate begins at once. Raises Problem."""
    for cid in (subject, holder):
        register.check_not_own(clerk.kid, cid)
    terms = Terms(kind, _checked_scopes(scopes))
    _check_length(expires_at, now_s, _longest_s(register, kind, subject, now_s))
    row = _create(register, subject, holder, terms, ACTIVE, expires_at, now_s)
    with write():
        log_desk(clerk, "mandate", subject, "recorded", now_s)
        log_desk(clerk, "mandate", holder, "recorded", now_s)
    return describe(register, row)


def _longest_s(register: Register, kind: Kind, subject: str, now_s: int) -> int:
    if kind != "parent":
        return GUARDIAN_MAX_S if kind == "guardian" else HELPER_MAX_S
    sealed = register.read_file(subject)
    ends_s = (
        ages.majority_s(sealed.civil.birthdate, ages.MAJORITY_YEARS) if sealed is not None else 0
    )
    if ends_s <= now_s:
        raise Problem(codes.AGE_NOT_A_MINOR)
    return ends_s - now_s


def _checked_scopes(scopes: list[str]) -> tuple[str, ...]:
    if BALLOT_SCOPE in scopes:
        raise Problem(codes.MANDATE_NO_BALLOT)
    return tuple(sorted(set(scopes)))


def _check_length(expires_at: int, now_s: int, longest_s: int) -> None:
    if not now_s < expires_at <= now_s + longest_s:
        raise Problem(codes.MANDATE_TOO_LONG, f"{longest_s // DAY_S} days at most")


def _create(
    register: Register,
    subject: str,
    holder: str,
    terms: Terms,
    status: str,
    expires_at: int,
    now_s: int,
) -> Mandate:
    if subject == holder:
        raise Problem(codes.MANDATE_SELF)
    if not (_is_person(subject) and _is_person(holder)):
        raise Problem(NOT_FOUND)
    plain = encode_canonical(terms).ljust(SEALED_BYTES)
    try:
        sealed = bytes(register.keys.load(subject).encrypt(plain))
    except PersonKeyGone as error:
        raise Problem(NOT_FOUND) from error
    with write():
        return Mandate.create(  # type: ignore[no-any-return]
            id=b64url_encode(secrets.token_bytes(16)),
            subject=subject,
            holder=holder,
            status=status,
            sealed=sealed,
            opened_at=now_s,
            expires_at=expires_at,
        )


def _is_person(cid: str) -> bool:
    return bool(Person.select().where((Person.cid == cid) & (Person.attested_at > 0)).exists())


# --- minors ----------------------------------------------------------------------------------


def check_age(register: Register, cid: str, domain: str, *, now_s: int) -> None:
    """Raise Problem unless this person's age allows an account of the domain today.

    Under 15 a parent or guardian holds the key (loyalty and SEL only), and the desk has recorded who.
    """
    sealed = register.read_file(cid)
    if sealed is None:
        raise Problem(NOT_FOUND)
    allowed = ages.allowed_at(sealed.civil.birthdate, now_s)
    if domain not in allowed.domains:
        raise Problem(codes.AGE_NOT_YET)
    if not allowed.own_key and not has_guardian(register, cid, now_s=now_s):
        raise Problem(codes.AGE_GUARDIAN_NEEDED)


def has_guardian(register: Register, cid: str, *, now_s: int) -> bool:
    """Whether a parent's or guardian's mandate is in force for this person."""
    rows = Mandate.select().where(
        (Mandate.subject == cid) & (Mandate.status == ACTIVE) & (Mandate.expires_at > now_s)
    )
    return any(read_terms(register, row).kind != "helper" for row in rows)


# --- its life --------------------------------------------------------------------------------


def find_mandate(mandate_id: str, *, cid: str, now_s: int) -> Mandate:
    """A mandate of which this person is one side, in date; raises Problem as if it did not exist."""
    row = Mandate.get_or_none(Mandate.id == mandate_id)
    if row is None or cid not in (row.subject, row.holder) or row.expires_at <= now_s:
        raise Problem(NOT_FOUND)
    return row  # type: ignore[no-any-return]


def accept(register: Register, mandate_id: str, *, cid: str, now_s: int) -> dict[str, Any]:
    """The helper agrees."""
    row = find_mandate(mandate_id, cid=cid, now_s=now_s)
    if row.holder != cid:
        raise Problem(NOT_FOUND)
    if row.status != OFFERED:
        raise Problem(codes.MANDATE_WRONG_STATE, row.status)
    return describe(register, _set_status(row, ACTIVE, 0))


def end(register: Register, mandate_id: str, *, cid: str, now_s: int) -> dict[str, Any]:
    """Either side ends a helper's mandate; a parent's or a guardian's is ended by its holder or at the desk."""
    row = find_mandate(mandate_id, cid=cid, now_s=now_s)
    if row.status == ENDED:
        raise Problem(codes.MANDATE_WRONG_STATE, row.status)
    if row.subject == cid and read_terms(register, row).kind != "helper":
        raise Problem(codes.MANDATE_WRONG_STATE, "ended by its holder, its date, or the desk")
    return describe(register, _set_status(row, ENDED, now_s))


def end_at_desk(
    register: Register, mandate_id: str, *, clerk: Actor, reason: str, now_s: int
) -> dict[str, Any]:
    """An agent ends any mandate: a judge's decision, a complaint, a death."""
    row = Mandate.get_or_none(Mandate.id == mandate_id)
    if row is None:
        raise Problem(NOT_FOUND)
    if row.status == ENDED:
        raise Problem(codes.MANDATE_WRONG_STATE, row.status)
    for cid in (row.subject, row.holder):
        register.check_not_own(clerk.kid, cid)
    with write():
        log_desk(clerk, "mandate_end", row.subject, reason, now_s)
        return describe(register, _set_status(row, ENDED, now_s))


def _set_status(row: Mandate, status: str, ended_at: int) -> Mandate:
    with write():
        Mandate.update(status=status, ended_at=ended_at).where(Mandate.id == row.id).execute()
    return Mandate.get_by_id(row.id)  # type: ignore[no-any-return]


def read_subject(
    register: Register, mandate_id: str, *, actor: Actor, cid: str, now_s: int
) -> dict[str, Any]:
    """What a holder may see of the subject, logged with both ids; names only with the scope `identity`."""
    row = find_mandate(mandate_id, cid=cid, now_s=now_s)
    if row.holder != cid:
        raise Problem(NOT_FOUND)
    if row.status != ACTIVE:
        raise Problem(codes.MANDATE_WRONG_STATE, row.status)
    terms = read_terms(register, row)
    with write():
        DeskEntry.insert(
            at=now_s, clerk=actor.kid, action="mandate", cid=row.subject, reason=row.id
        ).execute()
    identity = IdentityRow.get_or_none(IdentityRow.cid == row.subject)
    sealed = register.read_file(row.subject) if "identity" in terms.scopes else None
    return {
        "status": identity.status if identity is not None else "pending",
        "level_identity": identity.level_identity if identity is not None else 0,
        "level_residence": identity.level_residence if identity is not None else 0,
        "name": f"{sealed.civil.given_names[0]} {sealed.civil.family_name}" if sealed else "",
        "scopes": list(terms.scopes),
    }


# --- reading ---------------------------------------------------------------------------------


def list_of(register: Register, cid: str, *, now_s: int) -> list[dict[str, Any]]:
    """Mandates given and held, in date, the newest first."""
    is_side = (Mandate.subject == cid) | (Mandate.holder == cid)
    rows = Mandate.select().where(is_side & (Mandate.expires_at > now_s))
    return [describe(register, row) for row in rows.order_by(Mandate.opened_at.desc(), Mandate.id)]


def read_terms(register: Register, row: Mandate) -> Terms:
    """The opened terms; raises PersonKeyGone once the subject was erased."""
    opened = register.keys.load(row.subject).decrypt(bytes(row.sealed))
    return decode_canonical(Terms, opened.rstrip(b" "))


def describe(register: Register, row: Mandate) -> dict[str, Any]:
    """A mandate for its two sides."""
    terms = read_terms(register, row)
    return {
        "id": row.id,
        "kind": terms.kind,
        "scopes": list(terms.scopes),
        "subject": row.subject,
        "holder": row.holder,
        "status": row.status,
        "opened_at": row.opened_at,
        "expires_at": row.expires_at,
        "ended_at": row.ended_at,
    }
