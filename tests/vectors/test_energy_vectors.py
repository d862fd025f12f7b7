"""The vectors of shared energy are what the code computes, and a changed one is noticed."""

import json
from pathlib import Path

import pytest

from tests.vectors.energy import make_cases, replay

FILE = Path(__file__).with_name("energy_vectors.json")


def test_every_vector_of_shared_energy_is_what_the_code_computes() -> None:
    assert replay(FILE) == len(make_cases())
    assert json.loads(FILE.read_bytes())["cases"] == make_cases()


def test_a_changed_vector_is_noticed(tmp_path: Path) -> None:
    held = json.loads(FILE.read_bytes())
    for number in range(len(held["cases"])):
        changed = json.loads(FILE.read_bytes())
        changed["cases"][number]["gives"] = "something else"
        spoiled = tmp_path / "spoiled.json"
        spoiled.write_text(json.dumps(changed))
        with pytest.raises(AssertionError, match=f"case {number} "):
            replay(spoiled)
