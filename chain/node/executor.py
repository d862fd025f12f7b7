"""Blocks through the application and into the store: propose, judge, apply, replay.

Order of a commit (PROTOCOL §4): FinalizeBlock in memory, then one durable transaction {block, seen commit,
responses, chain state, application, index}. With an application that keeps its own store the same rows go in
two transactions around the application's Commit, and a crash between leaves what `handshake` repairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns

from chain.codec.hashing import PartSet, hash_validators, make_block_id
from chain.codec.proto import encode
from chain.execution.building import compute_block_time, make_block, max_data_bytes
from chain.execution.updating import (
    finalize_request,
    misbehavior_of,
    prepare_request,
    process_request,
    update_state,
)
from chain.execution.validation import InvalidBlock, validate_block
from chain.node.evidence import EvidencePool
from chain.node.retention import RetentionPolicy
from chain.store.app import LmdbStateStore
from chain.store.blocks import BlockStore
from chain.store.index import EventIndex
from chain.store.kv import Batch, KeyValueStore
from chain.store.pruning import Pruner
from chain.store.state import ChainStateStore
from chain.types.abci import Application, ResponseFinalizeBlock
from chain.types.block import Block, BlockID, Commit, EvidenceList
from chain.types.primitives import Address, Height
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from chain.types.validator import ValidatorSet


@dataclass(frozen=True, slots=True)
class BuiltBlock:
    """A whole block with its name, its parts and its bytes."""

    block: Block
    block_id: BlockID
    parts: PartSet
    encoded: bytes


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything durable of one node; `app` is None when the application keeps its own store."""

    kv: KeyValueStore
    blocks: BlockStore
    states: ChainStateStore
    index: EventIndex
    app: LmdbStateStore | None
    pruner: Pruner


def open_stores(kv: KeyValueStore, app: LmdbStateStore | None) -> Stores:
    """The node's views of one map."""
    blocks, states, index = BlockStore(kv), ChainStateStore(kv), EventIndex(kv)
    return Stores(kv, blocks, states, index, app, Pruner(kv, blocks, states, index))


Reap = Callable[[int, int], tuple[bytes, ...]]
"""Waiting transactions within (bytes, gas)."""


