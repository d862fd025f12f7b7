"""What citizens see of themselves: the chain's row, the opened file, who touched it.

Reads: `identity`, `person`, `desk_entry`.  Writes: nothing.
"""

import json
from typing import Any

import msgspec

from app.core.codes import NOT_FOUND
from app.core.problems import Problem
from app.identity.models import DeskEntry, IdentityRow, Person
from app.identity.register import SealedFile
from app.identity.waiting import PENDING
from chain.types.codes import ACCOUNT_FROZEN


def find_own(kid: str) -> tuple[IdentityRow | None, Person | None]:
    """The chain's row and the file of whoever holds this key; (None, None) for strangers."""
    row = IdentityRow.get_or_none(IdentityRow.kid == kid)
    if row is not None:
        return row, Person.get_or_none(Person.cid == row.cid)
    person = Person.get_or_none((Person.kid == kid) & (Person.attested_at > 0))
    if person is not None and IdentityRow.get_or_none(IdentityRow.cid == person.cid) is not None:
        return None, None  # the identity moved on to another key
    return None, person


def check_open(row: IdentityRow | None) -> None:
    """Raise Problem while the phone may be in other hands: a file is no more open to it than to a stranger's key."""
    if is_closed(row):
        raise Problem(ACCOUNT_FROZEN)


def is_closed(row: IdentityRow | None) -> bool:
    """Whether the identity was suspended (a lost phone, a recovery under way) or its holder's death was recorded."""
    return row is not None and row.status in ("suspended", "ended")


def describe_own(
    row: IdentityRow | None, person: Person | None, sealed: SealedFile | None
) -> dict[str, Any]:
    """Own identity: what the chain says, and the opening of its commitment while it is not erased."""
    if row is None and person is None:
        raise Problem(NOT_FOUND)
    draft = json.loads(person.draft) if person is not None else {}
    opening = None
    if sealed is not None:
        opening = {
            "civil": msgspec.to_builtins(sealed.civil),
            "salt": sealed.salt,
            "blind": draft.get("blind", ""),
        }
    source = row.__data__ if row is not None else draft
    return {
        "cid": source["cid"],
        "status": row.status if row is not None else PENDING,
        "level_identity": source["level_identity"],
        "level_residence": source["level_residence"],
        "commitment": source["commitment"],
        "expires_month": source["expires_month"],
        "height": row.height if row is not None else 0,
        "transaction": row.payload_hash if row is not None else "",
        "opening": opening,
    }


def list_desk_entries(cid: str) -> list[dict[str, Any]]:
    """Who at the desk touched this file: the citizen's right to know."""
    rows = DeskEntry.select().where(DeskEntry.cid == cid).order_by(DeskEntry.at, DeskEntry.id)
    return [{"at": r.at, "agent": r.clerk, "action": r.action, "reason": r.reason} for r in rows]
