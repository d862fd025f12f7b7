"""What the RPC needs of a node, by shape: it knows neither store nor mempool nor consensus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from chain.types.abci import Application, ResponseCheckTx, ResponseFinalizeBlock
from chain.types.block import Block, BlockID, BlockMeta, Commit
from chain.types.messages import DefaultNodeInfo
from chain.types.params import ConsensusParams, GenesisDoc
from chain.types.primitives import Height
from chain.types.state import ChainState
from chain.types.validator import ValidatorSet


class NamedBlock(Protocol):
    """A block with its id."""

    @property
    def block(self) -> Block: ...

    @property
    def block_id(self) -> BlockID: ...


class Blocks(Protocol):
    """Stored blocks."""

    def height(self) -> Height: ...

    def base(self) -> Height: ...

    def load(self, height: Height) -> NamedBlock | None: ...

    def load_meta(self, height: Height) -> BlockMeta | None: ...

    def load_commit(self, height: Height) -> tuple[Commit, bool] | None: ...

    def load_responses(self, height: Height) -> ResponseFinalizeBlock | None: ...

    def height_of_hash(self, block_hash: bytes) -> Height | None: ...


class States(Protocol):
    """Past validator sets and parameters."""

    def load_validators(self, height: Height) -> ValidatorSet | None: ...

    def load_params(self, height: Height) -> ConsensusParams | None: ...


class Index(Protocol):
    """Transactions and events."""

    def load_tx(self, tx_hash: bytes) -> tuple[Height, int] | None: ...

    def tx_event_rows(
        self, key: str, value: str | None = None
    ) -> Iterator[tuple[str, Height, int]]: ...

    def block_event_rows(
        self, key: str, value: str | None = None
    ) -> Iterator[tuple[str, Height, int]]: ...


class Refusal(Protocol):
    """Why the pool did not take a transaction."""

    @property
    def message(self) -> str: ...


class Pool(Protocol):
    """Waiting transactions."""

    def count(self) -> int: ...

    def size_bytes(self) -> int: ...

    def first(self, limit: int) -> tuple[bytes, ...]: ...


class SubmitTx(Protocol):
    """Offer a transaction to the pool: the application's verdict, or the pool's own refusal."""

    def __call__(self, tx: bytes) -> ResponseCheckTx | Refusal: ...


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """Where consensus stands, for `consensus_state`."""

    height: Height
    round: int
    step: int
    start_time: str
    proposer: bytes
    proposer_index: int
    locked_block_hash: bytes
    valid_block_hash: bytes
    proposal_block_hash: bytes


class NodeView(Protocol):
    """The node as the RPC sees it."""

    @property
    def app(self) -> Application: ...

    @property
    def blocks(self) -> Blocks: ...

    @property
    def states(self) -> States: ...

    @property
    def index(self) -> Index: ...

    @property
    def pool(self) -> Pool: ...

    @property
    def submit_tx(self) -> SubmitTx: ...

    @property
    def genesis(self) -> GenesisDoc: ...

    @property
    def node_info(self) -> DefaultNodeInfo: ...

    @property
    def validator_key(self) -> bytes: ...

    def state(self) -> ChainState: ...

    def is_catching_up(self) -> bool: ...

    def peer_count(self) -> int: ...

    def round_summary(self) -> RoundSummary: ...
