"""A vote that is postponed or given up: acts of the council, with a published reason.

Dates that are still to come move later, none comes earlier, and no window shrinks below the town's floor. A cancelled
election stays on the chain with everything that happened; it is never opened again.
Reads: parameters.  Writes: table election; due work; identity.elections and city holds.
"""

from typing import Final

from msgspec.structs import replace

from chain.town.context import Accepted, Outcome, Refused, TxContext
from chain.town.votes.calendar import check_moved, move_due, unplan_due
from chain.town.votes.records import ELECTIONS, Phase, get_election, in_phase
from chain.town.votes.rolls import hold_town, release_town
from chain.town.votes_schemas import ElectionCancel, ElectionPostpone
from chain.types import codes

_MOVABLE: Final[tuple[Phase, ...]] = (
    "ceremony",
    "sealed",
    "issuance",
    "registration",
    "freezing",
    "frozen",
    "voting",
)
_HELD: Final = frozenset({"issuance", "registration", "freezing", "frozen", "voting"})
"""While the town holds its acts for the election."""


def apply_postpone(ctx: TxContext, body: ElectionPostpone) -> Outcome:
    """Another calendar."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = in_phase(record, *_MOVABLE) or check_moved(
        ctx.state,
        record.calendar,
        body.calendar,
        ctx.time_s,
        is_begun=record.phase in _HELD,
    )
    if refused is not None:
        return refused
    if body.calendar == record.calendar:
        return Refused(codes.VOTES_CALENDAR_REFUSED, "no date moves")
    move_due(ctx.state, body.election, record.calendar, body.calendar)
    ELECTIONS.put(ctx.state, body.election.encode(), replace(record, calendar=body.calendar))
    if record.phase in _HELD:
        hold_town(ctx.state, body.election, body.calendar, ctx.time_s)
    return Accepted({"election": body.election, "phase": record.phase})


def apply_cancel(ctx: TxContext, body: ElectionCancel) -> Outcome:
    """Give the vote up, at any time before its result is being counted."""
    record = get_election(ctx.state, body.election)
    if isinstance(record, Refused):
        return record
    refused = in_phase(record, *_MOVABLE, "tally")
    if refused is not None:
        return refused
    unplan_due(ctx.state, body.election, record.calendar)
    if record.phase in _HELD:
        release_town(ctx.state, body.election)
    ELECTIONS.put(ctx.state, body.election.encode(), replace(record, phase="cancelled"))
    return Accepted({"election": body.election, "phase": "cancelled"})
