"""The core stands every scripted attack, and every bug planted in it is noticed by a script."""

import pytest

from tests.consensus.planted_bugs import BUGS
from tests.consensus.scripts import SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_core_stands_the_scripted_attack(name: str) -> None:
    SCRIPTS[name]()


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_is_killed_by_a_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    assert any(_fails(script) for script in SCRIPTS), f"no script notices {name}"


def _fails(name: str) -> bool:
    try:
        SCRIPTS[name]()
    except AssertionError:
        return True
    return False
