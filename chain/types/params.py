"""Consensus parameters and the genesis document, as CometBFT 0.38 names them."""

from dataclasses import dataclass, field
from typing import Any, Final

from chain.types.primitives import Hash, Height, Power
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

MAX_CHAIN_ID_CHARS: Final = 50


@dataclass(frozen=True, slots=True)
class BlockParams:
    """`max_bytes` of an encoded block; `max_gas` per block, -1 for no limit."""

    max_bytes: int = 22_020_096
    max_gas: int = -1


@dataclass(frozen=True, slots=True)
class EvidenceParams:
    """Evidence is too old only when both ages are exceeded."""

    max_age_num_blocks: int = 100_000
    max_age_duration_ns: int = 48 * 3_600 * NANOS_PER_SECOND
    max_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class ValidatorParams:
    """Key types a validator may have."""

    pub_key_types: tuple[str, ...] = ("ed25519",)


@dataclass(frozen=True, slots=True)
class VersionParams:
    """Version of the application's rules."""

    app: int = 0


@dataclass(frozen=True, slots=True)
class ABCIParams:
    """0 means vote extensions are off."""

    vote_extensions_enable_height: Height = 0


@dataclass(frozen=True, slots=True)
class ConsensusParams:
    """`tendermint.types.ConsensusParams`."""

    block: BlockParams = field(default_factory=BlockParams)
    evidence: EvidenceParams = field(default_factory=EvidenceParams)
    validator: ValidatorParams = field(default_factory=ValidatorParams)
    version: VersionParams = field(default_factory=VersionParams)
    abci: ABCIParams = field(default_factory=ABCIParams)


@dataclass(frozen=True, slots=True)
class GenesisValidator:
    """A first validator; `pub_key` is the raw 32-byte Ed25519 key."""

    pub_key: bytes
    power: Power
    name: str = ""


@dataclass(frozen=True, slots=True)
class GenesisDoc:
    """`genesis.json`; `app_state` is any JSON value, handed to InitChain as UTF-8 bytes."""

    genesis_time: Timestamp
    chain_id: str
    initial_height: Height
    consensus_params: ConsensusParams
    validators: tuple[GenesisValidator, ...]
    app_hash: Hash
    app_state: Any
