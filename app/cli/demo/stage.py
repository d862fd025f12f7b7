"""The real processes the demo plays on: a fresh town in a folder of its own, on ports of its own.

Node, projector and API server are started by the very supervisor of `beffroi up`.
Reads and writes: one temporary folder.  Never: touches a town that is already there.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final

from app.cli.demo.programs import run_program
from app.cli.engine import EMBEDDED
from app.cli.town import TownHome, found_town, node_urls
from app.cli.up import VALIDATORS, start_town
from chain.node.config import Pacing

DEMO_PARAMS: Final = {"identity_batch_hour_utc": -1, "votes_station_min_electors": 1}
"""All else is as in production, also the eight identities of a batch and the weeks of an election; -1 allows a batch
at any hour, 1 a polling station of eight, and both make the town insecure, without which it would not let its clock
be moved."""
PACING: Final = Pacing(empty_interval_s=2.0)
"""A node that waits looks at its clock, which was moved, with the next block at the latest."""
STOPPED_BY_SIGNAL: Final = 130


class RealTown:
    """A founded and running town; use as a context manager.

    `params` default to the demo's; `validators` to one, or to four on CometBFT.
    """

    def __init__(
        self,
        folder: Path,
        params: Mapping[str, int] = DEMO_PARAMS,
        *,
        engine: str = EMBEDDED,
        validators: int = 0,
    ) -> None:
        self._home = TownHome(folder)
        api_port, node_port, relay_port = free_ports(3)
        self.base_url = f"http://127.0.0.1:{api_port}"
        self.relay_url = f"http://127.0.0.1:{relay_port}"
        self.keys_dir = self._home.keys
        self.genesis = self._home.node / "config" / "genesis.json"
        self.logs = self._home.logs
        validators = validators or (1 if engine == EMBEDDED else VALIDATORS)
        found_town(
            self._home,
            node_port=node_port,
            validators=validators,
            params=params,
            engine=engine,
            pacing=PACING,
        )
        self._supervisor = start_town(
            self._home, port=api_port, node_port=node_port, relay_port=relay_port
        )
        ports = [node_port, *self._home.rpc_ports()[1:]]
        self.node_urls = tuple(node_urls(ports).split(","))
        _restore_signals()

    def __enter__(self) -> "RealTown":
        try:
            self._supervisor.start()
        except BaseException:
            self._supervisor.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._supervisor.stop()

    def stop_node(self) -> None:
        """SIGTERM the validator and wait until it is gone."""
        self._supervisor.stop_one("node")

    def start_node(self) -> None:
        """Start the validator again on the same home."""
        self._supervisor.start_one("node")

    def run_job(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `beffroi` command in this town's environment, as an operator would; at most two minutes."""
        return subprocess.run(  # noqa: S603  # our own command, no shell
            [sys.executable, "-m", "app.cli", *arguments],
            env=self._supervisor.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def run_program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same from a process that has its modules loaded: what registrars, trustees and auditors run."""
        return run_program(arguments, self._supervisor.environment)

    def shift_clock(self, seconds: int) -> None:
        """Move the clock of node and API by so many seconds from the machine's."""
        fresh = self._home.clock_offset.with_suffix(".new")
        fresh.write_text(str(seconds), encoding="ascii")
        fresh.replace(self._home.clock_offset)

    def now_s(self) -> int:
        """What a watch in this town shows."""
        try:
            offset = int(self._home.clock_offset.read_text(encoding="ascii"))
        except FileNotFoundError:
            offset = 0
        return int(time.time()) + offset


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [int(opened.getsockname()[1]) for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def _restore_signals() -> None:
    """Ctrl-C and SIGTERM end the demo where it stands; the `with` block then stops the processes."""

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(STOPPED_BY_SIGNAL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
