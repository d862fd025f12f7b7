"""Three axes that wear out by themselves: identity, residence, electoral; never one number.

Identity lasts until the month of the attestation, residence twelve months from the batch, the electoral axis until the
next import of the register. Whoever asks gets what counts at header time; nobody has to expire anything.
Reads: identities, electors, registers.  Writes: namespace identity, table residence.  Never: looks at a clock.
Source: research/identity.md §1.5.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta, Struct

from chain.town.context import Overlay, Reader, Table
from chain.town.identity.records import NAMESPACE, get_identity, is_current, month_of

RESIDENCE_MONTHS: Final = 12
"""How long a shown residence counts: people move, and no register tells the town."""
ELECTOR_LEVEL: Final = 2
"""Matched with the register; level 1 (declared) is never on the chain."""

Month = Annotated[str, Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])\Z")]


class ResidenceRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The last month in which a residence counts, `YYYY-MM`."""

    expires_month: Month


class RegisterRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """One import of the electoral register; the newest is the one that counts."""

    serial: int
    body: str
    """The commission's body, `body:<slug>`."""
    root: str
    expires_month: Month


class ElectorRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """An identity that the commission found in an import, and at which station."""

    serial: int
    station: str


RESIDENCES: Final = Table(NAMESPACE, "residence", ResidenceRecord)
REGISTERS: Final = Table(NAMESPACE, "register", RegisterRecord)
ELECTORS: Final = Table(NAMESPACE, "elector", ElectorRecord)
NEWEST_ID: Final = b"newest"


@dataclass(frozen=True, slots=True)
class Levels:
    """What counts of one identity now: 0 is nothing, also for an identity that is not active."""

    identity: int = 0
    residence: int = 0
    electoral: int = 0
    station: str = ""


def put_residence(state: Overlay, cid: str, level: int, time_s: int) -> None:
    """A residence attested now; level 0 leaves none."""
    if level:
        month = add_months(month_of(time_s), RESIDENCE_MONTHS)
        RESIDENCES.put(state, cid.encode(), ResidenceRecord(month))
    elif RESIDENCES.get(state, cid.encode()) is not None:
        RESIDENCES.delete(state, cid.encode())


def get_levels(state: Reader, cid: str, time_s: int) -> Levels:
    """All three axes at header time."""
    record = get_identity(state, cid)
    if record is None or not is_current(record, time_s):
        return Levels()
    residence = RESIDENCES.get(state, cid.encode())
    lives_here = residence is not None and month_of(time_s) <= residence.expires_month
    station = get_station(state, cid, time_s)
    return Levels(
        identity=record.level_identity,
        residence=record.level_residence if lives_here else 0,
        electoral=ELECTOR_LEVEL if station else 0,
        station=station,
    )


def get_station(state: Reader, cid: str, time_s: int) -> str:
    """The polling station of an elector by the newest register, empty for everybody else."""
    newest = REGISTERS.get(state, NEWEST_ID)
    elector = ELECTORS.get(state, cid.encode())
    if newest is None or elector is None or elector.serial != newest.serial:
        return ""
    return elector.station if month_of(time_s) <= newest.expires_month else ""


def add_months(month: str, count: int) -> str:
    """The month that lies `count` months later."""
    year, number = month.split("-")
    total = int(year) * 12 + int(number) - 1 + count
    return f"{total // 12:04d}-{total % 12 + 1:02d}"
