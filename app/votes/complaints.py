"""Complaints about a vote, and the incident page: nothing that is said gets lost, nobody's words are published.

A complaint's hash goes to the chain at once, so that neither city hall nor the commission can unreceive it; its text
is sealed under a key outside the database, read by the commission, and deleted when appeals are over.
Reads and writes: `vote_complaint`, `vote_incident`.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec
import structlog
from nacl.secret import SecretBox
from peewee import fn

from app.core.codes import NOT_FOUND, is_retryable
from app.core.config import Config
from app.core.database import write
from app.core.problems import Problem
from app.core.projection import get_projector_state
from app.core.relay import Relay
from app.votes.board import find_election
from app.votes.codes import COMPLAINTS_CLOSED
from app.votes.models import AnchorRow, ComplaintRow, ElectionRow, IncidentRow
from chain.codec.canonical import b64url_decode, b64url_encode, encode_canonical
from chain.limits import VOTES_COMPLAINTS_MAX
from chain.town.envelope import build_transaction
from chain.town.votes_schemas import ElectionComplaint

KEY_LABEL: Final = b"votes complaints"
ANCHOR_LIFE_S: Final = 600
ANCHOR_BATCH: Final = 20
"""Hashes sent at once; whoever files thousands keeps nobody else's from the chain for longer than their turn."""
PURGED: Final = ("purging", "purged")
LIST_MAX: Final = 10_000
_log = structlog.get_logger("app.votes")


# --- complaints --------------------------------------------------------------------------------


def receive(
    config: Config, election: str, *, text: str, contact: str, now_s: int
) -> dict[str, Any]:
    """Keep a complaint; returns what its author needs to show later that it was made. Raises Problem."""
    row = find_election(election)
    if now_s >= row.appeals_close:
        raise Problem(COMPLAINTS_CLOSED)
    salt = b64url_encode(secrets.token_bytes(16))
    content = encode_canonical(
        {"contact": contact, "election": election, "salt": salt, "text": text}
    )
    digest = b64url_encode(sha256(content).digest())
    sealed = b64url_encode(SecretBox(config.derive_key(KEY_LABEL)).encrypt(content))
    with write():
        ComplaintRow.insert(
            digest=digest, election=election, sealed=sealed, received_at=now_s
        ).execute()
    return {"complaint": digest, "salt": salt, "received_at": now_s}


def list_public(election: str) -> list[dict[str, Any]]:
    """The register: number, hash, times, standing and answer; never the text."""
    find_election(election)
    anchors = {row.digest: row for row in AnchorRow.select().where(AnchorRow.election == election)}
    return [_describe(row, anchors.get(row.digest)) for row in _list(election)]


def list_read(config: Config, election: str) -> list[dict[str, Any]]:
    """The register as the commission reads it: with texts and contacts."""
    find_election(election)
    box = SecretBox(config.derive_key(KEY_LABEL))
    anchors = {row.digest: row for row in AnchorRow.select().where(AnchorRow.election == election)}
    return [
        {**_describe(row, anchors.get(row.digest)), **_open(box, row.sealed)}
        for row in _list(election)
    ]


def answer(digest: str, *, status: str, text: str, kid: str, now_s: int) -> dict[str, Any]:
    """Publish the commission's answer; raises Problem(not_found)."""
    with write():
        changed = (
            ComplaintRow.update(status=status, answer=text, answered_by=kid, answered_at=now_s)
            .where(ComplaintRow.digest == digest)
            .execute()
        )
    if not changed:
        raise Problem(NOT_FOUND)
    return _describe(
        ComplaintRow.get_by_id(digest), AnchorRow.get_or_none(AnchorRow.digest == digest)
    )


