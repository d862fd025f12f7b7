"""A town of any size written straight into a store, and what a sale costs there.

Accounts, keys and wallets are real records of real shape; only their transactions were never played.
"""

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import msgspec

from bench.town_steps import PROGRAMME, SHOP, make_batch, shop_town
from chain.codec.canonical import b64url_encode
from chain.crypto.ed25519 import derive_public
from chain.crypto.jws import SigningKey
from chain.node.config import NodeConfig
from chain.node.exporting import export_records, genesis_document, render_genesis
from chain.node.home import init_home
from chain.node.pacing import Pacing
from chain.store.app import LmdbStateStore
from chain.store.kv import LmdbStore
from chain.town.accounts import ACCOUNTS, KIDS, AccountRecord, KidRecord
from chain.town.application import TownApplication
from chain.town.context import Table
from chain.town.forest import Forest, compute_app_hash, update_forest
from chain.town.loyalty.records import (
    LOTS,
    WALLETS,
    Lot,
    Position,
    WalletRecord,
    lot_id,
    position_tag,
)
from chain.town.migration import LastBlock
from chain.town.ports import StateVersion
from chain.town.schemas import Jwk
from chain.types.params import ConsensusParams, GenesisDoc, GenesisValidator
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp
from tests.node.four import Validator, free_ports
from tests.town.town_kit import Town, validator_seed

BATCH = 200
BATCHES = 9
START_WAIT_S = 600
WRITE_RECORDS = 30_000
"""Records per version while the store is filled."""
Change = tuple[str, bytes, bytes | None]


def measure_accounts(accounts: int) -> float:
    """µs per sale, CheckTx to durable Commit, in blocks of BATCH, with so many accounts; a process of its own."""
    return _ask("cost", accounts)


def measure_rss(accounts: int) -> float:
    """MB resident in a validator of a town of so many accounts, a process of the real node."""
    return _ask("rss", accounts)


