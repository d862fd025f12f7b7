"""How often the attacker is right, against how often it would be by guessing."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from tests.votes.linkage.attacker import count_right, learn
from tests.votes.linkage.model import Habits, Rules, play

VOTERS = 200
LEARNT_FROM = 1_000_000
"""Seeds of the attacker's own elections begin here, far from those it is measured on."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Ballots given to their voters, out of how many."""

    right: int
    ballots: int
    stations: int

    @property
    def share(self) -> float:
        return self.right / self.ballots

    @property
    def bound(self) -> float:
        """1/200 plus three standard deviations of guessing: one match a station, give or take one."""
        return 1 / VOTERS + 3 * sqrt(self.stations) / self.ballots


def measure(
    rules: Rules,
    habits: Habits,
    *,
    stations: int,
    learnt: int,
    note: Callable[[int], None] = lambda _done: None,
) -> Rate:
    """Let the attacker learn from elections under these rules and habits, then attack others."""
    attacker = learn([play(LEARNT_FROM + n, VOTERS, rules, habits) for n in range(learnt)])
    right = ballots = 0
    for seed in range(stations):
        station = play(seed, VOTERS, rules, habits)
        right += count_right(attacker, station)
        ballots += len(station.pseudonyms)
        note(seed + 1)
    return Rate(right, ballots, stations)
