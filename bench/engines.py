"""`make bench NAME=engines`: the embedded engine beside CometBFT (DESIGN §8).

The same key-value application, four validators each, the same machine, one engine after the other in rounds. CometBFT
twice: tuned (the same timeouts, `timeout_commit` 25 ms as the embedded engine's spacing of blocks with transactions,
gossip sleeps and flushes of 5 ms) and with its defaults. CometBFT is compiled Go with the application in another
process; the embedded engine is Python with the application inside: that is what each of them is, and it is measured so.

Finality: one client, `broadcast_tx_commit` asked of each node in turn. Throughput: a flood to all four nodes over
`broadcast_tx_async`, until the last transaction is in a block of the first node. Medians of the rounds.
"""

import json
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.report import Metric, write_results
from chain.node.cometbft import EngineConfig, find_cometbft
from chain.node.config import NodeConfig, Timeouts
from tests.cometbft.net import EngineNet
from tests.node.four import Cluster

VALIDATORS = 4
ROUNDS = 5
COMMITS = 20
FLOOD_TXS = 1_000
TX_BYTES = 200
BATCH = 10
TIMEOUTS = replace(Timeouts(), commit_s=0.025)
TUNED = EngineConfig(timeouts=TIMEOUTS)
DEFAULT = EngineConfig(gossip_sleep_ms=100, flush_throttle_ms=100, skip_timeout_commit=False)
FLOOD_PATIENCE_S = 180
AIM = 1.0


@dataclass
class Samples:
    """What one engine gave."""

    commit_ms: list[float] = field(default_factory=list)
    tx_per_s: list[float] = field(default_factory=list)


@contextmanager
def embedded(root: Path) -> Iterator[Any]:
    cluster = Cluster(
        root, module="tests.cometbft.kvstore_plain", config=NodeConfig(timeouts=TIMEOUTS)
    )
    try:
        cluster.start(wait=False)
        cluster.wait_height(1, seconds=60)
        yield cluster
    finally:
        cluster.stop()


def comet(config: EngineConfig) -> Any:
    def engine(root: Path) -> Any:
        return EngineNet(root, VALIDATORS, config=config)

    return engine


def measure(net: Any, samples: Samples, mark: str) -> None:
    """One round on a running network."""
    for n in range(COMMITS):
        started = time.perf_counter()
        net.nodes[n % VALIDATORS].commit(b"%s-%d=v" % (mark.encode(), n))
        samples.commit_ms.append((time.perf_counter() - started) * 1_000)
    samples.tx_per_s.append(flood(net, mark))


def flood(net: Any, mark: str) -> float:
    """Transactions per second from the first byte sent to the block with the last of them."""
    first = net.nodes[0].height() + 1
    started = time.perf_counter()
    threads = [
        threading.Thread(target=send_share, args=(node.rpc_port, share, mark))
        for share, node in enumerate(net.nodes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen, height = 0, first
    end_s = time.perf_counter() + FLOOD_PATIENCE_S
    while seen < FLOOD_TXS:
        assert time.perf_counter() < end_s, f"{seen} of {FLOOD_TXS} within {FLOOD_PATIENCE_S} s"
        if net.nodes[0].height() < height:
            time.sleep(0.01)
            continue
        seen += len(net.nodes[0].call("block", height=str(height))["block"]["data"]["txs"] or ())
        height += 1
    return FLOOD_TXS / (time.perf_counter() - started)


def send_share(port: int, share: int, mark: str) -> None:
    calls = [
        {
            "jsonrpc": "2.0",
            "id": n,
            "method": "broadcast_tx_async",
            "params": {"tx": b64encode(b"%s%d=" % (mark.encode(), n) + b"x" * TX_BYTES).decode()},
        }
        for n in range(share, FLOOD_TXS, VALIDATORS)
    ]
    for start in range(0, len(calls), BATCH):
        body = json.dumps(calls[start : start + BATCH]).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()


def metrics(found: dict[str, Samples]) -> list[Metric]:
    ms = {name: median(samples.commit_ms) for name, samples in found.items()}
    rate = {name: median(samples.tx_per_s) for name, samples in found.items()}
    faster = rate["embedded"] / rate["cometbft_tuned"]
    sooner = ms["embedded"] / ms["cometbft_tuned"]
    lines = [
        Metric(
            "throughput_embedded_vs_cometbft",
            rate["embedded"],
            "tx/s",
            rate["cometbft_tuned"],
            faster,
            AIM,
            faster >= AIM,
        ),
        Metric(
            "finality_p50_embedded_vs_cometbft",
            ms["embedded"],
            "ms",
            ms["cometbft_tuned"],
            sooner,
            AIM,
            sooner <= AIM,
        ),
    ]
    for name in found:
        lines.append(Metric(f"finality_p50_ms_{name}", ms[name], "ms"))
        lines.append(Metric(f"tx_per_s_{name}", rate[name], "tx/s"))
    return lines


def main() -> int:
    if find_cometbft() is None:
        print("CometBFT is not installed (make tools): nothing to compare with")
        return 0
    engines = {
        "embedded": embedded,
        "cometbft_tuned": comet(TUNED),
        "cometbft_default": comet(DEFAULT),
    }
    found = {name: Samples() for name in engines}
    root = Path(tempfile.mkdtemp(prefix="beffroi-engines-"))
    try:
        for name, engine in engines.items():
            with engine(root / name) as net:
                for round_ in range(ROUNDS):
                    measure(net, found[name], f"{name}{round_}")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    write_results("engines", metrics(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
