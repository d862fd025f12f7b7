"""Configuration: every variable documented, nothing secret by default, errors that name the variable."""

import ast
import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from app.core import config as config_module
from app.core.clock import OffsetClock, SystemClock, choose_clock
from app.core.config import VARIABLES, ConfigError, load_config
from app.core.keyfiles import (
    KeyFileError,
    new_role_key,
    read_key_file,
    write_key_file,
    write_secret_file,
)
from tests.api.conftest import make_config


def read_names() -> set[str]:
    """Every text in config.py that looks like a variable and is not in the table itself."""
    tree = ast.parse(Path(config_module.__file__).read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    named = re.compile(r"(BEFFROI|DATABASE)_[A-Z_]+")
    return {text for text in texts if isinstance(text, str) and named.fullmatch(text)}


def test_every_variable_that_is_read_is_documented() -> None:
    documented = {variable.name for variable in VARIABLES}
    assert read_names() == documented
    assert all(variable.meaning for variable in VARIABLES)


def test_no_secret_has_a_default() -> None:
    assert all(variable.default is None for variable in VARIABLES if variable.secret)
    with pytest.raises(ConfigError, match="BEFFROI_TOKEN_KEY_FILES is required"):
        load_config({})


def test_a_configuration_is_frozen_and_hides_its_secrets(tmp_path: Path) -> None:
    made = make_config(tmp_path, database_url="postgresql://u:hunter2@db/town")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.home = tmp_path  # type: ignore[misc]
    shown = repr(made)
    assert "hunter2" not in shown
    assert repr(made.token_keys[0].seed) not in shown
    assert repr(made.token_keys[0].seed) not in repr(made.token_keys[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x/y"),
        ("BEFFROI_NODE_URLS", " , "),
        ("BEFFROI_NODE_URLS", "tcp://127.0.0.1:26657"),
        ("BEFFROI_PUBLIC_URL", "http://x.test/?q=1"),
        ("BEFFROI_TICKETS_PER_HOUR", "-1"),
        ("BEFFROI_TRUSTED_PROXIES", "many"),
        ("BEFFROI_TOKEN_KEY_FILES", "/nonexistent/key.json"),
        ("BEFFROI_GATEWAY_KEY_FILE", "/nonexistent/key.json"),
        ("BEFFROI_MASTER_KEY_FILE", "/nonexistent/key"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load_config({name: value}, need_token_keys=False)


def test_defaults_follow_the_home_folder(tmp_path: Path) -> None:
    made = load_config({"BEFFROI_HOME": str(tmp_path)}, need_token_keys=False)
    assert made.database_url == f"sqlite:///{tmp_path / 'town.db'}"
    assert made.genesis_file == tmp_path / "node/config/genesis.json"


def test_a_key_file_comes_back_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "clerk.json"
    key = new_role_key("clerk", "mairie")
    write_key_file(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    again = read_key_file(path)
    assert (again.role, again.body, again.kid, again.seed) == ("clerk", "mairie", key.kid, key.seed)
    with pytest.raises(FileExistsError):
        write_key_file(path, key)


def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clerk.json"
    write_key_file(path, new_role_key("clerk"))
    os.chmod(path, 0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key_file(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"role":"x","body":"","key":{"d":"A","x":"B"}}'])
def test_a_malformed_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clerk.json"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(KeyFileError):
        read_key_file(path)


def test_a_master_key_is_32_bytes(tmp_path: Path) -> None:
    write_secret_file(tmp_path / "master", size_bytes=32)
    made = load_config({"BEFFROI_MASTER_KEY_FILE": str(tmp_path / "master")}, need_token_keys=False)
    assert made.master_key is not None
    assert len(made.master_key) == 32
    write_secret_file(tmp_path / "short", size_bytes=16)
    with pytest.raises(ConfigError, match="BEFFROI_MASTER_KEY_FILE"):
        load_config({"BEFFROI_MASTER_KEY_FILE": str(tmp_path / "short")}, need_token_keys=False)


def write_genesis(path: Path, **app_state: Any) -> None:
    path.write_text(json.dumps({"app_state": app_state}))


def test_only_an_insecure_town_lets_its_clock_be_moved(tmp_path: Path) -> None:
    genesis, offset = tmp_path / "genesis.json", tmp_path / "offset"
    made = make_config(tmp_path, genesis_file=genesis, clock_offset_file=offset)
    four = [{}, {}, {}, {}]
    write_genesis(genesis, params={"council_delay_s": 0}, validators=four)
    clock = choose_clock(made)
    assert isinstance(clock, OffsetClock)
    before = clock.now_s()
    offset.write_text("36000\n")
    assert clock.now_s() - before >= 36_000
    write_genesis(genesis, params={}, validators=four)
    with pytest.raises(ConfigError, match="not insecure"):
        choose_clock(made)
    write_genesis(genesis, validators=[{}])
    assert isinstance(choose_clock(made), OffsetClock)
    assert isinstance(choose_clock(make_config(tmp_path)), SystemClock)
