"""`beffroi node reset`: forget the chain, keep who we are and what we signed (CometBFT `unsafe-reset-all`, but safe).

CometBFT sets the signer back to height 0, after which a validator of a living chain can sign twice. Here the
position stays, raised to whatever the log shows beyond it, unless the operator insists.
"""

import shutil
from typing import Final

from chain.node.errors import ConfigError
from chain.node.home import Home, load_genesis, load_signing_seed
from chain.node.lock import LOCK_FILE, HomeLock
from chain.node.offline import last_signed_in_log, read_signer_state
from chain.node.signer import STATE_FILE, LastSigned, encode_state
from chain.store.files import DiskFolder

KEPT: Final = frozenset({STATE_FILE, LOCK_FILE, "failures"})
"""Bundles of past failures are for inquiry and hold nothing a new start reads."""


def reset_home(home: Home, *, forget_signer: bool = False, genesis: bytes = b"") -> LastSigned:
    """Remove all chain data; returns the signer's position after it. Raises ConfigError while a node runs.

    `genesis` replaces the genesis document: the home then joins the chain that continues the town.
    """
    load_signing_seed(home)  # a folder that is no node's is left alone
    lock = HomeLock(home.data)
    try:
        held = read_signer_state(home)
        last = LastSigned() if forget_signer else _raised(home, held)
        if held is None and last == LastSigned() and not forget_signer:
            pass  # no position is known: the node stays mute until others decided two heights
        elif last != held:
            DiskFolder(home.data).replace(STATE_FILE, encode_state(last))
        if genesis:
            _install_genesis(home, genesis)
        for entry in sorted(home.data.iterdir()):
            if entry.name in KEPT:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    finally:
        lock.release()
    return last


def _raised(home: Home, held: LastSigned | None) -> LastSigned:
    """The signer's state, or a message of ours in the log that is beyond it."""
    return max(held or LastSigned(), last_signed_in_log(home), key=LastSigned.position)


def _install_genesis(home: Home, genesis: bytes) -> None:
    """Put a genesis in place of the old one; a document no chain can start from changes nothing."""
    folder = DiskFolder(home.config)
    before = folder.read("genesis.json")
    folder.replace("genesis.json", genesis)
    try:
        load_genesis(home)
    except ConfigError:
        if before is not None:
            folder.replace("genesis.json", before)
        raise
