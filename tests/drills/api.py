"""The API and its projector attached to a Byzantine node: they may stall, never show a false fact, and move on."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from app.cli.town import node_urls
from app.core.keyfiles import new_role_key
from tests.drills.report import Drill, drill
from tests.drills.town import Town, TownNode, wait_for
from tests.node.four import ROOT, Cluster, free_ports

LIES = ("rpc-liar", "rpc-stall")


class TownApi:
    """Projector and API server of a town as `beffroi up` starts them, on the nodes they are given."""

    def __init__(
        self, town: Cluster, folder: Path, node_ports: list[int], **environment: str
    ) -> None:
        """`environment` is the town's own; keys of services lie in `town.root / "keys"`."""
        folder.mkdir(parents=True)
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        keys = town.root / "keys"
        self._folder = folder
        self._environment = {
            **os.environ,
            "BEFFROI_HOME": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'town.db'}",
            "BEFFROI_NODE_URLS": node_urls(node_ports),
            "BEFFROI_GENESIS_FILE": str(town.homes[0].genesis_file),
            "BEFFROI_PUBLIC_URL": self.url,
            "BEFFROI_TOKEN_KEY_FILES": str(keys / "token.json"),
            "BEFFROI_GATEWAY_KEY_FILE": str(keys / "gateway.json"),
            "BEFFROI_MASTER_KEY_FILE": str(keys / "master.key"),
            **environment,
        }
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """The projector makes the database; then the server."""
        self.run("projector", "-m", "app.cli", "projector")
        wait_for(lambda: (self._folder / "town.db").exists(), 60, "the projector's database")
        time.sleep(1.0)
        self.run(
            "api",
            *("-m", "gunicorn", "--worker-class=gthread", "--workers=1", "--threads=4"),
            *(f"--bind=127.0.0.1:{self.port}", "--no-control-socket", "app.wsgi:application"),
        )
        wait_for(lambda: self.get("/v1/health") is not None, 60, "the API")

    def run(self, name: str, *command: str, **environment: str) -> None:
        """Start one more program of the town's; `stop` ends it with the others."""
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, *command],
                    cwd=ROOT,
                    env=self._environment | environment,
                    stdout=log,
                    stderr=log,
                )
            )

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(20)

    def get(self, path: str) -> Any:
        """The JSON of a route, None when it does not answer 200."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def projector_log(self) -> str:
        """What the projector said."""
        return (self._folder / "projector.log").read_text()

    def height(self) -> int:
        """Height that SQL has reached."""
        status = self.get("/v1/status")
        return -1 if status is None else int(status["height"])


@drill
def api_on_a_liar(run: Drill) -> None:
    """The first node the API asks lies on its RPC, then one that stalls; honest in consensus both times."""
    for lie in LIES[:1] if run.is_quick else LIES:
        town = Town(run.folder / f"town-{lie}", 4)
        run.closers.append(town.stop)
        liar = town.nodes[0]
        assert isinstance(liar, TownNode)
        liar.run_program("tests.drills.liars", "--lie", lie)
        town.start()
        ports = [node.rpc_port for node in town.nodes]
        api = TownApi(town, run.folder / f"api-{lie}", ports)
        run.closers.append(api.stop)
        api.start()
        run.did(f"projector and API on four nodes, the first of them a program that lies: {lie}")
        owners = [new_role_key("phone").signer for _ in range(3)]
        heights = {}
        for owner in owners:
            heights[owner.kid] = town.nodes[1].commit(town.tx(owner))
        town.nodes[1].commit(town.tx())
        last = max(heights.values())
        started_s = time.monotonic()
        wait_for(lambda a=api, h=last: a.height() >= h, 90, f"SQL at {last} beside {lie}")
        run.measure(f"{lie}_caught_up_s", round(time.monotonic() - started_s, 1))
        said = api.projector_log()
        noticed = "going_on_without" in said if lie == "rpc-liar" else "node_stalls" in said
        run.check(f"{lie}: it noticed, and went on with the others", noticed)
        check_facts(run, town, api, lie)
        api.stop()
        town.stop()


def check_facts(run: Drill, town: Town, api: TownApi, lie: str) -> None:
    """Every block that the API shows is the one that correct validators decided."""
    shown = 0
    for height in range(1, api.height() + 1):
        told = api.get(f"/v1/audit/headers/{height}")
        if told is None:
            continue
        shown += 1
        if told["hash"].upper() != town.nodes[1].block_id(height):
            run.check(f"{lie}: the header of {height} is the town's", ok=False, measured=told)
            return
    run.check(f"{lie}: no false fact is shown", shown > 0, f"{shown} headers compared")
