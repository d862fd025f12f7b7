"""The ballot box: casting and spoiling, anonymous both.

Nobody signs for an account here, so every check is ordered by its cost, and what costs most comes last (PROTOCOL §8):
size, phase and hour; form and election; the list; the credential's signature; a hash taken before; quota; a half
ciphertext seen before; then the proofs. What fails is never in a block. The hash comes before the quota because a
ballot in the box must be told to be there, also within its minute.
A ballot hash is taken once for ever: a board that puts a replaced ballot back would undo a revote.
A spoil binds the credential that signed it and no other: whoever sees a ballot on its way must not be able to stop it
by a spoil of their own.
Reads: list, parameters.  Writes: tables box, tally, ballot, spoil, body, alpha, credential, station.
Source: research/voting.md §0.3, §7.2, §7.4.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from chain.codec.errors import DecodeError
from chain.town import params
from chain.town.context import Accepted, Outcome, Reader, Refused, TxContext
from chain.town.votes.archiving import add_event
from chain.town.votes.journal import archive_facts
from chain.town.votes.records import (
    ALPHAS,
    BALLOTS,
    BODIES,
    BOXES,
    CREDENTIALS,
    ELECTIONS,
    SPOILS,
    STATIONS,
    AlphaRecord,
    BallotRecord,
    BodyRecord,
    CredentialRecord,
    ElectionRecord,
    SpoilRecord,
    alpha_id,
    ballot_id,
    credential_id,
    get_box,
    get_document,
    get_election,
    group_of,
    open_record,
    place_id,
    spoil_id,
    station_id,
)
from chain.town.votes.tallying import count_ballot
from chain.town.votes.verdicts import VERDICTS
from chain.town.votes_schemas import BallotCast, BallotSpoil
from chain.types import codes
from chain.types.codes import Code
from chain.votes import formats
from chain.votes.ballot import read_ballot
from chain.votes.checks import Check, Flaw
from chain.votes.election import Election
from chain.votes.formats import Answer, Ballot, Proof
from chain.votes.judging import BallotTask, Finding, open_election
from chain.votes.messages import knows_secret, spoil_prefix

_CODE_OF: Final[dict[Check, Code]] = {
    Check.BALLOT_FORM: codes.VOTES_BALLOT_FORM,
    Check.BALLOT_ELECTION: codes.VOTES_BALLOT_ELECTION,
    Check.BALLOT_SIGNATURE: codes.VOTES_BALLOT_SIGNATURE,
    Check.BALLOT_MEMBER: codes.VOTES_BALLOT_PROOF,
    Check.BALLOT_PROOF: codes.VOTES_BALLOT_PROOF,
}
SPOIL_GAS_US: Final = 3_000
UNKNOWN_GAS_US: Final = 1_000


def cast_key(body: BallotCast) -> bytes:
    """A ballot's name is its hash: the tracker in other letters."""
    return sha256(body.ballot.encode()).digest()


def cast_gas_us(state: Reader, body: BallotCast) -> int:
    """What a ballot of this election costs at worst."""
    record = ELECTIONS.get(state, body.election.encode())
    return UNKNOWN_GAS_US if record is None else record.ballot_gas_us


def why_cast_over(state: Reader, body: BallotCast, now_s: int) -> Refused | None:
    """Why a ballot that waits will never be taken: its box is closed, or a block holds it."""
    record = _find_open(state, body.election, now_s)
    if isinstance(record, Refused):
        return record
    return _check_unseen(state, body.election, cast_key(body))


def why_spoil_over(state: Reader, body: BallotSpoil, now_s: int) -> Refused | None:
    """Why a spoil that waits will never be taken."""
    record = _find_open(state, body.election, now_s)
    if isinstance(record, Refused):
        return record
    return _check_spoilable(state, body)


