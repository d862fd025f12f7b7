"""The audit log: who did what to which object, when, where and with what outcome; each entry seals the last.

An entry's hash covers its fields and the hash before it, so that a changed, removed or inserted row breaks
the chain at that place; a gateway anchors the newest head on the town's chain every day, so that the whole
log cannot be written anew either. `beffroi audit log` recomputes both.

An entry names keys and random ids, never a person: no name, no address, no token, and reasons come from short
lists. Reads and writes: table audit_entries.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from flask import g, has_request_context, request
from peewee import BigIntegerField, CharField

from app.core.context import get_actor, get_clock
from app.core.database import Row, is_postgres, run_sql, write
from chain.codec.canonical import b64url_encode, encode_canonical

LABEL: Final = b"beffroi-audit-entry-1"
NO_ENTRY: Final = b64url_encode(bytes(32))
"""What the first entry follows."""
WORD: Final = re.compile(r"[a-z0-9_.:-]{0,40}\Z")
"""Form of actions, reasons and outcomes: words of ours, so that nothing civil gets in."""
NAME: Final = re.compile(r"[A-Za-z0-9_:-]{0,64}\Z")
"""Form of keys and objects: thumbprints, random ids, bodies."""
_LOCK: Final = 0x6265_6666_726F_6901
"""Of PostgreSQL's advisory lock: one writer of the log at a time."""


class AuditEntry(Row):
    """One line of the log."""

    seq = BigIntegerField(primary_key=True)
    at = BigIntegerField()
    who = CharField(max_length=64, index=True)
    action = CharField(max_length=40)
    target = CharField(max_length=64, index=True)
    place = CharField(max_length=120)
    reason = CharField(max_length=40)
    outcome = CharField(max_length=40)
    hash = CharField(max_length=43)

    class Meta:
        """Table `audit_entries`."""

        table_name = "audit_entries"


@dataclass(frozen=True, slots=True)
class Head:
    """How many entries the log has, and the hash of the last (NO_ENTRY of an empty log)."""

    count: int
    hash: str


def record(
    action: str, *, target: str = "", who: str = "", reason: str = "", outcome: str = "done"
) -> None:
    """Add one entry, in the transaction of what it tells of; `who` is the asking key unless given.

    Raises AssertionError for a text that is not one of our words: that would be a defect of the caller.
    """
    actor = get_actor() if has_request_context() else None
    who = who or (actor.kid if actor is not None else "")
    for text, form in (
        (action, WORD),
        (reason, WORD),
        (outcome, WORD),
        (who, NAME),
        (target, NAME),
    ):
        assert form.match(text), f"{text[:20]!r} has no place in the audit log"
    with write():
        if is_postgres():
            run_sql("SELECT pg_advisory_xact_lock(?)", _LOCK)
        before = read_head()
        fields = {
            "seq": before.count + 1,
            "at": get_clock().now_s(),
            "who": who,
            "action": action,
            "target": target,
            "place": _place(),
            "reason": reason,
            "outcome": outcome,
        }
        AuditEntry.insert(**fields, hash=seal(before.hash, fields)).execute()


def seal(before: str, fields: dict[str, Any]) -> str:
    """Hash of an entry: its fields in canonical JSON after the hash before it, base64url."""
    return b64url_encode(sha256(LABEL + before.encode() + encode_canonical(fields)).digest())


def read_head() -> Head:
    """The log's present head."""
    row = run_sql("SELECT seq, hash FROM audit_entries ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(0, NO_ENTRY) if row is None else Head(int(row[0]), str(row[1]))


def _place() -> str:
    """The route and the request's trace id: enough to find it in the server's log, and no address."""
    if not has_request_context():
        return "command"
    return f"{request.method} {request.url_rule or '-'} {g.get('trace_id', '')}"[:120]


# --- checking --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the log is not what it was."""

    seq: int
    what: str


def verify_entries(heads: dict[int, str]) -> Break | None:
    """Recompute every entry; `heads` are anchored heads by count. None when all fits."""
    expected, before = 1, NO_ENTRY
    for row in _walk():
        fields = {name: row.__data__[name] for name in row.__data__ if name != "hash"}
        if row.seq != expected:
            return Break(expected, f"entry {expected} is missing")
        if seal(before, fields) != row.hash:
            return Break(row.seq, f"entry {row.seq} was changed, or one before it")
        if heads.get(row.seq, row.hash) != row.hash:
            return Break(
                row.seq, f"the log was written anew: entry {row.seq} is not the anchored one"
            )
        expected, before = row.seq + 1, row.hash
    missing = sorted(count for count in heads if count >= expected)
    if missing:
        return Break(
            expected, f"entries up to {missing[-1]} were anchored, {expected - 1} are here"
        )
    return None


def _walk() -> Iterator[AuditEntry]:
    yield from AuditEntry.select().order_by(AuditEntry.seq).iterator()
