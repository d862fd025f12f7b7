"""`beffroi energy`: the pure functions of shared energy on files: allocate, clear, import, export, reconcile.

Reads: the files named on the command line.  Writes: the terminal, and the files named by --out.
Never: the network, a town's state. A refused file writes nothing.
Exit 0: done. 1: refused, with the code. 2: a file cannot be read or written.
"""

import sys
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click

from app.cli.energy_terminal import (
    EXIT_REFUSED,
    accept,
    make_folder,
    parse_zone,
    progress,
    read_file,
    read_table,
    say,
    write_file,
)
from chain.town.energy import calendar, coefficients, enedis, enedis_sge, market, tables
from chain.town.energy.conventions import Key, ProRata, decode_key, hash_key
from chain.town.energy.keys import ENGINE, Plan, allocate, prepare
from chain.town.energy.rounding import rank_by_hash
from chain.town.energy.steps import Allocation, Step, check_law

K_HALVES: Final = {"0": 0, "1/2": 1, "1": 2}
PARSERS: Final = {
    "curve": enedis.parse_load_curve,
    "dataconnect": enedis.parse_dataconnect,
    "sge": enedis.parse_sge,
    "sge_csv": enedis_sge.parse_sge_csv,
}
PPM: Final = 1_000_000

_json_option = click.option(
    "--json", "is_json", is_flag=True, help="One JSON object instead of text."
)
_step_option = click.option(
    "--step", "step_s", type=click.Choice(["900", "1800"]), default="900", help="Measuring step, s."
)
_zone_option = click.option(
    "--zone", default="Europe/Paris", help="Clock of local times: Europe/Paris, UTC or ±HH:MM."
)
_key_option = click.option(
    "--key", "key_path", type=click.Path(path_type=Path), help="Key as JSON; pro rata when absent."
)
_operation_option = click.option(
    "--operation", default="operation", help="Name that breaks ties, as in the convention."
)
_readings = click.argument("readings", type=click.Path(path_type=Path))


@click.group()
def energy() -> None:
    """Shared energy, recomputed from files by anybody."""


# --- allocate ------------------------------------------------------------------------------------


@energy.command("allocate")
@_readings
@_key_option
@_operation_option
@_step_option
@_zone_option
@click.option("--out", type=click.Path(path_type=Path), help="Table of AUTOCONS and AUTOPROD.")
@_json_option
def allocate_command(
    readings: Path,
    key_path: Path | None,
    operation: str,
    step_s: str,
    zone: str,
    out: Path | None,
    is_json: bool,
) -> None:
    """Share the production of READINGS (a table of Wh per step) by a key, and check the law on every step."""
    table = read_table(readings, step_s, zone, is_json)
    key, plan, steps = _prepared(table, key_path, operation, is_json)
    results = _allocate_all(plan, steps, is_json)
    if out is not None:
        write_file(out, tables.format_readings(_result_table(table, plan, results)), is_json)
    say(_summary(operation, key, plan, steps, results), is_json)


def _prepared(
    table: tables.Readings, key_path: Path | None, operation: str, is_json: bool
) -> tuple[Key, Plan, list[Step]]:
    key: Key = ProRata()
    if key_path is not None:
        key = accept(decode_key(read_file(key_path, is_json)), is_json)
    roster = accept(tables.roster_of(table), is_json)
    plan = accept(prepare(key, roster), is_json)
    return key, plan, list(tables.steps_of(table, operation, {}))


def _allocate_all(plan: Plan, steps: Sequence[Step], is_json: bool) -> list[Allocation]:
    results = []
    with progress(is_json) as track:
        for step in track(steps, "allocating"):
            result = accept(allocate(plan, step), is_json)
            accept(check_law(plan.roster, step, result), is_json)
            results.append(result)
    return results


def _result_table(
    table: tables.Readings, plan: Plan, results: Sequence[Allocation]
) -> tables.Readings:
    columns = [
        tables.Column(side, f"{side}_{name.partition('_')[2] or name}")
        for side, names in (
            ("autocons", plan.roster.consumers),
            ("autoprod", plan.roster.producers),
        )
        for name in names
    ]
    rows = tuple((*result.autocons_wh, *result.autoprod_wh) for result in results)
    return tables.Readings(table.step_s, table.start_s, tuple(columns), rows)