def spoil_key(body: BallotSpoil) -> bytes:
    """A spoil's name: several credentials may spoil one hash."""
    return sha256(f"{spoil_prefix(body.election, body.ballot)}{body.credential}".encode()).digest()


def spoil_gas_us(_state: Reader, _body: BallotSpoil) -> int:
    """One signature."""
    return SPOIL_GAS_US


def apply_cast(ctx: TxContext, body: BallotCast) -> Outcome:
    """Take a ballot; the last one of a credential counts."""
    opened = _open_ballot(ctx.state, body, ctx.time_s)
    if isinstance(opened, Refused):
        return opened
    election, ballot = opened.election, opened.ballot
    flaw = VERDICTS.judge_signature(election, ballot, opened.digest)
    if flaw is not None:
        return _refusal(flaw)
    refused = _check_countable(ctx.state, opened, ctx.time_s)
    if refused is not None:
        return refused
    flaw = VERDICTS.judge_answers(election, ballot, opened.digest)
    if flaw is not None:
        return _refusal(flaw)
    return _take(ctx, opened, body.ballot)


def find_task(state: Reader, body: BallotCast, now_s: int) -> BallotTask | Refused | None:
    """What `apply_cast` has yet to verify: the task, None when it was done, the refusal when it will not come to it.

    Costs no power of the group: the signature belongs to the task, so that what nobody signed is found out elsewhere.
    """
    record = _find_open(state, body.election, now_s)
    if isinstance(record, Refused):
        return record
    if VERDICTS.is_judged((record.fingerprint, cast_key(body))):
        return None
    opened = _open_ballot(state, body, now_s)
    if isinstance(opened, Refused):
        return opened
    refused = _check_countable(state, opened, now_s)
    if refused is not None:
        return refused
    return BallotTask(
        record=get_document(state, body.election, "election").encode(),
        ballot=body.ballot.encode(),
        fingerprint=opened.election.fingerprint,
        digest=opened.digest,
        credential=opened.ballot.credential,
        gas_us=record.ballot_gas_us,
    )


def is_signed(task: BallotTask) -> bool:
    """Whether the credential that a ballot names signed it: one double power, once."""
    ballot = read_ballot(task.ballot)
    assert not isinstance(ballot, Flaw), "a task's ballot was read before"
    election = open_election(task.record)
    return VERDICTS.judge_signature(election, ballot, task.digest) is None


def learn(task: BallotTask, finding: Finding) -> None:
    """Keep what another process of this node found."""
    VERDICTS.remember(task.key, finding)


def apply_spoil(ctx: TxContext, body: BallotSpoil) -> Outcome:
    """A ballot that was opened to check the device (Benaloh): its credential never casts it."""
    record = _find_open(ctx.state, body.election, ctx.time_s)
    if isinstance(record, Refused):
        return record
    voter = _find_voter(ctx.state, record, body.credential)
    if isinstance(voter, Refused):
        return voter
    group = group_of(record)
    proof = Proof(challenge=body.proof.challenge, response=body.proof.response)
    credential = group.decode(body.credential)
    prefix = spoil_prefix(body.election, body.ballot)
    if not knows_secret(group, prefix, credential, proof):
        return Refused(codes.VOTES_SPOIL_INVALID)
    limit = params.get_param(ctx.state, params.VOTES_BALLOTS_MAX)
    if voter.spoils >= limit:
        return Refused(codes.VOTES_BALLOT_QUOTA, f"{limit} in all")
    refused = _check_spoilable(ctx.state, body)
    if refused is not None:
        return refused
    record_id = spoil_id(body.election, bytes.fromhex(body.ballot), body.credential)
    SPOILS.put(ctx.state, record_id, SpoilRecord(ctx.height))
    voter_id = credential_id(group, body.election, credential)
    CREDENTIALS.put(ctx.state, voter_id, replace(voter, spoils=voter.spoils + 1))
    box = get_box(ctx.state, body.election)
    box = replace(box, spoiled=box.spoiled + 1)
    BOXES.put(ctx.state, body.election.encode(), box)
    return Accepted({"election": body.election, "spoiled": box.spoiled})


