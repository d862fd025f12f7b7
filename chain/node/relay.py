"""Transactions and evidence between nodes: in batches, never back to where they came from.

A client's transaction goes to every peer at once. One that came from a peer is not passed on, because its origin
sent it to everybody, unless it still waits a second later: then to all who did not send it to us.
Reads: peers' messages.  Writes: pool, evidence, the switch.  Never: holds up consensus (CheckTx in small slices).
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from hashlib import sha256

import structlog

from chain import limits
from chain.codec.hashing import hash_evidence
from chain.execution.validation import InvalidBlock
from chain.judges.desk import Admission
from chain.mempool.pool import ALREADY_IN_CACHE, Mempool, PendingTx, PoolRefusal
from chain.node.budget import Budget
from chain.node.clock import Clock
from chain.node.evidence import EvidencePool
from chain.node.host_parts import Timers
from chain.p2p.channels import ChannelId
from chain.p2p.errors import PeerFault
from chain.p2p.switch import Switch
from chain.types.block import EvidenceList
from chain.types.evidence import Evidence, evidence_height
from chain.types.messages import MempoolMessage, Txs
from chain.types.primitives import Height

log = structlog.get_logger("relay")

_TX_FRAME_BYTES = 8
"""Most that a message adds per transaction."""
_TICK_S = limits.GOSSIP_TX_RELAY_MS / 1_000
_RESEND_EVIDENCE_TICKS = 10
_FAULTS = frozenset(
    {
        "evidence_votes",
        "evidence_signature",
        "evidence_validator",
        "evidence_power",
        "evidence_attack",
        "evidence_commit",
        "evidence_same_block",
    }
)
"""Refusals that no honest peer causes; others may come from its being elsewhere in the chain."""


Admit = Callable[[bytes, Callable[[], None]], Admission]
"""Whether the pool may be asked about a transaction now; else the callable is called to ask again."""


def admit_all(_tx: bytes, _then: Callable[[], None]) -> Admission:
    """Nothing has to wait: the application judges everything itself."""
    return Admission.READY


class TxRelay:
    """The mempool channel."""

    def __init__(
        self,
        switch: Switch,
        pool: Mempool,
        timers: Timers,
        clock: Clock,
        admit: Admit = admit_all,
    ) -> None:
        self._switch = switch
        self._pool = pool
        self._timers = timers
        self._clock = clock
        self._admit = admit
        self._fresh: list[bytes] = []
        self._sent_at_s = float("-inf")
        self._is_flush_due = False
        self._inbox: deque[tuple[bytes, str]] = deque()
        self._is_intake_due = False
        self._heard: OrderedDict[bytes, tuple[PendingTx, float, set[str]]] = OrderedDict()
        """Transactions of peers by hash: itself, when it came, and who sent it."""
        self._is_stopped = False
        self.received = 0
        """Transactions that peers sent, and `known` how many of them we had."""
        self.known = 0

    def start(self) -> None:
        """Hang on the pool and the switch."""
        self._pool.on_added = self._on_added
        self._switch.handle(ChannelId.MEMPOOL, self._receive)
        self._switch.on_peer_up.append(self._on_peer_up)
        self._timers.call_later(_TICK_S, self._on_tick)

    def stop(self) -> None:
        """Take and give nothing any more."""
        self._is_stopped = True
        self._inbox.clear()

    # ── out ──────────────────────────────────────────────────────────────────────────────────────────

    def _on_added(self, pending: PendingTx, from_peer: str) -> None:
        if from_peer:
            if len(self._heard) >= limits.GOSSIP_TX_RELAYS_MAX:
                self._heard.popitem(last=False)
            self._heard[pending.hash] = pending, self._clock.monotonic_s(), {from_peer}
            return
        self._fresh.append(pending.tx)
        if self._is_flush_due:
            return
        self._is_flush_due = True
        wait_s = self._sent_at_s + limits.GOSSIP_TX_BATCH_MS / 1_000 - self._clock.monotonic_s()
        self._timers.call_later(max(0.0, wait_s), self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        self._sent_at_s = self._clock.monotonic_s()
        fresh, self._fresh = self._fresh, []
        for batch in batches(fresh):
            message = MempoolMessage(Txs(batch))
            self._switch.broadcast(ChannelId.MEMPOOL, message, besides=frozenset())

    def _on_peer_up(self, peer: str) -> None:
        """Everything that waits, except what this peer gave us."""
        waiting = self._pool.first(limits.GOSSIP_TX_RELAYS_MAX)
        for batch in batches([tx for tx in waiting if not self._came_from(tx, peer)]):
            self._switch.send(peer, ChannelId.MEMPOOL, MempoolMessage(Txs(batch)))

    def _came_from(self, tx: bytes, peer: str) -> bool:
        heard = self._heard.get(sha256(tx).digest())
        return heard is not None and peer in heard[2]

    def _on_tick(self) -> None:
        """Pass on what still waits although it had time to be committed."""
        if self._is_stopped:
            return
        self._timers.call_later(_TICK_S, self._on_tick)
        before_s = self._clock.monotonic_s() - _TICK_S
        late: list[tuple[bytes, set[str]]] = []
        while self._heard:
            tx_hash, (pending, at_s, senders) = next(iter(self._heard.items()))
            if at_s > before_s:
                break
            del self._heard[tx_hash]
            if self._pool.is_waiting(tx_hash):
                late.append((pending.tx, senders))
        for peer in self._switch.peers() if late else ():
            for batch in batches([tx for tx, senders in late if peer not in senders]):
                self._switch.send(peer, ChannelId.MEMPOOL, MempoolMessage(Txs(batch)))

    # ── in ───────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self, peer: str, message: MempoolMessage) -> None:
        txs = message.value.txs
        if len(txs) > limits.GOSSIP_TXS_PER_MESSAGE_MAX:
            raise PeerFault("p2p_protocol", f"{len(txs)} transactions in one message")
        room = limits.GOSSIP_TX_INBOX_MAX - len(self._inbox)
        self._inbox.extend((tx, peer) for tx in txs[:room])
        if len(txs) > room:
            self._switch.counts["p2p_txs_dropped"] += len(txs) - room
        self._schedule_intake()

    def _schedule_intake(self) -> None:
        if self._inbox and not self._is_intake_due:
            self._is_intake_due = True
            self._timers.call_later(0, self._intake)

    def _intake(self) -> None:
        """CheckTx for a moment, then let others work."""
        self._is_intake_due = False
        end_s = self._clock.monotonic_s() + limits.GOSSIP_TX_SLICE_MS / 1_000
        while self._inbox and self._clock.monotonic_s() < end_s:
            tx, peer = self._inbox.popleft()
            self._take(tx, peer)
        self._schedule_intake()

    def _take(self, tx: bytes, peer: str) -> None:
        self.received += 1
        self._offer(tx, peer)

    def _offer(self, tx: bytes, peer: str) -> None:
        """Ask the pool, after the judges where there are some and the pool would listen."""
        if self._is_stopped:
            return
        is_heard = self._pool.screen(tx) is None
        match self._admit(tx, lambda: self._offer(tx, peer)) if is_heard else Admission.READY:
            case Admission.READY:
                self._add(tx, peer)
            case Admission.FULL:
                self._switch.counts["p2p_txs_dropped"] += 1
            case Admission.WAITING:
                pass

    def _add(self, tx: bytes, peer: str) -> None:
        verdict = self._pool.add(tx, from_peer=peer)
        if verdict is ALREADY_IN_CACHE:
            self.known += 1
            heard = self._heard.get(sha256(tx).digest())
            if heard is not None:
                heard[2].add(peer)
        elif isinstance(verdict, PoolRefusal) or not verdict.is_ok():
            log.debug("peer's tx not taken", peer=peer, code=verdict.code)


class EvidenceRelay:
    """The evidence channel: a peer hears a piece once it stands where it can judge it (0.38 `evidence/reactor.go`).

    A peer that works at the height of the offence itself may end it any moment, so it hears at once, and again when
    it has moved on; one further back hears when it has come; one that has not said where it stands hears nothing.
    """

    def __init__(
        self,
        switch: Switch,
        evidence: EvidencePool,
        timers: Timers,
        submit: Callable[[Evidence], InvalidBlock | None],
        height_of: Callable[[str], Height | None],
        clock: Clock,
    ) -> None:
        """`submit` judges one piece and, when it is true, lets it wait for a block.

        `height_of` is the height a peer said it works at.
        """
        self._switch = switch
        self._evidence = evidence
        self._timers = timers
        self._submit = submit
        self._height_of = height_of
        self._clock = clock
        self._intake = Budget(
            burst=limits.EVIDENCE_PIECES_BURST, per_s=limits.EVIDENCE_PIECES_PER_S
        )
        self._is_stopped = False
        self._ticks = 0
        self._told: dict[str, set[bytes]] = {}
        """Per peer, hashes of what it heard where it could judge it."""
        self._early: deque[tuple[str, Evidence]] = deque(maxlen=limits.EVIDENCE_EARLY_MAX)
        """Pieces that could not be judged yet, each with who brought it."""

    def start(self) -> None:
        """Hang on the switch and the timer."""
        self._switch.handle(ChannelId.EVIDENCE, self._receive)
        self._switch.on_peer_up.append(self._on_peer_up)
        self._switch.on_peer_down.append(self._on_peer_down)
        self._timers.call_later(_TICK_S, self._on_tick)

    def stop(self) -> None:
        """Say nothing any more."""
        self._is_stopped = True

    def on_committed(self) -> None:
        """A height ended: look again at what came too early, then tell everybody.

        Who brought a lie is dropped now: else everything false would be dated a height ahead.
        """
        early, self._early = tuple(self._early), deque(maxlen=limits.EVIDENCE_EARLY_MAX)
        liars: set[str] = set()
        for peer, item in early:
            refused = None if peer in liars else self._submit(item)
            if refused is not None and refused.reason in _FAULTS:
                liars.add(peer)
                self._switch.punish(peer, *_fault_of(refused))
        self.say_news()

    def say_news(self) -> None:
        """Something new may wait here: tell everybody what they can judge."""
        if self._is_stopped:
            return
        pending = self._evidence.pending(limits.P2P_EVIDENCE_MAX_BYTES // 2)
        names = {hash_evidence(item): item for item in pending}
        for peer in self._switch.peers():
            self._tell(peer, names)

    def on_peer_step(self, peer: str) -> None:
        """A peer said where it stands now."""
        if not self._is_stopped and self._evidence.has_pending():
            pending = self._evidence.pending(limits.P2P_EVIDENCE_MAX_BYTES // 2)
            self._tell(peer, {hash_evidence(item): item for item in pending})

    def _tell(self, peer: str, pending: dict[bytes, Evidence]) -> None:
        height = self._height_of(peer)
        if height is None:
            return
        told = self._told.setdefault(peer, set())
        told.intersection_update(pending)
        fresh = [
            (key, item)
            for key, item in pending.items()
            if key not in told and evidence_height(item) <= height
        ]
        if not fresh:
            return
        message = EvidenceList(tuple(item for _, item in fresh))
        if self._switch.send(peer, ChannelId.EVIDENCE, message):
            told.update(key for key, item in fresh if evidence_height(item) < height)

    def _on_tick(self) -> None:
        if self._is_stopped:
            return
        self._timers.call_later(_TICK_S, self._on_tick)
        self._ticks += 1
        if self._ticks % _RESEND_EVIDENCE_TICKS == 0:
            self._told.clear()  # a peer may have been slow, full, or restarted behind one connection
        self.say_news()

    def _on_peer_up(self, peer: str) -> None:
        self._told.pop(peer, None)
        self.on_peer_step(peer)

    def _on_peer_down(self, peer: str) -> None:
        self._told.pop(peer, None)

    def _receive(self, peer: str, message: EvidenceList) -> None:
        """Judge what a peer brings; what proves it a liar ends the connection, what it may not know better does not.

        Only what is new here is passed on. Answering every message with what waits, two nodes whose views of each
        other are a height old would answer each other without end.
        """
        before = self._evidence.pending_count()
        for item in message.evidence:
            if not self._intake.spend(peer, self._clock.monotonic_s()):
                self._switch.counts["p2p_evidence_dropped"] += 1
                continue
            refused = self._submit(item)
            if refused is None:
                self._told.setdefault(peer, set()).add(hash_evidence(item))
            elif refused.reason in _FAULTS:
                raise PeerFault(*_fault_of(refused))
            elif refused.reason == "evidence_height":
                self._early.append((peer, item))
        if self._evidence.pending_count() > before:
            self.say_news()


def _fault_of(refused: InvalidBlock) -> tuple[str, str]:
    return "p2p_bad_evidence", f"{refused.reason}: {refused.detail}"


def batches(txs: list[bytes]) -> list[tuple[bytes, ...]]:
    """Cut a list into messages that keep within the channel's limit and the count a receiver takes."""
    found: list[tuple[bytes, ...]] = []
    current: list[bytes] = []
    size = 0
    for tx in txs:
        cost = len(tx) + _TX_FRAME_BYTES
        is_full = size + cost > limits.P2P_MEMPOOL_MAX_BYTES - 32
        if current and (is_full or len(current) >= limits.GOSSIP_TXS_PER_MESSAGE_MAX):
            found.append(tuple(current))
            current, size = [], 0
        current.append(tx)
        size += cost
    if current:
        found.append(tuple(current))
    return found
