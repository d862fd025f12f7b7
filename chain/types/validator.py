"""Validators and the proposer-priority arithmetic of CometBFT 0.38 (`types/validator_set.go`).

All divisions are spelled out because Go truncates toward zero and Python floors.
"""

from dataclasses import dataclass, replace
from typing import Final

from chain.types.primitives import INT64_MAX, INT64_MIN, MAX_TOTAL_POWER, Address, Power

PRIORITY_WINDOW_FACTOR: Final = 2
"""Priorities stay within this many times the total power of each other."""


class InvalidValidatorSet(ValueError):
    """A validator change that would make the set malformed; the message says which."""


@dataclass(frozen=True, slots=True)
class Validator:
    """One validator: raw 32-byte Ed25519 key, its address, power and proposer priority."""

    address: Address
    pub_key: bytes
    voting_power: Power
    proposer_priority: int = 0


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Validators ordered by (power descending, address ascending), and the current proposer."""

    validators: tuple[Validator, ...]
    proposer: Validator | None = None

    def total_power(self) -> Power:
        """Sum of all powers."""
        return sum(v.voting_power for v in self.validators)

    def index_of(self, address: Address) -> int | None:
        """Position of a validator, or None."""
        for index, validator in enumerate(self.validators):
            if validator.address == address:
                return index
        return None

    def get_proposer(self) -> Validator:
        """The proposer of the current round; raises InvalidValidatorSet on an empty set."""
        if self.proposer is not None:
            return self.proposer
        return _find_proposer(self.validators)


def new_validator_set(validators: tuple[Validator, ...]) -> ValidatorSet:
    """Build a first set: apply all as additions, then one priority increment (`NewValidatorSet`)."""
    built = update_validator_set(ValidatorSet(()), validators, allow_removal=False)
    return increment_proposer_priority(built, 1) if built.validators else built


def increment_proposer_priority(current: ValidatorSet, times: int) -> ValidatorSet:
    """Advance the proposer rotation `times` rounds (`IncrementProposerPriority`).

    Raises InvalidValidatorSet when the set is empty, too heavy, or `times` is not positive.
    """
    if not current.validators or times <= 0:
        raise InvalidValidatorSet("cannot rotate an empty set or by a non-positive count")
    total = current.total_power()
    if total > MAX_TOTAL_POWER:
        raise InvalidValidatorSet("total voting power above the maximum")
    priorities = _rescaled(
        [v.proposer_priority for v in current.validators], PRIORITY_WINDOW_FACTOR * total
    )
    priorities = _centred(priorities)
    winner = 0
    for _ in range(times):
        priorities = [
            _clip(p + v.voting_power) for p, v in zip(priorities, current.validators, strict=True)
        ]
        winner = min(
            range(len(priorities)), key=lambda i: (-priorities[i], current.validators[i].address)
        )
        priorities[winner] = _clip(priorities[winner] - total)
    validators = tuple(
        replace(v, proposer_priority=p) for v, p in zip(current.validators, priorities, strict=True)
    )
    return ValidatorSet(validators, validators[winner])


def update_validator_set(
    current: ValidatorSet, changes: tuple[Validator, ...], *, allow_removal: bool = True
) -> ValidatorSet:
    """Add, re-weigh or (power 0) remove validators (`UpdateWithChangeSet`).

    New validators start at -(1.125 x total after updates, before removals). Raises
    InvalidValidatorSet on duplicates, negative or excessive power, unknown removal, empty result.
    """
    if not changes:
        return current
    ordered = sorted(changes, key=lambda v: v.address)
    _check_changes(ordered, allow_removal=allow_removal)
    known = {v.address: v for v in current.validators}
    removals = [v for v in ordered if v.voting_power == 0]
    updates = [v for v in ordered if v.voting_power > 0]
    for gone in removals:
        if gone.address not in known:
            raise InvalidValidatorSet(f"cannot remove unknown validator {gone.address.hex()}")
    if len(removals) >= len(current.validators) and not any(
        v.address not in known for v in updates
    ):
        raise InvalidValidatorSet("the change would empty the validator set")
    total_before_removal = _checked_total(known, updates, removals)
    start_priority = -(total_before_removal + (total_before_removal >> 3))
    for change in updates:
        held = known.get(change.address)
        priority = held.proposer_priority if held is not None else start_priority
        known[change.address] = replace(change, proposer_priority=priority)
    for gone in removals:
        del known[gone.address]
    merged = sorted(known.values(), key=lambda v: v.address)
    total = sum(v.voting_power for v in merged)
    priorities = _rescaled([v.proposer_priority for v in merged], PRIORITY_WINDOW_FACTOR * total)
    priorities = _centred(priorities)
    settled = [replace(v, proposer_priority=p) for v, p in zip(merged, priorities, strict=True)]
    settled.sort(key=lambda v: (-v.voting_power, v.address))
    return ValidatorSet(tuple(settled), current.proposer)


def _check_changes(ordered: list[Validator], *, allow_removal: bool) -> None:
    for index, change in enumerate(ordered):
        if index and ordered[index - 1].address == change.address:
            raise InvalidValidatorSet(f"duplicate validator {change.address.hex()}")
        if change.voting_power < 0:
            raise InvalidValidatorSet("voting power cannot be negative")
        if change.voting_power > MAX_TOTAL_POWER:
            raise InvalidValidatorSet("voting power above the maximum")
        if change.voting_power == 0 and not allow_removal:
            raise InvalidValidatorSet("a first set cannot hold a validator without power")


def _checked_total(
    known: dict[Address, Validator], updates: list[Validator], removals: list[Validator]
) -> Power:
    """Total after updates and before removals; the total after removals must stay under the maximum."""
    powers = {address: v.voting_power for address, v in known.items()}
    powers.update((v.address, v.voting_power) for v in updates)
    total = sum(powers.values())
    removed = sum(known[v.address].voting_power for v in removals)
    if total - removed > MAX_TOTAL_POWER:
        raise InvalidValidatorSet("total voting power above the maximum")
    return total


def _find_proposer(validators: tuple[Validator, ...]) -> Validator:
    if not validators:
        raise InvalidValidatorSet("an empty set has no proposer")
    return min(validators, key=lambda v: (-v.proposer_priority, v.address))


def _rescaled(priorities: list[int], window: int) -> list[int]:
    """Shrink the spread of priorities to `window`, dividing toward zero as Go does."""
    if window <= 0:
        return priorities
    spread = max(priorities) - min(priorities)
    ratio = (spread + window - 1) // window
    if spread <= window:
        return priorities
    return [abs(p) // ratio * (1 if p >= 0 else -1) for p in priorities]


def _centred(priorities: list[int]) -> list[int]:
    """Shift priorities so that their mean is about zero (big-int Euclidean division)."""
    mean = sum(priorities) // len(priorities)
    return [_clip(p - mean) for p in priorities]


def _clip(value: int) -> int:
    return max(INT64_MIN, min(INT64_MAX, value))
