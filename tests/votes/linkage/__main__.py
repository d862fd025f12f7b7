"""`python -m tests.votes.linkage [--stations 1000]`: the long measurement, a line per set of rules and habits.

Exit 1 unless all rules together hold the attacker to guessing, and the same attacker succeeds when they are off.
"""

import argparse
import sys

from tests.votes.linkage.measure import Rate, measure
from tests.votes.linkage.model import Habits, Rules

LEARNT = 40
OTHERS_PART = 10
"""Sets of rules that are no claim are measured on a tenth of the stations."""

CASES: tuple[tuple[str, Rules, Habits], ...] = (
    ("delay and relay off", Rules(has_delay=False, has_relay=False), Habits()),
    ("relay off", Rules(has_relay=False), Habits()),
    ("delay off", Rules(has_delay=False), Habits()),
    ("signers not fixed", Rules(has_fixed_signers=False), Habits()),
    ("a tenth votes right after a session", Rules(), Habits(after_session=0.1)),
    ("half votes right after a session", Rules(), Habits(after_session=0.5)),
    ("half keeps an hour of its own", Rules(), Habits(own_hour=0.5)),
)


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--stations", type=int, default=1_000)
    stations = parser.parse_args().stations
    claimed = measure(Rules(), Habits(), stations=stations, learnt=LEARNT, note=_note)
    _print("all rules", claimed)
    found = {}
    for name, rules, habits in CASES:
        found[name] = measure(
            rules, habits, stations=max(stations // OTHERS_PART, 1), learnt=LEARNT, note=_note
        )
        _print(name, found[name])
    is_held = claimed.share <= claimed.bound
    is_real = found["delay and relay off"].share > 0.9 and found["delay off"].share > 0.1
    print(
        "held to guessing" if is_held else "NOT HELD", "; attacker", "real" if is_real else "WEAK"
    )
    return 0 if is_held and is_real else 1


def _print(name: str, rate: Rate) -> None:
    print(
        f"{name:36} {rate.right:7} of {rate.ballots:7} = {rate.share:.5f}"
        f"  (guessing + 3 sigma {rate.bound:.5f}, {rate.stations} stations)",
        flush=True,
    )


def _note(done: int) -> None:
    if done % 50 == 0:
        print(f"{done} stations", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
