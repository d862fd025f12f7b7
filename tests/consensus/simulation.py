"""A small town of cores in memory: virtual milliseconds, a lying network, one seed for everything.

The network loses messages per (height, round, kind, source, target) until a healing time, since noise that is the
same everywhere only slows a BFT protocol down and never tests its locks. On a timer every process re-sends all
votes it holds, its majorities, its proposals and blocks, and the proof of past decisions to whom lags behind.
Byzantine processes run the same core behind a proxy that tells different processes different things.
"""

import hashlib
import heapq
import random
from collections import defaultdict
from dataclasses import dataclass, field

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
    VoteReceived,
    held_majorities,
    held_votes,
)
from chain.consensus import driver as core
from chain.types.block import NIL_BLOCK_ID, BlockID, PartSetHeader, Proposal, Vote
from chain.types.timestamp import Timestamp
from chain.types.validator import increment_proposer_priority
from tests.consensus.lone import address, validators

TIMEOUT_MS, TIMEOUT_STEP_MS, RESEND_MS = 300, 100, 250
AT = Timestamp(1_700_000_000)


@dataclass
class Marks:
    """What happened at least once: a batch in which nothing did proves nothing."""

    late_rounds: int = 0
    skips: int = 0
    reproposals: int = 0
    conflicts: int = 0
    lost: int = 0


@dataclass
class Node:
    """A host around one core."""

    index: int
    state: CoreState
    decided: dict[int, Decide] = field(default_factory=dict)
    signed: list[object] = field(default_factory=list)
    blocks: set[BlockID] = field(default_factory=set)


