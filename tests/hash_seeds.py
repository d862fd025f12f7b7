"""Set order and dict order of hashed values must reach nothing: one program, two interpreters with other hash seeds."""

import os
import subprocess
import sys

from tests.vectors.runner import CHECKOUT

HASH_SEEDS = ("1", "4242")
ENDS_WITHIN_S = 240


def print_under_two_hash_seeds(program: str) -> str:
    """What a program prints, stripped; AssertionError when two hash seeds print different things, or nothing."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in HASH_SEEDS
    ]
    try:
        told = [process.communicate(timeout=ENDS_WITHIN_S) for process in running]
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=10)
    codes = [process.returncode for process in running]
    assert codes == [0, 0], "\n".join(errors for _, errors in told)
    first, second = (printed.strip() for printed, _ in told)
    assert first == second
    assert first
    return first
