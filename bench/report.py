"""The one shape of every family's results: a table on screen, and `bench/results/NAME.json` (DESIGN §8)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure; `baseline` was measured in the same run, `aim` None is information only."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    aim: float | None = None
    ok: bool | None = None


def write_results(family: str, metrics: Sequence[Metric], *, folder: Path = RESULTS) -> Path:
    """Print the table and write the file; returns its path."""
    _print_table(family, metrics)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{family}.json"
    lines = {m.name: {k: v for k, v in asdict(m).items() if k != "name"} for m in metrics}
    path.write_text(json.dumps(lines, indent=2) + "\n")
    return path


def _print_table(family: str, metrics: Sequence[Metric]) -> None:
    table = Table(title=f"bench {family}")
    for column in ("metric", "value", "unit", "baseline", "ratio", "aim", "ok"):
        table.add_column(column, justify="left" if column in ("metric", "unit") else "right")
    for m in metrics:
        table.add_row(
            m.name,
            _figure(m.value),
            m.unit,
            _figure(m.baseline),
            _figure(m.ratio),
            _figure(m.aim),
            "" if m.ok is None else ("yes" if m.ok else "NO"),
        )
    Console().print(table)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
