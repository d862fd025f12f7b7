"""Real validator processes: one that missed hundreds of blocks rejoins by block sync and votes again."""

import os
import re
import time
from hashlib import sha256
from pathlib import Path
from shutil import copytree

import pytest

from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.execution.building import EMPTY_COMMIT
from chain.mempool.pool import Mempool
from chain.node.config import NodeConfig, Timeouts
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, open_stores
from chain.node.handshake import Handshake
from chain.node.home import Home, load_genesis, load_node_id, load_signing_seed
from chain.node.signer import KEY_FILE, STATE_FILE, FileSigner, decode_state, encode_key
from chain.store.app import LmdbStateStore
from chain.store.files import DiskFolder
from chain.store.kv import LmdbStore
from chain.types.block import BlockID, Vote
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp
from tests.node.four import Cluster, Validator
from tests.node.kvstore_app import KvStoreApp
from tests.sync.kit import sign_commit

SWIFT = Timeouts(
    propose_s=0.1,
    propose_delta_s=0.1,
    prevote_s=0.05,
    precommit_s=0.05,
    commit_s=0.0,
)
"""A missing proposer costs little, so that hundreds of blocks pass while one validator is away."""
HEIGHTS = int(os.environ.get("SYNC_HEIGHTS", "300"))
"""Blocks that the hand-made chain has when the processes start."""
MISSED = int(os.environ.get("SYNC_MISSED", "30"))
"""Blocks that real consensus makes while the fourth process is down; two a second on two busy cores."""


@pytest.mark.process
@pytest.mark.slow
def test_an_empty_validator_of_a_town_with_hundreds_of_blocks_is_soon_at_the_tip_and_votes(
    tmp_path,
):
    town = Cluster(tmp_path, config=NodeConfig(timeouts=SWIFT))
    grow_homes(town, HEIGHTS)
    try:
        for node in town.nodes[:3]:
            node.start()
        town.wait_height(HEIGHTS, [0, 1, 2], seconds=60)
        town.wait(lambda: all(len(synced_blocks(node)) == 1 for node in town.nodes[:3]), 60)
        took_s = time_to_rejoin(town, 3, HEIGHTS)
        print(f"{HEIGHTS} heights in {took_s:.2f} s from exec to tip")
        town.wait(lambda: synced_blocks(town.nodes[3]), 60)
        assert synced_blocks(town.nodes[3])[0] >= HEIGHTS - 10
        check_its_vote_counts(town)
    finally:
        town.stop()


@pytest.mark.process
@pytest.mark.slow
def test_a_validator_that_was_killed_rejoins_by_block_sync_and_votes_again(tmp_path):
    town = Cluster(tmp_path, config=NodeConfig(timeouts=SWIFT))
    try:
        town.start(wait=False)
        town.wait_height(1, seconds=60)
        town.nodes[3].end(9)
        left_at = town.nodes[0].height()
        missed = make_blocks(town, left_at + MISSED)
        took_s = time_to_rejoin(town, 3, missed)
        print(f"{missed - left_at} heights in {took_s:.2f} s from exec to tip")
        town.wait(lambda: len(synced_blocks(town.nodes[3])) == 2, 60)
        assert sum(synced_blocks(town.nodes[3])) >= MISSED - 5
        town.check_agreement()
        check_its_vote_counts(town)
    finally:
        town.stop()


@pytest.mark.process
@pytest.mark.slow
def test_a_full_node_syncs_beside_a_lying_validator_then_follows_and_never_signs(tmp_path):
    """Three validators of four run, one of them lies in block sync; the fourth home gets a key of no validator.

    The three are up before it starts: alone for longer than `SYNC_GRACE_MS` it would begin to follow at height 1,
    and with the honest two alone it would be at the tip before it ever asked the liar.
    """
    town = Cluster(tmp_path, config=NodeConfig(timeouts=SWIFT))
    grow_homes(town, HEIGHTS)
    (town.homes[3].config / KEY_FILE).write_bytes(encode_key(sha256(b"nobody").digest()))
    town.nodes[0]._command[2] = "tests.sync.lying_node"
    try:
        for node in town.nodes[:3]:
            node.start()
        town.wait(lambda: all(synced_blocks(node) for node in town.nodes[:3]), 90)
        town.nodes[3].start()
        town.wait(lambda: synced_blocks(town.nodes[3]), 90)
        assert synced_blocks(town.nodes[3])[0] >= HEIGHTS - 10
        dropped = re.findall(r'"peer dropped" peer=(\w+)', town.nodes[3].log.read_text())
        assert dropped == [load_node_id(town.homes[0])]
        for number in range(3):
            town.nodes[1].commit(b"later%d=v" % number)
        town.wait(lambda: town.nodes[3].has(b"later2=v"), 60)
        town.check_agreement([1, 3])
        state = decode_state((town.homes[3].data / STATE_FILE).read_bytes())
        assert state.height == 0, "it signed nothing"
    finally:
        town.stop()


