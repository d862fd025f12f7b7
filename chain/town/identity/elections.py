"""The one thing identity knows of votes: which elections are open, and from when a new key comes too late for each.

The votes domain calls `put_open_election` when issuance begins and `drop_open_election` when the ballot box is closed;
it asks `why_no_vote` before a credential is issued. Until then no election is open and nobody is barred.
Reads: identities, recoveries, parameters.  Writes: namespace identity, table open_election.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from chain.town import params
from chain.town.context import Overlay, Reader, Table
from chain.town.identity.records import NAMESPACE, get_identity, is_current
from chain.town.identity.recovery_records import LAST_RECOVERIES, get_recovery
from chain.town.schemas import UnixSeconds

ElectionId = Annotated[str, Meta(min_length=1, max_length=64)]


class OpenElectionRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An election from the start of issuance to the end of voting; `opens_s` is the hour voting begins (T)."""

    election: ElectionId
    opens_s: UnixSeconds
    closes_s: UnixSeconds


OPEN_ELECTIONS: Final = Table(NAMESPACE, "open_election", OpenElectionRecord)


def put_open_election(state: Overlay, election: str, *, opens_s: int, closes_s: int) -> None:
    """An election whose issuance begins; the same one again replaces its dates (a council may postpone)."""
    assert opens_s < closes_s, "voting opens before it closes"
    OPEN_ELECTIONS.put(state, election.encode(), OpenElectionRecord(election, opens_s, closes_s))


def drop_open_election(state: Overlay, election: str) -> None:
    """The ballot box is closed, or the vote cancelled."""
    OPEN_ELECTIONS.delete(state, election.encode())


def list_open_elections(state: Reader, time_s: int) -> tuple[OpenElectionRecord, ...]:
    """Elections not closed at header time, by id."""
    return tuple(e for _, e in OPEN_ELECTIONS.scan(state) if time_s < e.closes_s)


def barred_from_s(state: Reader, election: OpenElectionRecord) -> int:
    """T-30 d: whoever opens a recovery from then on does not vote in this election."""
    return election.opens_s - params.get_param(state, params.IDENTITY_VOTE_BAR_S)


def elections_lost(state: Reader, opened_s: int, time_s: int) -> tuple[str, ...]:
    """Open elections in which a recovery opened at `opened_s` leaves no vote."""
    return tuple(
        election.election
        for election in list_open_elections(state, time_s)
        if opened_s >= barred_from_s(state, election)
    )


def why_no_vote(state: Reader, cid: str, election: str, time_s: int) -> str:
    """Empty when the identity may be issued a credential; else `election`, `status`, `recovering` or `recovered`.

    A recovery under way counts only while it is: one that was given up takes no vote from anybody.
    """
    found = OPEN_ELECTIONS.get(state, election.encode())
    if found is None or time_s >= found.closes_s:
        return "election"
    identity = get_identity(state, cid)
    if identity is None:
        return "status"
    if get_recovery(state, identity.account) is not None:
        return "recovering"
    if not is_current(identity, time_s):
        return "status"
    last = LAST_RECOVERIES.get(state, cid.encode())
    if last is not None and last.opened_s >= barred_from_s(state, found):
        return "recovered"
    return ""
