"""`python -m tests.mutants [NAME...] [--jobs N]`: plant every bug, one at a time, and see that the tests notice.

First the tests run on the code as it is: they must pass, else a kill means nothing. Exit 1 when a mutant survives,
2 when a patch no longer fits or the tests fail by themselves.
"""

import argparse
import os
import queue
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.mutants.patches import Mutant, check_patches, load_mutants
from tests.mutants.running import STAGE_TIMEOUT_S, Copy, Verdict


def main() -> int:
    """Check, plant, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    wanted = parser.parse_args()
    mutants = load_mutants()
    wrong = check_patches(mutants)
    unknown = sorted({*wanted.names} - {mutant.name for mutant in mutants})
    wrong += [f"{name}: no such mutant" for name in unknown]
    if wrong:
        print("\n".join(wrong))
        return 2
    chosen = tuple(m for m in mutants if not wanted.names or m.name in wanted.names)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="beffroi-mutants-") as folder:
        copies = [Copy(Path(folder) / f"copy{number}") for number in range(wanted.jobs)]
        failing = failing_by_themselves(copies, chosen)
        if failing:
            print("\n".join(["tests that fail without any mutant:", *failing]))
            return 2
        verdicts = judge_all(copies, chosen)
    return tell(verdicts, time.monotonic() - started_s)


def failing_by_themselves(copies: list[Copy], mutants: tuple[Mutant, ...]) -> list[str]:
    """Stages that do not pass on the code as it is."""
    runs = together({test for mutant in mutants for test in mutant.tests})
    free = _free(copies)

    def passes(run: tuple[str, ...]) -> bool:
        copy = free.get()
        began_s = time.monotonic()
        try:
            done = copy.pytest(run, 3 * STAGE_TIMEOUT_S)
        finally:
            free.put(copy)
        verdict = "passes" if done.returncode == 0 else done.stdout[-2_000:]
        name = run[0] if len(run) == 1 else f"{len(run)} of {run[0].partition('::')[0]}"
        print(f"unchanged: {time.monotonic() - began_s:6.1f} s  {name}: {verdict}", flush=True)
        return done.returncode == 0

    with ThreadPoolExecutor(len(copies)) as pool:
        good = tuple(pool.map(passes, runs))
    return [stage for run, is_good in zip(runs, good, strict=True) if not is_good for stage in run]


def together(stages: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Single tests of one file in one run, for most of their time is pytest's start; files and folders alone."""
    runs: dict[str, list[str]] = {}
    for stage in sorted(stages):
        path, _, function = stage.partition("::")
        runs.setdefault(f"{path}::" if function else path, []).append(stage)
    return tuple(tuple(run) for run in runs.values())


def judge_all(copies: list[Copy], mutants: tuple[Mutant, ...]) -> list[Verdict]:
    """Every mutant on whichever copy is free."""
    free = _free(copies)

    def judge(mutant: Mutant) -> Verdict:
        copy = free.get()
        try:
            return copy.judge(mutant)
        finally:
            free.put(copy)

    console = Console(stderr=True)
    verdicts: list[Verdict] = []
    with (
        ThreadPoolExecutor(len(copies)) as pool,
        Progress(
            TextColumn("mutants"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as bar,
    ):
        task = bar.add_task("mutants", total=len(mutants), note="")
        for done in as_completed([pool.submit(judge, mutant) for mutant in mutants]):
            verdicts.append(done.result())
            alive = sum(not v.killer for v in verdicts)
            bar.update(task, completed=len(verdicts), note=f"{alive} alive")
            if not console.is_terminal:
                print(f"{len(verdicts)}/{len(mutants)} {line_of(verdicts[-1])}", flush=True)
    return verdicts


def _free(copies: list[Copy]) -> queue.SimpleQueue[Copy]:
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)
    return free


def line_of(verdict: Verdict) -> str:
    """One mutant's fate."""
    fate = verdict.killer or verdict.problem or "SURVIVED"
    return f"{verdict.seconds:6.1f} s  {verdict.mutant.name}: {fate}"


def tell(verdicts: list[Verdict], wall_s: float) -> int:
    """The table: mutant, rule, killer, time."""
    print("\n| mutant | rule | killed by | s |\n|---|---|---|---|")
    for verdict in sorted(verdicts, key=lambda v: v.mutant.name):
        mutant = verdict.mutant
        killer = verdict.killer or "**nobody**"
        print(f"| {mutant.name} | {mutant.rule} | {killer} | {verdict.seconds:.1f} |")
    alive = [verdict for verdict in verdicts if not verdict.killer]
    print(f"\n{len(verdicts)} mutants, {len(verdicts) - len(alive)} killed, {wall_s:.0f} s")
    for verdict in alive:
        what = verdict.problem or f"survived: {verdict.mutant.why}"
        print(f"ALIVE {verdict.mutant.name} ({verdict.mutant.file}): {what}")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
