"""Four real validators of a town with a shop and customers, and a load generator that costs little.

Used by `make bench NAME=chain`. All keys are drawn from names; the town lifts its quotas and says INSECURE.
"""

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

from bench.profiled_node import read_profile
from chain.codec.canonical import b64url_encode, encode_canonical
from chain.crypto import jws
from chain.crypto.ed25519 import derive_public
from chain.crypto.jws import SigningKey
from chain.node.config import NodeConfig
from chain.p2p.certificates import make_certificate, make_key_pem
from chain.town.envelope import TICKET_TYP, build_transaction
from chain.town.schemas import (
    AccountOpen,
    EarnRule,
    LoyaltyEarn,
    LoyaltyProgramme,
    LoyaltyShop,
    LoyaltyTill,
    Ticket,
)
from tests.node.four import Cluster
from tests.town.town_kit import DAY_S, blind, jwk, key, make_genesis

SIZE = 4
SHOP = "boulangerie"
PROGRAMME = "bons-points"
PLENTY = 1_000_000
TX_LIFE_S = 3_600
RPC_BATCH = 10
"""Calls per request; the node takes no more."""
PING_EVERY_S = 0.02
PING_BYTES = 300
"""About the size of a vote on the wire."""
LIMITS = {
    "quota_till_per_minute": PLENTY,
    "quota_gateway_per_minute": PLENTY,
    "loyalty_gifts_per_shop_day": 1_000_000,
    "loyalty_points_per_account_day": 10**9,
    "loyalty_points_per_shop_day": 10**12,
    "loyalty_spends_per_hour": 1_000_000,
}


