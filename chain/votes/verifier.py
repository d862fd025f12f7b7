"""The verifier: is this archive the record of an honest election, as far as it goes?

Checks everything `belenios-tool election verify` 2.0 checks, and what it does not: order and presence of
events, equality of the published encrypted tally and its counts with the ballots, one decryption per trustee,
no ballot twice. An archive may stop at any event; what is there must hold.

The proofs of ballots are nearly all the work. `judge` is asked for them, so that a caller can spread them
over processes; `judge_in_turn` does them here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chain.codec.errors import DecodeError
from chain.votes import formats
from chain.votes.archive import Archive, Step, check_bytes, collect_steps, hash_hex, read_archive
from chain.votes.ballot import judge_ballot, read_ballot, tracker
from chain.votes.checks import Check, Flaw
from chain.votes.credentials import read_public_list
from chain.votes.election import Election, read_election
from chain.votes.formats import Ballot, Owned, PartialDecryption, SizedTally
from chain.votes.group import Element
from chain.votes.tally import (
    Tally,
    add_ballot,
    check_decryption,
    empty_tally,
    encode_tally,
    open_tally,
)
from chain.votes.trustees import Trustees, read_trustees

BallotJudge = Callable[[bytes, Sequence[bytes]], Iterable[Flaw | None]]
"""Given the election record and ballots, the finding on each ballot, in order."""


class Stage(StrEnum):
    """How far the archive goes."""

    EMPTY = "empty"
    SETUP = "setup"
    VOTING = "voting"
    CLOSED = "closed"
    TALLIED = "tallied"
    DECRYPTING = "decrypting"
    FINISHED = "finished"


_STAGE_OF: Final[Mapping[str, Stage]] = {
    "Setup": Stage.SETUP,
    "Ballot": Stage.VOTING,
    "EndBallots": Stage.CLOSED,
    "EncryptedTally": Stage.TALLIED,
    "PartialDecryption": Stage.DECRYPTING,
    "Result": Stage.FINISHED,
}
_BEFORE: Final[Mapping[str, tuple[Stage, ...]]] = {
    "Setup": (Stage.EMPTY,),
    "Ballot": (Stage.SETUP, Stage.VOTING),
    "EndBallots": (Stage.SETUP, Stage.VOTING),
    "EncryptedTally": (Stage.CLOSED,),
    "PartialDecryption": (Stage.TALLIED, Stage.DECRYPTING),
    "Result": (Stage.DECRYPTING,),
}
"""Where the archive must stand for an event to come. Shuffles belong to question types we do not judge."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an archive that holds says."""

    uuid: str
    name: str
    group: str
    fingerprint: str
    stage: Stage
    events: int
    credentials: int
    ballots: int
    """Ballot events, revotes included."""
    voters: int
    """Credentials that voted: the ballots counted."""
    weight: int
    """Sum of their weights."""
    trustees: int
    decrypted_by: tuple[int, ...]
    result: tuple[tuple[int, ...], ...] | None
    """Votes per question and choice; with blank allowed the first is blank."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Either a flaw or a report."""

    flaw: Flaw | None
    report: Report | None = None

    @property
    def is_valid(self) -> bool:
        """No check failed."""
        return self.flaw is None


@dataclass(frozen=True, slots=True)
class Setup:
    """The first event, opened and checked."""

    record: bytes
    election: Election
    trustees: Trustees
    weights: Mapping[str, int]
    """Weight of every credential, as written in the list."""


def judge_in_turn(record: bytes, ballots: Sequence[bytes]) -> Iterable[Flaw | None]:
    """Judge ballots one after another in this process."""
    election = read_election(record)
    for body in ballots:
        yield judge_ballot(election, body)


def verify_archive(data: bytes, judge: BallotJudge = judge_in_turn) -> Verdict:
    """Verify a file. Raises Unreadable when it is no archive, Unsupported when it is beyond this program."""
    archive = read_archive(data)
    flaw = check_bytes(data, archive)
    return Verdict(flaw) if flaw is not None else verify_records(archive, judge)


def verify_records(archive: Archive, judge: BallotJudge = judge_in_turn) -> Verdict:
    """Verify records whose bytes are in order (`check_bytes`); raises Unsupported."""
    steps = collect_steps(archive)
    if isinstance(steps, Flaw):
        return Verdict(steps)
    stage = check_order(steps)
    if isinstance(stage, Flaw):
        return Verdict(stage)
    setup = open_setup(steps[0])
    if isinstance(setup, Flaw):
        return Verdict(setup.at_event(0))
    return _verify_election(setup, steps, stage, judge)


