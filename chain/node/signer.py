"""The validator's key and the last thing it signed, which must never be forgotten.

Files as CometBFT's `privval`: `config/priv_validator_key.json`, `data/priv_validator_state.json`. A signature
is computed against the position in memory and may leave the process only after `flush` made the position
durable; the host flushes before it broadcasts or commits, so several signatures can share one disk write.
Reads / Writes: those two files.  Never: a second signature for one (height, round, step).
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import msgspec

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.codec.signbytes import proposal_sign_bytes, vote_sign_bytes
from chain.crypto.ed25519 import derive_public, sign
from chain.crypto.keys import address
from chain.store.files import Folder
from chain.types.block import Proposal, Vote
from chain.types.primitives import Height, Round, SignedMsgType
from chain.types.timestamp import Timestamp

KEY_FILE = "priv_validator_key.json"
STATE_FILE = "priv_validator_state.json"


class SignStep(IntEnum):
    """Order of signatures within a round."""

    NONE = 0
    PROPOSE = 1
    PREVOTE = 2
    PRECOMMIT = 3


class SignRefused(Exception):
    """The signer will not sign this; `code` says why. The node goes on without this signature."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


@dataclass(frozen=True, slots=True)
class LastSigned:
    """Position, bytes and signature of the newest message signed."""

    height: Height = 0
    round: Round = 0
    step: SignStep = SignStep.NONE
    signature: bytes = b""
    sign_bytes: bytes = b""

    def position(self) -> tuple[Height, Round, SignStep]:
        """What must never go backwards."""
        return self.height, self.round, self.step


class InvalidSignerFile(ValueError):
    """A key or state file cannot be read; the message says which."""


class FileSigner:
    """Signs votes and proposals with one Ed25519 key."""

    def __init__(self, seed: bytes, data: Folder, *, muted_below: Height = 0) -> None:
        """`muted_below`: refuse to sign under this height (a node that lost its signer state)."""
        self._seed = seed
        self._data = data
        self.public_key = derive_public(seed)
        self.address = address(self.public_key)
        held = data.read(STATE_FILE)
        self.has_state = held is not None
        self.last = LastSigned() if held is None else decode_state(held)
        self.muted_below = muted_below
        self._is_durable = True
        self.sync_count = 0

    def sign_vote(self, chain_id: str, vote: Vote) -> Vote:
        """The vote with its signature, perhaps with the time of an earlier signing; raises SignRefused."""
        step = SignStep.PREVOTE if vote.type is SignedMsgType.PREVOTE else SignStep.PRECOMMIT
        position = (vote.height, vote.round, step)

        def sign_bytes_at(timestamp: Timestamp) -> bytes:
            return vote_sign_bytes(chain_id, replace(vote, timestamp=timestamp))

        timestamp, signature = self._sign(position, sign_bytes_at, vote.timestamp)
        return replace(vote, timestamp=timestamp, signature=signature)

    def sign_proposal(self, chain_id: str, proposal: Proposal) -> Proposal:
        """The proposal with its signature; raises SignRefused."""
        position = (proposal.height, proposal.round, SignStep.PROPOSE)

        def sign_bytes_at(timestamp: Timestamp) -> bytes:
            return proposal_sign_bytes(chain_id, replace(proposal, timestamp=timestamp))

        timestamp, signature = self._sign(position, sign_bytes_at, proposal.timestamp)
        return replace(proposal, timestamp=timestamp, signature=signature)

    def _sign(
        self, position: tuple[Height, Round, SignStep], sign_bytes_at: Any, timestamp: Timestamp
    ) -> tuple[Timestamp, bytes]:
        """Rules of `privval/file.go`: forward is signed; the same place answers only the same message."""
        if position[0] < self.muted_below:
            raise SignRefused("signer_muted", f"signs nothing below height {self.muted_below}")
        if position < self.last.position():
            raise SignRefused("signer_regression", f"{position} is before {self.last.position()}")
        if position == self.last.position():
            return self._sign_again(sign_bytes_at)
        sign_bytes = sign_bytes_at(timestamp)
        signature = sign(self._seed, sign_bytes)
        self.last = LastSigned(*position, signature, sign_bytes)
        self._is_durable = False
        return timestamp, signature

    def _sign_again(self, sign_bytes_at: Any) -> tuple[Timestamp, bytes]:
        """Same place: the old signature when only the time differs, else a refusal."""
        old_time = timestamp_in(self.last.sign_bytes)
        if sign_bytes_at(old_time) != self.last.sign_bytes:
            raise SignRefused(
                "signer_conflict", f"something else was signed at {self.last.position()}"
            )
        return old_time, self.last.signature

    def observe(self, chain_id: str, signed: Vote | Proposal) -> None:
        """Learn of a message of ours found in the log: the crash came between log and signer state."""
        if isinstance(signed, Vote):
            step = SignStep.PREVOTE if signed.type is SignedMsgType.PREVOTE else SignStep.PRECOMMIT
            sign_bytes = vote_sign_bytes(chain_id, signed)
        else:
            step = SignStep.PROPOSE
            sign_bytes = proposal_sign_bytes(chain_id, signed)
        position = (signed.height, signed.round, step)
        if position > self.last.position():
            self.last = LastSigned(*position, signed.signature, sign_bytes)
            self._is_durable = False

    def flush(self) -> None:
        """Make the position durable; nothing signed since the last flush may leave the process before.

        Raises OSError: stop the node.
        """
        if not self._is_durable:
            self._data.replace(STATE_FILE, encode_state(self.last))
            self._is_durable = True
            self.has_state = True
            self.sync_count += 2


