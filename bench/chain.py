"""`make bench NAME=chain`: what four validators can do, against what the machine could at best (DESIGN §8).

Four real town nodes with TLS and disks, the load generator on the same machine. A transaction is a sale
(`loyalty.earn`); it is final when the node that took it says so. Ratios compare figures of this very run.
"""

import argparse
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from os import cpu_count
from statistics import median, quantiles
from typing import Any

from bench.big_town import measure_accounts, measure_rss
from bench.report import Metric, write_results
from bench.town_cluster import (
    SIZE,
    BenchTown,
    RoundTrips,
    bench_town,
)
from chain.crypto import ed25519
from tests.sim.core.batch import run_batch

CUSTOMERS = 200
FEW_CUSTOMERS = 20
FLOOD_TXS = 2_000
FLOODS = 5
BUSY_ROUNDS = 100
IDLE_ROUNDS = 9
IDLE_S = 2.6
"""Longer than the 2 s after which a block's time counts as old: the first block only tells the time."""
SYNC_COMMITS = 20
ROUND_TRIPS_PER_TX = 3.0
"""Client and node; transaction to the proposer and its proposal back; prevotes and precommits."""
SYNCS = (("host_ns", "wal_sync"), ("host_ns", "signer_sync"), ("executor_ns", "store_write"))
"""Stages that are nothing but waiting for the disk."""
VERIFIES = 4_000
SIM_SEEDS = 100
AIM_THROUGHPUT = 0.20
AIM_BUSY_MS = 60.0
AIM_IDLE_MS = 120.0
AIM_FLOOR = 5.0
AIM_ACCOUNTS = 2.0
AIM_DUPLICATES = 0.2


def measure_verifies_per_s() -> float:
    """Signatures that one core checks in a second, transactions' strict rule."""
    seed, message = b"\x11" * 32, b"m" * 400
    public, signature = ed25519.derive_public(seed), ed25519.sign(seed, message)
    started = time.perf_counter()
    for _ in range(VERIFIES):
        assert ed25519.verify_strict(public, message, signature)
    return VERIFIES / (time.perf_counter() - started)


def measure_idle(town: BenchTown) -> list[float]:
    """Finality of a lone sale after idleness, ms each."""
    found = []
    for number, tx in enumerate(town.sales(IDLE_ROUNDS)):
        time.sleep(IDLE_S)
        found.append(town.commit_ms(number, tx))
    return found


def measure_busy(town: BenchTown) -> list[float]:
    """Finality of sales one after the other, ms each."""
    return [town.commit_ms(n, tx) for n, tx in enumerate(town.sales(BUSY_ROUNDS))]


