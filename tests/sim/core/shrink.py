"""A failing seed made small: fewer heights, then every fault, liar and oddity that it fails without."""

from dataclasses import replace

from tests.sim.core.batch import run_plan
from tests.sim.core.plan import HEIGHTS, Plan, draw_plan, parts_of, without


def fails(plan: Plan) -> str:
    """The violation of a plan, empty when there is none."""
    return run_plan(plan).violation


def shrink(plan: Plan) -> tuple[Plan, tuple[str, ...]]:
    """The smallest failing plan found, and what was taken away to get it."""
    for heights in (1, 2, 3, 5, 8, 13):
        if heights < plan.heights and fails(shorter := replace(plan, heights=heights)):
            plan = shorter
            break
    gone: list[str] = []
    for name in parts_of(plan):
        if fails(smaller := without(plan, name)):
            plan = smaller
            gone.append(name)
    return plan, tuple(gone)


def command(seed: int, heights: int = HEIGHTS, gone: tuple[str, ...] = ()) -> str:
    """One command that runs the plan again."""
    words = ["python -m tests.sim.core", str(seed)]
    if heights != HEIGHTS:
        words.append(f"--heights {heights}")
    words += [f"--without {name}" for name in gone]
    return " ".join(words)


def explain(seed: int) -> str:
    """What to type to see a failing seed fail, whole and small."""
    plan, gone = shrink(draw_plan(seed))
    small = command(seed, plan.heights, gone)
    return f"  reproduce: {command(seed)}\n  smaller:   {small} --trace"
