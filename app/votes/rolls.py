"""Who may vote where: rolls drawn up from the register, their roots for the chain, and each citizen's own opening.

A roll's root is over salted leaves in the order of their hashes, so neither root nor place says who is on it. The
salts are here; a citizen gets the own one, nobody else's.
Reads: identities, electors.  Writes: `vote_roll`.
"""

import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from app.core.codes import NOT_FOUND, REQUEST_INVALID
from app.core.database import write
from app.core.problems import Problem
from app.identity.electoral.models import ElectorRow, RegisterImport, ResidenceRow
from app.identity.electoral.service import month_of
from app.identity.models import IdentityRow
from app.identity.tombstones import is_blocked
from app.votes.codes import NOT_ON_ROLL, ROLL_CLOSED, ROLL_SMALL
from app.votes.models import ElectionRow, RollRow, StationRow
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.merkle import merkle_proofs
from chain.votes.messages import roll_leaf

SALT_BYTES: Final = 16
OPEN_PHASES: Final = frozenset({"ceremony", "sealed"})
ACTIVE: Final = "active"


def draw_up(
    election: str,
    *,
    stations: Mapping[str, str],
    default: str,
    classes: Mapping[str, Sequence[str]],
    policy: Mapping[str, int],
    now_s: int,
) -> list[dict[str, Any]]:
    """Put everybody on the roll whose identity, residence and electoral axes meet `policy`; returns the rolls to sign.

    `stations` says into which station of the election each station of the register goes; who has none goes to
    `default`, or nowhere when it is empty. `classes` lists the identities of weight classes other than the station's
    first. Age is not known here, nor on the chain: nobody but the desk has seen a date of birth (docs/votes.md).
    """
    row = _find_election(election)
    if row.phase not in OPEN_PHASES:
        raise Problem(ROLL_CLOSED, row.phase)
    known = _read_classes(election)
    _check_named({default, *stations.values()} - {""}, {station for station, _ in known})
    class_of = {cid: name for name, cids in classes.items() for cid in cids}
    entries: dict[tuple[str, str], list[tuple[str, bytes]]] = {key: [] for key in known}
    for cid, own in _list_eligible(policy, now_s):
        station = stations.get(own, "") if own else default
        name = class_of.get(cid) or next((c for s, c in known if s == station), "")
        if (station, name) in entries and not is_blocked(cid, election):
            entries[station, name].append((cid, secrets.token_bytes(SALT_BYTES)))
    if not all(entries.values()):
        raise Problem(ROLL_SMALL, "/".join(next(key for key, cids in entries.items() if not cids)))
    _write(election, entries)
    return list_rolls(election)


def _check_named(named: set[str], known: set[str]) -> None:
    """Raise Problem for a station that the election does not have."""
    unknown = sorted(named - known)
    if unknown:
        detail = f"no station {unknown[0]} in this election, which has {', '.join(sorted(known))}"
        raise Problem(REQUEST_INVALID, detail)


def _find_election(election: str) -> ElectionRow:
    found = ElectionRow.get_or_none(ElectionRow.election == election)
    if found is None:
        raise Problem(NOT_FOUND)
    return found  # type: ignore[no-any-return]


def _read_classes(election: str) -> list[tuple[str, str]]:
    rows = StationRow.select().where(StationRow.election == election)
    ordered = rows.order_by(StationRow.station, StationRow.weight_class)
    return [(row.station, row.weight_class) for row in ordered]


def _list_eligible(policy: Mapping[str, int], now_s: int) -> list[tuple[str, str]]:
    """(cid, station of the register or empty) of every identity that meets the policy now."""
    month = month_of(now_s)
    newest = RegisterImport.select().order_by(RegisterImport.serial.desc()).first()
    is_current = newest is not None and month <= newest.expires_month
    serial = newest.serial if newest is not None and is_current else 0
    electors = {
        row.cid: row.station for row in ElectorRow.select().where(ElectorRow.serial == serial)
    }
    residents = {
        row.cid for row in ResidenceRow.select().where(ResidenceRow.expires_month >= month)
    }
    found = []
    for row in IdentityRow.select().where(IdentityRow.status == ACTIVE).order_by(IdentityRow.cid):
        residence = row.level_residence if row.cid in residents else 0
        meets = (
            month <= row.expires_month
            and row.level_identity >= policy["identity"]
            and residence >= policy["residence"]
            and (not policy["electoral"] or row.cid in electors)
        )
        if meets:
            found.append((row.cid, electors.get(row.cid, "")))
    return found


def _write(election: str, entries: Mapping[tuple[str, str], list[tuple[str, bytes]]]) -> None:
    with write():
        RollRow.delete().where(RollRow.election == election).execute()
        for (station, weight_class), people in entries.items():
            ordered = sorted(people, key=lambda one: _leaf(election, *one))
            for place, (cid, salt) in enumerate(ordered):
                RollRow.insert(
                    election=election,
                    cid=cid,
                    station=station,
                    weight_class=weight_class,
                    salt=b64url_encode(salt),
                    place=place,
                ).execute()


def _leaf(election: str, cid: str, salt: bytes) -> bytes:
    return roll_leaf(election, b64url_decode(cid), salt)


def forget_after_appeals(now_s: int) -> int:
    """Delete the rolls, with their salts, of elections whose appeals are over; returns how many lines."""
    over = ElectionRow.select(ElectionRow.election).where(ElectionRow.appeals_close <= now_s)
    with write():
        return int(RollRow.delete().where(RollRow.election.in_(over)).execute())


# --- reading -----------------------------------------------------------------------------------


def list_rolls(election: str) -> list[dict[str, Any]]:
    """The rolls as `election.open_issuance` names them, in the order of the stations; empty before that."""
    rolls = []
    for station, weight_class in _read_classes(election):
        leaves = _read_leaves(election, station, weight_class)
        if leaves:
            root = b64url_encode(merkle_proofs(leaves)[0])
            rolls.append(
                {
                    "station": station,
                    "weight_class": weight_class,
                    "electors": len(leaves),
                    "root": root,
                }
            )
    return rolls


def open_place(election: str, cid: str) -> dict[str, Any]:
    """What shows that this citizen is on the roll: salt, place and aunts; raises Problem."""
    row = RollRow.get_or_none((RollRow.election == election) & (RollRow.cid == cid))
    if row is None:
        raise Problem(NOT_ON_ROLL)
    leaves = tuple(_read_leaves(election, row.station, row.weight_class))
    return {
        "station": row.station,
        "weight_class": row.weight_class,
        "salt": row.salt,
        "index": row.place,
        "aunts": list(_aunts(leaves)[row.place]),
    }


def _read_leaves(election: str, station: str, weight_class: str) -> list[bytes]:
    rows = (
        RollRow.select()
        .where(
            (RollRow.election == election)
            & (RollRow.station == station)
            & (RollRow.weight_class == weight_class)
        )
        .order_by(RollRow.place)
    )
    return [_leaf(election, row.cid, b64url_decode(row.salt)) for row in rows]


@lru_cache(maxsize=8)
def _aunts(leaves: tuple[bytes, ...]) -> tuple[tuple[str, ...], ...]:
    _, proofs = merkle_proofs(leaves)
    return tuple(tuple(b64url_encode(aunt) for aunt in proof.aunts) for proof in proofs)
