"""The days of a `tests.journeys.election.Poll`, in memory or on a town of real processes, and who judges it.

12 citizens, 4 registrars of whom one is silent, 3 trustees of whom two suffice and one is absent. Three kinds of
question, three revotes, one ballot spoiled and opened on a second device; on BELENIOS-2048 one ballot is made by
`belenios-tool`, and that program judges the archives.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from chain.town.votes.records import get_document
from chain.votes.archive import check_prefix, read_archive
from chain.votes.credentials import derive_secret, draw_code
from chain.votes.group import Group
from chain.votes.randomness import RandomBytes
from chain.votes.verifier import Stage, verify_archive
from chain.votes.voter.audit import check_opening, encode_opening, read_opening
from tests.journeys.election import Choices, Poll, Voter
from tests.votes.kit import seeded

TOOL: Final = shutil.which("belenios-tool")
VOTERS: Final = 12
SILENT, ABSENT = 3, 2
AUDITING: Final = 4
REVOTING: Final = 3
TOOL_VOTER: Final = 11

Archives = Mapping[str, bytes]
"""`opened`, `during` and `final`."""


class ToolKey:
    """A voter whose credential is a paper code of Belenios, for `belenios-tool` to vote with."""

    def __init__(self, code: str) -> None:
        self.code = code

    def vote_key(self) -> "ToolKey":
        return self

    def secret(self, uuid: str, group: Group) -> int:
        return derive_secret(group, uuid, self.code)

    def credential(self, uuid: str, group: Group) -> str:
        return group.encode(group.generator_power(self.secret(uuid, group)))

    def stream(self, label: str) -> RandomBytes:
        return seeded(f"{self.code} {label}")


def is_judged_by_the_tool(group: str) -> bool:
    """Whether `belenios-tool` is there, and knows the group under its own name."""
    return group == "BELENIOS-2048" and TOOL is not None


def make_voters(group: str) -> list[Voter]:
    """Twelve; one of them has a paper code where the tool takes part."""
    voters = [Voter(f"c{number}") for number in range(VOTERS)]
    if is_judged_by_the_tool(group):
        voters[TOOL_VOTER].keys = ToolKey(draw_code(seeded("code")))
    return voters


def hold(poll: Poll, snapshot: Callable[[], bytes], folder: Path) -> Archives:
    """From the register to the result; the archives that were published on the way."""
    poll.prepare()
    poll.issue(silent=SILENT)
    opened = snapshot()
    _audit_one(poll)
    firsts = []
    for number, voter in enumerate(poll.voters):
        choices = poll.choices(number + (number < REVOTING))
        if isinstance(voter.keys, ToolKey):
            voter.counted = choices
            made = tool_ballot(folder / "tool", poll.uuid, opened, voter.keys.code, choices)
            firsts.append(poll.ballot_tx(made))
            continue
        firsts.append(poll.cast_tx(voter, poll.prepare_ballot(voter, choices), choices))
    poll.must_run(firsts)
    during = snapshot()
    again = []
    for number in range(REVOTING):
        voter, choices = poll.voters[number], poll.choices(number)
        ballot = poll.prepare_ballot(voter, choices, "again")
        again.append(poll.cast_tx(voter, ballot, choices))
    poll.must_run(again)
    poll.put_back(firsts[0])
    poll.count([rank for rank in (1, 2, 3) if rank != ABSENT])
    return {"opened": opened, "during": during, "final": snapshot()}


def _audit_one(poll: Poll) -> None:
    """A ballot is spoiled and opened on a second device; it can no longer be cast."""
    voter, choices = poll.voters[AUDITING], poll.choices(AUDITING)
    audited = poll.prepare_ballot(voter, choices, "audited")
    second_device = read_opening(encode_opening(audited.opening))
    poll.must_run([poll.spoil_tx(voter, audited)])
    finding = check_opening(poll.vote.election, second_device, audited.tracker)
    assert (finding.flaw, [list(row) for row in finding.votes]) == ("", choices)
    assert poll.vote.run(poll.ballot_tx(audited.body))[0].info == "votes_ballot_spoiled"


def judge(poll: Poll, archives: Archives, folder: Path) -> None:
    """By our verifier, and by `belenios-tool` where it takes part."""
    result = json.loads(get_document(poll.town.reader, poll.uuid, "result"))["result"]
    assert result == poll.plain_count()
    verdict = verify_archive(archives["final"])
    assert verdict.flaw is None
    report: Any = verdict.report
    found = (report.stage, report.ballots, report.voters, report.decrypted_by)
    assert found == (Stage.FINISHED, VOTERS + REVOTING, VOTERS, (1, 3))
    for earlier, later in (("opened", "during"), ("during", "final"), ("opened", "final")):
        assert check_prefix(read_archive(archives[earlier]), read_archive(archives[later])) is None
    if is_judged_by_the_tool(poll.vote.body.group):
        _judge_by_the_tool(poll.uuid, archives, folder)


# --- belenios-tool -----------------------------------------------------------------------------


def tool(folder: Path, *arguments: str) -> bytes:
    """What `belenios-tool` prints; it must succeed."""
    assert TOOL is not None
    ran = subprocess.run([TOOL, *arguments], cwd=folder, capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def tool_ballot(folder: Path, uuid: str, archive: bytes, code: str, choices: Choices) -> bytes:
    """A ballot that belenios-tool makes from the archive as it stands."""
    folder.mkdir()
    (folder / f"{uuid}.bel").write_bytes(archive)
    (folder / "code").write_text(code)
    (folder / "votes").write_text(json.dumps(choices))
    options = ("--privcred", "code", "--ballot", "votes")
    return tool(folder, "election", "generate-ballot", *options).strip()


def _judge_by_the_tool(uuid: str, archives: Archives, folder: Path) -> None:
    for name, archive in archives.items():
        (folder / name).mkdir()
        (folder / name / f"{uuid}.bel").write_bytes(archive)
        tool(folder / name, "election", "verify")
    for earlier, later in (("opened", "during"), ("during", "final")):
        tool(folder, "election", "verify-diff", "--dir1", earlier, "--dir2", later)
