"""Is this person enrolled already? Keyed digests meet; a search is counted, logged, and thirty an hour.

A strict hit is the same person: the desk links the new phone to the old identity. A loose or swap hit is a
likeness (twin, namesake, married name): a human decides with a reason, and a second agent looks.
Reads: `duplicate_index`, `identity`, `person`, `desk_entry`.  Writes: `desk_entry`.  Never: tells a name.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from app.core import audit_log
from app.core.context import Actor
from app.core.database import insert_row, lock_until_commit, write
from app.core.problems import Problem
from app.identity import codes
from app.identity.civil import Civil, list_digests
from app.identity.indexkeys import IndexKey
from app.identity.models import DeskEntry, DuplicateIndex, IdentityRow, Person

SEARCHES_PER_HOUR: Final = 30
"""Duplicate searches of one agent (PROTOCOL §6); each draft is one."""
HOUR_S: Final = 3_600
LIKENESS_REASONS: Final = ("twin", "namesake", "inverted_names", "married_name")
"""Why a similar file is another person."""
RETURNED: Final = "returned"
"""The same person came back after an identity that ended for good."""
LEFT: Final = frozenset({"moved_out", "merged", "revoked"})
"""Ends after which a person may be enrolled anew; a death is corrected first."""
DUPLICATE: Final = "duplicate"
KINDS: Final = ("strict", "loose", "swap")
"""First column of the table's index: without it a search would read every row."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be the same person's: how they meet, and how its identity stands."""

    cid: str
    kinds: tuple[str, ...]
    status: str

    @property
    def is_same(self) -> bool:
        """Names, birth and place all meet."""
        return "strict" in self.kinds

    def describe(self) -> dict[str, Any]:
        """What the clerk may know of it without opening it."""
        return {"cid": self.cid, "kinds": list(self.kinds), "status": self.status}


def find_candidates(
    keys: Iterable[IndexKey], civil: Civil, *, besides: Iterable[str] = ()
) -> tuple[Candidate, ...]:
    """Files whose digests meet this person's, under any live version of the index key."""
    digests = {digest for key in keys for _, digest in list_digests(key.key, civil)}
    kinds: dict[str, set[str]] = {}
    met = DuplicateIndex.kind.in_(KINDS) & DuplicateIndex.digest.in_(sorted(digests))
    for row in DuplicateIndex.select().where(met):
        kinds.setdefault(row.cid, set()).add(row.kind)
    found = [cid for cid in sorted(kinds) if cid not in set(besides)]
    status = _read_statuses(found)
    return tuple(Candidate(cid, tuple(sorted(kinds[cid])), status[cid]) for cid in found)


def judge(candidates: tuple[Candidate, ...], *, reason: str) -> str:
    """`duplicate` when the agent decided a likeness with a reason, empty without one; raises Problem."""
    if not candidates:
        return ""
    extra = {"candidates": [candidate.describe() for candidate in candidates]}
    same = [candidate for candidate in candidates if candidate.is_same]
    if any(candidate.status not in LEFT for candidate in same):
        raise Problem(codes.IDENTITY_DUPLICATE, extra=extra)
    if reason not in ((RETURNED,) if same else LIKENESS_REASONS):
        kinds = sorted({kind for candidate in candidates for kind in candidate.kinds})
        raise Problem(codes.IDENTITY_DUPLICATE_UNDECIDED, ", ".join(kinds), extra=extra)
    return DUPLICATE


def charge_search(clerk: Actor, reason: str, now_s: int) -> int:
    """Count and log one search for duplicates; returns how many are left, raises Problem beyond the last."""
    with write():
        lock_until_commit(f"identity.searches.{clerk.kid}")
        done = (
            DeskEntry.select()
            .where(
                (DeskEntry.clerk == clerk.kid)
                & (DeskEntry.action == "search")
                & (DeskEntry.at > now_s - HOUR_S)
            )
            .count()
        )
        if done >= SEARCHES_PER_HOUR:
            raise Problem(codes.IDENTITY_SEARCHES_EXCEEDED, headers={"Retry-After": "600"})
        log_desk(clerk, "search", "", reason, now_s)
    return SEARCHES_PER_HOUR - done - 1


def log_matches(clerk: Actor, cids: Iterable[str], reason: str, now_s: int) -> None:
    """Tell the persons whom a search met: their access logs show it."""
    with write():
        for cid in cids:
            log_desk(clerk, "match", cid, reason, now_s)


def log_desk(clerk: Actor, action: str, cid: str, reason: str, now_s: int) -> None:
    """Write one line of the desk's log and one of the audit log, inside the caller's transaction."""
    audit_log.record(f"desk.{action}", target=cid, who=clerk.kid, reason=reason)
    line = {"at": now_s, "clerk": clerk.kid, "action": action, "cid": cid, "reason": reason}
    insert_row(DeskEntry, line)


def _read_statuses(cids: list[str]) -> dict[str, str]:
    """The chain's word on each, else the desk's."""
    status = dict.fromkeys(cids, "pending")
    for person in Person.select(Person.cid, Person.status).where(Person.cid.in_(cids)):
        status[person.cid] = person.status
    for row in IdentityRow.select(IdentityRow.cid, IdentityRow.status).where(
        IdentityRow.cid.in_(cids)
    ):
        status[row.cid] = row.status
    return status
