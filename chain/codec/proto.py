"""Protobuf of every message of CometBFT 0.38, from one table: `encode(value)`, `decode(cls, data)`.

One value has one encoding and only that one is accepted: fields in ascending order, zero scalars left out,
submessages that gogoproto marks non-nullable always present, integers minimal and in range, repeated integers
packed, text valid UTF-8, no unknown field, nothing left over. So `encode(decode(cls, b)) == b` or `b` is refused.
No message contains itself, hence the table bounds the depth. Callers bound the size.

Reads: bytes.  Writes: bytes.  Never: fills in what the bytes do not say.
Source: `proto/tendermint/**.proto` at v0.38.25; gogoproto's generated marshallers for what is emitted when empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, cast

from chain.codec import wire
from chain.codec.errors import DecodeError
from chain.types import abci, block, evidence, params, state, validator
from chain.types.primitives import BlockIDFlag, SignedMsgType
from chain.types.timestamp import NANOS_PER_SECOND, Timestamp

T = TypeVar("T")

EncodeBody = Callable[[Any], bytes]
"""Value to the bytes of its message, without key and length."""
DecodeBody = Callable[[bytes, int, int], Any]
"""Buffer, start and stop to value; raises DecodeError."""
WriteField = Callable[[Any], bytes]
"""Value to key and content; nothing when the field is left out."""
ReadField = Callable[[bytes, int, int], tuple[Any, int]]
"""Buffer, position after the first key, end of the message, to value and next position."""

ED25519_KEY_BYTES: Final = 32


class _Unset:
    """Stands for a field that must be there and was not met yet."""


_UNSET: Final = _Unset()


@dataclass(frozen=True, slots=True)
class Body:
    """How one message is written and read, without its key and length."""

    encode: EncodeBody
    decode: DecodeBody


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a .proto file: number, attribute, and what stands for "left out"."""

    number: int
    name: str
    wire_type: int
    missing: Any
    write: WriteField
    read: ReadField


class Message(Generic[T]):
    """The table of one dataclass: its fields in ascending number, and how to write and read them."""

    def __init__(self, cls: type[T], *table: Field) -> None:
        numbers = [line.number for line in table]
        assert numbers == sorted(set(numbers)), f"{cls.__name__}: field numbers out of order"
        order = {declared.name: at for at, declared in enumerate(fields(cast(Any, cls)))}
        assert set(order) == {line.name for line in table}, f"{cls.__name__}: fields do not match"
        self.cls = cls
        self._writers = tuple(line.write for line in table)
        self._values = _attributes(tuple(line.name for line in table))
        by_name = {line.name: line for line in table}
        self._missing = [by_name[name].missing for name in order]
        self._required = tuple(at for at, value in enumerate(self._missing) if value is _UNSET)
        self._slots = {
            line.number << 3 | line.wire_type: (line.number, order[line.name], line.read)
            for line in table
        }

    def encode(self, value: T) -> bytes:
        """Bytes of the message."""
        parts = zip(self._writers, self._values(value), strict=True)
        return b"".join([write(part) for write, part in parts])

    def decode(self, data: bytes, pos: int, end: int) -> T:
        """The message between two positions; raises DecodeError."""
        values = list(self._missing)
        last, slots = 0, self._slots
        while pos < end:
            key, after = wire.decode_uvarint(data, pos, end)
            slot = slots.get(key)
            if slot is None or slot[0] <= last:
                raise DecodeError(f"{self.cls.__name__}: {_why(slot, key)} at byte {pos}")
            last, at, read = slot
            values[at], pos = read(data, after, end)
        for at in self._required:
            if values[at] is _UNSET:
                name = fields(cast(Any, self.cls))[at].name
                raise DecodeError(f"{self.cls.__name__}: {name} is missing")
        return self.cls(*values)


