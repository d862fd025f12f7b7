"""Whose proofs this node verified lately: a node's own guard at CheckTx, no part of the town's rules.

A ballot whose signature holds and whose proofs do not cost its node all the work of judging it, and nothing of it is in
a block that could be counted. One that waits for a block is counted in the mempool's view until the next block only:
of a long queue, no more than its head is run again. So whoever signed either waits as long here as after a ballot that
was taken; that very ballot may come again, its verdict is known.
Reads: transactions.  Writes: nothing.  Never: changes what a block may hold.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256

from chain.limits import VOTES_DOUBTS_MAX
from chain.town.context import Refused
from chain.town.envelope import decode_anonymous
from chain.town.votes_schemas import BallotCast
from chain.votes.ballot import read_ballot
from chain.votes.checks import Flaw


@dataclass(slots=True)
class Doubts:
    """Credentials that wait, each until a time in unix seconds and for which ballot; the oldest leave when too many."""

    _until: "OrderedDict[tuple[str, str], tuple[int, bytes]]" = field(default_factory=OrderedDict)

    def note(self, raw: bytes, town: str, until_s: int) -> None:
        """The proofs of this ballot were verified; what is no ballot is passed over."""
        key = _credential_of(raw, town)
        if key is None:
            return
        self._until[key] = (until_s, sha256(raw).digest())
        self._until.move_to_end(key)
        while len(self._until) > VOTES_DOUBTS_MAX:
            self._until.popitem(last=False)

    def must_wait(self, raw: bytes, town: str, now_s: int) -> bool:
        """Whether the ballot's credential waits still, for another ballot than this."""
        if not self._until:
            return False
        key = _credential_of(raw, town)
        held = None if key is None else self._until.get(key)
        return held is not None and now_s < held[0] and sha256(raw).digest() != held[1]


def _credential_of(raw: bytes, town: str) -> tuple[str, str] | None:
    envelope = decode_anonymous(raw, town)
    if isinstance(envelope, Refused) or not isinstance(envelope.body, BallotCast):
        return None
    ballot = read_ballot(envelope.body.ballot.encode())
    return None if isinstance(ballot, Flaw) else (envelope.body.election, ballot.credential)
