"""`beffroi votes verify`: verdict, reason, exit code, both cores."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import votes as command
from app.cli.main import main
from tests.votes.shared import archive_path, needs_belenios

pytestmark = needs_belenios


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["votes", "verify", *map(str, arguments)])


def test_a_valid_archive_exits_0_and_says_the_result() -> None:
    outcome = run(archive_path("threshold"))
    assert outcome.exit_code == 0
    assert "verdict: valid" in outcome.output
    assert "result: [[1, 2, 2]]" in outcome.output


def test_json_output_is_one_object_with_the_report() -> None:
    outcome = run(archive_path("threshold"), "--json")
    said = json.loads(outcome.stdout)
    assert (said["verdict"], said["voters"], said["result"]) == ("valid", 5, [[1, 2, 2]])
    assert said["decrypted_by"] == [1, 3]


def test_an_invalid_archive_exits_1_and_names_the_check_and_the_place() -> None:
    outcome = run(archive_path("rejected/r07-altered-result"), "--json")
    said = json.loads(outcome.stdout)
    assert outcome.exit_code == 1
    assert (said["verdict"], said["check"]) == ("invalid", "result_value")
    assert "question 1, choice 2" in said["reason"]


@pytest.mark.parametrize("content", [b"", b"not an archive", bytes(1024), b"BELENIOS" + bytes(600)])
def test_what_is_no_archive_exits_2(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "strange.bel"
    file.write_bytes(content)
    outcome = run(file, "--json")
    assert outcome.exit_code == 2
    assert json.loads(outcome.stdout)["verdict"] == "unreadable"


def test_an_absent_or_cut_file_exits_2(tmp_path: Path) -> None:
    assert run(tmp_path / "absent.bel").exit_code == 2
    cut = tmp_path / "cut.bel"
    cut.write_bytes(archive_path("threshold").read_bytes()[:20_000])
    assert run(cut).exit_code == 2


def test_an_earlier_copy_is_compared(tmp_path: Path) -> None:
    final, snapshot = archive_path("single"), archive_path("single/snapshot-during-voting")
    assert run(final, "--after", snapshot).exit_code == 0
    outcome = run(snapshot, "--after", final, "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["check"] == "not_a_prefix"


def test_several_processes_give_the_verdict_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "POOL_FROM_BALLOTS", 1)
    assert run(archive_path("threshold"), "--jobs", "2").exit_code == 0
    outcome = run(archive_path("rejected/r02-flipped-signature"), "--jobs", "2", "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["check"] == "ballot_signature"