def _summary(
    operation: str, key: Key, plan: Plan, steps: Sequence[Step], results: Sequence[Allocation]
) -> dict[str, Any]:
    produced = sum(sum(step.prod_wh) for step in steps)
    consumed = sum(sum(step.cons_wh) for step in steps)
    allocated = sum(sum(result.autocons_wh) for result in results)
    takers = _members(
        plan.roster.consumers, [s.cons_wh for s in steps], [r.autocons_wh for r in results]
    )
    givers = _members(
        plan.roster.producers, [s.prod_wh for s in steps], [r.autoprod_wh for r in results]
    )
    return {
        "verdict": "ok",
        "engine": ENGINE,
        "operation": operation,
        "key_hash": hash_key(key).hex(),
        "steps": len(steps),
        "scarce_steps": sum(0 < sum(s.prod_wh) < sum(s.cons_wh) for s in steps),
        "produced_wh": produced,
        "consumed_wh": consumed,
        "allocated_wh": allocated,
        "surplus_wh": produced - allocated,
        "self_consumption_ppm": allocated * PPM // produced if produced else 0,
        "coverage_ppm": allocated * PPM // consumed if consumed else 0,
        "consumers": takers,
        "producers": givers,
    }


def _members(
    names: Iterable[str], metered: Iterable[Sequence[int]], shared: Iterable[Sequence[int]]
) -> dict[str, dict[str, int]]:
    totals = zip(
        names,
        map(sum, zip(*metered, strict=True)),
        map(sum, zip(*shared, strict=True)),
        strict=True,
    )
    return {name: {"metered_wh": m, "shared_wh": s, "rest_wh": m - s} for name, m, s in totals}


# --- clear ---------------------------------------------------------------------------------------


@energy.command("clear")
@click.argument("orders", type=click.Path(path_type=Path))
@click.option(
    "--k",
    type=click.Choice(list(K_HALVES)),
    default="1/2",
    help="Price between last offer (0) and bid (1).",
)
@click.option("--pay-as-bid", is_flag=True, help="Each pair at its own price instead of one price.")
@click.option("--out", type=click.Path(path_type=Path), help="Trades as CSV.")
@_json_option
def clear_command(orders: Path, k: str, pay_as_bid: bool, out: Path | None, is_json: bool) -> None:
    """Clear one order book (CSV): the largest volume that can trade, at one price or pair by pair."""
    book = accept(tables.parse_orders(read_file(orders, is_json)), is_json)
    pricing: market.Pricing = "pay_as_bid" if pay_as_bid else "uniform"
    outcome = accept(market.clear(book, k_halves=K_HALVES[k], pricing=pricing), is_json)
    if out is not None:
        lines = ["bid_id,offer_id,energy_wh,price_micro_eur"]
        lines += [
            f"{t.bid.order_id},{t.offer.order_id},{t.energy_wh},{t.price_micro_eur}"
            for t in outcome.trades
        ]
        write_file(out, "\n".join((*lines, "")), is_json)
    say(
        {
            "verdict": "ok",
            "engine": ENGINE,
            "orders": len(book),
            "volume_wh": outcome.volume_wh,
            "price_micro_eur": outcome.price_micro_eur,
            "last_bid_micro_eur": outcome.last_bid_micro_eur,
            "last_offer_micro_eur": outcome.last_offer_micro_eur,
            "trades": len(outcome.trades),
            "value_nano_eur": sum(t.energy_wh * t.price_micro_eur for t in outcome.trades),
            "open_bids": len(outcome.open_bids),
            "open_offers": len(outcome.open_offers),
        },
        is_json,
    )


# --- import --------------------------------------------------------------------------------------


