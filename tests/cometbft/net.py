"""Real CometBFT processes, each with its application process behind it: started, killed, questioned."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from app.cli.supervisor import is_listening
from chain.node.cometbft import (
    EngineConfig,
    EngineHome,
    EngineMember,
    find_cometbft,
    init_engine_testnet,
)
from chain.node.config import Timeouts
from chain.types.timestamp import Timestamp
from tests.node.four import ROOT, Validator, free_ports

QUICK = Timeouts(propose_s=0.6, propose_delta_s=0.2, prevote_s=0.2, precommit_s=0.2, commit_s=0.3)
KVSTORE = "tests.cometbft.kvstore_abci"
TOWN = "chain.node.abci"


class EngineNode(Validator):
    """One CometBFT process and its application; RPC calls are the embedded node's."""

    def __init__(self, engine: EngineHome, rpc_port: int, app_command: list[str]) -> None:
        super().__init__(engine.root, rpc_port, [])
        self.engine = engine
        self.app_command = app_command
        self.app: subprocess.Popen[bytes] | None = None
        self.app_log = engine.root.parent / f"{engine.root.name}-app.log"

    def start(self) -> None:
        self.start_app()
        self.start_engine()

    def start_app(self) -> None:
        with self.app_log.open("ab") as log:
            self.app = subprocess.Popen(self.app_command, cwd=ROOT, stderr=log)

    def app_listens(self) -> bool:
        path = self.engine.app_socket.path
        return path is not None and is_listening(path)

    def start_engine(self) -> None:
        program = find_cometbft()
        assert program is not None, "the caller looked"
        (self.engine.root / "signer.sock").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program, "start", "--home", str(self.engine.root)], stdout=log, stderr=log
            )

    def wait_ended(self) -> int:
        """CometBFT's exit code after it ended by itself."""
        assert self.process is not None
        return self.process.wait(30)

    def end_without_app(self) -> None:
        """As the supervisor of a home: CometBFT without its application is killed; now and then its own stop hangs."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def kill_app(self, number: int = signal.SIGKILL) -> None:
        assert self.app is not None
        self.app.send_signal(number)
        self.app.wait(10)

    def stop(self) -> None:
        for process in (self.process, self.app):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(10)


class EngineNet:
    """Several of them that know each other; use as a context manager."""

    def __init__(
        self,
        root: Path,
        size: int = 4,
        *,
        app: str = KVSTORE,
        app_state: Any = None,
        chain_id: str = "comet-1",
        config: EngineConfig | None = None,
        seeds: list[bytes] | None = None,
        genesis_time: Timestamp | None = None,
        clock_offset_file: Path | None = None,
        app_arguments: tuple[str, ...] = (),
        **genesis: Any,
    ) -> None:
        ports = free_ports(2 * size)
        base = config or EngineConfig(timeouts=QUICK)
        keys = seeds or [sha256(f"validator {i} of {root}".encode()).digest() for i in range(size)]
        members = [
            EngineMember(
                root / f"node{i}",
                keys[i],
                replace(base, moniker=f"node{i}", rpc_port=ports[i], p2p_port=ports[size + i]),
            )
            for i in range(size)
        ]
        self.homes = init_engine_testnet(
            members,
            chain_id=chain_id,
            app_state={"hello": "town"} if app_state is None else app_state,
            genesis_time=genesis_time or Timestamp.from_ns(time.time_ns()),
            **genesis,
        )
        self.nodes = []
        for home, port in zip(self.homes, ports, strict=False):
            command = [sys.executable, "-m", app, "--home", str(home.app.root)]
            command += ["--address", str(home.app_socket)]
            if base.is_town_signer:
                command += ["--signer", str(home.signer_socket), "--chain-id", chain_id]
            command += app_arguments
            if clock_offset_file is not None:
                command += ["--clock-offset-file", str(clock_offset_file)]
            self.nodes.append(EngineNode(home, port, command))

    def __enter__(self) -> "EngineNet":
        try:
            for node in self.nodes:
                node.start_app()
            self.wait(lambda: all(node.app_listens() for node in self.nodes))
            for node in self.nodes:
                node.start_engine()
            self.wait_height(1)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def wait_height(self, height: int, nodes: list[int] | None = None, seconds: float = 40) -> None:
        chosen = [self.nodes[i] for i in (nodes if nodes is not None else range(len(self.nodes)))]
        self.wait(lambda: all(node.height() >= height for node in chosen), seconds)

    def wait(self, condition: Any, seconds: float = 40) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s\n{self.describe()}")

    def describe(self) -> str:
        lines = [f"heights {[node.height() for node in self.nodes]}"]
        for node in self.nodes:
            for log in (node.log, node.app_log):
                if log.exists():
                    lines.append(f"== {log.name}\n{log.read_text(errors='replace')[-1_500:]}")
        return "\n".join(lines)


def can_run() -> bool:
    return find_cometbft() is not None and os.name == "posix"
