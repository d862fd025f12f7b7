"""`beffroi votes verify`: verdict, reason, exit code, both cores."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import judging
from app.cli.main import main
from tests.votes.conftest import RESULT, hold_election
from tests.votes.kit import build
from tests.votes.shared import archive_path, needs_belenios


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["votes", "verify", *map(str, arguments)])


@needs_belenios
def test_a_valid_archive_exits_0_and_says_the_result() -> None:
    outcome = run(archive_path("threshold"))
    assert outcome.exit_code == 0
    assert "verdict: valid" in outcome.output
    assert "result: [[1, 2, 2]]" in outcome.output


@needs_belenios
def test_json_output_is_one_object_with_the_report() -> None:
    outcome = run(archive_path("threshold"), "--json")
    said = json.loads(outcome.stdout)
    assert (said["verdict"], said["voters"], said["result"]) == ("valid", 5, [[1, 2, 2]])
    assert said["decrypted_by"] == [1, 3]


@needs_belenios
def test_an_invalid_archive_exits_1_and_names_the_check_and_the_place() -> None:
    outcome = run(archive_path("rejected/r07-altered-result"), "--json")
    said = json.loads(outcome.stdout)
    assert outcome.exit_code == 1
    assert (said["verdict"], said["check"]) == ("invalid", "result_value")
    assert said["event"] == 11
    assert "question 1, choice 2" in said["reason"]


@pytest.mark.parametrize("content", [b"", b"not an archive", bytes(1024), b"BELENIOS" + bytes(600)])
def test_what_is_no_archive_exits_2(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "strange.bel"
    file.write_bytes(content)
    outcome = run(file, "--json")
    assert outcome.exit_code == 2
    assert json.loads(outcome.stdout)["verdict"] == "unreadable"


@needs_belenios
def test_an_absent_or_cut_file_exits_2(tmp_path: Path) -> None:
    assert run(tmp_path / "absent.bel").exit_code == 2
    cut = tmp_path / "cut.bel"
    cut.write_bytes(archive_path("threshold").read_bytes()[:20_000])
    assert run(cut).exit_code == 2


@needs_belenios
def test_an_earlier_copy_is_compared(tmp_path: Path) -> None:
    final, snapshot = archive_path("single"), archive_path("single/snapshot-during-voting")
    assert run(final, "--after", snapshot).exit_code == 0
    outcome = run(snapshot, "--after", final, "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["check"] == "not_a_prefix"


@needs_belenios
def test_two_copies_are_compared_without_verifying_them(tmp_path: Path) -> None:
    final, snapshot = archive_path("single"), archive_path("single/snapshot-during-voting")
    compared = CliRunner().invoke(main, ["votes", "verify-diff", str(snapshot), str(final)])
    assert (compared.exit_code, compared.stdout) == (0, "verdict: prefix\n")
    back = CliRunner().invoke(main, ["votes", "verify-diff", str(final), str(snapshot), "--json"])
    assert back.exit_code == 1
    assert json.loads(back.stdout)["check"] == "not_a_prefix"
    absent = CliRunner().invoke(main, ["votes", "verify-diff", str(tmp_path / "no"), str(final)])
    assert absent.exit_code == 2


@needs_belenios
def test_several_processes_give_the_verdict_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "POOL_FROM_BYTES", 1)
    assert run(archive_path("threshold"), "--jobs", "2").exit_code == 0
    outcome = run(archive_path("rejected/r02-flipped-signature"), "--jobs", "2", "--json")
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["check"] == "ballot_signature"


def test_an_election_on_ed25519_is_verified_over_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "POOL_FROM_BYTES", 1)
    file = tmp_path / "any-name"
    file.write_bytes(hold_election("Ed25519").archive((1, 3)))
    outcome = run(file, "--jobs", "2", "--json")
    assert outcome.exit_code == 0
    said = json.loads(outcome.stdout)
    assert (said["group"], said["stage"]) == ("Ed25519", "finished")
    assert said["result"] == [list(row) for row in RESULT]


def test_a_kind_of_election_not_judged_here_exits_2_and_says_so(tmp_path: Path) -> None:
    setup = hold_election("Ed25519").setup_step()
    record = setup.bodies[0].replace(b'"Ed25519"', b'"RFC-3526-2048"')
    file = tmp_path / "other.bel"
    file.write_bytes(build([replace(setup, bodies=(record, *setup.bodies[1:]))]))
    outcome = run(file, "--json")
    assert outcome.exit_code == 2
    assert "group RFC-3526-2048" in json.loads(outcome.stdout)["reason"]
