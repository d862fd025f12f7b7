"""Protobuf's wire level: varints, fixed integers, length-delimited frames; one encoding per value.

Reads: bytes-like buffers.  Writes: bytes.  Never: accepts a varint longer than it need be.
Source: protobuf encoding guide; CometBFT 0.38 `libs/protoio` for the uvarint-delimited frames.
"""

from typing import Final, TypeAlias

from chain.codec.errors import DecodeError, FrameTooLarge

WIRE_VARINT: Final = 0
WIRE_FIXED64: Final = 1
WIRE_BYTES: Final = 2

MAX_VARINT_BYTES: Final = 10
UINT64_MAX: Final = 2**64 - 1

Buffer: TypeAlias = bytes | bytearray
"""What a stream is collected in."""

_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
_ONE_BYTE: Final = tuple(bytes((value,)) for value in range(128))


def encode_uvarint(value: int) -> bytes:
    """Base-128 of 0 to 2^64-1; raises ValueError outside."""
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    if not 0 <= value <= UINT64_MAX:
        raise ValueError(f"not a 64-bit unsigned integer: {value}")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_varint(value: int) -> bytes:
    """Base-128 of a signed 64-bit integer, negatives as ten bytes; raises ValueError outside."""
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"not a 64-bit signed integer: {value}")
    return encode_uvarint(value & UINT64_MAX)


def encode_zigzag(value: int) -> bytes:
    """Go's `binary.PutVarint`: small negatives stay short."""
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"not a 64-bit signed integer: {value}")
    return encode_uvarint(value << 1 if value >= 0 else (-value << 1) - 1)


def encode_sfixed64(value: int) -> bytes:
    """Eight bytes, little endian, two's complement; raises ValueError outside 64 bits."""
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise ValueError(f"not a 64-bit signed integer: {value}")
    return value.to_bytes(8, "little", signed=True)


def encode_key(number: int, wire_type: int) -> bytes:
    """The key that goes before a field."""
    return encode_uvarint(number << 3 | wire_type)


def encode_delimited(body: bytes) -> bytes:
    """A body with its length before it."""
    return encode_uvarint(len(body)) + body


def decode_uvarint(data: Buffer, pos: int, end: int) -> tuple[int, int]:
    """Value and next position; refuses cut, padded (a last byte of zero) and over-long varints."""
    if pos < end:
        byte = data[pos]
        if byte < 128:
            return byte, pos + 1
    value = shift = 0
    limit = min(end, pos + MAX_VARINT_BYTES)
    for at in range(pos, limit):
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            if byte == 0:
                raise DecodeError(f"padded varint at byte {pos}")
            if value > UINT64_MAX:
                raise DecodeError(f"varint above 64 bits at byte {pos}")
            return value, at + 1
        shift += 7
    if limit == end:
        raise DecodeError(f"cut varint at byte {pos}")
    raise DecodeError(f"over-long varint at byte {pos}")


def decode_varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Signed 64-bit value and next position."""
    value, pos = decode_uvarint(data, pos, end)
    return (value - (UINT64_MAX + 1) if value > _INT64_MAX else value), pos


def decode_sfixed64(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Signed eight-byte value and next position."""
    if pos + 8 > end:
        raise DecodeError(f"cut fixed integer at byte {pos}")
    return int.from_bytes(data[pos : pos + 8], "little", signed=True), pos + 8


def decode_length(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """Start and stop of a length-delimited body; refuses a length beyond the buffer."""
    if pos < end and data[pos] < 128:  # most lengths are one byte; saves a call
        length, start = data[pos], pos + 1
    else:
        length, start = decode_uvarint(data, pos, end)
    stop = start + length
    if stop > end:
        raise DecodeError(f"length {length} at byte {pos} goes beyond the buffer")
    return start, stop


def take_frame(buffer: Buffer, pos: int, max_bytes: int) -> tuple[bytes, int] | None:
    """The next length-delimited frame of a stream and the position after it; None until it is whole.

    Raises FrameTooLarge as soon as the announced length exceeds `max_bytes`, before anything is kept; DecodeError
    for a length that is none.
    """
    end = len(buffer)
    held = buffer[pos : pos + MAX_VARINT_BYTES]
    if len(held) < MAX_VARINT_BYTES and all(byte > 127 for byte in held):
        return None  # the length itself is not whole yet
    length, start = decode_uvarint(buffer, pos, end)
    if length > max_bytes:
        raise FrameTooLarge(f"frame of {length} bytes, at most {max_bytes} are taken")
    if start + length > end:
        return None
    return bytes(buffer[start : start + length]), start + length
