"""A real node process of a town, its RPC from the standard library, and transactions it accepts."""

import json
import subprocess
import sys
import time
import urllib.request
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from chain.node.config import NodeConfig
from chain.node.home import init_home
from chain.types.timestamp import Timestamp
from tests.oracles.install import HERE, find_node
from tests.town import town_kit

ROOT = HERE.parents[1]
START_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 20.0
POLL_S = 0.02


def run_script(name: str, job: Any) -> Any:
    """What a node.js script of this folder answers to a job; its words on stderr when it fails."""
    node = find_node()
    assert node is not None
    done = subprocess.run(
        [node, HERE / name], input=json.dumps(job), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return json.loads(done.stdout)


class NodeProcess:
    """`python -m MODULE --home DIR` until `stop`."""

    def __init__(self, module: str, home: Path) -> None:
        self.home = home
        self.port = int((home / "port").read_text())
        self.log = home / "log.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, "--home", str(home)], cwd=ROOT, stderr=log
            )

    def call(self, method: str, **params: Any) -> Any:
        """The result of one call."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", body)
        with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as answer:
            said = json.load(answer)
        assert "result" in said, said
        return said["result"]

    def height(self) -> int:
        """Height of the newest block; 0 before the first."""
        return int(self.call("status")["sync_info"]["latest_block_height"])

    def wait_height(self, height: int) -> None:
        """Until the chain has that height."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            assert self.process.poll() is None, self.log.read_text()[-4_000:]
            try:
                if self.height() >= height:
                    return
            except OSError:
                pass  # it does not listen yet
            time.sleep(POLL_S)
        raise AssertionError(f"no height {height}: {self.log.read_text()[-4_000:]}")

    def stop(self) -> None:
        """SIGTERM; anything but a clean end is a failure."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(10) == 0, self.log.read_text()[-4_000:]


class LiveTown(NodeProcess):
    """A town of one validator with accounts to open."""

    def __init__(self, home: Path) -> None:
        now_s = int(time.time())
        state = town_kit.make_genesis(validators=1, genesis_s=now_s).app_state_bytes
        make_home(home, json.loads(state), town_kit.validator_seed(0))
        super().__init__("chain.node", home)
        self.kit = town_kit.make_town(validators=1, genesis_s=now_s)

    def start(self) -> "LiveTown":
        """Wait for the first block and learn the town's name."""
        self.wait_height(1)
        status = self.call("abci_query", path="/status")["response"]["value"]
        self.kit.town = json.loads(b64decode(status))["town"]
        return self

    def open_tx(self, name: str) -> bytes:
        """A transaction that opens the loyalty account of the key of that name."""
        self.kit.now_s = int(time.time())
        return self.kit.open_tx(town_kit.key(name))

    def open_b64(self, name: str) -> str:
        """The same in base64."""
        return b64encode(self.open_tx(name)).decode()

    def query(self, namespace: str, record_id: bytes, height: int) -> Any:
        """abci_query of a record with its proof."""
        asked = {"path": f"/record/{namespace}", "data": record_id.hex(), "height": str(height)}
        return self.call("abci_query", prove=True, **asked)["response"]

    def provable_height(self) -> int:
        """The newest height whose state the newest header proves; an idle town makes no further block."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            info = self.call("abci_info")["response"]
            newest = self.call("header")["header"]
            if bytes.fromhex(newest["app_hash"]) == b64decode(info["last_block_app_hash"]):
                return int(newest["height"]) - 1
            time.sleep(POLL_S)
        raise AssertionError("no proof block")

    def app_hash_of_state(self, height: int) -> bytes:
        """The app hash that proves the state of a height: that of the next header."""
        header = self.call("header", height=str(height + 1))["header"]
        return bytes.fromhex(header["app_hash"])


def make_home(home: Path, app_state: Any, seed: bytes | None = None) -> None:
    """A home whose node listens on a free port, named in the file `port`."""
    port = free_port()
    init_home(
        home,
        chain_id="beffroi-test-1",
        app_state=app_state,
        genesis_time=Timestamp.from_ns(time.time_ns()),
        # Other tests run towns of the same keys at the same time.
        config=NodeConfig(rpc_port=port, is_key_locked=False),
        validator_seed=seed,
    )
    (home / "port").write_text(str(port))


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
