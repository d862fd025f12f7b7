"""The figures of a node: true, complete, off unless asked for, and without a word about people."""

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from time import time, time_ns

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chain.node.config import NodeConfig, load_config, render_config
from chain.node.errors import ConfigError
from chain.node.home import init_home
from chain.node.metrics import measure_folder
from chain.node.metrics_server import Instrumentation, MetricsServer
from chain.node.node import Node
from chain.node.testnet import Member, init_testnet
from chain.types.timestamp import Timestamp
from tests.node.four import QUICK, free_ports
from tests.node.live import Client, first_block, make_home, running
from tests.node.test_rpc_complete import make_node
from tests.town import town_kit
from tests.waiting import run_within, until

ON = Instrumentation(prometheus=True, listen_port=0)


async def scrape(node: Node) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by metric name and label values."""
    async with aiohttp.ClientSession() as session:
        return parse(await page(session, node))


def parse(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {
            (sample.name.removeprefix(family.name), *sample.labels.values()): sample.value
            for sample in family.samples
        }
        for family in text_string_to_metric_families(text)
    }


async def page(session: aiohttp.ClientSession, node: Node) -> str:
    async with session.get(f"http://127.0.0.1:{node.metrics_server.port}/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        return await answer.text()


def test_a_nodes_figures_are_those_of_its_chain(tmp_path):
    async def check() -> None:
        async with running(make_home(tmp_path, instrumentation=ON)) as (node, rpc):
            for n in range(3):
                await rpc.commit(b"k=%d" % n)
            await rpc("broadcast_tx_sync", tx=b64encode(b"bad=1").decode())
            await rpc.full("broadcast_tx_sync", tx=b64encode(b"k=0").decode())
            assert (await scrape(node)).keys() == parse(node._metrics.text().decode()).keys()
            # Read in one turn of the loop: the proof block may come at any moment.
            found = parse(node._metrics.text().decode())
            height = node.host.state.last_block_height
        one = {name.removeprefix("cometbft_"): values for name, values in found.items()}
        assert all(name.startswith("cometbft_") for name in found)
        assert one["consensus_latest_block_height"] == {("",): height}
        assert one["consensus_height"] == {("",): height + 1}
        assert one["consensus_rounds"] == {("",): 0}
        assert one["consensus_validators"] == {("",): 1}
        assert one["consensus_missing_validators"] == {("",): 0}
        assert one["consensus_total_txs"] == {("_total",): 3}
        assert one["consensus_block_interval_seconds"][("_count",)] == height - 1
        steps = {labels[1] for labels in one["consensus_step_duration_seconds"]}
        assert steps == {"propose", "prevote", "precommit"}
        assert one["consensus_wal_fsync_seconds"][("_count",)] >= height
        assert one["consensus_wal_fsync_seconds"][("_sum",)] > 0
        assert abs(one["consensus_clock_drift_seconds"][("",)]) < 5
        assert one["state_base_height"] == {("",): 1}
        assert one["mempool_size"] == {("",): 0}
        assert one["mempool_refused_txs"] == {("_total", "kv/2"): 1, ("_total", "tx_in_cache"): 1}
        assert one["evidence_pool_num_evidence"] == {("",): 0}
        assert one["store_disk_bytes"][("", "chain.lmdb")] > 10_000
        assert one["store_disk_bytes"][("", "cs.wal")] > 1_000
        assert one["p2p_peers"] == {("",): 0}
        assert {"prepare", "finalize", "store_write", "prune"} <= {
            labels[1] for labels in one["state_stage_seconds"]
        }

    run_within(check())


def test_peers_and_who_is_missing_are_counted(tmp_path):
    ports = free_ports(2)
    members = [
        Member(
            tmp_path / f"n{i}",
            sha256(b"%d" % i).digest(),
            ports[i],
            NodeConfig(rpc_port=0, timeouts=QUICK, instrumentation=ON),
            power=power,
        )
        for i, power in enumerate((30, 10))
    ]
    homes = init_testnet(
        members, chain_id="two-1", app_state={}, genesis_time=Timestamp.from_ns(time_ns())
    )

    async def run() -> None:
        big, small = (make_node(home) for home in homes)
        loop = asyncio.get_running_loop()
        await big.start(loop)
        await small.start(loop)
        try:
            await until(lambda: big.peer_count() == 1)
            found = await scrape(big)
            (peer,) = (labels[1] for labels in found["cometbft_p2p_peer_send_bytes"])
            assert peer == small.node_info.default_node_id
            assert found["cometbft_p2p_peer_receive_bytes"][("_total", peer)] > 100
            assert found["cometbft_p2p_peer_pending_send_bytes"][("", peer)] == 0
            assert found["cometbft_p2p_events"][("_total", "p2p_connected")] >= 1, "both may dial"
            await small.stop()
            height = big.stores.blocks.height()
            big.submit_tx(b"alone=1")
            await until(lambda: big.stores.blocks.height() > height + 1)
            found = await scrape(big)
            assert found["cometbft_consensus_missing_validators"] == {("",): 1}
            assert found["cometbft_consensus_missing_validators_power"] == {("",): 10}
            assert found["cometbft_p2p_peers"] == {("",): 0}
        finally:
            await big.stop()

    run_within(run())


def test_no_word_about_people_is_in_the_figures(tmp_path):
    """Accounts, keys, payload hashes and bytes of transactions that were taken, refused and left waiting."""
    genesis_s = int(time())
    genesis = town_kit.make_genesis(validators=1, genesis_s=genesis_s)
    home = init_home(
        tmp_path,
        chain_id="beffroi-test-1",
        app_state=json.loads(genesis.app_state_bytes),
        genesis_time=Timestamp.from_ns(time_ns()),
        config=NodeConfig(rpc_port=0, instrumentation=ON),
        validator_seed=town_kit.validator_seed(0),
    )
    kit = town_kit.make_town(validators=1, genesis_s=genesis_s)

    async def run() -> None:
        node = Node(home)
        await node.start(asyncio.get_running_loop())
        try:
            async with aiohttp.ClientSession() as session:
                rpc = Client(session, f"http://127.0.0.1:{node.rpc.port}/")
                await first_block(node)
                kit.town = node._ask_application("/status")["town"]
                taken = kit.open_tx(town_kit.key("canary"))
                await rpc.commit(taken)
                again = await rpc("broadcast_tx_sync", tx=b64encode(taken + b" ").decode())
                assert again["code"] != 0
                await rpc("broadcast_tx_sync", tx=b64encode(b"canary-in-the-mine").decode())
                text = await page(session, node)
        finally:
            await node.stop()
        kid = town_kit.key("canary").kid
        payload = sha256(taken.split(b".")[1]).hexdigest()
        for canary in (
            kid,
            kid[:12],
            taken.decode()[:40],
            payload,
            "canary",
            sha256(taken).hexdigest(),
        ):
            assert canary not in text
            assert canary.upper() not in text
        assert "mempool_refused_txs_total" in text

    run_within(run())


def test_nothing_is_served_unless_asked_for(tmp_path):
    async def check() -> None:
        async with running(make_home(tmp_path)) as (node, _rpc):
            assert node.metrics_server is None
            assert node._metrics is None

    run_within(check())


def test_only_so_many_scrapes_run_at_once():
    async def check() -> None:
        server = MetricsServer(lambda: b"x 1\n", replace(ON, max_open_connections=1))
        await server.start()
        url = f"http://127.0.0.1:{server.port}/metrics"
        try:
            async with aiohttp.ClientSession() as session:
                server._open = 1
                async with session.get(url) as refused:
                    assert refused.status == 503
                server._open = 0
                for _ in range(3):
                    async with session.get(url) as answer:
                        assert await answer.text() == "x 1\n"
        finally:
            await server.stop()
        assert server._open == 0

    run_within(check())


def test_the_configuration_is_cometbfts_and_stays_on_the_loopback(tmp_path):
    path = tmp_path / "config.toml"
    wanted = replace(
        NodeConfig(), instrumentation=Instrumentation(True, "10.0.0.7", 9_100, 2, "town")
    )
    path.write_text(render_config(wanted))
    assert load_config(path) == wanted
    path.write_text('[instrumentation]\nprometheus = true\nprometheus_listen_addr = ":26660"\n')
    assert load_config(path).instrumentation == Instrumentation(True)
    for text in (
        "prometheus = 1",
        'prometheus_listen_addr = "26660"',
        'namespace = "a b"',
        "max_open_connections = 0",
        "prometeus = true",
    ):
        path.write_text(f"[instrumentation]\n{text}\n")
        with pytest.raises(ConfigError):
            load_config(path)


def test_room_on_the_disk_is_measured_without_holes(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "full").write_bytes(b"x" * 100_000)
    with (tmp_path / "a" / "hollow").open("wb") as file:
        file.truncate(1_000_000_000)
    (tmp_path / "single").write_bytes(b"y" * 5_000)
    (tmp_path / "link").symlink_to("/")
    sizes = measure_folder(tmp_path)
    assert set(sizes) == {"a", "files"}
    assert 100_000 <= sizes["a"] < 200_000
    assert 5_000 <= sizes["files"] < 20_000
