"""`config/genesis.signatures.json`: the council's signatures over a recovery genesis, judged before a node starts.

Reads: the genesis and the signature file.  Writes: nothing.  Never: starts on a genesis whose signatures do not hold.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from chain.codec.errors import DecodeError
from chain.crypto.jws import SigningKey
from chain.node.errors import ConfigError
from chain.node.home import Genesis, Home, read_genesis
from chain.node.offline import open_offline
from chain.store.files import DiskFolder
from chain.town.approval import (
    add_approval,
    approval_payload,
    judge_approval,
    seats_of,
    seats_of_genesis,
    signers_of,
)
from chain.town.genesis import GenesisError
from chain.town.migration import decode_migration
from chain.town.snapshot import view_state

SIGNATURES_FILE: Final = "genesis.signatures.json"
log = structlog.get_logger("node")


def signatures_beside(genesis: Path) -> Path:
    """Where the signatures over a genesis file are kept: `NAME.signatures.json` beside it."""
    return genesis.with_suffix(".signatures.json")


@dataclass(frozen=True, slots=True)
class Approved:
    """A signature was added to a file; `missing` says what it still lacks, empty when nothing."""

    file: Path
    missing: str


def approve_genesis(genesis: Path, signer: SigningKey) -> Approved:
    """Add a seat's signature to the file beside a genesis; raises ConfigError."""
    file, raw = signatures_beside(genesis), genesis.read_bytes()
    held = file.read_bytes() if file.exists() else b""
    read = read_genesis(raw)
    payload = _payload_of(raw, read)
    seats = seats_of_genesis(decode_migration(read.app_state_bytes))
    if signer.kid not in seats:
        raise ConfigError("genesis_not_approved", f"{signer.kid} has no seat in the council")
    try:
        signed = add_approval(payload, held, signer)
    except (DecodeError, ValueError) as error:
        raise ConfigError("genesis_not_approved", f"{file.name}: {error}") from error
    DiskFolder(file.parent).replace(file.name, signed)
    return Approved(file, judge_approval(payload, signed, seats))


def judge_by_own_council(home: Home, genesis: Path) -> bytes:
    """The signatures beside a genesis, judged by the council of this home's own last state; raises ConfigError.

    Empty when there are none, or when the genesis founds a town instead of continuing one.
    """
    file = signatures_beside(genesis)
    if not file.exists():
        return b""
    held, raw = file.read_bytes(), genesis.read_bytes()
    read = read_genesis(raw)
    with open_offline(home) as node:
        seats = seats_of(view_state(node.app, node.state.last_block_height).reader)
    flaw = judge_approval(_payload_of(raw, read), held, seats)
    if flaw:
        raise ConfigError("genesis_not_approved", flaw)
    return held


def install_signatures(home: Home, signatures: bytes) -> None:
    """Put judged signatures beside a home's genesis, where each start judges them again."""
    DiskFolder(home.config).replace(SIGNATURES_FILE, signatures)


def _payload_of(raw: bytes, genesis: Genesis) -> bytes:
    try:
        return approval_payload(raw, genesis.doc, genesis.app_state_bytes)
    except GenesisError as error:
        raise ConfigError("genesis_not_approved", str(error)) from error


def check_approval(home: Home, *, is_required: bool = False) -> None:
    """Judge the signature file if there is one; raises ConfigError.

    Judged by the council that the genesis carries: a node with the old chain's state judged the same signatures by
    that at `reset`. Who starts an empty home compares the seats named in the log with the town's published ones.
    """
    try:
        held = (home.config / SIGNATURES_FILE).read_bytes()
    except FileNotFoundError as error:
        if is_required:
            raise ConfigError("genesis_not_approved", f"{SIGNATURES_FILE} is missing") from error
        return
    raw = home.genesis_file.read_bytes()
    genesis = read_genesis(raw)
    payload = _payload_of(raw, genesis)
    seats = seats_of_genesis(decode_migration(genesis.app_state_bytes))
    flaw = judge_approval(payload, held, seats)
    if flaw:
        raise ConfigError("genesis_not_approved", flaw)
    bodies = ",".join(f"{seats[kid].body}:{kid}" for kid in signers_of(held))
    log.info("genesis approved by the council", chain_id=genesis.doc.chain_id, seats=bodies)