class Envelope:
    """A message that is one `oneof` of messages; `wrap` is the class around it, None for a bare union."""

    def __init__(self, wrap: type[Any] | None, members: dict[int, type[Any]]) -> None:
        self._wrap = wrap
        self._by_class = {
            cls: wire.encode_key(number, wire.WIRE_BYTES) for number, cls in members.items()
        }
        self._by_key = {number << 3 | wire.WIRE_BYTES: cls for number, cls in members.items()}

    def encode(self, value: Any) -> bytes:
        """Bytes of the one member; raises TypeError when the union has no such member."""
        member = value if self._wrap is None else value.value
        key = self._by_class.get(type(member))
        if key is None:
            raise TypeError(f"{type(member).__name__} is not a member of this envelope")
        return key + wire.encode_delimited(_BODIES[type(member)].encode(member))

    def decode(self, data: bytes, pos: int, end: int) -> Any:
        """The member, in its wrapper; raises DecodeError for none, an unknown one, or two."""
        key, after = wire.decode_uvarint(data, pos, end)
        member = self._by_key.get(key)
        if member is None:
            raise DecodeError(f"unknown message {key >> 3} at byte {pos}")
        start, stop = wire.decode_length(data, after, end)
        if stop != end:
            raise DecodeError(f"more than one message in an envelope at byte {stop}")
        value = _BODIES[member].decode(data, start, stop)
        return value if self._wrap is None else self._wrap(value)


_BODIES: dict[type[Any], Body] = {}


def encode(value: Any) -> bytes:
    """Protobuf bytes of a value of `chain.types`; raises TypeError for a class without a table."""
    body = _BODIES.get(type(value))
    if body is None:
        raise TypeError(f"no protobuf table for {type(value).__name__}")
    return body.encode(value)


def decode(cls: type[T], data: bytes) -> T:
    """The value whose encoding is exactly `data`; raises DecodeError otherwise."""
    body = _BODIES.get(cls)
    if body is None:
        raise TypeError(f"no protobuf table for {cls.__name__}")
    return cast(T, body.decode(data, 0, len(data)))


def encode_delimited(value: Any) -> bytes:
    """A value with its length before it: the framing of ABCI sockets, privval and the WAL's peers."""
    return wire.encode_delimited(encode(value))


def decode_delimited(cls: type[T], buffer: bytes, pos: int, max_bytes: int) -> tuple[T, int] | None:
    """The next framed value of a stream and the position after it; None until it is whole."""
    frame = wire.take_frame(buffer, pos, max_bytes)
    if frame is None:
        return None
    return decode(cls, frame[0]), frame[1]


def register(table: "Message[Any]") -> None:
    """Add the table of one class; a class has one table only."""
    assert table.cls not in _BODIES, f"{table.cls.__name__} registered twice"
    _BODIES[table.cls] = Body(table.encode, table.decode)


def register_envelope(wrap: type[Any], members: dict[int, type[Any]]) -> None:
    """Add a wrapper class of one attribute `value` that travels as a oneof."""
    assert wrap not in _BODIES, f"{wrap.__name__} registered twice"
    envelope = Envelope(wrap, members)
    _BODIES[wrap] = Body(envelope.encode, envelope.decode)


def registered_classes() -> tuple[type[Any], ...]:
    """Every class that can be encoded, in order of registration."""
    return tuple(_BODIES)


# -- fields ---------------------------------------------------------------------------------------


def int64(number: int, name: str) -> Field:
    """Signed 64 bits; negatives take ten bytes."""
    return _varint_field(number, name, -(2**63), 2**63 - 1)


def int32(number: int, name: str) -> Field:
    """Signed 32 bits, written as 64."""
    return _varint_field(number, name, -(2**31), 2**31 - 1)


def uint64(number: int, name: str) -> Field:
    """Unsigned 64 bits."""
    return _varint_field(number, name, 0, 2**64 - 1)


def uint32(number: int, name: str) -> Field:
    """Unsigned 32 bits."""
    return _varint_field(number, name, 0, 2**32 - 1)


def boolean(number: int, name: str) -> Field:
    """True is 1; False is left out."""
    return _varint_field(number, name, 0, 1, make=bool, missing=False)


def enum(number: int, name: str, kind: type[IntEnum]) -> Field:
    """A value of an enumeration; unknown values are refused."""
    return _varint_field(number, name, 0, max(kind), make=kind, missing=kind(0))


