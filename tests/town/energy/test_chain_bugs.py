"""Each bug planted in the chain's rules is noticed by its hunt, a test of this folder that passes without it."""

import pytest

from tests.town.energy.chain_bugs import BUGS, HUNTS


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_of_the_chain_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name].plant(monkeypatch)
    with pytest.raises((AssertionError, IndexError, KeyError, TypeError, ValueError)):
        HUNTS[name]()
