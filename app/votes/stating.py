"""What the chain would refuse of a vote that is being prepared: told at the draft, before anybody signs.

The chain judges again at publication, with the town's parameters; here is what needs none of them.
Reads: nothing.  Writes: nothing.
"""

from itertools import pairwise
from typing import Final

from app.core.problems import Problem
from chain.town.votes_schemas import ElectionCreate
from chain.types.codes import VOTES_BODIES_CONFLICT, VOTES_CALENDAR_REFUSED, VOTES_REGISTRARS_SHAPE

DATES: Final = (
    "issuance_opens",
    "issuance_closes",
    "registration_closes",
    "voting_opens",
    "voting_closes",
    "appeals_close",
)


def check_stated(body: ElectionCreate, now_s: int) -> None:
    """Raise Problem for dates that are past or out of order, and for registrars and trustees that cannot be."""
    if body.calendar.issuance_opens < now_s:
        raise Problem(VOTES_CALENDAR_REFUSED, "issuance_opens is past")
    for earlier, later in pairwise(DATES):
        if getattr(body.calendar, earlier) >= getattr(body.calendar, later):
            raise Problem(VOTES_CALENDAR_REFUSED, f"{later} is not after {earlier}")
    corrupt, rest = divmod(len(body.registrars) - 1, 3)
    if rest or body.registrars_threshold != 2 * corrupt + 1:
        shape = f"{body.registrars_threshold} of {len(body.registrars)}"
        raise Problem(VOTES_REGISTRARS_SHAPE, shape)
    both = sorted(set(body.registrars) & set(body.trustees))
    if both:
        raise Problem(VOTES_BODIES_CONFLICT, f"{both[0]} is both")
