"""Many seeds on a few processes, and one page about them."""

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import monotonic

from tests.sim.full.run import Outcome, run_seed

LATE_HEIGHTS_MIN = 0.05
"""Share of heights that must end in round 1 or later: below, the nemesis is too kind."""


def run_batch(seeds: int, first: int, workers: int) -> bool:
    """Run seeds first..first+seeds-1; True when all hold and the batch was worth something."""
    started_s = monotonic()
    numbers = range(first, first + seeds)
    marks: Counter[str] = Counter()
    rounds: Counter[int] = Counter()
    bad, few, heights, cpu_s = 0, 0, 0, 0.0
    for outcome in _outcomes(numbers, workers):
        marks.update(outcome.marks.keys())
        rounds.update(outcome.rounds)
        heights += len(outcome.rounds)
        cpu_s += outcome.cpu_s
        few += len(outcome.faults) < 3
        if not outcome.is_good():
            bad += 1
            _tell(outcome)
    late = sum(n for round_, n in rounds.items() if round_ >= 1)
    print(
        f"full nodes: {seeds} seeds, {heights} heights, {bad} violated,"
        f" {late} heights ({100 * late / max(1, heights):.1f} %) in round >= 1,"
        f" {monotonic() - started_s:.0f} s on {workers} processes,"
        f" {cpu_s / max(1, seeds):.2f} processor seconds a seed"
    )
    print("happened in so many seeds: " + ", ".join(f"{k} {v}" for k, v in sorted(marks.items())))
    if few:
        print(f"{few} seeds met fewer than 3 faults")
    is_kind = seeds >= 20 and late < LATE_HEIGHTS_MIN * heights
    if is_kind:
        print("the nemesis was too kind: fewer than 5 % of heights ended in round >= 1")
    return bad == 0 and not is_kind


def _outcomes(numbers: range, workers: int):
    if workers <= 1:
        yield from map(run_seed, numbers)
        return
    # Not multiprocessing.Pool: when the kernel kills a worker, a Pool waits for its result for ever.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(run_seed, numbers)


def _tell(outcome: Outcome) -> None:
    code, detail = outcome.violations[0]
    print(f"seed {outcome.seed}: {code}: {detail.splitlines()[0]}", flush=True)
    print(f"  python -m tests.sim.full {outcome.seed}", flush=True)
