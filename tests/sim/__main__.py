"""`python -m tests.sim --seeds N`: N seeds of the pure core, then N / 10 of the whole node, and one report.

The regression seeds of `seeds.txt` run first. Exit 1 on a violation, or when the batch covered too little.
"""

import argparse
import os
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.sim.core.batch import Report, kept_seeds, print_report, run_batch
from tests.sim.core.shrink import explain
from tests.sim.full.batch import run_batch as run_full_batch
from tests.sim.full.run import run_seed as run_full_seed


def main() -> int:
    """Both halves, one verdict."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="first seed of the pure half")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=("core", "full"))
    wanted = parser.parse_args()
    started_s = time.monotonic()
    verdicts = {}
    if wanted.only != "full":
        verdicts["core"] = run_core(range(wanted.first, wanted.first + wanted.seeds), wanted.jobs)
    if wanted.only != "core":
        verdicts["full node"] = run_full(max(1, wanted.seeds // 10), wanted.jobs)
    print(f"\nsim: {time.monotonic() - started_s:.0f} s in all")
    for half, is_good in verdicts.items():
        print(f"  {half}: {'no violation' if is_good else 'FAILED'}")
    return 0 if all(verdicts.values()) else 1


def run_core(seeds: range, jobs: int) -> bool:
    """The pure half; True when every invariant held and enough was covered."""
    every = [*(s for s in kept_seeds("core") if s not in seeds), *seeds]
    started_s = time.monotonic()
    console = Console(stderr=True)
    with Progress(
        TextColumn("core"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("core", total=len(every), note="")

        def on_progress(report: Report) -> None:
            note = f"{report.heights} heights, {len(report.violations)} violations"
            bar.update(task, completed=report.seeds, note=note)
            if not console.is_terminal and report.seeds % max(1, len(every) // 10) == 0:
                spent_s = time.monotonic() - started_s
                left_s = spent_s * (len(every) - report.seeds) / report.seeds
                print(
                    f"core: {report.seeds}/{len(every)} seeds, {note}, {left_s:.0f} s left",
                    flush=True,
                )

        report = run_batch(every, jobs, on_progress)
    print_report(report, time.monotonic() - started_s)
    for seed in sorted(report.violations)[:5]:
        print(f"VIOLATION in seed {seed}: {report.violations[seed]}\n{explain(seed)}")
    return not report.violations and not report.missing()


def run_full(seeds: int, jobs: int) -> bool:
    """The other half; True when no invariant was broken, kept seeds included."""
    is_good = True
    for seed, reason in kept_seeds("full").items():
        outcome = run_full_seed(seed)
        print(f"full {seed}: {'as it should be' if outcome.is_good() else 'FAILED'} ({reason})")
        is_good &= outcome.is_good()
    return run_full_batch(seeds, 1, jobs) and is_good


if __name__ == "__main__":
    sys.exit(main())
