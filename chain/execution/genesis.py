"""From a genesis document to the first chain state, and what InitChain may change in it."""

from dataclasses import replace

from chain.codec.hashing import hash_results
from chain.crypto.keys import address
from chain.types.abci import RequestInitChain, ResponseInitChain, ValidatorUpdate
from chain.types.block import BlockID
from chain.types.params import MAX_CHAIN_ID_CHARS, GenesisDoc
from chain.types.state import ChainState
from chain.types.validator import (
    Validator,
    ValidatorSet,
    increment_proposer_priority,
    new_validator_set,
)


class InvalidGenesis(ValueError):
    """The genesis document cannot start a chain; the message says which field."""


def check_genesis(doc: GenesisDoc) -> None:
    """Raise InvalidGenesis on a document that CometBFT's `ValidateAndComplete` refuses."""
    if not 0 < len(doc.chain_id) <= MAX_CHAIN_ID_CHARS:
        raise InvalidGenesis(f"chain_id must have 1 to {MAX_CHAIN_ID_CHARS} characters")
    if doc.initial_height < 1:
        raise InvalidGenesis(f"initial_height must be at least 1, not {doc.initial_height}")
    if any(v.power <= 0 for v in doc.validators):
        raise InvalidGenesis("a validator of the genesis has no power")


def make_genesis_state(doc: GenesisDoc) -> ChainState:
    """State before the first block; raises InvalidGenesis."""
    check_genesis(doc)
    validators = ValidatorSet(())
    if doc.validators:
        validators = new_validator_set(
            tuple(Validator(address(v.pub_key), v.pub_key, v.power) for v in doc.validators)
        )
    return ChainState(
        chain_id=doc.chain_id,
        initial_height=doc.initial_height,
        app_version=doc.consensus_params.version.app,
        last_block_height=0,
        last_block_id=BlockID(),
        last_block_time=doc.genesis_time,
        validators=validators,
        next_validators=_rotated(validators),
        last_validators=ValidatorSet(()),
        last_height_validators_changed=doc.initial_height,
        consensus_params=doc.consensus_params,
        last_height_consensus_params_changed=doc.initial_height,
        last_results_hash=b"",
        app_hash=doc.app_hash,
    )


def make_init_chain_request(doc: GenesisDoc, app_state_bytes: bytes) -> RequestInitChain:
    """What the application is told at the birth of the chain."""
    updates = tuple(ValidatorUpdate(v.pub_key, v.power) for v in doc.validators)
    return RequestInitChain(
        time=doc.genesis_time,
        chain_id=doc.chain_id,
        consensus_params=doc.consensus_params,
        validators=updates,
        app_state_bytes=app_state_bytes,
        initial_height=doc.initial_height,
    )


def apply_init_chain(state: ChainState, response: ResponseInitChain) -> ChainState:
    """State before the first block once the application had its say (`consensus/replay.go`).

    Raises InvalidGenesis when nobody would be a validator.
    """
    if response.app_hash:
        state = replace(state, app_hash=response.app_hash)
    if response.validators:
        named = tuple(
            Validator(address(u.pub_key), u.pub_key, u.power) for u in response.validators
        )
        validators = new_validator_set(named)
        state = replace(state, validators=validators, next_validators=_rotated(validators))
    elif not state.validators.validators:
        raise InvalidGenesis("neither the genesis nor the application names a validator")
    if response.consensus_params is not None:
        params = response.consensus_params
        state = replace(state, consensus_params=params, app_version=params.version.app)
    return replace(state, last_results_hash=hash_results(()))


def _rotated(validators: ValidatorSet) -> ValidatorSet:
    return increment_proposer_priority(validators, 1) if validators.validators else validators
