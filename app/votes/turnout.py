"""Turnout without giving small stations away: counts of fewer than fifty people are merged before anybody sees them.

Reads: station rows.  Source: PROTOCOL §8 (stations under 50 are merged).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from app.votes.models import StationRow

GROUP_MIN: Final = 50
"""People in whose midst one who voted, or did not, is not singled out."""
COUNTS: Final = ("electors", "requests", "served", "registrations", "voters")


@dataclass(slots=True)
class _Group:
    stations: list[str]
    counts: dict[str, int]

    @property
    def size(self) -> int:
        """The smallest crowd any figure of the group is about: who asked, or the electors before anybody could."""
        return self.counts["requests"] or self.counts["electors"]


def group_stations(rows: Iterable[StationRow]) -> list[dict[str, Any]]:
    """Counts by station, classes together; one of fewer than GROUP_MIN people is merged with the next smallest."""
    by_station: dict[str, _Group] = {}
    for row in rows:
        group = by_station.setdefault(row.station, _Group([row.station], dict.fromkeys(COUNTS, 0)))
        for name in COUNTS:
            group.counts[name] += getattr(row, name)
    groups = sorted(by_station.values(), key=lambda group: (group.size, group.stations))
    while len(groups) > 1 and groups[0].size < GROUP_MIN:
        groups = sorted(
            [_merge(groups[0], groups[1]), *groups[2:]], key=lambda g: (g.size, g.stations)
        )
    shown = sorted(groups, key=lambda group: group.stations)
    return [{"stations": group.stations, **group.counts} for group in shown]


def _merge(one: _Group, other: _Group) -> _Group:
    counts = {name: one.counts[name] + other.counts[name] for name in COUNTS}
    return _Group(sorted(one.stations + other.stations), counts)
