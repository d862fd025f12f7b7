"""What the RPC needs of a node, by shape: it knows neither store nor mempool nor consensus."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from chain.types.abci import Application, ResponseCheckTx, ResponseFinalizeBlock
from chain.types.block import Block, BlockID, BlockMeta, Commit, Proposal, Vote
from chain.types.evidence import Evidence
from chain.types.messages import DefaultNodeInfo
from chain.types.params import ConsensusParams, GenesisDoc
from chain.types.primitives import Height, Power, Round
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp
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
class VotesView:
    """Votes of one type in one round: each validator's first, in set order, and the power behind them."""

    votes: tuple[Vote | None, ...]
    power: Power
    total: Power


@dataclass(frozen=True, slots=True)
class RoundVotesView:
    """Both kinds of votes of one round."""

    round: Round
    prevotes: VotesView
    precommits: VotesView


@dataclass(frozen=True, slots=True)
class BlockView:
    """A block that consensus speaks of: its id, which parts are here, and itself once all are."""

    block_id: BlockID
    parts: tuple[bool, ...]
    block: Block | None


@dataclass(frozen=True, slots=True)
class RoundView:
    """Where consensus stands; absent blocks are None and absent rounds -1."""

    height: Height
    round: Round
    step: int
    """CometBFT's number (`RoundStepType`): 1 between heights, then 3 propose to 8 decided."""
    start_time: Timestamp
    """When this height could begin: the decision of the last one."""
    commit_time: Timestamp
    """When the last height was decided."""
    validators: ValidatorSet
    """Rotated to the round: its proposer is the round's."""
    proposal: Proposal | None
    proposal_block: BlockView | None
    locked_round: Round
    locked_block: BlockView | None
    valid_round: Round
    valid_block: BlockView | None
    votes: tuple[RoundVotesView, ...]
    """Round 0 to the current one."""
    commit_round: Round
    last_commit: VotesView | None
    """Precommits for the last block."""
    last_validators: ValidatorSet
    has_precommit_timeout: bool


class EvidenceRefusal(Protocol):
    """Why evidence was not taken."""

    @property
    def reason(self) -> str: ...

    @property
    def detail(self) -> str: ...


class PeerFacts(Protocol):
    """A connected peer; bytes are of frames, times in seconds."""

    @property
    def info(self) -> DefaultNodeInfo: ...

    @property
    def is_outbound(self) -> bool: ...

    @property
    def remote(self) -> str:
        """host:port."""
        ...

    @property
    def connected_s(self) -> float: ...

    @property
    def sent_bytes(self) -> int: ...

    @property
    def received_bytes(self) -> int: ...


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

    async def await_judges(self, tx: bytes) -> Refusal | None:
        """Return once what is dear to judge of a transaction was judged elsewhere; a refusal when too much waits."""
        ...

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

    def is_failed(self) -> bool: ...

    def report(self, failure: Exception) -> None:
        """A method raised what it should not; the node decides what that means."""
        ...

    def retention(self) -> str:
        """`archive` or `pruned`."""
        ...

    def peers(self) -> Sequence[PeerFacts]:
        """Connected peers, by node id."""
        ...

    def p2p_address(self) -> str:
        """host:port that peers connect to, "" when nobody can."""
        ...

    def now(self) -> Timestamp:
        """The node's clock."""
        ...

    def round_view(self) -> RoundView: ...

    def submit_evidence(self, evidence: Evidence) -> EvidenceRefusal | None: ...
