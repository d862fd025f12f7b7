"""Publishing an election: what is asked, of whom, when, and who keeps the keys.

Everything a voter must be able to rely on is judged here, before anybody asks for a credential.
Reads: parameters, bodies.  Writes: namespace votes, tables draft, election, station, count, ceremony; due work.
Source: research/voting.md §0.4 (2t - n > f), §5.4, §7; PROTOCOL §3, §8.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from chain.town import city, params
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.votes.calendar import check_calendar, plan_due
from chain.town.votes.costs import ballot_gas_us, ballot_max_bytes
from chain.town.votes.records import (
    CEREMONIES,
    COUNTS,
    DRAFTS,
    ELECTIONS,
    STATIONS,
    CeremonyRecord,
    CountsRecord,
    ElectionRecord,
    StationRecord,
    get_election,
    in_phase,
    rank_id,
    scan_election,
    station_id,
)
from chain.town.votes_schemas import (
    ElectionCreate,
    ElectionRestart,
    VoteContest,
    VoteQuestion,
    VoteStation,
)
from chain.types import codes
from chain.votes.election import choices_count
from chain.votes.formats import UNSET, Question

TRUSTEES_THRESHOLD_MIN: Final = 2
"""One body must never be able to open single ballots."""


def apply_create(ctx: TxContext, body: ElectionCreate) -> Outcome:
    """Publish; the trustees' ceremony may begin."""
    if ELECTIONS.get(ctx.state, body.election.encode()) is not None:
        return Refused(codes.VOTES_ELECTION_EXISTS)
    if body.legal_kind == "referendum_local":
        return Refused(codes.VOTES_REFERENDUM_REFUSED)
    refused = (
        check_calendar(ctx.state, body.calendar, ctx.time_s)
        or _check_questions(body.questions, body.contests)
        or _check_stations(body.stations)
        or _check_registrars(ctx.state, body)
        or check_trustees(ctx.state, body.trustees, body.trustees_threshold, body.ceremony)
        or check_apart(body.registrars, body.trustees)
    )
    if refused is not None:
        return refused
    questions = [belenios_question(question) for question in body.questions]
    gas_us = ballot_gas_us(body.group, questions)
    max_bytes = ballot_max_bytes(body.group, questions)
    if gas_us is None or max_bytes is None:
        return Refused(codes.VOTES_BALLOT_TOO_COSTLY)
    record = ElectionRecord(
        body.election,
        ctx.sender,
        body.group,
        "ceremony",
        body.calendar,
        body.registrars,
        body.registrars_threshold,
        body.ceremony,
        body.trustees,
        body.trustees_threshold,
        sum(choices_count(question) for question in questions),
        gas_us,
        max_bytes,
    )
    DRAFTS.put(ctx.state, body.election.encode(), body)
    ELECTIONS.put(ctx.state, body.election.encode(), record)
    COUNTS.put(ctx.state, body.election.encode(), CountsRecord())
    _put_stations(ctx.state, body)
    open_ceremony(ctx.state, record)
    plan_due(ctx.state, body.election, body.calendar)
    return Accepted({"election": body.election, "phase": "ceremony", "ballot_gas_us": gas_us})


