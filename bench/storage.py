"""`make bench NAME=storage`: what an idle town writes, and that its file stops growing.

A four-validator town of the real application and store lives DAYS idle days (10 unless told otherwise), a tick a
minute, keeping one day of blocks; the protocol's 21 days are then arithmetic. Signatures are real, time is
virtual, so the figures do not depend on the machine.
"""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.report import Metric, write_results
from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.execution.building import EMPTY_COMMIT
from chain.limits import RETAIN_MIN_S
from chain.mempool.pool import Mempool
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, Stores, open_stores
from chain.node.handshake import Handshake
from chain.node.home import make_genesis
from chain.node.retention import RetentionPolicy, Storage
from chain.store.app import LmdbStateStore
from chain.store.kv import LmdbStore
from chain.town.application import TownApplication
from chain.types.params import ConsensusParams, EvidenceParams, GenesisDoc, GenesisValidator
from chain.types.state import ChainState
from chain.types.timestamp import NANOS_PER_SECOND
from tests.sync.kit import sign_commit
from tests.town import town_kit

DAY_S = 86_400
TICK_S = 60
TICKS_PER_DAY = DAY_S // TICK_S
VALIDATORS = 4
MIB = 1_048_576


@dataclass
class IdleTown:
    """A town in which nothing happens."""

    stores: Stores
    executor: BlockExecutor
    state: ChainState
    now_s: int
    seeds: dict[bytes, bytes]

    def tick(self) -> None:
        """One empty block, decided a minute after the one before."""
        last = self.stores.blocks.load_seen_commit(self.state.last_block_height) or EMPTY_COMMIT
        proposer = self.state.validators.get_proposer()
        assert proposer is not None, "the set is not empty"
        built = self.executor.propose(self.state, last, proposer.address)
        commit = sign_commit(self.state, built, self.seeds, TICK_S * NANOS_PER_SECOND)
        self.state, _ = self.executor.apply(self.state, built, commit)
        self.now_s += TICK_S


def found_town(kv: LmdbStore, *, days_kept: float) -> IdleTown:
    """A town right after its genesis, whose evidence ages are `days_kept`."""
    request = town_kit.make_genesis(validators=VALIDATORS)
    seeds = [town_kit.validator_seed(i) for i in range(VALIDATORS)]
    ages = EvidenceParams(int(days_kept * TICKS_PER_DAY), int(days_kept * DAY_S) * NANOS_PER_SECOND)
    doc = GenesisDoc(
        request.time,
        request.chain_id,
        1,
        ConsensusParams(evidence=ages),
        tuple(GenesisValidator(derive_public(seed), 10) for seed in seeds),
        b"",
        json.loads(request.app_state_bytes),
    )
    app_store = LmdbStateStore(kv, shared=True)
    stores = open_stores(kv, app_store)
    app = TownApplication(app_store, lambda: request.time)
    pool = Mempool(app.check_tx, height=0)
    evidence = EvidencePool(kv, stores.blocks, stores.states)
    executor = BlockExecutor(app, stores, pool.reap, evidence, doc.genesis_time)
    executor.retention = RetentionPolicy(Storage(), is_production=False)
    genesis = make_genesis(doc)
    state = Handshake(
        app,
        stores,
        executor,
        doc,
        genesis_hash=genesis.hash,
        app_state_bytes=genesis.app_state_bytes,
        version="bench",
    ).run()
    by_address = {address(derive_public(seed)): seed for seed in seeds}
    return IdleTown(stores, executor, state, request.time.seconds, by_address)


def measure(days: int, report: Callable[[str], None] = print) -> list[Metric]:
    """Live through idle days; sizes at the end of each."""
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None  # nothing is kept
    with tempfile.TemporaryDirectory(dir=folder) as root:
        kv = LmdbStore(Path(root) / "chain.lmdb")
        try:
            town = found_town(kv, days_kept=1)
            files, rows = [], []
            for day in range(1, days + 1):
                for _ in range(TICKS_PER_DAY):
                    town.tick()
                files.append(kv.size_bytes())
                rows.append(sum(len(k) + len(v) for k, v in kv.scan(b"", None)))
                report(f"day {day}: file {files[-1]} bytes, rows {rows[-1]} bytes")
            kept = town.stores.blocks.height() - town.stores.blocks.base() + 1
            block_rows = sum(len(k) + len(v) for k, v in kv.scan(b"", None) if k[:1] in b"BKRb")
        finally:
            kv.close()
    return _figures(files, rows, kept, block_rows)


def _figures(files: list[int], rows: list[int], kept: int, block_rows: int) -> list[Metric]:
    """Rows that come after the first full day stay: hashes for the next history record.

    The file hides them in half-empty pages for a while, so they are counted with the overhead of a fresh file.
    """
    days = len(files)
    overhead = files[0] / rows[0]
    per_day = (rows[-1] - rows[1]) / (days - 2) * overhead if days > 2 else 0.0
    kept_mb = block_rows / kept * (RETAIN_MIN_S // TICK_S) * overhead / MIB
    year_mb = kept_mb + per_day * 365 / MIB
    whole_mb = (block_rows / kept * TICKS_PER_DAY * overhead + per_day) * 365 / MIB
    return [
        Metric("idle_block_row_bytes", block_rows / kept, "B/block"),
        Metric("idle_blocks_kept_21_days_mb", kept_mb, "MiB"),
        Metric("idle_growth_per_day_kb", per_day / 1_024, "KiB/day"),
        Metric("idle_file_growth_after_day_2", files[-1] - files[min(1, days - 1)], "B"),
        Metric(
            "idle_first_year_mb",
            year_mb,
            "MiB",
            baseline=whole_mb,
            ratio=year_mb / whole_mb,
            aim=0.5,
            ok=year_mb / whole_mb <= 0.5,
        ),
    ]


if __name__ == "__main__":
    write_results("storage", measure(int(os.environ.get("DAYS", "10"))))
