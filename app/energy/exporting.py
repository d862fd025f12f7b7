"""The grid operator's files: coefficients out with his predicted result, his result in with the difference.

Reads: published days.  Writes: `energy_reconciled`.  Never: a coefficient on the chain, only a hash of the files.
"""

from hashlib import sha256
from typing import Any

from app.core.config import Config
from app.core.database import insert_row, write
from app.core.problems import Problem
from app.energy.codes import ENERGY_NOT_PUBLISHED
from app.energy.days import compute, find_day, read_basis, read_input
from app.energy.keys import MemberKeys
from app.energy.members import find_convention, find_member
from app.energy.models import Operation, PointRow, Reconciled, SharedDay
from app.energy.month import format_day, parse_day
from app.energy.paths import open_file
from app.energy.readings import accept, find_point, zone_of
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.town.energy import coefficients, tables
from chain.town.energy.refusals import Refused
from chain.town.energy.rounding import rank_by_hash
from chain.types.codes import ENERGY_FILE_MALFORMED


def export_coefficients(
    config: Config, operation: Operation, first: str, last: str, *, households_min: int
) -> dict[str, Any]:
    """One CSV per producer over a run of published days; raises Problem when a day is not published."""
    convention, _ = find_convention(operation.operation, last)
    rows: dict[str, list[coefficients.CoefficientRow]] = {}
    prms: tuple[str, ...] = ()
    shared = predicted = worst = 0
    for number in range(parse_day(first), parse_day(last) + 1):
        row = find_day(operation.operation, format_day(number))
        if not row.version:
            raise Problem(ENERGY_NOT_PUBLISHED)
        loaded, in_force = read_input(config, operation, row.day, read_basis(row))
        result = compute(loaded, in_force, row.version, households_min)
        roster = tables.roster_of(loaded.readings)
        assert not isinstance(roster, Refused), "the day was computed"
        takers = find_prms(config, operation.operation, roster.consumers)
        givers = find_prms(config, operation.operation, roster.producers)
        if prms and prms != takers:
            raise Problem(ENERGY_FILE_MALFORMED, f"members changed on {row.day}: export up to it")
        prms = takers
        _check(coefficients.check_export(takers, givers, convention.decimals))
        for step, allocated in zip(result.steps, result.allocations, strict=True):
            rank = rank_by_hash(step.operation, step.start_s, roster.consumers)
            units = coefficients.compute_step_units(step, allocated, convention.decimals, rank)
            theirs = coefficients.predict_dso(
                units, step.cons_wh, step.prod_wh, convention.decimals
            )
            shared += sum(allocated.autocons_wh)
            predicted += sum(theirs)
            pairs = zip(theirs, allocated.autocons_wh, strict=True)
            worst = max(worst, *(abs(their - own) for their, own in pairs))
            for giver, unit in zip(givers, units, strict=True):
                rows.setdefault(giver, []).append(coefficients.CoefficientRow(step.start_s, unit))
    files = {
        f"{giver}.csv": coefficients.format_coefficients(
            coefficients.CoefficientFile(prms, convention.decimals, tuple(lines)),
            zone=zone_of(operation.zone),
            step_s=operation.step_s,
        )
        for giver, lines in rows.items()
    }
    return {
        "files": files,
        "coefficients": hash_files(files),
        "decimals": convention.decimals,
        "shared_wh": shared,
        "predicted_wh": predicted,
        "predicted_loss_wh": shared - predicted,
        "worst_difference_wh": worst,
    }


def hash_files(files: dict[str, str]) -> str:
    """SHA-256, base64url, of canonical [[SHA-256 of each file in hex]…] in order: names (PRMs) are left out."""
    digests = sorted(sha256(text.encode()).hexdigest() for text in files.values())
    return b64url_encode(sha256(encode_canonical(digests)).digest())


def find_prms(config: Config, operation: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """PRMs of columns, from what their members sent."""
    found = []
    for name in names:
        point = PointRow.get(
            (PointRow.operation == operation) & (PointRow.name == name.partition("_")[2])
        )
        opening = find_member(config, operation, point.account)
        assert opening is not None, "a member sent what opens his points"
        found.append(opening.points[point.point].prm)
    return tuple(found)


def _check(flaw: Refused | None) -> None:
    if flaw is not None:
        raise Problem(flaw.code, flaw.detail[:60])


def reconcile(
    config: Config, operation: Operation, args: dict[str, Any], *, now_s: int
) -> dict[str, Any]:
    """Compare the operator's AUTOCONS with ours per point over a run of days, and keep sums of the comparison."""
    table = accept(
        tables.parse_readings(
            args["content"],
            step_s=operation.step_s,
            zone=zone_of(operation.zone),
            label=args["label"],
        ),
        1,
    )
    theirs = {}
    for column, values in zip(table.columns, zip(*table.rows, strict=True), strict=True):
        if column.side != "autocons":
            raise Problem(ENERGY_FILE_MALFORMED, "file 1: columns are autocons_<PRM>_Wh")
        theirs[find_point(config, operation.operation, column.point, 1).name] = sum(values)
    ours = _shared(config, operation.operation, args["first"], args["last"])
    convention, _ = find_convention(operation.operation, args["last"])
    found = coefficients.compare_with_dso(
        ours,
        theirs,
        steps_count=len(table.rows),
        per_step_wh=convention.tolerance_wh_per_step,
    )
    if isinstance(found, Refused):
        raise Problem(found.code, found.detail)
    difference = sum(abs(wh) for _, wh in found.differences_wh)
    digest = b64url_encode(sha256(args["content"].encode()).digest())
    row = {
        "operation": operation.operation,
        "first_day": args["first"],
        "last_day": args["last"],
        "digest": digest,
        "difference_wh": difference,
        "beyond": len(found.beyond),
        "tolerance_wh": found.tolerance_wh,
        "at": now_s,
    }
    with write():
        insert_row(Reconciled, row, is_new=False)
    return {
        "differences_wh": dict(found.differences_wh),
        "difference_wh": difference,
        "tolerance_wh": found.tolerance_wh,
        "beyond": list(found.beyond),
        "dso": digest,
    }


def _shared(config: Config, operation: str, first: str, last: str) -> dict[str, int]:
    """Wh that each consuming point got over published days, by point name."""
    keys, total = MemberKeys(config), {}
    for number in range(parse_day(first), parse_day(last) + 1):
        row = find_day(operation, format_day(number))
        if not row.version:
            raise Problem(ENERGY_NOT_PUBLISHED)
        files = SharedDay.select().where(
            (SharedDay.operation == operation)
            & (SharedDay.day == row.day)
            & (SharedDay.version == row.version)
        )
        for file in files:
            side, _, name = file.series.partition("_")
            if side in ("cons", "charge"):
                shared_wh = open_file(keys, file).shared_wh
                total[name] = total.get(name, 0) + sum(shared_wh)
    return total
