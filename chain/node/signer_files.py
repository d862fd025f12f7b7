"""The signer's two files as bytes, and what canonical sign bytes say of themselves.

`config/priv_validator_key.json` and `data/priv_validator_state.json` as CometBFT's `privval` writes them. The
state carries its own check: the signature covers the sign bytes, and the sign bytes name the position; so any
damaged digit is noticed when the file is read.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import msgspec

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.crypto.ed25519 import derive_public, verify_zip215
from chain.crypto.keys import address
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


STEP_OF_TYPE = {
    SignedMsgType.PROPOSAL: SignStep.PROPOSE,
    SignedMsgType.PREVOTE: SignStep.PREVOTE,
    SignedMsgType.PRECOMMIT: SignStep.PRECOMMIT,
}
Position = tuple[Height, Round, SignStep]


class InvalidSignerFile(ValueError):
    """A key or state file cannot be read, or contradicts itself; the message says which."""

    code: ClassVar[str] = "signer_file"


@dataclass(frozen=True, slots=True)
class LastSigned:
    """Position, bytes and signature of the newest message signed."""

    height: Height = 0
    round: Round = 0
    step: SignStep = SignStep.NONE
    signature: bytes = b""
    sign_bytes: bytes = b""

    def position(self) -> Position:
        """What must never go backwards."""
        return self.height, self.round, self.step


@dataclass(frozen=True, slots=True)
class SignedPlace:
    """What canonical sign bytes say: where, when and for which chain something was signed."""

    position: Position
    timestamp: Timestamp
    chain_id: str


# ── the state file ───────────────────────────────────────────────────────────────────────────────────


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
    """Read `priv_validator_state.json`, its position compared with its sign bytes; raises InvalidSignerFile."""
    try:
        row = msgspec.json.decode(data, type=_StateJson)
        last = LastSigned(
            int(row.height),
            row.round,
            SignStep(row.step),
            b64decode(row.signature, validate=True),
            bytes.fromhex(row.signbytes),
        )
    except (msgspec.MsgspecError, ValueError) as error:
        raise InvalidSignerFile(f"{STATE_FILE} cannot be read: {error}") from error
    said = read_sign_bytes(last.sign_bytes).position if last.sign_bytes else LastSigned().position()
    if said != last.position():
        raise InvalidSignerFile(f"{STATE_FILE} says {last.position()}, its sign bytes {said}")
    return last


def check_state_signature(last: LastSigned, public_key: bytes) -> None:
    """Raise InvalidSignerFile unless our key made the signature that the state holds."""
    if last.sign_bytes and not verify_zip215(public_key, last.sign_bytes, last.signature):
        raise InvalidSignerFile(f"{STATE_FILE} holds a signature that this key did not make")


# ── the key file ─────────────────────────────────────────────────────────────────────────────────────


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


# ── canonical sign bytes ─────────────────────────────────────────────────────────────────────────────


def read_sign_bytes(sign_bytes: bytes) -> SignedPlace:
    """Position, time and chain in canonical sign bytes (`canonical.proto`); raises InvalidSignerFile.

    Fields: 1 type, 2 height, 3 round; then 5 time and 6 chain id in a vote, 6 and 7 in a proposal.
    """
    try:
        fields = _read_fields(sign_bytes)
        step = STEP_OF_TYPE[SignedMsgType(_varint(fields[1]))]
        first = 6 if step is SignStep.PROPOSE else 5
        position = _fixed(fields.get(2, b"")), _fixed(fields.get(3, b"")), step
        return SignedPlace(position, _decode_timestamp(fields[first]), fields[first + 1].decode())
    except (DecodeError, IndexError, KeyError, ValueError) as error:
        raise InvalidSignerFile(f"the signer state's sign bytes are malformed: {error}") from error


def timestamp_in(sign_bytes: bytes) -> Timestamp:
    """Time inside canonical sign bytes. Raises InvalidSignerFile."""
    return read_sign_bytes(sign_bytes).timestamp


def _read_fields(sign_bytes: bytes) -> dict[int, bytes]:
    """Bytes of each field by its number; raises DecodeError when the length before them is not theirs."""
    length, pos = wire.decode_uvarint(sign_bytes, 0, len(sign_bytes))
    if length != len(sign_bytes) - pos:
        raise DecodeError(f"{length} bytes announced, {len(sign_bytes) - pos} there")
    fields: dict[int, bytes] = {}
    while pos < len(sign_bytes):
        key, pos = wire.decode_uvarint(sign_bytes, pos, len(sign_bytes))
        start, stop = _field_extent(sign_bytes, pos, key & 7)
        fields[key >> 3] = sign_bytes[start:stop]
        pos = stop
    return fields


def _field_extent(data: bytes, pos: int, wire_type: int) -> tuple[int, int]:
    if wire_type == wire.WIRE_BYTES:
        return wire.decode_length(data, pos, len(data))
    if wire_type == wire.WIRE_FIXED64:
        return pos, pos + 8
    return pos, wire.decode_uvarint(data, pos, len(data))[1]


def _varint(raw: bytes) -> int:
    return wire.decode_varint(raw, 0, len(raw))[0]


def _fixed(raw: bytes) -> int:
    """A signed eight-byte integer; left out means 0."""
    return int.from_bytes(raw, "little", signed=True)


def _decode_timestamp(body: bytes) -> Timestamp:
    values = {1: 0, 2: 0}
    pos = 0
    while pos < len(body):
        key, pos = wire.decode_uvarint(body, pos, len(body))
        values[key >> 3], pos = wire.decode_varint(body, pos, len(body))
    return Timestamp(values[1], values[2])
