"""The state of the consensus core for one height: immutable, cheap to copy, complete.

Reads: nothing.  Writes: nothing.  Never: a clock, a key, a block's contents.
"""

from collections.abc import Mapping

from msgspec import Struct, field

from chain.consensus.effects import Decide
from chain.consensus.inputs import Input
from chain.consensus.rounds import RoundState, Step
from chain.consensus.votes import VoteKeeper
from chain.types.block import BlockID, Proposal
from chain.types.primitives import Address, Height, Round
from chain.types.validator import ValidatorSet


class HeightConfig(Struct, frozen=True):
    """What a height starts from.

    `validators` is the set of this height with its priorities at round 0; `our_address` is None for a node
    without a validator key. A key outside the set follows without voting.
    """

    height: Height
    validators: ValidatorSet
    our_address: Address | None


class CoreState(Struct, frozen=True):
    """Everything the core knows about its height. Mappings in it are never changed in place."""

    config: HeightConfig
    machine: RoundState
    votes: VoteKeeper
    rotation: ValidatorSet
    """The validator set rotated to the current round: its proposer is the round's."""
    proposals: Mapping[Round, tuple[Proposal, ...]] = field(default_factory=dict)
    """Proposals of the current and coming rounds, in order of arrival."""
    verdicts: Mapping[BlockID, bool] = field(default_factory=dict)
    """Blocks at hand: is the block valid?"""
    wanted: frozenset[BlockID] = frozenset()
    """Blocks asked for with `FetchBlock`; only looked up, never walked through."""
    decision: Decide | None = None
    """Set once, when L49 fires."""
    postponed: tuple[Input, ...] = ()
    """Messages of the next height, for `start_height(config, postponed)`."""

    @property
    def height(self) -> Height:
        """The height being decided."""
        return self.config.height

    @property
    def round(self) -> Round:
        """The current round."""
        return self.machine.round

    @property
    def step(self) -> Step:
        """The current step."""
        return self.machine.step
