"""The core stands every scripted attack, and every bug planted in it is noticed by a script on one core."""

import pytest

from tests.consensus.catalogue import PAGE, Attack, catalogue, render
from tests.consensus.planted_bugs import BUGS

ATTACKS = catalogue()
ON_ONE_CORE = [a for a in ATTACKS.values() if a.room == "tests.consensus.scripts"]


@pytest.mark.parametrize("name", ATTACKS)
def test_core_stands_the_scripted_attack(name: str) -> None:
    ATTACKS[name].run()


@pytest.mark.parametrize("name", BUGS)
def test_planted_bug_is_killed_by_a_script(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[name](monkeypatch)
    assert any(_fails(script) for script in ON_ONE_CORE), f"no script notices {name}"


def _fails(script: Attack) -> bool:
    try:
        script.run()
    except AssertionError:
        return True
    return False


def test_the_page_of_attacks_is_what_the_catalogue_says() -> None:
    assert len(ATTACKS) >= 60
    assert PAGE.read_text() == render(), "python -m tests.consensus.catalogue --write"
