"""Byzantine puppets: the production core behind a proxy that lies.

A puppet may say anything in its own name to anybody; it cannot forge the signature of another. Each strategy
changes as little as it needs, since a liar that is mostly right does the most harm.
"""

import random
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chain.consensus import (
    MajorityClaimed,
    ProposalReceived,
    SignProposal,
    SignVote,
    VoteReceived,
)
from chain.consensus.rounds import NO_ROUND
from chain.types.block import NIL_BLOCK_ID, BlockID, Proposal, Vote
from chain.types.primitives import SignedMsgType

if TYPE_CHECKING:
    from tests.sim.core.world import Process, World

PREVOTE, PRECOMMIT = SignedMsgType.PREVOTE, SignedMsgType.PRECOMMIT
LIARS: dict[str, type["Liar"]] = {}


def _liar(kind: type["Liar"]) -> type["Liar"]:
    LIARS[kind.__name__.lower()] = kind
    return kind


class Liar:
    """Keeps to the protocol: what a strategy does not change."""

    def __init__(self, world: "World", process: "Process") -> None:
        self.world, self.process = world, process
        self.index = process.index
        self.rng = random.Random(f"{world.plan.seed}/liar/{process.index}")
        self.others = tuple(i for i in range(world.plan.count) if i != process.index)

    def on_vote(self, effect: SignVote) -> None:
        """Its core wants to vote."""
        self.say_vote(effect, effect.block_id, range(self.world.plan.count))

    def on_proposal(self, effect: SignProposal) -> None:
        """Its core wants to propose."""
        self.world.offer(
            self.process, effect, effect.block_id, effect.pol_round, range(self.world.plan.count)
        )

    def on_round(self, round_: int) -> None:
        """Its core began a round."""

    def on_heard(self, source: int, message: object) -> None:
        """A message reached it, before its core sees it."""

    def resends(self) -> bool:
        """Whether it sends again what it holds when the timer says so."""
        return True

    def serves(self) -> bool:
        """Whether it gives blocks to who asks."""
        return True

    def is_valid_builder(self) -> bool:
        """Whether the blocks it builds are valid."""
        return True

    def say_vote(self, effect: SignVote, block_id: BlockID, targets: Collection[int]) -> None:
        """Sign and send a vote for any block at the place of `effect`."""
        self.world.send_vote(self.process, replace(effect, block_id=block_id), targets)

    def known_blocks(self, height: int) -> list[BlockID]:
        """Blocks of a height that it heard of, in the order of their birth, and nil."""
        return [NIL_BLOCK_ID, *self.world.blocks_of(height)]

    def camps(self) -> tuple[list[int], list[int]]:
        """The others in two disjoint camps, drawn anew each time."""
        order = self.rng.sample(self.others, len(self.others))
        cut = self.rng.randint(1, len(order) - 1)
        return order[:cut], order[cut:]


@_liar
class Equivocator(Liar):
    """Says one thing to some and another thing to the others, votes and proposals alike."""

    def on_vote(self, effect: SignVote) -> None:
        first, second = self.camps()
        others = [b for b in self.known_blocks(effect.height) if b != effect.block_id]
        self.say_vote(effect, effect.block_id, [self.index, *first])
        self.say_vote(effect, self.rng.choice(others or [NIL_BLOCK_ID]), second)

    def on_proposal(self, effect: SignProposal) -> None:
        first, second = self.camps()
        twin = self.world.build(self.process, effect.height, effect.round)
        targets = [self.index, *first]
        self.world.offer(self.process, effect, effect.block_id, effect.pol_round, targets)
        self.world.offer(self.process, effect, twin, NO_ROUND, second)

    def resends(self) -> bool:
        return self.rng.random() < 0.3