class Simulation:
    """`run` until every correct process decided `heights` heights, or virtual time is up."""

    def __init__(self, seed: int, *, count: int, liars: int, heights: int = 4) -> None:
        self.random = random.Random(seed)
        self.loss = self.random.choice((0.0, 0.3, 0.5, 0.7))
        self.heights = heights
        self.count = count
        self.liars = set(self.random.sample(range(count), liars))
        self.correct = [i for i in range(count) if i not in self.liars]
        self.now_ms = 0
        self.queue: list[tuple[int, int, int, Input | None]] = []
        self.sequence = 0
        self.marks = Marks()
        self.cut: dict[tuple[object, ...], bool] = {}
        self.heal_ms: dict[int, int] = {}
        self.sets = [validators(*[10] * count)]
        self.trace = hashlib.sha256()
        self.nodes: list[Node] = []
        for index in range(count):
            self.nodes.append(Node(index, core.start_height(self.config(index, 1))[0]))
        for node in self.nodes:
            self.begin(node, 1, ())
            self.push(self.random.randrange(RESEND_MS), node.index, None)

    def config(self, index: int, height: int) -> HeightConfig:
        while len(self.sets) < height:
            self.sets.append(increment_proposer_priority(self.sets[-1], 1))
        return HeightConfig(height, self.sets[height - 1], address(index))

    def run(self, deadline_ms: int = 120_000) -> None:
        while self.queue and self.now_ms < deadline_ms and not self.is_done():
            self.now_ms, _, target, input_ = heapq.heappop(self.queue)
            if input_ is None:
                self.resend(self.nodes[target])
            else:
                self.give(self.nodes[target], input_)

    def is_done(self) -> bool:
        return all(len(self.nodes[i].decided) >= self.heights for i in self.correct)

    def push(self, delay_ms: int, target: int, input_: Input | None) -> None:
        self.sequence += 1
        heapq.heappush(self.queue, (self.now_ms + delay_ms, self.sequence, target, input_))

    def begin(self, node: Node, height: int, postponed: tuple[Input, ...]) -> None:
        self.heal_ms.setdefault(height, self.now_ms + self.random.randrange(200, 4_000))
        node.state, effects = core.start_height(self.config(node.index, height), postponed)
        self.perform(node, effects)

    def give(self, node: Node, input_: Input) -> None:
        node.state, effects = core.step(node.state, input_)
        self.trace.update(repr((self.now_ms, node.index, input_, effects)).encode())
        self.perform(node, effects)

    # --- the host's side -------------------------------------------------------------------------

    def perform(self, node: Node, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case BuildBlock(height, round_):
                    block_id = self.block(height, round_, node.index, 0)
                    node.blocks.add(block_id)
                    self.push(
                        self.random.randrange(1, 20), node.index, BlockBuilt(round_, block_id)
                    )
                case SignProposal():
                    self.send_proposal(node, effect)
                case SignVote():
                    self.send_vote(node, effect)
                case ScheduleTimeout(kind, height, round_):
                    wait_ms = TIMEOUT_MS + TIMEOUT_STEP_MS * round_
                    self.push(wait_ms, node.index, TimeoutElapsed(kind, height, round_))
                case StartedRound(_, round_):
                    self.marks.late_rounds += round_ > 0
                    self.marks.skips += round_ > 1
                case FoundConflict():
                    self.marks.conflicts += 1
                case FetchBlock():
                    pass  # blocks come with proposals and with what is re-sent
                case Decide():
                    self.decide(node, effect)

    def decide(self, node: Node, decision: Decide) -> None:
        node.decided[decision.height] = decision
        if decision.height < self.heights + 1:
            self.begin(node, decision.height + 1, node.state.postponed)

    def send_proposal(self, node: Node, effect: SignProposal) -> None:
        self.marks.reproposals += effect.pol_round >= 0
        node.signed.append(effect)
        for target in range(self.count):
            block_id = effect.block_id
            if node.index in self.liars and self.random.random() < 0.5:
                block_id = self.block(effect.height, effect.round, node.index, 1)
            node.blocks.add(block_id)
            offer = Proposal(effect.height, effect.round, effect.pol_round, block_id, AT)
            self.send(node.index, target, "proposal", offer.round, BlockReceived(block_id, True))
            self.send(node.index, target, "proposal", offer.round, ProposalReceived(offer))

    def send_vote(self, node: Node, effect: SignVote) -> None:
        node.signed.append(effect)
        for target in range(self.count):
            block_id = effect.block_id
            if node.index in self.liars:
                known = [NIL_BLOCK_ID, *sorted(node.blocks, key=lambda b: b.hash)]
                block_id = self.random.choice([block_id, *known])
            vote = Vote(
                effect.type,
                effect.height,
                effect.round,
                block_id,
                AT,
                address(node.index),
                node.index,
            )
            self.send(node.index, target, effect.type.name, effect.round, VoteReceived(vote))

    def resend(self, node: Node) -> None:
        """What PROTOCOL §5 asks of a node's timer; a liar keeps quiet or says it all."""
        self.push(RESEND_MS, node.index, None)
        if node.index in self.liars and self.random.random() < 0.7:
            return
        for target in range(self.count):
            other = self.nodes[target].state.height
            if target == node.index or other > node.state.height:
                continue
            if other < node.state.height:
                self.send_decision(node, target, node.decided[other])
            else:
                self.send_holdings(node, target)

    def send_decision(self, node: Node, target: int, decision: Decide) -> None:
        for vote in decision.precommits:
            self.send(node.index, target, "PRECOMMIT", vote.round, VoteReceived(vote))
        self.send(
            node.index, target, "block", decision.round, BlockReceived(decision.block_id, True)
        )
        claim = MajorityClaimed(
            decision.precommits[0].type,
            decision.height,
            decision.round,
            decision.block_id,
            bytes([node.index]),
        )
        self.send(node.index, target, "claim", decision.round, claim)

    def send_holdings(self, node: Node, target: int) -> None:
        state, source = node.state, bytes([node.index])
        for round_, type_, block_id in held_majorities(state.votes):
            claim = MajorityClaimed(type_, state.height, round_, block_id, source)
            self.send(node.index, target, "claim", round_, claim)
        for block_id, is_valid in state.verdicts.items():
            self.send(node.index, target, "block", state.round, BlockReceived(block_id, is_valid))
        for vote in held_votes(state.votes):
            self.send(node.index, target, vote.type.name, vote.round, VoteReceived(vote))
        for held in state.proposals.values():
            for proposal in held:
                offer = ProposalReceived(proposal)
                self.send(node.index, target, "proposal", proposal.round, offer)

    # --- the network -----------------------------------------------------------------------------

    def send(self, source: int, target: int, kind: str, round_: int, message: Input) -> None:
        if source == target:
            self.push(0, target, message)
            return
        height = self.nodes[source].state.height
        link = (height, round_, kind, source, target)
        if link not in self.cut:
            self.cut[link] = self.random.random() < self.loss
        if self.cut[link] and self.now_ms < self.heal_ms[height]:
            self.marks.lost += 1
            return
        self.push(self.random.randrange(1, 60), target, message)
        if self.random.random() < 0.05:
            self.push(self.random.randrange(1, 200), target, message)

    def block(self, height: int, round_: int, proposer: int, variant: int) -> BlockID:
        named = f"{height}/{round_}/{proposer}/{variant}".encode()
        digest = hashlib.sha256(named).digest()
        return BlockID(digest, PartSetHeader(1, digest[::-1]))

    # --- what must hold, counted again from scratch ----------------------------------------------

    def check_safety(self) -> None:
        blocks: dict[int, set[BlockID]] = defaultdict(set)
        for index in self.correct:
            for height, decision in self.nodes[index].decided.items():
                blocks[height].add(decision.block_id)
                self.check_proof(height, decision)
            self.check_signatures(self.nodes[index])
        for height, decided in blocks.items():
            assert len(decided) == 1, f"height {height}: {len(decided)} blocks decided"

    def check_proof(self, height: int, decision: Decide) -> None:
        voters = [v.validator_address for v in decision.precommits]
        assert len(set(voters)) == len(voters), "a voter twice in a commit"
        power = 0
        for vote in decision.precommits:
            assert (vote.type.name, vote.height) == ("PRECOMMIT", height)
            assert vote.round == decision.round
            power += 10 * (vote.block_id == decision.block_id)
        assert 3 * power > 2 * 10 * self.count, "a decision without its quorum"

    def check_signatures(self, node: Node) -> None:
        places: dict[tuple[object, ...], object] = {}
        for effect in node.signed:
            kind = effect.type if isinstance(effect, SignVote) else "proposal"
            place = (kind, effect.height, effect.round)
            assert places.setdefault(place, effect) == effect, "one process, two stories"

    def check_liveness(self) -> None:
        behind = [i for i in self.correct if len(self.nodes[i].decided) < self.heights]
        assert not behind, f"{behind} stuck at {[self.nodes[i].state.round for i in behind]}"
