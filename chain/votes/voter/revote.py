"""Voting again while an earlier ballot is not in the box: call the earlier one back first.

The last ballot that reaches the box counts, and a ballot has no date. So whoever holds one back, a relay or a node, may
let it go after the next one and undo the change. A spoil binds its credential to a hash for ever: once it is on the
chain, the ballot that was held back is refused; and when the ballot came first, the spoil is refused and the next
ballot replaces it. Either way the voter's last word stands.

    1  find_loose(ballots handed out, trackers of the box)      hashes that somebody may still hold
    2  call_back(…) of each, by another relay; wait until the chain has taken it or shows the tracker
    3  only then cast the next ballot

Reads: nothing.  Writes: nothing.  Never: sends anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

from chain.crypto.randomness import RandomBytes
from chain.votes.ballot import tracker
from chain.votes.election import Election
from chain.votes.formats import Proof
from chain.votes.messages import sign_spoil


@dataclass(frozen=True, slots=True)
class CalledBack:
    """What `ballot.spoil` carries for one ballot: the credential's word that it must never be counted."""

    credential: str
    ballot_hash: str
    """SHA-256 of the ballot's bytes, hexadecimal."""
    proof: Proof


def find_loose(handed_out: Sequence[bytes], trackers: Collection[str]) -> tuple[bytes, ...]:
    """Ballots that left this device, in order, and are not among the `trackers` of the whole list downloaded."""
    return tuple(ballot for ballot in handed_out if tracker(ballot) not in trackers)


def call_back(election: Election, secret: int, ballot: bytes, draw: RandomBytes) -> CalledBack:
    """The spoil of one ballot that was handed out and is not in the box."""
    credential = election.group.encode(election.g_power(secret))
    ballot_hash = sha256(ballot).hexdigest()
    proof = sign_spoil(election.group, election.uuid, ballot_hash, secret, draw)
    return CalledBack(credential, ballot_hash, proof)
