"""How domains turn verified blocks into SQL: what they register, what they are handed, and the core's tables.

A domain's `service.py` may export:

    PROJECTIONS = {"loyalty.earn": project_earn}      called for each *accepted* transaction of that type
    ANONYMOUS   = {"ballot.cast": project_ballot}     called for each accepted transaction that nobody signed
    JOURNAL     = {"loyalty.expire": project_expiry}  called for each block-end effect of that kind
    GENESIS     = (project_genesis_roles,)            called once, with the trusted genesis
    BLOCKS      = (project_header,)                   called once per block, after its transactions

and its `models.py` PROJECTED, the tables that hold nothing else than what these write: `projector rebuild`
empties exactly those and fills them again. All calls of one block happen inside one SQL transaction.
Never: clock, chance or network in a projection; the same blocks must give the same rows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from peewee import BigIntegerField, CharField, IntegerField, TextField

from app.core.database import Row, find_row
from chain.town import schemas
from chain.types.block import Commit, Header
from chain.types.validator import ValidatorSet

PROJECTOR_ROW: Final = 1


class Transaction(Row):
    """A final transaction: committed, and its result proved by the next header. `data` is canonical JSON."""

    payload_hash = CharField(primary_key=True, max_length=64)
    height = BigIntegerField()
    position = IntegerField()
    time_s = BigIntegerField()
    type = CharField(max_length=48)
    sender = CharField(max_length=48)
    code = IntegerField()
    data = TextField()

    class Meta:
        """Table `transactions`."""

        table_name = "transactions"
        indexes = ((("height", "position"), True), (("sender", "height"), False))


class ProjectorState(Row):
    """The single row that says how far SQL follows the chain; read by every API process."""

    id = IntegerField(primary_key=True)
    chain_id = CharField(max_length=50)
    town = CharField(max_length=43)
    height = BigIntegerField(default=0)
    """Last projected height: its results were proved by the header after it."""
    header_hash = CharField(max_length=64, default="")
    """Of that height, hex."""
    next_validators_hash = CharField(max_length=64, default="")
    app_hash = CharField(max_length=64, default="")
    """State after that height, from the header after it, hex."""
    time_s = BigIntegerField(default=0)
    """Header time of that height."""
    halted_code = CharField(max_length=48, default="")
    """Why the projector stopped for good, empty while it follows."""

    class Meta:
        """Table `projector`."""

        table_name = "projector"


PROJECTED: Final = (Transaction,)
"""The core's own projected tables (the state row is reset, not emptied)."""


@dataclass(frozen=True, slots=True)
class ProjectedTx:
    """One accepted transaction of a verified block. `data` is the rule's result, decoded."""

    height: int
    index: int
    time_s: int
    payload_hash: str
    payload: schemas.Payload
    body: Any
    """Typed by `payload.type`, see `chain.town.schemas`."""
    code: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectedAnonymous:
    """One accepted transaction that nobody signed: no sender, no name by which one could be looked up alone."""

    height: int
    index: int
    time_s: int
    type: str
    body: Any
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectedJournal:
    """One effect at a block's end (expiry, a council act that came into force), from a proved leaf."""

    height: int
    position: int
    time_s: int
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectedGenesis:
    """The genesis document the operator trusts; `app_state` decoded from JSON."""

    chain_id: str
    time_s: int
    initial_height: int
    app_state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProjectedBlock:
    """A verified header with the commit that the next block carries for it."""

    header: Header
    header_hash: bytes
    commit: Commit
    validators: ValidatorSet
    tx_count: int


TxProjection: TypeAlias = Callable[[ProjectedTx], None]
AnonymousProjection: TypeAlias = Callable[[ProjectedAnonymous], None]
JournalProjection: TypeAlias = Callable[[ProjectedJournal], None]
GenesisProjection: TypeAlias = Callable[[ProjectedGenesis], None]
BlockProjection: TypeAlias = Callable[[ProjectedBlock], None]


@dataclass(frozen=True, slots=True)
class Projections:
    """What all domains registered, collected by `app.wiring`."""

    transactions: Mapping[str, TxProjection] = field(default_factory=dict)
    journal: Mapping[str, JournalProjection] = field(default_factory=dict)
    anonymous: Mapping[str, AnonymousProjection] = field(default_factory=dict)
    genesis: tuple[GenesisProjection, ...] = ()
    blocks: tuple[BlockProjection, ...] = ()
    tables: tuple[type[Row], ...] = PROJECTED


def collect_projections(domains: Iterable[tuple[Any, Any]]) -> Projections:
    """Merge the registrations of (service module, models module) pairs; a type has one owner."""
    transactions: dict[str, TxProjection] = {}
    journal: dict[str, JournalProjection] = {}
    anonymous: dict[str, AnonymousProjection] = {}
    genesis: list[GenesisProjection] = []
    blocks: list[BlockProjection] = []
    tables: list[type[Row]] = list(PROJECTED)
    for service, models in domains:
        _merge(transactions, getattr(service, "PROJECTIONS", {}))
        _merge(journal, getattr(service, "JOURNAL", {}))
        _merge(anonymous, getattr(service, "ANONYMOUS", {}))
        genesis.extend(getattr(service, "GENESIS", ()))
        blocks.extend(getattr(service, "BLOCKS", ()))
        tables.extend(getattr(models, "PROJECTED", ()))
    return Projections(
        transactions, journal, anonymous, tuple(genesis), tuple(blocks), tuple(tables)
    )


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, projection in more.items():
        if name in into:
            raise ValueError(f"{name} is projected twice")
        into[name] = projection


def get_projector_state() -> ProjectorState | None:
    """How far SQL follows the chain, or None before the genesis was projected."""
    return find_row(ProjectorState, "id = ?", PROJECTOR_ROW)


def find_transaction(payload_hash: str) -> Transaction | None:
    """A final transaction by its payload hash (hex)."""
    return find_row(Transaction, "payload_hash = ?", payload_hash)
