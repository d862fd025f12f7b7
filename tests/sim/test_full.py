"""Whole nodes on virtual time: fixed seeds hold every invariant, and one seed is one story."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sim.full.run import run_seed

ROOT = Path(__file__).resolve().parents[2]
SEEDS_FILE = Path(__file__).with_name("seeds.txt")
FIXED = (2, 3, 4)


def regression_seeds() -> list[int]:
    """Seeds that once found something: `full SEED reason`, a line each."""
    rows = [line.split(maxsplit=2) for line in SEEDS_FILE.read_text().splitlines()]
    return [int(row[1]) for row in rows if row and row[0] == "full"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [*FIXED, *regression_seeds()])
def test_a_seed_holds_every_invariant(seed):
    outcome = run_seed(seed)
    assert outcome.violations == [], f"python -m tests.sim.full {seed}"
    assert outcome.heights >= 10
    assert len(outcome.faults) >= 3


def start_with(hash_seed: int, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.sim.full", str(seed)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.process
def test_one_seed_is_one_story_whatever_the_hash_seed_and_another_seed_another():
    started = [start_with(hash_seed, 5) for hash_seed in (1, 2)]
    try:
        told = [process.communicate(timeout=300)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate(timeout=10)
    here = run_seed(5).digest
    assert all(f"digest {here}" in text for text in told)
    assert told[0].count("digest") == 1
    assert run_seed(6).digest != here
