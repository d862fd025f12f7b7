"""`Idempotency-Key`: a repeated request gets the first one's answer, never a second effect.

Scoped by (client key, route, header value), kept 24 h. The same body replays the stored answer and says
`Idempotent-Replayed: true`; another body is 422; while the first runs, 409. A run that died with its
process may be taken over after a lease: the chain itself takes a transaction once, by its hash.
Answers that promise nothing (5xx, 429) are not stored.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any, Final, ParamSpec

from flask import Response, make_response, request
from peewee import (
    BigIntegerField,
    CharField,
    CompositeKey,
    IntegerField,
    TextField,
)

from app.core.codes import (
    IDEMPOTENCY_IN_PROGRESS,
    IDEMPOTENCY_KEY_REQUIRED,
    IDEMPOTENCY_KEY_REUSED,
)
from app.core.context import get_actor, get_clock, get_config
from app.core.database import Row, run_sql, write
from app.core.problems import Problem, build_problem_response

HEADER: Final = "Idempotency-Key"
KEPT_S: Final = 24 * 3_600
LEASE_S: Final = 60
"""Longer than any request may run; a started row older than this belongs to a dead process."""
PURGE_BATCH: Final = 200
PURGE_EVERY_S: Final = 60
_CLAIM: Final = (
    "INSERT INTO idempotency (client, route, key, fingerprint, started_at, status, headers, body)"
    " VALUES (?, ?, ?, ?, ?, 0, '', '') ON CONFLICT DO NOTHING"
)
_FINISH: Final = (
    "UPDATE idempotency SET status = ?, headers = ?, body = ?"
    " WHERE client = ? AND route = ? AND key = ?"
)
_purged_at_s = [0]
"""When this process last dropped old rows."""
_KEY = re.compile(r"[\x21-\x7e]{8,255}")
_KEPT_HEADERS: Final = ("Location", "Content-Type", "Content-Language", "Preference-Applied")
P = ParamSpec("P")


class IdempotencyRecord(Row):
    """One first request; `status` 0 while it runs."""

    client = CharField(max_length=64)
    route = CharField(max_length=120)
    key = CharField(max_length=255)
    fingerprint = CharField(max_length=64)
    started_at = BigIntegerField(index=True)
    status = IntegerField(default=0)
    headers = TextField(default="")
    body = TextField(default="")

    class Meta:
        """Table `idempotency`."""

        table_name = "idempotency"
        primary_key = CompositeKey("client", "route", "key")


def idempotent(view: Callable[P, Any]) -> Callable[P, Response]:
    """Require the header on a route that creates value, and answer repetitions from the record."""

    @wraps(view)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Response:
        identity = _read_identity()
        fingerprint = _compute_fingerprint()
        replay = _begin(identity, fingerprint)
        if replay is not None:
            return replay
        try:
            response = make_response(view(*args, **kwargs))
        except Problem as problem:
            response = build_problem_response(problem)
        except BaseException:
            _forget(identity)
            raise
        _finish(identity, response)
        return response

    wrapper._apidoc = _document(view)  # type: ignore[attr-defined]
    return wrapper


def _document(view: Any) -> dict[str, Any]:
    apidoc = deepcopy(getattr(view, "_apidoc", {}))
    parameters = apidoc.setdefault("arguments", {}).setdefault("parameters", [])
    parameters.append(
        {
            "in": "header",
            "name": HEADER,
            "required": True,
            "description": "one per intended effect; a repetition gets the first answer",
            "schema": {"type": "string", "pattern": "^[!-~]{8,255}$"},
        }
    )
    return apidoc


def _read_identity() -> tuple[str, str, str]:
    key = request.headers.get(HEADER, "").strip().strip('"')
    if not _KEY.fullmatch(key):
        raise Problem(IDEMPOTENCY_KEY_REQUIRED)
    actor = get_actor()
    client = actor.kid if actor is not None else str(request.remote_addr)[:64]
    return client, f"{request.method} {request.path}"[:120], key


def _compute_fingerprint() -> str:
    """Keyed: a body may hold a name and a birth date, and a plain digest of those is found by trying."""
    key = get_config().derive_key(b"idempotency")
    return hmac.new(key, request.get_data(cache=True), hashlib.sha256).hexdigest()


def _where(identity: tuple[str, str, str]) -> Any:
    client, route, key = identity
    return (
        (IdempotencyRecord.client == client)
        & (IdempotencyRecord.route == route)
        & (IdempotencyRecord.key == key)
    )


def _begin(identity: tuple[str, str, str], fingerprint: str) -> Response | None:
    """Claim the key, or give back the stored answer; raises Problem for a clash or a running twin."""
    now_s = get_clock().now_s()
    with write():
        if _claim(identity, fingerprint, now_s):
            return None
        found = IdempotencyRecord.get_or_none(_where(identity))
        if found is None or _is_stale(found, now_s):
            IdempotencyRecord.delete().where(_where(identity)).execute()
            if _claim(identity, fingerprint, now_s):
                return None
            # PostgreSQL: a twin got here between our two statements
            raise Problem(IDEMPOTENCY_IN_PROGRESS, headers={"Retry-After": "1"})
    if found.fingerprint != fingerprint:
        raise Problem(IDEMPOTENCY_KEY_REUSED)
    if found.status == 0:
        raise Problem(IDEMPOTENCY_IN_PROGRESS, headers={"Retry-After": "1"})
    return _rebuild(found)


def _claim(identity: tuple[str, str, str], fingerprint: str, now_s: int) -> bool:
    """Write the key's row unless it has one; the usual first request costs this one statement."""
    if abs(now_s - _purged_at_s[0]) >= PURGE_EVERY_S:
        is_done = _purge(now_s) < PURGE_BATCH
        _purged_at_s[0] = now_s if is_done else 0  # a busy day's rows: the next request goes on
    return bool(run_sql(_CLAIM, *identity, fingerprint, now_s).rowcount == 1)


def _is_stale(found: IdempotencyRecord, now_s: int) -> bool:
    age_s = now_s - found.started_at
    return age_s > KEPT_S or (found.status == 0 and age_s > LEASE_S)


def _purge(now_s: int) -> int:
    """Drop a few records past their time, so that the table stays bounded without a job; returns how many."""
    old = (
        IdempotencyRecord.select()
        .where(IdempotencyRecord.started_at < now_s - KEPT_S)
        .order_by(IdempotencyRecord.started_at)
        .limit(PURGE_BATCH)
    )
    dropped = list(old)
    for record in dropped:
        record.delete_instance()
    return len(dropped)


def _rebuild(found: IdempotencyRecord) -> Response:
    response = Response(found.body, status=found.status)
    for line in found.headers.splitlines():
        name, _, value = line.partition(": ")
        response.headers[name] = value
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _finish(identity: tuple[str, str, str], response: Response) -> None:
    if response.status_code >= 500 or response.status_code == 429:
        _forget(identity)
        return
    kept = [
        f"{name}: {response.headers[name]}" for name in _KEPT_HEADERS if name in response.headers
    ]
    body = response.get_data(as_text=True)
    with write():
        run_sql(_FINISH, response.status_code, "\n".join(kept), body, *identity)


def _forget(identity: tuple[str, str, str]) -> None:
    with write():
        IdempotencyRecord.delete().where(_where(identity)).execute()
