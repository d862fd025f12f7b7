"""Real validator processes over loopback TLS, with the key-value application: started, killed, questioned."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from chain.node.config import NodeConfig, Timeouts
from chain.node.testnet import Member, init_testnet
from chain.types.timestamp import Timestamp

ROOT = Path(__file__).resolve().parents[2]
QUICK = Timeouts(propose_s=0.6, propose_delta_s=0.2, prevote_s=0.2, precommit_s=0.2, commit_s=0.3)

PATIENCE_S = 60
"""How long a cluster may take for anything; only a machine with nothing to spare comes near it."""


def free_ports(count: int) -> list[int]:
    """Ports nobody used a moment ago; held together so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Validator:
    """One process on its home."""

    host = "127.0.0.1"
    """Where it answers."""

    def __init__(self, root: Path, rpc_port: int, command: list[str]) -> None:
        self.root, self.rpc_port = root, rpc_port
        self.log = root.parent / f"{root.name}.log"
        self._command = [*command, "--home", str(root)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, stderr=log, env=os.environ)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(10)
        self.process = None
        return code

    def call(self, method: str, **params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(f"http://{self.host}:{self.rpc_port}/", body)
        with urllib.request.urlopen(request, timeout=15) as answer:
            tree = json.load(answer)
        assert "result" in tree, tree
        return tree["result"]

    def height(self) -> int:
        """Newest height; -1 while it does not answer."""
        try:
            return int(self.call("status")["sync_info"]["latest_block_height"])
        except OSError:
            return -1

    def send(self, tx: bytes) -> Any:
        return self.call("broadcast_tx_sync", tx=b64encode(tx).decode())

    def commit(self, tx: bytes) -> int:
        """Height at which this node saw it committed."""
        return int(self.call("broadcast_tx_commit", tx=b64encode(tx).decode())["height"])

    def has(self, tx: bytes) -> bool:
        try:
            self.call("tx", hash=b64encode(sha256(tx).digest()).decode())
        except (AssertionError, OSError):
            return False
        return True

    def block_id(self, height: int) -> str:
        return self.call("block", height=str(height))["block_id"]["hash"]


class Cluster:
    """Several validators that know each other."""

    def __init__(
        self,
        root: Path,
        size: int = 4,
        *,
        module: str = "tests.node.kvstore_node",
        config: NodeConfig | None = None,
        app_state: Any = None,
    ) -> None:
        self.root = root
        ports = free_ports(2 * size)
        base = config or NodeConfig(timeouts=QUICK)
        members = [
            Member(
                root / f"node{i}",
                sha256(f"validator {i} of {root}".encode()).digest(),
                ports[size + i],
                replace(base, moniker=f"node{i}", rpc_port=ports[i]),
            )
            for i in range(size)
        ]
        self.homes = init_testnet(
            members,
            chain_id="four-1",
            app_state={"hello": "town"} if app_state is None else app_state,
            genesis_time=Timestamp.from_ns(time.time_ns()),
        )
        self.p2p_ports = ports[size:]
        command = [sys.executable, "-m", module]
        self.nodes = [Validator(home.root, ports[i], command) for i, home in enumerate(self.homes)]

    def start(self, *, wait: bool = True) -> None:
        for node in self.nodes:
            node.start()
        if wait:
            self.wait_height(1)

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
                node.process.wait(10)

    def wait_height(
        self, height: int, nodes: list[int] | None = None, seconds: float = PATIENCE_S
    ) -> None:
        chosen = [self.nodes[i] for i in (nodes if nodes is not None else range(len(self.nodes)))]
        self.wait(lambda: all(node.height() >= height for node in chosen), seconds)

    def wait(self, condition: Callable[[], object], seconds: float = PATIENCE_S) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            if condition():
                return
            time.sleep(0.03)
        heights = [node.height() for node in self.nodes]
        logs = "\n".join(
            f"== {node.root.name}\n{tail}"
            for node in self.nodes
            if (tail := node.log.read_text()[-1_500:] if node.log.exists() else "")
        )
        raise AssertionError(f"not within {seconds} s; heights {heights}\n{logs}")

    def check_agreement(self, nodes: list[int] | None = None) -> int:
        """Compare every block up to the lowest tip; returns that height."""
        chosen = [self.nodes[i] for i in (nodes if nodes is not None else range(len(self.nodes)))]
        tip = min(node.height() for node in chosen)
        for height in range(1, tip + 1):
            assert len({node.block_id(height) for node in chosen}) == 1, height
        return tip
