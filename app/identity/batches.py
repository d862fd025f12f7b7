"""Which attestations wait for the chain, and whether enough of them wait to hide each other.

Reads: `person`, `identity`, `accounts`, `rights_request`.  Writes: nothing.
"""

import time
from dataclasses import dataclass
from typing import Final

from app.accounts.models import AccountRow
from app.identity.models import IdentityRow, Person
from app.identity.waiting import WAITING, open_erasures

BATCH_ENTRIES_MAX: Final = 40
"""Attestations that fit one request of 64 KiB, encoded twice, with room to spare."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """Which attestations wait, and why they are or are not ready to be written."""

    ready: bool
    reason: str
    waiting: int
    minimum: int
    oldest_at: int
    attestations: tuple[str, ...]


def read_batch(*, minimum: int, max_wait_s: int, hour_utc: int, now_s: int) -> BatchState:
    """The attestations that wait, and whether the town's rules let them be written now.

    A key that was put to another use after its attestation is left out: the chain refuses a batch whole, so
    its holder would keep everybody waiting. That person comes to the desk again with a fresh key.
    """
    waiting = list(
        Person.select(Person.cid, Person.attestation, Person.attested_at)
        .where(Person.status.in_(WAITING) & (Person.restricted_at == 0))
        .where(Person.cid.not_in(open_erasures()))
        .where(Person.cid.not_in(IdentityRow.select(IdentityRow.cid)))
        .where(Person.kid.not_in(AccountRow.select(AccountRow.id)))  # else one blocks everybody
        .order_by(Person.attested_at, Person.cid)
        .limit(BATCH_ENTRIES_MAX)
    )
    oldest_at = waiting[0].attested_at if waiting else 0
    reason = _why_not_ready(
        len(waiting),
        minimum=minimum,
        waited_s=now_s - oldest_at,
        max_wait_s=max_wait_s,
        is_hour=hour_utc in (-1, time.gmtime(now_s).tm_hour),
    )
    attestations = tuple(p.attestation for p in sorted(waiting, key=lambda p: p.cid))
    return BatchState(
        ready=not reason,
        reason=reason or "ready",
        waiting=len(waiting),
        minimum=minimum,
        oldest_at=oldest_at,
        attestations=() if reason else attestations,
    )


def _why_not_ready(
    waiting: int, *, minimum: int, waited_s: int, max_wait_s: int, is_hour: bool
) -> str:
    if waiting == 0:
        return "empty"
    if waiting < minimum and waited_s < max_wait_s:
        return "too_few"
    return "" if is_hour else "outside_hour"
