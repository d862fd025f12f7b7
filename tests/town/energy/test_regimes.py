"""Perimeter and power: the figures of each text, on the last day before and the first day after it changed."""

from itertools import pairwise
from random import Random

import pytest

from chain.town.energy.geometry import MICRODEGREES, Place, compute_distance_m, compute_extent
from chain.town.energy.regimes import (
    MW,
    REGIMES,
    Operation,
    Plant,
    Point,
    check_operation,
    find_regimes,
)

LYON = Place(45_764_043, 4_835_659)
PARIS = Place(48_856_613, 2_352_222)
METRE_MICRODEG = 9
"""About one metre of latitude."""


def north(metres: int, **marks) -> Point:
    """A point this far north of the first; a degree of latitude on the sphere is 111 195 m."""
    return Point(
        f"n{metres}", Place(45_000_000 + metres * MICRODEGREES // 111_195, 5_000_000), **marks
    )


def operation(distance_m: int, power_w: int = 100_000, **terms) -> Operation:
    marks = terms.pop("marks", {})
    points = (north(0, **marks), north(distance_m // 2, **marks), north(distance_m, **marks))
    return Operation(points, (Plant("pv", power_w),), **terms)


def verdict(case: Operation, regime: str, day: str) -> str:
    flaw = check_operation(case, regime, day)
    return "ok" if flaw is None else flaw.code.name


def test_lyon_is_391_km_from_paris() -> None:
    assert compute_distance_m(LYON, PARIS) == compute_distance_m(PARIS, LYON) == 391_495


def test_distances_hold_across_the_date_line_and_at_the_poles() -> None:
    west, east = Place(0, 179_999_000), Place(0, -179_999_000)
    assert compute_distance_m(west, east) == 223
    pole = 90 * MICRODEGREES
    assert compute_distance_m(Place(pole, 0), Place(pole, 90 * MICRODEGREES)) <= 1
    assert compute_distance_m(Place(pole, 0), Place(-pole, 0)) == 20_015_115


def test_the_extent_of_many_points_is_that_of_every_pair_tried() -> None:
    random = Random(8)
    for _ in range(20):
        places = [
            Place(
                45_000_000 + random.randint(-99_999, 99_999), 5_000_000 + random.randint(-9, 99_999)
            )
            for _ in range(random.randint(2, 25))
        ]
        longest = max(compute_distance_m(a, b) for a in places for b in places)
        extent = compute_extent(places)
        assert extent.distance_m == longest
        assert compute_distance_m(places[extent.first], places[extent.second]) == longest


@pytest.mark.parametrize(
    ("regime", "marks", "limit_m"),
    [
        ("standard", {}, 2_000),
        ("periurban", {"density": "periurban"}, 10_000),
        ("rural", {"density": "rural"}, 20_000),
    ],
)
def test_the_distance_of_each_regime_is_kept_to_the_metre(regime, marks, limit_m) -> None:
    day = "2026-06-01"
    assert verdict(operation(limit_m - 2, marks=marks), regime, day) == "ok"
    assert verdict(operation(limit_m + 2, marks=marks), regime, day) == "energy_outside_perimeter"


@pytest.mark.parametrize(
    ("day", "power_w", "expected"),
    [
        ("2025-03-05", 3 * MW - 1, "ok"),
        ("2025-03-05", 3 * MW, "energy_power_exceeds"),
        ("2025-03-06", 3 * MW, "ok"),
        ("2025-03-06", 5 * MW - 1, "ok"),
        ("2025-03-06", 5 * MW, "energy_power_exceeds"),
        ("2019-11-24", 1, "energy_regime_unknown"),
        ("2019-11-25", 1, "ok"),
    ],
)
def test_power_stays_below_the_cap_of_the_day(day: str, power_w: int, expected: str) -> None:
    assert verdict(operation(100, power_w), "standard", day) == expected


def test_an_isolated_zone_keeps_its_own_cap() -> None:
    case = operation(100, MW // 2, territory="isolated")
    assert verdict(case, "standard", "2026-01-01") == "energy_power_exceeds"


def test_ten_megawatts_need_a_commune_public_bodies_and_one_grouping() -> None:
    marks = {"is_public_body": True, "epci": "200046977"}
    town = operation(30_000, 9 * MW, has_commune=True, marks=marks)
    day = "2025-03-06"
    assert verdict(town, "epci", day) == "ok"
    assert verdict(town, "epci", "2025-03-05") == "energy_regime_unknown"
    over = operation(30_000, 10 * MW, has_commune=True, marks=marks)
    assert verdict(over, "epci", day) == "energy_power_exceeds"
    alone = operation(30_000, 9 * MW, marks=marks)
    assert verdict(alone, "epci", day) == "energy_regime_condition"
    private = operation(30_000, 9 * MW, has_commune=True, marks={"epci": "200046977"})
    assert verdict(private, "epci", day) == "energy_regime_condition"
    astray = Operation(
        (*town.points, north(5, is_public_body=True, epci="999999999")),
        town.plants,
        has_commune=True,
    )
    assert verdict(astray, "epci", day) == "energy_outside_perimeter"


def test_other_regimes_ask_for_their_conditions() -> None:
    day = "2026-01-01"
    assert verdict(operation(100), "rural", day) == "energy_regime_condition"
    assert verdict(operation(100), "periurban", day) == "energy_regime_condition"
    assert verdict(operation(100), "building", day) == "energy_regime_condition"
    assert verdict(operation(100, marks={"building": "A"}), "building", day) == "ok"
    assert verdict(operation(15_000), "derogation", day) == "energy_regime_condition"
    assert verdict(operation(15_000, derogation="NOR X"), "derogation", day) == "ok"
    assert verdict(operation(100), "galaxy", day) == "energy_regime_unknown"
    lost = Operation((Point("x", Place(91 * MICRODEGREES, 0)),), ())
    assert verdict(lost, "standard", day) == "energy_regime_condition"


def test_a_small_rural_operation_may_choose_among_regimes() -> None:
    assert find_regimes(operation(1_500, marks={"density": "rural"}), "2026-01-01") == (
        "standard",
        "periurban",
        "rural",
    )


def test_the_rows_of_one_regime_follow_each_other_without_overlap() -> None:
    for name in {regime.name for regime in REGIMES}:
        rows = [regime for regime in REGIMES if regime.name == name]
        for row in rows:
            assert row.from_day < row.until_day
            assert row.source
        assert all(a.until_day == b.from_day for a, b in pairwise(rows))