def octets(number: int, name: str) -> Field:
    """Bytes; empty is left out."""
    key = wire.encode_key(number, wire.WIRE_BYTES)

    def write(value: bytes) -> bytes:
        return key + wire.encode_uvarint(len(value)) + value if value else b""

    def read(data: bytes, pos: int, end: int) -> tuple[bytes, int]:
        start, stop = wire.decode_length(data, pos, end)
        if start == stop:
            raise DecodeError(f"empty bytes written out at byte {pos}")
        return data[start:stop], stop

    return Field(number, name, wire.WIRE_BYTES, b"", write, read)


def text(number: int, name: str) -> Field:
    """UTF-8; empty is left out."""
    raw = octets(number, name)

    def write(value: str) -> bytes:
        return raw.write(value.encode()) if value else b""

    def read(data: bytes, pos: int, end: int) -> tuple[str, int]:
        value, stop = raw.read(data, pos, end)
        return _utf8(value, pos), stop

    return Field(number, name, wire.WIRE_BYTES, "", write, read)


def message(number: int, name: str, cls: type[Any]) -> Field:
    """A submessage that is always written and must be there."""
    return _body_field(number, name, _late(cls), nullable=False)


def optional(number: int, name: str, cls: type[Any]) -> Field:
    """A submessage that is left out when None."""
    return _body_field(number, name, _late(cls), nullable=True)


def repeated(number: int, name: str, cls: type[Any]) -> Field:
    """Submessages, one key each."""
    return _run_field(number, name, _late(cls))


def repeated_octets(number: int, name: str) -> Field:
    """Byte strings, one key each; empty ones count."""
    return _run_field(number, name, Body(bytes, lambda data, start, stop: data[start:stop]))


def repeated_text(number: int, name: str) -> Field:
    """UTF-8 strings, one key each; empty ones count."""
    return _run_field(
        number,
        name,
        Body(str.encode, lambda data, start, stop: _utf8(data[start:stop], start)),
    )


def packed_uint(number: int, name: str, bits: int) -> Field:
    """Unsigned integers in one length-delimited run; an empty run is left out."""
    key = wire.encode_key(number, wire.WIRE_BYTES)

    def write(values: tuple[int, ...]) -> bytes:
        if any(value >> bits for value in values):
            raise ValueError(f"{name}: not an unsigned integer of {bits} bits")
        run = b"".join([wire.encode_uvarint(value) for value in values])
        return key + wire.encode_delimited(run) if run else b""

    def read(data: bytes, pos: int, end: int) -> tuple[tuple[int, ...], int]:
        at, stop = wire.decode_length(data, pos, end)
        if at == stop:
            raise DecodeError(f"empty run written out at byte {pos}")
        values = []
        while at < stop:
            value, at = wire.decode_uvarint(data, at, stop)
            if value >> bits:
                raise DecodeError(f"{name}: above {bits} bits at byte {at}")
            values.append(value)
        return tuple(values), stop

    return Field(number, name, wire.WIRE_BYTES, (), write, read)


def instant(number: int, name: str) -> Field:
    """A google.protobuf.Timestamp that is always written."""
    return _body_field(number, name, TIMESTAMP, nullable=False)


def duration_ns(number: int, name: str) -> Field:
    """A google.protobuf.Duration that is always written; nanoseconds in Python."""
    return _body_field(number, name, DURATION, nullable=False)


def ed25519_key(number: int, name: str) -> Field:
    """A `tendermint.crypto.PublicKey` holding a raw Ed25519 key of 32 bytes."""
    return _body_field(number, name, PUBLIC_KEY, nullable=False)


def ed25519_key_or_none(number: int, name: str) -> Field:
    """The same, where b"" stands for a PublicKey message without a key (a signer's error answer)."""
    return _body_field(number, name, PUBLIC_KEY_OR_NONE, nullable=False)


def _varint_field(
    number: int,
    name: str,
    low: int,
    high: int,
    make: Callable[[int], Any] | None = None,
    missing: Any = 0,
) -> Field:
    key = wire.encode_key(number, wire.WIRE_VARINT)
    signed = low < 0

    def write(value: int) -> bytes:
        if not value:
            return b""
        if not low <= value <= high:
            raise ValueError(f"{name} out of range: {value}")
        return key + wire.encode_uvarint(value & wire.UINT64_MAX)

    def read(data: bytes, pos: int, end: int) -> tuple[Any, int]:
        value, after = wire.decode_uvarint(data, pos, end)
        if signed and value >> 63:
            value -= 1 << 64
        if not value or not low <= value <= high:
            raise DecodeError(f"{name}: zero written out or out of range at byte {pos}")
        return (value if make is None else _made(make, value, name)), after

    return Field(number, name, wire.WIRE_VARINT, missing, write, read)


