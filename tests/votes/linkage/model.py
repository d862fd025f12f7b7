"""One polling station's election as its clients play it, and everything an attacker at city hall gets to see of it.

Clients use the rules of `chain.votes.privacy` and nothing else for their timing. What is simulated is behaviour: when
people open the app, when they vote, which registrars are away. The worst is assumed where it costs nothing: every
opening of the app is a session in the API's log, and every phone keeps one address for the whole election.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from chain.town.votes.signers import choose_signers
from chain.votes.privacy import (
    Window,
    draw_registration_release_s,
    draw_send_delay_s,
    may_hand_over_registration,
    next_batch_s,
    sort_batch,
)

DAY_S = 86_400
ISSUANCE = Window(0, 21 * DAY_S)
REGISTRATION = Window(21 * DAY_S, 27 * DAY_S)
VOTING = Window(28 * DAY_S, 35 * DAY_S)
REGISTRARS = 4
THRESHOLD = 3
RELAY = -1
"""The address that ballots come from when a relay passed them on."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What protects the voter; each can be switched off to see that the attacker is real."""

    has_delay: bool = True
    has_relay: bool = True
    has_fixed_signers: bool = True


@dataclass(frozen=True, slots=True)
class Habits:
    """What people do that no rule forbids.

    `after_session`: share of voters who vote within five minutes after a session. `own_hour`: share of citizens who
    use their phone, for whatever purpose, at one hour of the day.
    """

    after_session: float = 0.0
    own_hour: float = 0.0


@dataclass(frozen=True, slots=True)
class Citizen:
    """What the register and the API know of one citizen; the place in the list is its number."""

    requested_s: int
    signed_by: tuple[int, ...]
    """Registrars that answered by the end of issuance."""
    answered: tuple[int, ...]
    """The same in the order their answers came."""
    sessions: tuple[int, ...]
    """Begin of every session, sorted."""
    address: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """An anonymous transaction as the chain and its nodes saw it."""

    time_s: int
    place: int
    """Order of arrival, over the whole election."""
    address: int


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """A credential: its registration, the registrars that signed it, its ballot."""

    registered: Arrival
    signers: tuple[int, ...]
    cast: Arrival


@dataclass(frozen=True, slots=True)
class Station:
    """Everything seen, and the answer: `owners[i]` is the citizen behind pseudonym i."""

    citizens: tuple[Citizen, ...]
    pseudonyms: tuple[Pseudonym, ...]
    owners: tuple[int, ...]


def play(seed: int, voters: int, rules: Rules, habits: Habits) -> Station:
    """One election at one station; everybody who was served votes once."""
    chance = Random(seed)
    away = _draw_outages(chance)
    hours = [chance.randrange(8, 22) for _ in range(voters)]
    citizens = [
        _draw_citizen(chance, number, hours[number], habits, away) for number in range(voters)
    ]
    signers = fix_signers([citizen.signed_by for citizen in citizens])
    served = [n for n, citizen in enumerate(citizens) if _is_served(citizen, signers, rules)]
    registrations = _deliver(
        chance,
        rules,
        REGISTRATION,
        {n: _registration_s(chance, citizens[n], rules) for n in served},
    )
    ballots = _deliver(
        chance,
        rules,
        VOTING,
        {n: _ballot_s(chance, citizens[n], hours[n], rules, habits) for n in served},
    )
    order = list(served)
    chance.shuffle(order)
    pseudonyms = tuple(
        Pseudonym(
            registrations[n],
            signers if rules.has_fixed_signers else citizens[n].answered[:THRESHOLD],
            ballots[n],
        )
        for n in order
    )
    return Station(tuple(citizens), pseudonyms, tuple(order))


