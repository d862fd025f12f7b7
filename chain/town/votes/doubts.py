"""Who made this node verify false proofs lately: a node's own guard at CheckTx, no part of the town's rules.

A ballot whose signature holds and whose proofs do not cost its node all the work of judging it, and nothing of it is in
a block that could be counted. So the credential that signed it waits as long here as after a ballot that was taken.
Reads: transactions.  Writes: nothing.  Never: changes what a block may hold.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from chain.limits import VOTES_DOUBTS_MAX
from chain.town.context import Refused
from chain.town.envelope import decode_anonymous
from chain.town.votes_schemas import BallotCast
from chain.votes.ballot import read_ballot
from chain.votes.checks import Flaw


@dataclass(slots=True)
class Doubts:
    """Credentials that wait, each until a time in unix seconds; the oldest leave when there are too many."""

    _until_s: "OrderedDict[tuple[str, str], int]" = field(default_factory=OrderedDict)

    def note(self, raw: bytes, town: str, until_s: int) -> None:
        """The proofs of this ballot were false."""
        key = _credential_of(raw, town)
        if key is None:
            return
        self._until_s[key] = until_s
        while len(self._until_s) > VOTES_DOUBTS_MAX:
            self._until_s.popitem(last=False)

    def must_wait(self, raw: bytes, town: str, now_s: int) -> bool:
        """Whether the ballot's credential waits still."""
        if not self._until_s:
            return False
        key = _credential_of(raw, town)
        return key is not None and now_s < self._until_s.get(key, 0)


def _credential_of(raw: bytes, town: str) -> tuple[str, str] | None:
    envelope = decode_anonymous(raw, town)
    if isinstance(envelope, Refused) or not isinstance(envelope.body, BallotCast):
        return None
    ballot = read_ballot(envelope.body.ballot.encode())
    return None if isinstance(ballot, Flaw) else (envelope.body.election, ballot.credential)
