"""What the reader of the demo sees: steps, facts with block height and proof, refusals with their codes.

A step that ends without an exception is checked; anything else ends the demo and names the step.
Reads: nothing.  Writes: the terminal, or one JSON object at the end.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

PICTURE_COLUMNS: Final = 112
"""Wide enough for the longest line of the story."""


class StepFailed(Exception):
    """A step's outcome was not what it must be."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


class CheckFailed(Exception):
    """One expectation of a step did not hold."""


def check(holds: bool, what: str) -> None:
    """Raise CheckFailed unless an outcome is the expected one."""
    if not holds:
        raise CheckFailed(what)


@dataclass(slots=True)
class StepRecord:
    """One step as `--json` tells it."""

    name: str
    ok: bool = False
    ms: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)


class Report:
    """Prints as it goes; keeps everything for `--json`."""

    def __init__(self, *, as_json: bool = False, records: bool = False) -> None:
        self.steps: list[StepRecord] = []
        self.as_json = as_json
        width = PICTURE_COLUMNS if records else None
        self._console = Console(
            quiet=as_json, highlight=False, soft_wrap=not records, record=records, width=width
        )

    @contextmanager
    def step(self, name: str, story: str) -> Iterator[None]:
        """One numbered step; raises StepFailed with whatever went wrong inside."""
        record = StepRecord(name)
        self.steps.append(record)
        self._console.print()
        self._console.print(Rule(f"[bold]{len(self.steps)}. {escape(story)}", align="left"))
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._console.print(f"  [bold red]✗ {escape(reason)}")
            raise StepFailed(name, reason) from error
        finally:
            record.ms = int((time.monotonic() - started) * 1_000)
        record.ok = True

    def say(self, text: str) -> None:
        """A line of the story."""
        self._add({"text": text})
        self._console.print(f"  {escape(text)}")

    def fact(self, text: str, *, height: int, proof: str = "proof verified") -> None:
        """Something the chain holds, with the block and the proof that this client checked itself."""
        self._add({"text": text, "height": height, "proof": proof})
        seal = f"[dim]block[/] [cyan]{height}[/] [green]✓ {escape(proof)}[/]"
        self._console.print(f"  {escape(text)}  {seal}")

    def refusal(self, text: str, *, code: str, status: int, title: str) -> None:
        """Something the town rightly refused."""
        self._add({"text": text, "code": code, "status": status})
        self._console.print(f"  [yellow]✋ {escape(text)}[/] → [bold]{status} {escape(code)}[/]")
        self._console.print(f"     [italic dim]« {escape(title)} »[/]")

    def finish(self, *, failed: StepFailed | None, **more: Any) -> None:
        """The last word: a verdict for people, or the whole object for machines."""
        if self.as_json:
            document = {
                "ok": failed is None,
                "failed": failed.step if failed else None,
                "reason": failed.reason if failed else None,
                "steps": [_as_dict(step) for step in self.steps],
                **more,
            }
            click.echo(json.dumps(document, ensure_ascii=False, sort_keys=True))
            return
        self._console.print()
        if failed is None:
            proofs = sum("proof" in line for step in self.steps for line in step.lines)
            refusals = sum("code" in line for step in self.steps for line in step.lines)
            self._console.print(
                f"[bold green]Every step was checked:[/] {len(self.steps)} steps, {proofs} proofs "
                f"verified by the clients, {refusals} refusals as they must be."
            )
        else:
            self._console.print(
                f"[bold red]FAILED at step “{failed.step}”:[/] {escape(failed.reason)}"
            )

    def save_picture(self, path: Path) -> None:
        """The story so far as an SVG picture of a terminal."""
        self._console.save_svg(str(path), title="make demo")

    def _add(self, line: dict[str, Any]) -> None:
        if self.steps:
            self.steps[-1].lines.append(line)


def _as_dict(step: StepRecord) -> dict[str, Any]:
    return {"name": step.name, "ok": step.ok, "ms": step.ms, "lines": step.lines}
