"""`python -m tests.durability [--every-cut]`: every crash point of the three-height workload; exit 1 on any violation.

`--every-cut` plays one run per byte of every log record also with four validators (about an hour on two cores);
without it those cuts are opened one by one, and played at both borders and in the middle of each record.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import structlog

from tests.durability import real
from tests.durability.disk import KILL, NONE, Point
from tests.durability.points import SHAPES, Shape, open_every_cut, play, points_of, twice

CHUNK = 40
SECOND_LIFE_OPERATIONS = 8


def run_chunk(work: tuple[Shape, tuple[tuple[Point, ...], ...]]) -> list[str]:
    """Violations of some points of one shape."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    shape, runs = work
    return [text for points in runs for text in play(shape, *points)]


def runs_of(shape: Shape, *, every_cut: bool) -> Iterator[tuple[Point, ...]]:
    """Single ends, then ends in the first operations of the next life."""
    for point in points_of(shape, every_cut=every_cut or shape.validators == 1):
        yield (point,)
    if shape.validators == 1:
        yield from twice(shape, (KILL, NONE), SECOND_LIFE_OPERATIONS)
    elif shape == SHAPES[2]:
        yield from twice(shape, (NONE,), 3)


def chunks(
    shape: Shape, *, every_cut: bool
) -> Iterator[tuple[Shape, tuple[tuple[Point, ...], ...]]]:
    """Pieces of work for one process."""
    runs = runs_of(shape, every_cut=every_cut)
    while chunk := tuple(islice(runs, CHUNK)):
        yield shape, chunk


def main() -> int:
    """All shapes, a line each."""
    parser = argparse.ArgumentParser(prog="python -m tests.durability")
    parser.add_argument("--every-cut", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    total, opened, violations, began_s = 0, 0, [], time.monotonic()
    with ProcessPoolExecutor(arguments.processes) as pool:
        for shape in SHAPES:
            work = list(chunks(shape, every_cut=arguments.every_cut))
            cut = open_every_cut(shape)
            found = [
                *cut.violations,
                *(text for part in pool.map(run_chunk, work) for text in part),
            ]
            count = sum(len(runs) for _, runs in work)
            print(
                f"{shape}: {count} crashes, {cut.cuts} cuts opened, {len(found)} violations",
                flush=True,
            )
            for text in found[:5]:
                print(f"  {text}", flush=True)
            total, opened, violations = total + count, opened + cut.cuts, violations + found
    with tempfile.TemporaryDirectory() as folder:
        violations += real.main(Path(folder))
    spent_s = time.monotonic() - began_s
    print(f"{total} crashes, {opened} cuts opened, {len(violations)} violations, {spent_s:.0f} s")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
