"""What `beffroi up` and its neighbours say when they cannot begin: which thing, and what to do about it."""

import socket
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from app.cli.main import main
from app.cli.town import TownHome
from app.cli.up import _check_ports, _only_one


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (1, 2)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a stack trace"
    return result.output


def test_a_home_that_is_a_file_is_named_with_the_option_that_changes_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        text = said("up", "--home", str(home))
        assert str(home) in text
        assert "--home" in text


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that refuses root too is Linux's")
def test_a_home_that_one_may_not_write_is_named_too() -> None:
    text = said("up", "--home", "/proc/town")
    assert "/proc/town cannot be written" in text
    assert "--home" in text


@pytest.mark.parametrize("option", ["--port", "--relay-port", "--node-port"])
def test_a_taken_port_is_named_with_the_option_of_its_own(option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(click.ClickException) as refused:
            _check_ports({option: port})
    assert f"port {port}" in refused.value.message
    assert f"up {option} PORT" in refused.value.message


def test_a_second_town_in_one_folder_is_told_where_the_first_is(tmp_path: Path) -> None:
    with _only_one(TownHome(tmp_path)):
        text = said("up", "--home", str(tmp_path))
    assert "already running" in text
    assert "Ctrl-C" in text


def test_migrating_twice_says_that_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEFFROI_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    first = CliRunner().invoke(main, ["migrate"])
    second = CliRunner().invoke(main, ["migrate"])
    assert "applied 0001_core" in first.output
    assert second.output == "nothing to apply: the database is up to date\n"


def test_a_bundle_that_is_not_there_is_named_without_numbers_of_the_system(tmp_path: Path) -> None:
    missing = str(tmp_path / "bundle.json")
    text = said("proof", "verify", missing, "--checkpoint", missing)
    assert f"No such file or directory: {missing}" in text
    assert "Errno" not in text