def anchor_waiting(config: Config, submit: Callable[..., Any], now_s: int) -> int:
    """Send the hashes that are not on the chain yet, signed by the gateway; returns how many were sent.

    What the chain refuses holds up no other; raises Problem when no node takes anything now.
    """
    key = config.gateway_key
    if key is None:
        return 0
    sent = 0
    for row in _list_waiting():
        body = ElectionComplaint(row.election, row.digest)
        nonce = sha256(f"{row.digest}|{now_s // ANCHOR_LIFE_S}".encode()).digest()[:16]
        exp = (now_s // ANCHOR_LIFE_S + 2) * ANCHOR_LIFE_S
        town = _read_town()
        raw = build_transaction(town, f"body:{key.body}", body, [key.signer], nonce, exp)
        try:
            submit(raw.decode("ascii"), types=("election.complaint",))
        except Problem as problem:
            if is_retryable(problem.code):
                raise
            _log.warning("complaint_refused", code=problem.code.name)
            continue
        sent += 1
    return sent


def anchor_quietly(config: Config, relay: Relay, now_s: int) -> None:
    """As `anchor_waiting`; what the chain refuses now comes again with the next call."""
    try:
        anchor_waiting(config, relay.submit, now_s)
    except Problem as problem:
        _log.warning("complaint_anchor", code=problem.code.name)


def _list_waiting() -> list[ComplaintRow]:
    """The oldest complaints the chain lacks, of elections whose register on the chain can still take one."""
    anchored = AnchorRow.select(AnchorRow.digest)
    full = (
        AnchorRow.select(AnchorRow.election)
        .group_by(AnchorRow.election)
        .having(fn.COUNT(AnchorRow.digest) >= VOTES_COMPLAINTS_MAX)
    )
    closed = ElectionRow.select(ElectionRow.election).where(ElectionRow.phase.in_(PURGED))
    rows = ComplaintRow.select().where(
        ComplaintRow.digest.not_in(anchored)
        & ComplaintRow.election.not_in(full)
        & ComplaintRow.election.not_in(closed)
    )
    ordered = rows.order_by(ComplaintRow.received_at, ComplaintRow.digest)
    return list(ordered.limit(ANCHOR_BATCH))


def _read_town() -> str:
    state = get_projector_state()
    return state.town if state is not None else ""


def _list(election: str) -> list[ComplaintRow]:
    rows = ComplaintRow.select().where(ComplaintRow.election == election)
    return list(rows.order_by(ComplaintRow.received_at, ComplaintRow.digest).limit(LIST_MAX))


def _describe(row: ComplaintRow, anchor: AnchorRow | None) -> dict[str, Any]:
    return {
        "complaint": row.digest,
        "received_at": row.received_at,
        "place": anchor.place if anchor is not None else 0,
        "anchored_at": anchor.at if anchor is not None else 0,
        "status": row.status,
        "answer": row.answer,
        "answered_at": row.answered_at,
    }


def _open(box: SecretBox, sealed: str) -> dict[str, str]:
    if not sealed:
        return {"text": "", "contact": ""}
    content = msgspec.json.decode(box.decrypt(b64url_decode(sealed)), type=dict[str, str])
    return {"text": content["text"], "contact": content["contact"]}


def forget_after_appeals(now_s: int) -> int:
    """Delete texts and contacts of complaints whose election's appeals are over; returns how many."""
    over = ElectionRow.select(ElectionRow.election).where(ElectionRow.appeals_close <= now_s)
    with write():
        return int(
            ComplaintRow.update(sealed="")
            .where(ComplaintRow.election.in_(over) & (ComplaintRow.sealed != ""))
            .execute()
        )


# --- incidents ---------------------------------------------------------------------------------


def publish_incident(
    election: str, *, level: str, text_fr: str, text_en: str, kid: str, now_s: int
) -> dict[str, Any]:
    """Put a line on the incident page; it is never taken off."""
    find_election(election)
    with write():
        row = IncidentRow.create(
            id=b64url_encode(secrets.token_bytes(16)),
            election=election,
            at=now_s,
            level=level,
            text_fr=text_fr,
            text_en=text_en,
            published_by=kid,
        )
    return _describe_incident(row)


def list_incidents(election: str) -> list[dict[str, Any]]:
    """The incident page, newest first."""
    find_election(election)
    rows = IncidentRow.select().where(IncidentRow.election == election)
    return [_describe_incident(row) for row in rows.order_by(IncidentRow.at.desc(), IncidentRow.id)]


def _describe_incident(row: IncidentRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("at", "level", "text_fr", "text_en")}
