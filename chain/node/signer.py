"""The validator's key and the last thing it signed, which must never be forgotten.

A signature is computed against the position in memory and may leave the process only after `flush` made the
position durable; the host flushes before it broadcasts or commits, so several signatures can share one disk write.
A signer that cannot know what its key signed before (state file lost, older than the chain, log lost) is mute
until a full height above the highest it saw was decided by others (PROTOCOL §5).
Reads / Writes: `data/priv_validator_state.json`.  Never: a second signature for one (height, round, step).
"""

from collections.abc import Callable
from dataclasses import replace

import structlog

from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.crypto.ed25519 import derive_public, is_accepted_quickly, sign, verify_zip215
from chain.crypto.keys import address
from chain.limits import HEIGHT_MAX
from chain.node.signer_files import (
    KEY_FILE,
    STATE_FILE,
    STEP_OF_TYPE,
    InvalidSignerFile,
    LastSigned,
    Position,
    SignStep,
    check_state_signature,
    decode_key,
    decode_state,
    encode_key,
    encode_state,
    read_sign_bytes,
    timestamp_in,
)
from chain.store.files import Folder
from chain.types.block import Commit, Proposal, Vote
from chain.types.primitives import Height, SignedMsgType
from chain.types.timestamp import Timestamp

log = structlog.get_logger("signer")

__all__ = [
    "KEY_FILE",
    "STATE_FILE",
    "FileSigner",
    "InvalidSignerFile",
    "LastSigned",
    "SignRefused",
    "SignStep",
    "decode_key",
    "decode_state",
    "encode_key",
    "encode_state",
    "position_of",
    "timestamp_in",
]


