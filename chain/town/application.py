"""The town as an ABCI 2.0 application: committed state, a candidate per proposal, and answers to queries.

The rules are pure and live in `engine`; this shell holds what they must not see: the store, the injected
clock, the caches. PrepareProposal, ProcessProposal and FinalizeBlock of one block execute it once.
Reads and writes: the StateStore.  Never: reads the clock outside CheckTx and PrepareProposal.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final, TypeAlias

from chain.codec.canonical import encode_canonical
from chain.codec.wire import encode_uvarint
from chain.limits import TOWN_READ_MAX_BYTES, TOWN_READ_RECORDS, TOWN_RECHECKED_WHOLE
from chain.town import city
from chain.town.context import Overlay, Reader
from chain.town.due import QUEUE
from chain.town.engine import (
    BLOCK_MAX_GAS_US,
    PAST_HASHES,
    BlockInput,
    BlockOutcome,
    BlockRun,
    StateUnavailable,
    TownFacts,
    Verdict,
)
from chain.town.envelope import EnvelopeCache, is_anonymous
from chain.town.forest import Forest, RecordChange, compute_app_hash, prove, update_forest
from chain.town.genesis import decode_genesis_state, write_genesis
from chain.town.migration import decode_migration, import_state, is_migration
from chain.town.nodes import describe_nodes, last_change
from chain.town.params import VOTES_BALLOT_INTERVAL_S, get_param
from chain.town.ports import SnapshotStore, StateStore, StateVersion
from chain.town.rolling import SIDE_PREFIX
from chain.town.router import town_router
from chain.town.rules import Router
from chain.town.snapshot_chunks import pending_hashes
from chain.town.snapshot_desk import RestoreDesk, SnapshotDesk, SnapshotPolicy
from chain.town.tree import value_hash
from chain.town.votes.ahead import ballot_task, ballot_tasks, is_signed, learn
from chain.town.votes.doubts import Doubts
from chain.types import codes
from chain.types.abci import (
    CheckTxType,
    ExecTxResult,
    ProposalStatus,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    ResponseCheckTx,
    ResponseCommit,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponseInitChain,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ResponseQuery,
)
from chain.types.messages import (
    RequestApplySnapshotChunk,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    ResponseApplySnapshotChunk,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
)
from chain.types.params import ConsensusParams, VersionParams
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp
from chain.votes.judging import BallotTask, Finding

APP_NAME: Final = "beffroi"
APP_SOFTWARE_VERSION: Final = "0.1.0"
APP_PROTOCOL_VERSION: Final = 1
"""Version of the rules, in every header as `version.app`."""
VERSIONS_KEPT: Final = 128
"""Versions of the state that answer queries with proofs (PROTOCOL §4)."""
TICK_LAG_NS: Final = 2 * NANOS_PER_SECOND
"""A header time further behind the clock makes a tick: an empty block, so that the next tells the time."""
CANDIDATES_KEPT: Final = 4
"""Executed proposals of one height: later rounds may bring back an earlier one."""

BlockKey: TypeAlias = tuple[int, Timestamp, tuple[bytes, ...], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block executed in memory; `is_acceptable` is ProcessProposal's answer."""

    outcome: BlockOutcome
    is_acceptable: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What Commit will make durable."""

    version: StateVersion
    forest: Forest


class StoreReader:
    """Committed records; whatever the store raises becomes StateUnavailable, which no rule swallows.

    What was read is remembered until a block changes it: one sale reads the same till, shop and programme as the
    sale before, and CheckTx reads what the block will read again.
    """

    def __init__(self, store: StateStore) -> None:
        self._store = store
        self._known: dict[tuple[str, bytes], bytes | None] = {}

    def get(self, namespace: str, record_id: bytes) -> bytes | None:
        key = (namespace, record_id)
        if key in self._known:
            return self._known[key]
        try:
            record = self._store.get(namespace, record_id)
        except Exception as failure:
            raise StateUnavailable(str(failure)) from failure
        if len(self._known) >= TOWN_READ_RECORDS:
            self._known.clear()
        self._remember(key, record)
        return record

    def _remember(self, key: tuple[str, bytes], record: bytes | None) -> None:
        if record is None or len(record) <= TOWN_READ_MAX_BYTES:
            self._known[key] = record
        else:
            self._known.pop(key, None)

    def scan(
        self, namespace: str, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from self._store.scan(namespace, start, stop)
        except Exception as failure:
            raise StateUnavailable(str(failure)) from failure

    def follow(self, changes: tuple[RecordChange, ...]) -> None:
        """A version was saved: what is remembered of its records is what it wrote."""
        for namespace, record_id, record in changes:
            key = (namespace, record_id)
            if key in self._known:
                self._remember(key, record)


class TownApplication:
    """`chain.types.abci.Application`; calls never overlap."""

    def __init__(
        self, store: StateStore, clock: Callable[[], Timestamp], router: Router | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._router = town_router() if router is None else router
        self._committed = StoreReader(store)
        self._base: Reader = self._committed
        self._genesis: Overlay | None = None
        """The first state, until the first block makes it durable."""
        self._facts: TownFacts | None = None
        self._height, self._app_hash = store.load_version() or (0, b"")
        self._last_time = Timestamp(0)
        self._versions: dict[int, Forest] = {}
        self._candidates: dict[BlockKey, Candidate] = {}
        self._decided: Decided | None = None
        self._check: BlockRun | None = None
        self._checked: dict[bytes, ResponseCheckTx] = {}
        self._doubts = Doubts()
        self._rechecked = 0
        """Waiting transactions looked at again since the last block."""
        self._snapshots: SnapshotDesk | None = None
        self._restore = RestoreDesk()
        self.judge_together: Callable[[Sequence[BallotTask]], None] = _judge_none
        """Has the ballots of a block judged by whom the node likes, before they are executed here."""
        if self._height:
            self._load()

    def _load(self) -> None:
        """Rebuild the trees of the last version; a hash that differs means a damaged store."""
        forest: Forest = {}
        for namespace in self._store.namespaces():
            if not namespace.startswith(SIDE_PREFIX):
                records = self._store.scan(namespace)
                forest = update_forest(forest, ((namespace, rid, rec) for rid, rec in records))
        if compute_app_hash(forest) != self._app_hash:
            raise StateUnavailable("the stored records do not give the stored app hash")
        self._versions[self._height] = forest
        saved_time = self._store.load_meta("time_ns")
        self._last_time = Timestamp.from_ns(int(saved_time or b"0"))
        town = city.TOWNS.get(self._base, city.TOWN_ID)
        if town is None:
            raise StateUnavailable("the stored state has no town record")
        self._begin(TownFacts(town.chain_id, town.town))

    # --- snapshots -------------------------------------------------------------------------

    def keep_snapshots(self, store: SnapshotStore, policy: SnapshotPolicy) -> None:
        """Make snapshots from now on; the caller gives `snapshot_step` its turns."""
        self._snapshots = SnapshotDesk(store, policy)

    def snapshot_step(self) -> bool:
        """A few milliseconds of work on the snapshot in the making; False when there is none."""
        return self._snapshots is not None and self._snapshots.step()

    def give_up_snapshot(self) -> None:
        """Forget the snapshot in the making: there is no room for it."""
        if self._snapshots is not None:
            self._snapshots.give_up()

    def list_snapshots(self, request: RequestListSnapshots) -> ResponseListSnapshots:
        """Finished snapshots, newest first."""
        return ResponseListSnapshots() if self._snapshots is None else self._snapshots.list()

    def load_snapshot_chunk(self, request: RequestLoadSnapshotChunk) -> ResponseLoadSnapshotChunk:
        """One chunk, empty when it is not there."""
        if self._snapshots is None:
            return ResponseLoadSnapshotChunk()
        return self._snapshots.load_chunk(request)

    def offer_snapshot(self, request: RequestOfferSnapshot) -> ResponseOfferSnapshot:
        """Whether to restore from this; the manifest must give the proved app hash."""
        return self._restore.offer(request)

    def apply_snapshot_chunk(
        self, request: RequestApplySnapshotChunk
    ) -> ResponseApplySnapshotChunk:
        """Take the next chunk; the last one puts the restored state in place of what was there."""
        response, version = self._restore.apply(request)
        if version is not None:
            self._store.restore(version)
            self._height, self._app_hash = version.height, version.app_hash
            self._versions, self._genesis = {}, None
            self._base = self._committed = StoreReader(self._store)
            self._reset_candidates()
            self._load()
        return response

    def _begin(self, facts: TownFacts) -> None:
        self._facts = facts
        self._cache = EnvelopeCache(facts.town)

    # --- handshake -------------------------------------------------------------------------

    def info(self, request: RequestInfo) -> ResponseInfo:
        """Where the durable state stands."""
        durable_height, durable_hash = self._store.load_version() or (0, b"")
        return ResponseInfo(
            data=APP_NAME,
            version=APP_SOFTWARE_VERSION,
            app_version=APP_PROTOCOL_VERSION,
            last_block_height=durable_height,
            last_block_app_hash=durable_hash,
        )

    def init_chain(self, request: RequestInitChain) -> ResponseInitChain:
        """Write the first state in memory; raises GenesisError when no town can start so."""
        overlay = Overlay(self._committed)
        if is_migration(request.app_state_bytes):
            forest = import_state(
                overlay,
                decode_migration(request.app_state_bytes),
                chain_id=request.chain_id,
                initial_height=request.initial_height,
                time=request.time,
                validators=request.validators,
                namespaces=self._router.namespaces,
            ).forest
        else:
            forest = self._found_town(overlay, request)
        self._genesis = self._base = overlay
        self._height = request.initial_height - 1
        self._last_time = request.time
        self._app_hash = compute_app_hash(forest)
        self._versions = {self._height: forest}
        town = city.TOWNS.get(overlay, city.TOWN_ID)
        assert town is not None, "genesis wrote the town"
        self._begin(TownFacts(town.chain_id, town.town))
        self._reset_candidates()
        return ResponseInitChain(_own_params(request.consensus_params), (), self._app_hash)

    def _found_town(self, overlay: Overlay, request: RequestInitChain) -> Forest:
        write_genesis(
            overlay,
            decode_genesis_state(request.app_state_bytes),
            chain_id=request.chain_id,
            time=request.time,
            initial_height=request.initial_height,
            router=self._router,
            validators=request.validators,
        )
        return update_forest({}, overlay.changes())

    # --- mempool ---------------------------------------------------------------------------

    def check_tx(self, request: RequestCheckTx) -> ResponseCheckTx:
        """Run the transaction on the mempool's view: committed state plus what waits already.

        So quotas count pending transactions, and a chain of dependent ones may wait together. After a block the
        first that still wait are run again, which finds those that a proposer passed over; the others are counted.
        """
        raw_hash = sha256(request.tx).digest()
        known = self._checked.get(raw_hash)
        if known is not None:
            return known
        now = max(self._clock(), self._last_time)
        run = self._check_run(now.seconds)
        is_guarded = request.type is CheckTxType.NEW and is_anonymous(request.tx)
        if request.type is CheckTxType.RECHECK:
            self._rechecked += 1
            if self._rechecked > TOWN_RECHECKED_WHOLE:
                return _check_response(run.count_again(request.tx))
        elif is_guarded and self._doubts.must_wait(request.tx, run.town, now.seconds):
            return _check_refusal(codes.VOTES_BALLOT_QUOTA)
        tx = run.execute(request.tx)
        if is_guarded and tx.result.code in (0, codes.VOTES_BALLOT_PROOF.number):
            interval_s = get_param(self._base, VOTES_BALLOT_INTERVAL_S)
            self._doubts.note(request.tx, run.town, now.seconds + interval_s)
        response = _check_response(tx.result)
        if tx.verdict is Verdict.ACCEPTED:
            run.keep(tx)
            self._checked[raw_hash] = response
        elif tx.verdict is Verdict.FAILED:
            run.charge_quota(request.tx)
        return response

    def _check_run(self, now_s: int) -> BlockRun:
        block = BlockInput(self._height + 1, now_s)
        if self._check is None:
            self._check = self._new_run(block)
        self._check.block = block
        return self._check

    # --- ballots judged ahead ----------------------------------------------------------------

    def ballot_of(self, tx: bytes) -> BallotTask | None:
        """The ballot that CheckTx would have to judge now; None when it would judge none."""
        if self._facts is None or not is_anonymous(tx) or sha256(tx).digest() in self._checked:
            return None
        town, now = self._facts.town, max(self._clock(), self._last_time)
        if self._doubts.must_wait(tx, town, now.seconds):
            return None
        task = ballot_task(self._base, town, tx, now.seconds)
        return task if isinstance(task, BallotTask) else None

    def ballots_of(self, txs: Sequence[bytes], time_s: int) -> tuple[BallotTask, ...]:
        """The ballots of a block of that header time which nobody here has judged yet."""
        if self._facts is None:
            return ()
        return ballot_tasks(self._base, self._facts.town, txs, time_s, BLOCK_MAX_GAS_US)

    def is_signed(self, task: BallotTask) -> bool:
        """Whether the credential that a ballot names signed it; the cheap half of judging it."""
        return is_signed(task)

    def learn_finding(self, task: BallotTask, finding: Finding) -> None:
        """Take what another process of this node found: the same as would be found here."""
        learn(task, finding)

    # --- proposals -------------------------------------------------------------------------

    def prepare_proposal(self, request: RequestPrepareProposal) -> ResponsePrepareProposal:
        """Keep accepted transactions while size and gas last; none in a tick."""
        run = self._new_run(BlockInput(request.height, request.time.seconds, request.misbehavior))
        is_tick = request.time.to_ns() + TICK_LAG_NS < self._clock().to_ns()
        chosen: list[bytes] = []
        room_bytes = request.max_tx_bytes
        for raw in () if is_tick else request.txs:
            size_bytes = 1 + len(encode_uvarint(len(raw))) + len(raw)
            if size_bytes > room_bytes:
                continue
            tx = run.execute(raw)
            if tx.verdict is not Verdict.ACCEPTED:
                continue
            if run.gas_used_us + tx.result.gas_used > BLOCK_MAX_GAS_US:
                break
            run.keep(tx)
            chosen.append(raw)
            room_bytes -= size_bytes
        key = (request.height, request.time, tuple(chosen), request.misbehavior)
        self._remember(key, Candidate(run.finish(), is_acceptable=True))
        return ResponsePrepareProposal(tuple(chosen))

    def process_proposal(self, request: RequestProcessProposal) -> ResponseProcessProposal:
        """Reject a block holding a transaction that cannot be recorded or that breaks a rule, or too much gas.

        An honest proposer keeps none of these, so nothing is lost; a rule's coded refusal is no reason. The
        first of them ends the work: a block may hold 22 MB of junk, or an hour of gas.
        """
        key = (request.height, request.time, request.txs, request.misbehavior)
        candidate = self._candidates.get(key) or self._execute(key, is_decided=False)
        is_accepted = candidate is not None and candidate.is_acceptable
        return ResponseProcessProposal(
            ProposalStatus.ACCEPT if is_accepted else ProposalStatus.REJECT
        )

    def _execute(self, key: BlockKey, *, is_decided: bool) -> Candidate | None:
        """Run a block from elsewhere; None for one that is not decided and cannot be accepted."""
        height, time, txs, misbehavior = key
        self.judge_together(self.ballots_of(txs, time.seconds))
        run = self._new_run(BlockInput(height, time.seconds, misbehavior))
        is_acceptable = True
        for raw in txs:
            tx = run.execute(raw)
            run.keep(tx)
            is_recorded = tx.verdict in (Verdict.ACCEPTED, Verdict.FAILED)
            is_acceptable &= is_recorded and run.gas_used_us <= BLOCK_MAX_GAS_US
            if not (is_acceptable or is_decided):
                return None
        candidate = Candidate(run.finish(), is_acceptable)
        self._remember(key, candidate)
        return candidate

    def _remember(self, key: BlockKey, candidate: Candidate) -> None:
        while len(self._candidates) >= CANDIDATES_KEPT:
            del self._candidates[next(iter(self._candidates))]
        self._candidates[key] = candidate

    def _new_run(self, block: BlockInput) -> BlockRun:
        assert self._facts is not None, "InitChain comes first"
        return BlockRun(self._base, self._router, self._facts, block, self._cache)

    # --- decision --------------------------------------------------------------------------

    def finalize_block(self, request: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        """Execute a decided block in memory; nothing is durable, and nothing visible, before Commit."""
        key = (request.height, request.time, request.txs, request.misbehavior)
        candidate = self._candidates.get(key) or self._execute(key, is_decided=True)
        assert candidate is not None, "a decided block is executed whatever it holds"
        outcome = candidate.outcome
        height_id = request.height.to_bytes(8, "big")
        # PAST_HASHES sorts after every namespace of letters, so the changes stay sorted.
        wanted = (*outcome.changes, (PAST_HASHES, height_id, request.hash))
        changes, undo = self._effective(_ordered(wanted))
        forest = update_forest(self._versions[self._height], changes)
        app_hash = compute_app_hash(forest)
        meta = {"time_ns": str(request.time.to_ns()).encode()}
        version = StateVersion(request.height, app_hash, changes, undo, meta)
        self._decided = Decided(version, forest)
        return ResponseFinalizeBlock(
            tx_results=outcome.results,
            validator_updates=outcome.validator_updates,
            app_hash=app_hash,
        )

    def _effective(
        self, wanted: tuple[RecordChange, ...]
    ) -> tuple[tuple[RecordChange, ...], tuple[RecordChange, ...]]:
        """Changes that change something, and what was there before each."""
        changes, undo = [], []
        for change in wanted:
            namespace, record_id, record = change
            before = self._base.get(namespace, record_id)
            if before != record:
                changes.append(change)
                undo.append((namespace, record_id, before))
        return tuple(changes), tuple(undo)

    def commit(self) -> ResponseCommit:
        """Make the finalized block durable and let CheckTx and Query see it."""
        decided = self._decided
        assert decided is not None, "FinalizeBlock comes before Commit"
        saved = self._with_genesis(decided.version)
        self._store.save(saved)
        self._committed.follow(saved.changes)
        if self._genesis is not None:
            self._genesis = None
            self._versions.clear()  # the first block brought the genesis records: nothing before it
        self._base = self._committed
        version = decided.version
        self._height, self._app_hash = version.height, version.app_hash
        previous_time, self._last_time = self._last_time, _time_of(version)
        if self._snapshots is not None:
            self._snapshots.note_commit(self._store, version, previous_time.to_ns())
        self._versions[version.height] = decided.forest
        for old in [
            height for height in self._versions if height <= version.height - VERSIONS_KEPT
        ]:
            del self._versions[old]
        self._reset_candidates()
        return ResponseCommit()

    def _with_genesis(self, version: StateVersion) -> StateVersion:
        """The first version carries the genesis records too."""
        if self._genesis is None:
            return version
        merged = {(ns, rid): record for ns, rid, record in self._genesis.changes()}
        merged.update({(ns, rid): record for ns, rid, record in version.changes})
        return replace(
            version,
            changes=tuple((ns, rid, record) for (ns, rid), record in sorted(merged.items())),
            undo=tuple((ns, rid, None) for ns, rid in sorted(merged)),
        )

    def _reset_candidates(self) -> None:
        self._candidates.clear()
        self._decided = None
        self._check = None
        self._checked.clear()
        self._rechecked = 0

    # --- queries ---------------------------------------------------------------------------

    def query(self, request: RequestQuery) -> ResponseQuery:
        """`/status`, `/due`, `/pending`, `/nodes`, `/record/NAMESPACE`, `/key/NAMESPACE`; header H+1 proves state H."""
        if self._facts is None:
            return _query_refusal(codes.QUERY_VERSION_GONE, "no state yet")
        if request.path == "/status":
            return self._query_status()
        if request.path == "/due":
            return ResponseQuery(value=encode_canonical(self._due_facts()), height=self._height)
        if request.path == "/pending":
            return self._query_pending()
        if request.path == "/nodes":
            listed = encode_canonical(describe_nodes(self._base))
            return ResponseQuery(value=listed, height=self._height)
        root, kind, namespace = (*request.path.split("/"), "", "", "")[:3]
        is_known = kind in ("record", "key") and namespace in self._router.namespaces
        if root or not is_known or request.path.count("/") != 2:
            return _query_refusal(codes.QUERY_UNKNOWN_PATH, "")
        if not 1 <= len(request.data) <= 255:
            return _query_refusal(codes.QUERY_BAD_KEY, "1 to 255 bytes")
        return self._query_record(request, namespace, is_hash=kind == "key")

    def _query_record(
        self, request: RequestQuery, namespace: str, *, is_hash: bool
    ) -> ResponseQuery:
        height = request.height or self._height
        forest = self._forest_at(height)
        if forest is None:
            return _query_refusal(codes.QUERY_VERSION_GONE, f"height {height}")
        record = self._record_at(height, namespace, request.data)
        value = b"" if record is None else value_hash(record) if is_hash else record
        ops = prove(forest, namespace, request.data) if request.prove else ()
        return ResponseQuery(key=request.data, value=value, proof_ops=ops, height=height)

    def _query_status(self) -> ResponseQuery:
        status = city.describe_town(self._base) | {
            "height": self._height,
            "time": self._last_time.seconds,
            "app_hash": self._app_hash.hex(),
            **self._due_facts(),
        }
        return ResponseQuery(value=encode_canonical(status), height=self._height)

    def _due_facts(self) -> dict[str, int | None]:
        """What its own node asks after every block: when work is due, and when peers last changed."""
        first_due = next(QUEUE.scan(self._base), None)
        return {
            "next_due": None if first_due is None else first_due[1].at_s,
            "nodes_changed": last_change(self._base),
        }

    def _query_pending(self) -> ResponseQuery:
        """What of the state no app hash proves, only headers do: for a node that restored a snapshot."""
        hashes = [[height, block_hash.hex()] for height, block_hash in pending_hashes(self._base)]
        facts = {"time_ns": str(self._last_time.to_ns()), "hashes": hashes}
        return ResponseQuery(value=encode_canonical(facts), height=self._height)

    def _forest_at(self, height: int) -> Forest | None:
        """The trees of a kept version; after a restart, rebuilt by undoing later blocks."""
        if not self._height - VERSIONS_KEPT < height <= self._height or height < 0:
            return None
        later = min(known for known in self._versions if known >= height)
        forest = self._versions[later]
        for undone in range(later, height, -1):
            undo = self._store.load_undo(undone)
            if undo is None:
                return None
            forest = update_forest(forest, undo)
            if not forest:
                return None  # before the first block
            self._versions[undone - 1] = forest
        return forest

    def _record_at(self, height: int, namespace: str, record_id: bytes) -> bytes | None:
        """A record as of `height`: what the first later block to change it found, else what is there."""
        for later in range(height + 1, self._height + 1):
            for ns, rid, before in self._store.load_undo(later) or ():
                if (ns, rid) == (namespace, record_id):
                    return before
        return self._base.get(namespace, record_id)


def _judge_none(_tasks: Sequence[BallotTask]) -> None:
    """The rules judge every ballot themselves."""


def _time_of(version: StateVersion) -> Timestamp:
    return Timestamp.from_ns(int(version.meta["time_ns"]))


def _ordered(changes: tuple[RecordChange, ...]) -> tuple[RecordChange, ...]:
    return tuple(sorted(changes, key=lambda change: change[:2]))


def _own_params(consensus: ConsensusParams | None) -> ConsensusParams | None:
    """Set `block.max_gas` to what one block may cost, whatever the genesis document said, and name our rules.

    An engine takes the version in every header from these parameters once it is given any.
    """
    if consensus is None:
        return None
    bounded = replace(consensus.block, max_gas=BLOCK_MAX_GAS_US)
    return replace(consensus, block=bounded, version=VersionParams(APP_PROTOCOL_VERSION))


def _check_response(result: ExecTxResult) -> ResponseCheckTx:
    return ResponseCheckTx(
        code=result.code,
        data=result.data,
        log=result.log,
        info=result.info,
        gas_wanted=result.gas_wanted,
        gas_used=result.gas_used,
        codespace=result.codespace,
    )


def _check_refusal(code: codes.Code) -> ResponseCheckTx:
    return ResponseCheckTx(code=code.number, log=code.en, info=code.name, codespace=code.codespace)


def _query_refusal(code: codes.Code, detail: str) -> ResponseQuery:
    log = f"{code.en} ({detail})" if detail else code.en
    return ResponseQuery(code=code.number, log=log, info=code.name, codespace=code.codespace)