def _ask(what: str, accounts: int) -> float:
    command = [sys.executable, "-m", "bench.big_town", what, str(accounts)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def fill(store: LmdbStateStore, town: Town, accounts: int) -> None:
    """Write the town's own records and so many accounts, in versions from the town's height on."""
    forest: Forest = {}
    meta = {"time_ns": str(town.now_s * NANOS_PER_SECOND).encode()}
    batch: list[Change] = [
        (ns, rid, rec) for ns in town.store.namespaces() for rid, rec in town.store.scan(ns)
    ]
    height = town.height
    for made in _records(accounts, town):
        batch.append(made)
        if len(batch) >= WRITE_RECORDS:
            forest, height = _write(store, forest, batch, height, meta), height + 1
            batch = []
    _write(store, forest, batch, height, meta)


def _write(
    store: LmdbStateStore, forest: Forest, batch: list[Change], height: int, meta: dict[str, bytes]
) -> Forest:
    changes = tuple(sorted(batch, key=lambda change: change[:2]))
    forest = update_forest(forest, changes)
    store.save(StateVersion(height, compute_app_hash(forest), changes, (), meta))
    return forest


def _records(accounts: int, town: Town) -> Iterator[Change]:
    """Four records per account: itself, its key, its wallet and the one lot in it."""
    lot = Lot(
        expires_s=town.now_s + 300 * 86_400,
        earned_s=town.now_s,
        lot=b64url_encode(bytes(16)),
        programme=PROGRAMME,
        issuer=SHOP,
        version=1,
        points=10,
        left=10,
        ref=b64url_encode(bytes(32)),
    )
    position = Position(PROGRAMME, SHOP, points=lot.left, lots=1, first=lot.key)
    wallet = WalletRecord(positions=(position,))
    tag = position_tag(PROGRAMME, SHOP)
    for number in range(accounts):
        digest = sha256(b"account %d" % number).digest()
        name = b64url_encode(digest)
        jwk = Jwk("Ed25519", "OKP", name)
        account = AccountRecord(name, "loyalty", jwk, name, b64url_encode(digest[:16]), "open", 1)
        yield _change(ACCOUNTS, name.encode(), account)
        yield _change(KIDS, name.encode(), KidRecord("account", name))
        yield _change(WALLETS, name.encode(), wallet)
        yield _change(LOTS, lot_id(name, tag, lot.key), lot)


def _change(table: Table, record_id: bytes, record: msgspec.Struct) -> Change:
    return table.namespace, table.full_id(record_id), table._encoder.encode(record)


def _open(
    folder: Path, accounts: int, *, validators: int = 4
) -> tuple[Town, LmdbStateStore, SigningKey, list[SigningKey]]:
    """A furnished town moved onto LMDB, with so many accounts more."""
    town, till, phones = shop_town(BATCH, validators=validators)
    store = LmdbStateStore(LmdbStore(folder / "state.lmdb"), shared=False)
    fill(store, town, accounts)
    town.store = store
    town.app = TownApplication(store, town.clock)
    version = store.load_version()
    assert version is not None
    town.height = version[0]
    return town, store, till, phones


def cost_us(accounts: int) -> float:
    """µs per sale in this process."""
    with tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder:
        town, _, till, phones = _open(Path(folder), accounts)
        gc.freeze()
        found = []
        for _ in range(BATCHES):
            txs = make_batch(town, "earn", till, phones)
            started_ns = perf_counter_ns()
            for tx in txs:
                assert town.check(tx).is_ok()
            chosen = town.propose(*txs)
            results = town.run(*chosen)
            found.append((perf_counter_ns() - started_ns) / 1_000 / BATCH)
            assert len(results) == BATCH
            assert all(result.is_ok() for result in results)
        return median(found)


def rss_mb(accounts: int) -> float:
    """MB resident in a validator's process, started again after it decided a block on so many accounts.

    The town moves to a chain of one validator: its first state is the genesis that `beffroi node export` makes.
    """
    with tempfile.TemporaryDirectory(prefix="beffroi-bench-") as folder:
        root = Path(folder)
        town, store, _, _ = _open(root, accounts, validators=1)
        found = _found_home(root / "node", town, store)
        node = Validator(root / "node", found, [sys.executable, "-m", "chain.node"])
        try:
            _run_to_next_block(node)
            node.end()
            _run_to_next_block(node)
            assert node.process is not None
            pages = int(Path(f"/proc/{node.process.pid}/statm").read_text().split()[1])
        finally:
            if node.process is not None:
                node.process.kill()
                node.process.wait()
        return pages * resource.getpagesize() / 1_048_576


def _found_home(root: Path, town: Town, store: LmdbStateStore) -> int:
    """The home of a validator whose genesis is the exported town; returns its RPC port."""
    version = store.load_version()
    assert version is not None
    last = LastBlock(
        town.genesis.chain_id, version[0], bytes(32), version[1], Timestamp(town.now_s)
    )
    chain_id = "bench-moved-1"
    migration = export_records(store, last, chain_id, ())
    key = GenesisValidator(derive_public(validator_seed(0)), 10)
    old = GenesisDoc(last.time, last.chain_id, 1, ConsensusParams(), (key,), b"", {})
    document = genesis_document(old, last, chain_id, migration, ConsensusParams())
    port = free_ports(1)[0]
    config = NodeConfig(rpc_port=port, is_key_locked=False, pacing=Pacing(empty_interval_s=0.5))
    home = init_home(
        root,
        chain_id=chain_id,
        app_state={},
        genesis_time=last.time,
        config=config,
        validator_seed=validator_seed(0),
    )
    (home.config / "genesis.json").write_bytes(render_genesis(document))
    return port


def _run_to_next_block(node: Validator) -> None:
    """Start the node and wait until it decided a block in this life."""
    node.start()
    end_s = time.monotonic() + START_WAIT_S
    first = -1
    while True:
        assert time.monotonic() < end_s, node.log.read_text()[-2_000:]
        height = node.height()
        first = height if first < 0 else first
        if height > max(first, 0):
            return
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("cost", "rss"))
    parser.add_argument("accounts", type=int)
    chosen = parser.parse_args()
    measure = cost_us if chosen.what == "cost" else rss_mb
    print(measure(chosen.accounts))


if __name__ == "__main__":
    main()
