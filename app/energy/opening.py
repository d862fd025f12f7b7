"""A member's own rows of a published day, each with salt and path under its step's root.

They come from what was kept when the day was shared, whatever became of the neighbours' readings since; days shared
before that was kept are computed again, as long as everybody's readings can be opened.
Reads: `energy_day`, `energy_day_version`, `energy_shared_day`, `energy_path_chunk`.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from app.core.codes import NOT_FOUND
from app.core.config import Config
from app.core.problems import Problem
from app.energy import paths, rows
from app.energy.codes import ENERGY_NOT_PUBLISHED
from app.energy.days import (
    compute,
    describe_transactions,
    find_day,
    find_version,
    is_published_result,
    own_columns,
    read_basis,
    read_input,
)
from app.energy.keys import MemberKeys, derive_day_key
from app.energy.models import DayRow, Operation
from app.energy.month import parse_day
from app.energy.readings import zone_of
from chain.codec.canonical import b64url_encode
from chain.town.energy import tables
from chain.town.energy.calendar import steps_of_day
from chain.town.energy_schemas import AllocationStep, ReadingStep
from chain.types.block import Proof

Path: TypeAlias = tuple[bytes, Proof]


@dataclass(frozen=True, slots=True)
class _Own:
    """One own column of a day: its figures and its rows' paths in both trees."""

    column: tables.Column
    share: paths.KeptShare
    readings: list[Path]
    allocation: list[Path]


def own_openings(
    config: Config, operation: Operation, day: str, account: str, households_min: int
) -> dict[str, Any]:
    """Every own row of a published day with salt and path, for readings and allocation, step by step."""
    row = find_day(operation.operation, day)
    if not row.version:
        raise Problem(ENERGY_NOT_PUBLISHED)
    columns = own_columns(operation.operation, day, account)
    if not columns:  # before anything is opened: a stranger costs nothing
        raise Problem(NOT_FOUND)
    basis = read_basis(row)
    own = _read_own(config, row, columns, account)
    if own is None:
        steps, is_reproduced = _recompute(config, operation, row, columns, households_min)
    else:
        key = derive_day_key(MemberKeys(config).salt_key(account), operation.operation, day)
        steps = _open_steps(operation, row, own, key, basis)
        is_reproduced = _lead_to_published(row, own, basis)
    return {
        "operation": operation.operation,
        "day": day,
        "version": row.version,
        "readings_version": basis,
        "count": row.count,
        "readings_root": row.readings,
        "allocation_root": row.root,
        **describe_transactions(row),
        "is_reproduced": is_reproduced,
        "steps": steps,
    }


def _read_own(config: Config, row: DayRow, columns: list[str], account: str) -> list[_Own] | None:
    """Own figures and paths as kept; None for a day shared before paths were."""
    keys, found = MemberKeys(config), []
    for name in columns:
        share = paths.open_share(keys, row, name, account)
        if not share.allocation_places:
            return None
        readings = paths.read_paths(row, "readings", share.reading_places, row.count)
        allocation = paths.read_paths(row, "allocation", share.allocation_places, row.count)
        if readings is None or allocation is None:
            return None
        column = tables.Column(name.partition("_")[0], name)
        found.append(_Own(column, share, readings, allocation))
    return found


def _open_steps(
    operation: Operation, row: DayRow, own: list[_Own], key: bytes, basis: int
) -> list[dict[str, Any]]:
    starts = steps_of_day(zone_of(operation.zone), parse_day(row.day), operation.step_s)
    steps = []
    for at, start_s in enumerate(starts):
        shown: dict[str, Any] = {"readings": [], "allocation": []}
        for one in own:
            metered_wh, shared_wh = one.share.metered_wh[at], one.share.shared_wh[at]
            reading = rows.reading_row(
                (row.operation, start_s, basis),
                one.column,
                key,
                metered_wh,
                is_estimated=at in one.share.estimated,
            )
            result = rows.allocation_row(
                (row.operation, start_s, row.version), one.column, key, metered_wh, shared_wh
            )
            shown["readings"].append(rows.show_opening(reading, one.readings[at][1]))
            shown["allocation"].append(rows.show_opening(result, one.allocation[at][1]))
        steps.append(shown)
    return steps


def _lead_to_published(row: DayRow, own: list[_Own], basis: int) -> bool:
    """Whether every path leads to the root that the chain holds for its step."""
    read = find_version(row, "readings", basis)
    allocated = find_version(row, "allocation", row.version)
    readings = [s.root for s in msgspec.json.decode(read.roots, type=tuple[ReadingStep, ...])]
    results = [
        s.root for s in msgspec.json.decode(allocated.roots, type=tuple[AllocationStep, ...])
    ]
    return all(
        [b64url_encode(root) for root, _ in found] == published
        for one in own
        for found, published in ((one.readings, readings), (one.allocation, results))
    )


def _recompute(
    config: Config, operation: Operation, row: DayRow, columns: list[str], households_min: int
) -> tuple[list[dict[str, Any]], bool]:
    """The whole day again, for the sake of a few rows; raises Problem when somebody's readings are gone."""
    points = frozenset(name.partition("_")[2] for name in columns)
    basis = read_basis(row)
    loaded, convention = read_input(config, operation, row.day, basis)
    result = compute(loaded, convention, row.version, households_min)
    steps = []
    for at, (step, shared) in enumerate(zip(result.steps, result.allocations, strict=True)):
        _, readings = rows.open_rows(rows.reading_rows(loaded, at, basis), points)
        salted = rows.allocation_rows(loaded, at, step, shared, row.version)
        steps.append({"readings": readings, "allocation": rows.open_rows(salted, points)[1]})
    return steps, is_published_result(row, result)
