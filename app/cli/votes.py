"""`beffroi votes`: verify an election's archive, without asking the town anything.

Reads: the files named on the command line.  Writes: the terminal.  Never: the network, a town's state.
The proofs of ballots are spread over the machine's cores by `app.cli.judging`; `chain.votes` stays pure.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from app.cli.judging import judge_over_cores, show_progress
from chain.votes.archive import Unreadable, check_prefix, read_archive
from chain.votes.checks import Flaw
from chain.votes.election import Unsupported
from chain.votes.verifier import Verdict, verify_archive

EXIT_INVALID: Final = 1
EXIT_UNREADABLE: Final = 2


@click.group()
def votes() -> None:
    """Elections: check their archives."""


@votes.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--after", "earlier", type=click.Path(path_type=Path), help="An earlier copy of the archive."
)
@click.option("--jobs", type=click.IntRange(1, 256), help="Processes; as many as cores by default.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def verify(file: Path, earlier: Path | None, jobs: int | None, is_json: bool) -> None:
    """Verify the election archive FILE (.bel), complete or still being written.

    With --after, also check that nothing an earlier copy held was changed or removed.
    Exit 0: valid. 1: invalid, with the check that failed. 2: unreadable, or of a kind not judged here.
    """
    try:
        data = file.read_bytes()
        flaw = _compare(earlier, data) if earlier is not None else None
        with show_progress(is_json) as progress:
            verdict = (
                Verdict(flaw) if flaw else verify_archive(data, judge_over_cores(jobs, progress))
            )
    except (OSError, Unreadable, Unsupported) as error:
        _say({"verdict": "unreadable", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    _say(_describe(verdict), is_json)
    sys.exit(0 if verdict.is_valid else EXIT_INVALID)


@votes.command("verify-diff")
@click.argument("earlier", type=click.Path(path_type=Path))
@click.argument("later", type=click.Path(path_type=Path))
@click.option("--json", "is_json", is_flag=True, help="One JSON object instead of text.")
def verify_diff(earlier: Path, later: Path, is_json: bool) -> None:
    """Check that the archive LATER begins with everything EARLIER held, byte for byte.

    Quick: neither is verified. Exit codes as `verify`.
    """
    try:
        flaw = _compare(earlier, later.read_bytes())
    except (OSError, Unreadable) as error:
        _say({"verdict": "unreadable", "reason": str(error)}, is_json)
        sys.exit(EXIT_UNREADABLE)
    _say(_describe(Verdict(flaw)) if flaw else {"verdict": "prefix"}, is_json)
    sys.exit(EXIT_INVALID if flaw else 0)


def _compare(earlier: Path, data: bytes) -> Flaw | None:
    return check_prefix(read_archive(earlier.read_bytes()), read_archive(data))


# --- the answer --------------------------------------------------------------------------------


def _describe(verdict: Verdict) -> dict[str, Any]:
    if verdict.flaw is not None:
        said = {"verdict": "invalid", "check": str(verdict.flaw.check)}
        place = {} if verdict.flaw.event is None else {"event": verdict.flaw.event}
        return {**said, **place, "reason": verdict.flaw.detail}
    assert verdict.report is not None, "a verdict is a flaw or a report"
    return {"verdict": "valid", **asdict(verdict.report)}


def _say(shown: dict[str, Any], is_json: bool) -> None:
    if is_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    for name, value in shown.items():
        click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