def measure_syncs_per_height(town: BenchTown) -> float | None:
    """Disk syncs of one node per height by strace; None where it is absent or may not attach."""
    node = town.cluster.nodes[0]
    if shutil.which("strace") is None or node.process is None:
        return None
    calls = "trace=fsync,fdatasync,msync"
    command = ["strace", "-f", "-c", "-e", calls, "-p", str(node.process.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    before = node.height()
    for number, tx in enumerate(town.sales(SYNC_COMMITS)):
        town.commit_ms(number, tx)
    heights = node.height() - before
    tracer.send_signal(signal.SIGINT)
    lines = (tracer.communicate()[1] or "").splitlines()
    totals = [line.split() for line in lines if line.endswith("total")]
    return int(totals[0][3]) / heights if totals and heights else None


def floods_per_s(town: BenchTown, floods: int) -> list[float]:
    """Final sales per second of several floods."""
    return [FLOOD_TXS / town.flood(town.sales(FLOOD_TXS)) for _ in range(floods)]


def latency_metrics(name: str, found: Sequence[float], aim: float) -> list[Metric]:
    """Median with its aim, and the 95th percentile."""
    p50 = median(found)
    return [
        Metric(f"finality_p50_ms_{name}", p50, "ms", aim=aim, ok=p50 <= aim),
        Metric(f"finality_p95_ms_{name}", quantiles(found, n=20)[-1], "ms"),
    ]


def stage_metrics(profiles: Sequence[dict[str, Any]], txs: int) -> list[Metric]:
    """µs per transaction and node of every stage, mean over the nodes; waiting for a core or the disk included."""
    found = []
    for group in ("abci_ns", "executor_ns", "host_ns"):
        for stage in sorted({stage for profile in profiles for stage in profile[group]}):
            spent = sum(profile[group].get(stage, 0) for profile in profiles) / len(profiles)
            found.append(Metric(f"us_{group[:-3]}_{stage}", spent / 1_000 / txs, "µs/tx/node"))
    return found


def throughput_metric(per_s: float, verifies_per_s: float) -> Metric:
    """Final transactions against the signatures that all cores could check, each once per validator."""
    limit = verifies_per_s * (cpu_count() or 1) / SIZE
    ratio = per_s / limit
    return Metric(
        "throughput_vs_verify_limit",
        per_s,
        "tx/s",
        limit,
        ratio,
        AIM_THROUGHPUT,
        ratio >= AIM_THROUGHPUT,
    )


def floor_metrics(
    busy: Sequence[float], profiles: Sequence[dict[str, Any]], heights: int, trip_ms: float
) -> list[Metric]:
    """The 95th percentile of finality against the disk syncs and round trips that it must wait for.

    Both as they were while it was measured: a node's time in syncs per height, and pings between processes.
    """
    spent_ns = sum(profile[group].get(stage, 0) for profile in profiles for group, stage in SYNCS)
    syncs_ms = spent_ns / 1e6 / len(profiles) / heights
    floor_ms = syncs_ms + ROUND_TRIPS_PER_TX * trip_ms
    p95 = quantiles(busy, n=20)[-1]
    ratio = p95 / floor_ms
    return [
        Metric("disk_syncs_ms_per_height", syncs_ms, "ms"),
        Metric("round_trip_ms", trip_ms, "ms"),
        Metric("finality_p95_vs_floor", p95, "ms", floor_ms, ratio, AIM_FLOOR, ratio <= AIM_FLOOR),
    ]


def measure_cluster(floods: int) -> list[Metric]:
    """Everything that needs the four processes."""
    verifies = measure_verifies_per_s()
    with bench_town(FEW_CUSTOMERS) as town:
        idle = measure_idle(town)
        with RoundTrips(town.folder) as pings:
            busy = measure_busy(town)
        syncs = measure_syncs_per_height(town)
        heights = town.cluster.check_agreement()
        profiles = town.finish()
        finality = [
            *latency_metrics("busy", busy, AIM_BUSY_MS),
            *latency_metrics("after_idle", idle, AIM_IDLE_MS),
            *floor_metrics(busy, profiles, heights, pings.median_ms),
        ]
        if syncs is not None:
            finality.append(Metric("disk_syncs_per_height", syncs, "syncs"))
    with bench_town(CUSTOMERS) as town:
        before, cpu_before_s = town.disk_bytes(), town.cpu_s()
        rates = floods_per_s(town, floods)
        cpu_us = (town.cpu_s() - cpu_before_s) / SIZE / (FLOOD_TXS * floods) * 1e6
        disk = (town.disk_bytes() - before) / (FLOOD_TXS * floods)
        town.cluster.check_agreement()
        profiles = town.finish()
    txs = FLOOD_TXS * floods + CUSTOMERS
    duplicates = sum(profile["txs_known"] for profile in profiles) / SIZE / txs
    rss_mb = max(profile["rss_peak_kb"] for profile in profiles) / 1_024
    return [
        throughput_metric(median(rates), verifies),
        Metric("verifies_per_s_per_core", verifies, "1/s"),
        *finality,
        Metric(
            "duplicates_per_tx",
            duplicates,
            "per node",
            aim=AIM_DUPLICATES,
            ok=duplicates <= AIM_DUPLICATES,
        ),
        Metric("disk_bytes_per_tx", disk, "bytes"),
        Metric("rss_peak_mb_flood", rss_mb, "MB"),
        Metric("us_cpu", cpu_us, "µs/tx/node"),
        *stage_metrics(profiles, txs),
    ]


def measure_growth(large: int) -> list[Metric]:
    """What a sale costs one engine with a hundred times the accounts, and a process's memory at 100 000."""
    small, big = measure_accounts(large // 100), measure_accounts(large)
    ratio = big / small
    name = "cost_1e6_vs_1e4_accounts" if large == 1_000_000 else f"cost_{large}_accounts"
    return [
        Metric(name, big, "µs/tx", small, ratio, AIM_ACCOUNTS, ratio <= AIM_ACCOUNTS),
        Metric("rss_mb_per_validator_1e5", measure_rss(100_000), "MB"),
    ]


def measure_sim() -> list[Metric]:
    """Seeds of the pure simulation a second, all cores."""
    seeds = range(SIM_SEEDS)
    started = time.perf_counter()
    report = run_batch(seeds, cpu_count() or 1, lambda _report: None)
    spent_s = time.perf_counter() - started
    assert not report.violations, report.violations
    return [Metric("sim_seeds_per_s", len(seeds) / spent_s, "seeds/s")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--floods", type=int, default=FLOODS)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--part", choices=("cluster", "growth", "sim"))
    chosen = parser.parse_args()
    parts = {
        "cluster": lambda: measure_cluster(chosen.floods),
        "growth": lambda: measure_growth(chosen.accounts),
        "sim": measure_sim,
    }
    names = [chosen.part] if chosen.part else list(parts)
    metrics = [metric for name in names for metric in parts[name]()]
    write_results("chain" if chosen.part is None else f"chain-{chosen.part}", metrics)


if __name__ == "__main__":
    main()
