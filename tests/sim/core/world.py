"""The town in memory: virtual milliseconds, a network that the nemesis rules, hosts around production cores.

A host does what `chain.node.host` and `chain.node.gossip` do, as far as the core can tell: it asks `would_change`
before it takes a message, gathers a block only when the core wants it, logs its own messages before they leave,
sends again what it holds, serves decisions to who lags, and after a death replays its log.
"""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

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
    Step,
    TimeoutElapsed,
    TimeoutKind,
    VoteReceived,
    commit_votes,
    proposer_of,
)
from chain.consensus import driver as core
from chain.types.block import BlockID, Proposal, Vote
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.sim.core import gossip, hosts
from tests.sim.core.faults import DROP, HEAL_MAX_MS, Nemesis
from tests.sim.core.liars import LIARS, Liar
from tests.sim.core.marks import Marker
from tests.sim.core.plan import Plan
from tests.sim.core.referee import Referee, Violation
from tests.sim.core.town import Town, address_of, name_block, process_of
from tests.sim.core.trace import describe

TIMEOUT_MS, TIMEOUT_STEP_MS = 300, 100
PROGRESS_MS = 30_000
"""L1: once a height's faults are healed, the slowest correct process gains a height within this long."""
FINAL_HEIGHTS = 5
"""L1: with everything healed every correct process gains so many heights, each within `PROGRESS_MS` and rare turns."""
AT = Timestamp(1_700_000_000)
_TIMEOUT_MARKS = {
    TimeoutKind.PROPOSE: "timeout_propose",
    TimeoutKind.PREVOTE: "timeout_prevote",
    TimeoutKind.PRECOMMIT: "timeout_precommit",
}

Observer = Callable[[int, int, Input, tuple[Effect, ...]], None]
"""(ms, process, input, effects)"""


@dataclass(slots=True)
class Process:
    """One process: a core, what its host holds, and how it fares."""

    index: int
    state: CoreState
    liar: Liar | None = None
    decided: dict[int, Decide] = field(default_factory=dict)
    blocks: set[BlockID] = field(default_factory=set)
    """Whole blocks at hand, wanted or not."""
    wanted: dict[BlockID, None] = field(default_factory=dict)
    early: tuple[Input, ...] = ()
    """What this height began with."""
    log: list[tuple[Input, bool]] = field(default_factory=list)
    """Inputs of this height; True for answers to the core's own wishes."""
    durable: int = 0
    """Records of the log that a death cannot take away."""
    life: int = 0
    """Timers of an earlier life or height mean nothing."""
    paused_until_ms: int = 0
    slow_until_ms: int = 0
    still_ticks: int = 0
    position: tuple[int, int] = (0, 0)
    asked: int = 0

    def working_height(self) -> int:
        """The height in progress, or the next one."""
        return self.state.height + (self.state.step is Step.DECIDED)


