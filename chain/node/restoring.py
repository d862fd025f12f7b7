"""Where state sync puts what it proved: this node's store, in one durable transaction."""

from collections.abc import Sequence

from chain.node.executor import Stores
from chain.store.keys import GENESIS
from chain.store.kv import Batch
from chain.sync import RestoredChain
from chain.types.block import SignedHeader
from chain.types.validator import ValidatorSet


class StoreSink:
    """`chain.sync.ports.RestoreSink` on a node's stores."""

    def __init__(self, stores: Stores, genesis_hash: bytes) -> None:
        self._stores = stores
        self._genesis_hash = genesis_hash

    def save_headers(self, entries: Sequence[tuple[SignedHeader, ValidatorSet | None]]) -> None:
        """Headers below the snapshot, with the sets that begin there: for judging evidence."""
        batch = Batch()
        for signed, members in entries:
            self._stores.blocks.stage_header(batch, signed)
            if members is not None:
                self._stores.states.stage_validators(batch, signed.header.height, members)
        self._stores.kv.write(batch)

    def bootstrap(self, restored: RestoredChain) -> None:
        """Block, state and application together; with an application of its own store, that one is durable already."""
        stores, fetched = self._stores, restored.fetched
        batch = Batch()
        stores.blocks.stage_block(
            batch, fetched.block, fetched.block_id, fetched.encoded, restored.signed.commit
        )
        stores.states.stage_restored(batch, restored.state)
        batch.put(GENESIS, self._genesis_hash)
        if stores.app is not None:
            stores.app.join(batch)
        stores.kv.write(batch)
        if stores.app is not None:
            stores.app.settle()
        stores.blocks.advance(fetched.height)
