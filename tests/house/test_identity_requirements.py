"""The 48 requirements of verified identity are all listed, each with tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "identity-requirements.md"
COUNT = 48
WAITING: frozenset[int] = frozenset()
"""Requirements whose test is not written yet; empty when the capability is complete."""
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.*?) ?\| `([^`]+)` \|$")


class Requirement(NamedTuple):
    """One row of the page."""

    number: int
    sentence: str
    tests: tuple[str, ...]
    file: str


def read_requirements(text: str) -> list[Requirement]:
    rows = [ROW.match(line) for line in text.splitlines() if re.match(r"^\| \d", line)]
    assert None not in rows, "a row of the page does not have the four columns"
    return [
        Requirement(int(row[1]), row[2], tuple(re.findall(r"`([^`]+)`", row[3])), row[4])
        for row in rows
        if row
    ]


@cache
def names_in(path: str) -> frozenset[str]:
    """`test_x` and `TestClass::test_x` of a file; empty when there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inner = (n for n in node.body if isinstance(n, ast.FunctionDef))
            found.update(f"{node.name}::{n.name}" for n in inner)
    return frozenset(name for name in found if name.split("::")[-1].startswith("test_"))


def is_a_test(node_id: str) -> bool:
    path, _, name = node_id.partition("::")
    return name.split("[")[0] in names_in(path)


def test_none_of_the_48_requirements_is_missing() -> None:
    numbers = [row.number for row in read_requirements(PAGE.read_text())]
    assert numbers == list(range(1, COUNT + 1))


def test_every_test_that_a_requirement_names_exists() -> None:
    rows = read_requirements(PAGE.read_text())
    named = [(row.number, node_id) for row in rows for node_id in row.tests]
    assert [pair for pair in named if not is_a_test(pair[1])] == []


def test_every_requirement_names_a_test_unless_it_is_said_to_wait() -> None:
    silent = {row.number for row in read_requirements(PAGE.read_text()) if not row.tests}
    assert sorted(silent - WAITING) == []


def test_the_reader_of_the_page_catches_a_planted_fault() -> None:
    row = (
        "| 7 | A sentence. | `tests/house/test_house_rules.py::test_gone` `b.py::test_x` | `c.py` |"
    )
    (read,) = read_requirements(row)
    assert read == Requirement(
        7, "A sentence.", ("tests/house/test_house_rules.py::test_gone", "b.py::test_x"), "c.py"
    )
    assert not any(is_a_test(node_id) for node_id in read.tests)
    assert is_a_test("tests/house/test_house_rules.py::test_every_make_target_is_explained")
