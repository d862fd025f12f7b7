"""What we write for CometBFT: settings, keys and genesis; and the pinned tag, said once."""

import json
import subprocess
import tomllib

import pytest
from click.testing import CliRunner

from app.cli.main import main
from app.cli.town import TownHome, found_town
from chain.node.cometbft import (
    COMETBFT_VERSION,
    EngineConfig,
    EngineHome,
    EngineMember,
    application_command,
    find_cometbft,
    init_engine_testnet,
    is_engine_home,
    read_rpc_port,
)
from chain.node.config import NodeConfig, render_config
from chain.node.errors import ConfigError
from chain.node.home import Home, load_genesis
from chain.types.timestamp import Timestamp
from tests.cometbft import install


def make(root, **config):
    member = EngineMember(root, b"s" * 32, EngineConfig(**config))
    return init_engine_testnet(
        [member], chain_id="c-1", app_state={}, genesis_time=Timestamp(1_790_000_000)
    )[0]


def test_the_pinned_tag_is_the_same_everywhere():
    assert install.VERSION == COMETBFT_VERSION
    judge = (install.ROOT / "tests/cometbft/go/go.mod").read_text()
    assert f"github.com/cometbft/cometbft {COMETBFT_VERSION}" in judge


@pytest.mark.usefixtures("cometbft")
def test_the_installed_program_is_of_the_pinned_tag():
    program = find_cometbft()
    assert program is not None
    said = subprocess.run(
        [program, "version"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    assert f"v{said.strip()}" == COMETBFT_VERSION


def test_a_home_says_what_protocol_asks_of_the_engine(tmp_path):
    home = make(tmp_path / "n", rpc_port=4_000)
    tree = tomllib.loads((home.home.config / "config.toml").read_text())
    assert tree["consensus"]["create_empty_blocks_interval"] == "60000ms"
    assert tree["consensus"]["block_time_tolerance"] == "1m0s"
    assert tree["mempool"]["recheck"] is True
    assert tree["priv_validator_laddr"] == ""
    assert tree["proxy_app"] == f"unix://{tmp_path}/n/app.sock"
    assert read_rpc_port(home.root) == 4_000
    assert is_engine_home(home.root)
    assert "--signer" not in application_command(home)


def test_the_key_lies_where_it_is_used_and_nowhere_else(tmp_path):
    ours = make(tmp_path / "ours", is_town_signer=True)
    theirs = make(tmp_path / "theirs")
    key, state = "priv_validator_key.json", "priv_validator_state.json"
    assert (ours.app.config / key).exists()
    assert (ours.app.data / state).exists()
    assert not (ours.home.config / key).exists()
    assert (theirs.home.config / key).exists()
    assert (theirs.home.data / state).exists()
    assert not (theirs.app.config / key).exists()
    assert application_command(ours)[-2:] == ["--chain-id", "c-1"]


def test_a_home_is_never_overwritten(tmp_path):
    make(tmp_path / "n")
    with pytest.raises(ConfigError, match="config_home_taken"):
        make(tmp_path / "n")


def test_a_folder_too_deep_for_a_unix_socket_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="config_path_too_long"):
        make(tmp_path / ("d" * 100))


def test_testnet_writes_homes_for_either_engine_with_the_towns_keys(tmp_path):
    done = CliRunner().invoke(
        main, ["node", "testnet", "--engine", "cometbft", "--v", "4", "--o", str(tmp_path / "t")]
    )
    assert done.exit_code == 0, done.output
    homes = [EngineHome(tmp_path / "t" / f"node{n}") for n in range(4)]
    texts = {home.home.genesis_file.read_bytes() for home in homes}
    assert len(texts) == 1
    doc = load_genesis(homes[0].home).doc
    assert len(doc.validators) == 4
    peers = tomllib.loads((homes[0].home.config / "config.toml").read_text())["p2p"]
    assert peers["persistent_peers"].count("@127.0.0.1:") == 3
    assert [read_rpc_port(home.root) for home in homes] == [26_657, 26_658, 26_659, 26_660]
    assert (tmp_path / "t" / "keys" / "seat-mairie.json").exists()


def test_a_founded_town_knows_its_engine(tmp_path):
    embedded, other = TownHome(tmp_path / "a"), TownHome(tmp_path / "b")
    found_town(embedded, node_port=26_657)
    found_town(other, node_port=26_657, validators=4, engine="cometbft")
    assert (embedded.engine, other.engine) == ("embedded", "cometbft")
    assert len(other.rpc_ports()) == 4
    assert json.loads(Home(other.node).genesis_file.read_text())["chain_id"].startswith("exemple-")


def test_without_the_program_the_town_says_how_to_get_it(tmp_path, monkeypatch):
    make(tmp_path / "n")
    monkeypatch.setattr("app.cli.engine.find_cometbft", lambda: None)
    done = CliRunner().invoke(main, ["node", "start", "--home", str(tmp_path / "n")])
    assert done.exit_code == 1
    assert "make tools" in done.output


def test_a_name_with_quotes_and_backslashes_stays_a_name(tmp_path):
    name = 'Mairie "Nord" \\ été'
    config = make(tmp_path / "n", moniker=name).home.config
    assert tomllib.loads((config / "config.toml").read_text())["moniker"] == name
    assert tomllib.loads(render_config(NodeConfig(moniker=name)))["moniker"] == name


@pytest.mark.parametrize("command", ["reset", "rollback", "doctor"])
def test_what_mends_the_embedded_engines_home_leaves_cometbfts_alone(tmp_path, command):
    home = make(tmp_path / "n").home
    (home.data / "blockstore.db").mkdir()
    done = CliRunner().invoke(main, ["node", command, "--home", str(home.root)])
    assert done.exit_code == 1
    assert "config_engine" in done.output
    assert (home.data / "blockstore.db").is_dir()


def test_an_unsigned_genesis_starts_no_recovery_behind_cometbft_either(tmp_path):
    home = make(tmp_path / "n").home
    done = CliRunner().invoke(main, ["node", "start", "--recovery", "--home", str(home.root)])
    assert done.exit_code == 1
    assert "genesis_not_approved" in done.output
