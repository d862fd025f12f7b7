"""Who may do what, as data: the least level on each axis and the least age, per use; the council may change them.

Each figure is a parameter of the town with a production floor, so a policy is public, dated by its council act, and no
town can let half-known people vote without saying INSECURE.
Reads: parameters, levels.  Writes: nothing.
Source: research/identity.md §1.5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chain.town import params
from chain.town.params import Parameter


@dataclass(frozen=True, slots=True)
class Policy:
    """One use of the town and what it asks; None asks nothing on that axis."""

    name: str
    identity: Parameter | None = None
    residence: Parameter | None = None
    electoral: Parameter | None = None
    age_years: Parameter | None = None


POLICIES: Final[Mapping[str, Policy]] = {
    policy.name: policy
    for policy in (
        Policy("loyalty"),
        Policy("sel", identity=params.POLICY_SEL_IDENTITY),
        Policy("energy", identity=params.POLICY_ENERGY_IDENTITY),
        Policy(
            "budget",
            identity=params.POLICY_BUDGET_IDENTITY,
            residence=params.POLICY_BUDGET_RESIDENCE,
            age_years=params.POLICY_BUDGET_AGE_YEARS,
        ),
        Policy(
            "consultation",
            identity=params.POLICY_CONSULTATION_IDENTITY,
            electoral=params.POLICY_CONSULTATION_ELECTORAL,
        ),
        Policy(
            "certificate",
            identity=params.POLICY_CERTIFICATE_IDENTITY,
            residence=params.POLICY_CERTIFICATE_RESIDENCE,
        ),
    )
}
AXES: Final = ("identity", "residence", "electoral", "age_years")


def read_policy(policy: Policy, value_of: Callable[[Parameter], int]) -> dict[str, int]:
    """What a policy asks now, per axis; 0 where it asks nothing. `value_of` gives a parameter's present value."""
    asked = {axis: getattr(policy, axis) for axis in AXES}
    return {axis: 0 if param is None else value_of(param) for axis, param in asked.items()}


def list_unmet(asked: Mapping[str, int], held: Mapping[str, int]) -> tuple[str, ...]:
    """The axes on which somebody holds less than asked, in a fixed order; empty when the policy lets them in."""
    return tuple(axis for axis in AXES if held.get(axis, 0) < asked[axis])
