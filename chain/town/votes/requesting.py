"""A citizen's one request, and registrars' blind signatures on it.

A registrar cannot see whether the values sent to the others hide the same credential; that nobody gets two rests on
t = 2f+1 of n = 3f+1 (any two sets of t share an honest registrar) and on each signing one value per citizen, which is
what the chain holds them to: they sign what is on it, and it is there once. Whether an answer fits what was asked
anybody can tell (`blind_rsa.is_blind_signature`), so a wrong one never enters a block.

Reads: identities, rolls, keys.  Writes: namespace votes, tables request, station, count.
Source: PROTOCOL §6, §8; research/voting.md §0.4, §7.2.
"""

from typing import Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_decode
from chain.codec.merkle import hash_leaf, root_of_proof
from chain.crypto.blind_rsa import is_blind_signature, is_blinded_message
from chain.town import params
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.identity.axes import get_levels
from chain.town.identity.elections import why_no_vote
from chain.town.identity.records import get_identity
from chain.town.policies import POLICIES, list_unmet, read_policy
from chain.town.votes.records import (
    COUNTS,
    DRAFTS,
    REQUESTS,
    STATIONS,
    ElectionRecord,
    RequestRecord,
    StationRecord,
    get_counts,
    get_election,
    get_station,
    part_id,
    station_id,
)
from chain.town.votes.registrars import check_place, station_keys
from chain.town.votes_schemas import IssuedSignature, IssueRequest, IssueSign
from chain.types import codes
from chain.types.block import Proof
from chain.votes.messages import roll_leaf

_CHAIN_AXES: Final = frozenset({"identity", "residence", "electoral"})
"""Axes the chain knows; age is judged where the roll is made."""


def apply_request(ctx: TxContext, body: IssueRequest) -> Outcome:
    """A citizen's one request in this election; the same one again changes nothing and is accepted."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = _check_asker(ctx, body)
    if refused is not None:
        return refused
    known = REQUESTS.get(ctx.state, part_id(body.election, body.cid.encode()))
    if known is not None:
        return _repeat_request(ctx, known, body)
    line = get_station(ctx.state, body.election, body.station, body.weight_class)
    if isinstance(line, Refused):
        return line
    refused = (
        check_window(ctx, record)
        or _check_eligible(ctx, body)
        or _check_roll(line, body)
        or _check_blinded(ctx.state, record, body)
    )
    if refused is not None:
        return refused
    unsigned = ("",) * len(body.blinded)
    request = RequestRecord(body.cid, body.station, body.weight_class, body.blinded, unsigned)
    REQUESTS.put(ctx.state, part_id(body.election, body.cid.encode()), request)
    line_id = station_id(body.election, body.station, body.weight_class)
    STATIONS.put(ctx.state, line_id, replace(line, requests=line.requests + 1))
    counts = get_counts(ctx.state, body.election)
    assert line.requests < line.electors, "everybody on a roll asks once"
    COUNTS.put(ctx.state, body.election.encode(), replace(counts, requests=counts.requests + 1))
    return Accepted(_request_data(ctx.state, request, body.election))


def _request_data(state: Reader, request: RequestRecord, election: str) -> dict[str, str | int]:
    return {
        "election": election,
        "station": request.station,
        "weight_class": request.weight_class,
        "requests": get_counts(state, election).requests,
    }


def _repeat_request(ctx: TxContext, known: RequestRecord, body: IssueRequest) -> Outcome:
    """A phone that lost the answer sends its request again; anything else would be a second credential."""
    if (known.station, known.weight_class, known.blinded) != (
        body.station,
        body.weight_class,
        body.blinded,
    ):
        return Refused(codes.VOTES_ALREADY_REQUESTED)
    return Accepted({**_request_data(ctx.state, known, body.election), "repeated": True})


def _check_asker(ctx: TxContext, body: IssueRequest) -> Refused | None:
    """The account that sends it is that identity's own."""
    identity = get_identity(ctx.state, body.cid)
    if identity is None or identity.account != ctx.sender:
        return Refused(codes.VOTES_NOT_ELIGIBLE, "not this account's identity")
    return None


def check_window(ctx: TxContext, record: ElectionRecord) -> Refused | None:
    """Whether credentials are issued at header time."""
    opens_s, closes_s = record.calendar.issuance_opens, record.calendar.issuance_closes
    if record.phase == "issuance" and opens_s <= ctx.time_s < closes_s:
        return None
    detail = f"from {opens_s} to {closes_s}, now {ctx.time_s}, phase {record.phase}"
    return Refused(codes.VOTES_ISSUANCE_CLOSED, detail)


