"""Ballots as tasks, and processes looked at from outside."""

import os
from functools import cache
from hashlib import sha256
from pathlib import Path

from chain.votes import formats
from chain.votes.judging import BallotTask
from tests.votes.kit import GROUPS, UP_TO_TWO, Booth, open_booth


@cache
def booth(group: str) -> Booth:
    return open_booth(GROUPS[group], (UP_TO_TWO,), voters=4, trustees=1, seed="judges")


def task_of(ballot: bytes, group: str = "Ed25519", gas_us: int = 10_000) -> BallotTask:
    """The task of a ballot's bytes."""
    made, read = booth(group), formats.decode(formats.Ballot, ballot)
    return BallotTask(
        record=made.record,
        ballot=ballot,
        fingerprint=made.election.fingerprint,
        digest=sha256(ballot).digest(),
        credential=read.credential,
        gas_us=gas_us,
    )


def good(voter: int = 0, group: str = "Ed25519", **how: int) -> BallotTask:
    """A ballot that holds."""
    return task_of(booth(group).ballot(voter, [[0, 1, 1]]), group, **how)


def badly_signed(group: str = "Ed25519") -> BallotTask:
    """A ballot under the signature of another."""
    one, other = (
        formats.decode(formats.Ballot, booth(group).ballot(0, [[0, 1, 1]])) for _ in range(2)
    )
    return task_of(formats.encode(formats.replace(one, signature=other.signature)), group)


def is_running(pid: int) -> bool:
    """Whether a process computes or sleeps; a dead one that nobody has asked after does not count."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state not in "ZX"