# --- checks --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Opened:
    """A ballot for a box that is open, by a credential of its list; signature and proofs are not looked at yet."""

    record: ElectionRecord
    election: Election
    ballot: Ballot
    voter: CredentialRecord
    digest: bytes


def _open_ballot(state: Reader, body: BallotCast, now_s: int) -> _Opened | Refused:
    """Size, phase and hour, form, election, list."""
    record = _find_open(state, body.election, now_s)
    if isinstance(record, Refused):
        return record
    raw = body.ballot.encode()
    if len(raw) > record.ballot_max_bytes:
        detail = f"{len(raw)} bytes, at most {record.ballot_max_bytes}"
        return Refused(codes.VOTES_BALLOT_TOO_LARGE, detail)
    ballot = read_ballot(raw)
    if isinstance(ballot, Flaw):
        return _refusal(ballot)
    election = open_record(state, body.election)
    if ballot.election_uuid != election.uuid or ballot.election_hash != election.fingerprint:
        return Refused(codes.VOTES_BALLOT_ELECTION)
    voter = _find_voter(state, record, ballot.credential)
    if isinstance(voter, Refused):
        return voter
    return _Opened(record, election, ballot, voter, cast_key(body))


def _check_countable(state: Reader, opened: _Opened, now_s: int) -> Refused | None:
    """New to the box, not spoiled, within its credential's quota, copied from nobody."""
    election, ballot = opened.record.election, opened.ballot
    return (
        _check_unseen(state, election, opened.digest)
        or _check_unspoiled(state, election, opened.digest, ballot.credential)
        or _check_quota(state, opened.voter, now_s)
        or _check_alphas(state, election, ballot)
    )


def _find_open(state: Reader, election: str, now_s: int) -> ElectionRecord | Refused:
    """The election, if its box takes ballots at header time."""
    record = get_election(state, election)
    if isinstance(record, Refused):
        return record
    opens_s, closes_s = record.calendar.voting_opens, record.calendar.voting_closes
    if record.phase in _AFTER_VOTING or (now_s >= closes_s and record.phase != "cancelled"):
        return Refused(codes.VOTES_CLOSED, f"since {closes_s}")
    if record.phase == "cancelled":
        return Refused(codes.VOTES_WRONG_PHASE, record.phase)
    if record.phase != "voting":
        return Refused(codes.VOTES_NOT_OPEN, f"from {opens_s}")
    return record


_AFTER_VOTING: Final = frozenset({"tally", "counting", "decided", "archived", "purging", "purged"})


def _find_voter(state: Reader, record: ElectionRecord, text: str) -> CredentialRecord | Refused:
    """The credential's line in the closed list."""
    group = group_of(record)
    try:
        credential = group.decode(text)
    except DecodeError:
        return Refused(codes.VOTES_CREDENTIAL_UNKNOWN)
    voter = CREDENTIALS.get(state, credential_id(group, record.election, credential))
    if voter is None or voter.credential != text:
        return Refused(codes.VOTES_CREDENTIAL_UNKNOWN)
    return voter


def _check_quota(state: Reader, voter: CredentialRecord, now_s: int) -> Refused | None:
    most = params.get_param(state, params.VOTES_BALLOTS_MAX)
    if voter.ballots >= most:
        return Refused(codes.VOTES_BALLOT_QUOTA, f"{most} in all")
    interval_s = params.get_param(state, params.VOTES_BALLOT_INTERVAL_S)
    if voter.ballots and now_s < voter.last_s + interval_s:
        return Refused(codes.VOTES_BALLOT_QUOTA, f"one every {interval_s} s")
    return None


def _check_unseen(state: Reader, election: str, digest: bytes) -> Refused | None:
    seen = BALLOTS.get(state, ballot_id(election, digest))
    return None if seen is None else Refused(codes.VOTES_BALLOT_SEEN)


