"""`beffroi node rollback`: one height back (CometBFT 0.38 `state/rollback.go`), the application's records too.

Soft: state and application stand at H-1, block H stays; the next start executes it again, which is the cure when
H was executed by wrong code. Hard: block H goes as well and is fetched from peers again.
Never: lowers the signer's position. Hard is refused to a validator that signed at H: without its log it could
vote there for something else.
"""

from dataclasses import dataclass, replace

from chain.codec.hashing import hash_evidence
from chain.node.errors import ConfigError
from chain.node.home import Home
from chain.node.offline import (
    WAL_FOLDER,
    OfflineNode,
    last_signed_in_log,
    open_offline,
    read_signer_state,
)
from chain.store.files import DiskFolder
from chain.store.keys import COMMITTED_EVIDENCE
from chain.store.kv import Batch
from chain.store.wal import set_aside
from chain.types.block import Block, BlockMeta
from chain.types.primitives import Height
from chain.types.state import ChainState


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Where the node stands now."""

    height: Height
    app_hash: bytes
    is_block_removed: bool


def roll_back(home: Home, *, hard: bool = False) -> RolledBack:
    """One height back; raises ConfigError with a code when that cannot be done, or not safely."""
    with open_offline(home) as node:
        state, newest = node.state, node.stores.blocks.height()
        if newest not in (state.last_block_height, state.last_block_height + 1):
            raise ConfigError(
                "rollback_apart", f"state at {state.last_block_height}, blocks to {newest}"
            )
        if hard:
            _check_unsigned(home, newest)
        is_ahead = newest == state.last_block_height + 1
        before = state if is_ahead else _state_before(node)
        _write(node, before, newest, hard=hard)
        if hard:
            set_aside(DiskFolder(home.data / WAL_FOLDER))
        return RolledBack(before.last_block_height, before.app_hash, hard)


def _check_unsigned(home: Home, height: Height) -> None:
    held = read_signer_state(home)
    last = 0 if held is None else held.height
    if max(last, last_signed_in_log(home).height) >= height:
        raise ConfigError(
            "rollback_signed",
            f"this validator signed at height {height}: block {height} stays; roll back without --hard",
        )


def _state_before(node: OfflineNode) -> ChainState:
    """The chain state before the newest block, from the headers that recorded it."""
    state, blocks, states = node.state, node.stores.blocks, node.stores.states
    height = state.last_block_height
    newest, meta = blocks.load(height), blocks.load_meta(height - 1)
    if newest is None or meta is None:
        raise ConfigError(
            "rollback_too_far", f"block {height - 1} is not here: nothing older to go back to"
        )
    last_validators = states.load_validators(height - 1)
    params = states.load_params(height)
    if last_validators is None or params is None:
        raise ConfigError("rollback_too_far", f"no validators or parameters of {height - 1}")
    return replace(
        _with_header(state, newest.block, meta),
        validators=state.last_validators,
        next_validators=state.validators,
        last_validators=last_validators,
        last_height_validators_changed=min(state.last_height_validators_changed, height + 1),
        consensus_params=params,
        last_height_consensus_params_changed=min(
            state.last_height_consensus_params_changed, height
        ),
    )


def _with_header(state: ChainState, newest: Block, before: BlockMeta) -> ChainState:
    header = newest.header
    return replace(
        state,
        app_version=header.version.app,
        last_block_height=before.header.height,
        last_block_id=before.block_id,
        last_block_time=before.header.time,
        last_results_hash=header.last_results_hash,
        app_hash=header.app_hash,
    )


def _write(node: OfflineNode, before: ChainState, newest: Height, *, hard: bool) -> None:
    """The application first: a crash in between leaves it behind, which the next start repairs."""
    app_batch = Batch()
    version = node.app.load_version()
    if version is not None and version[0] > before.last_block_height:
        meta = {"time_ns": str(before.last_block_time.to_ns()).encode()}
        if not node.app.stage_rollback(app_batch, before.app_hash, meta):
            raise ConfigError(
                "rollback_too_far", f"the state before block {version[0]} is not kept"
            )
    batch = Batch() if node.app_kv is not node.stores.kv else app_batch
    if batch is not app_batch and app_batch.writes:
        node.app_kv.write(app_batch)
    stores = node.stores
    stores.states.stage_rollback(batch, before)
    stored = stores.blocks.load(newest)
    assert stored is not None, "the newest block is there"
    responses = stores.blocks.load_responses(newest)
    if responses is not None:
        stores.index.unstage(batch, stored.block, responses)
    stores.blocks.unstage_responses(batch, newest)
    if hard:
        stores.blocks.unstage_block(batch, newest, stored.block_id.hash)
        for item in stored.block.evidence.evidence:
            batch.delete(COMMITTED_EVIDENCE + hash_evidence(item))
    stores.kv.write(batch)
