"""The simulation is worth what it finds: each bug planted in the production code breaks the invariant that it must."""

import pytest

from tests.sim.full.planted import PLANTED, hunt

QUICK = ("log not synced", "signer state not saved", "sent before logged", "nothing sent again")
"""Found in the first seed or two; the rest is `python -m tests.sim.full.planted`."""


@pytest.mark.slow
@pytest.mark.parametrize("bug", [b for b in PLANTED if b.name in QUICK], ids=lambda bug: bug.name)
def test_a_planted_bug_is_found_within_two_seeds_by_the_invariant_it_breaks(bug):
    found = hunt(bug, at_most=2)
    assert found is not None, f"python -m tests.sim.full.planted '{bug.name}'"


def test_planted_bugs_have_names_of_their_own():
    names = [bug.name for bug in PLANTED]
    assert len(set(names)) == len(names) >= 14
    assert set(QUICK) <= set(names)
