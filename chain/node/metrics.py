"""What a node tells of itself in Prometheus' text format; names are CometBFT 0.38's where both measure the same thing.

Everything is read when somebody asks: nothing is measured for nobody, and a scrape takes no lock. Labels are
node ids, stable codes and names of stages, steps and stores: never a transaction, an account or an address.
Reads: the running node, sizes of files under its data folder.  Writes: nothing.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from chain.execution.building import compute_median_time
from chain.judges.desk import Desk
from chain.mempool.pool import Mempool
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, Stores
from chain.node.host import ConsensusHost
from chain.node.host_parts import CommittedBlock
from chain.p2p.status import PeerStatus
from chain.p2p.switch import Switch
from chain.store.wal import Wal
from chain.types.block import Commit
from chain.types.evidence import DuplicateVoteEvidence
from chain.types.primitives import BlockIDFlag

NANOS: float = 1e9
BLOCK_INTERVAL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 61, 120, 600)
"""From a busy town to an idle one, whose tick comes after 60 s, and beyond: a halt."""


class MetricsSource(Protocol):
    """The node, as far as its figures go."""

    host: ConsensusHost | None
    executor: BlockExecutor
    stores: Stores
    pool: Mempool
    evidence: EvidencePool
    switch: Switch | None
    refused_txs: Counter[str]
    desk: Desk | None

    def peers(self) -> tuple[PeerStatus, ...]: ...

    def is_catching_up(self) -> bool: ...

    def log_file(self) -> Wal | None: ...


class NodeMetrics(Collector):
    """One node's figures under one namespace."""

    def __init__(self, node: MetricsSource, namespace: str, data: Path | None) -> None:
        """`data` is the folder whose files are measured, None where there is no disk."""
        self._node = node
        self._prefix = f"{namespace}_" if namespace else ""
        self._data = data
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        self._intervals = Histogram(
            "consensus_block_interval_seconds",
            "Header time between this block and the one before.",
            namespace=namespace,
            registry=self._registry,
            buckets=BLOCK_INTERVAL_BUCKETS_S,
        )
        self._total_txs = 0
        self._evidence: Counter[str] = Counter()
        self._last: CommittedBlock | None = None

    def text(self) -> bytes:
        """The whole answer of a scrape."""
        return generate_latest(self._registry)

    def on_committed(self, committed: CommittedBlock) -> None:
        """Take in what no later reading can tell."""
        if self._last is not None:
            before_ns = self._last.built.block.header.time.to_ns()
            passed_ns = committed.built.block.header.time.to_ns() - before_ns
            self._intervals.observe(passed_ns / NANOS)
        self._last = committed
        self._total_txs += len(committed.built.block.data.txs)
        for item in committed.built.block.evidence.evidence:
            is_double = isinstance(item, DuplicateVoteEvidence)
            self._evidence["duplicate_vote" if is_double else "light_client_attack"] += 1

    # ── what a scrape reads ──────────────────────────────────────────────────────────────────────────

    def collect(self) -> Iterator[Metric]:
        """All families; called by the registry."""
        yield from self._consensus()
        yield from self._blocks()
        yield from self._timings()
        yield from self._peers()
        yield from self._mempool()
        yield from self._judges()
        yield from self._evidence_found()
        yield from self._disk()

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        return GaugeMetricFamily(self._prefix + name, text, value=value)

    def _labelled(
        self,
        kind: type[GaugeMetricFamily] | type[CounterMetricFamily],
        name: str,
        text: str,
        label: str,
        values: Iterable[tuple[str, float]],
    ) -> Metric:
        family = kind(self._prefix + name, text, labels=[label])
        for which, value in sorted(values):
            family.add_metric([which], value)
        return family

    def _consensus(self) -> Iterator[Metric]:
        host = self._node.host
        if host is None:
            return
        core, state = host.running_core(), host.state
        yield self._gauge("consensus_height", "Height in progress.", host.working_height())
        rounds = 0 if core is None else core.round
        yield self._gauge("consensus_rounds", "Round of the height in progress.", rounds)
        members = state.validators.validators
        yield self._gauge("consensus_validators", "Members of the validator set.", len(members))
        power = state.validators.total_power()
        yield self._gauge("consensus_validators_power", "Power of all validators.", power)
        seen = self._node.stores.blocks.load_seen_commit(state.last_block_height)
        if seen is not None:
            yield from self._missing(seen, host)

    def _missing(self, seen: Commit, host: ConsensusHost) -> Iterator[Metric]:
        voters = host.state.last_validators.validators
        gone = [
            member.voting_power
            for member, line in zip(voters, seen.signatures, strict=True)
            if line.block_id_flag is BlockIDFlag.ABSENT
        ]
        text = "Validators whose precommit for the newest block did not come in time."
        yield self._gauge("consensus_missing_validators", text, len(gone))
        yield self._gauge("consensus_missing_validators_power", f"Power of: {text}", sum(gone))
        median = compute_median_time(seen, host.state.last_validators)
        drift_ns = host.decided_at().to_ns() - median.to_ns()
        text = "Our clock at the newest decision, less the median of the voters' clocks."
        yield self._gauge("consensus_clock_drift_seconds", text, drift_ns / NANOS)

    def _blocks(self) -> Iterator[Metric]:
        blocks, pruner = self._node.stores.blocks, self._node.stores.pruner
        yield self._gauge("consensus_latest_block_height", "Newest block.", blocks.height())
        yield self._gauge("state_base_height", "Oldest block that is served.", blocks.base())
        yield self._gauge("state_pruning_lag", "Heights given up but not removed.", pruner.lag())
        syncing = int(self._node.is_catching_up())
        yield self._gauge("consensus_block_syncing", "1 while block sync is needed.", syncing)
        yield CounterMetricFamily(
            f"{self._prefix}consensus_total_txs", "Committed since the start.", self._total_txs
        )
        if self._last is not None:
            block = self._last.built
            txs = len(block.block.data.txs)
            yield self._gauge("consensus_num_txs", "Transactions of the newest block.", txs)
            size = len(block.encoded)
            yield self._gauge("consensus_block_size_bytes", "Size of the newest block.", size)

    def _timings(self) -> Iterator[Metric]:
        host, log = self._node.host, self._node.log_file()
        if host is None:
            return
        steps = SummaryMetricFamily(
            f"{self._prefix}consensus_step_duration_seconds",
            "Time in each step of a round.",
            labels=["step"],
        )
        for step, (visits, seconds) in sorted(host.step_times.spent.items()):
            steps.add_metric([step], visits, seconds)
        yield steps
        spent = {**self._node.executor.stage_ns, **host.stage_ns}
        yield self._labelled(
            CounterMetricFamily,
            "state_stage_seconds",
            "Time spent in each stage of making, judging and storing blocks.",
            "stage",
            ((stage, ns / NANOS) for stage, ns in spent.items()),
        )
        if log is not None:
            yield SummaryMetricFamily(
                f"{self._prefix}consensus_wal_fsync_seconds",
                "Waiting for the log to be durable.",
                count_value=log.sync_count,
                sum_value=host.stage_ns.get("wal_sync", 0) / NANOS,
            )

    def _peers(self) -> Iterator[Metric]:
        peers = {peer.info.default_node_id: peer for peer in self._node.peers()}
        yield self._gauge("p2p_peers", "Connected peers.", len(peers))
        figures: tuple[
            tuple[type[GaugeMetricFamily] | type[CounterMetricFamily], str, str], ...
        ] = (
            (GaugeMetricFamily, "p2p_peer_pending_send_bytes", "queued_bytes"),
            (CounterMetricFamily, "p2p_peer_send_bytes", "sent_bytes"),
            (CounterMetricFamily, "p2p_peer_receive_bytes", "received_bytes"),
        )
        for kind, name, attribute in figures:
            values = ((node_id, getattr(peer, attribute)) for node_id, peer in peers.items())
            yield self._labelled(kind, name, "Of frames, per peer.", "peer_id", values)
        counts: Mapping[str, int] = {} if self._node.switch is None else self._node.switch.counts
        text = "Connections, refusals and drops by code."
        yield self._labelled(CounterMetricFamily, "p2p_events", text, "code", counts.items())

    def _mempool(self) -> Iterator[Metric]:
        pool = self._node.pool
        yield self._gauge("mempool_size", "Waiting transactions.", pool.count())
        yield self._gauge("mempool_size_bytes", "Their bytes.", pool.size_bytes())
        text = "Transactions of clients not taken, by code."
        refused = self._node.refused_txs.items()
        yield self._labelled(CounterMetricFamily, "mempool_refused_txs", text, "code", refused)

    def _judges(self) -> Iterator[Metric]:
        desk = self._node.desk
        if desk is None:
            return
        yield self._gauge("judges_waiting", "Ballots being verified or waiting.", desk.waiting())
        yield self._gauge("judges_processes", "Processes that verify ballots.", desk.processes())
        found = {"judged": desk.judged, "given_up": desk.given_up}.items()
        text = "Ballots that judges verified, and that none survived: the node's thread verifies those."
        yield self._labelled(CounterMetricFamily, "judges_ballots", text, "outcome", found)

    def _evidence_found(self) -> Iterator[Metric]:
        waiting = self._node.evidence.pending_count()
        yield self._gauge("evidence_pool_num_evidence", "Misbehaviour not in a block yet.", waiting)
        text = "Misbehaviour in blocks since the start, by kind."
        found = self._evidence.items()
        yield self._labelled(CounterMetricFamily, "evidence_committed", text, "kind", found)

    def _disk(self) -> Iterator[Metric]:
        if self._data is not None:
            sizes = measure_folder(self._data).items()
            text = "Room taken under the data folder, by store."
            yield self._labelled(GaugeMetricFamily, "store_disk_bytes", text, "store", sizes)


def measure_folder(folder: Path) -> dict[str, int]:
    """Bytes of disk blocks taken by each entry of a folder, single files together under `files`."""
    sizes: Counter[str] = Counter()
    for entry in os.scandir(folder):
        if entry.is_file(follow_symlinks=False):
            sizes["files"] += _disk_bytes(entry)
        elif entry.is_dir(follow_symlinks=False):
            sizes[entry.name] += sum(_disk_bytes(inner) for inner in os.scandir(entry.path))
    return dict(sizes)


def _disk_bytes(entry: "os.DirEntry[str]") -> int:
    """What a file takes, holes not counted; 0 when it went meanwhile."""
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:
        return 0
