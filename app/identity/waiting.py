"""Identities between the agent's signature and the chain: which may still be taken back.

    pending   attested; waits for a batch
    sent      in a batch on its way: the chain may hold it already, whatever SQL says yet
    erasing   its citizen asked for erasure before any batch was sent

Whoever was sent is not erased or corrected as if the chain had never heard of them: the file would be gone, the
identity would become active, and its holder could enrol a second time.
Reads and writes: `person`.  Reads: `rights_request`.
"""

from typing import Final

from app.core.codes import NOT_FOUND
from app.core.database import write
from app.core.problems import Problem
from app.identity import codes
from app.identity.models import Person, RightsRequest

PENDING, SENT, ERASING = "pending", "sent", "erasing"
WAITING: Final = (PENDING, SENT)
"""What a batch may hold: one that failed is made again."""
ERASURE: Final = "erasure"
IN_FLIGHT_S: Final = 2 * 86_400
"""A transaction lives a day at most (PROTOCOL §2); a second one for projections that lag."""


def open_erasures() -> list[str]:
    """Persons who asked for erasure and wait for it."""
    rows = RightsRequest.select(RightsRequest.cid)
    return [
        row.cid
        for row in rows.where((RightsRequest.kind == ERASURE) & (RightsRequest.outcome == ""))
    ]


def mark_sent(attestations: tuple[str, ...]) -> None:
    """Raise Problem unless every attestation of a batch waits here; from now on they may be on the chain."""
    with write():
        marked = (
            Person.update(status=SENT)
            .where(Person.attestation.in_(list(attestations)) & Person.status.in_(WAITING))
            .where(Person.cid.not_in(open_erasures()))
        )
        if marked.execute() != len(set(attestations)):
            raise Problem(codes.IDENTITY_BATCH_UNKNOWN)


def claim_unsent(cid: str) -> bool:
    """Keep a person out of every batch, to be erased; False for one who was sent. Raises Problem when gone."""
    with write():
        mine = (Person.cid == cid) & (Person.status != SENT)
        if Person.update(status=ERASING).where(mine).execute():
            return True
    if not Person.select().where(Person.cid == cid).exists():
        raise Problem(NOT_FOUND)
    return False
