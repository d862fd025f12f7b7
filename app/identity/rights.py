"""What citizens may ask of the register (GDPR art. 15-18, 20): a copy with proofs, a correction, a halt, an end.

An identity that is on the chain ends by the word of two agents (`id.status` erased), so its erasure is a request
that the desk answers; one that waits for its batch is erased at once. What was asked is sealed like the file.
Reads and writes: `rights_request`, `person`, the register.  Never: keeps a copy of an export.
"""

import json
import secrets
from typing import Any, Final

import msgspec

from app.core.codes import NOT_FOUND
from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.identity import codes, personal
from app.identity.duplicates import log_desk
from app.identity.keystore import PersonKeyGone
from app.identity.models import IdentityRow, Person, RightsRequest
from app.identity.own import describe_own, list_desk_entries
from app.identity.register import Register
from app.identity.retention import BACKUP_DAYS, describe_rules
from app.identity.waiting import ERASURE, claim_unsent
from chain.codec.canonical import b64url_encode

RECTIFICATION: Final = "rectification"
DONE: Final = "done"
OUTCOMES: Final = (DONE, "proof_missing", "unfounded", "legal_duty")
"""How the desk answers; free text would hold civil data."""
ANSWER_DAYS: Final = 30
"""One month, GDPR art. 12.3."""
DAY_S: Final = 86_400
OPEN_REQUESTS_MAX: Final = 3
ELSEWHERE: Final = {
    "loyalty": "/v1/loyalty/accounts/me, /v1/loyalty/operations",
    "accounts": "/v1/accounts/me",
}
"""Other domains' data belong to accounts that this register does not join: each is exported with its own key."""


def build_export(
    register: Register, row: IdentityRow | None, person: Person | None, *, now_s: int
) -> dict[str, Any]:
    """Everything the town holds of whoever asks, in one document; the caller adds the proof."""
    sealed = None if person is None else register.read_file(person.cid)
    own = describe_own(row, person, sealed)
    return {
        "made_at": now_s,
        "identity": own,
        "title_seen": "" if sealed is None else sealed.title_seen,
        "attestation": "" if person is None else person.attestation,
        "restricted_at": 0 if person is None else person.restricted_at,
        "access_log": list_desk_entries(own["cid"]),
        "requests": list_requests(register, own["cid"]),
        "rows": personal.dump_rows(own["cid"]),
        "retention": describe_rules(),
        "elsewhere": ELSEWHERE,
    }


def set_restriction(person: Person | None, *, is_restricted: bool, now_s: int) -> int:
    """Close the own file to agents, or open it again; returns since when it is closed, 0 if open."""
    if person is None:
        raise Problem(NOT_FOUND)
    since = (person.restricted_at or now_s) if is_restricted else 0
    with write():
        Person.update(restricted_at=since).where(Person.cid == person.cid).execute()
    return int(since)


def ask(
    register: Register,
    row: IdentityRow | None,
    person: Person | None,
    *,
    kind: str,
    wanted: dict[str, Any],
    now_s: int,
) -> dict[str, Any]:
    """Note a citizen's request; an erasure of what was never sent to the chain is done at once."""
    if person is None:
        raise Problem(NOT_FOUND)
    if kind == ERASURE and row is None and claim_unsent(person.cid):
        register.erase(person.cid, now_s=now_s)
        return _describe_erased(now_s)
    waiting = (RightsRequest.cid == person.cid) & (RightsRequest.outcome == "")
    if RightsRequest.select().where(waiting).count() >= OPEN_REQUESTS_MAX:
        raise Problem(codes.RIGHTS_REQUESTS_OPEN)
    with write():
        request = RightsRequest.create(
            id=b64url_encode(secrets.token_bytes(16)),
            cid=person.cid,
            kind=kind,
            sealed=register.seal(person.cid, wanted),
            asked_at=now_s,
        )
    return _describe(request, wanted)


def list_requests(register: Register, cid: str) -> list[dict[str, Any]]:
    """A citizen's own requests with what was asked, oldest first."""
    rows = RightsRequest.select().where(RightsRequest.cid == cid)
    rows = rows.order_by(RightsRequest.asked_at, RightsRequest.id)
    return [_describe(row, _unseal(register, row)) for row in rows]


def list_open_requests() -> list[dict[str, Any]]:
    """What the desk has to answer, oldest first; what was asked is in the file, opened with a reason."""
    rows = RightsRequest.select().where(RightsRequest.outcome == "")
    return [
        {"cid": row.cid, **_describe(row, {})}
        for row in rows.order_by(RightsRequest.asked_at, RightsRequest.id)
    ]


def open_request(
    register: Register, request_id: str, *, agent: Actor, now_s: int
) -> dict[str, Any]:
    """What a citizen asked, for an agent; logged like any reading."""
    row = RightsRequest.get_or_none(RightsRequest.id == request_id)
    if row is None:
        raise Problem(NOT_FOUND)
    register.check_not_own(agent.kid, row.cid)
    with write():
        log_desk(agent, "read", row.cid, "rights_request", now_s)
    return {"cid": row.cid, **_describe(row, _unseal(register, row))}


def answer(
    register: Register, request_id: str, *, agent: Actor, outcome: str, now_s: int
) -> dict[str, Any]:
    """Close a request with the desk's answer; raises Problem when it is closed or the agent's own."""
    row = RightsRequest.get_or_none(RightsRequest.id == request_id)
    if row is None:
        raise Problem(NOT_FOUND)
    register.check_not_own(agent.kid, row.cid)
    with write():
        closed = RightsRequest.update(outcome=outcome, closed_at=now_s, closed_by=agent.kid).where(
            (RightsRequest.id == request_id) & (RightsRequest.outcome == "")
        )
        if closed.execute() != 1:
            raise Problem(codes.ENROLMENT_WRONG_STATE, "answered already")
        log_desk(agent, "answer", row.cid, outcome, now_s)
    return {"cid": row.cid, **_describe(RightsRequest.get_by_id(request_id), {})}


def _unseal(register: Register, row: RightsRequest) -> dict[str, Any]:
    try:
        wanted: dict[str, Any] = json.loads(register.unseal(row.cid, row.sealed))
    except PersonKeyGone:
        return {}
    return wanted


def _describe(row: RightsRequest, wanted: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "wanted": msgspec.to_builtins(wanted),
        "asked_at": row.asked_at,
        "due_at": row.asked_at + ANSWER_DAYS * DAY_S,
        "outcome": row.outcome,
        "closed_at": row.closed_at,
        "complete_at": 0,
    }


def _describe_erased(now_s: int) -> dict[str, Any]:
    """The file is gone here; its last copy goes with the last backup of the key store."""
    return {
        "id": "",
        "kind": ERASURE,
        "wanted": {},
        "asked_at": now_s,
        "due_at": now_s,
        "outcome": DONE,
        "closed_at": now_s,
        "complete_at": now_s + BACKUP_DAYS * DAY_S,
    }
