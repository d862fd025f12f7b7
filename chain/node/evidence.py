"""Misbehaviour waiting for a block: found by our own consensus, or brought by somebody who saw it.

What waits is durable: evidence somebody brought in a write of its own, evidence from conflicting votes with the
block that ends their height (until then the votes are in the log). So is, with the block, what it carries.
Reads: past headers and validator sets.  Writes: its own rows.  Source: CometBFT 0.38 `evidence/pool.go`.
"""

from collections.abc import Sequence
from dataclasses import replace

from chain.codec.hashing import hash_evidence
from chain.codec.proto import decode, encode
from chain.crypto.light_attack import is_lunatic, plain_light_attack
from chain.execution.building import EMPTY_COMMIT
from chain.execution.evidence import is_expired, make_duplicate_vote, verify_duplicate_vote
from chain.execution.light_attack import AttackFacts, check_support, verify_light_attack
from chain.execution.validation import InvalidBlock
from chain.limits import EVIDENCE_PENDING_MAX
from chain.store.blocks import BlockStore
from chain.store.keys import COMMITTED_EVIDENCE, PENDING_EVIDENCE, height_key
from chain.store.kv import Batch, KeyValueStore
from chain.store.state import ChainStateStore
from chain.types.block import Block, EvidenceList, SignedHeader, Vote
from chain.types.evidence import (
    DuplicateVoteEvidence,
    Evidence,
    LightClientAttackEvidence,
    evidence_height,
)
from chain.types.primitives import Height
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet

_PENDING_END = bytes((PENDING_EVIDENCE[0] + 1,))


