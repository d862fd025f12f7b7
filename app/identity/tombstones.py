"""Nobody votes twice by being erased in between: a keyed mark per open ballot, dropped when it ends.

While a ballot is open, an erased person leaves a digest made for that ballot alone. Who is enrolled again and
meets one may do everything but enter that ballot's roll. Without the index key a mark says nothing; after
the ballot it is gone.
Reads: the open ballots that the votes domain names.  Writes: `tombstone`, `ballot_block`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.identity.civil import Civil, compute_tombstone
from app.identity.indexkeys import IndexKey
from app.identity.models import BallotBlock, Tombstone


@dataclass(frozen=True, slots=True)
class OpenBallot:
    """A ballot in which somebody may have voted or still can, and when it is over for good (unix seconds)."""

    ballot: str
    until_s: int


FindOpenBallots = Callable[[int], Iterable[OpenBallot]]
_finders: list[FindOpenBallots] = []


def register_open_ballots(find: FindOpenBallots) -> None:
    """Told once by `app.wiring` who knows the open ballots (identity knows no votes)."""
    _finders[:] = [find]


def list_open_ballots(now_s: int) -> tuple[OpenBallot, ...]:
    """The ballots open at that time."""
    return tuple(ballot for find in _finders for ballot in find(now_s) if ballot.until_s > now_s)


def put_tombstones(key: IndexKey, civil: Civil, *, now_s: int) -> int:
    """Leave an erased person's mark in every open ballot, inside the caller's transaction; returns how many."""
    ballots = list_open_ballots(now_s)
    for ballot in ballots:
        Tombstone.insert(
            ballot=ballot.ballot,
            digest=compute_tombstone(key.key, ballot.ballot, civil),
            version=key.version,
            until=ballot.until_s,
        ).on_conflict_ignore().execute()
    return len(ballots)


def block_open_ballots(
    keys: Iterable[IndexKey], cid: str, civil: Civil, *, now_s: int
) -> tuple[str, ...]:
    """Keep a new file out of the ballots in which its person left a mark; returns them."""
    versions = {key.version: key.key for key in keys}
    marks = Tombstone.select(Tombstone.ballot, Tombstone.version, Tombstone.until).distinct()
    found = []
    for mark in marks.where(Tombstone.until > now_s):
        if mark.version not in versions:
            continue
        digest = compute_tombstone(versions[mark.version], mark.ballot, civil)
        if Tombstone.get_or_none(ballot=mark.ballot, digest=digest) is not None:
            found.append(mark.ballot)
            values = {"cid": cid, "ballot": mark.ballot, "until": mark.until}
            BallotBlock.insert(values).on_conflict_ignore().execute()
    return tuple(found)


def is_blocked(cid: str, ballot: str) -> bool:
    """Whether an identity must stay out of a ballot's roll."""
    return bool(
        BallotBlock.select()
        .where((BallotBlock.cid == cid) & (BallotBlock.ballot == ballot))
        .exists()
    )
