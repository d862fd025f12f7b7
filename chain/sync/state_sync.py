"""State sync: a fresh node restores a snapshot of its peers instead of executing every block.

Trust comes from a light client alone: it proves the headers of H and H+1 (and H+2 where the validators change) from a
header hash the operator vouches for, or from the genesis validators, and compares peers as witnesses. Snapshots and
chunks come from anybody; the application judges them against the proved app hash and names who lied. Nothing is
durable before one final transaction, so a crash at any point is a fresh start.
Source: CometBFT 0.38 `statesync/syncer.go`, `reactor.go`, `stateprovider.go`; light blocks and parameters travel
between peers as in Tendermint 0.35.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from chain.limits import (
    STATESYNC_RETRY_MS,
    STATESYNC_UNASKED_STRIKES,
)
from chain.sync.asking import Asking
from chain.sync.backfill import Backfill
from chain.sync.chunk_queue import ChunkQueue
from chain.sync.errors import SyncFailure
from chain.sync.flow import Flow, FlowDriver, Until, breathe, pause
from chain.sync.offers import SnapshotOffers
from chain.sync.ports import (
    PeerId,
)
from chain.sync.proof import name_fetched
from chain.sync.proving import GivenUp, Next, Prover, StateSyncParts, StateSyncSettings
from chain.sync.restored import (
    ProvedHeights,
    RestoredChain,
    make_restored_state,
)
from chain.types.abci import RequestInfo, RequestQuery, Snapshot
from chain.types.messages import (
    ApplySnapshotChunkResult,
    BlockResponse,
    BlocksyncMessage,
    ChunkRequest,
    ChunkResponse,
    LightBlockResponse,
    OfferSnapshotResult,
    ParamsResponse,
    RequestApplySnapshotChunk,
    RequestOfferSnapshot,
    SnapshotsRequest,
    SnapshotsResponse,
    StatesyncMessage,
)
from chain.types.params import ConsensusParams
from chain.types.primitives import Height

log = structlog.get_logger("statesync")


@dataclass(frozen=True, slots=True)
class _Pending:
    """The header time the application keeps, and hashes of finished blocks outside its tree, by height."""

    time_ns: int
    hashes: tuple[tuple[Height, bytes], ...]


class StateSync:
    """State sync of one node, from the first offer to the restored chain; on the node's one thread."""

    def __init__(
        self, parts: StateSyncParts, settings: StateSyncSettings, on_done: Callable[[], None]
    ) -> None:
        self._do = parts
        self._set = settings
        self._on_done = on_done
        self._peers: set[PeerId] = set()
        self._offers = SnapshotOffers()
        self._asking = Asking(parts.transport, self._is_usable)
        self._prover = Prover(parts, settings, self._asking, self._able, self._reject)
        self._strikes: Counter[PeerId] = Counter()
        self._snapshot: Snapshot | None = None
        self._chunks: ChunkQueue | None = None
        self._driver = FlowDriver(self._main(), parts.timers, parts.clock)
        self.rejected: list[tuple[PeerId, str]] = []
        """Peers dropped for a lie, with the reason; for people and tests."""
        self.restored: RestoredChain | None = None

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to gather offers."""
        self._driver.start()

    def stop(self) -> None:
        """Give up; nothing was made durable unless the node was told that it is done."""
        self._driver.stop()

    @property
    def fetched_light_blocks(self) -> int:
        """Light blocks received, those below the snapshot included."""
        return self._asking.fetched

    # ── from the transport ───────────────────────────────────────────────────────────────────────────

    def add_peer(self, peer: PeerId) -> None:
        """A connection is up: what does it offer?"""
        self._peers.add(peer)
        self._do.transport.send(peer, StatesyncMessage(SnapshotsRequest()))
        self._driver.poke()

    def remove_peer(self, peer: PeerId) -> None:
        """A connection is gone."""
        self._peers.discard(peer)
        self._offers.remove_peer(peer)
        self._asking.forget(peer)
        self._driver.poke()

    def receive(self, peer: PeerId, message: StatesyncMessage) -> None:
        """A decoded message of channels 60 to 63 from a connected peer."""
        if not self._is_usable(peer) or self._driver.is_over:
            return
        match message.value:
            case SnapshotsResponse() as offered:
                flaw = self._offers.add(peer, offered)
                if flaw:
                    self._reject(peer, flaw)
            case ChunkResponse() as response:
                self._take_chunk(peer, response)
            case LightBlockResponse(block):
                self._note_asked(peer, self._asking.take_light(peer, block))
            case ParamsResponse() as told:
                self._note_asked(peer, self._asking.take_params(peer, told))
            case _:
                pass  # a question: who joins has nothing to give
        self._driver.poke()

    def receive_block(self, peer: PeerId, message: BlocksyncMessage) -> None:
        """A decoded message of channel 40 (hex): only the block of the snapshot's height is wanted."""
        if isinstance(message.value, BlockResponse) and self._is_usable(peer):
            fetched = name_fetched(message.value.block)
            self._note_asked(peer, self._asking.take_block(peer, fetched))
            self._driver.poke()

    def _take_chunk(self, peer: PeerId, response: ChunkResponse) -> None:
        snapshot, queue = self._snapshot, self._chunks
        if response.missing and response.chunk:
            self._reject(peer, "a chunk that is missing and there")
            return
        is_ours = (
            snapshot is not None
            and queue is not None
            and (response.height, response.format) == (snapshot.height, snapshot.format)
            and queue.take(peer, response.index, response.chunk)
        )
        # An answer after its time, or for a snapshot given up meanwhile, is no lie: only many are.
        self._note_asked(peer, is_ours)

    def _note_asked(self, peer: PeerId, was_asked: bool) -> None:
        if was_asked:
            self._strikes[peer] = 0
            return
        self._strikes[peer] += 1
        if self._strikes[peer] >= STATESYNC_UNASKED_STRIKES:
            self._reject(peer, "answers to questions nobody asked")

    def _is_usable(self, peer: PeerId) -> bool:
        return peer in self._peers and not self._offers.is_rejected(peer)

    def _able(self) -> tuple[PeerId, ...]:
        """Connected peers that were not rejected, sorted."""
        return tuple(sorted(peer for peer in self._peers if not self._offers.is_rejected(peer)))

    def _reject(self, peer: PeerId, reason: str) -> None:
        log.warning("peer rejected", peer=peer, reason=reason)
        self.rejected.append((peer, reason))
        self._offers.reject_peer(peer)
        if self._chunks is not None:
            self._chunks.discard_sender(peer)
        self._do.transport.drop(peer, reason)

    # ── the flow ─────────────────────────────────────────────────────────────────────────────────────

    def _main(self) -> Flow[None]:
        """Try the best snapshot, then the next, until one is restored."""
        log.info("looking for snapshots", seconds=self._set.discovery_s)
        yield from pause(self._set.discovery_s)
        while True:
            snapshot = self._offers.best(self._now_s())
            if snapshot is None:
                yield from self._look_again()
                continue
            outcome = yield from self._restore(snapshot)
            self._snapshot = self._chunks = None
            if isinstance(outcome, RestoredChain):
                break
            log.warning("snapshot given up", height=snapshot.height, reason=outcome.reason)
            if outcome.then is Next.LATER:
                self._offers.postpone(snapshot, self._now_s() + STATESYNC_RETRY_MS / 1_000)
            elif outcome.then is Next.NEVER:
                self._offers.reject(snapshot)
        self._do.sink.bootstrap(outcome)
        self.restored = outcome
        log.info("snapshot restored", height=outcome.state.last_block_height)
        self._on_done()

    def _look_again(self) -> Flow[None]:
        for peer in self._prover.usable():
            self._do.transport.send(peer, StatesyncMessage(SnapshotsRequest()))
        seconds = max(self._set.discovery_s, STATESYNC_RETRY_MS / 1_000)
        yield Until(lambda: self._offers.best(self._now_s()) is not None, seconds)

    def _restore(self, snapshot: Snapshot) -> Flow[RestoredChain | GivenUp]:
        log.info("trying a snapshot", height=snapshot.height, chunks=snapshot.chunks)
        proved = yield from self._prover.prove(snapshot.height)
        if isinstance(proved, GivenUp):
            return proved
        params = yield from self._prover.find_params(proved.current)
        fetched = yield from self._prover.find_block(proved.last)
        if params is None or fetched is None:
            return GivenUp("no peer gave parameters or block", Next.LATER)
        refused = self._offer(snapshot, proved.app_hash)
        refused = refused or (yield from self._fetch_chunks(snapshot))
        refused = refused or self._check_info(proved)
        refused = refused or (yield from self._fill(proved, params))
        if refused:
            return refused
        state = make_restored_state(self._do.doc, proved, params)
        return RestoredChain(state, fetched, proved.last.signed_header)

    # ── the application ──────────────────────────────────────────────────────────────────────────────

    def _offer(self, snapshot: Snapshot, app_hash: bytes) -> GivenUp | None:
        answer = self._do.app.offer_snapshot(RequestOfferSnapshot(snapshot, app_hash))
        match answer.result:
            case OfferSnapshotResult.ACCEPT:
                return None
            case OfferSnapshotResult.REJECT_FORMAT:
                self._offers.reject_format(snapshot.format)
            case OfferSnapshotResult.REJECT_SENDER:
                for peer in self._offers.peers_of(snapshot):
                    self._reject(peer, f"offered a false snapshot of {snapshot.height}")
            case OfferSnapshotResult.REJECT:
                pass
            case _:
                raise SyncFailure("statesync_aborted", f"the application answered {answer.result}")
        return GivenUp(f"the application answered {answer.result.name}")

    def _fetch_chunks(self, snapshot: Snapshot) -> Flow[GivenUp | None]:
        """Ask, wait, apply in order; the application says which chunk is false and who sent it."""
        queue = ChunkQueue(snapshot.chunks, self._set.chunk_fetchers, self._set.chunk_timeout_s)
        self._snapshot, self._chunks = snapshot, queue
        while not queue.is_done():
            peers = self._offers.peers_of(snapshot)
            for peer, index in queue.plan(peers, self._now_s()):
                question = ChunkRequest(snapshot.height, snapshot.format, index)
                self._do.transport.send(peer, StatesyncMessage(question))
            if queue.peek() is None and not queue.able(peers):
                return GivenUp("no peer brings its chunks", Next.LATER)
            refused = self._apply_next(queue)
            if refused is not None:
                return refused
            if queue.peek() is None:
                yield Until(lambda: queue.peek() is not None, self._set.chunk_timeout_s / 4)
            else:
                yield from breathe()
        return None

    def _apply_next(self, queue: ChunkQueue) -> GivenUp | None:
        held = queue.peek()
        if held is None:
            return None
        request = RequestApplySnapshotChunk(queue.next_index, *held)
        answer = self._do.app.apply_snapshot_chunk(request)
        for index in answer.refetch_chunks:
            queue.discard(index)
        for sender in answer.reject_senders:
            self._reject(sender, f"chunk {request.index} is false")
        match answer.result:
            case ApplySnapshotChunkResult.ACCEPT:
                queue.advance()
                return None
            case ApplySnapshotChunkResult.RETRY:
                return None
            case ApplySnapshotChunkResult.REJECT_SNAPSHOT | ApplySnapshotChunkResult.RETRY_SNAPSHOT:
                return GivenUp(f"the application answered {answer.result.name}")
            case _:
                raise SyncFailure("statesync_aborted", f"the application answered {answer.result}")

    def _check_info(self, proved: ProvedHeights) -> GivenUp | None:
        """The application must say what the headers say (`verifyApp`)."""
        info, header = self._do.app.info(RequestInfo()), proved.current.signed_header.header
        height = proved.last.signed_header.header.height
        if info.app_version != header.version.app:
            raise SyncFailure(
                "statesync_app_version", f"{info.app_version}, the town runs {header.version.app}"
            )
        # What is staged is not durable, so `info` of an embedded application may still name an older height;
        # its restored state names the app hash.
        if info.last_block_app_hash != proved.app_hash or info.last_block_height != height:
            return GivenUp("the restored application is not where the header says")
        return None

    # ── below the snapshot ───────────────────────────────────────────────────────────────────────────

    def _fill(self, proved: ProvedHeights, params: ConsensusParams) -> Flow[GivenUp | None]:
        """Headers back to where evidence expires; what no app hash proves is compared with them."""
        last, peers = proved.last, self._prover.usable()
        height = last.signed_header.header.height
        pending = self._pending()
        if pending is not None and pending.time_ns != last.signed_header.header.time.to_ns():
            return GivenUp("the snapshot tells another time than the header")
        needed = min((h for h, _ in pending.hashes), default=height) if pending else height
        first = self._do.doc.initial_height
        walk = Backfill(last, first, params.evidence, needed, self._asking, self._do.sink)
        is_whole = yield from walk.run(peers, self._now_s)
        for peer, reason in walk.liars:
            self._reject(peer, reason)
        if not is_whole:
            log.warning("peers have no older headers", lowest=min(walk.hashes))
        for told_height, told in pending.hashes if pending else ():
            if walk.hashes.get(told_height) != told:
                return GivenUp(f"the snapshot's hash of block {told_height} is not proved")
        return None

    def _pending(self) -> _Pending | None:
        """What the restored application holds that no app hash proves; None when it says nothing of it."""
        answer = self._do.app.query(RequestQuery(path="/pending"))
        if answer.code != 0 or not answer.value.startswith(b"{"):
            return None
        told = json.loads(answer.value)
        hashes = tuple((int(height), bytes.fromhex(value)) for height, value in told["hashes"])
        return _Pending(int(told["time_ns"]), hashes)

    def _now_s(self) -> float:
        return self._do.clock.monotonic_s()