class EvidencePool:
    """Pending evidence, oldest offence first after a start, then in order of discovery; judged against the store."""

    def __init__(self, kv: KeyValueStore, blocks: BlockStore, states: ChainStateStore) -> None:
        self._kv = kv
        self._blocks = blocks
        self._states = states
        self._pending: dict[bytes, Evidence] = {}
        self._conflicts: dict[tuple[bytes, int, int, int], tuple[Vote, Vote]] = {}
        self._staged: tuple[dict[bytes, Evidence], set[tuple[bytes, int, int, int]]] | None = None
        for _, row in kv.scan(PENDING_EVIDENCE, _PENDING_END):
            (item,) = decode(EvidenceList, row).evidence
            self._pending[hash_evidence(item)] = item

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────

    def report_conflict(self, vote_a: Vote, vote_b: Vote) -> None:
        """Keep two conflicting votes until their height is decided: evidence carries that block's time.

        One pair per validator, height, round and type: a liar gains nothing by signing a third.
        """
        offence = vote_a.validator_address, vote_a.height, vote_a.round, int(vote_a.type)
        if len(self._conflicts) < EVIDENCE_PENDING_MAX:
            self._conflicts.setdefault(offence, (vote_a, vote_b))

    def submit_conflict(self, state: ChainState, vote_a: Vote, vote_b: Vote) -> None:
        """Make evidence of conflicting votes of a decided height at once; it waits for the next block."""
        header = self._blocks.load_header(vote_a.height)
        validators = self._states.load_members(vote_a.height)
        if header is None or validators is None:
            return
        item = make_duplicate_vote(vote_a, vote_b, header.time, validators)
        if item is not None:
            self.submit(state, item)

    def submit(self, state: ChainState, item: Evidence) -> InvalidBlock | None:
        """Take in evidence that somebody brought; None when it is true and waits, or waited, or was committed."""
        key = hash_evidence(item)
        if key in self._pending or self._is_committed(state, key):
            return None
        if isinstance(item, LightClientAttackEvidence):
            facts = self._attack_facts(state, item)
            if isinstance(facts, InvalidBlock):
                return facts
            refused = check_support(item, facts)
            if refused is not None:
                return refused
            item = plain_light_attack(item, state.chain_id)
        refused = self._verify(state, item) or self._check_room(state, item)
        if refused is not None:
            return refused
        batch = Batch()
        batch.put(_pending_key(item), encode(EvidenceList((item,))))
        self._kv.write(batch)
        self._pending[key] = item
        return None

    def _check_room(self, state: ChainState, item: Evidence) -> InvalidBlock | None:
        limit = state.consensus_params.evidence.max_bytes
        size = len(encode(EvidenceList((item,))))
        if size > limit:
            return InvalidBlock("evidence_size", f"{size} bytes, a block holds {limit}")
        if len(self._pending) >= EVIDENCE_PENDING_MAX:
            return InvalidBlock("evidence_full", f"{EVIDENCE_PENDING_MAX} pieces wait already")
        return None

    def recheck(self, state: ChainState) -> None:
        """At a start: forget what no longer stands, for instance after a rollback or with another release."""
        batch = Batch()
        for key, item in tuple(self._pending.items()):
            if self._is_committed(state, key) or self._verify(state, item) is not None:
                del self._pending[key]
                batch.delete(_pending_key(item))
        if batch.writes:
            self._kv.write(batch)

    # ── what goes out ────────────────────────────────────────────────────────────────────────────────

    def pending_count(self) -> int:
        """How many pieces wait for a block."""
        return len(self._pending)

    def has_pending(self) -> bool:
        """Whether something waits for a block."""
        return bool(self._pending)

    def pending(self, max_bytes: int) -> tuple[Evidence, ...]:
        """What waits, as much as fits into an encoded list of `max_bytes`."""
        return _fitting(tuple(self._pending.values()), max_bytes)

    def proposable(self, state: ChainState, max_bytes: int) -> tuple[Evidence, ...]:
        """What the next block may carry: an attack ahead of us is judged again, because our chain has grown."""
        standing = tuple(
            item
            for item in self._pending.values()
            if isinstance(item, DuplicateVoteEvidence) or self._verify(state, item) is None
        )
        return _fitting(standing, max_bytes)

    # ── judging ──────────────────────────────────────────────────────────────────────────────────────

    def check_block(self, state: ChainState, evidence: Sequence[Evidence]) -> InvalidBlock | None:
        """None when every piece is true, fresh, and neither committed nor twice in the block.

        An attack is judged even when it waits here: its hash does not name all of it.
        """
        seen: set[bytes] = set()
        for item in evidence:
            key = hash_evidence(item)
            if key in seen or self._is_committed(state, key):
                return InvalidBlock("evidence_repeated", key.hex())
            seen.add(key)
            is_attack = isinstance(item, LightClientAttackEvidence)
            if not is_attack and self._pending.get(key) == item:
                continue
            refused = self._verify(state, item)
            if refused is not None:
                return refused
        return None

    def _is_committed(self, state: ChainState, key: bytes) -> bool:
        """Whether a block up to the state carries it; a block that was rolled back does not count."""
        row = self._kv.get(COMMITTED_EVIDENCE + key)
        return row is not None and int.from_bytes(row, "big") <= state.last_block_height

    def _verify(self, state: ChainState, item: Evidence) -> InvalidBlock | None:
        if isinstance(item, LightClientAttackEvidence):
            facts = self._attack_facts(state, item)
            return facts if isinstance(facts, InvalidBlock) else verify_light_attack(item, facts)
        past = self._past(state, item)
        if isinstance(past, InvalidBlock):
            return past
        block_time, validators = past
        refused = verify_duplicate_vote(
            item, chain_id=state.chain_id, validators=validators, block_time=block_time
        )
        if refused is None and not _is_plain(item, validators):
            return InvalidBlock("evidence_votes", "carry fields that their signatures do not cover")
        return refused

    def _past(
        self, state: ChainState, item: Evidence
    ) -> tuple[Timestamp, ValidatorSet] | InvalidBlock:
        """Block time and validators at the height of the offence, unless it is unknown here or too long ago."""
        height = evidence_height(item)
        header = self._blocks.load_header(height) if 0 < height <= state.last_block_height else None
        validators = None if header is None else self._states.load_members(height)
        if header is None or validators is None:
            return InvalidBlock("evidence_height", f"no block {height} here")
        if _is_too_old(state, height, header.time):
            return InvalidBlock("evidence_expired", f"of height {height}")
        return header.time, validators

    def _attack_facts(
        self, state: ChainState, item: LightClientAttackEvidence
    ) -> AttackFacts | InvalidBlock:
        past = self._past(state, item)
        if isinstance(past, InvalidBlock):
            return past
        header = item.conflicting_block.signed_header.header
        ours_height = min(header.height, state.last_block_height)
        ours = self._blocks.load_header(ours_height)
        if ours is None:
            return InvalidBlock("evidence_height", f"no block {ours_height} here")
        found = self._blocks.load_commit(ours_height)
        is_canonical = found is not None and found[1] and ours_height < state.last_block_height
        if not is_canonical and not is_lunatic(header, ours):
            # Who signed our block is agreed upon with the block after it only.
            return InvalidBlock("evidence_height", f"block {ours_height} has no commit yet")
        commit = found[0] if found is not None and is_canonical else EMPTY_COMMIT
        return AttackFacts(state.chain_id, *past, SignedHeader(ours, commit))

    # ── with a block ─────────────────────────────────────────────────────────────────────────────────

    def stage(self, batch: Batch, before: ChainState, after: ChainState, block: Block) -> None:
        """Add to a block's batch what it changes here; `settle` once the batch is durable."""
        pending = dict(self._pending)
        for item in block.evidence.evidence:
            key = hash_evidence(item)
            batch.put(COMMITTED_EVIDENCE + key, block.header.height.to_bytes(8, "big"))
            if (held := pending.pop(key, None)) is not None:
                batch.delete(_pending_key(held))
        for key, item in tuple(pending.items()):
            if _is_too_old(after, evidence_height(item), item.timestamp):
                del pending[key]
                batch.delete(_pending_key(item))
        turned = self._turn_conflicts(batch, before, block, pending)
        self._staged = pending, turned

    def _turn_conflicts(
        self, batch: Batch, before: ChainState, block: Block, pending: dict[bytes, Evidence]
    ) -> set[tuple[bytes, int, int, int]]:
        """Make evidence of the conflicting votes whose height is decided now; returns which are dealt with."""
        turned = set()
        fresh = {hash_evidence(item) for item in block.evidence.evidence}
        for offence, (vote_a, vote_b) in self._conflicts.items():
            if vote_a.height > block.header.height:
                continue
            turned.add(offence)
            item = self._make_evidence(vote_a, vote_b, before, block)
            if item is None or len(pending) >= EVIDENCE_PENDING_MAX:
                continue
            key = hash_evidence(item)
            if key not in fresh and not self._is_committed(before, key):
                pending[key] = item
                batch.put(_pending_key(item), encode(EvidenceList((item,))))
        return turned

    def _make_evidence(
        self, vote_a: Vote, vote_b: Vote, before: ChainState, block: Block
    ) -> Evidence | None:
        height = vote_a.height
        if height == block.header.height:
            return make_duplicate_vote(vote_a, vote_b, block.header.time, before.validators)
        header, validators = self._blocks.load_header(height), self._states.load_members(height)
        if header is None or validators is None:
            return None
        return make_duplicate_vote(vote_a, vote_b, header.time, validators)

    def settle(self) -> None:
        """The block's batch is durable: what it changed holds from now on."""
        assert self._staged is not None, "a block was staged"
        self._pending, turned = self._staged
        self._staged = None
        for offence in turned:
            del self._conflicts[offence]


