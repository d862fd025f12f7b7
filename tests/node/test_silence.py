"""A real node is visited from an address and by a browser that occur nowhere else; no log, file or metric keeps them.

A relay hands votes to its nodes, and nothing forbids a phone to: what a node writes down must name neither.
"""

import http.client
import json
import re
import socket
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

from chain.node.config import NodeConfig
from chain.node.metrics_server import Instrumentation
from tests.canary import forms
from tests.node.four import QUICK, Cluster, free_ports

pytestmark = pytest.mark.process

ADDRESS = "127.61.73.89"
AGENT = "Zyxcanari-Navigateur/7.31 (Qwvz; Ytrobanvik)"
FORWARDED = "203.0.113.227"
SECONDS = 30


def visit(port: int, method: str, path: str, body: bytes = b"") -> int:
    """One request from the canary's address, by the canary's browser, through a proxy that names another."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=SECONDS, source_address=(ADDRESS, 0)
    )
    headers = {"User-Agent": AGENT, "X-Forwarded-For": FORWARDED, "Referer": f"https://{AGENT[:9]}"}
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def send_raw(port: int, raw: bytes) -> None:
    """Bytes that are no request."""
    with socket.create_connection(("127.0.0.1", port), SECONDS, (ADDRESS, 0)) as connection:
        connection.sendall(raw)
        connection.settimeout(SECONDS)
        while connection.recv(4_096):
            pass


def call(method: str, **params: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def test_neither_address_nor_browser_is_in_any_metric_line_or_file_of_a_node(
    tmp_path: Path,
) -> None:
    (metrics_port,) = free_ports(1)
    told = Instrumentation(prometheus=True, listen_port=metrics_port)
    cluster = Cluster(tmp_path, 1, config=NodeConfig(timeouts=QUICK, instrumentation=told))
    try:
        cluster.start()
        port = cluster.nodes[0].rpc_port
        taken = call("broadcast_tx_sync", tx=b64encode(b"vote=1").decode())
        assert visit(port, "POST", "/", taken) == 200
        assert visit(port, "POST", "/", call("broadcast_tx_sync", tx="%")) >= 200
        assert visit(port, "POST", "/", b"no json") >= 200
        assert visit(port, "GET", f"/{AGENT[:9]}") >= 400
        assert visit(metrics_port, "GET", "/metrics") == 200
        send_raw(port, f"GET /{AGENT[:9]} HTTP/9.9\r\n\r\n".encode())
        send_raw(port, f"POST / HTTP/1.1\r\nContent-Length: {AGENT[:9]}\r\n\r\n".encode())
        cluster.nodes[0].commit(b"vote=2")
        with urllib.request.urlopen(
            f"http://127.0.0.1:{metrics_port}/metrics", timeout=SECONDS
        ) as page:
            metrics = page.read()
    finally:
        cluster.stop()
    assert re.search(rb"cometbft_consensus_total_txs\S* 2", metrics), "or the vote was not counted"
    places = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (log,) = (content for path, content in places.items() if path.endswith("node0.log"))
    assert log.count(b"a request could not be handled") >= 2, "or the search below shows nothing"
    found = [
        (place, what)
        for place, content in {**places, "metrics": metrics}.items()
        for text in (ADDRESS, FORWARDED, AGENT, AGENT[:9])
        for what, needle in forms(text).items()
        if needle in content
    ]
    assert found == []
    packed = (socket.inet_aton(ADDRESS), socket.inet_aton(FORWARDED))
    assert not [place for place, content in places.items() for n in packed if n in content]
