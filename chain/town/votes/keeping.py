"""After the result: archives that bodies hold, complaints, and the purge once appeals are over.

The chain keeps hashes, credentials, counts, tally, shares and result for ever; who asked for a credential and what was
cast, only as long as somebody may contest it.
Reads and writes: namespace votes.  Never: deletes what a proof needs.
"""

from itertools import islice
from typing import Any, Final

from msgspec.structs import replace

from chain.limits import VOTES_COMPLAINTS_MAX, VOTES_STEP_PURGED
from chain.town.context import Accepted, BlockContext, Outcome, Refused, Table, TxContext
from chain.town.due import schedule_due
from chain.town.votes.journal import note_purged
from chain.town.votes.records import (
    ALPHAS,
    ARCHIVES,
    BODIES,
    COMPLAINTS,
    COUNTS,
    ELECTIONS,
    REQUESTS,
    ArchiveRecord,
    ComplaintRecord,
    ElectionRecord,
    get_box,
    get_counts,
    get_election,
    in_phase,
    part_id,
    scan_election,
)
from chain.town.votes_schemas import ElectionArchive, ElectionComplaint, ElectionPurge
from chain.types import codes

PURGE_KIND: Final = "votes.purge"
_PURGED: Final[tuple[Table[Any], ...]] = (BODIES, REQUESTS, ALPHAS)


def apply_archive(ctx: TxContext, body: ElectionArchive) -> Outcome:
    """A body says which file it holds; it must be as long, in events, as the chain says."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = in_phase(record, "decided", "archived")
    if refused is not None:
        return refused
    archive_id = part_id(body.election, ctx.sender.encode())
    is_whole = body.events == get_box(ctx.state, body.election).events
    if not is_whole or ARCHIVES.get(ctx.state, archive_id) is not None:
        return Refused(codes.VOTES_ARCHIVE_REFUSED)
    ARCHIVES.put(ctx.state, archive_id, ArchiveRecord(body.file, body.size_bytes, ctx.height))
    ELECTIONS.put(ctx.state, body.election.encode(), replace(record, phase="archived"))
    return Accepted({"election": body.election, "body": ctx.sender, "phase": "archived"})


def apply_complaint(ctx: TxContext, body: ElectionComplaint) -> Outcome:
    """A complaint's hash, at any time from publication to the end of appeals."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    if record.phase in ("purging", "purged"):
        return Refused(codes.VOTES_WRONG_PHASE, record.phase)
    counts = get_counts(ctx.state, body.election)
    complaint_id = part_id(body.election, body.complaint.encode())
    is_known = COMPLAINTS.get(ctx.state, complaint_id) is not None
    if is_known or counts.complaints >= VOTES_COMPLAINTS_MAX:
        return Refused(codes.VOTES_COMPLAINT_KNOWN)
    place = counts.complaints + 1
    COMPLAINTS.put(ctx.state, complaint_id, ComplaintRecord(place, ctx.height))
    COUNTS.put(ctx.state, body.election.encode(), replace(counts, complaints=place))
    return Accepted({"election": body.election, "place": place})


def apply_purge(ctx: TxContext, body: ElectionPurge) -> Outcome:
    """Drop ballots and requests, once appeals are over and somebody holds the archive; or after a cancelled vote."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    if record.owner != ctx.sender:
        return Refused(codes.TX_NOT_ENTITLED, "the body that published the election")
    refused = in_phase(record, "archived", "cancelled")
    if refused is not None:
        return refused
    if ctx.time_s < record.calendar.appeals_close:
        return Refused(codes.VOTES_APPEALS_OPEN, f"until {record.calendar.appeals_close}")
    ELECTIONS.put(ctx.state, body.election.encode(), replace(record, phase="purging"))
    schedule_due(ctx.state, ctx.time_s, PURGE_KIND, body.election)
    return Accepted({"election": body.election, "phase": "purging"})


def continue_purge(ctx: BlockContext, election: str) -> None:
    """Some records less; the last step says so."""
    record = get_election(ctx.state, election)
    assert isinstance(record, ElectionRecord), "purged elections are published"
    room = VOTES_STEP_PURGED
    for table in _PURGED:
        for record_id, _ in list(islice(scan_election(table, ctx.state, election), room)):
            table.delete(ctx.state, record_id)
            room -= 1
    if room == 0:
        schedule_due(ctx.state, ctx.time_s, PURGE_KIND, election)
        return
    ELECTIONS.put(ctx.state, election.encode(), replace(record, phase="purged"))
    note_purged(ctx, election)