class BenchTown:
    """A running town of four validators, furnished for sales."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(
            folder, SIZE, module="bench.profiled_node", config=NodeConfig(), app_state={}
        )
        self._write_genesis(folder)
        self._nonces = count(1)
        self.customers: list[SigningKey] = []
        self.till = key("bench till")
        self.town = ""

    def _write_genesis(self, folder: Path) -> None:
        """The town's own state in place of the cluster's, with the cluster's validators."""
        genesis_s = int(time.time())
        state = json.loads(make_genesis(params=LIMITS, genesis_s=genesis_s).app_state_bytes)
        for index, validator in enumerate(state["validators"]):
            seed = sha256(f"validator {index} of {folder}".encode()).digest()
            validator["pub_key"] = b64url_encode(derive_public(seed))
        for home in self.cluster.homes:
            path = home.config / "genesis.json"
            document = json.loads(path.read_text())
            document["app_state"] = state
            path.write_text(json.dumps(document))

    def start(self, customers: int) -> None:
        """Start all nodes, open the shop and the customers' accounts."""
        self.cluster.start()
        answer = self.cluster.nodes[0].call("abci_query", path="/status")["response"]
        self.town = json.loads(b64decode(answer["value"]))["town"]
        operator, owner = key("loyalty_operator@commerces"), key("bench owner")
        programme = LoyaltyProgramme(PROGRAMME, 1, "active", EarnRule(1, 100, 0), 365)
        shop = LoyaltyShop(SHOP, "Boulangerie", jwk(owner))
        expires = int(time.time()) + 29 * DAY_S
        register = LoyaltyTill(jwk(self.till), expires, PLENTY, 100 * PLENTY)
        for tx in (
            self.tx(programme, "body:commerces", operator),
            self.tx(shop, "body:commerces", operator, owner),
            self.tx(register, f"shop:{SHOP}", owner, self.till),
        ):
            self.cluster.nodes[0].commit(tx)
        self.customers = [key(f"bench customer {n}") for n in range(customers)]
        self.flood([self._open(customer) for customer in self.customers])

    def tx(self, body: Struct, sender: str, *signers: SigningKey) -> bytes:
        """A signed transaction of this town."""
        nonce16 = next(self._nonces).to_bytes(16, "big")
        return build_transaction(
            self.town, sender, body, signers, nonce16, int(time.time()) + TX_LIFE_S
        )

    def _open(self, customer: SigningKey) -> bytes:
        until = int(time.time()) + TX_LIFE_S
        payload = encode_canonical(Ticket(self.town, "loyalty", customer.kid, until))
        ticket = jws.sign_compact(payload, TICKET_TYP, key("gateway@mairie")).decode()
        body = AccountOpen("loyalty", jwk(customer), blind(customer.kid), ticket)
        return self.tx(body, customer.kid, customer)

    def sales(self, total: int) -> list[bytes]:
        """`loyalty.earn` transactions, spread evenly over the customers."""
        return [self._sale(n) for n in range(total)]

    def _sale(self, number: int) -> bytes:
        customer = self.customers[number % len(self.customers)]
        receipt = b64url_encode(next(self._nonces).to_bytes(16, "big"))
        body = LoyaltyEarn(PROGRAMME, customer.kid, 1_000, receipt)
        return self.tx(body, f"shop:{SHOP}", self.till)

    def flood(self, txs: Sequence[bytes]) -> float:
        """Send all at once, a quarter to each node; seconds until the slowest node has all of them."""
        calls = [
            {
                "jsonrpc": "2.0",
                "id": n,
                "method": "broadcast_tx_async",
                "params": {"tx": b64encode(tx).decode()},
            }
            for n, tx in enumerate(txs)
        ]
        bodies = [
            [
                json.dumps(mine[start : start + RPC_BATCH]).encode()
                for start in range(0, len(mine), RPC_BATCH)
            ]
            for mine in (calls[node::SIZE] for node in range(SIZE))
        ]
        base = [node.height() for node in self.cluster.nodes]
        started = time.perf_counter()
        self._post_all(bodies)
        for node in range(SIZE):
            self._wait_txs(node, base[node], len(txs))
        return time.perf_counter() - started

    def _post_all(self, bodies: Sequence[Sequence[bytes]]) -> None:
        def post(node: int) -> None:
            client = http.client.HTTPConnection("127.0.0.1", self.cluster.nodes[node].rpc_port)
            for body in bodies[node]:
                client.request("POST", "/", body)
                answers = json.loads(client.getresponse().read())
                assert all("result" in answer for answer in answers), answers
            client.close()

        threads = [threading.Thread(target=post, args=(node,)) for node in range(SIZE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _wait_txs(self, node: int, above: int, total: int) -> None:
        """Until blocks above a height hold so many transactions."""
        seen, held = above, 0
        validator = self.cluster.nodes[node]
        end_s = time.monotonic() + 120
        while held < total:
            assert time.monotonic() < end_s, f"node {node} has {held} of {total} transactions"
            tip = validator.height()
            if tip <= seen:
                time.sleep(0.02)
                continue
            upto = min(tip, seen + 20)
            found = validator.call("blockchain", minHeight=str(seen + 1), maxHeight=str(upto))
            held += sum(int(meta["num_txs"]) for meta in found["block_metas"])
            seen = upto

    def commit_ms(self, number: int, tx: bytes) -> float:
        """How long one transaction takes to be final, asked of one node in turn."""
        started = time.perf_counter()
        self.cluster.nodes[number % SIZE].commit(tx)
        return (time.perf_counter() - started) * 1_000

    def cpu_s(self) -> float:
        """Processor time of all nodes so far, in seconds."""
        return sum(_cpu_s(node.process.pid) for node in self.cluster.nodes if node.process)

    def disk_bytes(self) -> int:
        """Bytes that the first node's data folder occupies on disk."""
        data = self.cluster.homes[0].data
        return sum(path.stat().st_blocks * 512 for path in data.rglob("*") if path.is_file())

    def finish(self) -> list[dict[str, Any]]:
        """Stop all nodes politely; their profiles."""
        for node in self.cluster.nodes:
            node.end()
        return [read_profile(home.root) for home in self.cluster.homes]


@contextmanager
def bench_town(customers: int) -> Iterator[BenchTown]:
    """A furnished town in a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder:
        town = BenchTown(Path(folder))
        try:
            town.start(customers)
            yield town
        finally:
            town.cluster.stop()


def _cpu_s(pid: int) -> float:
    """User and system time of one process (proc(5), stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class RoundTrips:
    """Vote-sized pings over TLS 1.3 on the loopback to a process of its own, every now and then, while a block runs.

    So they wait for a core as the nodes' messages do. `median_ms` is known afterwards.
    """

    def __init__(self, folder: Path) -> None:
        pem = folder / "ping.pem"
        pem.write_bytes(make_key_pem(b"\x07" * 32) + make_certificate(b"\x07" * 32))
        self._pem = pem
        self._found: list[float] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ping_for_ever)

    def __enter__(self) -> "RoundTrips":
        command = [sys.executable, "-m", "bench.echo", str(self._pem)]
        self._echo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._echo.stdout is not None
        self._port = int(self._echo.stdout.readline())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._echo.kill()
        self._echo.communicate()

    @property
    def median_ms(self) -> float:
        """Milliseconds from a ping to its answer."""
        return median(self._found)

    def _ping_for_ever(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self._port)) as raw,
            context.wrap_socket(raw) as line,
        ):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._is_over.wait(PING_EVERY_S):
                started = time.perf_counter()
                line.sendall(b"v" * PING_BYTES)
                left = PING_BYTES
                while left:
                    left -= len(line.recv(left))
                self._found.append((time.perf_counter() - started) * 1_000)
