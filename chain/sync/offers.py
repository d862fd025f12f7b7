"""Which snapshot to try next, and of whom: offers of all peers, bounded, without clock or I/O.

Peers that offer the same manifest hash at one height offer the same snapshot. Source: CometBFT 0.38
`statesync/snapshots.go`.
"""

from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256

from chain.limits import (
    SNAPSHOT_CHUNKS_MAX,
    SNAPSHOT_METADATA_MAX_BYTES,
    STATESYNC_OFFER_BYTES_PER_PEER,
    STATESYNC_OFFERS_PER_PEER,
)
from chain.sync.ports import PeerId
from chain.types.abci import Snapshot
from chain.types.messages import SnapshotsResponse


@dataclass(slots=True)
class _Offer:
    snapshot: Snapshot
    peers: set[PeerId] = field(default_factory=set)
    not_before_s: float = 0.0


class SnapshotOffers:
    """Snapshots on offer; rejected ones and rejected peers do not come back."""

    def __init__(self) -> None:
        self._offers: dict[bytes, _Offer] = {}
        self._rejected: set[bytes] = set()
        self._rejected_formats: set[int] = set()
        self._rejected_peers: set[PeerId] = set()
        self._false: Counter[PeerId] = Counter()
        """Snapshots each peer offered that were tried and rejected: a name and a time can be lied anew for ever."""
        self._fruitless: Counter[PeerId] = Counter()
        """How often a snapshot that a peer offers was tried in vain, rejected or not; it outlives the connection."""

    def add(self, peer: PeerId, offered: SnapshotsResponse) -> str:
        """Note an offer; "" when it is kept or known, else what is wrong with it or with its sender."""
        flaw = _flaw(offered)
        if flaw or peer in self._rejected_peers:
            return flaw
        snapshot = Snapshot(
            offered.height, offered.format, offered.chunks, offered.hash, offered.metadata
        )
        key = _key(snapshot)
        if key in self._rejected or offered.format in self._rejected_formats:
            return ""
        if self._false[peer] >= STATESYNC_OFFERS_PER_PEER:
            return f"{STATESYNC_OFFERS_PER_PEER} snapshots that could not be used"
        held = [o.snapshot for k, o in self._offers.items() if peer in o.peers and k != key]
        if len(held) >= STATESYNC_OFFERS_PER_PEER:
            return f"more than {STATESYNC_OFFERS_PER_PEER} snapshots"
        if sum(len(s.metadata) for s in held) + len(offered.metadata) > (
            STATESYNC_OFFER_BYTES_PER_PEER
        ):
            return "more metadata than one peer may send"
        self._offers.setdefault(key, _Offer(snapshot)).peers.add(peer)
        return ""

    def remove_peer(self, peer: PeerId) -> None:
        """A peer is gone; what it alone offered is gone too."""
        for key in list(self._offers):
            self._offers[key].peers.discard(peer)
            if not self._offers[key].peers:
                del self._offers[key]

    def reject_peer(self, peer: PeerId) -> None:
        """A peer lied: nothing it offers counts any more."""
        self._rejected_peers.add(peer)
        self.remove_peer(peer)

    def is_rejected(self, peer: PeerId) -> bool:
        """Whether a peer was rejected."""
        return peer in self._rejected_peers

    def reject(self, snapshot: Snapshot) -> None:
        """Never try this one again, nor, after some, any other of those who offer it: each costs a whole download."""
        self._false.update(self.peers_of(snapshot))
        self._fruitless.update(self.peers_of(snapshot))
        self._rejected.add(_key(snapshot))
        self._offers.pop(_key(snapshot), None)

    def reject_format(self, format_: int) -> None:
        """Our application does not read this format."""
        self._rejected_formats.add(format_)
        for key in [k for k, o in self._offers.items() if o.snapshot.format == format_]:
            del self._offers[key]

    def postpone(self, snapshot: Snapshot, until_s: float) -> None:
        """Try others first, those of other peers before all: what proves this one does not exist yet."""
        offer = self._offers.get(_key(snapshot))
        if offer is not None:
            offer.not_before_s = until_s
            self._fruitless.update(offer.peers)

    def best(self, now_s: float) -> Snapshot | None:
        """Of the peers tried in vain least often, the highest one, then the newer format, then the one most offer.

        By height alone a liar could offer heights that nobody reaches, and the true ones would never be tried.
        """
        ready = [o for o in self._offers.values() if o.not_before_s <= now_s]
        return max(ready, key=self._rank).snapshot if ready else None

    def _rank(self, offer: _Offer) -> tuple[int, int, int, int, bytes]:
        told = offer.snapshot
        vain = min(self._fruitless[peer] for peer in offer.peers)
        return -vain, told.height, told.format, len(offer.peers), told.hash

    def peers_of(self, snapshot: Snapshot) -> tuple[PeerId, ...]:
        """Who offers a snapshot, sorted."""
        offer = self._offers.get(_key(snapshot))
        return () if offer is None else tuple(sorted(offer.peers))


def _flaw(offered: SnapshotsResponse) -> str:
    """What makes an offer malformed (CometBFT `validateMsg`), bounded further."""
    if not 1 <= offered.height < 2**63 or not offered.hash or len(offered.hash) > 64:
        return "a snapshot without height or hash"
    if not 1 <= offered.chunks <= SNAPSHOT_CHUNKS_MAX:
        return f"a snapshot of {offered.chunks} chunks"
    if len(offered.metadata) > SNAPSHOT_METADATA_MAX_BYTES:
        return "a snapshot with too much metadata"
    return ""


def _key(snapshot: Snapshot) -> bytes:
    """Identity of a snapshot; metadata is part of it (CometBFT `snapshot.Key`)."""
    head = snapshot.height.to_bytes(8, "big") + snapshot.format.to_bytes(4, "big")
    return sha256(
        head + snapshot.chunks.to_bytes(4, "big") + snapshot.hash + snapshot.metadata
    ).digest()
