"""A town that moves to a new chain: its whole state as the new genesis `app_state`, and back (PROTOCOL §4).

    {"migration": 1, "town": "…", "app_hash": hex, "lineage": {"chain_id","height","header_hash","app_hash",
     "time"}, "records": {namespace: [[id, record], …]}}                      ids and records base64url

What changes on the way is small and in the records themselves: the town's name of the chain and its first
height, the hashes of finished blocks (written into `history`, so that a new checkpoint proves every old header)
and one lineage record there that names the old chain and its last block. Everything else, the replay
window, due work, elections and balances, is carried over byte for byte.
Reads: a version of the old state.  Writes: the first state of the new one.  Never: a clock, a choice: the same
version gives the same bytes on every machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from chain.codec.canonical import b64url_decode, b64url_encode
from chain.town import city
from chain.town.context import NO_RECORDS, BlockContext, Overlay, Table
from chain.town.engine import HISTORY, HISTORY_MAX_HASHES, PAST_HASHES, HistoryRecord
from chain.town.genesis import GenesisError
from chain.town.removals import note_removals
from chain.town.rolling import SIDE_PREFIX, minute_id
from chain.town.schemas import ActNodeRemove, ActNodeSet, ActValidatorSet, Bytes32, CouncilAct
from chain.town.snapshot import LoadedState, StateRecord, StateView, dump_state, load_state
from chain.town.snapshot_chunks import SIDE_NAMESPACES, check_side
from chain.town.validators import ANNOUNCED, take_validator_updates
from chain.types.abci import ValidatorUpdate
from chain.types.timestamp import Timestamp

MIGRATION_FORMAT: Final = 1
_HEX32: Final = r"^[0-9a-f]{64}\Z"


class LineageRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a chain's state comes from: the last block of the chain before, and the state after it.

    `time` is that block's, RFC 3339; hashes are base64url.
    """

    chain_id: str
    height: Annotated[int, Meta(ge=1)]
    header_hash: Bytes32
    app_hash: Bytes32
    time: str


class MigratedState(Struct, frozen=True, forbid_unknown_fields=True):
    """The `app_state` of an exported genesis."""

    migration: int
    town: Bytes32
    app_hash: Annotated[str, Meta(pattern=_HEX32)]
    lineage: LineageRecord
    records: dict[str, tuple[tuple[str, str], ...]]


LINEAGE: Final = Table("history", "lineage", LineageRecord)
"""By the new chain's first height, 8 bytes; a town that moved twice has two."""


@dataclass(frozen=True, slots=True)
class LastBlock:
    """The old chain's last block that counts, and the state after it."""

    chain_id: str
    height: int
    header_hash: bytes
    app_hash: bytes
    time: Timestamp


@dataclass(frozen=True, slots=True)
class Migration:
    """What a genesis document is made of."""

    app_state: dict[str, Any]
    app_hash: bytes
    """Root of the records in `app_state`: the new chain starts from it."""
    validators: tuple[ValidatorUpdate, ...]
    """The set as last announced to the engine, updates that were still pending included; by key."""


class _Probe(Struct, frozen=True):
    migration: Any = None


def is_migration(app_state_bytes: bytes) -> bool:
    """Whether a genesis continues an older chain rather than founding a town; False for what is no object."""
    try:
        return msgspec.json.decode(app_state_bytes, type=_Probe).migration is not None
    except msgspec.MsgspecError:
        return False