@_liar
class YesMan(Liar):
    """Votes for every block it hears of, to whoever spoke of it, prevote and precommit."""

    def __init__(self, world: "World", process: "Process") -> None:
        super().__init__(world, process)
        self.said: set[tuple[int, int, BlockID, int]] = set()

    def on_heard(self, source: int, message: object) -> None:
        named: Proposal | Vote
        if isinstance(message, ProposalReceived):
            named = message.proposal
        elif isinstance(message, VoteReceived) and not message.vote.block_id.is_nil():
            named = message.vote
        else:
            return
        place = (named.height, named.round, named.block_id, source)
        if place in self.said or named.height != self.process.state.height:
            return
        self.said.add(place)
        for type_ in (PREVOTE, PRECOMMIT):
            effect = SignVote(type_, named.height, named.round, named.block_id)
            self.say_vote(effect, named.block_id, [source])


@_liar
class Amnesiac(Liar):
    """Forgets what it locked whenever a round begins (a validator that lost its log)."""

    def on_round(self, round_: int) -> None:
        machine = self.process.state.machine
        if machine.step < 2:
            machine = replace(machine, locked_round=NO_ROUND, locked_block_id=NIL_BLOCK_ID)
            self.process.state = replace(self.process.state, machine=machine)


@_liar
class Withholder(Liar):
    """Names blocks that it gives to few or to none, and keeps its votes from some."""

    def on_proposal(self, effect: SignProposal) -> None:
        self.world.offer(
            self.process,
            effect,
            effect.block_id,
            effect.pol_round,
            range(self.world.plan.count),
            holders=[self.index, *self.rng.sample(self.others, self.rng.randint(0, 2))],
        )

    def on_vote(self, effect: SignVote) -> None:
        first, _ = self.camps()
        self.say_vote(effect, effect.block_id, [self.index, *first])

    def resends(self) -> bool:
        return False

    def serves(self) -> bool:
        return False


@_liar
class PolLiar(Liar):
    """Names proof-of-lock rounds that prove nothing, and claims majorities that nobody has."""

    def on_proposal(self, effect: SignProposal) -> None:
        known = [b for b in self.world.blocks_of(effect.height) if b != effect.block_id]
        block_id = self.rng.choice([effect.block_id, *known])
        pol_round = self.rng.randrange(-1, effect.round) if effect.round else NO_ROUND
        self.world.offer(self.process, effect, block_id, pol_round, range(self.world.plan.count))

    def on_round(self, round_: int) -> None:
        height = self.process.state.height
        for target in self.others:
            block_id = self.rng.choice(self.known_blocks(height))
            claim = MajorityClaimed(
                self.rng.choice((PREVOTE, PRECOMMIT)),
                height,
                self.rng.randrange(round_ + 1),
                block_id,
                bytes([self.index]),
            )
            self.world.send(self.index, target, "claim", height, claim.round, claim)


@_liar
class NilFlooder(Liar):
    """Votes nil whatever happens, and for rounds far ahead."""

    def on_vote(self, effect: SignVote) -> None:
        self.say_vote(effect, NIL_BLOCK_ID, range(self.world.plan.count))

    def on_round(self, round_: int) -> None:
        for ahead in (1, 2, 5, self.rng.randrange(3, 40), self.rng.randrange(100, 9_000)):
            for type_ in (PREVOTE, PRECOMMIT):
                effect = SignVote(type_, self.process.state.height, round_ + ahead, NIL_BLOCK_ID)
                self.say_vote(effect, NIL_BLOCK_ID, self.others)


@_liar
class BadBuilder(Liar):
    """Builds blocks that nobody may accept, and votes for them."""

    def is_valid_builder(self) -> bool:
        return False


@_liar
class Silent(Liar):
    """Says nothing at all."""

    def on_vote(self, effect: SignVote) -> None:
        self.say_vote(effect, effect.block_id, [self.index])

    def on_proposal(self, effect: SignProposal) -> None:
        self.world.offer(self.process, effect, effect.block_id, effect.pol_round, [self.index])

    def resends(self) -> bool:
        return False

    def serves(self) -> bool:
        return False


Strategy = Callable[["World", "Process"], Liar]
