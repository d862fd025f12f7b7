"""`beffroi votes`: verify an election's archive, without asking the town anything.

Reads: the files named on the command line.  Writes: the terminal.  Never: the network, a town's state.
The proofs of ballots are spread over the machine's cores by processes started here; `chain.votes` stays pure.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chain.votes.archive import Unreadable, check_prefix, read_archive
from chain.votes.ballot import judge_ballot
from chain.votes.checks import Flaw
from chain.votes.election import Election, Unsupported, read_election
from chain.votes.verifier import BallotJudge, Verdict, judge_in_turn, verify_archive

EXIT_INVALID: Final = 1
EXIT_UNREADABLE: Final = 2

POOL_FROM_BYTES: Final = 4 * 1_024 * 1_024
"""Fewer bytes of ballots are judged in this process: 4 MiB take some six seconds of one core on either group,
and starting a process more than one."""
CHUNK_BALLOTS: Final = 8
"""Ballots handed to a process at a time: a fraction of a second of work, so that the bar moves."""


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
        with _progress(is_json) as progress:
            verdict = Verdict(flaw) if flaw else verify_archive(data, _judge(jobs, progress))
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


# --- the work ----------------------------------------------------------------------------------


def _progress(is_json: bool) -> Progress:
    """A bar on standard error, so that standard output stays clean; none for scripts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=is_json, transient=True)


def _judge(jobs: int | None, progress: Progress) -> BallotJudge:
    """Judge ballots over `jobs` processes, moving the bar."""

    def judge(record: bytes, ballots: Sequence[bytes]) -> Iterator[Flaw | None]:
        count = jobs or os.cpu_count() or 1
        is_spread = count > 1 and sum(map(len, ballots)) >= POOL_FROM_BYTES
        findings = (
            _judge_over(count, record, ballots) if is_spread else judge_in_turn(record, ballots)
        )
        yield from progress.track(findings, total=len(ballots), description="ballots")

    return judge


def _judge_over(jobs: int, record: bytes, ballots: Sequence[bytes]) -> Iterator[Flaw | None]:
    """Findings in order, from processes that opened the election once each."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, initializer=_open_election, initargs=(record,))
    try:
        yield from pool.map(_judge_one, ballots, chunksize=CHUNK_BALLOTS)
    finally:
        # A flaw ends the verification early: what is still queued need not be judged.
        pool.shutdown(cancel_futures=True)


_opened: list[Election] = []
"""In a worker process: the election it was started for."""


def _open_election(record: bytes) -> None:
    _opened.append(read_election(record))


def _judge_one(body: bytes) -> Flaw | None:
    return judge_ballot(_opened[0], body)


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
