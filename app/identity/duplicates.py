"""Is this person enrolled already? Keyed digests meet; a search is counted, logged, and thirty an hour.

Reads: `duplicate_index`, `desk_entry`.  Writes: `desk_entry`.  Never: tells who the other person is.
"""

from typing import Final

import msgspec

from app.core.context import Actor
from app.core.database import write
from app.core.problems import Problem
from app.identity import codes
from app.identity.civil import Civil, compute_duplicate_keys
from app.identity.models import DeskEntry, DuplicateIndex

SEARCHES_PER_HOUR: Final = 30
"""Duplicate searches of one agent (PROTOCOL §6); each draft is one."""
HOUR_S: Final = 3_600


def check_duplicates(
    index_key: bytes, civil: Civil, *, clerk: Actor, reason: str, now_s: int
) -> None:
    """Strict: the same person, refused. Loose or swap: the agent decides and says why."""
    digests = msgspec.to_builtins(compute_duplicate_keys(index_key, civil))
    charge_search(clerk, reason, now_s)
    hits = {
        row.kind
        for row in DuplicateIndex.select().where(DuplicateIndex.digest.in_(list(digests.values())))
    }
    if "strict" in hits:
        raise Problem(codes.IDENTITY_DUPLICATE)
    if hits and not reason:
        raise Problem(codes.IDENTITY_DUPLICATE_UNDECIDED, ", ".join(sorted(hits)))


def charge_search(clerk: Actor, reason: str, now_s: int) -> None:
    """Count and log one search for duplicates; raises Problem beyond the hour's number."""
    with write():
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


def log_desk(clerk: Actor, action: str, cid: str, reason: str, now_s: int) -> None:
    """Write one line of the desk's log, inside the caller's transaction."""
    DeskEntry.insert(at=now_s, clerk=clerk.kid, action=action, cid=cid, reason=reason).execute()
