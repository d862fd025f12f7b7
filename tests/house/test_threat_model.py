"""The threat model names tests that exist, one at least for every line."""

import re
from pathlib import Path

import pytest

from tests.house.test_identity_requirements import ROOT, names_in

PAGE = ROOT / "docs" / "threat-model.md"
OBJECTIVES = ROOT / "docs" / "votes-objectives.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def lines() -> list[str]:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.startswith(("| has in hand", "| coalition", "|---"))]


def test_every_threat_names_what_shows_that_it_is_stopped() -> None:
    assert len(lines()) > 25
    assert [line[:60] for line in lines() if not TEST.search(line)] == []


@pytest.mark.parametrize("page", [PAGE, OBJECTIVES], ids=lambda page: page.name)
def test_every_test_that_the_page_names_exists(page: Path) -> None:
    named = TEST.findall(page.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [f"{path}::{name}" for path, name in named if name not in names_in(path)] == []