def check_order(steps: Sequence[Step]) -> Stage | Flaw:
    """The stage reached, if every event comes where it may."""
    stage = Stage.EMPTY
    for step in steps:
        if stage not in _BEFORE.get(step.type, ()):
            return Flaw(Check.EVENT_ORDER, f"{step.type} after {stage}").at_event(step.height)
        stage = _STAGE_OF[step.type]
    if stage is Stage.EMPTY:
        return Flaw(Check.EVENT_ORDER, "no event")
    return stage


def open_setup(step: Step) -> Setup | Flaw:
    """Read election, trustees and credentials, and check that they belong together; raises Unsupported."""
    election_record, trustees_record, credentials_record = step.bodies
    try:
        election = read_election(election_record)
    except DecodeError as error:
        return Flaw(Check.ELECTION_FORM, str(error))
    trustees = read_trustees(election.group, trustees_record)
    if isinstance(trustees, Flaw):
        return trustees
    if trustees.public_key != election.public_key:
        return Flaw(Check.ELECTION_KEY, "the election's key is not the product of its trustees'")
    weights = read_public_list(election.group, credentials_record)
    if isinstance(weights, Flaw):
        return weights
    return Setup(election_record, election, trustees, weights)


def _verify_election(
    setup: Setup, steps: Sequence[Step], stage: Stage, judge: BallotJudge
) -> Verdict:
    ballots = [step for step in steps if step.type == "Ballot"]
    last = _check_board(setup, ballots)
    if isinstance(last, Flaw):
        return Verdict(last)
    flaw = _judge_all(setup, ballots, judge)
    if flaw is not None:
        return Verdict(flaw)
    tally = count_ballots(setup, [last[credential] for credential in sorted(last)])
    owners: tuple[int, ...] = ()
    result: tuple[tuple[int, ...], ...] | None = None
    closing = _Closing(setup, tally)
    for step in steps[len(ballots) + 1 :]:
        flaw = closing.check(step)
        if flaw is not None:
            return Verdict(flaw.at_event(step.height))
    owners, result = tuple(closing.factors), closing.result
    return Verdict(None, _report(setup, steps, stage, len(ballots), tally, owners, result))


# --- ballots -----------------------------------------------------------------------------------


def _check_board(setup: Setup, steps: Sequence[Step]) -> Mapping[str, bytes] | Flaw:
    """Each voter's last ballot; form, credential and repetition of every one."""
    last: dict[str, bytes] = {}
    seen: dict[str, int] = {}
    for step in steps:
        ballot = _read_new(setup, seen, step.bodies[0])
        if isinstance(ballot, Flaw):
            return _name_ballot(ballot, step)
        seen[hash_hex(step.bodies[0])] = step.height
        last[ballot.credential] = step.bodies[0]
    return last


def _read_new(setup: Setup, seen: Mapping[str, int], body: bytes) -> Ballot | Flaw:
    """A ballot of a listed voter that is not among those `seen`."""
    ballot = read_ballot(body)
    if isinstance(ballot, Flaw):
        return ballot
    if ballot.credential not in setup.weights:
        return Flaw(Check.UNKNOWN_CREDENTIAL, "credential is not in the list")
    height = seen.get(hash_hex(body))
    if height is not None:
        return Flaw(Check.DUPLICATE_BALLOT, f"already cast at event {height}")
    return ballot


def _name_ballot(flaw: Flaw, step: Step) -> Flaw:
    return flaw.at_event(step.height, f"ballot {tracker(step.bodies[0])}")


def _judge_all(setup: Setup, steps: Sequence[Step], judge: BallotJudge) -> Flaw | None:
    bodies = [step.bodies[0] for step in steps]
    judged = 0
    for step, flaw in zip(steps, judge(setup.record, bodies), strict=True):
        if flaw is not None:
            return _name_ballot(flaw, step)
        judged += 1
    assert judged == len(steps), "the judge must answer for every ballot"
    return None


def count_ballots(setup: Setup, bodies: Iterable[bytes]) -> Tally:
    """The tally of checked ballots, one per voter."""
    tally = empty_tally(setup.election)
    for body in bodies:
        ballot = formats.decode(Ballot, body)
        weight = setup.weights[ballot.credential]
        tally = add_ballot(setup.election, tally, ballot.answers, weight)
    return tally


# --- counting ----------------------------------------------------------------------------------