def _is_plain(item: DuplicateVoteEvidence, validators: ValidatorSet) -> bool:
    """Whether both votes have their voter's index and nothing beyond what they sign.

    Stricter than 0.38: else one offence could be brought in any number of spellings, each a piece of its own.
    """
    index = validators.index_of(item.vote_a.validator_address)
    assert index is not None, "verified evidence names a member"
    return all(
        vote == replace(vote, validator_index=index, extension=b"", extension_signature=b"")
        for vote in (item.vote_a, item.vote_b)
    )


def _is_too_old(state: ChainState, height: Height, time: Timestamp) -> bool:
    return is_expired(
        state.consensus_params.evidence,
        height=height,
        time=time,
        now_height=state.last_block_height,
        now=state.last_block_time,
    )


def _pending_key(item: Evidence) -> bytes:
    return height_key(PENDING_EVIDENCE, evidence_height(item)) + hash_evidence(item)


def _fitting(items: tuple[Evidence, ...], max_bytes: int) -> tuple[Evidence, ...]:
    """The first pieces whose list encodes into `max_bytes`; one that is too large lets smaller ones pass."""
    chosen: list[Evidence] = []
    room = max_bytes
    for item in items:
        size = len(encode(EvidenceList((item,))))
        if size <= room:
            chosen.append(item)
            room -= size
    return tuple(chosen)
