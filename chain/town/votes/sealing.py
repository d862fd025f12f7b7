"""Closing the list of credentials: sorted, hashed in bounded steps, and the archive's first event.

The records of credentials lie in the order of the public list already (`records.credential_id`), so that a step only
copies the next thousand into a part of the list. The last step hashes the parts and sets up the box.
Reads: credentials.  Writes: tables list, box, tally, document, election.
"""

from hashlib import sha256
from itertools import islice
from typing import Final

from msgspec.structs import replace

from chain.limits import VOTES_STEP_CREDENTIALS
from chain.town.context import BlockContext, Overlay, Reader
from chain.town.due import schedule_due
from chain.town.votes.archiving import open_archive
from chain.town.votes.journal import note_frozen, note_not_opened, note_opened
from chain.town.votes.records import (
    BOXES,
    CREDENTIALS,
    ELECTIONS,
    LISTS,
    TALLIES,
    CredentialRecord,
    ElectionRecord,
    ListRecord,
    TallyRecord,
    get_counts,
    get_document,
    get_election,
    open_record,
    part_id,
    scan_election,
)
from chain.votes import formats
from chain.votes.tally import empty_tally, encode_tally

FREEZE_KIND: Final = "votes.freeze"
_PART_BYTES: Final = 4


def start_freeze(state: Overlay, record: ElectionRecord, now_s: int) -> None:
    """No credential enters any more; the list is sealed at the ends of this block and the next ones."""
    ELECTIONS.put(state, record.election.encode(), replace(record, phase="freezing"))
    schedule_due(state, now_s, FREEZE_KIND, f"{record.election}/0/")


def continue_freeze(ctx: BlockContext, text: str) -> None:
    """One part of the list; after the last one the list is sealed."""
    election, part, cursor = text.split("/")
    record = get_election(ctx.state, election)
    if not isinstance(record, ElectionRecord) or record.phase != "freezing":
        return  # cancelled meanwhile
    rows = scan_election(CREDENTIALS, ctx.state, election, bytes.fromhex(cursor))
    taken = list(islice(rows, VOTES_STEP_CREDENTIALS + 1))
    entries = tuple(list_entry(line) for _, line in taken[:VOTES_STEP_CREDENTIALS])
    part_bytes = int(part).to_bytes(_PART_BYTES, "big")
    LISTS.put(ctx.state, part_id(election, part_bytes), ListRecord(entries))
    if len(taken) > VOTES_STEP_CREDENTIALS:
        after = taken[-1][0][len(election) + 1 :].hex()
        schedule_due(ctx.state, ctx.time_s, FREEZE_KIND, f"{election}/{int(part) + 1}/{after}")
    else:
        _seal(ctx, record)


def list_entry(line: CredentialRecord) -> str:
    """A line of Belenios' public list: the weight is written when it is not 1."""
    return line.credential if line.weight == 1 else f"{line.credential},{line.weight}"


def credentials_text(state: Reader, election: str) -> bytes:
    """The sealed credentials record."""
    entries: list[str] = []
    for _, part in scan_election(LISTS, state, election):
        entries += part.entries
    return formats.encode(entries)


def _seal(ctx: BlockContext, record: ElectionRecord) -> None:
    """The box opens at the hour of voting, or at once when that is past."""
    state, election = ctx.state, record.election
    credentials = sha256(credentials_text(state, election)).hexdigest()
    box = open_archive(
        get_document(state, election, "election"),
        get_document(state, election, "trustees"),
        credentials,
    )
    opened = open_record(state, election)
    BOXES.put(state, election.encode(), box)
    empty = encode_tally(opened, empty_tally(opened)).decode()
    TALLIES.put(state, election.encode(), TallyRecord(empty))
    note_frozen(ctx, election, get_counts(state, election), credentials, box)
    is_time = ctx.time_s >= record.calendar.voting_opens
    phase = "voting" if is_time else "frozen"
    ELECTIONS.put(state, election.encode(), replace(record, phase=phase))
    if is_time:
        note_opened(ctx, election)


def start_voting(ctx: BlockContext, election: str) -> None:
    """The hour of voting. A list that nobody closed is closed now; an election that stands elsewhere says so."""
    record = get_election(ctx.state, election)
    assert isinstance(record, ElectionRecord), "planned elections are published"
    match record.phase:
        case "frozen":
            ELECTIONS.put(ctx.state, election.encode(), replace(record, phase="voting"))
            note_opened(ctx, election)
        case "registration":
            start_freeze(ctx.state, record, ctx.time_s)
        case "issuance" | "freezing":
            pass  # opens at the last step of what began at this block end, or before
        case phase:
            note_not_opened(ctx, election, phase)
