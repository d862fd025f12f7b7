"""How far apart two delivery points are, in whole metres, by integers alone.

Points are put on a sphere of the mean Earth radius (IUGG 6 371 008.8 m) in millimetres; chords obey the triangle
inequality, which lets most pairs of a large operation go unmeasured. Trigonometry is a Taylor series in fixed
point of 18 digits: the same answer on every machine, the error of an arc far below a millimetre. The sphere itself
differs from the ellipsoid by up to 0.5 %.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Final, NamedTuple

EARTH_RADIUS_MM: Final = 6_371_008_800
MICRODEGREES: Final = 1_000_000
_ONE: Final = 10**18
_PI: Final = 3_141_592_653_589_793_238
_MM: Final = 1_000


class Place(NamedTuple):
    """Latitude and longitude (WGS 84) in millionths of a degree, about 11 cm."""

    lat_microdeg: int
    lon_microdeg: int


class Extent(NamedTuple):
    """The two points farthest from each other (indices), and their great-circle distance in metres, rounded up."""

    distance_m: int
    first: int
    second: int


def is_place(place: Place) -> bool:
    """Whether the coordinates are on the globe."""
    return (
        abs(place.lat_microdeg) <= 90 * MICRODEGREES
        and abs(place.lon_microdeg) <= 180 * MICRODEGREES
    )


def compute_distance_m(first: Place, second: Place) -> int:
    """Great-circle distance in metres, rounded up so that a limit is never passed unseen."""
    return _arc_m(_chord_mm(_position(first), _position(second)))


def compute_extent(places: Sequence[Place]) -> Extent:
    """The farthest pair; points near the middle are left out by the triangle inequality."""
    if len(places) < 2:
        return Extent(0, 0, 0)
    positions = [_position(place) for place in places]
    centre = _farthest_from(positions, positions[0])
    middle = _midpoint(positions[centre], positions[_farthest_from(positions, positions[centre])])
    radii = [_chord_mm(middle, position) for position in positions]
    order = sorted(range(len(places)), key=lambda index: (-radii[index], index))
    best = (-1, 0, 0)
    for place, i in enumerate(order):
        if 2 * radii[i] + 2 < best[0]:
            break
        for j in order[place + 1 :]:
            if radii[i] + radii[j] + 2 < best[0]:
                break
            chord = _chord_mm(positions[i], positions[j])
            if chord > best[0]:
                best = (chord, min(i, j), max(i, j))
    return Extent(_arc_m(best[0]), best[1], best[2])


_Position = tuple[int, int, int]
"""Cartesian millimetres from the centre of the Earth."""


def _position(place: Place) -> _Position:
    lat, lon = _radians(place.lat_microdeg), _radians(place.lon_microdeg)
    ring = EARTH_RADIUS_MM * _cosine(lat)
    return (
        ring * _cosine(lon) // _ONE**2,
        ring * _sine(lon) // _ONE**2,
        EARTH_RADIUS_MM * _sine(lat) // _ONE,
    )


def _chord_mm(a: _Position, b: _Position) -> int:
    return isqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2)


def _farthest_from(positions: Sequence[_Position], origin: _Position) -> int:
    return max(range(len(positions)), key=lambda index: _chord_mm(positions[index], origin))


def _midpoint(a: _Position, b: _Position) -> _Position:
    return (a[0] + b[0]) // 2, (a[1] + b[1]) // 2, (a[2] + b[2]) // 2


def _arc_m(chord_mm: int) -> int:
    """Least whole metres whose chord is at least this long: 2 R sin(d / 2R), searched by halves."""
    low, high = 0, EARTH_RADIUS_MM * _PI // _ONE // _MM + 1
    while low < high:
        middle = (low + high) // 2
        if _chord_of_arc(middle * _MM) >= chord_mm:
            high = middle
        else:
            low = middle + 1
    return low


def _chord_of_arc(arc_mm: int) -> int:
    angle = min(arc_mm * _ONE // (2 * EARTH_RADIUS_MM), _PI // 2)
    return 2 * EARTH_RADIUS_MM * _sine(angle) // _ONE


def _radians(microdegrees: int) -> int:
    return microdegrees * _PI // (180 * MICRODEGREES)


def _sine(angle: int) -> int:
    """Taylor series; angles stay within [-pi, pi], so some thirty terms reach the last digit."""
    return _series(angle, angle, 1)


def _cosine(angle: int) -> int:
    return _series(_ONE, angle, 0)


def _series(term: int, angle: int, order: int) -> int:
    """Terms of alternating sign from the given one on, each x²/((n+1)(n+2)) of the last."""
    square = angle * angle // _ONE
    total = 0
    while term not in (0, -1):
        total += term
        term = -term * square // (_ONE * (order + 1) * (order + 2))
        order += 2
    return total
