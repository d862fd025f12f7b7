"""A stopped node's home, opened for the commands that read or mend it: locked, stores open, nothing running."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from chain.codec.proto import decode
from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.node.cometbft import is_engine_home
from chain.node.errors import ConfigError
from chain.node.executor import Stores, open_stores
from chain.node.home import Home, load_genesis
from chain.node.lock import HomeLock
from chain.node.signer import STATE_FILE, LastSigned, SignStep, decode_state
from chain.store.app import LmdbStateStore
from chain.store.errors import StoreError
from chain.store.files import DiskFolder
from chain.store.kv import KeyValueStore, LmdbStore
from chain.store.wal import HEAD, scan
from chain.types.block import Proposal, Vote
from chain.types.messages import (
    ConsensusMessage,
    MsgInfo,
    ProposalMessage,
    TimedWALMessage,
    VoteMessage,
)
from chain.types.primitives import SignedMsgType
from chain.types.state import ChainState

STORE_FOLDER: Final = "chain.lmdb"
APP_FOLDER: Final = "app.lmdb"
"""Only where the application keeps an environment of its own."""
WAL_FOLDER: Final = "cs.wal"


@dataclass(frozen=True, slots=True)
class OfflineNode:
    """What a stopped node left; `app` is its application's records, `app_kv` where they lie."""

    home: Home
    stores: Stores
    state: ChainState
    app: LmdbStateStore
    app_kv: KeyValueStore


@contextmanager
def open_offline(home: Home) -> Iterator[OfflineNode]:
    """Lock a home and open its stores; raises ConfigError when it runs, never ran, or what it left is damaged."""
    check_embedded(home)
    if not (home.data / STORE_FOLDER).is_dir():
        raise ConfigError("config_no_data", f"no node ever ran on {home.root}")
    lock = HomeLock(home.data)
    kv = LmdbStore(home.data / STORE_FOLDER)
    app_kv = LmdbStore(home.data / APP_FOLDER) if (home.data / APP_FOLDER).is_dir() else kv
    try:
        stores = open_stores(kv, None)
        state = stores.states.load()
        if state is None or state.last_block_height == 0:
            raise ConfigError("config_no_data", f"no block was ever decided on {home.root}")
        yield OfflineNode(home, stores, state, LmdbStateStore(app_kv, shared=False), app_kv)
    except StoreError as error:
        raise ConfigError(error.code, str(error)) from error
    finally:
        kv.close()
        if app_kv is not kv:
            app_kv.close()
        lock.release()


def check_embedded(home: Home) -> None:
    """Raise ConfigError for a home of CometBFT: its lock, its stores and its application lie elsewhere."""
    if is_engine_home(home.root):
        raise ConfigError(
            "config_engine", f"{home.root} is a home of CometBFT: this is for the embedded engine"
        )


def read_signer_state(home: Home) -> LastSigned | None:
    """The signer's position, or None when its file is gone; raises InvalidSignerFile."""
    held = DiskFolder(home.data).read(STATE_FILE)
    return None if held is None else decode_state(held)


def last_signed_in_log(home: Home) -> LastSigned:
    """The furthest of our own messages in the log's newest segment; raises WalDamaged, ConfigError.

    The log may be ahead of the signer's file: it is made durable first.
    """
    if not (home.data / WAL_FOLDER).is_dir():
        return LastSigned()
    chain_id = load_genesis(home).doc.chain_id
    held = DiskFolder(home.data / WAL_FOLDER).read(HEAD) or b""
    own = [_signed_in(chain_id, payload) for payload in scan(held).payloads]
    return max(own, key=LastSigned.position, default=LastSigned())


def _signed_in(chain_id: str, payload: bytes) -> LastSigned:
    """What one log record shows as signed by us; position 0 for any other record."""
    match decode(TimedWALMessage, payload).msg.value:
        case MsgInfo(ConsensusMessage(VoteMessage(Vote() as vote)), ""):
            is_prevote = vote.type is SignedMsgType.PREVOTE
            step = SignStep.PREVOTE if is_prevote else SignStep.PRECOMMIT
            signed = vote_sign_bytes(chain_id, vote)
            return LastSigned(vote.height, vote.round, step, vote.signature, signed)
        case MsgInfo(ConsensusMessage(ProposalMessage(Proposal() as proposal)), ""):
            signed = proposal_sign_bytes(chain_id, proposal)
            return LastSigned(
                proposal.height, proposal.round, SignStep.PROPOSE, proposal.signature, signed
            )
        case _:
            return LastSigned()
