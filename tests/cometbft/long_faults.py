"""Kill each process in turn, between any two calls, put the wrong ones together: nothing is lost, it heals."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chain.abci import AbciClient, SocketAddress
from tests.abci.calls import INFO
from tests.cometbft.net import QUICK, EngineConfig, EngineNet, EngineNode
from tests.waiting import run_within

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.usefixtures("cometbft")]
DYING = "tests.cometbft.dying_abci"
FAST = EngineConfig(timeouts=QUICK)


class Load:
    """Commits transactions through whatever node answers; remembers what was acknowledged as committed."""

    def __init__(self, net: EngineNet) -> None:
        self.net, self.committed = net, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            tx = b"load%d=v" % number
            node = self.net.nodes[number % len(self.net.nodes)]
            try:
                node.commit(tx)
            except (OSError, AssertionError, ValueError, KeyError):
                continue
            self.committed.append(tx)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)


def agree(net: EngineNet, load: Load) -> None:
    """Every node reaches the highest height, holds every acknowledged transaction and the same app hash."""
    highest = max(node.height() for node in net.nodes)
    net.wait_height(highest)
    for node in net.nodes:
        for tx in load.committed:
            assert node.has(tx), (node.root.name, tx)
    hashes = {
        node.call("block", height=str(highest))["block"]["header"]["app_hash"] for node in net.nodes
    }
    assert len(hashes) == 1


def grown(net: EngineNet, load: Load, by: int) -> None:
    wanted = len(load.committed) + by
    net.wait(lambda: len(load.committed) >= wanted, 60)


def test_kill_9_of_each_application_and_each_cometbft_in_turn_loses_nothing(tmp_path):
    config = EngineConfig(timeouts=QUICK, is_town_signer=True)
    with EngineNet(tmp_path, config=config) as net, Load(net) as load:
        for node in net.nodes:
            grown(net, load, 3)
            node.kill_app()
            node.end_without_app()
            grown(net, load, 2)  # the three others go on
            node.start_app()
            net.wait(node.app_listens)
            node.start_engine()
            net.wait(lambda node=node: node.height() > 0)
        for node in net.nodes:
            grown(net, load, 3)
            node.end(signal.SIGKILL)
            grown(net, load, 2)
            node.start_engine()
            net.wait(lambda node=node: node.height() > 0)
        grown(net, load, 3)
        load.__exit__()
        assert len(load.committed) > 30
        agree(net, load)
        kept = [node.app_log.read_text() for node in net.nodes]
        assert all("abci engine gone" in text for text in kept)
        assert not any("APPLICATION FAILURE" in text for text in kept)


@contextmanager
def dying_net(root, **environment: str) -> Iterator[tuple[EngineNet, EngineNode]]:
    """One validator whose application does what the environment says, until it is started without it."""
    net = EngineNet(root, 1, app=DYING, config=FAST)
    os.environ.update(environment)
    try:
        with net:
            yield net, net.nodes[0]
    finally:
        for name in environment:
            os.environ.pop(name, None)


def forget(*names: str) -> None:
    for name in names:
        os.environ.pop(name, None)


def test_an_application_that_dies_between_finalize_and_commit_is_brought_back(tmp_path):
    with dying_net(tmp_path, DIE_HEIGHT="4") as (net, node):
        assert node.commit(b"a=1") == 2
        net.wait_height(3)
        node.send(b"b=2")
        assert node.app is not None
        assert node.app.wait(30) == -signal.SIGKILL
        node.end_without_app()
        forget("DIE_HEIGHT")
        node.start_app()
        net.wait(node.app_listens)
        node.start_engine()
        net.wait_height(5)
        assert node.has(b"a=1")
        assert node.has(b"b=2")
        assert node.commit(b"c=3") > 5


def test_a_cometbft_that_dies_between_finalize_and_commit_is_brought_back(tmp_path):
    pid_file = tmp_path / "pid"
    with dying_net(tmp_path, DIE_HEIGHT="4", DIE_PID_FILE=str(pid_file)) as (net, node):
        assert node.process is not None
        pid_file.write_text(str(node.process.pid))
        assert node.commit(b"a=1") == 2
        net.wait_height(3)
        node.send(b"b=2")
        assert node.wait_ended() == -signal.SIGKILL
        net.wait(lambda: "abci engine gone" in node.app_log.read_text())
        assert node.app is not None
        assert node.app.poll() is None
        pid_file.write_text(
            "999999999"
        )  # nobody: the second FinalizeBlock of this height goes through
        node.kill_app(signal.SIGTERM)
        forget("DIE_HEIGHT", "DIE_PID_FILE")
        node.start_app()
        net.wait(node.app_listens)
        node.start_engine()
        net.wait_height(5)
        assert node.has(b"b=2")


def test_an_application_1000_blocks_behind_is_replayed_to_the_same_hash(tmp_path):
    config = EngineConfig(timeouts=QUICK, empty_interval_s=0)
    with EngineNet(tmp_path, 1, config=config) as net:
        node = net.nodes[0]
        for number in range(5):
            node.commit(b"early%d=1" % number)
        net.wait_height(1_010, seconds=120)
        node.end(signal.SIGTERM)
        node.kill_app(signal.SIGTERM)
        shutil.rmtree(node.engine.app.data / "app.lmdb")
        started_s = time.monotonic()
        node.start_app()
        net.wait(node.app_listens)
        node.start_engine()
        net.wait(lambda: node.height() > 1_011, 120)
        assert node.commit(b"late=1") > 1_011
        print(f"replayed in {time.monotonic() - started_s:.1f} s")


def test_an_application_that_tells_a_wrong_hash_is_refused_and_heals_when_it_tells_the_right_one(
    tmp_path,
):
    with dying_net(tmp_path) as (net, node):
        node.commit(b"a=1")
        net.wait_height(3)
        node.end(signal.SIGTERM)
        node.kill_app(signal.SIGTERM)
        os.environ["LIE_HASH"] = "1"
        try:
            node.start_app()
            net.wait(node.app_listens)
            node.start_engine()
            assert node.wait_ended() != 0
            assert "AppHash" in node.log.read_text() or "app hash" in node.log.read_text().lower()
        finally:
            forget("LIE_HASH")
        node.kill_app(signal.SIGTERM)
        node.start_app()
        net.wait(node.app_listens)
        node.start_engine()
        net.wait(lambda: node.height() > 0)
        assert node.commit(b"b=2") > 3


def test_a_cometbft_of_another_chain_gets_nowhere_and_changes_nothing(tmp_path):

    async def height(address: SocketAddress) -> int:
        async with await AbciClient.connect(address) as client:
            return (await client.call(INFO)).last_block_height

    with EngineNet(tmp_path / "one", 1, config=FAST) as net:
        node = net.nodes[0]
        node.commit(b"a=1")
        net.wait_height(3)
        node.end(signal.SIGTERM)
        before = run_within(height(node.engine.app_socket))
        config = EngineConfig(timeouts=QUICK, app_address=str(node.engine.app_socket))
        stranger = EngineNet(tmp_path / "two", 1, config=config, chain_id="another-1").nodes[0]
        stranger.start_engine()
        assert stranger.wait_ended() != 0
        assert run_within(height(node.engine.app_socket)) == before
        node.start_engine()
        net.wait(lambda: node.height() >= before)
        assert node.commit(b"b=2") > before
