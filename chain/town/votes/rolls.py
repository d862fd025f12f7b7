"""Opening issuance: the rolls are fixed, registrars' keys are all published, and the town holds its council acts.

From here to the closing of the box the identity domain knows of the election: a recovery opened too late has no vote
in it, and whoever erases somebody keeps a mark until it is over.
Reads: registrars, stations, parameters.  Writes: tables station, count, election; `identity.elections`; city holds.
Source: PROTOCOL §3 (no act takes effect while an election is open), §8 (roll root co-signed by the commission).
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from chain.limits import VOTES_CREDENTIALS_MAX, VOTES_WEIGHT_MAX
from chain.town import city, params
from chain.town.accounts import live_role
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, TxContext
from chain.town.identity.elections import drop_open_election, put_open_election
from chain.town.votes.records import (
    COUNTS,
    ELECTIONS,
    REGISTRARS,
    STATIONS,
    ElectionRecord,
    StationRecord,
    get_counts,
    get_election,
    get_station,
    in_phase,
    scan_election,
    station_id,
    stations_of,
)
from chain.town.votes_schemas import ElectionOpenIssuance, StationRoll, VoteCalendar
from chain.types import codes

COMMISSION: Final = frozenset({"electoral_commission"})


def apply_open_issuance(ctx: TxContext, body: ElectionOpenIssuance) -> Outcome:
    """Fix the rolls: what city hall and a commission of another body both signed."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    if record.owner != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, "the body that published the election")
    refused = (
        _check_commission(ctx)
        or in_phase(record, "sealed")
        or _check_keys(ctx.state, record)
        or _check_time(ctx, record.calendar)
    )
    if refused is not None:
        return refused
    lines = _match_rolls(ctx.state, body.election, body.rolls)
    if isinstance(lines, Refused):
        return lines
    electors = sum(line.electors for line in lines)
    if electors > VOTES_CREDENTIALS_MAX:
        return Refused(codes.VOTES_STATIONS_REFUSED, f"more than {VOTES_CREDENTIALS_MAX} electors")
    if sum(line.electors * line.weight for line in lines) > VOTES_WEIGHT_MAX:
        return Refused(codes.VOTES_STATIONS_REFUSED, f"weights above {VOTES_WEIGHT_MAX} together")
    for line in lines:
        STATIONS.put(ctx.state, station_id(body.election, line.station, line.weight_class), line)
    counts = get_counts(ctx.state, body.election)
    COUNTS.put(ctx.state, body.election.encode(), replace(counts, electors=electors))
    ELECTIONS.put(ctx.state, body.election.encode(), replace(record, phase="issuance"))
    hold_town(ctx.state, record.election, record.calendar, ctx.time_s)
    data = {"election": body.election, "phase": "issuance", "electors": electors}
    return Accepted(data)


def hold_town(state: Overlay, election: str, calendar: VoteCalendar, now_s: int) -> None:
    """Tell identity and council of an open election; the same one again replaces its dates."""
    put_open_election(
        state, election, opens_s=calendar.voting_opens, closes_s=calendar.voting_closes
    )
    city.hold_acts(state, hold_reason(election), now_s)


def release_town(state: Overlay, election: str) -> None:
    """The box is closed, or the vote given up."""
    drop_open_election(state, election)
    city.release_acts(state, hold_reason(election))


def hold_reason(election: str) -> str:
    """Under what name the council's acts wait."""
    return f"election:{election}"


def _check_commission(ctx: TxContext) -> Refused | None:
    """Somebody of an electoral commission signs who is not of the body that holds the vote."""
    for signer in ctx.signers:
        role = live_role(ctx.state, signer.kid, ctx.time_s)
        if role is not None and role.role in COMMISSION and role.body != ctx.sender:
            return None
    return Refused(codes.TX_MISSING_SIGNATURE, "an electoral commission of another body")


def _check_keys(state: Reader, record: ElectionRecord) -> Refused | None:
    published = sum(1 for _ in scan_election(REGISTRARS, state, record.election))
    wanted = len(record.registrars)
    if published == wanted:
        return None
    return Refused(codes.VOTES_KEYS_MISSING, f"{published} of {wanted}")


def _check_time(ctx: TxContext, calendar: VoteCalendar) -> Refused | None:
    """As much of the window is left as the town asks for."""
    least_s = max(1, params.get_param(ctx.state, params.VOTES_ISSUANCE_MIN_S))
    left_s = calendar.issuance_closes - max(ctx.time_s, calendar.issuance_opens)
    if left_s >= least_s:
        return None
    return Refused(codes.VOTES_CALENDAR_REFUSED, f"{max(left_s, 0)} s of issuance left")


def _match_rolls(
    state: Reader, election: str, rolls: Sequence[StationRoll]
) -> tuple[StationRecord, ...] | Refused:
    """The stations with their rolls, in the order published; small ones are refused."""
    least = params.get_param(state, params.VOTES_STATION_MIN_ELECTORS)
    stations = stations_of(state, election)
    if [(s.station, s.weight_class) for s in stations] != [
        (r.station, r.weight_class) for r in rolls
    ]:
        return Refused(codes.VOTES_STATIONS_REFUSED, "one roll for every station, in order")
    lines: list[StationRecord] = []
    for roll in rolls:
        line = get_station(state, election, roll.station, roll.weight_class)
        assert isinstance(line, StationRecord), "published stations have their record"
        if roll.electors < least:
            detail = f"{roll.station}/{roll.weight_class}: under {least}"
            return Refused(codes.VOTES_STATION_TOO_SMALL, detail)
        lines.append(replace(line, electors=roll.electors, root=roll.root))
    return tuple(lines)
