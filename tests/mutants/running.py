"""Running the tests on mutants: in copies of the tree, never in place, one copy per worker."""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.patches import Mutant, change
from tests.vectors.runner import CHECKOUT

COPIED = ("chain", "app", "tests", "migrations", "docs", "bench")
FILES = ("pyproject.toml", "openapi.yaml", "README.md", "Makefile")
STAGE_TIMEOUT_S = 240
"""A stage that takes longer hangs: that kills the mutant too."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant: `killer` is a test, "timeout", or empty for a survivor."""

    mutant: Mutant
    killer: str
    seconds: float
    problem: str = ""
    """Set when pytest itself could not run: nobody's kill."""


class Copy:
    """A copy of the tree in which one mutant at a time lives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("node_modules", ".beffroi", "__pycache__")
        for name in COPIED:
            if (CHECKOUT / name).is_dir():
                shutil.copytree(CHECKOUT / name, root / name, ignore=ignored, symlinks=True)
        for name in FILES:
            if (CHECKOUT / name).exists():
                shutil.copy2(CHECKOUT / name, root / name)
        self._run(["-m", "compileall", "-q", "chain", "app", "tests"], STAGE_TIMEOUT_S)
        where = self._run(["-c", "import chain; print(chain.__file__)"], 60).stdout
        assert where.startswith(str(root)), f"the tests would run on {where}"

    def _run(self, arguments: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        shared = os.environ.get("BEFFROI_SHARED", str(CHECKOUT.parent / "shared"))
        environment = {
            **os.environ,
            "BEFFROI_SHARED": shared,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(self.root),
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def pytest(self, tests: tuple[str, ...], timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run tests up to the first failure."""
        return self._run(["-m", "pytest", "-q", "-x", "--tb=line", *tests], timeout_s)

    def judge(self, mutant: Mutant) -> Verdict:
        """Plant it, run its tests stage by stage until one fails, take it out again."""
        started_s = time.monotonic()
        changed = change(self.root, mutant)
        for path, (_, mutated) in changed.items():
            path.write_text(mutated)
            for stale in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                stale.unlink()
        try:
            killer, problem = self._find_killer(mutant)
        finally:
            for path, (source, _) in changed.items():
                path.write_text(source)
        return Verdict(mutant, killer, time.monotonic() - started_s, problem)

    def _find_killer(self, mutant: Mutant) -> tuple[str, str]:
        for stage in mutant.tests:
            try:
                done = self.pytest((stage,), STAGE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                return "timeout", ""
            if done.returncode == 1:
                found = _FAILED.search(done.stdout)
                return (found[1] if found else stage), ""
            if done.returncode != 0:
                return "", f"{stage}: pytest ended with {done.returncode}: {done.stdout[-400:]}"
        return "", ""
