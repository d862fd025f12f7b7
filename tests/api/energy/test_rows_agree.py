"""The API's rows and the chain's day, written apart, publish the same bytes for the same readings."""

from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest

from app.energy import audit, rows
from chain.town.energy import days, tables
from chain.town.energy.calendar import EUROPE_PARIS
from chain.town.energy.conventions import Cascade, Key, ProRata

DAYS = ("2026-03-29", "2026-07-01", "2026-10-25")


def make_day(random: Random, day: str, *, households: int, has_store: bool) -> rows.DayInput:
    columns = [tables.Column("cons", f"cons_{n}") for n in range(households)]
    columns += [tables.Column("prod", f"prod_{n}") for n in range(2)]
    if has_store:
        columns += [tables.Column("charge", "charge_s"), tables.Column("discharge", "discharge_s")]
    starts = days.DayInput("op", day, EUROPE_PARIS, 900, None, ProRata(), (), {}).starts  # type: ignore[arg-type] # only its calendar is asked
    energy = tuple(
        tuple(random.choice((0, 0, 17, 940)) for _ in columns) for _ in range(len(starts))
    )
    keys = tuple(sha256(f"{column.name} {day}".encode()).digest() for column in columns)
    readings = tables.Readings(900, starts[0], tuple(columns), energy)
    estimated = frozenset({(0, 3), (len(columns) - 1, 3), (1, 50)})
    return rows.DayInput("les-tilleuls", day, readings, keys, estimated)


def as_chain_day(day: rows.DayInput, key: Key, version: int) -> days.DayInput:
    roster = tables.roster_of(day.readings)
    assert not hasattr(roster, "code")
    names = [column.name for column in day.readings.columns]
    steps = tuple(
        days.StepReadings(
            tuple(row[names.index(name)] for name in roster.consumers),
            tuple(row[names.index(name)] for name in roster.producers),
            _estimated(day, roster.consumers, names, at),
            _estimated(day, roster.producers, names, at),
        )
        for at, row in enumerate(day.readings.rows)
    )
    keys = dict(zip(names, day.keys, strict=True))
    return days.DayInput(
        day.operation, day.day, EUROPE_PARIS, 900, roster, key, steps, keys, version, version
    )


def _estimated(day: rows.DayInput, columns: tuple[str, ...], names: list[str], at: int):
    return tuple(
        place for place, name in enumerate(columns) if (names.index(name), at) in day.estimated
    )


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize("households", [4, 6])
@pytest.mark.parametrize("day", DAYS)
def test_both_publish_the_same_day(day: str, households: int, has_store: bool) -> None:
    given = make_day(Random(f"{day}{households}"), day, households=households, has_store=has_store)
    takers = [c.name for c in given.readings.columns if c.side in ("cons", "charge")]
    for version, key in ((1, ProRata()), (2, Cascade((tuple(takers[:2]), tuple(takers[2:]))))):
        result = rows.allocate_day(given, key, version, households_min=5, households=households)
        assert isinstance(result, rows.DayResult), result
        chain_day = days.compute_day(as_chain_day(given, key, version))
        assert isinstance(chain_day, days.DayResult), chain_day
        assert rows.publish_readings(given, version) == chain_day.reading_steps
        assert result.published == chain_day.allocation_steps
        assert result.totals == chain_day.totals
        again = audit.recompute_day(
            given, key, readings_version=version, version=version, households_min=5
        )
        assert not again.flaw
        assert again.readings == chain_day.readings_root
        assert again.allocation == chain_day.root == rows.result_root(result)


def test_a_witness_does_not_repeat_a_slip_of_the_rows_that_were_published(monkeypatch) -> None:
    """The town's engine gives everybody one Wh more than metered; who recomputes goes another way."""
    given = make_day(Random("slip"), DAYS[1], households=6, has_store=False)

    def recompute() -> audit.Recomputed:
        return audit.recompute_day(
            given, ProRata(), readings_version=1, version=1, households_min=5
        )

    before = recompute()
    honest = rows.allocation_row

    def slip(head, column, key, metered_wh, shared_wh):
        return honest(head, column, key, metered_wh, shared_wh + 1)

    monkeypatch.setattr(rows, "allocation_row", slip)
    result = rows.allocate_day(given, ProRata(), 1, households_min=5, households=6)
    assert isinstance(result, rows.DayResult)
    assert rows.result_root(result) != before.allocation
    assert recompute() == before


def test_a_day_of_no_clock_is_no_day() -> None:
    given = make_day(Random("late"), DAYS[1], households=5, has_store=False)
    readings = replace(given.readings, start_s=given.readings.start_s + 900)
    late = replace(given, readings=readings)
    found = audit.recompute_day(late, ProRata(), readings_version=1, version=1, households_min=5)
    assert found.flaw.startswith("energy_day_refused")
    short = replace(given, readings=replace(given.readings, rows=given.readings.rows[:-1]))
    found = audit.recompute_day(short, ProRata(), readings_version=1, version=1, households_min=5)
    assert found.flaw.startswith("energy_time_gap")


def test_a_store_that_charges_hides_no_household() -> None:
    given = make_day(Random("quiet"), DAYS[1], households=5, has_store=True)
    quiet = tuple((9, 9, 9, 9, 0, 0, 0, 50, 0) for _ in given.readings.rows)
    readings = tables.Readings(900, given.readings.start_s, given.readings.columns, quiet)
    silent = rows.DayInput(given.operation, given.day, readings, given.keys)
    result = rows.allocate_day(silent, ProRata(), 1, households_min=5, households=5)
    assert isinstance(result, rows.DayResult)
    assert all(step.sums is None for step in result.published)
