"""What anybody recomputes for himself: a whole day from its openings, or the own rows from their paths.

A member needs his own rows alone; the manager, a witness and whoever was handed whole days recompute every byte.
Reads: its arguments.  Never: a database, a clock, the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import msgspec

from app.energy import rows
from chain.codec.canonical import b64url_decode, b64url_encode
from chain.codec.errors import DecodeError
from chain.codec.merkle import root_of_proof, verify_merkle_proof
from chain.town.energy import days, roots, tables
from chain.town.energy.batches import compute_day_root
from chain.town.energy.calendar import ZONES, Zone, parse_day, steps_of_day
from chain.town.energy.conventions import Key
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import check_own_pro_rata
from chain.town.energy_schemas import AllocationStep, ReadingStep
from chain.types.block import Proof
from chain.types.codes import ENERGY_DAY_REFUSED

_ROW: Final = msgspec.json.Decoder(roots.ReadingRow | roots.AllocationRow)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """Roots of a day as they follow from its openings, base64url; `flaw` says why there are none."""

    readings: str
    allocation: str
    shared_wh: int
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class OwnDay:
    """A member's own day, every row proved under the published roots."""

    received_wh: int
    given_wh: int
    rows: int
    by_hand: int
    """Steps whose share was also checked by the law's formula, from published sums and the own reading alone."""


def recompute_day(
    day: rows.DayInput, key: Key, *, readings_version: int, version: int, households_min: int
) -> Recomputed:
    """Both roots of a day, from readings, keys of rows and the allocation key.

    By `days.compute_day`, which was written apart from the `rows` that the town publishes by: a slip in one of them
    makes a witness refuse to sign instead of repeating it.
    """
    given = _as_day(day, key, readings_version, max(version, 1), households_min)
    result = given if isinstance(given, Refused) else days.compute_day(given)
    if isinstance(result, Refused):
        readings = compute_day_root(rows.publish_readings(day, readings_version))
        flaw = f"{result.code.name}: {result.detail}" if version else ""
        return Recomputed(readings, "", 0, flaw)
    if not version:
        return Recomputed(result.readings_root, "", 0)
    return Recomputed(result.readings_root, result.root, result.month_totals.autocons_wh)


def _as_day(
    day: rows.DayInput, key: Key, readings_version: int, version: int, households_min: int
) -> days.DayInput | Refused:
    """The same day in the order of its roster; refused when its steps are those of no clock's day."""
    roster = tables.roster_of(day.readings)
    if isinstance(roster, Refused):
        return roster
    zone = _find_zone(day)
    if zone is None:
        return Refused(ENERGY_DAY_REFUSED, f"{day.day} does not begin at {day.readings.start_s}")
    names = [column.name for column in day.readings.columns]
    takers, givers = (
        [names.index(name) for name in side] for side in (roster.consumers, roster.producers)
    )
    steps = tuple(
        days.StepReadings(
            tuple(row[at] for at in takers),
            tuple(row[at] for at in givers),
            tuple(place for place, at in enumerate(takers) if (at, number) in day.estimated),
            tuple(place for place, at in enumerate(givers) if (at, number) in day.estimated),
        )
        for number, row in enumerate(day.readings.rows)
    )
    return days.DayInput(
        operation=day.operation,
        day=day.day,
        zone=zone,
        step_s=day.readings.step_s,
        roster=roster,
        key=key,
        steps=steps,
        member_keys=dict(zip(names, day.keys, strict=True)),
        readings_version=readings_version,
        version=version,
        orders=day.orders,
        households_min=households_min,
    )


def _find_zone(day: rows.DayInput) -> Zone | None:
    """The clock by which the day begins where its readings do: an operation's day file does not name it."""
    number = parse_day(day.day)
    if number is None:
        return None
    return next(
        (
            zone
            for zone in ZONES.values()
            if steps_of_day(zone, number, day.readings.step_s).start == day.readings.start_s
        ),
        None,
    )


def check_own_day(
    opened: Mapping[str, Any],
    *,
    readings: Sequence[ReadingStep] | None = None,
    allocation: Sequence[AllocationStep] | None = None,
    is_pro_rata: bool = False,
) -> OwnDay | str:
    """Follow the paths of a member's rows; what is wrong in words otherwise.

    With the published steps (from a proved transaction) rows are held against them; without, against the roots that
    their own paths give, which must agree within a step.
    """
    received = given = count = by_hand = 0
    for at, step in enumerate(opened["steps"]):
        for kind, published in (("readings", readings), ("allocation", allocation)):
            root = published[at].root if published is not None else ""
            for shown in step[kind]:
                row, flaw = _check_row(shown, root, opened["count"])
                if row is None:
                    return f"step {at}: {flaw}"
                root = root or flaw
                count += 1
                if isinstance(row, roots.AllocationRow):
                    received += row.shared_wh if row.side == "consumer" else 0
                    given += row.shared_wh if row.side == "producer" else 0
        if is_pro_rata and allocation is not None:
            found = _check_by_hand(step["allocation"], allocation[at])
            if found < 0:
                return f"step {at}: not the law's share"
            by_hand += found
    return OwnDay(received, given, count, by_hand)


def _check_row(shown: Mapping[str, Any], root: str, count: int) -> tuple[roots.Row | None, str]:
    """The row and its root, or None and the flaw."""
    try:
        raw = shown["row"].encode()
        row = _ROW.decode(raw)
        leaf = b64url_decode(shown["salt"]) + raw
        proof = Proof(
            int(shown["total"]),
            int(shown["index"]),
            sha256(b"\x00" + leaf).digest(),
            tuple(b64url_decode(aunt) for aunt in shown["aunts"]),
        )
    except (KeyError, TypeError, ValueError, DecodeError, msgspec.MsgspecError) as error:
        return None, f"not an opening: {error}"
    found = root_of_proof(proof)
    if found is None or proof.total != count:
        return None, "the path is of another number of rows"
    if root and b64url_encode(found) != root:
        return None, "the path leads to another root"
    if not verify_merkle_proof(proof, found, leaf):
        return None, "the path does not hold"
    if isinstance(row, roots.AllocationRow) and row.shared_wh + row.rest_wh != row.metered_wh:
        return None, "the row does not add up"
    return row, b64url_encode(found)


def _check_by_hand(shown: Sequence[Mapping[str, Any]], published: AllocationStep) -> int:
    """Steps checked by the law's formula: 1, 0 where sums are hidden, -1 when the share is not the law's."""
    if published.sums is None:
        return 0
    for line in shown:
        row = _ROW.decode(line["row"].encode())
        if isinstance(row, roots.AllocationRow) and row.side == "consumer":
            holds = check_own_pro_rata(
                production_wh=published.sums.prod_wh,
                consumption_wh=published.sums.cons_wh,
                own_cons_wh=row.metered_wh,
                own_autocons_wh=row.shared_wh,
            )
            if not holds:
                return -1
    return 1