def _check_eligible(ctx: TxContext, body: IssueRequest) -> Refused | None:
    """No bar by recovery or status, and the levels that the election's policy asks for, now."""
    why = why_no_vote(ctx.state, body.cid, body.election, ctx.time_s)
    if why:
        return Refused(codes.VOTES_NOT_ELIGIBLE, why)
    draft = DRAFTS.get(ctx.state, body.election.encode())
    assert draft is not None, "an election was published"
    asked = read_policy(
        POLICIES[draft.policy], lambda parameter: params.get_param(ctx.state, parameter)
    )
    levels = get_levels(ctx.state, body.cid, ctx.time_s)
    held = {axis: getattr(levels, axis) for axis in _CHAIN_AXES}
    unmet = [axis for axis in list_unmet(asked, held) if axis in _CHAIN_AXES]
    return Refused(codes.VOTES_NOT_ELIGIBLE, ", ".join(unmet)) if unmet else None


def _check_roll(line: StationRecord, body: IssueRequest) -> Refused | None:
    """The path from the citizen's leaf leads to the station's root."""
    leaf = roll_leaf(body.election, b64url_decode(body.cid), b64url_decode(body.salt))
    aunts = tuple(b64url_decode(aunt) for aunt in body.aunts)
    root = root_of_proof(Proof(line.electors, body.index, hash_leaf(leaf), aunts))
    if root is None or root != b64url_decode(line.root):
        return Refused(codes.VOTES_NOT_ON_ROLL, f"{line.station}/{line.weight_class}")
    return None


def _check_blinded(state: Reader, record: ElectionRecord, body: IssueRequest) -> Refused | None:
    """One value for each registrar, each in the range of that registrar's key."""
    if len(body.blinded) != len(record.registrars):
        return Refused(codes.VOTES_REQUEST_INVALID, f"{len(record.registrars)} values")
    keys = station_keys(state, record, body.station, body.weight_class)
    for place, (key, value) in enumerate(zip(keys, body.blinded, strict=True), 1):
        assert key is not None, "issuance opens when all keys are published"
        if not is_blinded_message(key, b64url_decode(value)):
            return Refused(codes.VOTES_REQUEST_INVALID, f"value {place}")
    return None


# --- signatures ------------------------------------------------------------------------------------


def apply_sign(ctx: TxContext, body: IssueSign) -> Outcome:
    """A registrar's answers, all or none; one given before is passed over."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = check_place(ctx, record, body.registrar) or check_window(ctx, record)
    if refused is not None:
        return refused
    before = ""
    signed = 0
    for index, entry in enumerate(body.signatures):
        if entry.cid <= before:
            return Refused(codes.VOTES_ANSWERS_UNSORTED, f"entry {index}")
        before = entry.cid
        outcome = _sign_one(ctx, record, body.registrar, entry)
        if isinstance(outcome, Refused):
            return Refused(outcome.code, f"entry {index} {outcome.detail}".strip())
        signed += outcome
    served = get_counts(ctx.state, body.election).served
    return Accepted(
        {
            "election": body.election,
            "registrar": body.registrar,
            "signed": signed,
            "served": served,
        }
    )


def _sign_one(
    ctx: TxContext, record: ElectionRecord, registrar: int, entry: IssuedSignature
) -> int | Refused:
    """1 for an answer taken, 0 for one that was there."""
    request_id = part_id(record.election, entry.cid.encode())
    request = REQUESTS.get(ctx.state, request_id)
    if request is None:
        return Refused(codes.VOTES_REQUEST_UNKNOWN)
    place = registrar - 1
    if request.signatures[place]:
        is_same = request.signatures[place] == entry.signature
        return 0 if is_same else Refused(codes.VOTES_ALREADY_SIGNED)
    why = why_no_vote(ctx.state, entry.cid, record.election, ctx.time_s)
    if why:
        return Refused(codes.VOTES_NOT_ELIGIBLE, why)
    key = station_keys(ctx.state, record, request.station, request.weight_class)[place]
    assert key is not None, "issuance opens when all keys are published"
    answer = b64url_decode(entry.signature)
    if not is_blind_signature(key, b64url_decode(request.blinded[place]), answer):
        return Refused(codes.VOTES_BLIND_SIGNATURE_INVALID)
    signatures = (*request.signatures[:place], entry.signature, *request.signatures[place + 1 :])
    REQUESTS.put(ctx.state, request_id, replace(request, signatures=signatures))
    is_served_now = sum(map(bool, signatures)) == record.registrars_threshold
    _count_signed(ctx.state, record.election, request, place, is_served_now=is_served_now)
    return 1


def _count_signed(
    state: Overlay, election: str, request: RequestRecord, place: int, *, is_served_now: bool
) -> None:
    line_id = station_id(election, request.station, request.weight_class)
    line = STATIONS.get(state, line_id)
    assert line is not None, "a request names a station of its election"
    signed = (*line.signed[:place], line.signed[place] + 1, *line.signed[place + 1 :])
    served = line.served + is_served_now
    STATIONS.put(state, line_id, replace(line, signed=signed, served=served))
    if is_served_now:
        counts = get_counts(state, election)
        COUNTS.put(state, election.encode(), replace(counts, served=counts.served + 1))
