"""Perimeter and power of a collective self-consumption, as dated data with their sources, and the checks.

Legal texts move (the articles are being renumbered from L315-2 to L448-2), so each row says from when until when it
holds and where it was read; a check always names a day. Rows must be compared with Légifrance before a real
operation starts.  Distances are great circles between delivery points, power is the sum of peak powers and must stay
below the cap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from chain.town.energy.geometry import Place, compute_extent, is_place
from chain.town.energy.refusals import Refused
from chain.types.codes import (
    ENERGY_OUTSIDE_PERIMETER,
    ENERGY_POWER_EXCEEDS,
    ENERGY_REGIME_CONDITION,
    ENERGY_REGIME_UNKNOWN,
)

RegimeName: TypeAlias = Literal["building", "standard", "derogation", "periurban", "rural", "epci"]
Density: TypeAlias = Literal["urban", "periurban", "rural"]
"""Class of the commune in INSEE's density grid."""
Territory: TypeAlias = Literal["mainland", "isolated"]
"""Isolated: a zone not connected to the mainland network."""

KM: Final = 1_000
MW: Final = 1_000_000
FOREVER: Final = "9999-12-31"


class Point(NamedTuple):
    """A delivery or injection point, with what the rules ask of it; texts are empty where they do not matter."""

    name: str
    place: Place
    density: Density = "urban"
    epci: str = ""
    """SIREN of the grouping of communes it lies in."""
    building: str = ""
    is_public_body: bool = False
    """Its holder provides a public service or is a local semi-public company."""


class Plant(NamedTuple):
    """A plant and its peak power; photovoltaics count in peak watts."""

    name: str
    peak_w: int


@dataclass(frozen=True, slots=True)
class Regime:
    """One rule in force from `from_day` to the day before `until_day` (ISO dates)."""

    name: RegimeName
    from_day: str
    until_day: str
    distance_max_m: int | None
    power_below_w: int | None
    power_isolated_below_w: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What is judged: points, plants, and what the declaration says."""

    points: tuple[Point, ...]
    plants: tuple[Plant, ...]
    territory: Territory = "mainland"
    has_commune: bool = False
    """The commune or its grouping takes part."""
    derogation: str = ""
    """Reference of the minister's individual decision."""


_A2019: Final = "arrêté du 21 novembre 2019 (JO 24 novembre 2019)"
_A2020: Final = "arrêté du 14 octobre 2020"
_A2023: Final = "arrêté du 19 septembre 2023"
_A2025: Final = "arrêté du 21 février 2025 (JO 5 mars 2025)"
_D2019: Final = "2019-11-25"
_D2020: Final = "2020-10-14"
_D2023: Final = "2023-09-19"
_D2025: Final = "2025-03-06"
"""First days: the day after publication where the Journal officiel's date is known, else the text's own."""


def _until_now(
    name: RegimeName, from_day: str, distance_max_m: int, source: str
) -> tuple[Regime, Regime]:
    """A distance rule under the power cap of 3 MW, then of 5 MW from 2025 on; isolated zones keep 0.5 MW."""
    return (
        Regime(name, from_day, _D2025, distance_max_m, 3 * MW, MW // 2, source),
        Regime(
            name,
            _D2025,
            FOREVER,
            distance_max_m,
            5 * MW,
            MW // 2,
            f"{source} ; puissance : {_A2025}",
        ),
    )


REGIMES: Final[tuple[Regime, ...]] = (
    Regime("building", _D2019, FOREVER, None, None, None, "code de l'énergie, L315-2"),
    *_until_now("standard", _D2019, 2 * KM, _A2019),
    *_until_now("derogation", _D2020, 20 * KM, _A2020),
    *_until_now("periurban", _D2023, 10 * KM, _A2023),
    *_until_now("rural", _D2023, 20 * KM, _A2023),
    Regime("epci", _D2025, FOREVER, None, 10 * MW, None, _A2025),
)


def find_regime(name: str, day: str) -> Regime | Refused:
    """The rule of this name in force on a day (YYYY-MM-DD)."""
    for regime in REGIMES:
        if regime.name == name and regime.from_day <= day < regime.until_day:
            return regime
    return Refused(ENERGY_REGIME_UNKNOWN, f"{name} on {day}")


def check_operation(operation: Operation, name: str, day: str) -> Refused | None:
    """Whether an operation may exist under this regime on this day; the first obstacle otherwise."""
    regime = find_regime(name, day)
    if isinstance(regime, Refused):
        return regime
    return (
        _check_conditions(operation, regime)
        or _check_distance(operation.points, regime)
        or _check_power(operation, regime)
    )


def find_regimes(operation: Operation, day: str) -> tuple[RegimeName, ...]:
    """Names of all regimes the operation may choose on a day."""
    names = dict.fromkeys(regime.name for regime in REGIMES)
    return tuple(name for name in names if check_operation(operation, name, day) is None)


def _check_conditions(operation: Operation, regime: Regime) -> Refused | None:
    points = operation.points
    astray = [point.name for point in points if not is_place(point.place)]
    if astray:
        return Refused(ENERGY_REGIME_CONDITION, f"{astray[0]} is not on the globe")
    if regime.name == "epci":
        return _check_epci(operation)
    buildings = {point.building for point in points}
    conditions: dict[RegimeName, tuple[bool, str]] = {
        "building": (len(buildings) <= 1 and "" not in buildings, "one and the same building"),
        "derogation": (bool(operation.derogation), "the minister's decision"),
        "periurban": (_all_of(points, ("periurban", "rural")), "no point in an urban commune"),
        "rural": (_all_of(points, ("rural",)), "all points in rural communes"),
    }
    holds, why = conditions.get(regime.name, (True, ""))
    return None if holds else Refused(ENERGY_REGIME_CONDITION, f"{regime.name}: {why}")


def _all_of(points: Sequence[Point], classes: tuple[Density, ...]) -> bool:
    return all(point.density in classes for point in points)


def _check_epci(operation: Operation) -> Refused | None:
    """Commune or grouping takes part, all are public bodies, all points lie in one grouping's territory."""
    if operation.territory != "mainland":
        return Refused(ENERGY_REGIME_CONDITION, "epci: mainland only")
    if not operation.has_commune:
        return Refused(ENERGY_REGIME_CONDITION, "epci: the commune or its grouping takes part")
    private = [point.name for point in operation.points if not point.is_public_body]
    if private:
        return Refused(ENERGY_REGIME_CONDITION, f"epci: {private[0]} is no public body")
    territories = {point.epci for point in operation.points}
    if len(territories) > 1 or "" in territories:
        return Refused(ENERGY_OUTSIDE_PERIMETER, "epci: a point lies outside the grouping")
    return None


def _check_distance(points: Sequence[Point], regime: Regime) -> Refused | None:
    if regime.distance_max_m is None:
        return None
    extent = compute_extent([point.place for point in points])
    if extent.distance_m > regime.distance_max_m:
        pair = f"{points[extent.first].name} and {points[extent.second].name}"
        return Refused(
            ENERGY_OUTSIDE_PERIMETER,
            f"{pair}: {extent.distance_m} m, at most {regime.distance_max_m} m",
        )
    return None


def _check_power(operation: Operation, regime: Regime) -> Refused | None:
    is_isolated = operation.territory == "isolated"
    below_w = regime.power_isolated_below_w if is_isolated else regime.power_below_w
    total_w = sum(plant.peak_w for plant in operation.plants)
    if below_w is not None and total_w >= below_w:
        return Refused(ENERGY_POWER_EXCEEDS, f"{total_w} W, must stay below {below_w} W")
    return None