def _body_field(number: int, name: str, body: Body, *, nullable: bool) -> Field:
    key = wire.encode_key(number, wire.WIRE_BYTES)

    def write(value: Any) -> bytes:
        if value is None and nullable:
            return b""
        content = body.encode(value)
        return key + wire.encode_uvarint(len(content)) + content

    def read(data: bytes, pos: int, end: int) -> tuple[Any, int]:
        start, stop = wire.decode_length(data, pos, end)
        return body.decode(data, start, stop), stop

    return Field(number, name, wire.WIRE_BYTES, None if nullable else _UNSET, write, read)


def _run_field(number: int, name: str, body: Body) -> Field:
    key = wire.encode_key(number, wire.WIRE_BYTES)

    def write(values: tuple[Any, ...]) -> bytes:
        return b"".join([key + wire.encode_delimited(body.encode(value)) for value in values])

    def read(data: bytes, pos: int, end: int) -> tuple[tuple[Any, ...], int]:
        values = []
        while True:
            start, pos = wire.decode_length(data, pos, end)
            values.append(body.decode(data, start, pos))
            if not data.startswith(key, pos, end):
                return tuple(values), pos
            pos += len(key)

    return Field(number, name, wire.WIRE_BYTES, (), write, read)


def _late(cls: type[Any]) -> Body:
    """The body of a class that may be registered later than its first use."""
    if cls in _BODIES:
        return _BODIES[cls]
    return Body(
        lambda value: _BODIES[cls].encode(value),
        lambda data, start, stop: _BODIES[cls].decode(data, start, stop),
    )


