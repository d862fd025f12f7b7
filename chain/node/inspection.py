"""What a home folder holds and what a start would do with it, found without changing a byte.

The log and the signer's file are copied into memory and opened there by the very functions of a start; the store
is opened read-only, also beside a node that runs.
Reads: the home folder.  Writes: nothing.
"""

import shutil
from contextlib import closing
from dataclasses import dataclass

from chain.limits import LMDB_MAP_MAX_BYTES
from chain.node.errors import ConfigError, NodeError
from chain.node.executor import next_height
from chain.node.failure import describe_record
from chain.node.home import Home, load_genesis, load_signing_seed
from chain.node.lock import LOCK_FILE, HomeLock
from chain.node.offline import STORE_FOLDER, WAL_FOLDER, check_embedded
from chain.node.recovery import covers, end_height_in, open_log, open_signer
from chain.node.signer import STATE_FILE, FileSigner, InvalidSignerFile
from chain.store.app import LmdbStateStore
from chain.store.blocks import BlockStore
from chain.store.errors import StoreError
from chain.store.files import DiskFolder, MemoryFolder
from chain.store.kv import LmdbStore
from chain.store.state import ChainStateStore
from chain.store.wal import HEAD, payloads_after, scan
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found; heights are 0 where nothing is there."""

    chain_id: str
    is_running: bool
    store_base: int
    store_height: int
    state_height: int
    app_height: int
    app_hash: str
    is_app_hash_same: bool
    signer: str
    """Position and what the file is worth."""
    log_bytes: int
    log_records: int
    log_tail: tuple[str, ...]
    store_bytes: int
    free_bytes: int
    damaged_rows: int
    """Rows whose seal does not hold; -1 when not all were read."""
    would: tuple[str, ...]
    """What a start would do, in order."""
    refusal: str
    """Code with which it would refuse; empty when it would start."""


def inspect(home: Home, *, tail: int = 20, is_full: bool = False) -> Findings:
    """Look at a home; raises ConfigError when not even that is possible."""
    check_embedded(home)
    genesis = load_genesis(home)
    if not (home.data / STORE_FOLDER).is_dir():
        raise ConfigError("config_no_data", f"no node ever ran on {home.root}")
    try:
        with closing(LmdbStore(home.data / STORE_FOLDER, is_read_only=True)) as store:
            return _inspect(home, store, genesis.doc.chain_id, tail=tail, is_full=is_full)
    except StoreError as error:
        raise ConfigError(error.code, str(error)) from error


def _inspect(home: Home, store: LmdbStore, chain_id: str, *, tail: int, is_full: bool) -> Findings:
    blocks, state = BlockStore(store), ChainStateStore(store).load()
    version = LmdbStateStore(store, shared=True).load_version()
    log_file = home.data / WAL_FOLDER / HEAD
    log_bytes = log_file.read_bytes() if log_file.is_file() else b""
    readable = scan(log_bytes, may_cut=lambda _: True).payloads
    would, refusal = _foresee(home, state, blocks, log_bytes)
    app_height, app_hash = version or (0, b"")
    return Findings(
        chain_id=chain_id,
        is_running=_is_running(home),
        store_base=blocks.base(),
        store_height=blocks.height(),
        state_height=0 if state is None else state.last_block_height,
        app_height=app_height,
        app_hash=app_hash.hex().upper(),
        is_app_hash_same=state is None or state.app_hash == app_hash,
        signer=_describe_signer(home),
        log_bytes=len(log_bytes),
        log_records=len(readable),
        log_tail=tuple(describe_record(p) for p in readable[-tail:]) if tail else (),
        store_bytes=store.size_bytes(),
        free_bytes=min(shutil.disk_usage(home.data).free, LMDB_MAP_MAX_BYTES),
        damaged_rows=store.count_damaged() if is_full else -1,
        would=tuple(would),
        refusal=refusal,
    )


def _is_running(home: Home) -> bool:
    if not (home.data / LOCK_FILE).exists():
        return False
    try:
        HomeLock(home.data).release()
    except NodeError:
        return True
    return False


def _describe_signer(home: Home) -> str:
    held = DiskFolder(home.data).read(STATE_FILE)
    if held is None:
        return "file missing"
    memory = MemoryFolder()
    memory.replace(STATE_FILE, held)
    try:
        last = FileSigner(load_signing_seed(home), memory).last
    except InvalidSignerFile as error:
        return f"file damaged: {error}"
    return f"last signed {last.height}/{last.round} {last.step.name.lower()}"


# ── what a start would do ────────────────────────────────────────────────────────────────────────────


def _foresee(
    home: Home, state: ChainState | None, blocks: BlockStore, log_bytes: bytes
) -> tuple[list[str], str]:
    """The steps of a start and the code of a refusal, by the functions of a start on copies in memory."""
    would: list[str] = []
    if state is None:
        return ["begin the chain of the genesis"], ""
    store, at = blocks.height(), state.last_block_height
    if not at <= store <= at + 1:
        return [f"refuse: state at {at}, blocks to {store}"], "state_apart"
    if store == at + 1:
        would.append(f"execute block {store} again")
    try:
        blocks.check_tip()
        would += _foresee_log(home, state, blocks, log_bytes)
    except (NodeError, StoreError, InvalidSignerFile) as refusal:
        return [*would, f"refuse: {refusal}"], refusal.code
    return would, ""


def _foresee_log(home: Home, state: ChainState, blocks: BlockStore, log_bytes: bytes) -> list[str]:
    """Signer and log; raises what a start would raise."""
    data, folder = MemoryFolder(), MemoryFolder()
    held = DiskFolder(home.data).read(STATE_FILE)
    if held is not None:
        data.replace(STATE_FILE, held)
    if log_bytes:
        folder.replace(HEAD, log_bytes)
    signer = open_signer(load_signing_seed(home), data, state, blocks)
    wal = open_log(folder, signer, state, Timestamp(0))
    would = []
    if wal.repaired_bytes:
        would.append(f"cut {wal.repaired_bytes} torn bytes off the log")
    ended = payloads_after(wal.payloads, lambda p: end_height_in(p) == state.last_block_height)
    if ended is None:
        would.append(f"add the missing end of height {state.last_block_height} to the log")
    elif ended:
        would.append(f"replay {len(ended)} log records of height {next_height(state)}")
    if signer.is_muted(next_height(state)):
        why = "its file is missing" if not signer.has_state else "what the key signed is not known"
        would.append(f"sign nothing below height {signer.muted_below}: {why}")
    elif not covers(wal.payloads, signer.last):
        would.append("go on from an older log: the chain is past what was signed")
    would.append(f"go on at height {next_height(state)}")
    return would