def export_state(
    view: StateView, last: LastBlock, chain_id: str, acts: tuple[CouncilAct, ...] = ()
) -> Migration:
    """The state after `last` as the first state of `chain_id`, `acts` on validators and nodes in force at once.

    Acts are for a town that can decide nothing any more: the council signs the genesis they are in (`approval`).
    Raises ValueError when the records do not give `last.app_hash` (the store is damaged, or of another block) or
    an act is refused, or is of another kind.
    """
    held = load_state(dump_state(view))
    if held.app_hash != last.app_hash:
        raise ValueError(f"the records give {held.app_hash.hex()}, not {last.app_hash.hex()}")
    overlay = Overlay(view.reader)
    town = city.TOWNS.get(overlay, city.TOWN_ID)
    assert town is not None, "a town has a genesis"
    first_height = last.height + 1
    moved = msgspec.structs.replace(town, chain_id=chain_id, initial_height=first_height)
    city.TOWNS.put(overlay, city.TOWN_ID, moved)
    _apply_recovery(overlay, acts, last, chain_id, town.town)
    _flush_history(overlay)
    lineage = LineageRecord(
        last.chain_id,
        last.height,
        b64url_encode(last.header_hash),
        b64url_encode(last.app_hash),
        last.time.to_rfc3339(),
    )
    LINEAGE.put(overlay, first_height.to_bytes(8, "big"), lineage)
    names = tuple(sorted({*view.namespaces, *overlay.written_namespaces()}))
    records = tuple(dump_state(StateView(overlay, names)))
    loaded = load_state(records)
    state = MigratedState(
        MIGRATION_FORMAT, town.town, loaded.app_hash.hex(), lineage, _as_json(records)
    )
    return Migration(msgspec.to_builtins(state), loaded.app_hash, _announced(overlay))


def _apply_recovery(
    overlay: Overlay, acts: tuple[CouncilAct, ...], last: LastBlock, chain_id: str, town: str
) -> None:
    """Put acts on validators and nodes into the state, and announce the set they make."""
    if not acts:
        return
    if not all(isinstance(act, ActValidatorSet | ActNodeSet | ActNodeRemove) for act in acts):
        raise ValueError(
            "a recovery changes validators and nodes only, never seats, roles or rules"
        )
    refused = city.apply_acts(overlay, acts, height=last.height + 1, now_s=last.time.seconds)
    if refused is not None:
        raise ValueError(f"recovery acts: {refused.code.name} {refused.detail}")
    note_removals(overlay, acts, last.height + 1)
    take_validator_updates(
        BlockContext(overlay, last.height + 1, last.time.seconds, chain_id, town)
    )


def _flush_history(overlay: Overlay) -> None:
    """Write every finished block's hash into `history`: on the new chain nobody can add them any more.

    A record is named by the height after its last hash, as those written at block end usually are.
    """
    held = list(overlay.scan(PAST_HASHES))
    while held:
        count = min(len(held), HISTORY_MAX_HASHES)
        start = int.from_bytes(held[0][0], "big")
        while HISTORY.get(overlay, (start + count).to_bytes(8, "big")) is not None:
            count -= 1
        hashes = tuple(b64url_encode(block_hash) for _, block_hash in held[:count])
        HISTORY.put(overlay, (start + count).to_bytes(8, "big"), HistoryRecord(start, hashes))
        for key, _ in held[:count]:
            overlay.put(PAST_HASHES, key, None)
        held = held[count:]


def _as_json(records: tuple[StateRecord, ...]) -> dict[str, tuple[tuple[str, str], ...]]:
    by_namespace: dict[str, list[tuple[str, str]]] = {}
    for namespace, record_id, record in records:
        row = (b64url_encode(record_id), b64url_encode(record))
        by_namespace.setdefault(namespace, []).append(row)
    return {namespace: tuple(rows) for namespace, rows in by_namespace.items()}


def _announced(overlay: Overlay) -> tuple[ValidatorUpdate, ...]:
    rows = ((b64url_decode(key), row.power) for key, row in ANNOUNCED.scan(overlay))
    return tuple(ValidatorUpdate(key, power) for key, power in sorted(rows))


# --- the other end -------------------------------------------------------------------------


