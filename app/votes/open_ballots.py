"""Which ballots identity must think of when it erases somebody: those in which that person may have asked for a vote.

From the fixing of the rolls to the closing of the box; `app.wiring` tells identity, which knows no votes.
Reads: `vote_election`.  Writes: nothing.
"""

from collections.abc import Iterator
from typing import Final

from app.identity.tombstones import OpenBallot
from app.votes.models import ElectionRow

OPEN_PHASES: Final = ("issuance", "registration", "freezing", "frozen", "voting")


def find_open_ballots(now_s: int) -> Iterator[OpenBallot]:
    """Elections whose rolls are fixed and whose box is not closed; each is over at its closing."""
    rows = ElectionRow.select().where(
        ElectionRow.phase.in_(OPEN_PHASES), ElectionRow.voting_closes > now_s
    )
    for row in rows.order_by(ElectionRow.election):
        yield OpenBallot(row.election, row.voting_closes)