class SignRefused(Exception):
    """The signer will not sign this; `code` says why. The node goes on without this signature."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class FileSigner:
    """Signs votes and proposals with one Ed25519 key."""

    def __init__(self, seed: bytes, data: Folder, *, muted_below: Height = 0) -> None:
        """`muted_below`: refuse to sign under this height. Raises InvalidSignerFile."""
        self._seed = seed
        self._data = data
        self.public_key = derive_public(seed)
        self.address = address(self.public_key)
        held = data.read(STATE_FILE)
        self.has_state = held is not None
        """Whether there is a file that says what this key signed last."""
        self.last = LastSigned() if held is None else decode_state(held)
        check_state_signature(self.last, self.public_key)
        self.muted_below = muted_below
        self.has_signed = False
        """Whether this process signed anything yet."""
        self._owes = False
        """A signature of this process is not in the state file yet."""
        self._has_learned = False
        """The position moved by a message that was made before."""
        self.sync_count = 0

    def is_muted(self, height: Height) -> bool:
        """Whether nothing is signed at `height`."""
        return height < self.muted_below

    def mute_below(self, height: Height) -> None:
        """Sign nothing under `height`; a bar that is higher already stays."""
        self.muted_below = max(self.muted_below, height)

    def sign_vote(self, chain_id: str, vote: Vote) -> Vote:
        """The vote with its signature, perhaps with the time of an earlier signing; raises SignRefused."""

        def sign_bytes_at(timestamp: Timestamp) -> bytes:
            return vote_sign_bytes(chain_id, replace(vote, timestamp=timestamp))

        timestamp, signature = self._sign(position_of(vote), sign_bytes_at, vote.timestamp)
        return replace(vote, timestamp=timestamp, signature=signature)

    def sign_proposal(self, chain_id: str, proposal: Proposal) -> Proposal:
        """The proposal with its signature; raises SignRefused."""

        def sign_bytes_at(timestamp: Timestamp) -> bytes:
            return proposal_sign_bytes(chain_id, replace(proposal, timestamp=timestamp))

        timestamp, signature = self._sign(position_of(proposal), sign_bytes_at, proposal.timestamp)
        return replace(proposal, timestamp=timestamp, signature=signature)

    def _sign(
        self, position: Position, sign_bytes_at: Callable[[Timestamp], bytes], timestamp: Timestamp
    ) -> tuple[Timestamp, bytes]:
        """Rules of `privval/file.go`: forward is signed; the same place answers only the same message."""
        if self.is_muted(position[0]):
            raise SignRefused("signer_muted", f"signs nothing below height {self.muted_below}")
        if position < self.last.position():
            raise SignRefused("signer_regression", f"{position} is before {self.last.position()}")
        if position == self.last.position():
            return self._sign_again(sign_bytes_at)
        sign_bytes = sign_bytes_at(timestamp)
        signature = sign(self._seed, sign_bytes)
        self.last = LastSigned(*position, signature, sign_bytes)
        self.has_signed = True
        self._owes = True
        return timestamp, signature

    def _sign_again(self, sign_bytes_at: Callable[[Timestamp], bytes]) -> tuple[Timestamp, bytes]:
        """Same place: the old signature when only the time differs, else a refusal."""
        old_time = timestamp_in(self.last.sign_bytes)
        if sign_bytes_at(old_time) != self.last.sign_bytes:
            raise SignRefused(
                "signer_conflict", f"something else was signed at {self.last.position()}"
            )
        return old_time, self.last.signature

    # ── what this key signed elsewhere, or before ────────────────────────────────────────────────────

    def is_ours(self, chain_id: str, signed: Vote | Proposal) -> bool:
        """Whether our key made this signature for this chain."""
        return verify_zip215(self.public_key, _sign_bytes(chain_id, signed), signed.signature)

    def is_known(self, signed: Vote | Proposal) -> bool:
        """Whether a message of our key can be one that this signer remembers: at or before its last position."""
        position = position_of(signed)
        if position != self.last.position():
            return position < self.last.position()
        return signed.signature == self.last.signature

    def observe(self, chain_id: str, signed: Vote | Proposal) -> None:
        """Learn of a message of our key found in the log, in a commit or on the wire.

        What our key did not sign for this chain teaches nothing: the log may be another node's.
        """
        position = position_of(signed)
        if position > self.last.position() and self.is_ours(chain_id, signed):
            self.last = LastSigned(*position, signed.signature, _sign_bytes(chain_id, signed))
            self._has_learned = True

    def heed_commit(self, commit: Commit | None) -> None:
        """Look for a signature of our key in a commit; see `heed_signature`."""
        if commit is None:
            return
        for line in commit.signatures:
            if line.validator_address == self.address and line.signature:
                position = commit.height, commit.round, SignStep.PRECOMMIT
                self.heed_signature(position, line.signature)
                return

    def heed_vote(self, chain_id: str, vote: Vote, decided: Height) -> None:
        """Look at a vote of our key that a peer brought; checked first, or a liar could silence us.

        `decided` is the newest height in the store: votes of heights before it say nothing new.
        """
        if vote.validator_address != self.address or vote.signature == self.last.signature:
            return
        step = SignStep.PREVOTE if vote.type is SignedMsgType.PREVOTE else SignStep.PRECOMMIT
        position = vote.height, vote.round, step
        if position < max(self.last.position(), (decided, 0, step)):
            return
        if is_accepted_quickly(self.public_key, vote_sign_bytes(chain_id, vote), vote.signature):
            self.heed_signature(position, vote.signature)

    def heed_signature(self, position: Position, signature: bytes) -> None:
        """Fall silent when our key signed what this signer never did.

        Beyond our position: this home is an old copy, or another machine works with the key. Two heights of
        silence after each such signature; while the other one signs, this one never does. At our very position:
        two machines sign at this moment; silent until an operator has stopped one of them and starts this one.
        """
        if self.last.position() > position or self.last.signature == signature:
            return
        is_alive = self.last.position() == position
        height = position[0]
        muted_below = HEIGHT_MAX if is_alive else height + 3
        if muted_below <= self.muted_below:
            return
        self.muted_below = muted_below
        code = "signer_copy_alive" if is_alive else "signer_elsewhere"
        log.error("our key signed elsewhere: signing nothing", code=code, height=height)

    def stay_mute(self, next_height: Height) -> None:
        """After a block begun before this process: a mute signer stays so.

        What our key signed in an earlier life is in such heights; the first full height after them frees it.
        """
        if self.is_muted(next_height):
            self.mute_below(next_height + 2)

    def signed_for(self) -> str:
        """Chain id inside the newest signature; empty when nothing was signed."""
        return read_sign_bytes(self.last.sign_bytes).chain_id if self.last.sign_bytes else ""

    def begin_chain(self) -> None:
        """Forget a position of another chain: signatures name their chain and bind nothing on this one."""
        self.last = LastSigned()

    # ── durability ───────────────────────────────────────────────────────────────────────────────────

    def is_durable(self) -> bool:
        """Whether everything this process signed is in the state file."""
        return not self._owes

    def flush(self) -> None:
        """Make the position durable; nothing signed since the last flush may leave the process before.

        What a mute signer learned is not written: the file would pass for a whole memory at the next start.
        Raises OSError: stop the node.
        """
        if not self._owes and (not self._has_learned or self.is_muted(self.last.height)):
            return
        self._data.replace(STATE_FILE, encode_state(self.last))
        self._owes = self._has_learned = False
        self.has_state = True
        self.sync_count += 2


def position_of(signed: Vote | Proposal) -> Position:
    """Height, round and step of a message."""
    return signed.height, signed.round, STEP_OF_TYPE[SignedMsgType(signed.type)]


def _sign_bytes(chain_id: str, signed: Vote | Proposal) -> bytes:
    if isinstance(signed, Vote):
        return vote_sign_bytes(chain_id, signed)
    return proposal_sign_bytes(chain_id, signed)