def timestamp_in(sign_bytes: bytes) -> Timestamp:
    """Time inside canonical sign bytes: field 5 of a vote, 6 of a proposal. Raises InvalidSignerFile."""
    try:
        _, pos = wire.decode_uvarint(sign_bytes, 0, len(sign_bytes))
        is_proposal = sign_bytes[pos + 1] == SignedMsgType.PROPOSAL
        wanted = 6 if is_proposal else 5
        while pos < len(sign_bytes):
            key, pos = wire.decode_uvarint(sign_bytes, pos, len(sign_bytes))
            start, stop = _field_extent(sign_bytes, pos, key & 7)
            if key >> 3 == wanted:
                return _decode_timestamp(sign_bytes[start:stop])
            pos = stop
    except (DecodeError, IndexError, ValueError) as error:
        raise InvalidSignerFile(f"the signer state's sign bytes are malformed: {error}") from error
    raise InvalidSignerFile("the signer state's sign bytes have no time")


def _field_extent(data: bytes, pos: int, wire_type: int) -> tuple[int, int]:
    if wire_type == wire.WIRE_BYTES:
        return wire.decode_length(data, pos, len(data))
    if wire_type == wire.WIRE_FIXED64:
        return pos, pos + 8
    return pos, wire.decode_uvarint(data, pos, len(data))[1]


def _decode_timestamp(body: bytes) -> Timestamp:
    values = {1: 0, 2: 0}
    pos = 0
    while pos < len(body):
        key, pos = wire.decode_uvarint(body, pos, len(body))
        values[key >> 3], pos = wire.decode_varint(body, pos, len(body))
    return Timestamp(values[1], values[2])


class _StateJson(msgspec.Struct, omit_defaults=True):
    height: str
    round: int
    step: int
    signature: str = ""
    signbytes: str = ""


def encode_state(last: LastSigned) -> bytes:
    """`priv_validator_state.json` as CometBFT writes it."""
    row = _StateJson(
        str(last.height),
        last.round,
        int(last.step),
        b64encode(last.signature).decode(),
        last.sign_bytes.hex().upper(),
    )
    return msgspec.json.format(msgspec.json.encode(row), indent=2)


def decode_state(data: bytes) -> LastSigned:
    """Read `priv_validator_state.json`; raises InvalidSignerFile."""
    try:
        row = msgspec.json.decode(data, type=_StateJson)
        return LastSigned(
            int(row.height),
            row.round,
            SignStep(row.step),
            b64decode(row.signature, validate=True),
            bytes.fromhex(row.signbytes),
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidSignerFile(f"{STATE_FILE} cannot be read: {error}") from error


def encode_key(seed: bytes) -> bytes:
    """`priv_validator_key.json` as CometBFT writes it."""
    public = derive_public(seed)
    row = {
        "address": address(public).hex().upper(),
        "pub_key": {"type": "tendermint/PubKeyEd25519", "value": b64encode(public).decode()},
        "priv_key": {
            "type": "tendermint/PrivKeyEd25519",
            "value": b64encode(seed + public).decode(),
        },
    }
    return msgspec.json.format(msgspec.json.encode(row), indent=2)


def decode_key(data: bytes) -> bytes:
    """Seed in a key file of ours or CometBFT's; raises InvalidSignerFile."""
    try:
        row = msgspec.json.decode(data)
        raw = b64decode(row["priv_key"]["value"], validate=True)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        raise InvalidSignerFile(f"{KEY_FILE} cannot be read: {error}") from error
    if len(raw) != 64 or derive_public(raw[:32]) != raw[32:]:
        raise InvalidSignerFile(f"{KEY_FILE} does not hold an Ed25519 key pair")
    return raw[:32]
