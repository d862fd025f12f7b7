"""Many seeds on several processor cores, and what they covered.

Each seed is a run of its own; workers are spawned, so nothing is shared. The result of a batch does not depend on
how many workers there were.
"""

import hashlib
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.sim.core.marks import SOMETIMES
from tests.sim.core.plan import FAULTS_MIN, HEIGHTS, Plan, draw_plan
from tests.sim.core.world import World

MARKS_FROM_SEEDS = 400
"""From so many seeds on, every mark must have been seen."""
LATE_SHARE, VERY_LATE_SHARE = 0.05, 0.005
"""Least share of heights that end in round >= 1, and in round >= 3: else the nemesis is too kind."""
SEEDS_FILE = Path(__file__).resolve().parents[1] / "seeds.txt"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one seed did."""

    seed: int
    digest: str
    violation: str
    """Empty when every invariant held."""
    heights: int
    rounds: dict[int, int]
    """Heights by the round that decided them."""
    marks: dict[str, int]
    faults: dict[str, int]
    """Heights that each fault hurt, and messages of each kind of liar."""
    events: int
    cpu_s: float


@dataclass
class Report:
    """What a batch did, added up."""

    seeds: int = 0
    heights: int = 0
    events: int = 0
    cpu_s: float = 0.0
    rounds: Counter[int] = field(default_factory=Counter)
    marks: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: dict[int, str] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.heights += outcome.heights
        self.events += outcome.events
        self.cpu_s += outcome.cpu_s
        self.rounds.update(outcome.rounds)
        self.marks.update(outcome.marks)
        self.faults.update(outcome.faults)
        self.digests[outcome.seed] = outcome.digest
        if outcome.violation:
            self.violations[outcome.seed] = outcome.violation

    def share_from(self, round_: int) -> float:
        """Share of heights decided in `round_` or later."""
        late = sum(count for r, count in self.rounds.items() if r >= round_)
        return late / max(1, self.heights)

    def missing(self) -> list[str]:
        """What the batch should have covered and did not."""
        found = []
        if self.share_from(1) < LATE_SHARE:
            found.append(f"only {self.share_from(1):.1%} of heights ended in round >= 1")
        if self.share_from(3) < VERY_LATE_SHARE:
            found.append(f"only {self.share_from(3):.2%} of heights ended in round >= 3")
        if self.seeds >= MARKS_FROM_SEEDS:
            found += [f"never seen: {mark}" for mark in SOMETIMES if not self.marks[mark]]
        return found

    def digest(self) -> str:
        """One hash over the digests of all seeds, whatever the order they came in."""
        rows = "\n".join(f"{seed} {self.digests[seed]}" for seed in sorted(self.digests))
        return hashlib.sha256(rows.encode()).hexdigest()


def run_plan(plan: Plan) -> Outcome:
    """Run one plan to its end or to its first violation."""
    started_s = time.process_time()
    world = World(plan)
    violation = ""
    try:
        world.run()
    except AssertionError as failure:
        violation = str(failure) or type(failure).__name__
    faults = Counter(name for _, name in world.nemesis.hits)
    if not violation and len(plan.faults) >= FAULTS_MIN and faults.total() < FAULTS_MIN:
        violation = f"harness: only {faults.total()} faults hurt anything"
    faults += world.hits + world.lies
    return Outcome(
        plan.seed,
        world.digest(),
        violation,
        len(world.rounds),
        dict(Counter(world.rounds.values())),
        dict(world.marks),
        dict(faults),
        world.events,
        time.process_time() - started_s,
    )


def run_seed(seed: int) -> Outcome:
    """One seed at its full length."""
    return run_plan(draw_plan(seed, HEIGHTS))


def run_seeds(seeds: Iterable[int], jobs: int) -> Iterator[Outcome]:
    """Outcomes in the order of the seeds; raises BrokenProcessPool when a worker was killed."""
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    # Not multiprocessing.Pool: when the kernel kills a worker, a Pool waits for its result for ever.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(run_seed, seeds, chunksize=4)


def run_batch(
    seeds: Iterable[int], jobs: int, progress: Callable[[Report], None] = lambda _: None
) -> Report:
    """Run all seeds; `progress` is told after each."""
    report = Report()
    for outcome in run_seeds(seeds, jobs):
        report.add(outcome)
        progress(report)
    return report


def kept_seeds(layer: str) -> dict[int, str]:
    """Regression seeds of a layer and why they are kept (`tests/sim/seeds.txt`: `LAYER SEED reason`)."""
    found = {}
    for line in SEEDS_FILE.read_text().splitlines():
        named, _, rest = line.partition(" ")
        seed, _, reason = rest.partition(" ")
        if named == layer:
            found[int(seed)] = reason
    return found


def print_report(report: Report, wall_s: float) -> None:
    """The coverage table."""
    print(f"\ncore: {report.seeds} seeds, {report.heights} heights, {report.events} events")
    print(
        f"  {wall_s:.0f} s on the clock, {report.cpu_s:.0f} s of CPU, "
        f"{report.seeds / max(report.cpu_s, 0.001):.1f} seeds/s of CPU"
    )
    print(
        f"  heights that ended in round >= 1: {report.share_from(1):.1%} (at least {LATE_SHARE:.1%})"
    )
    print(
        f"  heights that ended in round >= 3: {report.share_from(3):.2%} "
        f"(at least {VERY_LATE_SHARE:.2%}); latest round {max(report.rounds, default=0)}"
    )
    print(f"  digest of the batch: {report.digest()[:16]}")
    print("  faults and liars (heights hurt, messages of liars):")
    for name, count in sorted(report.faults.items()):
        print(f"    {count:>9}  {name}")
    print("  sometimes:")
    for mark, text in SOMETIMES.items():
        print(f"    {report.marks[mark]:>9}  {mark}: {text}")
    for missing in report.missing():
        print(f"  NOT COVERED: {missing}")
    print(f"  violations: {len(report.violations)}")
