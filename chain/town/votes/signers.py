"""The end of issuance: one set of registrars per station, fixed by the application, and who was served by it.

If a citizen could choose whose signatures to show, the choice would single them out. So the set is the t registrars
that signed most requests of the station (lowest places first among equals): a registrar that skips a citizen only
puts itself out of the set. Requests that lack a signature of the set are counted; those citizens vote on paper.
Reads: requests.  Writes: tables station, count, election; bounded steps at block end.
Source: PROTOCOL §8.
"""

from itertools import islice
from typing import Final

from msgspec.structs import replace

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.limits import VOTES_STEP_CREDENTIALS
from chain.town.context import BlockContext
from chain.town.due import schedule_due
from chain.town.votes.journal import note_issuance_closed
from chain.town.votes.records import (
    COUNTS,
    ELECTIONS,
    REQUESTS,
    STATIONS,
    ElectionRecord,
    RequestRecord,
    StationRecord,
    get_counts,
    get_election,
    scan_election,
    station_id,
)
from chain.town.votes.sealing import start_freeze

COUNT_KIND: Final = "votes.count_served"


def end_issuance(ctx: BlockContext, election: str) -> None:
    """Fix each station's set; the count follows in steps. Nothing happens when issuance never began."""
    record = get_election(ctx.state, election)
    if not isinstance(record, ElectionRecord) or record.phase != "issuance":
        return
    for line_id, line in list(scan_election(STATIONS, ctx.state, election)):
        signers = choose_signers(line.signed, record.registrars_threshold)
        STATIONS.put(ctx.state, line_id, replace(line, signers=signers, served=0))
    COUNTS.put(ctx.state, election.encode(), replace(get_counts(ctx.state, election), served=0))
    schedule_due(ctx.state, ctx.time_s, COUNT_KIND, f"{election}/")


def choose_signers(signed: tuple[int, ...], threshold: int) -> tuple[int, ...]:
    """Places (from 1) of the `threshold` registrars that signed most; the lowest among equals."""
    ranked = sorted(range(1, len(signed) + 1), key=lambda place: (-signed[place - 1], place))
    return tuple(sorted(ranked[:threshold]))


def count_served(ctx: BlockContext, text: str) -> None:
    """Some requests more: which have every signature of their station's set. The last step opens registration."""
    election, _, cursor = text.partition("/")
    record = get_election(ctx.state, election)
    if not isinstance(record, ElectionRecord) or record.phase != "issuance":
        return  # cancelled meanwhile
    rows = scan_election(REQUESTS, ctx.state, election, b64url_decode(cursor))
    taken = list(islice(rows, VOTES_STEP_CREDENTIALS + 1))
    served: dict[tuple[str, str], int] = {}
    for _, request in taken[:VOTES_STEP_CREDENTIALS]:
        if _is_served(ctx, election, request):
            key = (request.station, request.weight_class)
            served[key] = served.get(key, 0) + 1
    _add_served(ctx, election, served)
    if len(taken) > VOTES_STEP_CREDENTIALS:
        after = b64url_encode(taken[-1][0][len(election) + 1 :])
        schedule_due(ctx.state, ctx.time_s, COUNT_KIND, f"{election}/{after}")
        return
    record = replace(record, phase="registration")
    ELECTIONS.put(ctx.state, election.encode(), record)
    if ctx.time_s >= record.calendar.voting_opens:
        # The chain stood still over registration, and the hour of voting found nothing to open.
        start_freeze(ctx.state, record, ctx.time_s)
    lines = tuple(line for _, line in scan_election(STATIONS, ctx.state, election))
    note_issuance_closed(ctx, election, get_counts(ctx.state, election), lines)


def _is_served(ctx: BlockContext, election: str, request: RequestRecord) -> bool:
    line = STATIONS.get(ctx.state, station_id(election, request.station, request.weight_class))
    assert line is not None, "a request names a station of its election"
    return all(request.signatures[place - 1] for place in line.signers)


def _add_served(ctx: BlockContext, election: str, served: dict[tuple[str, str], int]) -> None:
    for (station, weight_class), count in sorted(served.items()):
        line_id = station_id(election, station, weight_class)
        line = STATIONS.get(ctx.state, line_id)
        assert isinstance(line, StationRecord), "counted above"
        STATIONS.put(ctx.state, line_id, replace(line, served=line.served + count))
    counts = get_counts(ctx.state, election)
    total = counts.served + sum(served.values())
    COUNTS.put(ctx.state, election.encode(), replace(counts, served=total))
