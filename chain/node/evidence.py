"""Misbehaviour waiting for a block: found by our own consensus, or brought by somebody who saw it.

Reads: past headers and validator sets.  Writes: hashes of committed evidence, with the block.
"""

from collections.abc import Sequence
from dataclasses import replace

from chain.codec.hashing import hash_evidence
from chain.codec.proto import encode
from chain.execution.evidence import is_expired, make_duplicate_vote, verify_duplicate_vote
from chain.execution.validation import InvalidBlock
from chain.limits import EVIDENCE_PENDING_MAX
from chain.store.blocks import BlockStore
from chain.store.keys import COMMITTED_EVIDENCE
from chain.store.kv import Batch, KeyValueStore
from chain.store.state import ChainStateStore
from chain.types.block import Vote
from chain.types.evidence import DuplicateVoteEvidence, Evidence
from chain.types.state import ChainState


class EvidencePool:
    """Pending evidence in order of discovery; judged against the store."""

    def __init__(self, kv: KeyValueStore, blocks: BlockStore, states: ChainStateStore) -> None:
        self._kv = kv
        self._blocks = blocks
        self._states = states
        self._pending: dict[bytes, Evidence] = {}
        self._conflicts: list[tuple[Vote, Vote]] = []

    def report_conflict(self, vote_a: Vote, vote_b: Vote) -> None:
        """Keep two conflicting votes until their height is decided: evidence carries that block's time."""
        self._conflicts.append((vote_a, vote_b))

    def submit(self, state: ChainState, item: Evidence) -> InvalidBlock | None:
        """Take in evidence that somebody brought; None when it is true and waits, or waited, or was committed.

        Stricter than what a block may carry: fields of a vote that its signature does not cover must be those
        an honest witness writes, else one offence could be brought in any number of spellings.
        """
        key = hash_evidence(item)
        if key in self._pending or self._kv.get(COMMITTED_EVIDENCE + key) is not None:
            return None
        refused = self._verify(state, item)
        if refused is not None:
            return refused
        assert isinstance(item, DuplicateVoteEvidence), "the only kind that is judged"
        if not self._is_plain(item):
            return InvalidBlock("evidence_votes", "carry fields that their signatures do not cover")
        if len(self._pending) >= EVIDENCE_PENDING_MAX:
            return InvalidBlock("evidence_full", f"{EVIDENCE_PENDING_MAX} pieces wait already")
        self._pending[key] = item
        return None

    def _is_plain(self, item: DuplicateVoteEvidence) -> bool:
        """Whether both votes have their voter's index and nothing beyond."""
        validators = self._states.load_validators(item.vote_a.height)
        assert validators is not None, "the evidence was verified against this set"
        index = validators.index_of(item.vote_a.validator_address)
        assert index is not None, "verified evidence names a member"
        return all(
            vote == replace(vote, validator_index=index, extension=b"", extension_signature=b"")
            for vote in (item.vote_a, item.vote_b)
        )

    def pending(self, max_bytes: int) -> tuple[Evidence, ...]:
        """Evidence for the next block, as much as fits."""
        chosen: list[Evidence] = []
        size = 0
        for item in self._pending.values():
            size += len(encode(item)) + 8
            if size > max_bytes:
                break
            chosen.append(item)
        return tuple(chosen)

    def check_block(self, state: ChainState, evidence: Sequence[Evidence]) -> InvalidBlock | None:
        """None when every piece is true, fresh, and neither committed nor twice in the block."""
        seen: set[bytes] = set()
        for item in evidence:
            key = hash_evidence(item)
            if key in seen or self._kv.get(COMMITTED_EVIDENCE + key) is not None:
                return InvalidBlock("evidence_repeated", key.hex())
            seen.add(key)
            refused = None if key in self._pending else self._verify(state, item)
            if refused is not None:
                return refused
        return None

    def _verify(self, state: ChainState, item: Evidence) -> InvalidBlock | None:
        if not isinstance(item, DuplicateVoteEvidence):
            # Judged by the light client's rules, which come with the network.
            return InvalidBlock(
                "evidence_kind", "light client attacks are not judged by this release"
            )
        height = item.vote_a.height
        meta, validators = self._blocks.load_meta(height), self._states.load_validators(height)
        if meta is None or validators is None:
            return InvalidBlock("evidence_height", f"no block {height} here")
        if self._is_expired(state, item):
            return InvalidBlock("evidence_expired", f"of height {height}")
        return verify_duplicate_vote(
            item, chain_id=state.chain_id, validators=validators, block_time=meta.header.time
        )

    def stage(self, batch: Batch, state: ChainState, committed: Sequence[Evidence]) -> None:
        """Remember, with the block, which evidence it carries."""
        for item in committed:
            height = (state.last_block_height + 1).to_bytes(8, "big")
            batch.put(COMMITTED_EVIDENCE + hash_evidence(item), height)

    def update(self, state: ChainState, committed: Sequence[Evidence]) -> None:
        """After a block: forget what it carried, turn conflicts of decided heights into evidence."""
        for item in committed:
            self._pending.pop(hash_evidence(item), None)
        self._drop_expired(state)
        waiting: list[tuple[Vote, Vote]] = []
        for vote_a, vote_b in self._conflicts:
            if vote_a.height > state.last_block_height:
                waiting.append((vote_a, vote_b))
                continue
            self._add_conflict(vote_a, vote_b)
        self._conflicts = waiting

    def _drop_expired(self, state: ChainState) -> None:
        """Forget what no validator would accept in a block any more."""
        for key, item in tuple(self._pending.items()):
            assert isinstance(item, DuplicateVoteEvidence), "the only kind that is kept"
            if self._is_expired(state, item):
                del self._pending[key]

    def _is_expired(self, state: ChainState, item: DuplicateVoteEvidence) -> bool:
        return is_expired(
            state.consensus_params.evidence,
            height=item.vote_a.height,
            time=item.timestamp,
            now_height=state.last_block_height,
            now=state.last_block_time,
        )

    def _add_conflict(self, vote_a: Vote, vote_b: Vote) -> None:
        meta = self._blocks.load_meta(vote_a.height)
        validators = self._states.load_validators(vote_a.height)
        if meta is None or validators is None:
            return
        item = make_duplicate_vote(vote_a, vote_b, meta.header.time, validators)
        if item is None or self._kv.get(COMMITTED_EVIDENCE + hash_evidence(item)) is not None:
            return
        if len(self._pending) >= EVIDENCE_PENDING_MAX:
            return
        self._pending[hash_evidence(item)] = item

    def has_pending(self) -> bool:
        """Whether something waits for a block."""
        return bool(self._pending)
