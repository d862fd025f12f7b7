"""How long the register keeps what, in one table, and the job that ends it (`beffroi register purge`).

`RULES` is the whole list; docs/privacy.md repeats it and a test compares the two. Every rule works on a clock that it
is handed, and may be run as often as one likes.
Reads and writes: the register's tables.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from app.city.service import find_live_role
from app.core.database import forget_deleted, write
from app.core.projection import find_transaction
from app.identity.enrolment import DRAFTED
from app.identity.lifecycle.forgetting import purge_life
from app.identity.models import (
    AgentPerson,
    BallotBlock,
    DeskEntry,
    DeskReview,
    Enrolment,
    IdentityRow,
    Person,
    RightsRequest,
    Tombstone,
)
from app.identity.personal import list_personal_tables
from app.identity.register import Register
from app.identity.reviews import SECOND
from app.identity.waiting import ERASING, IN_FLIGHT_S, WAITING, open_erasures

DAY_S: Final = 86_400
BACKUP_DAYS: Final = 30
"""Oldest backup of the key store (PROTOCOL §6): an erasure is complete after it."""
ENROLMENT_DAYS: Final = 1
UNDECIDED_DAYS: Final = 30
PENDING_DAYS: Final = 90
ENDED_DAYS: Final = 365
"""Balances stay usable for six months after a move, and estates and objections take their time."""
EXPIRED_DAYS: Final = 730
LOG_DAYS: Final = 365
_ENDED: Final = ("moved_out", "ended", "merged", "revoked")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the retention table; `purge` returns how many rows or files went."""

    name: str
    what: str
    kept: str
    purge: Callable[[Register, int], int]


def purge(register: Register, *, now_s: int) -> dict[str, int]:
    """Run every rule, then drop what the database's files still hold of it; returns how many each ended."""
    ended = {rule.name: rule.purge(register, now_s) for rule in RULES}
    forget_deleted(list_personal_tables())
    return ended


def describe_rules() -> list[dict[str, Any]]:
    """The table, for citizens and operators."""
    return [{"name": rule.name, "what": rule.what, "kept": rule.kept} for rule in RULES]


def _erase_all(register: Register, cids: Iterable[str], now_s: int) -> int:
    found = sorted(set(cids))
    for cid in found:
        register.erase(cid, now_s=now_s)
    return len(found)


def _erased(register: Register, now_s: int) -> int:
    return register.sweep_erased(now_s=now_s) + _never_arrived(register, now_s)


def _never_arrived(register: Register, now_s: int) -> int:
    """Who asked for erasure with a batch on its way that cannot arrive any more, and erasures cut short."""
    asked = RightsRequest.select(RightsRequest.cid).where(
        RightsRequest.cid.in_(open_erasures()) & (RightsRequest.asked_at < now_s - IN_FLIGHT_S)
    )
    gone = Person.select(Person.cid).where(
        (Person.cid.in_(asked) | (Person.status == ERASING))
        & Person.cid.not_in(IdentityRow.select(IdentityRow.cid))
    )
    return _erase_all(register, [person.cid for person in gone], now_s)


def _drafts(register: Register, now_s: int) -> int:
    stale = Enrolment.select().where(
        (Enrolment.status == DRAFTED) & (Enrolment.expires_at <= now_s)
    )
    cids = [row.cid for row in stale]
    unsigned = Person.select(Person.cid).where(Person.cid.in_(cids) & (Person.attested_at == 0))
    return _erase_all(register, (person.cid for person in unsigned), now_s)


def _enrolments(_register: Register, now_s: int) -> int:
    with write():
        return int(
            Enrolment.delete()
            .where(Enrolment.expires_at < now_s - ENROLMENT_DAYS * DAY_S)
            .execute()
        )


def _undecided(register: Register, now_s: int) -> int:
    return _erase_waiting(register, (SECOND,), UNDECIDED_DAYS, now_s)


def _pending(register: Register, now_s: int) -> int:
    return _erase_waiting(register, WAITING, PENDING_DAYS, now_s)