def fix_signers(answers: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The station's set, as the chain fixes it at the end of issuance."""
    signed = Counter(who for signed_by in answers for who in signed_by)
    return choose_signers(tuple(signed[who] for who in range(1, REGISTRARS + 1)), THRESHOLD)


def _is_served(citizen: Citizen, signers: tuple[int, ...], rules: Rules) -> bool:
    if rules.has_fixed_signers:
        return set(signers) <= set(citizen.signed_by)
    return len(citizen.signed_by) >= THRESHOLD


def _draw_outages(chance: Random) -> dict[int, tuple[int, int]]:
    """Each registrar is away for five days and answers what waited afterwards; the last one falls silent for good."""
    begins = {who: chance.randrange(0, 16 * DAY_S) for who in range(1, REGISTRARS + 1)}
    away = {who: (begin, begin + 5 * DAY_S) for who, begin in begins.items()}
    return away | {REGISTRARS: (begins[REGISTRARS], ISSUANCE.closes_s)}


def _draw_citizen(
    chance: Random, number: int, hour: int, habits: Habits, away: dict[int, tuple[int, int]]
) -> Citizen:
    per_day = chance.choice((0.5, 1, 2, 4))
    sessions = sorted(
        _draw_moment(chance, day, hour, habits)
        for day in range(35)
        for _ in range(_poisson(chance, per_day))
    )
    asked = [s for s in sessions if ISSUANCE.holds(s)]
    requested_s = chance.choice(asked) if asked else chance.randrange(ISSUANCE.closes_s)
    answers = {who: _answer_s(requested_s, *stretch) for who, stretch in away.items()}
    signed_by = tuple(who for who in sorted(answers) if answers[who] < ISSUANCE.closes_s)
    answered = tuple(sorted(signed_by, key=lambda who: (answers[who], who)))
    return Citizen(requested_s, signed_by, answered, tuple(sessions), number)


def _answer_s(requested_s: int, begin_s: int, end_s: int) -> int:
    """A registrar answers at once, or when it is back."""
    return end_s if begin_s <= requested_s < end_s else requested_s


def _draw_moment(chance: Random, day: int, hour: int, habits: Habits) -> int:
    """A moment of waking hours, the same for all but those who keep their own hour."""
    if chance.random() < habits.own_hour:
        return day * DAY_S + hour * 3_600 + chance.randrange(3_600)
    return day * DAY_S + chance.randrange(7 * 3_600, 23 * 3_600)


def _poisson(chance: Random, mean: float) -> int:
    count, left = 0, chance.expovariate(1)
    while left < mean:
        count += 1
        left += chance.expovariate(1)
    return count


def _registration_s(chance: Random, citizen: Citizen, rules: Rules) -> int:
    """When the registration leaves: by the client's rule, or at the opening itself."""
    openings = [
        s
        for s in citizen.sessions
        if may_hand_over_registration(REGISTRATION, citizen.requested_s, s)
    ]
    opened_s = openings[0] if openings else REGISTRATION.closes_s - DAY_S
    if not rules.has_delay:
        return opened_s
    return draw_registration_release_s(REGISTRATION, opened_s, chance.randbytes)


def _ballot_s(chance: Random, citizen: Citizen, hour: int, rules: Rules, habits: Habits) -> int:
    """When the ballot leaves: the voter's own moment, and the delay."""
    near = [s for s in citizen.sessions if VOTING.holds(s)]
    if near and chance.random() < habits.after_session:
        voted_s = chance.choice(near) + chance.randrange(60, 300)
    else:
        voted_s = _draw_moment(chance, 28 + chance.randrange(7), hour, habits)
    voted_s = min(voted_s, VOTING.closes_s - 1)
    delay_s = draw_send_delay_s(VOTING, voted_s, chance.randbytes) if rules.has_delay else 0
    return voted_s + delay_s


def _deliver(
    chance: Random, rules: Rules, window: Window, leaves: dict[int, int]
) -> dict[int, Arrival]:
    """How a phase's transactions arrive: through the relay in sorted rounds, or one by one from where they come."""
    raws = {n: chance.randbytes(32) for n in leaves}
    if not rules.has_relay:
        ordered = sorted(leaves, key=lambda n: (leaves[n], raws[n]))
        return {n: Arrival(leaves[n], place, n) for place, n in enumerate(ordered)}
    rounds: dict[int, list[int]] = {}
    for n, time_s in leaves.items():
        rounds.setdefault(next_batch_s(window, time_s), []).append(n)
    owner = {raw: n for n, raw in raws.items()}
    arrivals: dict[int, Arrival] = {}
    for time_s in sorted(rounds):
        for raw in sort_batch(raws[n] for n in rounds[time_s]):
            arrivals[owner[raw]] = Arrival(time_s, len(arrivals), RELAY)
    return arrivals
