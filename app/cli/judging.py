"""Judging ballots over the machine's cores with a bar on standard error, for whoever verifies an election.

Starts processes.  Reads and writes: nothing else.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chain.votes.ballot import judge_ballot
from chain.votes.checks import Flaw
from chain.votes.election import Election, read_election
from chain.votes.verifier import BallotJudge, judge_in_turn

POOL_FROM_BYTES: Final = 4 * 1_024 * 1_024
"""Fewer bytes of ballots are judged in this process: 4 MiB take some six seconds of one core on either group,
and starting a process more than one."""
CHUNK_BALLOTS: Final = 8
"""Ballots handed to a process at a time: a fraction of a second of work, so that the bar moves."""


def show_progress(is_json: bool) -> Progress:
    """A bar on standard error, so that standard output stays clean; none for scripts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=is_json, transient=True)


def judge_over_cores(jobs: int | None, progress: Progress) -> BallotJudge:
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
