"""The demo's verdict: 0 only when every step was checked, else 1 and the name of the step."""

import json

import pytest
from click.testing import CliRunner

from app.cli.demo import command
from app.cli.demo.report import CheckFailed, Report, StepFailed, check
from app.cli.supervisor import ChildFailed


class NoTown:
    """A stage on which nothing stands."""

    def __init__(self, folder, *, engine="embedded"):
        folder.mkdir()
        self.folder = folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def run(monkeypatch, tmp_path, play, *arguments, stage=NoTown):
    class Script:
        def __init__(self, town, report, *, picture):
            self.report = report

        def play(self):
            play(self.report)

    monkeypatch.setattr(command, "RealTown", stage)
    monkeypatch.setattr(command, "Story", Script)
    monkeypatch.setattr(command.tempfile, "mkdtemp", lambda prefix: str(_made(tmp_path)))
    return CliRunner().invoke(command.demo, ["--qr", str(tmp_path / "qr.png"), *arguments])


def _made(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def good(report):
    with report.step("one", "One"):
        report.fact("held", height=7)
        report.refusal("asked too much", code="loyalty_overdraw", status=409, title="No.")


def bad(report):
    good(report)
    with report.step("two", "Two"):
        check(False, "2 + 2 is not 5")


def test_a_day_without_fault_exits_0_and_leaves_nothing_behind(monkeypatch, tmp_path):
    result = run(monkeypatch, tmp_path, good)
    assert result.exit_code == 0
    assert "Every step was checked" in result.output
    assert "1 proofs verified" in result.output
    assert not (tmp_path / "home").exists()


def test_a_failed_check_exits_1_names_the_step_and_keeps_the_folder(monkeypatch, tmp_path):
    result = run(monkeypatch, tmp_path, bad)
    assert result.exit_code == 1
    assert "FAILED at step “two”" in result.output
    assert "2 + 2 is not 5" in result.output
    assert (tmp_path / "home").exists()


def test_machines_get_one_object(monkeypatch, tmp_path):
    told = json.loads(run(monkeypatch, tmp_path, bad, "--json").output)
    assert (told["ok"], told["failed"], told["reason"]) == (False, "two", "2 + 2 is not 5")
    assert [step["ok"] for step in told["steps"]] == [True, False]
    assert told["steps"][0]["lines"][0] == {
        "height": 7,
        "proof": "proof verified",
        "text": "held",
    }


def test_a_town_that_does_not_start_is_the_failed_step(monkeypatch, tmp_path):
    class Broken(NoTown):
        def __enter__(self):
            raise ChildFailed("node did not start")

    result = run(monkeypatch, tmp_path, good, "--json", stage=Broken)
    assert result.exit_code == 1
    assert json.loads(result.output)["failed"] == "start"


@pytest.mark.parametrize("error", [CheckFailed("x"), KeyError("x"), TimeoutError("x")])
def test_whatever_goes_wrong_inside_a_step_fails_that_step(error):
    report = Report(as_json=True)
    with pytest.raises(StepFailed) as failed, report.step("s", "S"):
        raise error
    assert failed.value.step == "s"
    assert report.steps[0].ok is False
