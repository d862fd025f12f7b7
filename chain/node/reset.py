"""`beffroi node reset`: forget the chain, keep who we are and what we signed (CometBFT `unsafe-reset-all`, but safe).

CometBFT sets the signer back to height 0, after which a validator of a living chain can sign twice. Here the
position stays, raised to whatever the log shows beyond it, unless the operator insists.
"""

import shutil
from hashlib import sha256
from typing import Final

from chain.node.home import Home, load_genesis, load_signing_seed, read_genesis
from chain.node.lock import LOCK_FILE, HomeLock
from chain.node.offline import check_embedded, last_signed_in_log, read_signer_state
from chain.node.signer import STATE_FILE, LastSigned, decode_state, encode_state
from chain.store.files import DiskFolder

KEPT: Final = frozenset({STATE_FILE, LOCK_FILE, "failures"})
"""Bundles of past failures are for inquiry and hold nothing a new start reads."""
ASIDE: Final = "priv_validator_state."
"""Beginning of the files with positions on chains that this home left."""


def reset_home(home: Home, *, forget_signer: bool = False, genesis: bytes = b"") -> LastSigned:
    """Remove all chain data; returns the signer's position after it. Raises ConfigError while a node runs.

    `genesis` replaces the genesis document: the home then joins the chain that continues the town. A vote is bound
    to its chain, so the signer begins anew there; what it said on the old one is put aside and comes back with it.
    """
    check_embedded(home)
    load_signing_seed(home)  # a folder that is no node's is left alone
    if genesis:
        read_genesis(genesis)  # a document that no chain can start from changes nothing
    lock = HomeLock(home.data)
    try:
        held = read_signer_state(home)
        last = LastSigned() if forget_signer else _raised(home, held)
        if held is None and last == LastSigned() and not forget_signer:
            pass  # no position is known: the node stays mute until others decided two heights
        elif last != held:
            DiskFolder(home.data).replace(STATE_FILE, encode_state(last))
        if genesis:
            old = load_genesis(home).doc.chain_id
            DiskFolder(home.config).replace("genesis.json", genesis)
            last = _change_chain(home, last, old, load_genesis(home).doc.chain_id)
        for entry in sorted(home.data.iterdir()):
            if entry.name in KEPT or entry.name.startswith(ASIDE):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    finally:
        lock.release()
    return last


def _change_chain(home: Home, last: LastSigned, old: str, new: str) -> LastSigned:
    """Put the position on the old chain aside, take out the one on the new chain if this home was there before."""
    if old == new:
        return last
    folder = DiskFolder(home.data)
    if last != LastSigned():
        folder.replace(_aside(old), encode_state(last))
    held = folder.read(_aside(new))
    position = LastSigned() if held is None else decode_state(held)
    folder.replace(STATE_FILE, encode_state(position))
    return position


def _aside(chain_id: str) -> str:
    """File of a signer's position on a chain that this home left; chain ids may hold any character."""
    return f"{ASIDE}{sha256(chain_id.encode()).hexdigest()[:16]}.json"


def _raised(home: Home, held: LastSigned | None) -> LastSigned:
    """The signer's state, or a message of ours in the log that is beyond it."""
    return max(held or LastSigned(), last_signed_in_log(home), key=LastSigned.position)
