"""A real relay process is visited from an address and with a browser that occur nowhere else; nothing of it stays.

Every file the process has and everything it prints is searched, also after requests that it cannot read: the server
library's own log would name the address.
"""

import base64
import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.api.relay.relay_kit import TOWN, VOTE_RECORD, credential_of, true_ballot
from tests.canary import forms
from tests.node.four import free_ports

pytestmark = pytest.mark.process

ADDRESS = "127.61.73.89"
AGENT = "Zyxcanari-Navigateur/7.31 (Qwvz; Ytrobanvik)"
FORWARDED = "203.0.113.227"
PACKED = (socket.inet_aton(ADDRESS), socket.inet_aton(FORWARDED))
SECONDS = 30


class Node(http.server.BaseHTTPRequestHandler):
    """The one node of this relay: an election that is open for a day, and every broadcast taken."""

    taken: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": self._answer(asked)}
        raw = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _answer(self, asked: dict) -> dict:
        params = asked["params"]
        if asked["method"] == "broadcast_tx_sync":
            self.taken.append(base64.b64decode(params["tx"]))
            return {"code": 0, "log": "", "codespace": "", "hash": ""}
        value: dict | None = {"town": TOWN}
        if params["path"] == "/record/votes":
            value = read_record(bytes.fromhex(params["data"]))
        raw = json.dumps(value).encode() if value is not None else b""
        encoded = base64.b64encode(raw).decode()
        return {"response": {"code": 0, "value": encoded, "height": "1"}}

    def log_message(self, *_args: object) -> None:
        """The node keeps no log here."""


def read_record(record_id: bytes) -> dict | None:
    """What the node keeps of an election with one voter on its list."""
    table, _, part = record_id.partition(b"/")
    match table:
        case b"election":
            names = (
                "issuance_opens",
                "issuance_closes",
                "registration_closes",
                "voting_opens",
                "voting_closes",
                "appeals_close",
            )
            now_s = int(time.time())
            offsets = (-400, -300, -200, -100, 600, 9_000)
            dates = {name: now_s + by for name, by in zip(names, offsets, strict=True)}
            return {"phase": "voting", "calendar": dates}
        case b"document":
            return {"text": VOTE_RECORD.decode()}
        case b"count":
            return {"registrations": 1}
        case b"list" if part.endswith(bytes(4)):
            return {"entries": [credential_of(0)]}
        case _:
            return None


@pytest.fixture
def node() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Node.taken.clear()
    yield server.server_address[1]
    server.shutdown()
    thread.join(SECONDS)
    server.server_close()


@pytest.fixture
def relay(tmp_path: Path, node: int) -> Iterator[int]:
    (port,) = free_ports(1)
    environment = {
        "PATH": os.environ["PATH"],
        "BEFFROI_HOME": str(tmp_path / "home"),
        "BEFFROI_NODE_URLS": f"http://127.0.0.1:{node}",
        "BEFFROI_TRUSTED_PROXIES": "1",
    }
    with (tmp_path / "printed.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "relay", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: is_up(port))
        yield port
    finally:
        process.terminate()
        assert process.wait(SECONDS) == 0


def wait_until(condition) -> None:
    end_s = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def is_up(port: int) -> bool:
    try:
        return visit(port, "GET", "/health") == 200
    except OSError:
        return False


def visit(port: int, method: str, path: str, body: bytes = b"") -> int:
    """One request from the canary's address, by the canary's browser, through a proxy that names another."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=SECONDS, source_address=(ADDRESS, 0)
    )
    headers = {
        "User-Agent": AGENT,
        "X-Forwarded-For": FORWARDED,
        "Content-Type": "application/json",
        "X-Request-Id": "0123456789abcdef0123456789abcdef",
        "Referer": f"https://{AGENT[:9]}.example/",
    }
    try:
        connection.request(method, path, body or None, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def send_raw(port: int, raw: bytes) -> None:
    """Bytes that are no request."""
    with socket.create_connection(("127.0.0.1", port), SECONDS, (ADDRESS, 0)) as connection:
        connection.sendall(raw)
        connection.settimeout(SECONDS)
        while connection.recv(4_096):
            pass


def test_neither_address_nor_browser_is_in_any_file_or_line_of_the_relay(
    relay: int, tmp_path: Path
) -> None:
    cast = true_ballot(0)
    assert visit(relay, "POST", "/v1/anonymous/transactions", cast) == 202
    assert visit(relay, "POST", "/v1/anonymous/transactions", b"{}") == 400
    assert visit(relay, "POST", "/v1/anonymous/transactions", true_ballot(1)) == 422
    assert visit(relay, "POST", "/v1/anonymous/transactions?release_at=x", cast) == 422
    assert visit(relay, "GET", f"/{AGENT[:9]}") == 404
    assert visit(relay, "GET", "/v1/anonymous/refusals") == 200
    for raw in (
        f"GET /{AGENT[:9]} HTTP/9.9\r\n\r\n".encode(),
        f"POST / HTTP/1.1\r\nUser-Agent : {AGENT}\r\n\r\n".encode(),
        f"POST / HTTP/1.1\r\nContent-Length: {AGENT[:9]}\r\n\r\n".encode(),
    ):
        send_raw(relay, raw)
    wait_until(lambda: cast in Node.taken)
    printed = (tmp_path / "printed.log").read_bytes()
    assert printed.count(b"a request could not be read") >= 2, "or the search below shows nothing"
    places = {
        str(path): path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()
    }
    assert any(path.endswith("relay.db") for path in places)
    needles = {
        what: needle
        for text in (ADDRESS, FORWARDED, AGENT, AGENT[:9], "0123456789abcdef0123456789abcdef")
        for what, needle in forms(text).items()
    }
    found = [
        (place, what)
        for place, content in places.items()
        for what, n in needles.items()
        if n in content
    ]
    assert found == []
    assert not [place for place, content in places.items() for n in PACKED if n in content]
