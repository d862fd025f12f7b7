"""Drills on real processes: what a town survives, done and measured (docs/fault-model.md)."""

from tests.drills import (
    api,
    byzantine,
    crash,
    disk,
    election,
    erasure,
    hostile,
    keys,
    partition,
    recovery,
    votes,
)
from tests.drills.report import DRILLS

ALL = tuple(DRILLS)
"""Names in the order in which they run."""
QUICK = (
    "kill-one",
    "kill-all",
    "copied-key",
    "disk-fails",
    "partition-by-proxies",
    "equivocator-of-five",
    "edge-signatures",
    "api-on-a-liar",
    "social-recovery",
    "erasure",
    "votes",
)
"""What `--quick` runs when no names are given: about three minutes on two quiet cores."""

__all__ = [
    "ALL",
    "QUICK",
    "api",
    "byzantine",
    "crash",
    "disk",
    "election",
    "erasure",
    "hostile",
    "keys",
    "partition",
    "recovery",
    "votes",
]
