"""`make bench NAME=network`: finality and throughput of four real validators over loopback TLS.

Key-value application, production timeouts; the load generator and all four processes share this machine. A
transaction is final when the node that took it answers `broadcast_tx_commit`. After idleness the town's clock ticks
first (PROTOCOL §1), so that finality takes two heights. Disk syncs are counted by strace where it may attach.
"""

import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from base64 import b64encode
from pathlib import Path
from statistics import median, quantiles

from bench.report import Metric, write_results
from chain.node.config import NodeConfig
from tests.node.four import Cluster

IDLE_S = 2.6
"""Longer than the 2 s after which a block's time counts as old."""
IDLE_ROUNDS = 9
BUSY_ROUNDS = 60
CLIENTS = 8
TXS_PER_CLIENT = 25
FLOOD_TXS = 3_000
FLOOD_TX_BYTES = 200
RPC_BATCH = 10
SYNC_ROUNDS = 20
AIM_IDLE_MS = 120.0
AIM_BUSY_MS = 60.0


def commit_ms(cluster: Cluster, node: int, tx: bytes) -> float:
    """How long one transaction takes to be final, asked of one node."""
    started = time.perf_counter()
    cluster.nodes[node % len(cluster.nodes)].commit(tx)
    return (time.perf_counter() - started) * 1_000


def measure_idle(cluster: Cluster) -> list[float]:
    found = []
    for n in range(IDLE_ROUNDS):
        time.sleep(IDLE_S)
        found.append(commit_ms(cluster, n, b"idle%d=v" % n))
    return found


def measure_clients(cluster: Cluster) -> tuple[list[float], float]:
    """Latencies of several clients at once, and their transactions per second."""
    found: list[float] = []

    def client(number: int) -> None:
        for n in range(TXS_PER_CLIENT):
            found.append(commit_ms(cluster, number, b"c%d-%d=v" % (number, n)))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(CLIENTS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, len(found) / (time.perf_counter() - started)


def measure_flood(cluster: Cluster) -> float:
    """Final transactions per second when all arrive at once, a quarter at each node."""
    size = len(cluster.nodes)

    def flood(node: int) -> None:
        calls = [
            {
                "jsonrpc": "2.0",
                "id": n,
                "method": "broadcast_tx_async",
                "params": {"tx": b64encode(b"f%d=" % n + b"x" * FLOOD_TX_BYTES).decode()},
            }
            for n in range(node, FLOOD_TXS, size)
        ]
        url = f"http://127.0.0.1:{cluster.nodes[node].rpc_port}/"
        for start in range(0, len(calls), RPC_BATCH):
            body = json.dumps(calls[start : start + RPC_BATCH]).encode()
            with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
                answer.read()

    threads = [threading.Thread(target=flood, args=(n,)) for n in range(size)]
    before = total_txs(cluster)
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cluster.wait(lambda: total_txs(cluster) - before >= FLOOD_TXS, 120)
    return FLOOD_TXS / (time.perf_counter() - started)


def total_txs(cluster: Cluster) -> int:
    """Keys the slowest node has committed."""
    return min(
        int(node.call("tx_search", query="app.key EXISTS", per_page="1")["total_count"])
        for node in cluster.nodes
    )


def measure_syncs(cluster: Cluster) -> float | None:
    """Disk syncs of one validator per height, or None where strace is absent or may not attach."""
    node = cluster.nodes[0]
    if shutil.which("strace") is None or node.process is None:
        return None
    command = [
        "strace",
        "-f",
        "-c",
        "-e",
        "trace=fsync,fdatasync,msync",
        "-p",
        str(node.process.pid),
    ]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    before = node.height()
    for n in range(SYNC_ROUNDS):
        commit_ms(cluster, n, b"sync%d=v" % n)
    heights = node.height() - before
    tracer.send_signal(signal.SIGINT)
    lines = (tracer.communicate()[1] or "").splitlines()
    totals = [line.split() for line in lines if line.endswith("total")]
    return int(totals[0][3]) / heights if totals else None


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="beffroi-bench-"))
    cluster = Cluster(folder, config=NodeConfig())
    try:
        cluster.start()
        idle = measure_idle(cluster)
        busy = [commit_ms(cluster, n, b"busy%d=v" % n) for n in range(BUSY_ROUNDS)]
        clients, per_s = measure_clients(cluster)
        syncs = measure_syncs(cluster)
        flood_per_s = measure_flood(cluster)
        cluster.check_agreement()
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)

    def latency(name: str, found: list[float], aim: float | None = None) -> list[Metric]:
        p50, p95 = median(found), quantiles(found, n=20)[-1]
        ok = None if aim is None else p50 <= aim
        return [
            Metric(f"{name}_p50_ms", p50, "ms", aim=aim, ok=ok),
            Metric(f"{name}_p95_ms", p95, "ms"),
        ]

    metrics = [
        *latency("finality_after_idle", idle, AIM_IDLE_MS),
        *latency("finality_busy", busy, AIM_BUSY_MS),
        *latency(f"finality_{CLIENTS}_clients", clients),
        Metric(f"tx_per_s_{CLIENTS}_clients", per_s, "tx/s"),
        Metric("tx_per_s_flood", flood_per_s, "tx/s"),
    ]
    if syncs is not None:
        metrics.append(Metric("disk_syncs_per_height", syncs, "syncs"))
    write_results("network", metrics)


if __name__ == "__main__":
    main()