def apply_restart(ctx: TxContext, body: ElectionRestart) -> Outcome:
    """Another ceremony before the election is sealed: a trustee vanished, or sent shares that do not fit."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    if record.owner != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, "the body that published the election")
    refused = (
        in_phase(record, "ceremony")
        or check_trustees(ctx.state, body.trustees, body.trustees_threshold, body.ceremony)
        or check_apart(record.registrars, body.trustees)
    )
    if refused is not None:
        return refused
    for record_id, _ in list(scan_election(CEREMONIES, ctx.state, body.election)):
        CEREMONIES.delete(ctx.state, record_id)
    changed = replace_ceremony(record, body)
    ELECTIONS.put(ctx.state, body.election.encode(), changed)
    open_ceremony(ctx.state, changed)
    return Accepted({"election": body.election, "phase": "ceremony"})


def belenios_question(question: VoteQuestion) -> Question:
    """The question as the Belenios record writes it."""
    return Question(
        answers=question.answers,
        blank=True if question.blank else UNSET,
        min=question.min,
        max=question.max,
        question=question.question,
    )


def replace_ceremony(record: ElectionRecord, body: ElectionRestart) -> ElectionRecord:
    """The election with other trustees."""
    return ElectionRecord(
        record.election,
        record.owner,
        record.group,
        record.phase,
        record.calendar,
        record.registrars,
        record.registrars_threshold,
        body.ceremony,
        body.trustees,
        body.trustees_threshold,
        record.choices,
        record.ballot_gas_us,
        record.ballot_max_bytes,
    )


def open_ceremony(state: Overlay, record: ElectionRecord) -> None:
    """An empty line for every trustee."""
    for trustee in range(1, len(record.trustees) + 1):
        CEREMONIES.put(state, rank_id(record.election, trustee), CeremonyRecord(trustee))


def _put_stations(state: Overlay, body: ElectionCreate) -> None:
    unsigned = (0,) * len(body.registrars)
    for line in body.stations:
        STATIONS.put(
            state,
            station_id(body.election, line.station, line.weight_class),
            StationRecord(line.station, line.weight_class, line.weight, signed=unsigned),
        )


# --- checks --------------------------------------------------------------------------------------


def _check_stations(stations: Sequence[VoteStation]) -> Refused | None:
    """Sorted, each once, and one weight per class everywhere."""
    before = ("", "")
    weights: dict[str, int] = {}
    for line in stations:
        key = (line.station, line.weight_class)
        if key <= before:
            return Refused(codes.VOTES_STATIONS_REFUSED, f"{line.station}/{line.weight_class}")
        if weights.setdefault(line.weight_class, line.weight) != line.weight:
            return Refused(codes.VOTES_STATIONS_REFUSED, f"two weights for {line.weight_class}")
        before = key
    return None


def _check_registrars(state: Reader, body: ElectionCreate) -> Refused | None:
    """n = 3f+1 and t = 2f+1: then any two sets of t registrars share one that is honest (2t - n > f)."""
    count, threshold = len(body.registrars), body.registrars_threshold
    corrupt, rest = divmod(count - 1, 3)
    least = params.get_param(state, params.VOTES_REGISTRARS_MIN)
    if rest or threshold != 2 * corrupt + 1 or count < least:
        return Refused(codes.VOTES_REGISTRARS_SHAPE, f"{threshold} of {count}, at least {least}")
    refused = _check_bodies(state, body.registrars)
    if refused is not None:
        return refused
    return _check_places(body.registrars, max(1, corrupt), "registrar")


def check_trustees(
    state: Reader, trustees: Sequence[str], threshold: int, ceremony: str
) -> Refused | None:
    """At least two must act together, and no body is as many as the threshold."""
    is_shaped = threshold == len(trustees) if ceremony == "single" else threshold <= len(trustees)
    if not is_shaped or threshold < TRUSTEES_THRESHOLD_MIN:
        detail = f"trustees: {threshold} of {len(trustees)}"
        return Refused(codes.VOTES_BODIES_CONFLICT, detail)
    refused = _check_bodies(state, trustees)
    if refused is not None:
        return refused
    return _check_places(trustees, threshold - 1, "trustee")


def check_apart(registrars: Sequence[str], trustees: Sequence[str]) -> Refused | None:
    """Nobody both issues credentials and opens ballots (PROTOCOL §3)."""
    both = sorted(set(registrars) & set(trustees))
    return Refused(codes.VOTES_BODIES_CONFLICT, f"{both[0]} is both") if both else None


def _check_bodies(state: Reader, bodies: Sequence[str]) -> Refused | None:
    for body in bodies:
        if city.BODIES.get(state, body.encode()) is None:
            return Refused(codes.CITY_UNKNOWN_BODY, body)
    return None


def _check_places(bodies: Sequence[str], most: int, what: str) -> Refused | None:
    for body, held in sorted(Counter(bodies).items()):
        if held > most:
            return Refused(codes.VOTES_BODIES_CONFLICT, f"{body}: {held} {what}s, at most {most}")
    return None


def _check_questions(
    questions: Sequence[VoteQuestion], contests: Sequence[VoteContest]
) -> Refused | None:
    """Bounds that can be met, answers that differ, and contests that cover all questions in order."""
    for number, question in enumerate(questions, 1):
        is_bounded = question.min <= question.max <= len(question.answers)
        if not is_bounded or len(set(question.answers)) != len(question.answers):
            return Refused(codes.VOTES_QUESTIONS_REFUSED, f"question {number}")
    first = 0
    for number, contest in enumerate(contests, 1):
        covered = questions[first : first + contest.questions]
        if len(covered) != contest.questions or not _fits(contest, covered):
            return Refused(codes.VOTES_QUESTIONS_REFUSED, f"contest {number}, {contest.kind}")
        first += contest.questions
    if first != len(questions):
        return Refused(codes.VOTES_QUESTIONS_REFUSED, f"{first} of {len(questions)} counted")
    return None


def _fits(contest: VoteContest, questions: Sequence[VoteQuestion]) -> bool:
    """Whether the questions have the shape that the kind of vote counts."""
    is_budget = contest.kind == "budget"
    if bool(contest.budget_cents) != is_budget or bool(contest.costs_cents) != is_budget:
        return False
    if contest.kind in ("majority_judgment", "score"):
        return all(
            (question.min, question.max) == (1, 1)
            and question.answers == questions[0].answers
            and not question.blank
            for question in questions
        )
    question = questions[0]
    if len(questions) != 1 or contest.winners > len(question.answers):
        return False
    match contest.kind:
        case "yes_no":
            return len(question.answers) == 2 and question.max == 1
        case "single":
            return question.max == 1
        case "budget":
            return len(contest.costs_cents) == len(question.answers)
        case _:
            return True
