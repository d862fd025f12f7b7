"""The host of the consensus core: performs its effects, feeds it what happens, commits what it decides.

Order of things: every input is in the log before the core sees it; the log and the signer's position are
durable before a message of ours leaves; a decided block is durable before anybody is told. Own votes come
back as inputs like everybody's. Runs on one thread; every entry runs to its end.

Reads: log, store, network messages, clock.  Writes: log, store, network.  Never: swallows a broken invariant;
exceptions go up to the runner, which stops the node.
"""

from collections import deque
from collections.abc import Callable
from functools import wraps
from time import perf_counter_ns
from typing import Concatenate, ParamSpec, TypeVar, assert_never

import structlog

from chain.codec.hashing import PartSet
from chain.codec.proto import decode, encode
from chain.consensus import (
    BlockBuilt,
    BlockReceived,
    BuildBlock,
    CoreState,
    Decide,
    Effect,
    FetchBlock,
    FoundConflict,
    HeightConfig,
    Input,
    MajorityClaimed,
    ProposalReceived,
    ScheduleTimeout,
    SignProposal,
    SignVote,
    StartedRound,
    TimeoutElapsed,
    TimeoutKind,
    VoteReceived,
    commit_votes,
    has_all_precommits,
    start_height,
    step,
    would_change,
)
from chain.execution.building import EMPTY_COMMIT, make_commit
from chain.limits import (
    FUTURE_MESSAGES_MAX,
    NANOS_PER_MS,
    VOTE_TIME_STEP_NS,
)
from chain.node.errors import ConsensusFailure
from chain.node.executor import BuiltBlock, next_height
from chain.node.host_parts import CommittedBlock, CutBlock, HeightWork, HostParts, TimerHandle
from chain.node.latevotes import LateVotes
from chain.node.message_checks import MessageChecks
from chain.node.pacing import Followers, PacingFacts, compute_start_at_s
from chain.node.recovery import end_height_in, may_begin_alone
from chain.node.round_view import view_round
from chain.node.signer import SignRefused
from chain.node.step_times import StepTimes
from chain.rpc.ports import RoundView
from chain.store.wal import payloads_after
from chain.types.block import BlockID, Commit, PartSetHeader, Proposal, Vote
from chain.types.messages import (
    BlockPart,
    ConsensusBody,
    ConsensusMessage,
    EndHeight,
    MsgInfo,
    ProposalMessage,
    TimedWALMessage,
    TimeoutInfo,
    VoteMessage,
    VoteSetMaj23,
    WALMessage,
)
from chain.types.primitives import Height, SignedMsgType
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp

log = structlog.get_logger("consensus")

P = ParamSpec("P")
R = TypeVar("R")
_POSTPONED = "postponed"
"""Stands in the log for the peer of a message that came before its height began."""


