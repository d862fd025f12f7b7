"""The dates of an election, which header time decides by: their order, how far apart, and what falls due when.

Reads: parameters.  Writes: the queue of due work.  Never: a clock.
"""

from typing import Final

from chain.town import params
from chain.town.context import Overlay, Reader, Refused
from chain.town.due import cancel_due, schedule_due
from chain.town.params import Parameter
from chain.town.votes_schemas import VoteCalendar
from chain.types import codes

ISSUANCE_END_KIND: Final = "votes.issuance_end"
VOTING_START_KIND: Final = "votes.voting_start"
END_KIND: Final = "votes.end"
PLANNED_MAX_S: Final = 2 * 366 * 86_400
"""No election is published more than two years before its last date: due work must come some day."""

_GAPS: Final[tuple[tuple[str, str, Parameter], ...]] = (
    ("issuance_opens", "issuance_closes", params.VOTES_ISSUANCE_MIN_S),
    ("issuance_closes", "registration_closes", params.VOTES_REGISTRATION_MIN_S),
    ("registration_closes", "voting_opens", params.VOTES_FREEZE_MIN_S),
    ("voting_opens", "voting_closes", params.VOTES_VOTING_MIN_S),
    ("voting_closes", "appeals_close", params.VOTES_APPEALS_MIN_S),
)
DATES: Final = ("issuance_opens", *(later for _, later, _ in _GAPS))
_DUE: Final = (
    ("issuance_closes", ISSUANCE_END_KIND),
    ("voting_opens", VOTING_START_KIND),
    ("voting_closes", END_KIND),
)


def check_calendar(state: Reader, calendar: VoteCalendar, now_s: int) -> Refused | None:
    """Dates of an election that is published now: to come, in order, no window shorter than the town allows."""
    if calendar.issuance_opens < now_s:
        return Refused(codes.VOTES_CALENDAR_REFUSED, "issuance_opens is past")
    if calendar.appeals_close > now_s + PLANNED_MAX_S:
        return Refused(codes.VOTES_CALENDAR_REFUSED, "appeals_close is more than two years ahead")
    return check_gaps(state, calendar)


def check_gaps(state: Reader, calendar: VoteCalendar) -> Refused | None:
    """Every window as long as its parameter says, and never empty."""
    for earlier, later, parameter in _GAPS:
        least_s = max(1, params.get_param(state, parameter))
        if getattr(calendar, later) - getattr(calendar, earlier) < least_s:
            detail = f"{earlier} to {later}: at least {least_s} s"
            return Refused(codes.VOTES_CALENDAR_REFUSED, detail)
    return None


def check_moved(
    state: Reader, old: VoteCalendar, new: VoteCalendar, now_s: int, *, is_begun: bool
) -> Refused | None:
    """A calendar that takes another's place: what is past stays, what is to come only moves later.

    Before issuance began (`is_begun`) nothing was promised to anybody that has passed: all dates may move.
    """
    for date in DATES:
        before, after = getattr(old, date), getattr(new, date)
        is_past = before <= now_s and is_begun
        if after != before and (is_past or after < max(before, now_s)):
            return Refused(codes.VOTES_CALENDAR_REFUSED, f"{date} is past, or would come earlier")
    if new.appeals_close > now_s + PLANNED_MAX_S:
        return Refused(codes.VOTES_CALENDAR_REFUSED, "appeals_close is more than two years ahead")
    return check_gaps(state, new)


def plan_due(state: Overlay, election: str, calendar: VoteCalendar) -> None:
    """Have each end and beginning handled on its day."""
    for date, kind in _DUE:
        schedule_due(state, getattr(calendar, date), kind, election)


def move_due(state: Overlay, election: str, old: VoteCalendar, new: VoteCalendar) -> None:
    """Only what moves is planned anew: a date that stays may be due at the end of this very block."""
    for date, kind in _DUE:
        before, after = getattr(old, date), getattr(new, date)
        if after != before:
            cancel_due(state, before, kind, election)
            schedule_due(state, after, kind, election)


def unplan_due(state: Overlay, election: str, calendar: VoteCalendar) -> None:
    """Take the dates of a calendar out of the queue."""
    for date, kind in _DUE:
        cancel_due(state, getattr(calendar, date), kind, election)
