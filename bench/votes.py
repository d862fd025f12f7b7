"""`make bench NAME=votes`: verifying ballots against Debian's belenios-tool, one core each, in the same run.

The same election (one question, five choices, exactly one) is verified by `belenios-tool election verify`
and by our verifier, both on BELENIOS-2048, and by ours on Ed25519, which belenios-tool 2.0 does not know: a
town would choose that group, so its baseline is the tool on the tool's own. Each figure is the time of the
archive with BALLOTS ballots less that of the archive without any, so start-up costs neither side. Time is
processor time, which neighbours on the machine disturb least; both programs use one thread. Rounds take
turns, medians of ROUNDS; the whole process is pinned to one core, and children inherit it.
"""

import argparse
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

from bench.report import Metric, write_results
from bench.votes_closing import measure_closing
from bench.votes_gas import measure_gas
from chain.votes.formats import Question
from chain.votes.group import Group
from chain.votes.verifier import verify_archive
from tests.votes.kit import GROUPS, UUID, Booth, ballot_step, build, open_booth

BALLOTS = 40
ROUNDS = 5
AIM_2048 = 0.9
AIM_ED25519 = 4.0
QUESTION = Question(
    answers=("Un", "Deux", "Trois", "Quatre", "Cinq"), min=1, max=1, question="Un sur cinq"
)


def voted(group: Group) -> Booth:
    """BALLOTS voters, one choice each."""
    booth = open_booth(group, (QUESTION,), voters=BALLOTS, trustees=1, seed=secrets.token_hex(8))
    for voter in range(BALLOTS):
        booth.cast(voter, [[int(choice == voter % 5) for choice in range(5)]])
    return booth


def archives(booth: Booth) -> tuple[bytes, bytes]:
    """The election with no ballot yet, and with all."""
    setup = booth.setup_step()
    return build([setup]), build([setup, *(ballot_step(ballot) for ballot in booth.ballots)])


def time_ours(data: bytes) -> float:
    """Processor seconds our verifier takes in this process."""
    start = process_time()
    assert verify_archive(data).is_valid
    return process_time() - start


def time_tool(data: bytes) -> float:
    """Processor seconds belenios-tool takes, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{UUID}.bel").write_bytes(data)
        start = _children_s()
        subprocess.run(
            ["belenios-tool", "election", "verify"], cwd=folder, check=True, capture_output=True
        )
        return _children_s() - start


def _children_s() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def per_ballot_ms(run: Callable[[bytes], float], data: tuple[bytes, bytes]) -> float:
    """One round: what each ballot adds."""
    empty, full = data
    return (run(full) - run(empty)) / BALLOTS * 1e3


def measure() -> list[Metric]:
    """All metrics."""
    booths = {name: voted(group) for name, group in GROUPS.items()}
    data = {name: archives(booth) for name, booth in booths.items()}
    rounds: dict[str, list[float]] = {"tool": [], **{name: [] for name in GROUPS}}
    for _ in range(ROUNDS):
        rounds["tool"].append(per_ballot_ms(time_tool, data["BELENIOS-2048"]))
        for name in GROUPS:
            rounds[name].append(per_ballot_ms(time_ours, data[name]))
    tool, ours, ed25519 = (median(rounds[n]) for n in ("tool", "BELENIOS-2048", "Ed25519"))
    sizes = {name: median(map(len, booth.ballots)) for name, booth in booths.items()}
    return [
        against("verify_belenios2048_vs_belenios_tool", ours, tool, AIM_2048),
        against("verify_ed25519_vs_belenios_tool", ed25519, tool, AIM_ED25519),
        Metric("ballot_bytes", sizes["Ed25519"], "bytes", sizes["BELENIOS-2048"]),
        measure_closing(),
        *measure_gas(),
    ]


def against(name: str, ours_ms: float, tool_ms: float, aim: float) -> Metric:
    """How many times faster than the tool; the value is our milliseconds a ballot."""
    ratio = tool_ms / ours_ms
    return Metric(name, ours_ms, "ms/ballot", tool_ms, ratio, aim, ratio >= aim)


def main() -> None:
    """Print the table, write bench/results/votes.json."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if shutil.which("belenios-tool") is None:
        sys.exit("belenios-tool is not installed: apt-get install belenios-tool")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    write_results("votes", measure())


if __name__ == "__main__":
    main()
