"""What a drill says of itself: what was done, what was checked, what was measured, and whether it held."""

import json
import shutil
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


class Skipped(Exception):
    """The machine does not permit this drill; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `measured` is what was seen."""

    text: str
    ok: bool
    measured: str = ""


@dataclass
class Drill:
    """One run of one drill, filled in by its function."""

    name: str
    folder: Path
    is_quick: bool
    done: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""
    seconds: float = 0.0
    closers: list[Callable[[], object]] = field(default_factory=list)
    """Called in reverse at the end, whatever happened: processes, namespaces and mounts go away here."""

    def did(self, text: str) -> None:
        """Note one thing that was done to the town."""
        self.done.append(text)

    def check(self, text: str, ok: object, measured: object = "") -> bool:
        """Note one thing that must hold; the drill goes on either way."""
        self.checks.append(Check(text, bool(ok), str(measured)))
        return bool(ok)

    def measure(self, name: str, value: Any) -> None:
        """Note a figure that has no verdict of its own."""
        self.figures[name] = value

    def measure_times(self, name: str, seconds: list[float], aim_p95_s: float | None) -> None:
        """Note median and 95th percentile of some waits; an aim makes a check of it."""
        if not seconds:
            self.check(f"{name}: measured at all", ok=False)
            return
        p50, p95 = median(seconds), percentile(seconds, 0.95)
        self.figures[name] = {
            "p50_s": round(p50, 3),
            "p95_s": round(p95, 3),
            "max_s": round(max(seconds), 3),
            "samples": len(seconds),
        }
        if aim_p95_s is not None:
            seen = f"p50 {p50:.2f} s, p95 {p95:.2f} s of {len(seconds)}"
            self.check(f"{name}: p95 below {aim_p95_s:g} s", p95 < aim_p95_s, seen)

    @property
    def verdict(self) -> str:
        """`held`, `VIOLATED` or `skipped`; a drill that checked nothing proves nothing."""
        if self.skipped:
            return "skipped"
        return "held" if self.checks and all(c.ok for c in self.checks) else "VIOLATED"


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile: a value that was measured, never one between two."""
    ordered = sorted(values)
    return ordered[
        min(len(ordered) - 1, max(0, -(-int(share * 1_000) * len(ordered) // 1_000) - 1))
    ]


DrillFunction = Callable[[Drill], None]
DRILLS: dict[str, DrillFunction] = {}
"""Every drill by name, in the order of their registration."""


def drill(function: DrillFunction) -> DrillFunction:
    """Register a drill under its function's name."""
    DRILLS[function.__name__.replace("_", "-")] = function
    return function


def run_drill(name: str, *, is_quick: bool) -> Drill:
    """Run one drill in a folder of its own; whatever it raises is a violation, whatever it began ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"beffroi-drill-{name}-"))
    run = Drill(name, folder, is_quick)
    started_s = time.monotonic()
    try:
        DRILLS[name](run)
    except Skipped as reason:
        run.skipped = str(reason)
    except Exception as failure:  # noqa: BLE001  # any failure of a drill is its verdict
        run.check("the drill ran to its end", ok=False, measured=_tell(failure))
    finally:
        run.seconds = time.monotonic() - started_s
        for close in reversed(run.closers):
            close()
        if run.verdict == "VIOLATED":
            run.did(f"kept for inquiry: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return run


def _tell(failure: Exception) -> str:
    where = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{type(failure).__name__} at {Path(where.filename).name}:{where.lineno}: {failure}"[
        :3_000
    ]


def print_report(runs: list[Drill]) -> None:
    """One table: drill, what was done, checks, measured, verdict."""
    table = Table(title="drills on real processes", show_lines=True)
    for column in ("drill", "what was done", "checks", "measured", "verdict"):
        table.add_column(column, overflow="fold")
    for run in runs:
        table.add_row(
            run.name,
            run.skipped or "\n".join(run.done),
            "\n".join(f"{'ok' if c.ok else 'NO'} {c.text}{_seen(c)}" for c in run.checks),
            "\n".join(f"{key}: {_figure(value)}" for key, value in run.figures.items()),
            f"{run.verdict}\n{run.seconds:.0f} s",
        )
    Console(width=180).print(table)


def _seen(check: Check) -> str:
    return f" ({check.measured})" if check.measured else ""


def _figure(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)


def write_report(runs: list[Drill], path: Path, *, is_quick: bool) -> None:
    """The same as JSON, with the load of the machine beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    load = Path("/proc/loadavg").read_text().split()[:3] if Path("/proc/loadavg").exists() else []
    document = {
        "commit": _commit(),
        "quick": is_quick,
        "load_average": load,
        "drills": {
            run.name: {
                "verdict": run.verdict,
                "skipped": run.skipped,
                "seconds": round(run.seconds, 1),
                "done": run.done,
                "checks": [
                    {"text": c.text, "ok": c.ok, "measured": c.measured} for c in run.checks
                ],
                "figures": run.figures,
            }
            for run in runs
        },
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return told.stdout.strip()
