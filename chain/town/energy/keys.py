"""Allocation keys: who of the neighbours gets which watt-hour of a step, exactly and for anybody to recompute.

`prepare` checks a key against the members once; `allocate` runs one step. Every rounding is largest remainder, so keys
that redistribute lose nothing, and listing members in another order changes nobody's share.
Reads: its arguments.  Never: a float, a clock, the order of a dict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chain.town.energy.contracts import prepare_contract
from chain.town.energy.conventions import (
    Cascade,
    Contract,
    Key,
    Matrix,
    ProRata,
    Static,
    StaticRedistributed,
)
from chain.town.energy.matrix import prepare_matrix
from chain.town.energy.pools import (
    Run,
    pooled,
    prepare_cascade,
    prepare_redistributed,
    prepare_static,
    share_pro_rata,
)
from chain.town.energy.refusals import Refused
from chain.town.energy.steps import Allocation, Roster, Step, check_readings

ENGINE: Final = "beffroi-energy-1"
"""Version of these rules; a change of any result needs a new name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A key that was checked against its members."""

    roster: Roster
    run: Run


def prepare(key: Key, roster: Roster) -> Plan | Refused:
    """Check a key against the members; the plan then runs any number of steps."""
    run = _prepare(key, roster)
    return run if isinstance(run, Refused) else Plan(roster, run)


def allocate(plan: Plan, step: Step) -> Allocation | Refused:
    """Share one step; refused when the readings do not fit the members or an order is wrong."""
    flaw = check_readings(plan.roster, step)
    return plan.run(step) if flaw is None else flaw


def fill_north_west(
    rows_wh: Sequence[int], columns_wh: Sequence[int]
) -> tuple[tuple[int, int, int], ...]:
    """Cells (row, column, Wh) with these sums, filled from the first row and column on (north-west corner rule).

    Both sums are equal. At most rows + columns - 1 cells are not zero.
    """
    assert sum(rows_wh) == sum(columns_wh), "what was given is what was received"
    cells = []
    column, left = 0, columns_wh[0] if columns_wh else 0
    for row, energy_wh in enumerate(rows_wh):
        while energy_wh:
            if not left:
                column += 1
                left = columns_wh[column]
                continue
            part = min(energy_wh, left)
            cells.append((row, column, part))
            energy_wh -= part
            left -= part
    return tuple(cells)


def _prepare(key: Key, roster: Roster) -> Run | Refused:
    match key:
        case ProRata():
            return pooled(roster, share_pro_rata)
        case Static():
            return prepare_static(key, roster)
        case StaticRedistributed():
            return prepare_redistributed(key, roster)
        case Cascade():
            return prepare_cascade(key, roster)
        case Matrix():
            return prepare_matrix(key, roster)
        case Contract():
            return prepare_contract(key, roster)
