"""Drills on real processes: what a town survives, done and measured (docs/fault-model.md)."""

from tests.drills import api, byzantine, crash, disk, hostile, keys, partition, recovery
from tests.drills.report import DRILLS

ALL = tuple(DRILLS)
"""Names in the order in which they run."""

__all__ = ["ALL", "api", "byzantine", "crash", "disk", "hostile", "keys", "partition", "recovery"]
