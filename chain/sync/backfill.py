"""Headers below a restored snapshot, back to where evidence expires, each named by the one above it.

Without them a node that joined by snapshot could judge no evidence of the days before, and would take a block that
carries some for invalid. CometBFT 0.38 leaves this hole; Tendermint 0.35 closed it the same way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from chain.codec.hashing import hash_commit
from chain.crypto.light_forms import light_block_form
from chain.light.sources import height_of
from chain.light.verifier import majority_flaw, verify_backwards
from chain.limits import (
    STATESYNC_BACKFILL_BATCH,
    STATESYNC_BACKFILL_WINDOW,
    VALIDATORS_CHECKPOINT_BLOCKS,
)
from chain.sync.asking import ANSWER_S, Asking
from chain.sync.flow import Flow, Until
from chain.sync.ports import PeerId, RestoreSink
from chain.types.block import SignedHeader
from chain.types.evidence import LightBlock
from chain.types.params import EvidenceParams
from chain.types.primitives import Hash, Height
from chain.types.validator import ValidatorSet


@dataclass(slots=True)
class Backfill:
    """One walk downwards from the block of the snapshot's height."""

    last: LightBlock
    first_height: Height
    """The chain's first: nothing is below it."""
    evidence: EvidenceParams
    needed: Height
    """Whatever evidence may name, headers down to this one are wanted."""
    asking: Asking
    sink: RestoreSink
    liars: list[tuple[PeerId, str]] = field(default_factory=list)
    """Peers whose header was not the one named above it, for the caller to drop."""
    hashes: dict[Height, Hash] = field(default_factory=dict)
    """Hash of every proved header, the first one included."""
    _above: LightBlock = field(init=False)
    _asked: dict[Height, tuple[PeerId, float]] = field(default_factory=dict)
    _bases: dict[PeerId, Height] = field(default_factory=dict)
    """Below which a peer has nothing, as its answers told."""
    _batch: list[tuple[SignedHeader, ValidatorSet | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._above = self.last
        self.hashes[height_of(self.last)] = self.last.signed_header.commit.block_id.hash

    def run(self, peers: list[PeerId], now_s: Callable[[], float]) -> Flow[bool]:
        """Fetch and prove headers until evidence of lower ones would be expired; False when no peer has them.

        `peers` is the caller's live list: who leaves it is not asked any more.
        """
        while not self._is_enough():
            height = height_of(self._above) - 1
            self._plan(peers, height, now_s())
            if height not in self._asked:
                self._flush(is_end=True)
                return False
            peer, asked_at_s = self._asked[height]
            key = (peer, height)
            came = yield Until(
                lambda key=key: key in self.asking.light,  # type: ignore[misc]
                max(0.0, asked_at_s + ANSWER_S - now_s()),
            )
            del self._asked[height]
            block = self.asking.light.pop(key, None)
            if block is not None:
                self._take(peers, peer, block)
            elif came:
                self._bases[peer] = height + 1
            else:
                self._give_up(peers, peer)
        self._flush(is_end=True)
        return True

    def _is_enough(self) -> bool:
        above, last = self._above.signed_header.header, self.last.signed_header.header
        if above.height <= self.first_height:
            return True
        if above.height > self.needed:
            return False
        age_ns = last.time.to_ns() - above.time.to_ns()
        return (
            last.height - above.height > self.evidence.max_age_num_blocks
            and age_ns > self.evidence.max_age_duration_ns
        )

    def _plan(self, peers: list[PeerId], next_height: Height, now_s: float) -> None:
        """Keep a window of questions open, spread over whoever has the headers."""
        low = max(self.first_height, next_height - STATESYNC_BACKFILL_WINDOW + 1)
        for height in range(next_height, low - 1, -1):
            if height in self._asked:
                continue
            busy = [peer for peer, _ in self._asked.values()]
            able = [peer for peer in peers if self._bases.get(peer, 0) <= height]
            if not able:
                return
            peer = min(able, key=lambda p: (busy.count(p), p))  # used at once
            if not self.asking.ask_light(peer, height):
                self._give_up(peers, peer)
                continue
            self._asked[height] = (peer, now_s)

    def _take(self, peers: list[PeerId], peer: PeerId, block: LightBlock) -> None:
        flaw = self._flaw(block)
        if flaw:
            self.liars.append((peer, f"header {height_of(self._above) - 1}: {flaw}"))
            self._give_up(peers, peer)
            return
        header = block.signed_header.header
        self.hashes[header.height] = self._above.signed_header.header.last_block_id.hash
        if self._above is not self.last:
            self._add(self._above, header.validators_hash)
        self._above = block

    def _flaw(self, block: LightBlock) -> str:
        header, above = block.signed_header.header, self._above.signed_header.header
        judgement = verify_backwards(header, above)
        if not judgement.is_success():
            return judgement.reason
        if hash_commit(block.signed_header.commit) != above.last_commit_hash:
            return "not the commit that the header above names"
        # The hash is over the signatures alone: round and part hash stand in what these sign.
        return light_block_form(block, above.chain_id) or majority_flaw(block)

    def _add(self, block: LightBlock, below_hash: Hash) -> None:
        """Write a header once it is known whether its set begins with it."""
        header = block.signed_header.header
        is_first = header.validators_hash != below_hash
        is_checkpoint = header.height % VALIDATORS_CHECKPOINT_BLOCKS == 0
        members = block.validator_set if is_first or is_checkpoint else None
        self._batch.append((block.signed_header, members))
        self._flush(is_end=False)

    def _flush(self, *, is_end: bool) -> None:
        if is_end and self._above is not self.last:
            self._batch.append((self._above.signed_header, self._above.validator_set))
        if self._batch and (is_end or len(self._batch) >= STATESYNC_BACKFILL_BATCH):
            self.sink.save_headers(self._batch)
            self._batch = []

    def _give_up(self, peers: list[PeerId], peer: PeerId) -> None:
        """Ask this peer nothing more; what it was asked is asked of others."""
        if peer in peers:
            peers.remove(peer)
        for height in [h for h, (asked, _) in self._asked.items() if asked == peer]:
            del self._asked[height]