def _entry(
    method: Callable[Concatenate["ConsensusHost", P], R],
) -> Callable[Concatenate["ConsensusHost", P], R]:
    """A way into the host: what escapes it halts the host before anything else runs.

    The process ends a moment later; until then the loop still calls timers and handlers, and none of them may
    sign or send on top of a state that is half done.
    """

    @wraps(method)
    def run(host: "ConsensusHost", /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(host, *args, **kwargs)
        except BaseException:
            host.halt()
            raise

    return run


class ConsensusHost:
    """Drives the core height after height."""

    def __init__(self, state: ChainState, parts: HostParts) -> None:
        self.state = state
        self.core: CoreState | None = None
        """The core of the height in progress, or of the one just decided; None before the first."""
        self._do = parts
        self._work = HeightWork()
        self._inputs: deque[Input] = deque()
        self._decision: Decide | None = None
        self._late_votes = LateVotes()
        self._early: list[tuple[ConsensusBody, str]] = []
        """Messages for the next height that the core does not keep: block parts."""
        self._start_timer: TimerHandle | None = None
        self._is_replaying = False
        self._is_stopped = False
        self._is_started = False
        self._is_held = False
        self._born_at = parts.clock.now()
        """Wall clock at which this host was made: messages of an earlier life of our key are older."""
        self._started_at_s = parts.clock.monotonic_s()
        self._decided_at_s = self._started_at_s
        self._decided_at = state.last_block_time
        """Wall clock of the last decision, for people; the newest block's time after a start."""
        self._tx_block_started_at_s = 0.0
        self._tx_block_txs = 0
        self._barren_blocks = 0
        self._followers = Followers()
        self._is_proof_due = True
        self._had_waiting = False
        self._last_commit_for_next = EMPTY_COMMIT
        self._next_due_s: int | None = None
        self.stage_ns: dict[str, int] = {}
        self.step_times = StepTimes()
        self.on_bad_signature: Callable[[str], None] = _ignore_peer
        """Called with the peer that sent a vote whose signature is wrong: correct nodes check before they relay."""
        self.on_evidence_found: Callable[[], None] = lambda: None
        """Called when evidence was made between two blocks: peers should hear of it now."""
        self._checks = MessageChecks(self._late_votes, lambda peer: self.on_bad_signature(peer))

    # ── start and stop ───────────────────────────────────────────────────────────────────────────────

    @_entry
    def start(self) -> None:
        """Read the log back, then go on; raises ConsensusFailure when log and store contradict."""
        self._is_started = True
        self._is_proof_due = self._proof_is_due_at_start()
        self._decided_at_s -= self._idle_seconds_at_start()
        self._next_due_s = self._do.next_due_s()
        records = self._records_of_this_height()
        self._do.signer.heed_commit(self._last_seen())
        if records:
            self._replay(records)
        self._consider_start()

    def stop(self) -> None:
        """Stop taking inputs; everything logged becomes durable, unless the host was halted."""
        is_halted = self._is_stopped
        self.halt()
        if not is_halted:
            self._do.wal.sync()
            self._do.signer.flush()

    def decided_at(self) -> Timestamp:
        """Our clock when the newest block was decided."""
        return self._decided_at

    def is_halted(self) -> bool:
        """Whether consensus was stopped, or has failed."""
        return self._is_stopped

    def halt(self) -> None:
        """Take nothing, sign nothing, send nothing, write nothing any more; again does nothing."""
        self._is_stopped = True
        self._work.outbox.clear()
        self._cancel_timers()
        if self._start_timer is not None:
            self._start_timer.cancel()

    # ── block sync ───────────────────────────────────────────────────────────────────────────────────

    @_entry
    def hold(self) -> None:
        """Block sync moves the chain: start no height, take no message, hence sign nothing."""
        self._is_held = True
        if self._start_timer is not None:
            self._start_timer.cancel()
            self._start_timer = None

    @_entry
    def adopt(self, built: BuiltBlock, commit: Commit) -> None:
        """Commit a block that others decided and `commit` proves; what this height had begun is dropped.

        Dropping it is safe: the height is decided, no lock or vote of it matters any more.
        """
        if self._is_stopped:
            raise ConsensusFailure("consensus_halted", "no block is taken after a failure")
        assert self._is_held, "consensus is held while block sync moves the chain"
        self._cancel_timers()
        self.core = None
        self._inputs.clear()
        self._early.clear()
        self._had_waiting = False
        self._settle(built, commit)
        self._do.signer.stay_mute(next_height(self.state))

    def may_begin_alone(self) -> bool:
        """Whether consensus may begin although nobody said how far the chain is."""
        return may_begin_alone(self.state, self._do.signer.address)

    @_entry
    def release(self) -> None:
        """Block sync is done: begin consensus, or go on, at the height after the state."""
        self._is_held = False
        if not self._is_started:
            self.start()
            return
        self._decided_at_s = self._do.clock.monotonic_s() - self._idle_seconds_at_start()
        self._consider_start()

    def _proof_is_due_at_start(self) -> bool:
        stored = self._do.blocks.load(self.state.last_block_height)
        return stored is None or stored.block.header.app_hash != self.state.app_hash

    def _idle_seconds_at_start(self) -> float:
        """How long the newest block is old: a town that was off makes its tick at once."""
        age_ns = self._do.clock.now().to_ns() - self.state.last_block_time.to_ns()
        return max(0.0, min(age_ns / 1e9, self._do.pacing.empty_interval_s))

    def _records_of_this_height(self) -> tuple[TimedWALMessage, ...]:
        """Log records after the end of the last committed height.

        A log that does not end that height (the crash came between store and log) gets its EndHeight now.
        """
        ended = self.state.last_block_height
        payloads = self._do.wal.payloads
        if any((end := end_height_in(p)) is not None and end > ended for p in payloads):
            raise ConsensusFailure("consensus_wal_ahead", f"the log ends heights after {ended}")
        found = payloads_after(payloads, lambda payload: end_height_in(payload) == ended)
        if found is None:
            self._log_end_height(ended)
            self._do.wal.sync()
            return ()
        return tuple(decode(TimedWALMessage, payload) for payload in found)

    def round_view(self) -> RoundView:
        """Where consensus stands, for people."""
        core = self.core if self._is_height_running() else None
        return view_round(self.state, core, self._work.parts, self._last_seen(), self._decided_at)

    def _last_seen(self) -> Commit | None:
        return self._do.blocks.load_seen_commit(self.state.last_block_height)

    # ── what a network asks ──────────────────────────────────────────────────────────────────────────

    def running_core(self) -> CoreState | None:
        """The core of the height in progress; None between two heights."""
        return self.core if self._is_height_running() else None

    def working_height(self) -> Height:
        """The height in progress, or the next one."""
        return next_height(self.state)

    def missing_blocks(self) -> tuple[CutBlock, ...]:
        """Blocks of this height that votes or proposals name and whose parts are not all here."""
        return tuple(CutBlock(block_id, held) for block_id, held in self._work.parts.missing())

    def find_parts(self, header: PartSetHeader) -> PartSet | None:
        """Parts of a whole block of this height, or None."""
        return self._work.parts.find(header)

    # ── replay ───────────────────────────────────────────────────────────────────────────────────────

    def _replay(self, records: tuple[TimedWALMessage, ...]) -> None:
        """Feed a height's logged inputs again; what they ask for and the log does not show is done after."""
        height = next_height(self.state)
        log.info("replaying the log", height=height, records=len(records))
        self._is_replaying = True
        self._start_core()
        for record in records:
            self._replay_one(record.msg)
            self._drain()
        self._is_replaying = False
        # Gossip sends what the core holds, our replayed votes too: the signer must know them for good before.
        self._do.signer.flush()
        pending, self._work.pending = self._work.pending, []
        for effect in pending:
            if self._decision is None and self._is_current(effect):
                self._perform(effect)
        self._run()

    def _replay_one(self, message: WALMessage) -> None:
        match message.value:
            case MsgInfo(ConsensusMessage(body), peer):
                if not peer:
                    self._forget_pending(body)
                    self._teach_signer(body)
                self._take(body, peer)
            case TimeoutInfo(_, height, round_, kind):
                self._inputs.append(TimeoutElapsed(TimeoutKind(kind), height, round_))
            case _:
                pass

    def _forget_pending(self, body: ConsensusBody) -> None:
        """Our own logged message answers the effect that asked for it."""
        match body:
            case VoteMessage(vote):
                self._work.pending = [
                    e
                    for e in self._work.pending
                    if not (
                        isinstance(e, SignVote) and (e.type, e.round) == (vote.type, vote.round)
                    )
                ]
            case ProposalMessage(proposal):
                self._work.pending = [
                    e
                    for e in self._work.pending
                    if not (isinstance(e, BuildBlock | SignProposal) and e.round == proposal.round)
                ]
            case _:
                pass

    def _teach_signer(self, body: ConsensusBody) -> None:
        match body:
            case VoteMessage(signed) | ProposalMessage(signed):
                self._do.signer.observe(self.state.chain_id, signed)
            case _:
                pass

    def _is_current(self, effect: Effect) -> bool:
        """Whether an effect left over from replay still has a point."""
        assert self.core is not None
        if isinstance(effect, BuildBlock | SignProposal | SignVote | ScheduleTimeout):
            return effect.round == self.core.round
        return True

    # ── when to start a height ───────────────────────────────────────────────────────────────────────

    def on_tx_available(self) -> None:
        """The pool has something: perhaps the next height starts."""
        self._followers.on_tx(self._do.clock.monotonic_s())
        self._consider_start()

    def on_evidence(self) -> None:
        """Misbehaviour waits for a block: the next height starts."""
        self._consider_start()

    @_entry
    def _consider_start(self) -> None:
        if self._is_stopped or self._is_held or self._is_height_running():
            return
        now_s = self._do.clock.monotonic_s()
        start_at_s = max(
            compute_start_at_s(self._pacing_facts(now_s), self._do.pacing),
            self._commit_wait_until_s(),
        )
        if self._start_timer is not None:
            self._start_timer.cancel()
            self._start_timer = None
        if start_at_s <= now_s:
            self._begin_height()
        else:
            self._start_timer = self._do.timers.call_later(start_at_s - now_s, self._consider_start)

    def _is_height_running(self) -> bool:
        return self.core is not None and self.core.height == next_height(self.state)

    def _commit_wait_until_s(self) -> float:
        """Until when stragglers' precommits are awaited: not at all once every validator's is in."""
        if self.core is None or has_all_precommits(self.core) or self._is_summoned():
            return 0.0
        return self._decided_at_s + self._do.timeouts.commit_s

    def _is_summoned(self) -> bool:
        """A peer already works at the next height."""
        return bool(self._early) or (self.core is not None and bool(self.core.postponed))

    def _pacing_facts(self, now_s: float) -> PacingFacts:
        return PacingFacts(
            now_s=now_s,
            decided_at_s=self._decided_at_s,
            tx_block_started_at_s=self._tx_block_started_at_s,
            tx_block_txs=self._tx_block_txs,
            waiting_txs=self._do.mempool.count(),
            is_proof_due=self._is_proof_due,
            due_at_s=self._due_at_s(now_s),
            is_summoned=self._is_summoned() or self._do.evidence.has_pending(),
            barren_blocks=self._barren_blocks,
            block_s=self._decided_at_s - self._started_at_s,
            follower_s=self._followers.expected_s(),
        )

    def _due_at_s(self, now_s: float) -> float | None:
        """Monotonic second of the application's next due work."""
        if self._next_due_s is None:
            return None
        return now_s + self._next_due_s - self._do.clock.now().to_ns() / 1e9

    def _begin_height(self) -> None:
        self._started_at_s = self._do.clock.monotonic_s()
        self.step_times.begin(self._started_at_s)
        self._had_waiting = self._do.mempool.count() > 0
        self._log_postponed()
        self._start_core()
        early, self._early = self._early, []
        for body, peer in early:
            self.deliver(body, peer)
        self._run()

    def _start_core(self) -> None:
        """Begin the next height; the core's first effects are performed like any others."""
        postponed = () if self.core is None else self.core.postponed
        self._last_commit_for_next = self._last_commit()
        if self.core is not None and self.core.height == self.state.last_block_height:
            self._late_votes.remember(self.core, self.state.last_validators)
        height = next_height(self.state)
        signer_address = self._do.signer.address
        self.core, effects = start_height(
            HeightConfig(height, self.state.validators, signer_address), postponed
        )
        for effect in effects:
            self._perform(effect)

    def _log_postponed(self) -> None:
        """Log what the core kept for this height: replay reads the log from the end of the height before.

        Without it a validator that locked on votes that came early would restart without its lock.
        """
        for early in () if self.core is None else self.core.postponed:
            match early:
                case VoteReceived(vote):
                    self._log_message(VoteMessage(vote), _POSTPONED)
                case ProposalReceived(proposal):
                    self._log_message(ProposalMessage(proposal), _POSTPONED)
                case _:
                    raise AssertionError("the core postpones votes and proposals only")

    def _last_commit(self) -> Commit:
        """Commit of the previous height with every straggler heard so far."""
        height = self.state.last_block_height
        if height == 0:
            return EMPTY_COMMIT
        if self.core is not None and self.core.decision is not None:
            decision = self.core.decision
            assert decision.height == height, "the core decided another height than the store holds"
            return make_commit(
                height,
                decision.round,
                decision.block_id,
                commit_votes(self.core),
                self.state.last_validators,
            )
        seen = self._do.blocks.load_seen_commit(height)
        if seen is None:
            raise ConsensusFailure("consensus_commit_missing", f"no seen commit of {height}")
        return seen

    # ── inputs ───────────────────────────────────────────────────────────────────────────────────────

    @_entry
    def deliver(self, body: ConsensusBody, peer: str) -> None:
        """A message from a peer; what does not verify is dropped without a word to the core."""
        if self._is_stopped:
            return
        if isinstance(body, VoteMessage):
            self._do.signer.heed_vote(self.state.chain_id, body.vote, self.state.last_block_height)
        if self._is_held:
            return
        self._take(body, peer)
        self._run()
        self._consider_start()

    def _take(self, body: ConsensusBody, peer: str) -> None:
        """Check a message, log it, queue it for the core."""
        match body:
            case ProposalMessage(proposal) if self._is_news(
                ProposalReceived(proposal)
            ) and self._checks.is_proposal_good(self.state, self.running_core(), proposal):
                self._feed(body, peer, ProposalReceived(proposal))
            case VoteMessage(vote) if self._is_news(VoteReceived(vote)) and self._is_vote_good(
                vote, peer
            ):
                self._feed(body, peer, VoteReceived(vote))
            case VoteMessage(vote) if self._late_votes.is_news(vote) and self._is_vote_good(
                vote, peer
            ):
                conflict = self._late_votes.take(vote)
                if conflict is not None:
                    self._report_conflict(*conflict)
            case VoteSetMaj23(height, round_, type_, block_id):
                claim = MajorityClaimed(type_, height, round_, block_id, peer.encode())
                if self.core is not None and self._is_news(claim):
                    self._feed(body, peer, claim)
            case BlockPart(height):
                self._take_part(body, height, peer)
            case _:
                pass

    def _is_news(self, message: VoteReceived | ProposalReceived | MajorityClaimed) -> bool:
        """Whether the core would take it: everything is sent again and again, checks and log records are not free."""
        return self.core is None or would_change(self.core, message)

    def _feed(self, body: ConsensusBody, peer: str, message: Input) -> None:
        """Log a checked message and queue it; before the first height there is no core, so it waits."""
        if self.core is not None:
            if not _is_for_later(self.core, message):
                self._log_message(body, peer)  # the rest is logged when its height begins
            self._inputs.append(message)
        elif len(self._early) < FUTURE_MESSAGES_MAX:
            self._early.append((body, peer))

    def _take_part(self, body: BlockPart, height: Height, peer: str) -> None:
        if height == next_height(self.state) and self._is_height_running():
            if not self._work.parts.is_new(body.part):
                return
            self._log_message(body, peer)
            for block_id in self._work.parts.add(body.part):
                self._judge(block_id)
        elif height - next_height(self.state) in (0, 1) and len(self._early) < FUTURE_MESSAGES_MAX:
            self._early.append((body, peer))

    def _is_vote_good(self, vote: Vote, peer: str) -> bool:
        now_s = None if self._is_replaying else self._do.clock.monotonic_s()
        return self._checks.is_vote_good(self.state, vote, peer, now_s)

    @_entry
    def _on_timeout(self, timeout: ScheduleTimeout) -> None:
        if self._is_stopped or self.core is None or self.core.height != timeout.height:
            return
        wait_ns = int(self._wait_s(timeout) * 1_000) * NANOS_PER_MS
        record = TimeoutInfo(wait_ns, timeout.height, timeout.round, int(timeout.kind))
        self._do.wal.append(self._wal_bytes(WALMessage(record)))
        self._inputs.append(TimeoutElapsed(timeout.kind, timeout.height, timeout.round))
        self._run()

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        """Work until nothing is left to feed; then send, and commit what was decided."""
        self._drain()
        self._release()
        if self._decision is not None:
            self._commit()

    def _drain(self) -> None:
        while self._inputs:
            assert self.core is not None, "inputs are queued for a running height only"
            started = perf_counter_ns()
            before = self.core
            self.core, effects = step(before, self._inputs.popleft())
            self._count("core", started)
            if (self.core.step, self.core.round) != (before.step, before.round):
                self.step_times.leave(before.step, self._do.clock.monotonic_s())
            for effect in effects:
                self._perform(effect)

    def _release(self) -> None:
        """Log and signer durable, then out.

        The log first: a crash between leaves a log that is ahead, from which the signer learns at replay; the
        other way round the signer would refuse what nobody remembers, and a lone validator would stand still.
        """
        outbox, self._work.outbox = self._work.outbox, []
        if not outbox:
            return
        started = perf_counter_ns()
        self._do.wal.sync()
        self._count("wal_sync", started)
        started = perf_counter_ns()
        self._do.signer.flush()
        self._count("signer_sync", started)
        for body in outbox:
            self._do.network.broadcast(body)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case BuildBlock() | SignProposal() | SignVote() | ScheduleTimeout() if (
                self._is_replaying
            ):
                self._work.pending.append(effect)
            case BuildBlock():
                self._build_block(effect)
            case SignProposal():
                self._sign_proposal(effect)
            case SignVote():
                self._sign_vote(effect)
            case ScheduleTimeout():
                self._schedule(effect)
            case FetchBlock(height, block_id):
                self._fetch(height, block_id)
            case Decide():
                self._decision = effect
            case FoundConflict(vote_a, vote_b):
                self._report_conflict(vote_a, vote_b)
            case StartedRound(height, round_):
                if round_ > 0:
                    log.warning("new round", height=height, round=round_)
            case _:
                assert_never(effect)

    def _schedule(self, timeout: ScheduleTimeout) -> None:
        handle = self._do.timers.call_later(
            self._wait_s(timeout), lambda: self._on_timeout(timeout)
        )
        self._work.timers.append(handle)

    def _wait_s(self, timeout: ScheduleTimeout) -> float:
        return self._do.timeouts.wait_s(timeout.kind, timeout.round)

    def _fetch(self, height: Height, block_id: BlockID) -> None:
        if self._work.parts.want(block_id):
            self._judge(block_id)
        elif not self._is_replaying:
            self._do.network.request_block(height, block_id)

    def _judge(self, block_id: BlockID) -> None:
        built = self._work.parts.blocks.get(block_id)
        if built is None:
            self._inputs.append(BlockReceived(block_id, valid=False))
        elif block_id not in self._work.awaited and not self._must_wait(built):
            self._judge_now(built)

    def _must_wait(self, built: BuiltBlock) -> bool:
        """Whether judges work on ballots of the block; the core hears of it when they are done.

        To the core it is a block that came a little later. A replay does not wait: it hears of the block where the
        log has its last part, so that it locks whatever this life locked, or more.
        """
        work, block_id = self._work, built.block_id
        if self._is_replaying:
            return False
        header = built.block.header
        if not self._do.must_block_wait(
            built.block.data.txs, header.time.seconds, lambda: self._on_judged(work, built)
        ):
            return False
        work.awaited.add(block_id)
        return True

    @_entry
    def _on_judged(self, work: HeightWork, built: BuiltBlock) -> None:
        """The judges are done with a block, perhaps after its height."""
        if self._is_stopped or work is not self._work:
            return
        work.awaited.discard(built.block_id)
        self._judge_now(built)
        self._run()
        self._consider_start()

    def _judge_now(self, built: BuiltBlock) -> None:
        refused = self._do.executor.judge(self.state, built)
        if refused is not None:
            log.warning(
                "block refused",
                height=built.block.header.height,
                reason=refused.reason,
                detail=refused.detail,
            )
        self._inputs.append(BlockReceived(built.block_id, valid=refused is None))

    def _report_conflict(self, vote_a: Vote, vote_b: Vote) -> None:
        log.warning(
            "conflicting votes",
            height=vote_a.height,
            round=vote_a.round,
            validator=vote_a.validator_address.hex(),
        )
        if vote_a.height > self.state.last_block_height:
            self._do.evidence.report_conflict(vote_a, vote_b)
        else:  # decided already: the next block can carry it, and starts for it
            self._do.evidence.submit_conflict(self.state, vote_a, vote_b)
            self.on_evidence_found()

    # ── our own messages ─────────────────────────────────────────────────────────────────────────────

    def _build_block(self, effect: BuildBlock) -> None:
        started = perf_counter_ns()
        built = self._do.executor.propose(
            self.state, self._last_commit_for_next, self._do.signer.address
        )
        refused = self._do.executor.ask_application(self.state, built)
        self._count("build", started)
        if refused is not None:
            # The application broke Prepare/Process coherence; another proposer may do better.
            log.error("own block refused", height=effect.height, reason=refused.reason)
            return
        self._work.parts.keep(built)
        self._inputs.append(BlockBuilt(effect.round, built.block_id))

    def _sign_proposal(self, effect: SignProposal) -> None:
        unsigned = Proposal(
            effect.height,
            effect.round,
            effect.pol_round,
            effect.block_id,
            self._do.clock.now(),
        )
        try:
            proposal = self._do.signer.sign_proposal(self.state.chain_id, unsigned)
        except SignRefused as refusal:
            log.warning("proposal not signed", height=effect.height, code=refusal.code)
            return
        built = self._work.parts.blocks[effect.block_id]
        # Parts first: a log cut between leaves parts nobody asked for, not a proposal without a block.
        for part in built.parts.parts:
            self._send(BlockPart(effect.height, effect.round, part))
        self._send(ProposalMessage(proposal))
        self._inputs.append(ProposalReceived(proposal))

    def _sign_vote(self, effect: SignVote) -> None:
        address = self._do.signer.address
        index = self.state.validators.index_of(address)
        assert index is not None, "the core asks only a member to vote"
        unsigned = Vote(
            effect.type,
            effect.height,
            effect.round,
            effect.block_id,
            self._vote_time(effect.block_id),
            address,
            index,
        )
        try:
            vote = self._do.signer.sign_vote(self.state.chain_id, unsigned)
        except SignRefused as refusal:
            log.warning(
                "vote not signed",
                height=effect.height,
                round=effect.round,
                type=SignedMsgType(effect.type).name,
                code=refusal.code,
            )
            return
        self._send(VoteMessage(vote))
        self._inputs.append(VoteReceived(vote))

    def _vote_time(self, block_id: BlockID) -> Timestamp:
        """Now, but after the block voted for or locked, so that block time always advances."""
        assert self.core is not None
        now = self._do.clock.now()
        for named in (block_id, self.core.machine.locked_block_id):
            built = self._work.parts.blocks.get(named)
            if built is not None:
                return max(now, built.block.header.time.plus_ns(VOTE_TIME_STEP_NS))
        return max(now, self.state.last_block_time.plus_ns(VOTE_TIME_STEP_NS))

    def _send(self, body: ConsensusBody) -> None:
        """Log one of our messages now, send it when the log is durable."""
        self._log_message(body, "")
        self._work.outbox.append(body)

    # ── the end of a height ──────────────────────────────────────────────────────────────────────────

    def _commit(self) -> None:
        decision, self._decision = self._decision, None
        assert decision is not None
        built = self._work.parts.blocks[decision.block_id]
        commit = make_commit(
            decision.height,
            decision.round,
            decision.block_id,
            decision.precommits,
            self.state.validators,
        )
        self._cancel_timers()
        self._settle(built, commit)
        if built.block.header.time <= self._born_at:
            self._do.signer.stay_mute(next_height(self.state))
        # A fresh entry, not recursion: clients are served between two blocks.
        self._start_timer = self._do.timers.call_later(0, self._consider_start)

    def _settle(self, built: BuiltBlock, commit: Commit) -> None:
        """Make a decided block durable and tell everybody; `commit` proves it."""
        height = built.block.header.height
        after, responses = self._do.executor.apply(self.state, built, commit)
        self._do.signer.heed_commit(commit)
        self._do.signer.heed_commit(
            built.block.last_commit
        )  # holds the stragglers of the height before
        self._log_end_height(height)
        is_changed = self.state.app_hash != after.app_hash
        self.state = after
        self._work = HeightWork()
        self._note_pacing(built, is_changed=is_changed)
        started = perf_counter_ns()
        self._do.mempool.update(height, built.block.data.txs, responses.tx_results)
        self._count("mempool", started)
        self._followers.on_block(
            self._decided_at_s, is_changed=is_changed, waiting_txs=self._do.mempool.count()
        )
        log.info(
            "committed",
            height=height,
            round=commit.round,
            txs=len(built.block.data.txs),
            hash=built.block_id.hash.hex()[:16],
            app_hash=after.app_hash.hex()[:16],
        )
        self._do.on_committed(CommittedBlock(built, responses, after))

    def _note_pacing(self, built: BuiltBlock, *, is_changed: bool) -> None:
        txs = len(built.block.data.txs)
        self._decided_at_s = self._do.clock.monotonic_s()
        self._decided_at = self._do.clock.now()
        self._is_proof_due = is_changed
        self._next_due_s = self._do.next_due_s()
        if txs:
            self._tx_block_started_at_s, self._tx_block_txs = self._started_at_s, txs
        self._barren_blocks = self._barren_blocks + 1 if self._had_waiting and not txs else 0

    def _cancel_timers(self) -> None:
        for handle in self._work.timers:
            handle.cancel()
        self._work.timers.clear()

    # ── the log ──────────────────────────────────────────────────────────────────────────────────────

    def _log_message(self, body: ConsensusBody, peer: str) -> None:
        if not self._is_replaying:
            self._do.wal.append(self._wal_bytes(WALMessage(MsgInfo(ConsensusMessage(body), peer))))

    def _log_end_height(self, height: Height) -> None:
        self._do.wal.end_height(self._wal_bytes(WALMessage(EndHeight(height))))

    def _wal_bytes(self, message: WALMessage) -> bytes:
        return encode(TimedWALMessage(self._do.clock.now(), message))

    def _count(self, stage: str, started_ns: int) -> None:
        spent = perf_counter_ns() - started_ns
        self.stage_ns[stage] = self.stage_ns.get(stage, 0) + spent


def _is_for_later(core: CoreState, message: Input) -> bool:
    """Whether the core will keep a message for the next height."""
    match message:
        case VoteReceived(signed) | ProposalReceived(signed):
            return signed.height > core.height
        case _:
            return False


def _ignore_peer(_peer: str) -> None:
    pass
