"""The machine under `chain.codec.proto`: tables of fields, and how each kind of field is written and read.

A table says for one dataclass which field number holds which attribute, and of which kind. Everything that makes an
encoding the only one is decided here: order, presence, range, minimal length.
Source: protobuf encoding guide; gogoproto's generated marshallers (v0.38.25 `*.pb.go`) for what is emitted when empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, cast

from chain.codec import wire
from chain.codec.errors import DecodeError
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
            key, after = data[pos], pos + 1
            if key > 127:
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
        return key + wire.encode_delimited(BODIES[type(member)].encode(member))

    def decode(self, data: bytes, pos: int, end: int) -> Any:
        """The member, in its wrapper; raises DecodeError for none, an unknown one, or two."""
        key, after = wire.decode_uvarint(data, pos, end)
        member = self._by_key.get(key)
        if member is None:
            raise DecodeError(f"unknown message {key >> 3} at byte {pos}")
        start, stop = wire.decode_length(data, after, end)
        if stop != end:
            raise DecodeError(f"more than one message in an envelope at byte {stop}")
        value = BODIES[member].decode(data, start, stop)
        return value if self._wrap is None else self._wrap(value)


BODIES: dict[type[Any], Body] = {}


def define(cls: type[Any], *table: Field) -> None:
    """Give a class its table; a class has one only."""
    assert cls not in BODIES, f"{cls.__name__} defined twice"
    built = Message(cls, *table)
    BODIES[cls] = Body(built.encode, built.decode)


def define_envelope(wrap: type[Any], members: dict[int, type[Any]]) -> None:
    """Give a class of one attribute `value` its oneof."""
    assert wrap not in BODIES, f"{wrap.__name__} defined twice"
    envelope = Envelope(wrap, members)
    BODIES[wrap] = Body(envelope.encode, envelope.decode)


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


TIMESTAMP: Final = Body(_encode_timestamp, _decode_timestamp)
DURATION: Final = Body(_encode_duration, _decode_duration)
PUBLIC_KEY: Final = Body(_encode_public_key, _decode_public_key)
PUBLIC_KEY_OR_NONE: Final = Body(
    lambda raw: _encode_public_key(raw) if raw else b"",
    lambda data, pos, end: _decode_public_key(data, pos, end) if pos < end else b"",
)


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
    return body_field(number, name, body_of(cls), nullable=False)


def optional(number: int, name: str, cls: type[Any]) -> Field:
    """A submessage that is left out when None."""
    return body_field(number, name, body_of(cls), nullable=True)


def repeated(number: int, name: str, cls: type[Any]) -> Field:
    """Submessages, one key each."""
    return run_field(number, name, body_of(cls))


def repeated_octets(number: int, name: str) -> Field:
    """Byte strings, one key each; empty ones count. Written out by itself: transactions travel here."""
    key = wire.encode_key(number, wire.WIRE_BYTES)
    decode_length, encode_uvarint = wire.decode_length, wire.encode_uvarint

    def write(values: tuple[bytes, ...]) -> bytes:
        return b"".join([key + encode_uvarint(len(value)) + value for value in values])

    def read(data: bytes, pos: int, end: int) -> tuple[tuple[bytes, ...], int]:
        values = []
        while True:
            start, pos = decode_length(data, pos, end)
            values.append(data[start:pos])
            if not data.startswith(key, pos, end):
                return tuple(values), pos
            pos += len(key)

    return Field(number, name, wire.WIRE_BYTES, (), write, read)


def repeated_text(number: int, name: str) -> Field:
    """UTF-8 strings, one key each; empty ones count."""
    return run_field(
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
    return body_field(number, name, TIMESTAMP, nullable=False)


def duration_ns(number: int, name: str) -> Field:
    """A google.protobuf.Duration that is always written; nanoseconds in Python."""
    return body_field(number, name, DURATION, nullable=False)


def ed25519_key(number: int, name: str) -> Field:
    """A `tendermint.crypto.PublicKey` holding a raw Ed25519 key of 32 bytes."""
    return body_field(number, name, PUBLIC_KEY, nullable=False)


def ed25519_key_or_none(number: int, name: str) -> Field:
    """The same, where b"" stands for a PublicKey message without a key (a signer's error answer)."""
    return body_field(number, name, PUBLIC_KEY_OR_NONE, nullable=False)


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


def body_field(number: int, name: str, body: Body, *, nullable: bool) -> Field:
    """A submessage of any body; `nullable` ones are left out when None, the others must be there."""
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


def run_field(number: int, name: str, body: Body) -> Field:
    """Length-delimited elements of any body, one key each and next to each other."""
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


def body_of(cls: type[Any]) -> Body:
    """How a class defined before is written and read; raises KeyError before its definition."""
    return BODIES[cls]


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
