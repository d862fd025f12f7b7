"""Protobuf of every message of CometBFT 0.38: `encode(value)`, `decode(cls, data)`.

One value has one encoding and only that one is accepted: fields in ascending order, zero scalars left out,
submessages that gogoproto marks non-nullable always present, integers minimal and in range, repeated integers
packed, text valid UTF-8, no unknown field, nothing left over. So `encode(decode(cls, b)) == b` or `b` is refused.
No message contains itself, hence the tables bound the depth. Callers bound the size.

Reads: bytes.  Writes: bytes.  Never: fills in what the bytes do not say.
"""

from typing import Any, TypeVar, cast

from chain.codec import message_tables, tables, wire
from chain.codec.schema import BODIES

T = TypeVar("T")

_TABLES = (tables, message_tables)
"""Importing them is what defines the messages."""


def encode(value: Any) -> bytes:
    """Protobuf bytes of a value of `chain.types`.

    Raises TypeError for a class without a table, ValueError for a value its field cannot hold.
    """
    body = BODIES.get(type(value))
    if body is None:
        raise TypeError(f"no protobuf table for {type(value).__name__}")
    return body.encode(value)


def decode(cls: type[T], data: bytes) -> T:
    """The value whose encoding is exactly `data`; raises DecodeError when there is none."""
    body = BODIES.get(cls)
    if body is None:
        raise TypeError(f"no protobuf table for {cls.__name__}")
    return cast(T, body.decode(bytes(data), 0, len(data)))


def encode_delimited(value: Any) -> bytes:
    """A value with its length before it: the framing of ABCI sockets and remote signers."""
    return wire.encode_delimited(encode(value))


def decode_delimited(cls: type[T], buffer: bytes, pos: int, max_bytes: int) -> tuple[T, int] | None:
    """The next framed value of a stream and the position after it; None until it is whole.

    Raises DecodeError, as soon as it is announced, for a frame above `max_bytes`.
    """
    frame = wire.take_frame(buffer, pos, max_bytes)
    if frame is None:
        return None
    return decode(cls, frame[0]), frame[1]


def encodable_classes() -> tuple[type[Any], ...]:
    """Every class with a table."""
    return tuple(BODIES)
