"""A town that is already a thousand heights old: blocks made in this process, signed by all, copied to every home.

The blocks are real: proposed, executed and stored by the production executor with the town's application; only the
votes are signed here, with the validators' own keys, instead of being exchanged.
"""

from shutil import copytree

from chain.crypto.ed25519 import derive_public
from chain.crypto.keys import address
from chain.execution.building import EMPTY_COMMIT
from chain.mempool.pool import Mempool
from chain.node.evidence import EvidencePool
from chain.node.executor import BlockExecutor, open_stores
from chain.node.handshake import Handshake
from chain.node.home import load_genesis, load_signing_seed
from chain.store.app import LmdbStateStore
from chain.store.kv import LmdbStore
from chain.town.application import TownApplication
from chain.town.genesis import compute_town, decode_genesis_state
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
from tests.drills.town import Town, open_account_tx
from tests.sync.kit import sign_commit
from tests.sync.test_processes import remember_vote

STEP_NS = 1_000_000
"""Between two blocks: a thousand of them are one second old, no deadline of the town is near."""


class Grower:
    """The chain of one town, before any of its processes runs."""

    def __init__(self, town: Town) -> None:
        home = town.homes[0]
        genesis = load_genesis(home)
        seeds = [load_signing_seed(each) for each in town.homes]
        self._seeds = {address(derive_public(seed)): seed for seed in seeds}
        self._town, self._genesis = town, genesis
        self._kv = LmdbStore(home.data / "chain.lmdb")
        store = LmdbStateStore(self._kv, shared=True)
        self._stores = open_stores(self._kv, store)
        self._now = genesis.doc.genesis_time
        app = TownApplication(store, lambda: self._now)
        self._pool = Mempool(app.check_tx, height=0)
        evidence = EvidencePool(self._kv, self._stores.blocks, self._stores.states)
        self._executor = BlockExecutor(
            app, self._stores, self._pool.reap, evidence, genesis.doc.genesis_time
        )
        self.state: ChainState = Handshake(
            app,
            self._stores,
            self._executor,
            genesis.doc,
            genesis_hash=genesis.hash,
            app_state_bytes=genesis.app_state_bytes,
            version="drill",
        ).run()
        state = decode_genesis_state(genesis.app_state_bytes)
        self._town_id = compute_town(genesis.doc.chain_id, genesis.doc.genesis_time, state)

    def grow(self, blocks: int, txs_per_block: int = 1) -> None:
        """Add so many blocks."""
        doc, first = self._genesis.doc, self.state.last_block_height + 1
        for height in range(first, first + blocks):
            self._now = Timestamp.from_ns(doc.genesis_time.to_ns() + height * STEP_NS)
            for _ in range(txs_per_block):
                self._pool.add(
                    open_account_tx(
                        self._town_id, self._town.gateway, now_s=doc.genesis_time.seconds
                    )
                )
            last = self._stores.blocks.load_seen_commit(height - 1) or EMPTY_COMMIT
            proposer = self.state.validators.get_proposer().address
            built = self._executor.propose(self.state, last, proposer)
            assert len(built.block.data.txs) == txs_per_block, "the proposer left something out"
            commit = sign_commit(self.state, built, self._seeds, STEP_NS)
            self.state, responses = self._executor.apply(self.state, built, commit)
            self._pool.update(height, built.block.data.txs, responses.tx_results)

    def close(self) -> None:
        """Release the store."""
        self._kv.close()


def grow_town(town: Town, blocks: int) -> None:
    """Give every home of a town that never ran the same chain of so many blocks, a transaction in each."""
    grower = Grower(town)
    grower.grow(blocks)
    grower.close()
    first = town.homes[0]
    for home in town.homes[1:]:
        copytree(first.data / "chain.lmdb", home.data / "chain.lmdb")
    for home in town.homes:  # the chain carries everybody's votes: their signers remember them
        remember_vote(home, blocks)
