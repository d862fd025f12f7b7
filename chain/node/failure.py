"""What is left of a node that stopped rather than go on wrongly: a bundle under data/failures, for an inquiry.

    reason.txt     code, kind of the failure, and the lines of our code it went through
    state.json     versions, chain, heights, app hash, where consensus stood, what was signed last
    wal_tail.txt   the newest log records, a line each: who voted what; of block parts only sizes and hashes

Never in it: transactions, keys, texts of exceptions that are not ours (they may quote what a citizen sent).
"""

import errno
import json
import platform
import traceback
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from chain.codec.errors import DecodeError
from chain.codec.proto import decode
from chain.limits import FAILURE_WAL_TAIL_RECORDS
from chain.node.config import VERSION
from chain.node.errors import NodeError
from chain.node.host import ConsensusHost
from chain.node.signer import FileSigner, InvalidSignerFile
from chain.store.errors import StoreError
from chain.store.files import Folder
from chain.store.wal import Wal
from chain.types.block import BlockID
from chain.types.messages import (
    BlockPart,
    EndHeight,
    MsgInfo,
    ProposalMessage,
    TimedWALMessage,
    TimeoutInfo,
    VoteMessage,
    VoteSetMaj23,
    WALMessage,
)
from chain.types.primitives import SignedMsgType
from chain.types.timestamp import Timestamp

UNEXPECTED = "consensus_failure"
"""Code of a failure that has none of its own."""
HOME_REFUSALS: Final = (NodeError, StoreError, InvalidSignerFile)
"""What a home that is wrong, damaged or in use raises: words of ours that a person may read."""


def code_of(failure: BaseException) -> str:
    """The stable code of a failure."""
    if isinstance(failure, NodeError | StoreError):
        return failure.code
    if isinstance(failure, OSError):
        return "disk_full" if failure.errno == errno.ENOSPC else "disk_failed"
    code = getattr(failure, "code", None)
    return code if isinstance(code, str) else UNEXPECTED


def text_of(failure: BaseException) -> str:
    """Words of a failure that are ours or the system's; of any other its kind alone."""
    if isinstance(failure, NodeError | StoreError | OSError | AssertionError):
        return f"{type(failure).__name__}: {failure}"
    return type(failure).__name__


def describe(failure: BaseException) -> str:
    """Code, words, and the way through the code, causes included."""
    lines = [f"code: {code_of(failure)}"]
    seen: BaseException | None = failure
    while seen is not None:
        lines.append(text_of(seen))
        lines += [
            f"  {frame.filename}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(seen.__traceback__)
        ]
        seen = seen.__cause__
    return "\n".join(lines) + "\n"


def write_bundle(
    folder: Folder,
    failure: BaseException,
    host: ConsensusHost | None,
    signer: FileSigner | None,
    wal: Wal | None,
) -> None:
    """Write the three files; one that cannot be made says why, and the others are written all the same.

    Raises OSError when the disk takes nothing.
    """
    folder.replace("reason.txt", describe(failure).encode())
    state = _or_why(lambda: json.dumps(_state_of(host, signer), indent=2))
    folder.replace("state.json", state.encode())
    tail = _or_why(lambda: "\n".join(describe_tail(wal)))
    folder.replace("wal_tail.txt", tail.encode())


def _or_why(make: Callable[[], str]) -> str:
    """A text, or why there is none: the very thing that failed may be what is asked here."""
    try:
        return make()
    except Exception as failure:  # noqa: BLE001  # the inquiry gets what can be had
        return f"not available: {text_of(failure)}\n"


def _state_of(host: ConsensusHost | None, signer: FileSigner | None) -> dict[str, Any]:
    found: dict[str, Any] = {"version": VERSION, "python": platform.python_version()}
    if signer is not None:
        last = signer.last
        found["signer"] = {
            "address": signer.address.hex().upper(),
            "last": [last.height, last.round, last.step.name],
            "muted_below": signer.muted_below,
        }
    if host is None:
        return found
    state = host.state
    found |= {
        "chain_id": state.chain_id,
        "height": state.last_block_height,
        "block": state.last_block_id.hash.hex().upper(),
        "block_time": state.last_block_time.to_rfc3339(),
        "app_hash": state.app_hash.hex().upper(),
        "app_version": state.app_version,
        "validators": len(state.validators.validators),
    }
    core = host.core
    if core is not None:
        machine = core.machine
        found["round_state"] = {
            "height": machine.height,
            "round": machine.round,
            "step": machine.step.name,
            "locked": [machine.locked_round, _name(machine.locked_block_id)],
            "valid": [machine.valid_round, _name(machine.valid_block_id)],
        }
    return found


def describe_tail(wal: Wal | None, count: int = FAILURE_WAL_TAIL_RECORDS) -> list[str]:
    """The newest records of a log, a line each."""
    return [] if wal is None else [describe_record(payload) for payload in wal.tail(count)]


def describe_record(payload: bytes) -> str:
    """One log record as a line, without what a transaction holds."""
    try:
        record = decode(TimedWALMessage, payload)
    except DecodeError as error:
        return f"unreadable record of {len(payload)} bytes: {error}"
    return f"{record.time.to_rfc3339()} {_describe(record.msg)}"


def _describe(message: WALMessage) -> str:
    match message.value:
        case EndHeight(height):
            return f"end of height {height}"
        case TimeoutInfo(_, height, round_, kind):
            return f"timeout {height}/{round_} kind {int(kind)}"
        case MsgInfo(sent, peer):
            return f"{peer or 'own'} {_describe_body(sent.value)}"
        case other:
            return type(other).__name__


def _describe_body(body: Any) -> str:
    match body:
        case VoteMessage(vote):
            kind = SignedMsgType(vote.type).name.lower()
            voter = vote.validator_address.hex().upper()[:12]
            return f"{kind} {vote.height}/{vote.round} {_name(vote.block_id)} by {voter}"
        case ProposalMessage(proposal):
            where = f"{proposal.height}/{proposal.round}"
            return f"proposal {where} {_name(proposal.block_id)} polka {proposal.pol_round}"
        case BlockPart(height, round_, part):
            digest = sha256(part.bytes).hexdigest()[:12]
            return f"part {part.index} of {height}/{round_}: {len(part.bytes)} bytes, {digest}"
        case VoteSetMaj23(height, round_, type_, block_id):
            kind = SignedMsgType(type_).name.lower()
            return f"claims {kind} majority {height}/{round_} {_name(block_id)}"
        case _:
            return type(body).__name__


def _name(block_id: BlockID) -> str:
    return "nil" if block_id.is_nil() else block_id.hash.hex().upper()[:12]


def bundle_name(now: Timestamp) -> str:
    """Folder of a bundle: the time of the failure, in characters that every file system takes."""
    return now.to_rfc3339().replace(":", "")
