"""The chain state after a restored snapshot, out of light blocks that a light client proved. Pure.

The state after H needs the sets of H, H+1 and H+2 and what header H+1 says of H. A set's members and powers are in
the headers; proposer priorities are in none, so peers are compared for them (`same_priorities`). CometBFT 0.38
`statesync/stateprovider.go` takes them from one server.
"""

from dataclasses import dataclass

from chain.codec.hashing import hash_consensus_params
from chain.sync.proof import FetchedBlock
from chain.types.block import Header, SignedHeader
from chain.types.evidence import LightBlock
from chain.types.params import ConsensusParams, GenesisDoc, VersionParams
from chain.types.state import ChainState
from chain.types.validator import ValidatorSet, increment_proposer_priority


@dataclass(frozen=True, slots=True)
class ProvedHeights:
    """Light blocks of a snapshot's height and the one after it, and the set of the one after that."""

    last: LightBlock
    current: LightBlock
    next_validators: ValidatorSet

    @property
    def app_hash(self) -> bytes:
        """Of the application after the snapshot's height."""
        return self.current.signed_header.header.app_hash


@dataclass(frozen=True, slots=True)
class RestoredChain:
    """Everything a node starts from after a snapshot: the state, and the block it is the state after."""

    state: ChainState
    fetched: FetchedBlock
    signed: SignedHeader


def needs_third(current: LightBlock) -> bool:
    """Whether the set of H+2 differs from that of H+1; else it is the same one, rotated once."""
    header = current.signed_header.header
    return header.next_validators_hash != header.validators_hash


def rotated(current: LightBlock) -> ValidatorSet:
    """The set of the next height when no member or power changes."""
    return increment_proposer_priority(current.validator_set, 1)


def same_priorities(one: ValidatorSet, other: ValidatorSet) -> bool:
    """Whether two sources tell the same rotation; the proposer field follows from it and is not compared."""
    return one.validators == other.validators


def choose_params(
    genesis: ConsensusParams, told: ConsensusParams, header: Header
) -> ConsensusParams | None:
    """Parameters in force: block limits as told, proved by the header; version the header's; others the genesis's.

    None when what was told is not proved. A chain whose application changes other parameters than block limits
    cannot be joined by snapshot; ours changes none.
    """
    if told.block.max_bytes <= 0 or hash_consensus_params(told) != header.consensus_hash:
        return None
    return ConsensusParams(
        block=told.block,
        evidence=genesis.evidence,
        validator=genesis.validator,
        version=VersionParams(header.version.app),
        abci=genesis.abci,
    )


def make_restored_state(
    doc: GenesisDoc, proved: ProvedHeights, params: ConsensusParams
) -> ChainState:
    """State after the snapshot's height (`stateprovider.State`)."""
    last, current = proved.last.signed_header, proved.current.signed_header.header
    return ChainState(
        chain_id=doc.chain_id,
        initial_height=doc.initial_height,
        app_version=current.version.app,
        last_block_height=last.header.height,
        last_block_id=last.commit.block_id,
        last_block_time=last.header.time,
        validators=proved.current.validator_set,
        next_validators=proved.next_validators,
        last_validators=proved.last.validator_set,
        last_height_validators_changed=current.height + 1,
        consensus_params=params,
        last_height_consensus_params_changed=current.height,
        last_results_hash=current.last_results_hash,
        app_hash=current.app_hash,
    )
