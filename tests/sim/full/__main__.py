"""`python -m tests.sim.full SEED` and `python -m tests.sim.full --seeds N [--first K] [--workers 2]`."""

import argparse
import sys
from collections.abc import Sequence
from time import monotonic

from tests.sim.full.batch import run_batch
from tests.sim.full.run import run_seed


def main(argv: Sequence[str] | None = None) -> int:
    """0 when no invariant was broken, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.full", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="run this one, with its trace")
    parser.add_argument("--seeds", type=int, help="run so many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    arguments = parser.parse_args(argv)
    if arguments.seed is not None:
        return _run_one(arguments.seed)
    if arguments.seeds is None:
        parser.error("give a seed, or --seeds N")
    return 0 if run_batch(arguments.seeds, arguments.first, arguments.workers) else 1


def _run_one(seed: int) -> int:
    started_s = monotonic()
    outcome = run_seed(seed, say=print)
    print(f"digest {outcome.digest}")
    print(
        f"seed {seed}: {outcome.heights} heights, {outcome.virtual_s:.1f} virtual s,"
        f" {outcome.messages} messages, {monotonic() - started_s:.2f} s"
    )
    print("marks: " + ", ".join(f"{k} {v}" for k, v in sorted(outcome.marks.items())))
    for code, detail in outcome.violations:
        print(f"VIOLATION {code}: {detail}")
    return 0 if outcome.is_good() else 1


if __name__ == "__main__":
    sys.exit(main())
