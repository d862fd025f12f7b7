"""The chain state after the newest block, and past validator sets and parameters, sparsely.

A full set is written where it changed and every `VALIDATORS_CHECKPOINT_BLOCKS`; the sets between differ
only by proposer priority and are rotated forward on reading (CometBFT `state/store.go`).
"""

from itertools import islice
from typing import Final

import msgspec

from chain.limits import VALIDATORS_CHECKPOINT_BLOCKS
from chain.store.errors import StoreCorrupted
from chain.store.keys import CHAIN_STATE, PARAMS, VALIDATORS, height_key, height_of
from chain.store.kv import Batch, KeyValueStore, prefix_end
from chain.types.params import ConsensusParams
from chain.types.state import ChainState
from chain.types.validator import ValidatorSet, increment_proposer_priority

FORMAT: Final = 1
"""Version of the rows of this module; another one is refused rather than guessed."""


class _StateRow(msgspec.Struct, frozen=True, array_like=True):
    format: int
    state: ChainState


_ENCODER = msgspec.msgpack.Encoder()
_STATE_DECODER = msgspec.msgpack.Decoder(_StateRow)
_SET_DECODER = msgspec.msgpack.Decoder(ValidatorSet)
_PARAMS_DECODER = msgspec.msgpack.Decoder(ConsensusParams)


class ChainStateStore:
    """Chain state over a `KeyValueStore`."""

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv

    def load(self) -> ChainState | None:
        """State after the newest block, or None before the first start."""
        raw = self._kv.get(CHAIN_STATE)
        if raw is None:
            return None
        try:
            row = _STATE_DECODER.decode(raw)
        except msgspec.DecodeError as error:
            raise StoreCorrupted(f"the chain state cannot be decoded: {error}") from error
        if row.format != FORMAT:
            raise StoreCorrupted(f"chain state of format {row.format}, this release reads {FORMAT}")
        return row.state

    def stage_first(self, batch: Batch, state: ChainState) -> None:
        """Add the state before the first block, with the sets of the first two heights."""
        first = state.initial_height
        batch.put(CHAIN_STATE, _ENCODER.encode(_StateRow(FORMAT, state)))
        batch.put(height_key(VALIDATORS, first), _ENCODER.encode(state.validators))
        batch.put(height_key(VALIDATORS, first + 1), _ENCODER.encode(state.next_validators))
        batch.put(height_key(PARAMS, first), _ENCODER.encode(state.consensus_params))

    def stage(self, batch: Batch, state: ChainState) -> None:
        """Add the state after a block, and the rows later heights will need."""
        height = state.last_block_height
        batch.put(CHAIN_STATE, _ENCODER.encode(_StateRow(FORMAT, state)))
        next_height = height + 2
        is_changed = state.last_height_validators_changed == next_height
        if is_changed or next_height % VALIDATORS_CHECKPOINT_BLOCKS == 0:
            batch.put(height_key(VALIDATORS, next_height), _ENCODER.encode(state.next_validators))
        if state.last_height_consensus_params_changed == height + 1:
            batch.put(height_key(PARAMS, height + 1), _ENCODER.encode(state.consensus_params))

    def stage_pruning(self, batch: Batch, base: int) -> None:
        """Remove the sets and parameters that no height from `base` - 1 on needs."""
        for prefix in (VALIDATORS, PARAMS):
            held = self._kv.scan(prefix, height_key(prefix, base), reverse=True)
            for key, _ in islice(held, 1, None):
                batch.delete(key)

    def stage_rollback(self, batch: Batch, state: ChainState) -> None:
        """Add an earlier state, and forget what only later blocks wrote."""
        height = state.last_block_height
        for prefix, last in ((VALIDATORS, height + 2), (PARAMS, height + 1)):
            for key, _ in self._kv.scan(height_key(prefix, last + 1), prefix_end(prefix)):
                batch.delete(key)
        batch.put(CHAIN_STATE, _ENCODER.encode(_StateRow(FORMAT, state)))

    def stage_restored(self, batch: Batch, state: ChainState) -> None:
        """Add a state that no block here led to, with the sets of its height and the two after it."""
        height = state.last_block_height
        batch.put(CHAIN_STATE, _ENCODER.encode(_StateRow(FORMAT, state)))
        self.stage_validators(batch, height, state.last_validators)
        self.stage_validators(batch, height + 1, state.validators)
        self.stage_validators(batch, height + 2, state.next_validators)
        batch.put(height_key(PARAMS, height + 1), _ENCODER.encode(state.consensus_params))

    def stage_validators(self, batch: Batch, height: int, validators: ValidatorSet) -> None:
        """Add the set of one height."""
        batch.put(height_key(VALIDATORS, height), _ENCODER.encode(validators))

    def load_validators(self, height: int) -> ValidatorSet | None:
        """Validators that decide `height`, priorities included, or None when unknown."""
        found = self._stored_set(height)
        if found is None:
            return None
        stored, missing = found
        return increment_proposer_priority(stored, missing) if missing else stored

    def load_members(self, height: int) -> ValidatorSet | None:
        """The same keys and powers, proposer and priorities of an earlier height: turning them costs 16 µs a height."""
        found = self._stored_set(height)
        return None if found is None else found[0]

    def _stored_set(self, height: int) -> tuple[ValidatorSet, int] | None:
        """The newest set written for `height` or before, and how many heights before."""
        for key, raw in self._kv.scan(VALIDATORS, height_key(VALIDATORS, height + 1), reverse=True):
            return _SET_DECODER.decode(raw), height - height_of(key)
        return None

    def load_params(self, height: int) -> ConsensusParams | None:
        """Consensus parameters in force at `height`, or None when unknown."""
        for _, raw in self._kv.scan(PARAMS, height_key(PARAMS, height + 1), reverse=True):
            return _PARAMS_DECODER.decode(raw)
        return None
