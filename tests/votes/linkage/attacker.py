"""The attacker: city hall with the chain, its nodes' arrival times and addresses, and the API's whole session log.

It knows the clients' program, so it plays elections of its own, learns from them how much more often each sign is seen
between a ballot and its voter than between a ballot and somebody else (naive Bayes), and matches the ballots of the
real one to citizens, each citizen once, the surest pairs first. The same attacker meets every set of rules.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

from tests.votes.linkage.model import DAY_S, THRESHOLD, Citizen, Station

SIGNS = (
    "address registered",
    "address cast",
    "signers",
    "rank registered",
    "rank cast",
    "place in the list",
    "registered after a session",
    "registered before a session",
    "cast after a session",
    "cast before a session",
    "cast at its hour",
)
_LIMITS_MIN = (1, 5, 10, 15, 20, 25, 30, 35, 40, 60, 120, 240, 720, 1_440, 4_320)
_LONGEST_MIN = 36 * 24 * 60
_BIN_OF_MIN = [bisect_right(_LIMITS_MIN, minutes) for minutes in range(_LONGEST_MIN)]
_RANKS_PER_BIN = 10

Columns = tuple[list[int], ...]
"""Per sign, its bin between one citizen and every pseudonym."""


@dataclass(frozen=True, slots=True)
class Attacker:
    """What was learnt: per sign, the weight of each bin, in logarithms; 0 for one that says nothing."""

    weights: tuple[dict[int, float], ...]

    def match(self, station: Station) -> tuple[int, ...]:
        """The citizen behind each pseudonym, as far as it can guess; -1 for none left."""
        scored = []
        for number, columns in enumerate(_read(station)):
            weighed = [
                [weights.get(seen, 0.0) for seen in column]
                for weights, column in zip(self.weights, columns, strict=True)
            ]
            scored += [
                (score, number, index)
                for index, score in enumerate(map(sum, zip(*weighed, strict=True)))
            ]
        scored.sort(reverse=True)
        guesses = [-1] * len(station.pseudonyms)
        taken: set[int] = set()
        for _, number, index in scored:
            if guesses[index] < 0 and number not in taken:
                guesses[index] = number
                taken.add(number)
        return tuple(guesses)


def learn(stations: Sequence[Station]) -> Attacker:
    """Weights from elections whose answers are known; one more is added to every count."""
    right = [Counter[int]() for _ in SIGNS]
    every = [Counter[int]() for _ in SIGNS]
    for station in stations:
        behind = {owner: index for index, owner in enumerate(station.owners)}
        for number, columns in enumerate(_read(station)):
            for sign, column in enumerate(columns):
                every[sign].update(column)
                if number in behind:
                    right[sign][column[behind[number]]] += 1
    return Attacker(tuple(_weigh(*counts) for counts in zip(right, every, strict=True)))


def _weigh(right: Counter[int], every: Counter[int]) -> dict[int, float]:
    total_right, total_every = sum(right.values()), sum(every.values())
    return {
        seen: log((right[seen] + 1) / (total_right + 2)) - log((count + 1) / (total_every + 2))
        for seen, count in every.items()
    }


def count_right(attacker: Attacker, station: Station) -> int:
    """How many ballots it gives to their voters."""
    return sum(
        guess == owner for guess, owner in zip(attacker.match(station), station.owners, strict=True)
    )


# --- what is seen ----------------------------------------------------------------------------------


def _read(station: Station) -> Iterator[Columns]:
    """For each citizen, every sign between it and every pseudonym."""
    seen = station.pseudonyms
    asked = _ranks([citizen.requested_s for citizen in station.citizens])
    came = _ranks([pseudonym.registered.place for pseudonym in seen])
    cast = _ranks([pseudonym.cast.place for pseudonym in seen])
    came_s = [pseudonym.registered.time_s for pseudonym in seen]
    cast_s = [pseudonym.cast.time_s for pseudonym in seen]
    for number, citizen in enumerate(station.citizens):
        first = citizen.answered[:THRESHOLD]
        hours = Counter(s % DAY_S // 3_600 for s in citizen.sessions)
        often = max(len(citizen.sessions), 1)
        yield (
            [int(pseudonym.registered.address == citizen.address) for pseudonym in seen],
            [int(pseudonym.cast.address == citizen.address) for pseudonym in seen],
            [int(pseudonym.signers == first) for pseudonym in seen],
            [abs(asked[number] - rank) // _RANKS_PER_BIN for rank in came],
            [abs(asked[number] - rank) // _RANKS_PER_BIN for rank in cast],
            [abs(number - rank) // _RANKS_PER_BIN for rank in came],
            *_gaps(citizen, came_s),
            *_gaps(citizen, cast_s),
            [min(hours[time_s % DAY_S // 3_600] * 10 // often, 5) for time_s in cast_s],
        )


def _gaps(citizen: Citizen, times_s: Sequence[int]) -> tuple[list[int], list[int]]:
    """How long since the begin of the last session, and until that of the next."""
    begins = (-_LONGEST_MIN * 60 // 2, *citizen.sessions, _LONGEST_MIN * 60)
    after, until = [], []
    for time_s in times_s:
        index = bisect_left(begins, time_s + 1)
        after.append(_BIN_OF_MIN[min((time_s - begins[index - 1]) // 60, _LONGEST_MIN - 1)])
        until.append(_BIN_OF_MIN[min((begins[index] - time_s) // 60, _LONGEST_MIN - 1)])
    return after, until


def _ranks(values: Sequence[int]) -> list[int]:
    ordered = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0] * len(values)
    for rank, index in enumerate(ordered):
        ranks[index] = rank
    return ranks
