"""Perimeter and power as the chain can check them: distance, conditions and watts, without anybody's address.

The *PMO* knows where the points are, finds the greatest distance and the conditions (`declare`), and publishes them
with a salted root over the places; the chain holds them against the dated rules (`check_declared`); a witness who is
shown the places declares again and must find the same. Both ways give the verdict of `regimes.check_operation`.
"""

from chain.town.energy import regimes
from chain.town.energy.geometry import compute_extent
from chain.town.energy.refusals import Refused
from chain.town.energy.regimes import Operation, Regime
from chain.town.energy_schemas import Condition, Perimeter, Territory
from chain.types.codes import (
    ENERGY_OUTSIDE_PERIMETER,
    ENERGY_POWER_EXCEEDS,
    ENERGY_REGIME_CONDITION,
)

_ASKED: dict[str, tuple[tuple[Condition, ...], ...]] = {
    "building": (("one_building",),),
    "derogation": (("derogation",),),
    "periurban": (("all_periurban", "all_rural"),),
    "rural": (("all_rural",),),
    "epci": (("commune",), ("all_public",)),
}
"""Regime to its conditions; of each group one is enough."""


def declare(operation: Operation, places: str) -> Perimeter:
    """What an operation's points amount to; `places` is the root over them, base64url. Points must be on the globe."""
    points = operation.points
    buildings = {point.building for point in points}
    territories = {point.epci for point in points}
    met: dict[Condition, bool] = {
        "all_periurban": all(point.density in ("periurban", "rural") for point in points),
        "all_public": all(point.is_public_body for point in points),
        "all_rural": all(point.density == "rural" for point in points),
        "commune": operation.has_commune,
        "derogation": bool(operation.derogation),
        "one_building": len(buildings) <= 1 and "" not in buildings,
        "one_epci": len(territories) <= 1 and "" not in territories,
    }
    extent = compute_extent([point.place for point in points])
    return Perimeter(
        extent.distance_m, places, tuple(name for name, holds in sorted(met.items()) if holds)
    )


def check_declared(
    perimeter: Perimeter, *, regime: str, territory: Territory, peak_w: int, day: str
) -> Refused | None:
    """Whether an operation so declared may exist under a regime on a day (YYYY-MM-DD); the first obstacle otherwise."""
    found = regimes.find_regime(regime, day)
    if isinstance(found, Refused):
        return found
    return (
        _check_conditions(perimeter, found, territory)
        or _check_distance(perimeter, found)
        or _check_power(found, territory, peak_w)
    )


def _check_conditions(perimeter: Perimeter, regime: Regime, territory: Territory) -> Refused | None:
    if list(perimeter.conditions) != sorted(set(perimeter.conditions)):
        return Refused(ENERGY_REGIME_CONDITION, "conditions are sorted, each once")
    if regime.name == "epci" and territory != "mainland":
        return Refused(ENERGY_REGIME_CONDITION, "epci: mainland only")
    for group in _ASKED.get(regime.name, ()):
        if not any(condition in perimeter.conditions for condition in group):
            return Refused(ENERGY_REGIME_CONDITION, f"{regime.name}: {' or '.join(group)}")
    if regime.name == "epci" and "one_epci" not in perimeter.conditions:
        return Refused(ENERGY_OUTSIDE_PERIMETER, "epci: a point lies outside the grouping")
    return None


def _check_distance(perimeter: Perimeter, regime: Regime) -> Refused | None:
    limit_m = regime.distance_max_m
    if limit_m is not None and perimeter.extent_m > limit_m:
        return Refused(ENERGY_OUTSIDE_PERIMETER, f"{perimeter.extent_m} m, at most {limit_m} m")
    return None


def _check_power(regime: Regime, territory: Territory, peak_w: int) -> Refused | None:
    below_w = regime.power_isolated_below_w if territory == "isolated" else regime.power_below_w
    if below_w is not None and peak_w >= below_w:
        return Refused(ENERGY_POWER_EXCEEDS, f"{peak_w} W, must stay below {below_w} W")
    return None
