"""The end: the box closes by block time, trustees decrypt the tally, the application computes the result.

Nobody submits a tally or a result. Closing writes what the box already holds; decryption shares are checked one by one;
once there are enough, votes are computed a few choices per block.
Reads: box, tally, trustees.  Writes: tables document, share, result, box, election; releases what the town held.
"""

from hashlib import sha256
from itertools import islice
from typing import Final

from msgspec.structs import replace

from chain.codec.errors import DecodeError
from chain.limits import VOTES_STEP_CELLS, VOTES_STEP_PURGED
from chain.town.context import Accepted, BlockContext, Outcome, Reader, Refused, TxContext
from chain.town.due import schedule_due
from chain.town.votes.archiving import add_event, owned_hash
from chain.town.votes.ceremony import check_trustee
from chain.town.votes.journal import archive_facts, note_closed, note_not_opened, note_result
from chain.town.votes.records import (
    ALPHAS,
    BOXES,
    ELECTIONS,
    RESULTS,
    SHARES,
    STATIONS,
    ElectionRecord,
    ResultRecord,
    ShareRecord,
    get_box,
    get_document,
    get_election,
    open_record,
    open_trustees,
    put_document,
    rank_id,
    scan_election,
)
from chain.town.votes.rolls import release_town
from chain.town.votes.tallying import get_tally
from chain.town.votes_schemas import TallyShare
from chain.types import codes
from chain.votes import formats
from chain.votes.binding import is_bound
from chain.votes.checks import Flaw
from chain.votes.election import Cipher, Election
from chain.votes.formats import PartialDecryption, Proof
from chain.votes.group import Element
from chain.votes.tally import (
    Tally,
    check_decryption,
    compute_result,
    encode_result,
    encode_tally,
    open_tally,
    size_tally,
)

RESULT_KIND: Final = "votes.compute"
ALPHAS_KIND: Final = "votes.forget_alphas"


def end_voting(ctx: BlockContext, election: str) -> None:
    """The hour of closing: EndBallots and EncryptedTally, whatever the number of ballots."""
    record = get_election(ctx.state, election)
    assert isinstance(record, ElectionRecord), "planned elections are published"
    if record.phase in ("issuance", "freezing", "frozen"):
        # The chain stood still over the whole vote: requests are counted and the list is sealed first, in steps that
        # began at this very block end; then an empty box closes.
        schedule_due(ctx.state, ctx.time_s, END_AGAIN_KIND, election)
        return
    if record.phase != "voting":
        note_not_opened(ctx, election, record.phase)
        return
    opened = open_record(ctx.state, election)
    box = get_box(ctx.state, election)
    tally = get_tally(ctx.state, opened, box)
    text = encode_tally(opened, tally)
    sized = formats.encode(size_tally(tally, sha256(text).hexdigest()))
    box = add_event(box, "EndBallots")
    box = add_event(box, "EncryptedTally", sha256(sized).hexdigest())
    BOXES.put(ctx.state, election.encode(), box)
    put_document(ctx.state, election, "tally", text.decode())
    put_document(ctx.state, election, "sized", sized.decode())
    ELECTIONS.put(ctx.state, election.encode(), replace(record, phase="tally"))
    release_town(ctx.state, election)
    schedule_due(ctx.state, ctx.time_s, ALPHAS_KIND, election)
    lines = tuple(line for _, line in scan_election(STATIONS, ctx.state, election))
    note_closed(ctx, election, box, lines, tally=text.decode(), sized=sized.decode())


END_AGAIN_KIND: Final = "votes.end_again"


def forget_alphas(ctx: BlockContext, election: str) -> None:
    """No ballot comes any more: what was kept to compare them with goes, some at each block end."""
    held = list(islice(scan_election(ALPHAS, ctx.state, election), VOTES_STEP_PURGED + 1))
    for record_id, _ in held[:VOTES_STEP_PURGED]:
        ALPHAS.delete(ctx.state, record_id)
    if len(held) > VOTES_STEP_PURGED:
        schedule_due(ctx.state, ctx.time_s, ALPHAS_KIND, election)


# --- decryption ----------------------------------------------------------------------------------

_BEFORE_TALLY: Final = frozenset(
    {"ceremony", "sealed", "issuance", "registration", "freezing", "frozen", "voting"}
)


