"""The encrypted tally follows the box ballot by ballot: a ballot multiplies in, the one it replaces is taken out.

So closing costs the same for a hundred ballots and for ten thousand. The record is the text that Belenios would
publish for the box as it stands.
Reads and writes: table tally.
"""

from chain.town.context import Overlay, Reader
from chain.town.votes.records import TALLIES, BoxRecord, TallyRecord
from chain.votes.election import Election
from chain.votes.formats import Answer
from chain.votes.tally import Tally, add_ballot, encode_tally, read_rows, remove_ballot


def get_tally(state: Reader, election: Election, box: BoxRecord) -> Tally:
    """The tally of the box as it stands."""
    record = TALLIES.get(state, election.uuid.encode())
    assert record is not None, "a sealed list has its empty tally"
    return Tally(read_rows(election, record.text), box.voters, box.weight)


def count_ballot(
    state: Overlay,
    election: Election,
    box: BoxRecord,
    answers: tuple[Answer, ...],
    weight: int,
    replaced: tuple[Answer, ...] | None,
) -> Tally:
    """Count a judged ballot in place of the credential's last one, if it had one; returns the new tally."""
    tally = get_tally(state, election, box)
    if replaced is not None:
        tally = remove_ballot(election, tally, replaced, weight)
    tally = add_ballot(election, tally, answers, weight)
    text = encode_tally(election, tally).decode()
    TALLIES.put(state, election.uuid.encode(), TallyRecord(text))
    return tally