def _attributes(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Values of several attributes at once; attrgetter gives a tuple only from two names on."""
    if not names:
        return lambda value: ()
    if len(names) == 1:
        name = names[0]
        return lambda value: (getattr(value, name),)
    return attrgetter(*names)


def _made(make: Callable[[int], Any], value: int, name: str) -> Any:
    try:
        return make(value)
    except ValueError as error:
        raise DecodeError(f"{name}: unknown value {value}") from error


def _utf8(raw: bytes, pos: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8 at byte {pos}") from error


def _why(slot: Any, key: int) -> str:
    return f"field {key >> 3} " + ("unknown or of another type" if slot is None else "out of order")


# -- bodies that are not dataclasses of their own -----------------------------------------------


def _encode_timestamp(value: Timestamp) -> bytes:
    seconds, nanos = value.seconds, value.nanos
    out = b"\x08" + wire.encode_uvarint(seconds & wire.UINT64_MAX) if seconds else b""
    return out + b"\x10" + wire.encode_uvarint(nanos) if nanos else out


def _decode_seconds_nanos(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Fields 1 and 2 of a Timestamp or a Duration, as signed integers."""
    found = [0, 0]
    for at, key in enumerate((0x08, 0x10)):
        if pos < end and data[pos] == key:
            found[at], pos = wire.decode_varint(data, pos + 1, end)
            if not found[at]:
                raise DecodeError(f"zero written out at byte {pos}")
    if pos != end:
        raise DecodeError(f"unknown or unordered field in a time at byte {pos}")
    return found[0], found[1]


def _decode_timestamp(data: bytes, pos: int, end: int) -> Timestamp:
    seconds, nanos = _decode_seconds_nanos(data, pos, end)
    try:
        return Timestamp(seconds, nanos)
    except ValueError as error:
        raise DecodeError(str(error)) from error


def _encode_duration(value_ns: int) -> bytes:
    if not -(2**63) <= value_ns < 2**63:
        raise ValueError(f"duration out of range: {value_ns}")
    sign = -1 if value_ns < 0 else 1
    seconds, nanos = divmod(abs(value_ns), NANOS_PER_SECOND)
    out = b"\x08" + wire.encode_varint(sign * seconds) if seconds else b""
    return out + b"\x10" + wire.encode_varint(sign * nanos) if nanos else out


def _decode_duration(data: bytes, pos: int, end: int) -> int:
    seconds, nanos = _decode_seconds_nanos(data, pos, end)
    value_ns = seconds * NANOS_PER_SECOND + nanos
    if abs(nanos) >= NANOS_PER_SECOND or seconds * nanos < 0:
        raise DecodeError(f"duration with nanos {nanos} beside seconds {seconds}")
    if not -(2**63) <= value_ns < 2**63:
        raise DecodeError("duration above 64 bits of nanoseconds")
    return value_ns


def _encode_public_key(raw: bytes) -> bytes:
    if len(raw) != ED25519_KEY_BYTES:
        raise ValueError(f"an Ed25519 key has 32 bytes, not {len(raw)}")
    return b"\x0a\x20" + raw


def _decode_public_key(data: bytes, pos: int, end: int) -> bytes:
    if end - pos != ED25519_KEY_BYTES + 2 or data[pos : pos + 2] != b"\x0a\x20":
        raise DecodeError(f"not an Ed25519 public key at byte {pos}")
    return data[pos + 2 : end]


def _encode_proof_ops(ops: tuple[abci.ProofOp, ...]) -> bytes:
    return _PROOF_OPS.write(ops)


def _decode_proof_ops(data: bytes, pos: int, end: int) -> tuple[abci.ProofOp, ...]:
    """At least one op: no proof at all is the message left out."""
    key, after = wire.decode_uvarint(data, pos, end)
    if key != 0x0A:
        raise DecodeError(f"not a list of proof ops at byte {pos}")
    ops, stop = _PROOF_OPS.read(data, after, end)
    if stop != end:
        raise DecodeError(f"trailing bytes after proof ops at byte {stop}")
    return cast("tuple[abci.ProofOp, ...]", ops)


def _encode_state_version(app_version: int) -> bytes:
    """`tendermint.state.Version`: the block protocol is this release's own."""
    return b"\x0a" + wire.encode_delimited(encode(block.ConsensusVersion(app=app_version)))


def _decode_state_version(data: bytes, pos: int, end: int) -> int:
    if pos == end or data[pos] != 0x0A:
        raise DecodeError(f"no consensus version at byte {pos}")
    start, stop = wire.decode_length(data, pos + 1, end)
    version = _BODIES[block.ConsensusVersion].decode(data, start, stop)
    if stop != end or version.block != block.BLOCK_PROTOCOL:
        raise DecodeError("state written by another block protocol")
    return cast(int, version.app)


TIMESTAMP: Final = Body(_encode_timestamp, _decode_timestamp)
DURATION: Final = Body(_encode_duration, _decode_duration)
PUBLIC_KEY: Final = Body(_encode_public_key, _decode_public_key)
PUBLIC_KEY_OR_NONE: Final = Body(
    lambda raw: _encode_public_key(raw) if raw else b"",
    lambda data, pos, end: _decode_public_key(data, pos, end) if pos < end else b"",
)


def _proof_ops_field(number: int, name: str) -> Field:
    """`ProofOps`, left out when there is none."""
    inner = _body_field(number, name, Body(_encode_proof_ops, _decode_proof_ops), nullable=True)

    def write(ops: tuple[abci.ProofOp, ...]) -> bytes:
        return inner.write(ops or None)

    return Field(number, name, wire.WIRE_BYTES, (), write, inner.read)


_PROOF_OPS: Final = repeated(1, "ops", abci.ProofOp)
_EVIDENCE: Final = Envelope(
    None, {1: evidence.DuplicateVoteEvidence, 2: evidence.LightClientAttackEvidence}
)


def _register_types() -> None:
    """`tendermint.types`, `tendermint.version`, `tendermint.crypto`."""
    b = block
    for table in (
        Message(b.ConsensusVersion, uint64(1, "block"), uint64(2, "app")),
        Message(b.PartSetHeader, uint32(1, "total"), octets(2, "hash")),
        Message(b.BlockID, octets(1, "hash"), message(2, "part_set_header", b.PartSetHeader)),
        Message(
            b.Header,
            message(1, "version", b.ConsensusVersion),
            text(2, "chain_id"),
            int64(3, "height"),
            instant(4, "time"),
            message(5, "last_block_id", b.BlockID),
            octets(6, "last_commit_hash"),
            octets(7, "data_hash"),
            octets(8, "validators_hash"),
            octets(9, "next_validators_hash"),
            octets(10, "consensus_hash"),
            octets(11, "app_hash"),
            octets(12, "last_results_hash"),
            octets(13, "evidence_hash"),
            octets(14, "proposer_address"),
        ),
        Message(
            b.CommitSig,
            enum(1, "block_id_flag", BlockIDFlag),
            octets(2, "validator_address"),
            instant(3, "timestamp"),
            octets(4, "signature"),
        ),
        Message(
            b.Commit,
            int64(1, "height"),
            int32(2, "round"),
            message(3, "block_id", b.BlockID),
            repeated(4, "signatures", b.CommitSig),
        ),
        Message(
            b.ExtendedCommitSig,
            enum(1, "block_id_flag", BlockIDFlag),
            octets(2, "validator_address"),
            instant(3, "timestamp"),
            octets(4, "signature"),
            octets(5, "extension"),
            octets(6, "extension_signature"),
        ),
        Message(
            b.ExtendedCommit,
            int64(1, "height"),
            int32(2, "round"),
            message(3, "block_id", b.BlockID),
            repeated(4, "extended_signatures", b.ExtendedCommitSig),
        ),
        Message(b.Data, repeated_octets(1, "txs")),
        Message(
            b.EvidenceList,
            _run_field(1, "evidence", Body(_EVIDENCE.encode, _EVIDENCE.decode)),
        ),
        Message(
            b.Block,
            message(1, "header", b.Header),
            message(2, "data", b.Data),
            message(3, "evidence", b.EvidenceList),
            optional(4, "last_commit", b.Commit),
        ),
        Message(
            b.Proof,
            int64(1, "total"),
            int64(2, "index"),
            octets(3, "leaf_hash"),
            repeated_octets(4, "aunts"),
        ),
        Message(b.Part, uint32(1, "index"), octets(2, "bytes"), message(3, "proof", b.Proof)),
        Message(b.TxProof, octets(1, "root_hash"), octets(2, "data"), message(3, "proof", b.Proof)),
        Message(
            b.Vote,
            enum(1, "type", SignedMsgType),
            int64(2, "height"),
            int32(3, "round"),
            message(4, "block_id", b.BlockID),
            instant(5, "timestamp"),
            octets(6, "validator_address"),
            int32(7, "validator_index"),
            octets(8, "signature"),
            octets(9, "extension"),
            octets(10, "extension_signature"),
        ),
        Message(
            b.Proposal,
            enum(1, "type", SignedMsgType),
            int64(2, "height"),
            int32(3, "round"),
            int32(4, "pol_round"),
            message(5, "block_id", b.BlockID),
            instant(6, "timestamp"),
            octets(7, "signature"),
        ),
        Message(b.SignedHeader, message(1, "header", b.Header), message(2, "commit", b.Commit)),
        Message(
            b.BlockMeta,
            message(1, "block_id", b.BlockID),
            int64(2, "block_size"),
            message(3, "header", b.Header),
            int64(4, "num_txs"),
        ),
    ):
        register(table)


def _register_evidence() -> None:
    """Evidence, validators and light blocks; every reference of ours is there, so none is nullable."""
    e, v = evidence, validator
    for table in (
        Message(
            v.Validator,
            octets(1, "address"),
            ed25519_key(2, "pub_key"),
            int64(3, "voting_power"),
            int64(4, "proposer_priority"),
        ),
        # Field 3, the total, is always zero on the wire: nobody believes a peer's total.
        Message(
            v.ValidatorSet,
            repeated(1, "validators", v.Validator),
            optional(2, "proposer", v.Validator),
        ),
        Message(
            e.DuplicateVoteEvidence,
            message(1, "vote_a", block.Vote),
            message(2, "vote_b", block.Vote),
            int64(3, "total_voting_power"),
            int64(4, "validator_power"),
            instant(5, "timestamp"),
        ),
        Message(
            e.LightBlock,
            message(1, "signed_header", block.SignedHeader),
            message(2, "validator_set", v.ValidatorSet),
        ),
        Message(
            e.LightClientAttackEvidence,
            message(1, "conflicting_block", e.LightBlock),
            int64(2, "common_height"),
            repeated(3, "byzantine_validators", v.Validator),
            int64(4, "total_voting_power"),
            instant(5, "timestamp"),
        ),
    ):
        register(table)


def _register_params() -> None:
    """`params.proto`, with all five groups written as CometBFT does, and `tendermint.state.State`."""
    p = params
    for table in (
        Message(p.BlockParams, int64(1, "max_bytes"), int64(2, "max_gas")),
        Message(
            p.EvidenceParams,
            int64(1, "max_age_num_blocks"),
            duration_ns(2, "max_age_duration_ns"),
            int64(3, "max_bytes"),
        ),
        Message(p.ValidatorParams, repeated_text(1, "pub_key_types")),
        Message(p.VersionParams, uint64(1, "app")),
        Message(p.ABCIParams, int64(1, "vote_extensions_enable_height")),
        Message(
            p.ConsensusParams,
            message(1, "block", p.BlockParams),
            message(2, "evidence", p.EvidenceParams),
            message(3, "validator", p.ValidatorParams),
            message(4, "version", p.VersionParams),
            message(5, "abci", p.ABCIParams),
        ),
        Message(
            state.ChainState,
            _body_field(
                1,
                "app_version",
                Body(_encode_state_version, _decode_state_version),
                nullable=False,
            ),
            text(2, "chain_id"),
            int64(3, "last_block_height"),
            message(4, "last_block_id", block.BlockID),
            instant(5, "last_block_time"),
            message(6, "next_validators", validator.ValidatorSet),
            message(7, "validators", validator.ValidatorSet),
            message(8, "last_validators", validator.ValidatorSet),
            int64(9, "last_height_validators_changed"),
            message(10, "consensus_params", p.ConsensusParams),
            int64(11, "last_height_consensus_params_changed"),
            octets(12, "last_results_hash"),
            octets(13, "app_hash"),
            int64(14, "initial_height"),
        ),
    ):
        register(table)


def _register_abci_values() -> None:
    """`tendermint.abci`: what requests and responses are made of."""
    a = abci
    for table in (
        Message(a.EventAttribute, text(1, "key"), text(2, "value"), boolean(3, "index")),
        Message(a.Event, text(1, "type"), repeated(2, "attributes", a.EventAttribute)),
        Message(a.ExecTxResult, *_tx_outcome()),
        Message(a.ValidatorUpdate, ed25519_key(1, "pub_key"), int64(2, "power")),
        Message(a.AbciValidator, octets(1, "address"), int64(3, "power")),
        Message(
            a.VoteInfo,
            message(1, "validator", a.AbciValidator),
            enum(3, "block_id_flag", BlockIDFlag),
        ),
        Message(a.CommitInfo, int32(1, "round"), repeated(2, "votes", a.VoteInfo)),
        Message(
            a.ExtendedVoteInfo,
            message(1, "validator", a.AbciValidator),
            octets(3, "vote_extension"),
            octets(4, "extension_signature"),
            enum(5, "block_id_flag", BlockIDFlag),
        ),
        Message(a.ExtendedCommitInfo, int32(1, "round"), repeated(2, "votes", a.ExtendedVoteInfo)),
        Message(
            a.Misbehavior,
            enum(1, "type", a.MisbehaviorType),
            message(2, "validator", a.AbciValidator),
            int64(3, "height"),
            instant(4, "time"),
            int64(5, "total_voting_power"),
        ),
        Message(a.ProofOp, text(1, "type"), octets(2, "key"), octets(3, "data")),
        Message(
            a.Snapshot,
            uint64(1, "height"),
            uint32(2, "format"),
            uint32(3, "chunks"),
            octets(4, "hash"),
            octets(5, "metadata"),
        ),
    ):
        register(table)


def _register_abci_requests() -> None:
    a = abci
    for table in (
        Message(
            a.RequestInfo,
            text(1, "version"),
            uint64(2, "block_version"),
            uint64(3, "p2p_version"),
            text(4, "abci_version"),
        ),
        Message(
            a.RequestInitChain,
            instant(1, "time"),
            text(2, "chain_id"),
            optional(3, "consensus_params", params.ConsensusParams),
            repeated(4, "validators", a.ValidatorUpdate),
            octets(5, "app_state_bytes"),
            int64(6, "initial_height"),
        ),
        Message(
            a.RequestQuery,
            octets(1, "data"),
            text(2, "path"),
            int64(3, "height"),
            boolean(4, "prove"),
        ),
        Message(a.RequestCheckTx, octets(1, "tx"), enum(2, "type", a.CheckTxType)),
        Message(
            a.RequestPrepareProposal,
            int64(1, "max_tx_bytes"),
            repeated_octets(2, "txs"),
            message(3, "local_last_commit", a.ExtendedCommitInfo),
            repeated(4, "misbehavior", a.Misbehavior),
            int64(5, "height"),
            instant(6, "time"),
            octets(7, "next_validators_hash"),
            octets(8, "proposer_address"),
        ),
        Message(a.RequestProcessProposal, *_decided("proposed_last_commit")),
        Message(a.RequestFinalizeBlock, *_decided("decided_last_commit")),
        Message(
            a.RequestExtendVote,
            octets(1, "hash"),
            int64(2, "height"),
            instant(3, "time"),
            repeated_octets(4, "txs"),
            message(5, "proposed_last_commit", a.CommitInfo),
            repeated(6, "misbehavior", a.Misbehavior),
            octets(7, "next_validators_hash"),
            octets(8, "proposer_address"),
        ),
        Message(
            a.RequestVerifyVoteExtension,
            octets(1, "hash"),
            octets(2, "validator_address"),
            int64(3, "height"),
            octets(4, "vote_extension"),
        ),
    ):
        register(table)


def _register_abci_responses() -> None:
    a = abci
    for table in (
        Message(
            a.ResponseInfo,
            text(1, "data"),
            text(2, "version"),
            uint64(3, "app_version"),
            int64(4, "last_block_height"),
            octets(5, "last_block_app_hash"),
        ),
        Message(
            a.ResponseInitChain,
            optional(1, "consensus_params", params.ConsensusParams),
            repeated(2, "validators", a.ValidatorUpdate),
            octets(3, "app_hash"),
        ),
        Message(
            a.ResponseQuery,
            uint32(1, "code"),
            text(3, "log"),
            text(4, "info"),
            int64(5, "index"),
            octets(6, "key"),
            octets(7, "value"),
            _proof_ops_field(8, "proof_ops"),
            int64(9, "height"),
            text(10, "codespace"),
        ),
        Message(a.ResponseCheckTx, *_tx_outcome()),
        Message(a.ResponsePrepareProposal, repeated_octets(1, "txs")),
        Message(a.ResponseProcessProposal, enum(1, "status", a.ProposalStatus)),
        Message(a.ResponseExtendVote, octets(1, "vote_extension")),
        Message(a.ResponseVerifyVoteExtension, enum(1, "status", a.ProposalStatus)),
        Message(
            a.ResponseFinalizeBlock,
            repeated(1, "events", a.Event),
            repeated(2, "tx_results", a.ExecTxResult),
            repeated(3, "validator_updates", a.ValidatorUpdate),
            optional(4, "consensus_param_updates", params.ConsensusParams),
            octets(5, "app_hash"),
        ),
        Message(a.ResponseCommit, int64(3, "retain_height")),
    ):
        register(table)


def _tx_outcome() -> tuple[Field, ...]:
    """ExecTxResult and ResponseCheckTx have the same lines."""
    return (
        uint32(1, "code"),
        octets(2, "data"),
        text(3, "log"),
        text(4, "info"),
        int64(5, "gas_wanted"),
        int64(6, "gas_used"),
        repeated(7, "events", abci.Event),
        text(8, "codespace"),
    )


def _decided(commit_name: str) -> tuple[Field, ...]:
    """ProcessProposal and FinalizeBlock differ by one name."""
    return (
        repeated_octets(1, "txs"),
        message(2, commit_name, abci.CommitInfo),
        repeated(3, "misbehavior", abci.Misbehavior),
        octets(4, "hash"),
        int64(5, "height"),
        instant(6, "time"),
        octets(7, "next_validators_hash"),
        octets(8, "proposer_address"),
    )


_register_types()
_register_evidence()
_register_params()
_register_abci_values()
_register_abci_requests()
_register_abci_responses()
