"""The electoral axis: what the commission imports from the register, and whom it finds there.

Only the electoral commission signs here. An import says how many electors each station has and commits to the extract
(a salted root, so nothing of it is on the chain); from then on at most that many identities can be enrolled there, and
the electors of the import before count no more until they are found again.
Reads: roles, identities, parameters.  Writes: namespace identity.  Never: a name, an elector's number, a birth.
Source: PROTOCOL §6 (set only by the commission from a register import; enrolled ≤ imported count per station).
"""

from typing import Final

from msgspec import Struct

from chain.town import params
from chain.town.context import Accepted, Outcome, Overlay, Reader, Refused, Table, TxContext
from chain.town.identity.axes import (
    ELECTORS,
    NEWEST_ID,
    REGISTERS,
    ElectorRecord,
    RegisterRecord,
    add_months,
)
from chain.town.identity.elections import list_open_elections
from chain.town.identity.records import NAMESPACE, get_identity, is_current, month_of
from chain.town.rules import BODY, Rule, Rules
from chain.town.schemas import ElectoralEnrol, ElectoralImport, ElectoralStrike
from chain.types import codes

COMMISSION_ROLES: Final = frozenset({"electoral_commission"})
REGISTER_LIFE_MAX_MONTHS: Final = 13
"""The register is closed once a year; an extract older than that says nothing of today."""


class StationRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Electors of one station by one import, and how many identities were found among them."""

    imported: int
    enrolled: int = 0


STATIONS: Final = Table(NAMESPACE, "station", StationRecord)


def station_id(serial: int, station: str) -> bytes:
    """Record id of a station of one import; the fixed width keeps imports apart and in order."""
    return f"{serial:010d}/{station}".encode()


def get_newest(state: Reader) -> RegisterRecord | None:
    """The import that counts, or None before the first."""
    return REGISTERS.get(state, NEWEST_ID)


def apply_import(ctx: TxContext, body: ElectoralImport) -> Outcome:
    """A new extract: counts per station; all electors are to be found again. Never while an election is open."""
    open_elections = list_open_elections(ctx.state, ctx.time_s)
    if open_elections:
        return Refused(codes.ELECTORAL_ELECTION_OPEN, open_elections[0].election)
    least = params.get_param(ctx.state, params.ELECTORAL_STATION_MIN_ELECTORS)
    before = ""
    for line in body.stations:
        if line.station <= before:
            return Refused(codes.ELECTORAL_UNSORTED, line.station)
        if line.electors < least:
            return Refused(codes.ELECTORAL_STATION_TOO_SMALL, f"{line.station}: under {least}")
        before = line.station
    this_month = month_of(ctx.time_s)
    if not this_month <= body.expires_month <= add_months(this_month, REGISTER_LIFE_MAX_MONTHS):
        return Refused(codes.ELECTORAL_REGISTER_EXPIRED, body.expires_month)
    newest = get_newest(ctx.state)
    serial = 1 if newest is None else newest.serial + 1
    record = RegisterRecord(serial, ctx.sender, body.root, body.expires_month)
    REGISTERS.put(ctx.state, NEWEST_ID, record)
    for line in body.stations:
        STATIONS.put(ctx.state, station_id(serial, line.station), StationRecord(line.electors))
    total = sum(line.electors for line in body.stations)
    return Accepted({"serial": serial, "stations": len(body.stations), "electors": total})


def apply_enrol(ctx: TxContext, body: ElectoralEnrol) -> Outcome:
    """Identities that the commission found in the newest import, all or none."""
    refused = _check_serial(ctx, body.serial)
    if refused is not None:
        return refused
    before = ""
    for index, entry in enumerate(body.entries):
        if entry.cid <= before:
            return Refused(codes.ELECTORAL_UNSORTED, f"entry {index}")
        before = entry.cid
        refused = _enrol_one(ctx, body.serial, entry.cid, entry.station)
        if refused is not None:
            return Refused(refused.code, f"entry {index}: {refused.detail}")
    return Accepted({"serial": body.serial, "enrolled": len(body.entries)})


def _enrol_one(ctx: TxContext, serial: int, cid: str, station: str) -> Refused | None:
    identity = get_identity(ctx.state, cid)
    if identity is None:
        return Refused(codes.IDENTITY_UNKNOWN)
    if not is_current(identity, ctx.time_s):
        return Refused(codes.IDENTITY_NOT_ACTIVE)
    known = ELECTORS.get(ctx.state, cid.encode())
    if known is not None and known.serial == serial:
        return Refused(codes.ELECTORAL_ALREADY, "strike first")
    counts = STATIONS.get(ctx.state, station_id(serial, station))
    if counts is None:
        return Refused(codes.ELECTORAL_STATION_UNKNOWN, station)
    if counts.enrolled >= counts.imported:
        return Refused(codes.ELECTORAL_STATION_FULL, f"{station}: {counts.imported}")
    _count(ctx.state, serial, station, 1)
    ELECTORS.put(ctx.state, cid.encode(), ElectorRecord(serial, station))
    return None


def apply_strike(ctx: TxContext, body: ElectoralStrike) -> Outcome:
    """Identities that are no longer, or not at that station, in the newest import; all or none."""
    refused = _check_serial(ctx, body.serial)
    if refused is not None:
        return refused
    before = ""
    for index, cid in enumerate(body.cids):
        if cid <= before:
            return Refused(codes.ELECTORAL_UNSORTED, f"entry {index}")
        before = cid
        known = ELECTORS.get(ctx.state, cid.encode())
        if known is None or known.serial != body.serial:
            return Refused(codes.ELECTORAL_NOT_ENROLLED, f"entry {index}")
        _count(ctx.state, known.serial, known.station, -1)
        ELECTORS.delete(ctx.state, cid.encode())
    return Accepted({"serial": body.serial, "struck": len(body.cids)})


def _check_serial(ctx: TxContext, serial: int) -> Refused | None:
    newest = get_newest(ctx.state)
    if newest is None or newest.serial != serial:
        return Refused(codes.ELECTORAL_REGISTER_REPLACED, f"{serial}")
    if month_of(ctx.time_s) > newest.expires_month:
        return Refused(codes.ELECTORAL_REGISTER_EXPIRED, newest.expires_month)
    if newest.body != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, "the commission that imported the register")
    return None


def _count(state: Overlay, serial: int, station: str, change: int) -> None:
    record_id = station_id(serial, station)
    counts = STATIONS.get(state, record_id)
    assert counts is not None, "an elector's station exists"
    enrolled = counts.enrolled + change
    assert 0 <= enrolled <= counts.imported, "enrolled never exceeds imported"
    STATIONS.put(state, record_id, StationRecord(counts.imported, enrolled))


# Gas: a whole block with the largest list, measured on a loaded core: 512 stations 34 ms, 256 entries 35 and 19 ms.
RULES: Final[Rules] = {
    ElectoralImport: Rule(
        apply_import,
        gas_us=35_000,
        senders=BODY,
        roles=COMMISSION_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    ElectoralEnrol: Rule(
        apply_enrol,
        gas_us=35_000,
        senders=BODY,
        roles=COMMISSION_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
    ElectoralStrike: Rule(
        apply_strike,
        gas_us=20_000,
        senders=BODY,
        roles=COMMISSION_ROLES,
        quota=params.QUOTA_AGENT_PER_MINUTE,
    ),
}
