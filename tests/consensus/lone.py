"""One core under a script's thumb: short words to feed it messages and to look at what it did."""

import hashlib

from chain.consensus import (
    BlockBuilt,
    BlockReceived,
    Effect,
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
)
from chain.consensus import driver as core
from chain.types.block import NIL_BLOCK_ID, BlockID, PartSetHeader, Proposal, Vote
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from chain.types.validator import Validator, ValidatorSet, new_validator_set

PREVOTE, PRECOMMIT = SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT
NIL = "nil"
HEIGHT = 5


def address(index: int) -> bytes:
    return bytes([index + 1]) * 20


def validators(*powers: int) -> ValidatorSet:
    """A set in which, for equal powers, validator r mod n proposes in round r."""
    return new_validator_set(
        tuple(Validator(address(i), bytes([i]) * 32, power) for i, power in enumerate(powers))
    )


def block(name: str) -> BlockID:
    if name == NIL:
        return NIL_BLOCK_ID
    digest = hashlib.sha256(name.encode()).digest()
    return BlockID(digest, PartSetHeader(1, digest[::-1]))


def vote(
    type_: SignedMsgType,
    voter: int,
    round_: int,
    name: str,
    *,
    height: int = HEIGHT,
    nanos: int = 0,
) -> Vote:
    at = Timestamp(1_700_000_000, nanos)
    return Vote(type_, height, round_, block(name), at, address(voter), voter)


def proposal(round_: int, name: str, pol_round: int = -1, *, height: int = HEIGHT) -> Proposal:
    return Proposal(height, round_, pol_round, block(name), Timestamp(1_700_000_000))


class Lone:
    """A correct process; its own votes are fed back to it, as a host does."""

    def __init__(self, *powers: int, ours: int | None = 3) -> None:
        set_ = validators(*(powers or (10, 10, 10, 10)))
        me = None if ours is None else address(ours)
        self.names = {block(NIL): NIL}
        self.effects: list[Effect] = []
        self.state, first = core.start_height(HeightConfig(HEIGHT, set_, me))
        self.ours = ours
        self._take(first)

    @property
    def sent(self) -> list[tuple[SignedMsgType, int, str]]:
        """Votes signed so far: type, round, block name."""
        return [
            (e.type, e.round, self.names[e.block_id])
            for e in self.effects
            if isinstance(e, SignVote)
        ]

    def feed(self, *inputs: Input) -> list[Effect]:
        """Give inputs; return every effect they had, those of our own votes included."""
        before = len(self.effects)
        for input_ in inputs:
            self.state, effects = core.step(self.state, input_)
            self._take(effects)
        return self.effects[before:]

    def judge(self, name: str, *, valid: bool = True) -> list[Effect]:
        return self.feed(BlockReceived(self._id(name), valid))

    def propose(self, round_: int, name: str, pol_round: int = -1) -> list[Effect]:
        """A proposal whose block is at hand and good."""
        self._id(name)
        judged = self.judge(name)
        return judged + self.feed(ProposalReceived(proposal(round_, name, pol_round)))

    def prevotes(self, round_: int, name: str, *voters: int) -> list[Effect]:
        self._id(name)
        return self.feed(*(VoteReceived(vote(PREVOTE, v, round_, name)) for v in voters))

    def precommits(self, round_: int, name: str, *voters: int) -> list[Effect]:
        self._id(name)
        return self.feed(*(VoteReceived(vote(PRECOMMIT, v, round_, name)) for v in voters))

    def claim(self, type_: SignedMsgType, round_: int, name: str, source: bytes = b"peer"):
        return self.feed(MajorityClaimed(type_, HEIGHT, round_, self._id(name), source))

    def build(self, round_: int, name: str) -> list[Effect]:
        return self.feed(BlockBuilt(round_, self._id(name)))

    def timeout(self, kind: TimeoutKind, round_: int) -> list[Effect]:
        return self.feed(TimeoutElapsed(kind, HEIGHT, round_))

    def pass_round(self, round_: int) -> None:
        """Let a round fail after our precommit: the others precommit nil and the wait ends."""
        others = [i for i in range(len(self.state.votes.electorate.addresses)) if i != self.ours]
        self.precommits(round_, NIL, *others[:-1])
        self.timeout(TimeoutKind.PRECOMMIT, round_)
        assert self.state.round == round_ + 1, "a round that failed is followed by the next"

    def lock(self, round_: int, name: str) -> None:
        """Bring it to lock `name` in `round_`, the current round."""
        if self.state.step == 1:
            self.propose(round_, name)
        others = [i for i in range(len(self.state.votes.electorate.addresses)) if i != self.ours]
        self.prevotes(round_, name, *others)
        assert self.locked == (round_, name), "a polka with its block locks"

    @property
    def locked(self) -> tuple[int, str]:
        machine = self.state.machine
        return machine.locked_round, self.names[machine.locked_block_id]

    @property
    def valid(self) -> tuple[int, str]:
        machine = self.state.machine
        return machine.valid_round, self.names[machine.valid_block_id]

    @property
    def decided(self) -> str | None:
        decision = self.state.decision
        return None if decision is None else self.names[decision.block_id]

    def timeouts(self) -> list[tuple[TimeoutKind, int]]:
        return [(e.kind, e.round) for e in self.effects if isinstance(e, ScheduleTimeout)]

    def offers(self) -> list[tuple[int, str, int]]:
        return [
            (e.round, self.names[e.block_id], e.pol_round)
            for e in self.effects
            if isinstance(e, SignProposal)
        ]

    def rounds_started(self) -> list[int]:
        return [e.round for e in self.effects if isinstance(e, StartedRound)]

    def _id(self, name: str) -> BlockID:
        self.names[block(name)] = name
        return block(name)

    def _take(self, effects: tuple[Effect, ...]) -> None:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, SignVote):
                assert self.ours is not None, "a node without a key signs nothing"
                own = vote(effect.type, self.ours, effect.round, self.names[effect.block_id])
                self.state, more = core.step(self.state, VoteReceived(own))
                self._take(more)