class World:
    """Runs a plan; raises Violation."""

    def __init__(
        self, plan: Plan, nemesis: Nemesis | None = None, observe: Observer | None = None
    ) -> None:
        self.plan = plan
        self.nemesis = nemesis or Nemesis(plan.seed, plan.faults, plan.count)
        self.observe = observe
        self.random = random.Random(f"{plan.seed}/network")
        self.town = Town(plan)
        self.referee = Referee(plan.correct)
        self.marker = Marker(self)
        self.marks = self.marker.seen
        self.rounds: dict[int, int] = {}
        """Round in which each height was first decided."""
        self.now_ms = 0
        self.events = 0
        self.hits: Counter[str] = Counter()
        """Faults that hurt, by kind; liars that lied are counted in `lies`."""
        self.lies: Counter[str] = Counter()
        self._queue: list[tuple[int, int, int, int, str, Any]] = []
        self._sequence = 0
        self._built = 0
        self._blocks: dict[int, list[BlockID]] = {}
        self.proposers: dict[Proposal, int] = {}
        self._trace: list[str] = []
        for height in (1, 2):
            self.referee.open_height(height, self.town.powers(height))
        self.processes = [self._make(index) for index in range(plan.count)]
        for index, kind in plan.liars:
            self.processes[index].liar = LIARS[kind](self, self.processes[index])
        self.correct = [self.processes[i] for i in plan.correct]

    def _make(self, index: int) -> Process:
        return Process(index, core.start_height(self.config(index, 1))[0])

    def config(self, index: int, height: int) -> HeightConfig:
        """What a process begins a height with."""
        return HeightConfig(height, self.town.validators(height), address_of(index))

    # --- the run ---------------------------------------------------------------------------------

    def digest(self) -> str:
        """Hash of everything that was fed to a core and everything it wished, in order."""
        return hashlib.sha256("\n".join(self._trace).encode()).hexdigest()

    def run(self) -> None:
        """Heights under faults, then heal everything and see everybody gain heights."""
        for process in self.processes:
            self._begin(process, 1, ())
            self.push(1 + self.draw(gossip.TICK_MS), process.index, -1, "tick", None)
        self._run_to(self.plan.heights, HEAL_MAX_MS + PROGRESS_MS)
        self.nemesis.heal()
        self._heal_hosts()
        self._run_to(max(len(p.decided) for p in self.correct) + FINAL_HEIGHTS, PROGRESS_MS)

    def _heal_hosts(self) -> None:
        for process in self.processes:
            process.paused_until_ms = process.slow_until_ms = 0

    def _run_to(self, heights: int, patience_ms: int) -> None:
        """Until every correct process decided `heights`; L1 when the slowest stands still for too long."""
        slowest, since_ms = -1, self.now_ms
        while True:
            least = min(len(p.decided) for p in self.correct)
            if least >= heights:
                return
            if least > slowest:
                slowest, since_ms = least, self.now_ms
            if self.now_ms - since_ms > patience_ms + self._rare_turns_ms(least + 1):
                stuck = [(p.index, p.state.height, p.state.round) for p in self.correct]
                raise Violation(
                    f"L1: stuck for {patience_ms} ms at (process, height, round) {stuck}"
                )
            for _ in range(64):
                self._next()

    def _rare_turns_ms(self, height: int) -> int:
        """The rounds beyond one for each member until the lightest correct one was proposer, to their last timeouts.

        Alone with a lock that the others need (L36 takes a polka of the present round only), it must offer the block
        itself: with a power of 2 in 31 in one round of sixteen. The paper promises the end, not its hour. Members of
        equal power have no such rounds.
        """
        powers = self.town.powers(height)
        lightest = min(powers[p.index] for p in self.correct if p.index in powers)
        turns = range(len(powers), -(-sum(powers.values()) // lightest))
        slowest = max(self.plan.clocks)
        return 3 * slowest * sum(TIMEOUT_MS + TIMEOUT_STEP_MS * turn for turn in turns) // 1_000

    def _next(self) -> None:
        self.now_ms, _, target, source, kind, payload = heapq.heappop(self._queue)
        process = self.processes[target]
        if process.paused_until_ms > self.now_ms:
            self.push(process.paused_until_ms - self.now_ms, target, source, kind, payload)
            return
        self.events += 1
        match kind:
            case "tick":
                gossip.tick(self, process)
            case "timer":
                self._on_timer(process, payload)
            case "begin":
                if process.state.height == payload - 1:
                    self._begin(process, process.state.height + 1, process.state.postponed)
            case "built":
                life, built = payload
                if life == process.life:
                    self._feed(process, built, is_own=True)
            case "fault":
                hosts.suffer(self, process, payload)
            case "block":
                self._take_block(process, payload)
            case "want":
                gossip.serve(self, process, source, *payload)
            case _:
                self._hear(process, source, payload)

    def push(self, delay_ms: int, target: int, source: int, kind: str, payload: Any) -> None:
        """Let something happen to `target` after a while."""
        self._sequence += 1
        entry = (self.now_ms + delay_ms, self._sequence, target, source, kind, payload)
        heapq.heappush(self._queue, entry)

    def draw(self, below: int) -> int:
        """A number from the network's generator."""
        return int(self.random.random() * below)

    # --- heights ---------------------------------------------------------------------------------

    def _begin(self, process: Process, height: int, early: tuple[Input, ...]) -> None:
        if process.liar is None:
            self.referee.on_height_over(process.index)
        for fault in self.nemesis.begin(height, self.now_ms):
            self.push(fault.after_ms, fault.who, -1, "fault", fault)
        self.marks["postponed"] += bool(early)
        process.life += 1
        process.early, process.log, process.durable = early, [], 0
        process.wanted.clear()
        config = self.config(process.index, height)
        process.state, effects = core.start_height(config, early)
        self.work(process, effects)

    def _decide(self, process: Process, decision: Decide) -> None:
        height = decision.height
        process.decided[height] = decision
        self.referee.on_decide(process.index, decision)
        if process.liar is None:
            self.marker.on_decide(process, decision)
            self.rounds.setdefault(height, decision.round)
            changed = self.town.on_decided(height, decision.block_id)
            if changed is not None:
                self.marks[changed] += 1
            if height + 2 not in self.referee.powers:
                self.referee.open_height(height + 2, self.town.powers(height + 2))
        self.push(self.draw(80), process.index, -1, "begin", height + 1)

    # --- inputs ----------------------------------------------------------------------------------

    def _hear(
        self,
        process: Process,
        source: int,
        message: VoteReceived | ProposalReceived | MajorityClaimed,
    ) -> None:
        """A message from a peer, checked as a host checks it."""
        if process.liar is not None:
            process.liar.on_heard(source, message)
        if isinstance(message, VoteReceived):
            self._note_vote(process, message.vote)
        elif isinstance(message, ProposalReceived):
            if not self._is_from_proposer(process, message.proposal):
                return
            self.marker.on_proposal(process, message.proposal)
        if core.would_change(process.state, message):
            self._feed(process, message)

    def _note_vote(self, process: Process, vote: Vote) -> None:
        state = process.state
        near = vote.height == state.height and abs(vote.round - state.round) <= 2
        self.referee.on_heard_vote(
            process.index, process_of(vote.validator_address), vote, is_near=near
        )
        if near and state.decision is not None and vote.type is SignedMsgType.PRECOMMIT:
            is_for_it = vote.block_id == state.decision.block_id
            self.marks["straggler"] += is_for_it and vote not in commit_votes(state)

    def _is_from_proposer(self, process: Process, proposal: Proposal) -> bool:
        state, height = process.state, proposal.height
        signer = address_of(self.proposers[proposal])
        if height == state.height:
            return proposer_of(state, proposal.round) == signer
        if height != state.height + 1 or proposal.round:
            return False
        return self.town.validators(height).get_proposer().address == signer

    def _take_block(self, process: Process, block_id: BlockID) -> None:
        """The parts of a block are whole: judged when the core wants it, else kept."""
        process.blocks.add(block_id)
        if block_id in process.wanted:
            del process.wanted[block_id]
            self.marks["fetched"] += process.still_ticks > 0
            self._feed(process, BlockReceived(block_id, self.referee.valid[block_id]))

    def _on_timer(self, process: Process, payload: tuple[int, TimeoutElapsed]) -> None:
        life, timeout = payload
        if life != process.life:
            return
        state = process.state
        is_late = timeout.round < state.round
        self.marks["late_timeout" if is_late else _TIMEOUT_MARKS[timeout.kind]] += 1
        self._feed(process, timeout)

    def _feed(self, process: Process, input_: Input, *, is_own: bool = False) -> None:
        process.log.append((input_, is_own))
        if is_own:
            process.durable = len(process.log)
        before = process.state
        process.state, effects = core.step(before, input_)
        self._trace.append(f"{self.now_ms}.{process.index}{describe(input_)}")
        if self.observe is not None:
            self.observe(self.now_ms, process.index, input_, effects)
        if effects:
            self._trace.extend(map(describe, effects))
            if process.liar is None:
                self.marker.on_step(process, before, input_)
            self.work(process, effects)

    # --- effects ---------------------------------------------------------------------------------

    def work(self, process: Process, effects: tuple[Effect, ...]) -> None:
        """Perform what a core wishes."""
        for effect in effects:
            match effect:
                case SignVote():
                    self._sign_vote(process, effect)
                case SignProposal():
                    self._sign_proposal(process, effect)
                case ScheduleTimeout():
                    self._schedule(process, effect)
                case BuildBlock(height, round_):
                    block_id = self.build(process, height, round_)
                    answer = (process.life, BlockBuilt(round_, block_id))
                    self.push(1 + self.draw(20), process.index, -1, "built", answer)
                case FetchBlock(_, block_id):
                    process.wanted[block_id] = None
                    if block_id in process.blocks:
                        self._take_block(process, block_id)
                case FoundConflict():
                    self.marks["conflict"] += 1
                    self.referee.on_conflict(process.index, effect)
                case StartedRound(height, round_):
                    self._start_round(process, height, round_)
                case Decide():
                    self._decide(process, effect)

    def _start_round(self, process: Process, height: int, round_: int) -> None:
        self.referee.on_round(process.index, height, round_)
        if process.liar is not None:
            process.liar.on_round(round_)

    def _schedule(self, process: Process, timeout: ScheduleTimeout) -> None:
        wait_ms = (TIMEOUT_MS + TIMEOUT_STEP_MS * timeout.round) * self.plan.clocks[process.index]
        wait_ms *= 2 if process.slow_until_ms > self.now_ms else 1
        elapsed = TimeoutElapsed(timeout.kind, timeout.height, timeout.round)
        self.push(wait_ms // 1000, process.index, -1, "timer", (process.life, elapsed))

    def _sign_vote(self, process: Process, effect: SignVote) -> None:
        if process.liar is not None:
            process.liar.on_vote(effect)
            return
        self.marker.on_vote(process, effect)
        self.send_vote(process, effect, range(self.plan.count))

    def _sign_proposal(self, process: Process, effect: SignProposal) -> None:
        if process.liar is not None:
            process.liar.on_proposal(effect)
            return
        self.marks["pol_reproposal"] += effect.pol_round >= 0
        everybody = range(self.plan.count)
        self.offer(process, effect, effect.block_id, effect.pol_round, everybody)

    def build(self, process: Process, height: int, round_: int) -> BlockID:
        """A new block of a process, at hand there; a bad builder's is invalid."""
        self._built += 1
        block_id = name_block(height, round_, process.index, self._built)
        self.referee.valid[block_id] = process.liar is None or process.liar.is_valid_builder()
        self._blocks.setdefault(height, []).append(block_id)
        process.blocks.add(block_id)
        return block_id

    def blocks_of(self, height: int) -> list[BlockID]:
        """Blocks built at a height so far."""
        return self._blocks.get(height, [])

    # --- saying ----------------------------------------------------------------------------------

    def send_vote(self, process: Process, effect: SignVote, targets: Collection[int]) -> None:
        """Sign a vote and send it; to oneself it comes at once, as an input like any other."""
        place = self.town.index_in(effect.height, process.index)
        if place is None:
            return
        who = address_of(process.index)
        vote = Vote(effect.type, effect.height, effect.round, effect.block_id, AT, who, place)
        self.referee.on_vote(process.index, vote)
        self._count_lie(process)
        message = VoteReceived(vote)
        for target in targets:
            if target != process.index:
                kind = gossip.KINDS[vote.type]
                self.send(process.index, target, kind, vote.height, vote.round, message)
        if process.index in targets:
            self._feed(process, message, is_own=True)

    def offer(
        self,
        process: Process,
        effect: SignProposal,
        block_id: BlockID,
        pol_round: int,
        targets: Collection[int],
        holders: Collection[int] | None = None,
    ) -> None:
        """Sign a proposal and send it with its block (to `holders` only, when given)."""
        proposal = Proposal(effect.height, effect.round, pol_round, block_id, AT)
        self.proposers[proposal] = process.index
        self.referee.on_proposal(process.index, proposal)
        self._count_lie(process)
        given = targets if holders is None else holders
        message = ProposalReceived(proposal)
        for target in targets:
            if target == process.index:
                continue
            if target in given:
                self.send(process.index, target, "block", effect.height, effect.round, block_id)
            self.send(process.index, target, "proposal", effect.height, effect.round, message)
        if process.index in targets:
            self._feed(process, message, is_own=True)

    def _count_lie(self, process: Process) -> None:
        if process.liar is not None:
            self.lies[type(process.liar).__name__.lower()] += 1

    def send(
        self,
        source: int,
        target: int,
        kind: str,
        height: int,
        round_: int,
        message: object,
        author: int = -1,
    ) -> None:
        """Put a message on its way, if the nemesis lets it; `author` when it is another's."""
        hurt = self.nemesis.judge(height, round_, kind, source, target, self.now_ms, author)
        if hurt == DROP:
            return
        self.push(1 + self.draw(59) + hurt, target, source, kind, message)
        if self.random.random() < 0.03:
            self.push(1 + self.draw(400), target, source, kind, message)