@energy.command("import")
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--format", "form", type=click.Choice(list(PARSERS)), default="curve", help="Form of the files."
)
@click.option(
    "--label",
    type=click.Choice(["start", "end"]),
    required=True,
    help="What a time marks: files do not say.",
)
@click.option("--unit", type=click.Choice(["W", "kW", "Wh", "kWh"]), default="W")
@_step_option
@click.option(
    "--source-step",
    "source_step_s",
    type=click.Choice(["600", "900", "1800"]),
    help="Step of the files, s.",
)
@_zone_option
@click.option("--year", type=int, help="Year of the first row, for times without one.")
@click.option(
    "--missing-zero", is_flag=True, help="Take an absent value as 0 Wh, and say so; else refuse."
)
@click.option(
    "--expected-wh", type=int, help="Energy of one file by its indexes, to catch a wrong unit."
)
@click.option("--out", type=click.Path(path_type=Path), help="Table of Wh per step.")
@_json_option
def import_command(
    sources: tuple[str, ...],
    form: str,
    label: str,
    unit: str,
    step_s: str,
    source_step_s: str | None,
    zone: str,
    year: int | None,
    missing_zero: bool,
    expected_wh: int | None,
    out: Path | None,
    is_json: bool,
) -> None:
    """Read meter files given as SIDE:PRM:FILE (side cons or prod) into one table; all of them, or nothing."""
    if expected_wh is not None and len(sources) > 1:
        raise click.UsageError("--expected-wh is for one file")
    curves: list[enedis.Curve] = []
    seen: set[bytes] = set()
    with progress(is_json) as track:
        for source in track(sources, "reading"):
            side, point, path = _source(source)
            raw = read_file(path, is_json)
            accept(enedis.check_fresh(raw, seen), is_json, path.name)
            seen.add(sha256(raw).digest())
            spec = enedis.CurveSpec(
                point=point,
                side=side,
                step_s=int(step_s),
                label="end" if label == "end" else "start",
                unit=unit,  # type: ignore[arg-type] # one of the choices above
                source_step_s=int(source_step_s or 0),
                zone=parse_zone(zone),
                year=year,
                is_missing_zero=missing_zero,
                expected_wh=expected_wh,
            )
            curves.append(accept(PARSERS[form](raw, spec), is_json, path.name))
    table = accept(enedis.join_curves(curves), is_json)
    if out is not None:
        write_file(out, tables.format_readings(table), is_json)
    say(
        {
            "verdict": "ok",
            "points": len(curves),
            "steps": len(table.rows),
            "first_utc": calendar.format_utc(table.start_s),
            "end_utc": calendar.format_utc(table.starts.stop),
            "total_wh": {curve.column.name: sum(curve.energy_wh) for curve in curves},
            "missing": {c.column.name: len(c.missing) for c in curves if c.missing},
        },
        is_json,
    )


def _source(text: str) -> tuple[enedis.CurveSide, str, Path]:
    side, _, rest = text.partition(":")
    point, _, path = rest.partition(":")
    if side not in ("cons", "prod") or not path:
        raise click.UsageError(f"{text}: expected cons:PRM:FILE or prod:PRM:FILE")
    return ("cons" if side == "cons" else "prod"), point, Path(path)


# --- export --------------------------------------------------------------------------------------


@energy.command("export")
@_readings
@_key_option
@_operation_option
@_step_option
@_zone_option
@click.option("--decimals", type=click.IntRange(0, 9), default=1, help="Decimals of a percentage.")
@click.option("--label", type=click.Choice(["start", "end"]), default="start")
@click.option(
    "--points",
    "points_path",
    type=click.Path(path_type=Path),
    help="CSV column,prm, for other names.",
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of one CSV per producer.",
)
@_json_option
def export_command(
    readings: Path,
    key_path: Path | None,
    operation: str,
    step_s: str,
    zone: str,
    decimals: int,
    label: str,
    points_path: Path | None,
    folder: Path,
    is_json: bool,
) -> None:
    """Write the coefficients of READINGS for the grid operator, and predict what he will make of them."""
    table = read_table(readings, step_s, zone, is_json)
    _, plan, steps = _prepared(table, key_path, operation, is_json)
    prms = _prms(points_path, is_json)
    consumers = [prms.get(name, name.partition("_")[2]) for name in plan.roster.consumers]
    producers = [prms.get(name, name.partition("_")[2]) for name in plan.roster.producers]
    accept(coefficients.check_export(consumers, producers, decimals), is_json)
    results = _allocate_all(plan, steps, is_json)
    rows, differences = _coefficients(plan, steps, results, decimals, is_json)
    files = {}
    for producer, producer_rows in zip(producers, rows, strict=True):
        file = coefficients.CoefficientFile(tuple(consumers), decimals, tuple(producer_rows))
        text = coefficients.format_coefficients(
            file,
            zone=parse_zone(zone),
            step_s=table.step_s,
            label="end" if label == "end" else "start",
        )
        files[producer] = text
    make_folder(folder, is_json)
    for name, text in files.items():
        write_file(folder / f"{name}.csv", text, is_json)
    allocated = sum(sum(result.autocons_wh) for result in results)
    say(
        {
            "verdict": "ok",
            "engine": ENGINE,
            "decimals": decimals,
            "files": {
                f"{name}.csv": sha256(text.encode()).hexdigest() for name, text in files.items()
            },
            "steps": len(steps),
            "allocated_wh": allocated,
            "predicted_wh": allocated + sum(differences),
            "predicted_loss_wh": -sum(differences),
            "worst_difference_wh": max(map(abs, differences), default=0),
        },
        is_json,
    )