def decode_migration(app_state_bytes: bytes) -> MigratedState:
    """Read an exported `app_state`; raises GenesisError."""
    try:
        state = msgspec.json.decode(app_state_bytes, type=MigratedState)
    except msgspec.MsgspecError as error:
        raise GenesisError(f"app_state: {error}") from error
    if state.migration != MIGRATION_FORMAT:
        raise GenesisError(f"app_state: migration format {state.migration} is not known here")
    return state


def import_state(
    overlay: Overlay,
    state: MigratedState,
    *,
    chain_id: str,
    initial_height: int,
    time: Timestamp,
    validators: tuple[ValidatorUpdate, ...],
    namespaces: tuple[str, ...],
) -> LoadedState:
    """Write an exported state; raises GenesisError unless it is whole, and this genesis's own.

    The root must be the one the export wrote, what lies beside the tree must be what its leaves say, the town's
    record must name this chain and height, time (that of the genesis) must not go back, the document's validators
    must be those that the state last announced, and its trees those of `namespaces`, this release's.
    """
    loaded = _write(overlay, state)
    town = city.TOWNS.get(overlay, city.TOWN_ID)
    if town is None or (town.town, town.chain_id) != (state.town, chain_id):
        raise GenesisError("app_state: its town record is not of this genesis")
    if town.initial_height != initial_height or state.lineage.height + 1 != initial_height:
        raise GenesisError(f"app_state: it continues at height {state.lineage.height + 1}")
    if LINEAGE.get(overlay, initial_height.to_bytes(8, "big")) != state.lineage:
        raise GenesisError("app_state: its lineage is not the one in the records")
    if _powers(validators) != _powers(_announced(overlay)):
        raise GenesisError("app_state: the document names other validators than the state")
    _check_namespaces(state, namespaces)
    _check_replay_window(overlay, state.lineage, time)
    return loaded


def _check_namespaces(state: MigratedState, known: tuple[str, ...]) -> None:
    """A tree without its sentinel cannot prove an absence; side entries of a kind unknown here prove nothing."""
    held = {name for name, rows in state.records.items() if rows}
    sides = {name for name in held if name.startswith(SIDE_PREFIX)}
    strange = sorted(((held - sides) ^ set(known)) | (sides - set(SIDE_NAMESPACES)))
    if strange:
        raise GenesisError(f"app_state: records of {strange[0]} are missing, or not known here")


def _check_replay_window(overlay: Overlay, lineage: LineageRecord, time: Timestamp) -> None:
    """Nothing committed on the old chain may come again: its replay keys are all here, and no time comes back.

    The root does not cover the entries beside the tree, and keys of minutes that were over are dropped.
    """
    try:
        last_time = Timestamp.from_rfc3339(lineage.time)
        check_side(overlay, lineage.height, over_before=minute_id(last_time.seconds))
    except ValueError as error:
        raise GenesisError(f"app_state: {error}") from error
    if time < last_time:
        raise GenesisError(f"genesis_time is before {lineage.time}, the old chain's last block")


def migrated_reader(state: MigratedState) -> Overlay:
    """The records of an exported state, to be read; raises GenesisError when they are not whole."""
    overlay = Overlay(NO_RECORDS)
    _write(overlay, state)
    return overlay


def _write(overlay: Overlay, state: MigratedState) -> LoadedState:
    loaded = _load(state.records)
    if loaded.app_hash.hex() != state.app_hash:
        raise GenesisError(f"app_state: the records give {loaded.app_hash.hex()}, not its app_hash")
    for namespace, record_id, record in loaded.records:
        overlay.put(namespace, record_id, record)
    return loaded


def _powers(validators: tuple[ValidatorUpdate, ...]) -> dict[bytes, int]:
    return {update.pub_key: update.power for update in validators}


def _load(records: Mapping[str, tuple[tuple[str, str], ...]]) -> LoadedState:
    try:
        return load_state(
            (namespace, b64url_decode(record_id), b64url_decode(record))
            for namespace, rows in records.items()
            for record_id, record in rows
        )
    except ValueError as error:
        raise GenesisError(f"app_state: {error}") from error
