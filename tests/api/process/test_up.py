"""`beffroi up` with its real processes: a node, a projector, an API server; killed, stopped, started again."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.cli.demo.client import login
from app.cli.demo.http import Api
from app.cli.supervisor import is_answering
from app.core.keyfiles import new_role_key, read_key_file
from chain.codec.canonical import b64url_encode
from chain.crypto.jws import SigningKey
from chain.crypto.keys import jwk_of
from chain.town.envelope import build_transaction
from chain.town.schemas import AccountOpen, Jwk

pytestmark = [pytest.mark.process, pytest.mark.slow]
WAIT_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RunningTown:
    """One `beffroi up`, and a client that signs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.node_port, self.relay_port = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.home.parent / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "app.cli", "up", "--no-sample"),
                    *("--home", str(self.home)),
                    *("--port", str(self.port), "--node-port", str(self.node_port)),
                    *("--relay-port", str(self.relay_port)),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for(lambda: self.get("/v1/health")[0] == 200)
        self.wait_for(lambda: is_answering(self.relay_port, "/health"))

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def end(self) -> None:
        """Stop it if it runs; killed when it does not stop, with all that it started."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.stop(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            for pid in self.children():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait(10)
            raise

    def children(self) -> list[int]:
        """Process ids of all children."""
        assert self.process is not None
        pid = self.process.pid
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def child(self, name: str) -> int:
        """Process id of a child, by its command line."""
        for pid in self.children():
            if name in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
        raise LookupError(name)

    def has_child(self, name: str, other_than: int) -> bool:
        """Whether a child of that name runs that is not the one named."""
        try:
            return self.child(name) != other_than
        except LookupError:
            return False

    def wait_for(self, condition: Any) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, (self.home.parent / "up.log").read_text()
            time.sleep(0.1)

    # --- client ---

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                sent | ({} if body is None else {"Content-Type": "application/json"}),
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return 0, None
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def open_account(self, signer: SigningKey) -> tuple[int, Any]:
        api = Api(f"http://127.0.0.1:{self.port}")
        with api:
            token = login(api, signer)
        path = "/v1/accounts/tickets"
        _, ticket = self.call(
            "POST", path, {"domain": "loyalty"}, **api.authorize("POST", path, token)
        )
        body = AccountOpen(
            "loyalty",
            Jwk(**jwk_of(signer.public_key)),
            b64url_encode(bytes(16)),
            ticket["ticket"],
        )
        tx = build_transaction(
            self.get("/v1/status")[1]["town"],
            signer.kid,
            body,
            [signer],
            secrets.token_bytes(16),
            int(time.time()) + 600,
        )
        return self.call(
            "POST",
            "/v1/accounts",
            {"transaction": tx.decode()},
            **api.authorize("POST", "/v1/accounts", token),
            Idempotency_Key=secrets.token_hex(8),
            Prefer="wait=10",
        )


@pytest.fixture
def town(tmp_path: Path) -> Iterator[RunningTown]:
    running = RunningTown(tmp_path / "home")
    running.home.mkdir()
    try:
        running.start()
        yield running
    finally:  # also when it does not come up in time: a town left behind slows down and fails other tests
        running.end()


def test_a_town_comes_up_works_survives_kills_stops_and_goes_on(town: RunningTown) -> None:
    """One long story, because starting a town costs seconds."""
    keys = sorted(path.name for path in (town.home / "keys").iterdir())
    assert {"clerk-1.json", "clerk-2.json", "supervisor.json", "operator.json"} <= set(keys)
    assert {oct(path.stat().st_mode & 0o777) for path in (town.home / "keys").iterdir()} == {
        "0o600"
    }
    clerk = read_key_file(town.home / "keys" / "clerk-1.json")
    assert (clerk.role, clerk.body) == ("clerk", "mairie")

    alice = new_role_key("phone").signer
    status, opened = town.open_account(alice)
    assert (status, opened["state"]) == (201, "final"), opened
    receipt = town.get(f"/v1/transactions/{opened['transaction']}?proof=1")[1]
    assert receipt["proof"]["format"] == "beffroi-proof-1"

    os.kill(town.child("projector"), signal.SIGKILL)
    status, second = town.open_account(new_role_key("phone").signer)
    assert status in (201, 202), second
    place = f"/v1/transactions/{second['transaction']}"
    town.wait_for(lambda: town.get(place)[1]["state"] == "final")

    killed = town.child(
        "webhooks"
    )  # it tells shops' endpoints, and is started again like the others
    os.kill(killed, signal.SIGKILL)
    town.wait_for(lambda: town.has_child("webhooks", other_than=killed))

    os.kill(town.child("chain.node"), signal.SIGSTOP)
    stopped = town.child("chain.node")
    status, refused = town.open_account(new_role_key("phone").signer)
    assert (status, refused["code"]) == (503, "node_unavailable")
    assert town.get(place)[0] == 200, "reads are served"
    os.kill(stopped, signal.SIGCONT)

    os.kill(town.child("chain.node"), signal.SIGKILL)
    town.wait_for(lambda: town.get("/v1/status")[1]["node"] == "up")
    status, third = town.open_account(new_role_key("phone").signer)
    assert status in (201, 202), third

    before = town.get(f"/v1/transactions/{opened['transaction']}")[1]
    assert town.stop() == 0
    assert town.get("/v1/health")[0] == 0, "nothing answers any more"
    town.start()
    assert town.get(f"/v1/transactions/{opened['transaction']}")[1] == before
    status, fourth = town.open_account(new_role_key("phone").signer)
    assert (status, fourth["state"]) == (201, "final")
    assert fourth["height"] > before["height"]


def test_a_second_town_in_the_same_folder_is_refused(town: RunningTown) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "app.cli", "up", "--home", str(town.home), "--port", "1"],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert second.returncode != 0
    assert "already running" in second.stderr
