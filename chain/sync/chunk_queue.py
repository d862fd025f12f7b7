"""Which chunk to ask of whom, and what came: one snapshot's chunks, bounded, without clock or I/O."""

from dataclasses import dataclass, field

from chain.limits import STATESYNC_CHUNK_FETCHERS, STATESYNC_CHUNK_TIMEOUT_MS
from chain.sync.ports import PeerId

HELD_PER_FETCHER = 4
"""Chunks that may wait for their turn, per chunk asked for: the memory they take is bounded so."""


@dataclass(slots=True)
class ChunkQueue:
    """Chunks 0 to `total` - 1, taken in order."""

    total: int
    fetchers: int = STATESYNC_CHUNK_FETCHERS
    timeout_s: float = STATESYNC_CHUNK_TIMEOUT_MS / 1_000
    next_index: int = 0
    _asked: dict[int, tuple[PeerId, float]] = field(default_factory=dict)
    _held: dict[int, tuple[bytes, PeerId]] = field(default_factory=dict)
    _unable: set[PeerId] = field(default_factory=set)
    """Peers that were late or do not have a chunk they offered."""

    def is_done(self) -> bool:
        """Whether every chunk was taken."""
        return self.next_index == self.total

    def able(self, peers: tuple[PeerId, ...]) -> tuple[PeerId, ...]:
        """Those of `peers` that are still asked."""
        return tuple(peer for peer in peers if peer not in self._unable)

    def plan(self, peers: tuple[PeerId, ...], now_s: float) -> tuple[tuple[PeerId, int], ...]:
        """Give up what is overdue, then say what to ask of whom; noted as asked."""
        for index, (peer, at_s) in list(self._asked.items()):
            if now_s - at_s >= self.timeout_s or peer not in peers:
                del self._asked[index]
                self._unable.add(peer)
        able = self.able(peers)
        asks: list[tuple[PeerId, int]] = []
        window = self.fetchers * HELD_PER_FETCHER
        for index in range(self.next_index, min(self.total, self.next_index + window)):
            if not able or len(self._asked) >= self.fetchers:
                break
            if index in self._held or index in self._asked:
                continue
            busy = [peer for peer, _ in self._asked.values()]
            peer = min(able, key=lambda p: (busy.count(p), p))
            self._asked[index] = (peer, now_s)
            asks.append((peer, index))
        return tuple(asks)

    def take(self, peer: PeerId, index: int, chunk: bytes) -> bool:
        """Keep an answer to a question of ours; an empty one says that the peer does not have it."""
        if self._asked.get(index, ("", 0.0))[0] != peer:
            return False
        del self._asked[index]
        if chunk:
            self._held[index] = (chunk, peer)
        else:
            self._unable.add(peer)
        return True

    def peek(self) -> tuple[bytes, PeerId] | None:
        """The next chunk and its sender, if it is here."""
        return self._held.get(self.next_index)

    def advance(self) -> None:
        """The next chunk was applied."""
        del self._held[self.next_index]
        self.next_index += 1

    def discard(self, index: int) -> None:
        """Fetch a chunk again."""
        self._held.pop(index, None)

    def discard_sender(self, peer: PeerId) -> None:
        """Fetch again whatever a liar brought and nobody has judged yet."""
        for index in [i for i, (_, sender) in self._held.items() if sender == peer]:
            del self._held[index]
        self._unable.add(peer)
