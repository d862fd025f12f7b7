"""What the commands of shared energy have in common: files in and out, refusals, a bar, the terminal.

Reads and writes: the paths it is given.  Never: raises at the user; a command ends with a verdict and an exit code.
"""

import json
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chain.town.energy import calendar, tables
from chain.town.energy.refusals import Refused

T = TypeVar("T")
EXIT_REFUSED: Final = 1
EXIT_UNREADABLE: Final = 2


def read_table(path: Path, step_s: str, zone: str, is_json: bool) -> tables.Readings:
    """A table of readings, or the end of the command."""
    raw = read_file(path, is_json)
    return accept(
        tables.parse_readings(raw, step_s=int(step_s), zone=parse_zone(zone)), is_json, path.name
    )


def parse_zone(text: str) -> calendar.Zone:
    """Europe/Paris, UTC or a fixed offset."""
    if text in ("Europe/Paris", "UTC"):
        return calendar.EUROPE_PARIS if text == "Europe/Paris" else calendar.UTC
    digits = text[1:].replace(":", "")
    if text[:1] not in ("+", "-") or len(digits) != 4 or not digits.isdecimal():
        raise click.BadParameter("Europe/Paris, UTC or ±HH:MM", param_hint="--zone")
    offset_s = int(digits[:2]) * 3_600 + int(digits[2:]) * 60
    return calendar.fixed_zone(-offset_s if text[0] == "-" else offset_s)


def accept(value: T | Refused, is_json: bool, name: str = "") -> T:
    """The value, or the end of the command with the refusal."""
    if isinstance(value, Refused):
        detail = f"{name}: {value.detail}" if name else value.detail
        refusal = {"verdict": "refused", "code": value.code.name, "detail": detail}
        say(refusal if is_json else refusal | {"message": value.code.en}, is_json)
        sys.exit(EXIT_REFUSED)
    return value


def read_file(path: Path, is_json: bool) -> bytes:
    """Bytes of a file, or the end of the command."""
    try:
        return path.read_bytes()
    except OSError as error:
        _unreadable(error, is_json)


def write_file(path: Path, text: str, is_json: bool) -> None:
    """Write text as it is, or end the command."""
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        _unreadable(error, is_json)


def make_folder(path: Path, is_json: bool) -> None:
    """A folder that exists, or the end of the command."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _unreadable(error, is_json)


def _unreadable(error: OSError, is_json: bool) -> NoReturn:
    reason = f"{error.strerror}: {error.filename}"
    say({"verdict": "unreadable", "reason": reason}, is_json)
    sys.exit(EXIT_UNREADABLE)


@contextmanager
def progress(is_json: bool) -> Any:
    """A bar on the terminal's error side; silent for programs."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=is_json or not console.is_terminal,
        transient=True,
    )
    with bar:

        def track(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
            return bar.track(items, total=total, description=description)

        yield track


def say(shown: dict[str, Any], is_json: bool) -> None:
    """One JSON object for programs, lines for people."""
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False, sort_keys=True))
        return
    for name, value in shown.items():
        if isinstance(value, dict):
            for inner, figure in value.items():
                click.echo(
                    f"{name} {inner}: {figure if not isinstance(figure, dict) else _flat(figure)}"
                )
        else:
            click.echo(f"{name}: {value}")


def _flat(figures: dict[str, int]) -> str:
    return "  ".join(f"{name} {value}" for name, value in figures.items())
