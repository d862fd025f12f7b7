"""The shell of block sync: hears peers, keeps time, applies proved blocks, hands over to consensus and back.

SYNCING    consensus is held: nothing is signed. Blocks are fetched ahead, proved, applied one by one.
FOLLOWING  consensus runs (or watches, in a node that is no validator). Should peers get ahead all the same,
           the next block is fetched; only once it is proved is consensus held. A claim alone never stops it.

Messages only change tables; blocks are proved and applied in entries of the event loop, so that what must
stop the node reaches the loop's exception handler and no network task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from chain.limits import (
    SYNC_APPLIED_PER_TURN,
    SYNC_GRACE_MS,
    SYNC_LAG_PATIENCE_MS,
    SYNC_PROBE_BLOCKS,
    SYNC_SERVE_RETRY_MS,
    SYNC_STALL_MS,
    SYNC_STATUS_MS,
    SYNC_STRANDED_LOG_MS,
    SYNC_TICK_MS,
    SYNC_WINDOW_BLOCKS,
)
from chain.sync.errors import SyncFailure
from chain.sync.pool import Ask, BlockPool, Expel, Standing
from chain.sync.ports import (
    BlockSource,
    Chain,
    MonotonicClock,
    PeerId,
    SyncTransport,
    TimerHandle,
    Timers,
)
from chain.sync.proof import Candidate, judge, name_fetched, strip
from chain.sync.serving import BlockServer
from chain.types.messages import (
    BlockRequest,
    BlockResponse,
    BlocksyncMessage,
    NoBlockResponse,
    StatusRequest,
    StatusResponse,
)
from chain.types.primitives import Height
from chain.types.state import ChainState

log = structlog.get_logger("sync")


class Mode(Enum):
    """Who moves the chain of this node."""

    SYNCING = auto()
    FOLLOWING = auto()


@dataclass(frozen=True, slots=True)
class SyncParts:
    """Everything block sync works with."""

    chain: Chain
    source: BlockSource
    transport: SyncTransport
    timers: Timers
    clock: MonotonicClock


class BlockSync:
    """Block sync of one node; every entry runs to its end on the node's one thread."""

    def __init__(self, parts: SyncParts) -> None:
        self._do = parts
        self._pool = BlockPool(_next_height(parts.chain.state()))
        self._server = BlockServer(parts.source, parts.transport.send)
        self.mode = Mode.SYNCING
        self.applied = 0
        """Blocks applied here since the start."""
        self.lowest_out_of_reach: Height | None = None
        """Lowest block that peers keep, when all of them have pruned the one after ours."""
        self._complained_at_s = -SYNC_STRANDED_LOG_MS / 1_000
        self.expelled: list[Expel] = []
        """The newest bans, for people and tests."""
        now_s = parts.clock.monotonic_s()
        self._peers: set[PeerId] = set()
        self._lonely_since_s = now_s
        """Since when nobody answers."""
        self._progress_at_s = now_s
        """When our height last moved, or syncing began."""
        self._status_at_s = now_s
        self._entries: dict[str, TimerHandle] = {}
        self._is_stopped = True

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    def start(self, *, is_alone: bool = False) -> None:
        """Hold consensus until it is known whether peers are ahead; a node without peers goes on at once."""
        self._is_stopped = False
        self._lonely_since_s = self._progress_at_s = self._do.clock.monotonic_s()
        self._do.chain.hold()
        if is_alone:
            self._follow("no peers are configured")
        self._tick()

    def stop(self) -> None:
        """Ask and answer nothing more."""
        self._is_stopped = True
        for handle in self._entries.values():
            handle.cancel()
        self._entries.clear()

    # ── from the transport ───────────────────────────────────────────────────────────────────────────

    def add_peer(self, peer: PeerId) -> None:
        """A connection is up: each side tells what it has."""
        now_s = self._do.clock.monotonic_s()
        self._peers.add(peer)
        self._pool.add_peer(peer, now_s)
        self._send(peer, self._server.status())
        self._send(peer, StatusRequest())

    def remove_peer(self, peer: PeerId) -> None:
        """A connection is gone."""
        self._peers.discard(peer)
        self._pool.remove_peer(peer)
        self._server.forget(peer)
        self._soon("work", self._work)

    def receive(self, peer: PeerId, message: BlocksyncMessage) -> None:
        """A decoded message of channel 40 from a connected peer."""
        if self._is_stopped or peer not in self._peers:
            return
        now_s = self._do.clock.monotonic_s()
        match message.value:
            case BlockRequest() | StatusRequest() as question:
                self._server.take(peer, question, now_s)
                self._soon("serve", self._serve)
            case StatusResponse() | NoBlockResponse() | BlockResponse() as answer:
                broken = self._take_answer(peer, answer, now_s)
                if broken is not None:
                    self._expel(broken)
                self._soon("work", self._work)

    def _take_answer(
        self, peer: PeerId, answer: StatusResponse | NoBlockResponse | BlockResponse, now_s: float
    ) -> Expel | None:
        match answer:
            case StatusResponse():
                return self._pool.take_status(peer, answer)
            case NoBlockResponse(height):
                return self._pool.take_no_block(peer, height)
            case BlockResponse(block, extended):
                tip_commit = None if extended is None else strip(extended)
                return self._pool.take_block(peer, name_fetched(block), tip_commit, now_s)

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> None:
        """Deadlines, and the question to all how far they are."""
        now_s = self._do.clock.monotonic_s()
        if now_s - self._status_at_s >= SYNC_STATUS_MS / 1_000:
            self._status_at_s = now_s
            for peer in sorted(self._peers):
                self._send(peer, StatusRequest())
        self._work()
        self._note_stranded(now_s)
        self._later("tick", SYNC_TICK_MS / 1_000, self._tick)

    def _note_stranded(self, now_s: float) -> None:
        """Say, once a minute, that nobody can help: every peer has pruned what this node needs next."""
        self.lowest_out_of_reach = self._pool.lowest_out_of_reach(now_s)
        if self.lowest_out_of_reach is None:
            return
        if now_s - self._complained_at_s >= SYNC_STRANDED_LOG_MS / 1_000:
            self._complained_at_s = now_s
            log.error(
                "no peer keeps the next block: add an archive node as peer, or restore a snapshot",
                code="sync_blocks_pruned",
                height=self._pool.next_height,
                lowest_kept=self.lowest_out_of_reach,
            )

    def _work(self) -> None:
        """Apply what is proved, ask for what is missing, change over when it is time."""
        self._note_height()
        for _ in range(SYNC_APPLIED_PER_TURN):
            if not self._try_candidate():
                break
        else:
            self._soon("work", self._work)
        self._change_over()
        self._ask()

    def _note_height(self) -> None:
        """Consensus may have moved the state meanwhile."""
        next_height = _next_height(self._do.chain.state())
        if next_height != self._pool.next_height:
            self._pool.advance(next_height)
            self._progress_at_s = self._do.clock.monotonic_s()

    def _try_candidate(self) -> bool:
        """Judge the next block; True when something came of it and there may be more."""
        candidate = self._pool.candidate()
        if candidate is None:
            return False
        blame = judge(self._do.chain.state(), candidate)
        if blame is not None:
            self._expel(Expel(blame.peer, blame.reason, is_lie=True))
            return True
        self._adopt(candidate)
        return True

    def _adopt(self, candidate: Candidate) -> None:
        chain, fetched = self._do.chain, candidate.fetched
        if self.mode is Mode.FOLLOWING:
            log.info("behind: back to block sync", height=fetched.height)
            self.mode = Mode.SYNCING
            chain.hold()
        refused = chain.check(fetched)
        if refused is not None:
            raise SyncFailure(
                "sync_decided_block_invalid",
                f"block {fetched.height} was decided by the town and is invalid here: "
                f"{refused.reason}: {refused.detail}",
            )
        chain.adopt(fetched, candidate.commit)
        self.applied += 1
        self._note_height()

    def _change_over(self) -> None:
        """SYNCING ends when no peer is ahead, when nobody answers, or when only claims stand against it."""
        if self.mode is not Mode.SYNCING:
            return
        now_s = self._do.clock.monotonic_s()
        standing = self._pool.standing(now_s)
        if standing is not Standing.UNKNOWN:
            self._lonely_since_s = now_s
        if standing is Standing.LEVEL:
            self._follow("no peer is ahead")
        elif self._is_forsaken(standing, now_s) and self._do.chain.may_begin_alone():
            self._follow("no peer answers")
        elif self._is_stalled(now_s) and self._pool.has_level_peer(now_s):
            self._follow("peers claim blocks and bring none")

    def _is_forsaken(self, standing: Standing, now_s: float) -> bool:
        lonely_s = now_s - self._lonely_since_s
        return standing is Standing.UNKNOWN and lonely_s >= SYNC_GRACE_MS / 1_000

    def _follow(self, reason: str) -> None:
        log.info(
            "consensus begins",
            reason=reason,
            height=self._pool.next_height,
            synced_blocks=self.applied,
        )
        self.mode = Mode.FOLLOWING
        self._do.chain.release()

    def _is_stalled(self, now_s: float) -> bool:
        return now_s - self._progress_at_s >= SYNC_STALL_MS / 1_000

    def _ask(self) -> None:
        now_s = self._do.clock.monotonic_s()
        for step in self._pool.plan(now_s, self._window(now_s)):
            match step:
                case Ask(peer, height):
                    self._send(peer, BlockRequest(height))
                case Expel():
                    self._note_expelled(step)

    def _window(self, now_s: float) -> int:
        """How many blocks to fetch ahead: all we can while syncing, two when consensus seems to lag."""
        if self.mode is Mode.SYNCING:
            return SYNC_WINDOW_BLOCKS
        lag = self._pool.lag(now_s)
        is_patient = now_s - self._progress_at_s < SYNC_LAG_PATIENCE_MS / 1_000
        return 0 if lag == 0 or (lag == 1 and is_patient) else SYNC_PROBE_BLOCKS

    def _serve(self) -> None:
        if self._server.serve(self._do.clock.monotonic_s()):
            self._soon("serve", self._serve)
        elif self._server.is_waiting():
            self._later("serve", SYNC_SERVE_RETRY_MS / 1_000, self._serve)

    # ── small things ─────────────────────────────────────────────────────────────────────────────────

    def _expel(self, step: Expel) -> None:
        self._pool.expel(step, self._do.clock.monotonic_s())
        self._note_expelled(step)

    def _note_expelled(self, step: Expel) -> None:
        log.warning("peer dropped", peer=step.peer, reason=step.reason, ban_s=step.ban_s)
        self.expelled = [*self.expelled[-63:], step]
        # A silent peer may be a stuck line: close it, let it come back at once, for consensus needs it.
        self._do.transport.drop(step.peer, step.reason, step.ban_s if step.is_lie else 0.0)

    def _send(self, peer: PeerId, value: BlockRequest | StatusRequest | StatusResponse) -> None:
        self._do.transport.send(peer, BlocksyncMessage(value))

    def _soon(self, name: str, entry: Callable[[], None]) -> None:
        self._later(name, 0.0, entry)

    def _later(self, name: str, delay_s: float, entry: Callable[[], None]) -> None:
        """One pending entry per name."""
        if self._is_stopped or name in self._entries:
            return

        def run() -> None:
            self._entries.pop(name, None)
            entry()

        self._entries[name] = self._do.timers.call_later(delay_s, run)


def _next_height(state: ChainState) -> Height:
    """Height of the block that follows `state`."""
    return state.last_block_height + 1 if state.last_block_height else state.initial_height
