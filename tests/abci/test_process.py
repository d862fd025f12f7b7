"""`beffroi abci` as a process: the real town, killed between FinalizeBlock and Commit, started twice, broken."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli.town import TownHome, found_town
from chain.abci import AbciCallFailed, AbciClient, Grammar, SocketAddress
from chain.execution.genesis import make_init_chain_request
from chain.node.home import Home, load_genesis
from chain.types.abci import RequestQuery
from chain.types.messages import RequestCommit
from tests.abci.calls import INFO, finalize, init_chain
from tests.waiting import run_within

pytestmark = pytest.mark.process
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 40


class Running:
    """One application process on a home and a Unix socket."""

    def __init__(self, root: Path, module: str = "chain.node.abci") -> None:
        self.home, self.log = root / "app", root / "app.log"
        self.address = SocketAddress(path=root / "app.sock")
        self.command = [sys.executable, "-m", module, "--home", str(self.home)]
        self.command += ["--address", str(self.address)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Running":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, stderr=log)
        return self

    async def client(self) -> AbciClient:
        """A connection, as soon as the process listens."""
        assert self.process is not None
        end_s = time.monotonic() + WAIT_S
        while time.monotonic() < end_s:
            assert self.process.poll() is None, self.log.read_text()
            try:
                return await AbciClient.connect(self.address, grammar=Grammar())
            except OSError:
                await asyncio.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(WAIT_S)


@pytest.fixture
def running(tmp_path):
    made = Running(tmp_path)
    yield made
    made.stop()


def test_the_town_survives_a_kill_between_finalize_and_commit(running, tmp_path):
    found_town(TownHome(tmp_path / "town"), node_port=26_657)
    genesis = load_genesis(Home(tmp_path / "town" / "node"))
    begin = make_init_chain_request(genesis.doc, genesis.app_state_bytes)

    async def play() -> None:
        running.start()
        client = await running.client()
        await client.call(INFO)
        await client.call(begin)
        decided = await client.call(finalize(1))
        await client.call(RequestCommit())
        second = await client.call(finalize(2))
        running.end(signal.SIGKILL)
        with pytest.raises(AbciCallFailed):
            await client.call(RequestCommit())
        await client.close()

        running.start()
        async with await running.client() as client:
            info = await client.call(INFO)
            assert (info.last_block_height, info.last_block_app_hash) == (1, decided.app_hash)
            assert (await client.call(finalize(2))).app_hash == second.app_hash
            await client.call(RequestCommit())
            status = json.loads((await client.call(RequestQuery(path="/status"))).value)
            assert status["height"] == 2

    run_within(play())
    assert running.end() == 0


def test_a_home_is_served_once_and_a_genesis_without_a_town_stops_nothing(running, tmp_path):
    async def play() -> None:
        running.start()
        client = await running.client()
        await client.call(INFO)
        second = Running(tmp_path)
        second.log = tmp_path / "second.log"
        second.command[-1] = "tcp://127.0.0.1:0"
        second.start()
        assert second.process is not None
        assert second.process.wait(WAIT_S) == 2
        assert "config_home_in_use" in second.log.read_text()
        with pytest.raises(AbciCallFailed) as refused:
            await client.call(init_chain(app_state_bytes=b'{"no":"town"}'))
        assert refused.value.code == "abci_refused"
        await client.close()
        async with await running.client() as again:
            await again.call(INFO)

    run_within(play())
    assert running.end() == 0


def test_a_broken_invariant_ends_the_process_loudly(tmp_path):
    running = Running(tmp_path, "tests.cometbft.kvstore_abci")

    async def play() -> None:
        running.start()
        client = await running.client()
        await client.call(INFO)
        await client.call(init_chain())
        with pytest.raises(AbciCallFailed) as failed:
            await client.call(finalize(1, b"val:zz=1"))
        assert failed.value.code == "abci_application_failed"
        await client.close()

    try:
        run_within(play())
        assert running.process is not None
        assert running.process.wait(WAIT_S) == 1
        assert "APPLICATION FAILURE" in running.log.read_text()
    finally:
        running.stop()
