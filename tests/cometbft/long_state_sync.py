"""A new CometBFT node joins the town by a snapshot that our application made, served and restored over the socket."""

import json
import sys
import time
import tomllib
from dataclasses import replace

import pytest

from chain.node.cometbft import (
    EngineConfig,
    EngineMember,
    application_command,
    write_engine_home,
)
from chain.node.home import load_node_id
from tests.cometbft.net import QUICK, TOWN, EngineNet, EngineNode
from tests.node.four import free_ports
from tests.town import town_kit

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.usefixtures("cometbft")]
INTERVAL = 24
"""Blocks; a snapshot must outlive the five seconds that CometBFT looks for some before it takes the best."""


def test_a_node_joins_by_snapshot_and_goes_on_with_the_chain(tmp_path):
    now_s = int(time.time())
    state = town_kit.make_genesis(validators=1, genesis_s=now_s).app_state_bytes
    config = EngineConfig(timeouts=QUICK, empty_interval_s=0.5)
    with EngineNet(
        tmp_path,
        1,
        app=TOWN,
        app_state=json.loads(state),
        chain_id="beffroi-test-1",
        seeds=[town_kit.validator_seed(0)],
        config=config,
        app_arguments=("--snapshot-interval", str(INTERVAL)),
    ) as net:
        old = net.nodes[0]
        snapshots = old.engine.app.data / "snapshots"
        net.wait_height(INTERVAL + 2)
        net.wait(lambda: snapshots.is_dir() and any(snapshots.iterdir()))
        trusted = old.call("commit", height="2")["signed_header"]["commit"]["block_id"]["hash"]
        rpc_port, p2p_port = free_ports(2)
        peer = f"{load_node_id(old.engine.home)}@127.0.0.1:{p2p_port_of(old)}"
        joining = replace(
            config, rpc_port=rpc_port, p2p_port=p2p_port, persistent_peers=(peer,), moniker="new"
        )
        member = EngineMember(tmp_path / "new", b"n" * 32, joining)
        genesis = old.engine.home.genesis_file.read_bytes()
        home = write_engine_home(member, joining, genesis, b"k" * 32)
        url = f"http://127.0.0.1:{old.rpc_port}"
        with (home.home.config / "config.toml").open("a") as settings:
            settings.write(
                f'\n[statesync]\nenable = true\nrpc_servers = "{url},{url}"\ntrust_height = 2\n'
                f'trust_hash = "{trusted}"\ntrust_period = "168h0m0s"\ndiscovery_time = "5s"\n'
            )
        new = EngineNode(home, rpc_port, [sys.executable, "-m", TOWN, *application_command(home)])
        net.nodes.append(new)
        new.start_app()
        net.wait(new.app_listens)
        new.start_engine()
        net.wait(lambda: new.height() > INTERVAL + 2, 60)
        base = int(new.call("status")["sync_info"]["earliest_block_height"])
        assert base > 1, "it replayed the chain instead"
        at = new.height()
        net.wait(lambda: old.height() >= at)
        assert new.block_id(at) == old.block_id(at)


def p2p_port_of(node: EngineNode) -> int:
    tree = tomllib.loads((node.engine.home.config / "config.toml").read_text())
    return int(tree["p2p"]["laddr"].rsplit(":", 1)[1])
