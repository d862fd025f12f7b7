"""Sessions: what a login leaves behind, its short access tokens, and the refresh token that renews them.

One session belongs to one key (of an account, a role or a new device) and to one proof key (RFC 9449), which
serves no other login: two services of one person share nothing here. A refresh token is
`{session}.{generation}.{mac}`, the mac by a secret of the server: the database holds nothing that a thief of
the database could use, and every token ever given is recognised without being kept.

    present generation                          rotates: the next pair
    the one before, same key, within GRACE_S    the identical pair again (screens resume together)
    any older, or by another key                the session ends: two parties hold what one should
    a mac that is not ours                      refused, and nothing else happens

Reads: sessions, and what keys are on the chain now.  Writes: sessions.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, replace
from typing import Final

from app.auth.models import SessionRow
from app.auth.standing import find_standing
from app.core import audit_log
from app.core.access import FACTOR_SCOPES
from app.core.codes import (
    AUTH_PROOF_KEY_SHARED,
    AUTH_REFRESH_INVALID,
    AUTH_REFRESH_REUSED,
    AUTH_SESSION_ENDED,
    NOT_FOUND,
)
from app.core.context import Actor, get_clock, get_services
from app.core.database import find_row, write
from app.core.problems import Problem
from app.core.tokens import Claims, TokenIssuer
from chain.codec.canonical import b64url_encode

DAY_S: Final = 86_400
CITIZEN_LIFE_S: Final = 90 * DAY_S
"""A phone's session ends then whatever happens; the phone logs in again by itself with its key."""
AGENT_LIFE_S: Final = 12 * 3_600
"""A working day: an agent shows both factors again on the next one."""
TILL_LIFE_S: Final = 30 * DAY_S
"""As a till's role key (PROTOCOL §3)."""
GRACE_S: Final = 30
"""How long the token before still gives the same pair to the same key."""
ID_BYTES: Final = 16
_REFRESH: Final = re.compile(r"([A-Za-z0-9_-]{22})\.(0|[1-9][0-9]{0,8})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Grant:
    """A pair of tokens, and what they are of."""

    access_token: str
    refresh_token: str
    session: str
    scopes: frozenset[str]
    expires_at: int
    """When the session ends absolutely, unix seconds."""
    needs_factor: bool
    """The key is an agent's, and the session has not shown a second factor yet."""


# --- beginning and renewing ------------------------------------------------------------------


def start_session(kid: str, jkt: str) -> Grant:
    """Begin the session of a key that proved itself, for requests proved by `jkt`; raises Problem."""
    now_s, actor = get_clock().now_s(), find_standing(kid)
    _check_unshared(kid, jkt)
    row = SessionRow(
        id=b64url_encode(secrets.token_bytes(ID_BYTES)),
        kid=kid,
        subject=actor.subject,
        jkt=jkt,
        scope=" ".join(sorted(actor.scopes - FACTOR_SCOPES)),
        generation=0,
        started_at=now_s,
        rotated_at=now_s,
        expires_at=now_s + _life_s(actor.scopes),
    )
    with write():
        SessionRow.delete().where(SessionRow.expires_at <= now_s).execute()
        row.save(force_insert=True)
        if actor.scopes & FACTOR_SCOPES:
            audit_log.record("agent.login", who=kid, target=row.id)
    return _grant(row, actor)


def refresh_session(text: str, jkt: str) -> Grant:
    """The next pair for a refresh token; raises Problem and may end the session (see the module)."""
    now_s = get_clock().now_s()
    row, generation = _find_refresh(text)
    if row is None or row.ended_at or row.expires_at <= now_s:
        raise Problem(AUTH_REFRESH_INVALID)
    actor = find_standing(row.kid)
    if actor.subject != row.subject:
        end_session(row.id, "standing changed")
        raise Problem(AUTH_REFRESH_INVALID, "the key's standing changed")
    if jkt == row.jkt and generation == row.generation:
        row = _rotate(row, actor, now_s)
    if jkt == row.jkt and generation == row.generation - 1 and now_s - row.rotated_at <= GRACE_S:
        return _grant(row, actor)
    with write():
        if end_session(row.id, "refresh token used twice"):
            audit_log.record(
                "session.stolen",
                who=row.kid,
                target=row.id,
                reason="refresh_reused",
                outcome="ended",
            )
    raise Problem(AUTH_REFRESH_REUSED)


def _find_refresh(text: str) -> tuple[SessionRow | None, int]:
    """The session a refresh token names, if its mac is ours."""
    match = _REFRESH.fullmatch(text)
    if match is None:
        return None, 0
    generation = int(match[2])
    known = [_mac(key, match[1], generation) for key in _refresh_keys(get_services().tokens)]
    if not any(hmac.compare_digest(mac, match[3]) for mac in known):
        return None, 0
    return find_row(SessionRow, "id = ?", match[1]), generation


def _rotate(row: SessionRow, actor: Actor, now_s: int) -> SessionRow:
    """Take the session one generation on, once: whoever comes second finds it done."""
    is_present = (SessionRow.id == row.id) & (SessionRow.generation == row.generation)
    with write():
        SessionRow.update(
            generation=row.generation + 1,
            rotated_at=now_s,
            scope=" ".join(sorted(limit_scopes(actor.scopes, row))),
        ).where(is_present & (SessionRow.ended_at == 0)).execute()
        moved: SessionRow = SessionRow.get_by_id(row.id)
    if moved.ended_at:
        raise Problem(AUTH_REFRESH_INVALID)
    return moved


def elevate_session(session: str, factor: str) -> Grant:
    """The next pair of a session whose holder has just shown a second factor.

    It ends a working day from now at the latest: one that began before its key had a role began with longer.
    """
    now_s = get_clock().now_s()
    with write():
        is_open = (SessionRow.id == session) & (SessionRow.ended_at == 0)
        SessionRow.update(factor=factor, factor_at=now_s).where(is_open).execute()
        SessionRow.update(expires_at=now_s + AGENT_LIFE_S).where(
            is_open & (SessionRow.expires_at > now_s + AGENT_LIFE_S)
        ).execute()
        audit_log.record("agent.factor", target=session, reason=factor)
    row: SessionRow = SessionRow.get_by_id(session)
    actor = find_standing(row.kid)
    return _grant(_rotate(row, actor, now_s), actor)


def _grant(row: SessionRow, actor: Actor) -> Grant:
    """The pair of the row's generation: the same one however often it is asked for."""
    tokens = get_services().tokens
    key = _refresh_keys(tokens)[0]
    scopes = frozenset(row.scope.split())
    access = tokens.issue(
        subject=row.subject,
        session=row.id,
        jkt=row.jkt,
        scopes=scopes,
        now_s=row.rotated_at,
        token_id=_mac(key, row.id, row.generation, b"jti")[:22],
    )
    refresh = f"{row.id}.{row.generation}.{_mac(key, row.id, row.generation)}"
    needs_factor = bool(actor.scopes & FACTOR_SCOPES) and not row.factor
    return Grant(access, refresh, row.id, scopes, row.expires_at, needs_factor)


def _refresh_keys(tokens: TokenIssuer) -> list[bytes]:
    return tokens.derive_secrets(b"refresh")


def _mac(key: bytes, session: str, generation: int, what: bytes = b"refresh") -> str:
    message = b"%s %s %d" % (what, session.encode(), generation)
    return b64url_encode(hmac.digest(key, message, "sha256"))


def _life_s(scopes: frozenset[str]) -> int:
    if scopes & FACTOR_SCOPES:
        return AGENT_LIFE_S
    return TILL_LIFE_S if "till" in scopes else CITIZEN_LIFE_S


def _check_unshared(kid: str, jkt: str) -> None:
    """A proof key of two logins would tell that both are one person's; a wallet key would tell the account."""
    other = find_row(SessionRow, "jkt = ? AND kid <> ?", jkt, kid)
    if jkt == kid or other is not None or find_standing(jkt).scopes != {"device"}:
        raise Problem(AUTH_PROOF_KEY_SHARED)


# --- every request ---------------------------------------------------------------------------


def limit_scopes(scopes: frozenset[str], row: SessionRow) -> frozenset[str]:
    """What a session may use of what its key is: an agent's scopes only once it showed a factor."""
    return scopes if row.factor else scopes - FACTOR_SCOPES


def admit(claims: Claims) -> Actor:
    """Who a good token speaks for now; raises Problem when its session ended."""
    row = find_row(SessionRow, "id = ?", claims.session)
    is_over = row is None or row.ended_at or row.expires_at <= get_clock().now_s()
    if row is None or is_over or row.jkt != claims.jkt:
        raise Problem(
            AUTH_SESSION_ENDED, headers={"WWW-Authenticate": 'DPoP error="invalid_token"'}
        )
    actor = find_standing(row.kid)
    scopes = limit_scopes(actor.scopes, row)
    return replace(actor, scopes=scopes, session=row.id, proven_at=row.factor_at)


# --- looking and ending ----------------------------------------------------------------------


def list_sessions(subject: str, now_s: int) -> list[SessionRow]:
    """Open sessions of one account or role, newest first."""
    mine = (SessionRow.subject == subject) & (SessionRow.ended_at == 0)
    alive = SessionRow.expires_at > now_s
    return list(SessionRow.select().where(mine & alive).order_by(SessionRow.started_at.desc()))


def end_own_session(session: str, subject: str) -> None:
    """Close one of one's own sessions; raises Problem(not_found) for anybody else's."""
    row = find_row(SessionRow, "id = ? AND subject = ?", session, subject)
    if row is None:
        raise Problem(NOT_FOUND)
    end_session(row.id, "closed by its owner")


def end_session(session: str, reason: str) -> bool:
    """Close a session: its tokens are refused from the next request on; False when it was closed before."""
    with write():
        done = (
            SessionRow.update(ended_at=get_clock().now_s(), end_reason=reason)
            .where((SessionRow.id == session) & (SessionRow.ended_at == 0))
            .execute()
        )
    return bool(done == 1)


def end_sessions_of_key(kid: str, reason: str) -> int:
    """Close every session of a key, for a supervisor; returns how many were open."""
    with write():
        ended = (
            SessionRow.update(ended_at=get_clock().now_s(), end_reason=reason)
            .where((SessionRow.kid == kid) & (SessionRow.ended_at == 0))
            .execute()
        )
        audit_log.record("sessions.end", target=kid)
    return int(ended)
