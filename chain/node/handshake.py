"""Bringing store, chain state and application to one height at start (CometBFT 0.38 `consensus/replay.go`).

S = newest stored block, T = chain state, A = application. The embedded engine commits all three together, so
S = T = A; an application with its own store can be behind, or ahead of T by one, after a crash:

    S = T,     A < S       replay A+1..S through the application
    S = T + 1, A < T       replay A+1..T, then apply block S
    S = T + 1, A = T       apply block S with the application
    S = T + 1, A = S       apply block S from its saved answer: the application has it already
    A > S, S < T, S > T+1  refuse: something was restored from another day

The app hash of every replayed block must be the one that the next header, or the state, recorded.
"""

from collections.abc import Callable
from dataclasses import replace

from chain.codec.proto import encode
from chain.execution.genesis import apply_init_chain, make_genesis_state, make_init_chain_request
from chain.node.errors import HandshakeRefused
from chain.node.executor import BlockExecutor, BuiltBlock, Stores, name_block
from chain.store.keys import GENESIS
from chain.store.kv import Batch
from chain.types.abci import Application, RequestInfo
from chain.types.block import ABCI_VERSION, BLOCK_PROTOCOL, P2P_PROTOCOL
from chain.types.params import GenesisDoc
from chain.types.primitives import Height
from chain.types.state import ChainState
from chain.types.validator import ValidatorSet


class Handshake:
    """One start of one node."""

    def __init__(
        self,
        app: Application,
        stores: Stores,
        executor: BlockExecutor,
        genesis: GenesisDoc,
        *,
        genesis_hash: bytes,
        app_state_bytes: bytes,
        version: str,
        note: Callable[[str, int], None] = lambda _event, _height: None,
    ) -> None:
        self._app = app
        self._stores = stores
        self._executor = executor
        self._genesis = genesis
        self._genesis_hash = genesis_hash
        self._app_state_bytes = app_state_bytes
        self._version = version
        self._note = note

    def run(self) -> ChainState:
        """The chain state from which consensus goes on; raises HandshakeRefused."""
        self._check_genesis_is_the_same()
        stored = self._stores.states.load()
        state = stored if stored is not None else make_genesis_state(self._genesis)
        info = self._app.info(
            RequestInfo(self._version, BLOCK_PROTOCOL, P2P_PROTOCOL, ABCI_VERSION)
        )
        if state.last_block_height == 0:
            state = replace(state, app_version=info.app_version)
        app_height = info.last_block_height
        if app_height < 0:
            raise HandshakeRefused("app_height_negative", f"the application says {app_height}")
        self._check_heights(state, app_height)
        app_hash = info.last_block_app_hash
        if app_height == 0:
            state = self._init_chain(state)
            app_hash = state.app_hash if state.last_block_height == 0 else app_hash
        state = self._catch_up(state, app_height, app_hash)
        self._stores.blocks.check_tip()
        return state

    def _check_genesis_is_the_same(self) -> None:
        held = self._stores.kv.get(GENESIS)
        if held is not None and held != self._genesis_hash:
            raise HandshakeRefused("genesis_changed", "the store belongs to another genesis.json")

    def _check_heights(self, state: ChainState, app_height: Height) -> None:
        """Refuse copies of different days before a byte is written; also a state whose blocks are all gone."""
        store_height, state_height = self._stores.blocks.height(), state.last_block_height
        if app_height > store_height:
            raise HandshakeRefused(
                "app_ahead", f"application at {app_height}, store {store_height}"
            )
        if not state_height <= store_height <= state_height + 1:
            raise HandshakeRefused(
                "state_apart", f"state at {state_height}, store at {store_height}"
            )
        if app_height < self._stores.blocks.base() - 1:
            raise HandshakeRefused("app_too_far_behind", f"no block {app_height + 1} to replay")

    def _init_chain(self, state: ChainState) -> ChainState:
        """Tell the application the genesis; its answer shapes the state only when the chain is new."""
        response = self._app.init_chain(
            make_init_chain_request(self._genesis, self._app_state_bytes)
        )
        batch = Batch()
        if state.last_block_height == 0:
            state = apply_init_chain(state, response)
            self._stores.states.stage_first(batch, state)
            batch.put(GENESIS, self._genesis_hash)
        self._executor.write_application_rows(batch)
        self._note("init_chain", 0)
        return state

    def _catch_up(self, state: ChainState, app_height: Height, app_hash: bytes) -> ChainState:
        store_height, state_height = self._stores.blocks.height(), state.last_block_height
        if store_height == state_height:
            app_hash = self._replay(app_height, state_height, app_hash)
        elif app_height < store_height:
            self._replay(app_height, state_height, app_hash)
            self._note("apply_block", store_height)
            state = self._executor.apply_stored(state, self._load(store_height))
            app_hash = state.app_hash
        else:
            state = self._apply_saved(state, store_height)
        if app_hash != state.app_hash:
            raise HandshakeRefused(
                "app_hash_differs",
                f"application {app_hash.hex()}, state {state.app_hash.hex()} at {store_height}",
            )
        return state

    def _replay(self, app_height: Height, until: Height, app_hash: bytes) -> bytes:
        """Run blocks after `app_height` through the application; returns its app hash at `until`."""
        first = max(app_height + 1, self._genesis.initial_height)
        for height in range(first, until + 1):
            built = self._load(height)
            if height > first and app_hash != built.block.header.app_hash:
                raise HandshakeRefused("app_hash_differs", f"after replaying block {height - 1}")
            self._note("replay_block", height)
            app_hash = self._executor.replay(built, self._validators_before(height))
        return app_hash

    def _validators_before(self, height: Height) -> ValidatorSet:
        """The set that signed the last commit of block `height`."""
        if height == self._genesis.initial_height:
            return ValidatorSet(())
        found = self._stores.states.load_validators(height - 1)
        if found is None:
            raise HandshakeRefused("validators_missing", f"no validator set of {height - 1}")
        return found

    def _apply_saved(self, state: ChainState, height: Height) -> ChainState:
        responses = self._stores.blocks.load_responses(height)
        if responses is None:
            raise HandshakeRefused("responses_missing", f"no saved answer for block {height}")
        self._note("apply_saved", height)
        return self._executor.apply_saved(state, self._load(height), responses)

    def _load(self, height: Height) -> BuiltBlock:
        stored = self._stores.blocks.load(height)
        if stored is None:
            raise HandshakeRefused("block_missing", f"no block {height}")
        built = name_block(stored.block)
        if built.block_id != stored.block_id or built.encoded != encode(stored.block):
            raise HandshakeRefused("block_corrupted", f"block {height} is not what it was named")
        return built
