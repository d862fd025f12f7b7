"""`python -m tests.sim.core SEED [--heights N] [--without NAME]... [--trace]`: one seed, told in full.

Exit 1 on a violation. `--trace` prints everything that was fed to a core and what it wished, which is the script of
the failure; `--without` takes a fault, a kind of liar, `changes` or `clocks` away.
"""

import argparse
import sys
from dataclasses import replace

from chain.consensus import Effect, Input
from tests.sim.core.faults import Nemesis
from tests.sim.core.marks import SOMETIMES
from tests.sim.core.plan import HEIGHTS, draw_plan, without
from tests.sim.core.shrink import explain
from tests.sim.core.trace import describe
from tests.sim.core.world import World


def main() -> int:
    """Run, tell, and say by the exit code whether every invariant held."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.core", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--heights", type=int, default=HEIGHTS)
    parser.add_argument("--without", action="append", default=[], metavar="NAME")
    parser.add_argument("--trace", action="store_true")
    wanted = parser.parse_args()
    plan = replace(draw_plan(wanted.seed), heights=wanted.heights)
    for name in wanted.without:
        plan = without(plan, name)
    print(plan)
    world = World(
        plan, Nemesis(plan.seed, plan.faults, plan.count), _tell if wanted.trace else None
    )
    try:
        world.run()
    except AssertionError as failure:
        print(f"VIOLATION: {failure}")
        if not wanted.trace:
            print(explain(wanted.seed))
        return 1
    rounds = [world.rounds[height] for height in sorted(world.rounds)]
    print(f"no violation; {world.events} events, {world.now_ms} virtual ms, rounds {rounds}")
    print(f"digest {world.digest()}")
    for mark in SOMETIMES:
        if world.marks[mark]:
            print(f"{world.marks[mark]:>7}  {mark}")
    return 0


def _tell(now_ms: int, process: int, input_: Input, effects: tuple[Effect, ...]) -> None:
    wishes = ";".join(describe(effect) for effect in effects)
    print(f"{now_ms:>7} ms  {process}{describe(input_)}{' =>' + wishes if wishes else ''}")


if __name__ == "__main__":
    sys.exit(main())