class _Closing:
    """Checks the events after the ballots, remembering who decrypted."""

    def __init__(self, setup: Setup, tally: Tally) -> None:
        self._setup = setup
        self._tally = tally
        self.factors: dict[int, tuple[Element, ...]] = {}
        self.result: tuple[tuple[int, ...], ...] | None = None

    def check(self, step: Step) -> Flaw | None:
        """One event."""
        match step.type:
            case "EncryptedTally":
                return check_tally(self._setup.election, self._tally, *step.bodies)
            case "PartialDecryption":
                return self._check_decryption(*step.bodies)
            case "Result":
                return self._check_result(*step.bodies)
            case _:
                return None

    def _check_decryption(self, body: bytes, owned_body: bytes) -> Flaw | None:
        owner = formats.decode(Owned, owned_body).owner
        keys = self._setup.trustees.keys
        if not 1 <= owner <= len(keys):
            return Flaw(Check.DECRYPTION_OWNER, f"there is no trustee {owner}")
        if owner in self.factors:
            return Flaw(Check.DUPLICATE_DECRYPTION, f"trustee {owner} decrypted before")
        try:
            record = formats.decode_exactly(PartialDecryption, body)
        except DecodeError as error:
            return Flaw(Check.DECRYPTION_FORM, f"trustee {owner}: {error}")
        factors = check_decryption(self._setup.election, self._tally.rows, keys[owner - 1], record)
        if isinstance(factors, Flaw):
            return factors.at(f"trustee {owner}")
        self.factors[owner] = factors
        return None

    def _check_result(self, body: bytes) -> Flaw | None:
        result = read_result(self._tally, body)
        if isinstance(result, Flaw):
            return result
        setup = self._setup
        if not setup.trustees.is_enough(tuple(self.factors)):
            return Flaw(Check.MISSING_DECRYPTION, f"only trustees {sorted(self.factors)} decrypted")
        opened = open_tally(setup.election, self._tally, setup.trustees, self.factors)
        for question, (row, votes) in enumerate(zip(opened, result, strict=True), 1):
            for choice, (element, count) in enumerate(zip(row, votes, strict=True), 1):
                if setup.election.group.generator_power(count) != element:
                    place = f"question {question}, choice {choice}"
                    return Flaw(Check.RESULT_VALUE, f"{place}: {count} is not what was decrypted")
        self.result = result
        return None


def check_tally(election: Election, tally: Tally, body: bytes, sized_body: bytes) -> Flaw | None:
    """The published tally and its counts are those of the ballots."""
    sized = formats.decode(SizedTally, sized_body)
    if sized.num_tallied != tally.count:
        return Flaw(Check.TALLY_COUNT, f"{sized.num_tallied} published, {tally.count} voted")
    if sized.total_weight != formats.encode_count(tally.weight):
        return Flaw(Check.TALLY_WEIGHT, f"{sized.total_weight} published, {tally.weight} voted")
    if body != encode_tally(election, tally):
        return Flaw(Check.TALLY_CIPHERTEXTS, "the tally is not the product of the last ballots")
    return None


def read_result(tally: Tally, body: bytes) -> tuple[tuple[int, ...], ...] | Flaw:
    """The published result, if it has the tally's shape and no count beyond the total weight."""
    try:
        published = formats.decode_exactly(formats.Result, body).result
        result = tuple(tuple(formats.decode_count(cell) for cell in row) for row in published)
    except DecodeError as error:
        return Flaw(Check.RESULT_FORM, str(error))
    if [len(row) for row in result] != [len(row) for row in tally.rows]:
        return Flaw(Check.RESULT_FORM, "another number of counts than choices")
    if any(count > tally.weight for row in result for count in row):
        return Flaw(Check.RESULT_VALUE, f"a count is larger than the {tally.weight} cast")
    return result


def _report(
    setup: Setup,
    steps: Sequence[Step],
    stage: Stage,
    ballots: int,
    tally: Tally,
    owners: tuple[int, ...],
    result: tuple[tuple[int, ...], ...] | None,
) -> Report:
    election = setup.election
    return Report(
        uuid=election.uuid,
        name=election.name,
        group=election.group.name,
        fingerprint=election.fingerprint,
        stage=stage,
        events=len(steps),
        credentials=len(setup.weights),
        ballots=ballots,
        voters=tally.count,
        weight=tally.weight,
        trustees=len(setup.trustees.keys),
        decrypted_by=owners,
        result=result,
    )
