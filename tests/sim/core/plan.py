"""What a seed means: who takes part, who lies and how, whose clock is wrong, what may break.

Reads: a seed.  Writes: nothing.  Every concern draws from a generator of its own, so that a plan with one fault or
liar less (when a failure is shrunk) leaves the other draws as they were.
"""

import random
from dataclasses import dataclass, replace

from tests.sim.core.faults import FAULTS, HOST_FAULTS
from tests.sim.core.liars import LIARS

HEIGHTS = 20
FAULTS_MIN = 3
"""Kinds of faults on every seed's menu, at least (issue 3)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `powers` by process, 0 for one outside the first set; `clocks` in permille of true speed."""

    seed: int
    powers: tuple[int, ...]
    liars: tuple[tuple[int, str], ...]
    faults: tuple[str, ...]
    clocks: tuple[int, ...]
    heights: int = HEIGHTS
    has_changes: bool = True
    """Whether decided blocks change the validator set."""

    @property
    def count(self) -> int:
        """Processes, members of the set or not."""
        return len(self.powers)

    @property
    def correct(self) -> tuple[int, ...]:
        """Processes that keep to the protocol."""
        lying = dict(self.liars)
        return tuple(i for i in range(self.count) if i not in lying)


def draw_plan(seed: int, heights: int = HEIGHTS) -> Plan:
    """The plan of a seed: the same on every machine and under every hash seed."""
    rng = random.Random(f"{seed}/plan")
    count = 7 if rng.random() < 0.25 else 4
    powers = _draw_powers(rng, count)
    return Plan(
        seed=seed,
        powers=powers,
        liars=_draw_liars(random.Random(f"{seed}/liars"), powers),
        faults=_draw_menu(rng),
        clocks=tuple(rng.choice((1000, 1000, 700, 1400)) for _ in range(count)),
        heights=heights,
        has_changes=rng.random() < 0.6,
    )


def without(plan: Plan, name: str) -> Plan:
    """The plan with one fault or kind of liar less; liars become correct."""
    return replace(
        plan,
        faults=tuple(f for f in plan.faults if f != name),
        liars=tuple(liar for liar in plan.liars if liar[1] != name),
        has_changes=plan.has_changes and name != "changes",
        clocks=(1000,) * plan.count if name == "clocks" else plan.clocks,
    )


def parts_of(plan: Plan) -> tuple[str, ...]:
    """Names that `without` understands, in the order a shrinker should try them."""
    kinds = sorted({kind for _, kind in plan.liars})
    return ("changes", "clocks", *plan.faults, *kinds)


def is_safe(powers: dict[int, int], lying: tuple[int, ...]) -> bool:
    """Fewer than a third of the power lies, and nobody alone holds a third."""
    total = sum(powers.values())
    worst = max(powers.values())
    return 3 * sum(powers.get(i, 0) for i in lying) < total and 3 * worst < total


def _draw_menu(rng: random.Random) -> tuple[str, ...]:
    links = rng.sample(sorted(FAULTS), rng.randint(FAULTS_MIN, 7))
    return (*sorted(links), *(name for name in HOST_FAULTS if rng.random() < 0.3))


def _draw_powers(rng: random.Random, count: int) -> tuple[int, ...]:
    if rng.random() < 0.4:
        return (10,) * count
    while True:
        powers = tuple(rng.randint(1, 20) for _ in range(count))
        if is_safe(dict(enumerate(powers)), ()):
            return powers


def _draw_liars(rng: random.Random, powers: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    """As many as the power allows, at most f of n = 3f + 1; none in one seed of eight."""
    wanted = 0 if rng.random() < 0.125 else (len(powers) - 1) // 3
    order = rng.sample(range(len(powers)), len(powers))
    chosen: list[int] = []
    for index in order:
        if len(chosen) < wanted and is_safe(dict(enumerate(powers)), (*chosen, index)):
            chosen.append(index)
    return tuple((i, rng.choice(sorted(LIARS))) for i in sorted(chosen))