def _erase_waiting(register: Register, statuses: tuple[str, ...], days: int, now_s: int) -> int:
    """Files attested long ago that the chain still does not know."""
    old = Person.select(Person.cid).where(
        Person.status.in_(statuses)
        & (Person.attested_at > 0)
        & (Person.attested_at < now_s - days * DAY_S)
        & Person.cid.not_in(IdentityRow.select(IdentityRow.cid))
    )
    return _erase_all(register, (person.cid for person in old), now_s)


def _ended(register: Register, now_s: int) -> int:
    return _erase_standing(register, _ENDED, ENDED_DAYS, now_s)


def _expired(register: Register, now_s: int) -> int:
    return _erase_standing(register, ("expired",), EXPIRED_DAYS, now_s)


def _erase_standing(register: Register, statuses: tuple[str, ...], days: int, now_s: int) -> int:
    rows = (
        IdentityRow.select(IdentityRow.cid, IdentityRow.payload_hash)
        .join(Person, on=(Person.cid == IdentityRow.cid))
        .where(IdentityRow.status.in_(statuses) & (Person.restricted_at == 0))
    )
    before_s = now_s - days * DAY_S
    return _erase_all(
        register, (row.cid for row in rows if _written_s(row.payload_hash, now_s) < before_s), now_s
    )


def _written_s(payload_hash: str, now_s: int) -> int:
    """Header time of the transaction that gave the identity its status; now, where it is not known."""
    found = find_transaction(payload_hash)
    return now_s if found is None else int(found.time_s)


def _entries(_register: Register, now_s: int) -> int:
    with write():
        return int(DeskEntry.delete().where(DeskEntry.at < now_s - LOG_DAYS * DAY_S).execute())


def _reviews(_register: Register, now_s: int) -> int:
    old = (DeskReview.decided_at > 0) & (DeskReview.decided_at < now_s - LOG_DAYS * DAY_S)
    with write():
        return int(DeskReview.delete().where(old).execute())


def _requests(_register: Register, now_s: int) -> int:
    old = (RightsRequest.closed_at > 0) & (RightsRequest.closed_at < now_s - LOG_DAYS * DAY_S)
    with write():
        return int(RightsRequest.delete().where(old).execute())


def _ballots(_register: Register, now_s: int) -> int:
    with write():
        marks = Tombstone.delete().where(Tombstone.until <= now_s).execute()
        blocks = BallotBlock.delete().where(BallotBlock.until <= now_s).execute()
    return int(marks + blocks)


def _life(_register: Register, now_s: int) -> int:
    return purge_life(now_s)


def _agents(_register: Register, now_s: int) -> int:
    gone = [
        row.kid
        for row in AgentPerson.select(AgentPerson.kid)
        if find_live_role(row.kid, now_s) is None
    ]
    with write():
        return int(AgentPerson.delete().where(AgentPerson.kid.in_(gone)).execute())


RULES: Final = (
    Rule("erased", "files whose erasure the chain or the erasure log says", "not at all", _erased),
    Rule("drafts", "files that no agent signed", "10 minutes; 14 days by FranceConnect", _drafts),
    Rule("enrolments", "a phone at the desk", "1 day after its end", _enrolments),
    Rule("undecided", "files that no second agent decided", "30 days", _undecided),
    Rule("pending", "files that no batch could write", "90 days", _pending),
    Rule("ended", "files of identities moved out, ended, merged or revoked", "1 year", _ended),
    Rule("expired", "files of expired identities", "2 years", _expired),
    Rule("entries", "lines of the access log", "1 year", _entries),
    Rule("reviews", "decided reviews", "1 year", _reviews),
    Rule("requests", "answered requests", "1 year", _requests),
    Rule("ballots", "marks of erased persons in ballots", "until the ballot is over", _ballots),
    Rule(
        "life",
        "ended mandates, letters of recoveries, acts out of time",
        "1 year, 90 days, none",
        _life,
    ),
    Rule("agents", "which file is an agent's own", "while the role key lives", _agents),
)
"""The retention table."""
