"""The dear half of a ballot box as a task that any process can do: same bytes in, same finding out.

Reads: what it is handed.  Writes: nothing.  Never: a list, a box, a clock.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chain.votes.ballot import check_answers, check_signature, read_ballot
from chain.votes.checks import Flaw
from chain.votes.election import Election, read_election

_ELECTIONS_OPEN: Final = 4
"""Elections a process holds open: towns vote on one or two at a time."""


@dataclass(frozen=True, slots=True)
class BallotTask:
    """A ballot whose proofs somebody has to verify, and everything its verdict depends on: two texts."""

    record: bytes
    """The sealed Belenios record of the election."""
    ballot: bytes
    fingerprint: str
    """phi: names the record."""
    digest: bytes
    """SHA-256 of the ballot: its name."""
    credential: str
    """Who signed it, if the signature holds."""
    gas_us: int
    """Worst cost of a ballot of this election, in µs of the reference machine."""

    @property
    def key(self) -> tuple[str, bytes]:
        """What the verdict is kept under."""
        return (self.fingerprint, self.digest)


@dataclass(frozen=True, slots=True)
class Finding:
    """Both halves of a verdict, None for a flawless one; answers under a flawed signature are not looked at."""

    signature: Flaw | None
    answers: Flaw | None


def find(record: bytes, ballot: bytes) -> Finding:
    """Judge a ballot that reads well; raises ValueError when it or the record does not."""
    election = open_election(record)
    read = read_ballot(ballot)
    if isinstance(read, Flaw):
        raise ValueError(f"not a ballot: {read.detail}")
    flaw = check_signature(election, read)
    return Finding(flaw, None) if flaw is not None else Finding(None, check_answers(election, read))


@lru_cache(maxsize=_ELECTIONS_OPEN)
def open_election(record: bytes) -> Election:
    """`read_election`, done once for the same record."""
    return read_election(record)
