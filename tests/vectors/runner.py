"""What every vector suite shares: walking the paths, one line a file, the last line, the exit code.

A suite is one function `replay(path)`: the number of checks it made, None when the file is not of that suite,
AssertionError with a message when the file disagrees with our code. Suites recognise files by what is in them,
never by their name, so that files kept aside can be replayed as well.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Replay = Callable[[Path], int | None]
"""Checks made, or None for a file of another suite."""

CHECKOUT = Path(__file__).resolve().parents[2]


def shared_folder() -> Path:
    """The folder of vectors and data beside the checkout; `BEFFROI_SHARED` overrides it."""
    return Path(os.environ.get("BEFFROI_SHARED") or CHECKOUT.parent / "shared")


def load_json(path: Path) -> Any:
    """Content of a `.json` file, None for another kind of file; a broken `.json` file is a failure."""
    if path.suffix != ".json":
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise AssertionError(f"not JSON: {error}") from error


def run_suite(argv: list[str], replay: Replay) -> int:
    """Replay files and folders (recursed); print a line per file and a total; return the exit code.

    A file given by name that the suite does not know, and a file in which nothing was checked, have failed.
    """
    passed = failed = 0
    for path, named in _files(argv):
        verdict, line = _replay_one(path, named, replay)
        print(line)
        passed += verdict is True
        failed += verdict is False
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def main(replay: Replay) -> None:
    """Entry point of a suite: the paths are the command line."""
    sys.exit(run_suite(sys.argv[1:], replay))


def _files(argv: list[str]) -> Iterator[tuple[Path, bool]]:
    """Each file, and whether it was given by its own name."""
    for argument in argv:
        path = Path(argument)
        if path.is_dir():
            yield from ((found, False) for found in sorted(path.rglob("*")) if found.is_file())
        else:
            yield path, True


def _replay_one(path: Path, named: bool, replay: Replay) -> tuple[bool | None, str]:
    """Verdict (None = passed over) and the line to print."""
    try:
        checks = replay(path)
    except AssertionError as failure:
        return False, f"FAIL {path}: {failure}"
    except Exception as error:  # noqa: BLE001 - whatever our code raised on a vector, the file has failed
        return False, f"FAIL {path}: {type(error).__name__}: {error}"
    if checks is None:
        return (
            (False, f"FAIL {path}: not of this suite")
            if named
            else (None, f"--   {path}: not of this suite")
        )
    if checks == 0:
        return False, f"FAIL {path}: nothing to check in it"
    return True, f"ok   {path}: {checks} checks"