class BlockExecutor:
    """Talks to the application for consensus; every method runs to its end on the node's one thread."""

    def __init__(
        self,
        app: Application,
        stores: Stores,
        reap: Reap,
        evidence: EvidencePool,
        genesis_time: Timestamp,
    ) -> None:
        self._app = app
        self._stores = stores
        self._reap = reap
        self._evidence = evidence
        self._genesis_time = genesis_time
        self.retention: RetentionPolicy | None = None
        """What to keep; everything while None."""
        self.stage_ns: dict[str, int] = {}
        """Nanoseconds spent per stage since the start, for measurements."""

    def propose(self, state: ChainState, last_commit: Commit, proposer: Address) -> BuiltBlock:
        """Build the block that follows `state` with what the application chooses from the pool."""
        params = state.consensus_params
        evidence = self._evidence.proposable(state, params.evidence.max_bytes)
        evidence_bytes = len(encode(EvidenceList(evidence)))
        room = max_data_bytes(
            params.block.max_bytes, evidence_bytes, len(state.validators.validators)
        )
        height = next_height(state)
        time = compute_block_time(state, self._genesis_time, last_commit)
        request = prepare_request(
            state,
            height=height,
            time=time,
            txs=self._reap(room, params.block.max_gas),
            max_tx_bytes=room,
            last_commit=last_commit,
            misbehavior=misbehavior_of(evidence),
            next_validators_hash=hash_validators(state.next_validators.validators),
            proposer=proposer,
        )
        started = perf_counter_ns()
        chosen = self._app.prepare_proposal(request)
        self._count("prepare", started)
        block = make_block(
            state,
            height=height,
            time=time,
            txs=chosen.txs,
            last_commit=last_commit,
            evidence=evidence,
            proposer=proposer,
        )
        return name_block(block)

    def judge(self, state: ChainState, built: BuiltBlock) -> InvalidBlock | None:
        """Whether a whole block is valid after `state`, evidence and the application's word included."""
        return self.check(state, built) or self.ask_application(state, built)

    def check(self, state: ChainState, built: BuiltBlock) -> InvalidBlock | None:
        """Whether a whole block is valid after `state`, evidence included, the application not asked."""
        started = perf_counter_ns()
        refused = validate_block(state, built.block) or self._evidence.check_block(
            state, built.block.evidence.evidence
        )
        self._count("validate", started)
        return refused

    def ask_application(self, state: ChainState, built: BuiltBlock) -> InvalidBlock | None:
        """ProcessProposal; also asked for our own block, so that its candidate state carries its name."""
        told = misbehavior_of(built.block.evidence.evidence)
        request = process_request(built.block, built.block_id.hash, state.last_validators, told)
        started = perf_counter_ns()
        response = self._app.process_proposal(request)
        self._count("process", started)
        return None if response.is_accepted() else InvalidBlock("application", "rejected")

    def apply(
        self, state: ChainState, built: BuiltBlock, seen_commit: Commit
    ) -> tuple[ChainState, ResponseFinalizeBlock]:
        """Execute a decided block and make all of it durable; any exception must stop the node."""
        started = perf_counter_ns()
        response = self._finalize(built.block, built.block_id, state.last_validators)
        self._count("finalize", started)
        started = perf_counter_ns()
        after = update_state(state, built.block_id, built.block, response)
        batch = Batch()
        self._stores.blocks.stage_block(
            batch, built.block, built.block_id, built.encoded, seen_commit
        )
        self._stores.blocks.stage_responses(batch, built.block.header.height, response)
        self._stores.index.stage(batch, built.block, response)
        self._evidence.stage(batch, state, after, built.block)
        self._count("stage", started)
        self._commit(batch, after)
        self._evidence.settle()
        return after, response

    def _commit(self, batch: Batch, after: ChainState) -> None:
        started = perf_counter_ns()
        stores, height = self._stores, after.last_block_height
        if stores.app is None:
            stores.kv.write(batch)
            stores.blocks.advance(height)
            batch = Batch()
        retain_height = self._app.commit().retain_height
        stores.states.stage(batch, after)
        if stores.app is not None:
            stores.app.join(batch)
        self._count("app_commit", started)
        started = perf_counter_ns()
        self._stage_pruning(batch, after, retain_height)
        self._count("prune", started)
        started = perf_counter_ns()
        stores.kv.write(batch)
        stores.pruner.settle()
        self._count("store_write", started)
        if stores.app is not None:
            stores.app.settle()
        stores.blocks.advance(height)

    def _stage_pruning(self, batch: Batch, after: ChainState, retain_height: Height) -> None:
        """Old heights go in the transaction of the new one: no sync of its own, nothing half gone after a crash."""
        policy = self.retention
        if policy is not None:
            self._stores.pruner.stage(
                batch, lambda height, time: policy.is_over(after, height, time, retain_height)
            )

    def apply_saved(
        self, state: ChainState, built: BuiltBlock, response: ResponseFinalizeBlock
    ) -> ChainState:
        """State after a block that the application already committed, from its saved answer."""
        after = update_state(state, built.block_id, built.block, response)
        batch = Batch()
        self._stores.states.stage(batch, after)
        self._stores.kv.write(batch)
        return after

    def apply_stored(self, state: ChainState, built: BuiltBlock) -> ChainState:
        """Execute a block that is in the store already and make its outcome durable."""
        response = self._finalize(built.block, built.block_id, state.last_validators)
        after = update_state(state, built.block_id, built.block, response)
        batch = Batch()
        self._stores.blocks.stage_responses(batch, built.block.header.height, response)
        self._stores.index.stage(batch, built.block, response)
        self._commit(batch, after)
        return after

    def replay(self, built: BuiltBlock, last_validators: ValidatorSet) -> bytes:
        """Bring an application that lags one block further; the chain state stays. Returns its app hash."""
        response = self._finalize(built.block, built.block_id, last_validators)
        self._app.commit()
        self.write_application_rows(Batch())
        return response.app_hash

    def write_application_rows(self, batch: Batch) -> None:
        """Write a batch with whatever the application saved on the shared store."""
        if self._stores.app is not None:
            self._stores.app.join(batch)
        if batch.writes:
            self._stores.kv.write(batch)
        if self._stores.app is not None:
            self._stores.app.settle()

    def _finalize(
        self, block: Block, block_id: BlockID, last_validators: ValidatorSet
    ) -> ResponseFinalizeBlock:
        told = misbehavior_of(block.evidence.evidence)
        return self._app.finalize_block(
            finalize_request(block, block_id.hash, last_validators, told)
        )

    def _count(self, stage: str, started_ns: int) -> None:
        spent = perf_counter_ns() - started_ns
        self.stage_ns[stage] = self.stage_ns.get(stage, 0) + spent


def name_block(block: Block) -> BuiltBlock:
    """A block with its id and parts."""
    block_id, parts = make_block_id(block)
    return BuiltBlock(block, block_id, parts, b"".join(part.bytes for part in parts.parts))


def next_height(state: ChainState) -> Height:
    """Height of the block that follows `state`."""
    if state.last_block_height == 0:
        return state.initial_height
    return state.last_block_height + 1