def _check_unspoiled(
    state: Reader, election: str, digest: bytes, credential: str
) -> Refused | None:
    spoiled = SPOILS.get(state, spoil_id(election, digest, credential))
    return None if spoiled is None else Refused(codes.VOTES_BALLOT_SPOILED)


def _check_spoilable(state: Reader, body: BallotSpoil) -> Refused | None:
    """Neither in the box, nor spoiled by this credential before."""
    digest = bytes.fromhex(body.ballot)
    return _check_unseen(state, body.election, digest) or _check_unspoiled(
        state, body.election, digest, body.credential
    )


def _check_alphas(state: Reader, election: str, ballot: Ballot) -> Refused | None:
    """No first half of a ciphertext twice, in this ballot or since the box opened."""
    alphas = tuple(_alphas(ballot))
    if len(set(alphas)) != len(alphas):
        return Refused(codes.VOTES_BALLOT_COPIED, "the same twice in the ballot")
    for alpha in alphas:
        if ALPHAS.get(state, alpha_id(election, alpha)) is not None:
            return Refused(codes.VOTES_BALLOT_COPIED)
    return None


def _alphas(ballot: Ballot) -> Iterator[str]:
    return (choice.alpha for answer in ballot.answers for choice in answer.choices)


def _refusal(flaw: Flaw) -> Refused:
    return Refused(_CODE_OF[flaw.check], flaw.detail)


# --- writing -------------------------------------------------------------------------------------


def _take(ctx: TxContext, opened: _Opened, text: str) -> Outcome:
    """Put a judged ballot into the box and into the tally."""
    record, election, ballot = opened.record, opened.election, opened.ballot
    voter, digest = opened.voter, opened.digest
    state, uuid = ctx.state, record.election
    box = get_box(state, uuid)
    place, is_revote = box.ballots, voter.last >= 0
    replaced = _answers_at(state, uuid, voter.last) if is_revote else None
    tally = count_ballot(state, election, box, ballot.answers, voter.weight, replaced)
    box = replace(
        box,
        ballots=place + 1,
        voters=tally.count,
        revotes=box.revotes + is_revote,
        weight=tally.weight,
    )
    box = add_event(box, "Ballot", digest.hex())
    BOXES.put(state, uuid.encode(), box)
    BALLOTS.put(state, ballot_id(uuid, digest), BallotRecord(place, ctx.height))
    BODIES.put(state, place_id(uuid, place), BodyRecord(text))
    for alpha in _alphas(ballot):
        ALPHAS.put(state, alpha_id(uuid, alpha), AlphaRecord(place))
    _count_voter(ctx, record, voter, place)
    data = {
        "election": uuid,
        "place": place,
        "revote": is_revote,
        "ballots": box.ballots,
        "voters": box.voters,
    }
    return Accepted(data | archive_facts(box))


def _answers_at(state: Reader, election: str, place: int) -> tuple[Answer, ...]:
    body = BODIES.get(state, place_id(election, place))
    assert body is not None, "ballots are kept while the box is open"
    return formats.decode(Ballot, body.ballot).answers


def _count_voter(
    ctx: TxContext, record: ElectionRecord, voter: CredentialRecord, place: int
) -> None:
    group = group_of(record)
    voter_id = credential_id(group, record.election, group.decode(voter.credential))
    changed = replace(voter, ballots=voter.ballots + 1, last_s=ctx.time_s, last=place)
    CREDENTIALS.put(ctx.state, voter_id, changed)
    if voter.last >= 0:
        return
    line_id = station_id(record.election, voter.station, voter.weight_class)
    line = STATIONS.get(ctx.state, line_id)
    assert line is not None, "a credential's station exists"
    STATIONS.put(ctx.state, line_id, replace(line, voters=line.voters + 1))