def apply_share(ctx: TxContext, body: TallyShare) -> Outcome:
    """A trustee's partial decryption of the published tally; the one that makes enough starts the count."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = _check_share_time(record) or check_trustee(ctx, record, body.trustee)
    if refused is not None:
        return refused
    if SHARES.get(ctx.state, rank_id(body.election, body.trustee)) is not None:
        return Refused(codes.VOTES_SHARE_REPEATED)
    refused = _check_share(ctx.state, record, body)
    if refused is not None:
        return refused
    owners = [rid[-1] for rid, _ in scan_election(SHARES, ctx.state, body.election)]
    share = ShareRecord(len(owners), body.share, body.bound)
    SHARES.put(ctx.state, rank_id(body.election, body.trustee), share)
    box = get_box(ctx.state, body.election)
    box = add_event(box, "PartialDecryption", owned_hash(body.trustee, body.share))
    BOXES.put(ctx.state, body.election.encode(), box)
    if open_trustees(ctx.state, record).is_enough((*owners, body.trustee)):
        record = replace(record, phase="counting")
        ELECTIONS.put(ctx.state, body.election.encode(), record)
        schedule_due(ctx.state, ctx.time_s, RESULT_KIND, body.election)
    data = {
        "election": body.election,
        "trustee": body.trustee,
        "place": share.place,
        "phase": record.phase,
    }
    return Accepted(data | archive_facts(box))


def _check_share_time(record: ElectionRecord) -> Refused | None:
    if record.phase in _BEFORE_TALLY:
        return Refused(codes.VOTES_NOT_CLOSED, f"until {record.calendar.voting_closes}")
    if record.phase == "cancelled":
        return Refused(codes.VOTES_WRONG_PHASE, record.phase)
    return None if record.phase == "tally" else Refused(codes.VOTES_DECIDED)


def _check_share(state: Reader, record: ElectionRecord, body: TallyShare) -> Refused | None:
    try:
        share = formats.decode_exactly(PartialDecryption, body.share.encode())
    except DecodeError as error:
        return Refused(codes.VOTES_SHARE_INVALID, str(error))
    opened = open_record(state, record.election)
    tally = get_tally(state, opened, get_box(state, record.election))
    key = open_trustees(state, record).keys[body.trustee - 1]
    factors = check_decryption(opened, tally.rows, key, share)
    if isinstance(factors, Flaw):
        return Refused(codes.VOTES_SHARE_INVALID, factors.detail)
    bound = Proof(challenge=body.bound.challenge, response=body.bound.response)
    if not is_bound(opened, tally.rows, key, share, factors, bound):
        return Refused(codes.VOTES_SHARE_INVALID, "the factors are not bound to the tally")
    return None


# --- result --------------------------------------------------------------------------------------


def continue_result(ctx: BlockContext, election: str) -> None:
    """The votes of some choices more; the last step is the result."""
    record = get_election(ctx.state, election)
    if not isinstance(record, ElectionRecord) or record.phase != "counting":
        return  # cancelled meanwhile
    opened = open_record(ctx.state, election)
    tally = get_tally(ctx.state, opened, get_box(ctx.state, election))
    cells = tuple(cipher for row in tally.rows for cipher in row)
    known = RESULTS.get(ctx.state, election.encode()) or ResultRecord(())
    first = len(known.votes)
    part = cells[first : first + VOTES_STEP_CELLS]
    votes = known.votes + _count_votes(ctx.state, record, opened, tally.weight, part, first)
    RESULTS.put(ctx.state, election.encode(), ResultRecord(votes))
    if len(votes) < len(cells):
        schedule_due(ctx.state, ctx.time_s, RESULT_KIND, election)
    else:
        _publish(ctx, record, opened, votes)


def _count_votes(
    state: Reader,
    record: ElectionRecord,
    opened: Election,
    weight: int,
    part: tuple[Cipher, ...],
    first: int,
) -> tuple[int, ...]:
    """Logarithms of a part of the tally, whose first cell is number `first`."""
    factors: dict[int, tuple[Element, ...]] = {}
    for share_id, share in scan_election(SHARES, state, record.election):
        given = formats.decode(PartialDecryption, share.share).decryption_factors
        texts = [text for row in given for text in row][first : first + len(part)]
        factors[share_id[-1]] = tuple(opened.group.decode(text) for text in texts)
    tally = Tally((part,), 0, weight)
    revealed = open_tally(opened, tally, open_trustees(state, record), factors)
    return compute_result(opened, tally, revealed)[0]


def _publish(
    ctx: BlockContext, record: ElectionRecord, opened: Election, votes: tuple[int, ...]
) -> None:
    election = record.election
    box = get_box(ctx.state, election)
    shape = [len(row) for row in get_tally(ctx.state, opened, box).rows]
    cells = iter(votes)
    rows = tuple(tuple(islice(cells, size)) for size in shape)
    text = encode_result(rows)
    box = add_event(box, "Result", sha256(text).hexdigest())
    BOXES.put(ctx.state, election.encode(), box)
    put_document(ctx.state, election, "result", text.decode())
    ELECTIONS.put(ctx.state, election.encode(), replace(record, phase="decided"))
    blank = tuple(
        row[0] if question.blank is True else -1
        for question, row in zip(opened.questions, rows, strict=True)
    )
    note_result(ctx, election, box, votes=rows, blank=blank, result=text.decode())


def result_of(state: Reader, election: str) -> str:
    """The result record's text of a decided election."""
    return get_document(state, election, "result")
