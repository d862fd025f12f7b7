"""The validator sets of a run: each decided block may change the set two heights later."""

import hashlib
import random

from chain.types.block import BlockID, PartSetHeader
from chain.types.validator import (
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    new_validator_set,
    update_validator_set,
)
from tests.sim.core.plan import Plan, is_safe

CHANGE_CHANCE = 0.25
MEMBERS_MIN = 4


def address_of(index: int) -> bytes:
    """Address of a process' key."""
    return bytes([index + 1]) * 20


def process_of(address: bytes) -> int:
    """The process behind an address."""
    return address[0] - 1


def name_block(height: int, round_: int, proposer: int, variant: int) -> BlockID:
    """Id of a block that exists by its name only."""
    digest = hashlib.sha256(f"{height}/{round_}/{proposer}/{variant}".encode()).digest()
    return BlockID(digest, PartSetHeader(1, digest[::-1]))


class Town:
    """Sets by height; the next ones follow from what was decided."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lying = tuple(index for index, _ in plan.liars)
        first = new_validator_set(
            tuple(_member(i, power) for i, power in enumerate(plan.powers) if power)
        )
        self._sets = [first, increment_proposer_priority(first, 1)]
        self._indices: dict[int, dict[int, int]] = {}

    def validators(self, height: int) -> ValidatorSet:
        """The set of a height."""
        return self._sets[height - 1]

    def powers(self, height: int) -> dict[int, int]:
        """Power by process."""
        return {process_of(v.address): v.voting_power for v in self.validators(height).validators}

    def index_in(self, height: int, process: int) -> int | None:
        """Place of a process in the set of a height, None for one outside, or when the set is not known yet."""
        if height > len(self._sets):
            return None
        if height not in self._indices:
            members = self.validators(height).validators
            self._indices[height] = {process_of(v.address): i for i, v in enumerate(members)}
        return self._indices[height].get(process)

    def on_decided(self, height: int, block_id: BlockID) -> str | None:
        """Extend the sets by what the block says; what changed, for the marks."""
        if len(self._sets) > height + 1:
            return None
        latest = self._sets[height]
        change = self._draw_change(latest, block_id) if self.plan.has_changes else None
        if change is not None:
            latest = update_validator_set(latest, (change[1],))
        self._sets.append(increment_proposer_priority(latest, 1))
        return None if change is None else change[0]

    def _draw_change(self, latest: ValidatorSet, block_id: BlockID) -> tuple[str, Validator] | None:
        """Re-weigh, remove or add one validator, when the set stays safe; from the block's own bytes."""
        rng = random.Random(block_id.hash.hex())
        powers = {process_of(v.address): v.voting_power for v in latest.validators}
        if rng.random() > CHANGE_CHANCE:
            return None
        outside = [i for i in range(self.plan.count) if i not in powers]
        who = (
            rng.choice(outside)
            if outside and rng.random() < 0.5
            else rng.randrange(self.plan.count)
        )
        power = rng.choice((0, rng.randint(1, 20), rng.randint(1, 20)))
        after = {i: p for i, p in {**powers, who: power}.items() if p}
        if powers.get(who, 0) == power or not _has_room(after) or not is_safe(after, self.lying):
            return None
        kind = "left" if not power else "set_changed" if who in powers else "joined"
        return kind, _member(who, power)


def _has_room(powers: dict[int, int]) -> bool:
    return len(powers) >= MEMBERS_MIN or 3 * max(powers.values(), default=0) < sum(powers.values())


def _member(index: int, power: int) -> Validator:
    return Validator(address_of(index), bytes([index]) * 32, power)