def time_to_rejoin(town: Cluster, index: int, height: int) -> float:
    """Seconds from the start of a process to its answer that it is at a height."""
    started_s = time.monotonic()
    town.nodes[index].start()
    town.wait(lambda: town.nodes[index].height() >= height, 120)
    return time.monotonic() - started_s


def check_its_vote_counts(town: Cluster) -> None:
    """With one of the others gone nothing is final without the fourth."""
    assert town.nodes[3].call("status")["sync_info"]["catching_up"] is False
    town.nodes[0].end(9)
    tx = b"after=sync"
    town.nodes[1].commit(tx)
    town.wait(lambda: town.nodes[3].has(tx), 60)


def synced_blocks(node: Validator) -> list[int]:
    """For each time consensus began in this node: blocks applied by block sync before."""
    log = node.log.read_text() if node.log.exists() else ""
    return [int(count) for count in re.findall(r"synced_blocks=(\d+)", log)]


def make_blocks(town: Cluster, until: int) -> int:
    """Transactions one by one on nodes 0 to 2 until their chain is this high."""
    number, end_s = 0, time.monotonic() + 240
    while (height := town.nodes[0].height()) < until:
        assert time.monotonic() < end_s, f"only at {height}"
        town.nodes[number % 3].send(b"k%d=v" % number)
        number += 1
    return height


def grow_homes(town: Cluster, blocks: int) -> None:
    """Give the first three homes a chain of so many blocks, a transaction in each, signed by these three."""
    seeds = [load_signing_seed(home) for home in town.homes[:3]]
    first = town.homes[0]
    grow_home(first, {address(derive_public(seed)): seed for seed in seeds}, blocks)
    for home in town.homes[1:3]:
        copytree(first.data / "chain.lmdb", home.data / "chain.lmdb")
    for home in town.homes[:3]:  # the chain carries their votes: their signers remember them
        remember_vote(home, blocks)


def remember_vote(home: Home, height: int) -> None:
    """Let a home's signer remember a vote of its key for nil in round 1 of a height."""
    (home.data / STATE_FILE).unlink(missing_ok=True)
    signer = FileSigner(load_signing_seed(home), DiskFolder(home.data))
    vote = Vote(SignedMsgType.PRECOMMIT, height, 1, BlockID(), Timestamp(1), signer.address, 0)
    signer.sign_vote(load_genesis(home).doc.chain_id, vote)
    signer.flush()


def grow_home(home: Home, seeds: dict[bytes, bytes], blocks: int) -> None:
    kv, genesis = LmdbStore(Path(home.data / "chain.lmdb")), load_genesis(home)
    app_store = LmdbStateStore(kv, shared=True)
    stores = open_stores(kv, app_store)
    app = KvStoreApp(app_store)
    pool = Mempool(app.check_tx, height=0)
    evidence = EvidencePool(kv, stores.blocks, stores.states)
    executor = BlockExecutor(app, stores, pool.reap, evidence, genesis.doc.genesis_time)
    state = Handshake(
        app,
        stores,
        executor,
        genesis.doc,
        genesis_hash=genesis.hash,
        app_state_bytes=genesis.app_state_bytes,
        version="test",
    ).run()
    for height in range(1, blocks + 1):
        pool.add(b"h%d=%d" % (height, height))
        last = stores.blocks.load_seen_commit(height - 1) or EMPTY_COMMIT
        proposer = state.validators.get_proposer().address
        built = executor.propose(state, last, proposer)
        commit = sign_commit(state, built, seeds, step_ns=10**6)
        state, responses = executor.apply(state, built, commit)
        pool.update(height, built.block.data.txs, responses.tx_results)
    kv.close()
