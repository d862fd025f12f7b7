"""A town of trial moves its clock by a file; programs that follow it may follow the clock too, and in no other town."""

import time
from pathlib import Path

import click
import pytest

from app.cli.town import TownHome, found_town
from app.cli.trust import CLOCK_VARIABLE, ChainOptions, _moved_clock
from tests.node.four import free_ports

MOVED_S = 900_000


def options(folder: Path, *, validators: int, params: dict[str, int]) -> ChainOptions:
    home = TownHome(folder)
    found_town(home, node_port=free_ports(1)[0], validators=validators, params=params)
    genesis = home.node / "config" / "genesis.json"
    return ChainOptions(("http://127.0.0.1:1",), None, None, None, genesis)


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "offset"
    file.write_text(str(MOVED_S))
    monkeypatch.setenv(CLOCK_VARIABLE, str(file))
    return file


def test_an_insecure_town_s_clock_is_followed(moved: Path, tmp_path: Path) -> None:
    asked = options(tmp_path / "town", validators=1, params={})
    now = _moved_clock(asked)["clock"]()
    assert 0 <= now.seconds - MOVED_S - int(time.time()) + 5 < 60


def test_a_secure_town_s_clock_is_nobody_s_to_move(moved: Path, tmp_path: Path) -> None:
    asked = options(tmp_path / "town", validators=4, params={"votes_registrars_min": 4})
    with pytest.raises(click.UsageError, match="insecure"):
        _moved_clock(asked)


def test_without_a_genesis_nobody_can_tell_and_the_file_is_refused(moved: Path) -> None:
    with pytest.raises(click.UsageError, match="insecure"):
        _moved_clock(ChainOptions(("http://127.0.0.1:1",), None, 1, "00" * 32, None))


def test_without_the_variable_the_machine_s_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOCK_VARIABLE, raising=False)
    assert _moved_clock(ChainOptions(("http://127.0.0.1:1",), None, 1, "00" * 32, None)) == {}
