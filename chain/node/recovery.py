"""What a validator remembers at a start: signer state, log and store, and whether they belong together.

Order of durable writes while running: log, signer state, wire, store. So after any crash the log holds everything
that the signer's file says was signed in the height in progress. When it does not, something was lost or brought
back from another day, and with it perhaps a lock; then nothing is signed in that height (PROTOCOL §5):

    signer file missing            mute until a full height above the highest seen was decided by others
    a commit holds more of ours    the file is older than the chain, or the key is used elsewhere: the same
    log lacks the last signature   mute until that height is decided by others
    others cannot decide without us  refuse to start, with a code: nobody could ever lift the silence

Reads: signer state, log, the newest commits.  Writes: repairs a torn end of the log.
"""

import structlog

from chain.codec.proto import decode, encode
from chain.limits import SIGNER_LOOKBACK_BLOCKS
from chain.node.errors import SignerRefused
from chain.node.executor import next_height
from chain.node.signer import FileSigner, LastSigned, position_of
from chain.store.blocks import BlockStore
from chain.store.files import Folder
from chain.store.wal import Wal
from chain.types.block import BlockID, Commit, Vote
from chain.types.messages import (
    EndHeight,
    MsgInfo,
    ProposalMessage,
    TimedWALMessage,
    VoteMessage,
    WALMessage,
)
from chain.types.primitives import Address, BlockIDFlag, Height, SignedMsgType
from chain.types.state import ChainState
from chain.types.timestamp import Timestamp

log = structlog.get_logger("recovery")


# ── the signer ───────────────────────────────────────────────────────────────────────────────────────


def open_signer(seed: bytes, data: Folder, state: ChainState, blocks: BlockStore) -> FileSigner:
    """The key with what it remembers, mute when that may be too little; raises SignerRefused, InvalidSignerFile."""
    signer = FileSigner(seed, data)
    if signer.signed_for() not in ("", state.chain_id):
        if state.last_block_height == 0:
            signer.begin_chain()  # an exported town begins where the old chain may have been in the middle of a height
        elif signer.last.height >= next_height(state):
            raise SignerRefused(
                "signer_other_chain", f"the signer state is of chain {signer.signed_for()}"
            )
    if not signer.has_state:
        _mute(signer, state, next_height(state) + 2, "signer_state_missing")
        return signer
    unknown = find_unknown_signature(signer, blocks)
    if unknown is not None:
        signer.observe(state.chain_id, unknown)
        if _is_alone(state, signer.address):
            # The store decides: nobody else's word could be newer, and the log is read next.
            log.warning("signer state is older than the store: learned", height=unknown.height)
        else:
            _mute(signer, state, next_height(state) + 2, "signer_behind")
    return signer


def find_unknown_signature(signer: FileSigner, blocks: BlockStore) -> Vote | None:
    """Our newest precommit in the last SIGNER_LOOKBACK_BLOCKS commits, when this signer does not know it.

    CometBFT's `double_sign_check_height` refuses any signature of ours found there, also its own of a minute
    ago, and is off by default; comparing with the signer's position lets it be always on.
    """
    tip = blocks.height()
    for height in range(tip, max(blocks.base(), tip - SIGNER_LOOKBACK_BLOCKS + 1) - 1, -1):
        if height < signer.last.height or height == 0:
            return None
        found = blocks.load_commit(height)
        own = None if found is None else own_precommit(found[0], signer.address)
        if own is not None:
            return None if signer.is_known(own) else own
    return None


def own_precommit(commit: Commit, address: Address) -> Vote | None:
    """The precommit of one validator inside a commit, or None when it gave none."""
    for index, line in enumerate(commit.signatures):
        if line.block_id_flag is BlockIDFlag.ABSENT or line.validator_address != address:
            continue
        block_id = commit.block_id if line.block_id_flag is BlockIDFlag.COMMIT else BlockID()
        return Vote(
            SignedMsgType.PRECOMMIT,
            commit.height,
            commit.round,
            block_id,
            line.timestamp,
            address,
            index,
            line.signature,
        )
    return None


# ── the log ──────────────────────────────────────────────────────────────────────────────────────────


def open_log(folder: Folder, signer: FileSigner, state: ChainState, now: Timestamp) -> Wal:
    """The log, its torn end repaired; mutes the signer for a height whose records are lost.

    Raises WalDamaged when records are missing that may matter, SignerRefused when only we could go on.
    """
    remembered = signer.last if signer.has_state else None
    wal = Wal(
        folder,
        first_payload=end_height_payload(now, 0),
        may_cut=lambda payloads: remembered is not None and covers(payloads, remembered),
    )
    if wal.repaired_bytes:
        log.warning("log repaired", torn_bytes=wal.repaired_bytes)
    last = signer.last
    if last.height >= next_height(state) and not covers(wal.payloads, last):
        _mute(signer, state, last.height + 1, "signer_ahead_of_log")
    return wal


def covers(payloads: tuple[bytes, ...], last: LastSigned) -> bool:
    """Whether a log holds the newest signature, or the end of its height: nothing after it left the node."""
    if last.height == 0:
        return True
    for payload in reversed(payloads):
        message = decode(TimedWALMessage, payload).msg.value
        if isinstance(message, EndHeight):
            return message.height >= last.height
        if isinstance(message, MsgInfo) and not message.peer_id:
            body = message.msg.value
            if isinstance(body, VoteMessage) and position_of(body.vote) == last.position():
                return True
            if isinstance(body, ProposalMessage) and position_of(body.proposal) == last.position():
                return True
    return False


def end_height_payload(time: Timestamp, height: Height) -> bytes:
    """Log record that ends a height; a new log begins with that of height 0."""
    return encode(TimedWALMessage(time, WALMessage(EndHeight(height))))


def end_height_in(payload: bytes) -> Height | None:
    """Height that a log record ends, or None."""
    message = decode(TimedWALMessage, payload).msg.value
    return message.height if isinstance(message, EndHeight) else None


# ── silence ──────────────────────────────────────────────────────────────────────────────────────────


def others_can_decide(state: ChainState, address: Address) -> bool:
    """Whether more than two thirds of the power is not ours: blocks come without us."""
    validators = state.validators.validators
    total = sum(v.voting_power for v in validators)
    ours = sum(v.voting_power for v in validators if v.address == address)
    return 3 * (total - ours) > 2 * total


def may_begin_alone(state: ChainState, address: Address) -> bool:
    """Whether this key has no say, or all of it; one of several would only sign what may be decided long ago."""
    validators = state.validators.validators
    total = sum(v.voting_power for v in validators)
    ours = sum(v.voting_power for v in validators if v.address == address)
    return ours == 0 or 3 * ours > 2 * total


def _is_alone(state: ChainState, address: Address) -> bool:
    return [v.address for v in state.validators.validators] == [address]


def _mute(signer: FileSigner, state: ChainState, below: Height, code: str) -> None:
    """Sign nothing under `below`; refuse to start when the town could then never go on."""
    if not others_can_decide(state, signer.address):
        raise SignerRefused(
            code,
            f"what was signed at {next_height(state)} is not known and the others cannot decide without this key",
        )
    log.error("signing nothing", code=code, muted_below=below)
    signer.mute_below(below)
