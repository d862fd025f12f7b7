"""A whole election through the town's chain, by everybody's own program.

12 citizens, 4 registrars of whom one is silent, 3 trustees of whom two suffice and one is absent. Three kinds of
question, three revotes, one ballot spoiled and opened on a second device; on BELENIOS-2048 one ballot is made by
`belenios-tool`, and that program judges the archive.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app.cli.ballot_board import Board
from chain.light.ballot_receipt import verify_receipt
from chain.town.votes.records import get_document
from chain.votes.archive import check_prefix, read_archive
from chain.votes.credentials import derive_secret, draw_code
from chain.votes.verifier import Stage, verify_archive
from chain.votes.voter.audit import check_opening, encode_opening, read_opening
from tests.api.lab import Lab
from tests.journeys.election import Poll, Voter, choices_of
from tests.town.votes.kit import BODIES, LAX, TRUSTEE_BODIES, VOTE_ROLES
from tests.trustees.lab_chain import follow
from tests.trustees.lab_vote import LabTown, fetch, prepare_desk, trustee
from tests.votes.kit import UUID, seeded

TOOL = shutil.which("belenios-tool")
SILENT, ABSENT = 3, 2
TOOL_VOTER = 11
TOOL_CHOICES = choices_of(2)


class ToolKey:
    """A voter whose credential is a paper code of Belenios, for `belenios-tool` to vote with."""

    def __init__(self, code: str) -> None:
        self.code = code

    def vote_key(self):  # type: ignore[no-untyped-def]
        return self

    def secret(self, uuid, group):  # type: ignore[no-untyped-def]
        return derive_secret(group, uuid, self.code)

    def credential(self, uuid, group):  # type: ignore[no-untyped-def]
        return group.encode(group.generator_power(self.secret(uuid, group)))

    def stream(self, label):  # type: ignore[no-untyped-def]
        return seeded(f"{self.code} {label}")


def tool(folder: Path, *arguments: str) -> bytes:
    assert TOOL is not None
    ran = subprocess.run([TOOL, *arguments], cwd=folder, capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def tool_ballot(folder: Path, archive: bytes, code: str) -> bytes:
    """A ballot that belenios-tool makes from the archive as it stands."""
    folder.mkdir()
    (folder / f"{UUID}.bel").write_bytes(archive)
    (folder / "code").write_text(code)
    (folder / "votes").write_text(json.dumps(TOOL_CHOICES))
    options = ("--privcred", "code", "--ballot", "votes")
    return tool(folder, "election", "generate-ballot", *options).strip()


@pytest.mark.slow
@pytest.mark.parametrize("group", ["BELENIOS-2048", "Ed25519"])
def test_a_whole_election_is_held_audited_and_verified_by_strangers(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(bodies=BODIES, roles=VOTE_ROLES, params=LAX)
    is_judged = group == "BELENIOS-2048" and TOOL is not None
    code = draw_code(seeded("code"))
    voters = [Voter(f"c{number}") for number in range(12)]
    if is_judged:
        voters[TOOL_VOTER].keys = ToolKey(code)

    def act(action: str, rank: int):  # type: ignore[no-untyped-def]
        desk = prepare_desk(tmp_path / f"desk{rank}", TRUSTEE_BODIES[rank - 1])
        return trustee(monkeypatch, lab, action, UUID, *desk)

    def snapshot(name: str) -> bytes:
        assert fetch(monkeypatch, lab, UUID, tmp_path / name)[0] == 0
        return (tmp_path / name).read_bytes()

    poll = Poll.of(LabTown(lab), act, voters, group=group)
    poll.prepare()
    poll.issue(silent=SILENT)
    opened = snapshot("opened.bel")

    # everybody votes; voter 4 has a ballot audited first, and casts another
    audited = poll.prepare_ballot(voters[4], choices_of(4), "audited")
    second_device = read_opening(encode_opening(audited.opening))
    poll.must_run([poll.spoil_tx(voters[4], audited)])
    finding = check_opening(poll.vote.election, second_device, audited.tracker)
    assert (finding.flaw, [list(row) for row in finding.votes]) == ("", choices_of(4))
    assert poll.vote.run(poll.ballot_tx(audited.body))[0].info == "votes_ballot_spoiled"

    firsts = []
    for number, voter in enumerate(voters):
        choices = choices_of(number + 1) if number < 3 else choices_of(number)
        if is_judged and number == TOOL_VOTER:
            made = tool_ballot(tmp_path / "tool", opened, code)
            voter.counted = TOOL_CHOICES
            firsts.append(poll.ballot_tx(made))
            continue
        firsts.append(poll.cast_tx(voter, poll.prepare_ballot(voter, choices), choices))
    poll.must_run(firsts)
    during = snapshot("during.bel")

    # three change their minds; a board that puts a first ballot back is refused
    again = []
    for number in range(3):
        ballot = poll.prepare_ballot(voters[number], choices_of(number), "again")
        again.append(poll.cast_tx(voters[number], ballot, choices_of(number)))
    poll.must_run(again)
    assert poll.vote.run(firsts[0])[0].info == "votes_ballot_seen"
    poll.count([rank for rank in (1, 2, 3) if rank != ABSENT])

    # what anybody can check
    result = json.loads(get_document(poll.town.reader, UUID, "result"))["result"]
    assert result == poll.plain_count()
    final = snapshot("final.bel")
    verdict = verify_archive(final)
    assert verdict.flaw is None
    report = verdict.report
    assert report is not None
    assert (report.stage, report.ballots, report.voters) == (Stage.FINISHED, 15, 12)
    assert report.decrypted_by == (1, 3)
    for earlier, later in ((opened, during), (during, final), (opened, final)):
        assert check_prefix(read_archive(earlier), read_archive(later)) is None
    lab.produce()
    board = Board(follow(lab), UUID)
    assembled = board.assemble(3)
    for tracker in poll.trackers.values():
        kept = board.receipt(assembled, tracker)
        assert kept is not None
        assert verify_receipt(kept, board.chain.checkpoint()).flaw == ""
    if is_judged:
        judged_by_the_tool(tmp_path, {"opened": opened, "during": during, "final": final})


def judged_by_the_tool(folder: Path, archives: dict[str, bytes]) -> None:
    for name, archive in archives.items():
        (folder / name).mkdir()
        (folder / name / f"{UUID}.bel").write_bytes(archive)
        tool(folder / name, "election", "verify")
    for earlier, later in (("opened", "during"), ("during", "final")):
        tool(folder, "election", "verify-diff", "--dir1", earlier, "--dir2", later)