def _coefficients(
    plan: Plan,
    steps: Sequence[Step],
    results: Sequence[Allocation],
    decimals: int,
    is_json: bool,
) -> tuple[list[list[coefficients.CoefficientRow]], list[int]]:
    """Rows per producer, and the operator's predicted result less ours per consumer and step."""
    rows: list[list[coefficients.CoefficientRow]] = [[] for _ in plan.roster.producers]
    differences: list[int] = []
    with progress(is_json) as track:
        for step, result in track(list(zip(steps, results, strict=True)), "coefficients"):
            rank = rank_by_hash(step.operation, step.start_s, plan.roster.consumers)
            units = coefficients.compute_step_units(step, result, decimals, rank)
            predicted = coefficients.predict_dso(units, step.cons_wh, step.prod_wh, decimals)
            pairs = zip(predicted, result.autocons_wh, strict=True)
            differences.extend(theirs - ours for theirs, ours in pairs)
            for producer, row in zip(rows, units, strict=True):
                producer.append(coefficients.CoefficientRow(step.start_s, row))
    return rows, differences


def _prms(path: Path | None, is_json: bool) -> dict[str, str]:
    """Column name (without unit) to PRM."""
    if path is None:
        return {}
    text = accept(tables.decode_text(read_file(path, is_json)), is_json)
    pairs = [line.strip().split(",") for line in text.splitlines() if line.strip()]
    if any(len(pair) != 2 for pair in pairs) or pairs[:1] != [["column", "prm"]]:
        raise click.UsageError(f"{path}: the header is column,prm")
    return {column.removesuffix("_Wh"): prm for column, prm in pairs[1:]}


# --- reconcile -----------------------------------------------------------------------------------


@energy.command("reconcile")
@click.argument("own", type=click.Path(path_type=Path))
@click.argument("operator", type=click.Path(path_type=Path))
@_step_option
@click.option(
    "--per-step-wh", type=click.IntRange(0), default=1, help="Tolerance per step and point."
)
@_json_option
def reconcile_command(
    own: Path, operator: Path, step_s: str, per_step_wh: int, is_json: bool
) -> None:
    """Compare AUTOCONS of OWN (allocate --out) with the OPERATOR's table of that form; 1 when a correction is due."""
    ours, theirs = (read_table(path, step_s, "UTC", is_json) for path in (own, operator))
    if ours.starts != theirs.starts:
        raise click.UsageError("the two tables cover different steps")
    outcome = accept(
        coefficients.compare_with_dso(
            _autocons(ours), _autocons(theirs), steps_count=len(ours.rows), per_step_wh=per_step_wh
        ),
        is_json,
    )
    flaw = coefficients.check_reconciled(outcome)
    shown = {
        "verdict": "ok" if flaw is None else "refused",
        "tolerance_wh": outcome.tolerance_wh,
        "differences_wh": dict(outcome.differences_wh),
        "beyond": list(outcome.beyond),
    }
    say(shown if flaw is None else shown | {"code": flaw.code.name, "detail": flaw.detail}, is_json)
    sys.exit(0 if flaw is None else EXIT_REFUSED)


def _autocons(table: tables.Readings) -> dict[str, int]:
    totals = map(sum, zip(*table.rows, strict=True))
    pairs = zip(table.columns, totals, strict=True)
    return {column.name: total for column, total in pairs if column.side == "autocons"}
